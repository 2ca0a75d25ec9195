//! Patterns of paths: `*` and `?` within a component, `**` over components, `{a,b}` for either.

use gencode_core::path::WorkspacePath;

/// Most alternatives a pattern may expand to.
const MAX_ALTERNATIVES: usize = 64;

/// Most bytes a pattern may have.
const MAX_BYTES: usize = 1024;

/// Why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GlobError {
    #[error("the pattern is empty or longer than {MAX_BYTES} bytes")]
    Length,
    #[error("the braces of `{0}` do not match")]
    Braces(String),
    #[error("`{0}` stands for more than {MAX_ALTERNATIVES} patterns")]
    Alternatives(String),
}

/// One pattern. A leading `/` and letters' case are as in paths: none, and significant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    /// One list of components per alternative.
    alternatives: Vec<Vec<String>>,
}

impl Glob {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, GlobError> {
        if text.is_empty() || text.len() > MAX_BYTES {
            return Err(GlobError::Length);
        }
        let mut expanded = Vec::new();
        let mut open = vec![text.to_owned()];
        while let Some(pattern) = open.pop() {
            match split_braces(&pattern)? {
                None => expanded.push(pattern),
                Some((before, choices, after)) => {
                    open.extend(choices.iter().map(|choice| format!("{before}{choice}{after}")));
                }
            }
            if open.len() + expanded.len() > MAX_ALTERNATIVES {
                return Err(GlobError::Alternatives(text.to_owned()));
            }
        }
        let components = |pattern: &String| {
            let mut parts: Vec<String> = pattern.split('/').map(str::to_owned).collect();
            // What is below `a` is not `a` itself.
            if parts.last().is_some_and(|part| part == "**") {
                parts.push("*".to_owned());
            }
            parts
        };
        Ok(Self { alternatives: expanded.iter().map(components).collect() })
    }

    /// Whether the whole path matches.
    pub fn matches(&self, path: &WorkspacePath) -> bool {
        let path: Vec<&str> = path.components().collect();
        self.alternatives.iter().any(|pattern| {
            wildcard(pattern, &path, |part| part == "**", |part, name| matches_name(part, name))
        })
    }
}

/// Any of several patterns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GlobSet(Vec<Glob>);

impl GlobSet {
    /// Reads patterns.
    pub fn parse<T: AsRef<str>>(patterns: &[T]) -> Result<Self, GlobError> {
        patterns.iter().map(|text| Glob::parse(text.as_ref())).collect::<Result<_, _>>().map(Self)
    }

    /// The set that matches every path.
    pub fn everything() -> Self {
        Self(vec![Glob { alternatives: vec![vec!["**".to_owned()]] }])
    }

    /// Whether any pattern matches the whole path.
    pub fn matches(&self, path: &WorkspacePath) -> bool {
        self.0.iter().any(|glob| glob.matches(path))
    }
}

type Braces<'p> = (&'p str, Vec<&'p str>, &'p str);

/// Splits at the first outermost pair of braces.
fn split_braces(pattern: &str) -> Result<Option<Braces<'_>>, GlobError> {
    let mismatch = || GlobError::Braces(pattern.to_owned());
    let Some((before, rest)) = pattern.split_once('{') else {
        return if pattern.contains('}') { Err(mismatch()) } else { Ok(None) };
    };
    if before.contains('}') {
        return Err(mismatch());
    }
    let (mut depth, mut from, mut choices) = (1_u32, 0, Vec::new());
    for (at, c) in rest.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (depth == 1 && c == ',') {
            choices.push(rest.get(from..at).unwrap_or_default());
            from = at + 1;
        }
        if depth == 0 {
            return Ok(Some((before, choices, rest.get(from..).unwrap_or_default())));
        }
    }
    Err(mismatch())
}

fn matches_name(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    wildcard(&pattern, &name, |c| *c == '*', |c, d| *c == '?' || c == d)
}

/// Whether `pattern` matches all of `text`, where a star item stands for any number of items.
/// Takes time in proportion to both lengths multiplied, whatever the pattern.
fn wildcard<P, T>(
    pattern: &[P],
    text: &[T],
    is_star: impl Fn(&P) -> bool,
    fits: impl Fn(&P, &T) -> bool,
) -> bool {
    // reached[i]: whether the pattern so far can match the first i items.
    let mut reached = vec![false; text.len() + 1];
    if let Some(start) = reached.first_mut() {
        *start = true;
    }
    for part in pattern {
        let mut next = Vec::with_capacity(reached.len());
        if is_star(part) {
            let mut any = false;
            for &before in &reached {
                any |= before;
                next.push(any);
            }
        } else {
            next.push(false);
            next.extend(reached.iter().zip(text).map(|(&before, item)| before && fits(part, item)));
        }
        reached = next;
    }
    reached.last().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        Glob::parse(pattern).unwrap().matches(&path.parse().unwrap())
    }

    #[test]
    fn patterns_match_what_they_say() {
        for (pattern, path, expected) in [
            ("a/b.txt", "a/b.txt", true),
            ("a/*.txt", "a/b.txt", true),
            ("a/*.txt", "a/c/b.txt", false),
            ("**/*.txt", "b.txt", true),
            ("**/*.txt", "a/c/b.txt", true),
            ("a/**", "a/b/c", true),
            ("a/**", "ab/c", false),
            ("a/**", "a", false),
            ("**", "a", true),
            ("a/**/c", "a/c", true),
            ("a/**/c", "a/x/y/c", true),
            ("?.rs", "a.rs", true),
            ("?.rs", "ab.rs", false),
            ("?.rs", "ß.rs", true),
            ("*.{ts,tsx}", "App.tsx", true),
            ("*.{ts,tsx}", "App.js", false),
            ("{a,b/{c,d}}/*", "b/d/x", true),
            ("{a,b/{c,d}}/*", "b/x", false),
            ("a[b]", "a[b]", true),
            ("a[b]", "ab", false),
            ("A", "a", false),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} on {path}");
        }
    }

    #[test]
    fn bad_patterns_say_why() {
        assert_eq!(Glob::parse(""), Err(GlobError::Length));
        for text in ["{a", "a}", "}{", "{a,{b}"] {
            assert_eq!(Glob::parse(text), Err(GlobError::Braces(text.to_owned())));
        }
        let many = "{a,b}".repeat(10);
        assert_eq!(Glob::parse(&many), Err(GlobError::Alternatives(many.clone())));
    }

    #[test]
    fn a_malicious_pattern_is_quick() {
        let pattern = format!("{}b", "*a".repeat(200));
        assert!(!matches(&pattern, &"a".repeat(200)));
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_a_path_matches_itself(text in "[a{},*?/]{0,20}", path in "[a-c]{1,3}(/[a-c]{1,3}){0,4}") {
            let _parsed = Glob::parse(&text);
            prop_assert!(matches(&path, &path));
            prop_assert!(matches("**", &path));
        }
    }
}
