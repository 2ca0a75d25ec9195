//! Names: which ones generated code must avoid, and how words look in it.

use heck::{ToKebabCase, ToLowerCamelCase, ToSnakeCase, ToUpperCamelCase};

/// Names that mean something else in Python, in `SQLAlchemy`, in pydantic or in the templates.
const RESERVED: &[&str] = &[
    "and",
    "as",
    "assert",
    "async",
    "await",
    "break",
    "class",
    "continue",
    "def",
    "del",
    "elif",
    "else",
    "except",
    "false",
    "finally",
    "for",
    "from",
    "global",
    "if",
    "import",
    "in",
    "is",
    "lambda",
    "none",
    "nonlocal",
    "not",
    "or",
    "pass",
    "raise",
    "return",
    "true",
    "try",
    "while",
    "with",
    "yield",
    "match",
    "case",
    "type_", // Python
    "metadata",
    "registry",
    "mro",
    "query", // SQLAlchemy
    "copy",
    "json",
    "schema",
    "construct",
    "validate",
    "parse_raw",
    "parse_obj",
    "parse_file",
    "from_orm",
    "schema_json",
    "update_forward_refs",
    "not_null",
    "refuse_null",
    "model_config",
    "model_fields", // pydantic
    "register",
    "model_dump",
    "model_copy",
    "model_construct",
    "model_validate",
    "model_rebuild",
    "model_extra",
    "id",
    "created_at",
    "updated_at",
    "record_label", // every table has them
    "int",
    "str",
    "bool",
    "list",
    "set",
    "dict",
    "property",
    "self",
    "cls", // Python's own names within classes
    "dt",
    "sa",
    "enum",
    "fields",
    "enumeration",
    "relationship",
    "mapped_column", // the templates
    "constructor",
    "prototype",
    "__proto__", // JavaScript
];

/// Names of schemas that applications have beside those of their entities, which end in `Read` and so on.
pub(super) const SCHEMAS: &[&str] = &[
    "AccountInfo",
    "Dashboard",
    "DashboardCount",
    "DashboardGroup",
    "DashboardItem",
    "Health",
    "ListParams",
    "LoginRequest",
    "Order",
    "Page",
    "Reference",
    "RegisterRequest",
    "Token",
];

/// Names of routes and files that every application has.
const RESERVED_ROUTES: &[&str] = &[
    "app",
    "auth",
    "contract",
    "dashboard",
    "docs",
    "health",
    "http",
    "login",
    "openapi",
    "register",
    "types",
];

/// Names that a filter of a list cannot have: its other parameters, and what its code calls things.
pub(super) const LIST_PARAMETERS: &[&str] = &[
    "q",
    "sort",
    "order",
    "page",
    "page_size",
    "session",
    "user",
    "parameters",
    "statement",
    "column",
    "models",
    "schemas",
    "select",
    "selectinload",
    "matches",
    "paginate",
    "getattr",
];

/// A `snake_case` identifier that is safe everywhere; `prefix` resolves a clash.
pub(super) fn safe_identifier(raw: &str, prefix: &str) -> String {
    let ascii = deunicode::deunicode(raw);
    let mut name: String =
        ascii.to_snake_case().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    name.truncate(50);
    let name = name.trim_matches('_').to_owned();
    if name.is_empty() {
        return format!("{prefix}_value");
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) || RESERVED.contains(&name.as_str()) {
        return format!("{prefix}_{name}");
    }
    name
}

/// A `snake_case` plural that no built-in route or file has.
pub(super) fn safe_plural(raw: &str) -> String {
    let name = safe_identifier(raw, "all");
    if RESERVED_ROUTES.contains(&name.as_str()) { format!("{name}_records") } else { name }
}

/// A `PascalCase` class name.
pub(super) fn safe_class(raw: &str) -> String {
    let ascii = deunicode::deunicode(raw);
    let is_class = ascii.starts_with(|c: char| c.is_ascii_uppercase())
        && ascii.chars().all(|c| c.is_ascii_alphanumeric());
    let name = if is_class { ascii } else { ascii.to_upper_camel_case() };
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).take(50).collect();
    match name.chars().next() {
        None => "Record".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("Record{name}"),
        // The only capitalised names of Python itself.
        Some(_) if matches!(name.as_str(), "None" | "True" | "False") => format!("{name}Record"),
        Some(_) => name,
    }
}

