//! Identifiers and labels: ASCII, no reserved word of Python, SQL, TypeScript or the libraries of the generated application.

use deunicode::deunicode;
use heck::{ToSnakeCase, ToUpperCamelCase};

use super::lexicon::lexicon;

const MAX_ENTITY: usize = 40;
const MAX_FIELD: usize = 40;

/// Names of classes that would hide something of Python, `SQLModel`, React or the browser.
const RESERVED_ENTITIES: &[&str] = &[
    "Model",
    "Field",
    "Session",
    "Base",
    "Object",
    "Type",
    "Class",
    "Date",
    "Datetime",
    "Map",
    "Set",
    "Error",
    "Exception",
    "Promise",
    "Array",
    "String",
    "Number",
    "Boolean",
    "Symbol",
    "Function",
    "Request",
    "Response",
    "Optional",
    "List",
    "Dict",
    "Tuple",
    "Any",
    "Union",
    "Query",
    "Path",
    "Body",
    "Depends",
    "File",
    "Form",
    "Header",
    "Status",
    "Router",
    "Column",
    "Table",
    "Relationship",
    "Enum",
    "Decimal",
    "Record",
    "Partial",
    "Pick",
    "Omit",
    "Required",
    "Readonly",
    "Document",
    "Node",
    "Element",
    "Image",
    "Option",
    "Text",
    "Comment",
    "Event",
    "Notification",
    "Location",
    "History",
    "Window",
    "Screen",
    "Plugin",
    "Proxy",
    "Component",
    "Fragment",
    "Link",
    "Route",
    "Routes",
    "Page",
    "Layout",
    "Button",
    "Input",
    "Select",
    "App",
    "Card",
    "Dashboard",
    "None",
    "True",
    "False",
    "Self",
    "Literal",
    "Annotated",
    "Generic",
    "Engine",
    "Index",
    "Float",
    "Integer",
    "Time",
    "Interval",
    "Json",
    "Uuid",
    "Test",
    "Mock",
    "Client",
    "Cookie",
    "Security",
    "Token",
    "Auth",
    "Account",
    "Navigation",
    "Modal",
    "Dialog",
    "Menu",
    "Item",
    "Range",
    "Selection",
    "Iterator",
    "Generator",
    "Buffer",
    "Blob",
    "Audio",
    "Video",
    "Animation",
    "Report",
    "Permissions",
    "Storage",
    "Cache",
    "Worker",
    "Performance",
    "Plan",
    "Key",
    "Label",
    "Address",
    "Profile",
    "Feature",
    "Api",
    "Fields",
    "Models",
    "Sqlmodel",
    "Basemodel",
    "Metadata",
    "Registry",
    "Mapping",
    "Sequence",
    "Row",
    "Result",
    "Settings",
    "Config",
    "Page",
    "Paging",
    "Meta",
    "Health",
    "Login",
    "Register",
    "Import",
    "Export",
    "Default",
    "Case",
    "Check",
    "Constraint",
    "View",
    "Trigger",
    "Transaction",
];

/// Reserved, but fine in practice: only the browser or nothing generated uses the name.
const TOLERATED_ENTITIES: &[&str] = &[
    "Comment",
    "Event",
    "Client",
    "Account",
    "Menu",
    "Item",
    "Plan",
    "Label",
    "Address",
    "Profile",
    "Feature",
    "Report",
    "Location",
    "Notification",
    "Worker",
    "Transaction",
    "Key",
    "Case",
    "Performance",
    "Animation",
    "Engine",
    "Result",
    "Card",
    "Token",
    "Component",
    "Plugin",
    "Test",
    "Storage",
    "Audio",
    "Video",
    "Document",
    "Image",
    "Page",
    "Route",
    "Link",
    "Station",
];

const RESERVED_FIELDS: &[&str] = &[
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
    "finally",
    "for",
    "from",
    "global",
    "if",
    "import",
    "in",
    "is",
    "lambda",
    "nonlocal",
    "not",
    "or",
    "pass",
    "raise",
    "return",
    "try",
    "while",
    "with",
    "yield",
    "none",
    "true",
    "false",
    "match",
    "metadata",
    "registry",
    "json",
    "copy",
    "dict",
    "schema",
    "construct",
    "validate",
    "fields",
    "parse",
    "from_orm",
    "int",
    "str",
    "bool",
    "float",
    "list",
    "set",
    "tuple",
    "object",
    "property",
    "self",
    "super",
    "datetime",
    "decimal",
    "enum",
    "optional",
    "any",
    "update_forward_refs",
    "q",
    "sort",
    "order",
    "page",
    "page_size",
    "limit",
    "offset",
    "group",
    "select",
    "where",
    "values",
    "user",
    "password",
    "hashed_password",
    "query",
    "session",
    "items",
    "user_id",
];

/// Lower-case ASCII snake case of any text; empty when nothing is left.
pub(super) fn snake(text: &str) -> String {
    let ascii: String =
        deunicode(text).chars().map(|c| if c.is_ascii_alphanumeric() { c } else { ' ' }).collect();
    ascii.to_snake_case()
}

/// Cuts at a word boundary where there is one.
fn bounded(name: &str, limit: usize) -> String {
    let mut out = String::new();
    for word in name.split('_').filter(|word| !word.is_empty()) {
        let extra = usize::from(!out.is_empty());
        if out.len() + extra + word.len() > limit {
            if out.is_empty() {
                out = word.chars().take(limit).collect();
            }
            break;
        }
        if extra == 1 {
            out.push('_');
        }
        out.push_str(word);
    }
    out
}

/// Class name and plural table name of the entity `key` (singular snake case).
pub(super) fn entity_names(key: &str) -> (String, String) {
    let mut key = bounded(&snake(key), MAX_ENTITY - 8);
    if key.is_empty() {
        "item".clone_into(&mut key);
    }
    if key.starts_with(|c: char| c.is_ascii_digit()) {
        key = format!("n{key}");
    }
    let mut name = key.to_upper_camel_case();
    if RESERVED_ENTITIES.contains(&name.as_str()) && !TOLERATED_ENTITIES.contains(&name.as_str()) {
        name = match name.as_str() {
            "Class" => "ClassSession".to_owned(),
            "Table" => "DiningTable".to_owned(),
            _ => format!("{name}Entry"),
        };
    }
    (name, plural_snake(&key))
}

/// Plural of a snake-case name: the last word is inflected.
pub(super) fn plural_snake(key: &str) -> String {
    let plural = match key.rsplit_once('_') {
        Some((head, last)) => format!("{head}_{}", lexicon().plural(last)),
        None => lexicon().plural(key),
    };
    if matches!(plural.as_str(), "auth" | "health" | "dashboard" | "openapi") {
        return format!("{plural}_entries");
    }
    plural
}

/// A field name that no keyword and no base class of the generated code claims.
pub(super) fn field_name(key: &str) -> String {
    let mut name = bounded(&snake(key), MAX_FIELD);
    if name.is_empty() {
        "value".clone_into(&mut name);
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name = format!("n{name}");
    }
    match name.as_str() {
        "date" => return "on_date".to_owned(),
        "time" => return "at_time".to_owned(),
        "id" => return "identifier".to_owned(),
        "created_at" | "created" => return "created_on".to_owned(),
        "updated_at" | "updated" => return "updated_on".to_owned(),
        "owner_id" => return "owner_reference".to_owned(),
        "order" => return "position".to_owned(),
        _ => {}
    }
    if name.starts_with("model_") {
        return format!("the_{name}");
    }
    if RESERVED_FIELDS.contains(&name.as_str()) {
        name = format!("{name}_value");
    }
    name
}

/// Name of a reference: snake case that starts with a letter.
pub(super) fn reference_name(key: &str) -> String {
    let name = bounded(&snake(key), MAX_FIELD);
    if name.starts_with(|c: char| c.is_ascii_digit()) || name.is_empty() {
        format!("n{name}")
    } else {
        name
    }
}

/// First letter large, the rest as it is.
pub(super) fn sentence_case(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// Every word with a large first letter.
pub(super) fn title_case(text: &str) -> String {
    text.split_whitespace().map(sentence_case).collect::<Vec<_>>().join(" ")
}

/// A value of an enumeration: `In progress` is `in_progress`.
pub(super) fn enum_value(text: &str) -> String {
    let mut value = bounded(&snake(text), MAX_FIELD);
    if value.starts_with(|c: char| c.is_ascii_digit()) {
        value = format!("n{value}");
    }
    value
}