/// The value of an enumeration as it travels: lower case ASCII words with underscores.
pub(super) fn enum_value(raw: &str) -> String {
    let name: String = deunicode::deunicode(raw)
        .to_snake_case()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
        .collect();
    name
}

/// The member of a Python enumeration for a value.
pub(super) fn enum_member(value: &str) -> String {
    let upper = value.to_ascii_uppercase();
    if upper.starts_with(|c: char| c.is_ascii_digit()) { format!("VALUE_{upper}") } else { upper }
}

/// `LineItem` → `line_item`.
pub(super) fn snake(name: &str) -> String {
    name.to_snake_case()
}

/// `line_items` → `LineItems`.
pub(super) fn pascal(name: &str) -> String {
    name.to_upper_camel_case()
}

/// `line_items` → `lineItems`.
pub(super) fn camel(name: &str) -> String {
    name.to_lower_camel_case()
}

/// `line_items` → `line-items`.
pub(super) fn kebab(name: &str) -> String {
    name.to_kebab_case()
}

/// `due_date` → `Due date`.
pub(super) fn humanize(name: &str) -> String {
    let mut words = name.replace(['_', '-'], " ");
    if let Some(first) = words.get_mut(0..1) {
        first.make_ascii_uppercase();
    }
    words
}

/// A label as it stands within a sentence: `Due date` → `due date`, but `SKU` and German nouns stay.
pub(super) fn within_sentence(label: &str, language: &str) -> String {
    let mut chars = label.chars();
    let (Some(first), second) = (chars.next(), chars.next()) else { return String::new() };
    if language.starts_with("de") || second.is_some_and(char::is_uppercase) {
        return label.to_owned();
    }
    first.to_lowercase().chain(label.chars().skip(1)).collect()
}

/// English singular of a `snake_case` plural; only used where the name of the entity gives no better answer.
pub(super) fn singular(plural: &str) -> String {
    let (head, word) = plural.rsplit_once('_').map_or(("", plural), |(head, word)| (head, word));
    let word = if let Some(stem) = word.strip_suffix("ies").filter(|stem| stem.len() > 1) {
        format!("{stem}y")
    } else if let Some(stem) = ["sses", "shes", "ches", "xes", "zes"].iter().find_map(|end| {
        word.strip_suffix(end)
            .map(|stem| format!("{stem}{}", end.strip_suffix("es").unwrap_or(end)))
    }) {
        stem
    } else if word.ends_with("ss") || word.ends_with("us") || word.ends_with("is") || word.len() < 3
    {
        word.to_owned()
    } else {
        word.strip_suffix('s').unwrap_or(word).to_owned()
    };
    if head.is_empty() { word } else { format!("{head}_{word}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_break_the_code_are_changed() {
        assert_eq!(safe_identifier("class", "student"), "student_class");
        assert_eq!(safe_identifier("Prénom du client", "order"), "prenom_du_client");
        assert_eq!(safe_identifier("2nd name", "person"), "person_2nd_name");
        assert_eq!(safe_identifier("***", "person"), "person_value");
        assert_eq!(safe_plural("docs"), "docs_records");
        assert_eq!(safe_class("línea de pedido"), "LineaDePedido");
        assert_eq!(enum_member("5_star"), "VALUE_5_STAR");
    }

    #[test]
    fn singulars() {
        for (plural, expected) in [
            ("tags", "tag"),
            ("categories", "category"),
            ("classes", "class"),
            ("boxes", "box"),
            ("bus", "bus"),
            ("line_items", "line_item"),
            ("series", "sery"),
            ("team_members", "team_member"),
            ("branches", "branch"),
        ] {
            assert_eq!(singular(plural), expected, "{plural}");
        }
    }

    #[test]
    fn labels_within_sentences() {
        assert_eq!(within_sentence("Due date", "en"), "due date");
        assert_eq!(within_sentence("SKU", "en"), "SKU");
        assert_eq!(within_sentence("Aufgabe", "de"), "Aufgabe");
    }
}
