//! Path patterns: `*` (within a component), `**` (across components), `?` (one byte), `{a,b}`.
//! Every other character stands for itself, and case is significant, as in paths.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// A set of patterns. A path matches when one of them does.
#[derive(Debug, Clone, Default)]
pub struct Globs {
    patterns: Vec<String>,
    set: GlobSet,
    everything: bool,
}

impl Globs {
    /// Compiles the patterns of a filter: without any, every path matches. One that is malformed
    /// matches nothing.
    pub fn new<S: AsRef<str>>(patterns: &[S]) -> Self {
        Self { everything: patterns.is_empty(), ..Self::only(patterns) }
    }

    /// Compiles the patterns of a permission: without any, no path matches. One that is malformed
    /// matches nothing.
    pub fn only<S: AsRef<str>>(patterns: &[S]) -> Self {
        let mut builder = GlobSetBuilder::new();
        for pattern in patterns {
            // A bracket is a character like others: names of routes have them.
            let pattern = pattern.as_ref().replace('[', "[[]");
            let glob =
                GlobBuilder::new(&pattern).literal_separator(true).backslash_escape(false).build();
            if let Ok(glob) = glob {
                builder.add(glob);
            }
        }
        Self {
            patterns: patterns.iter().map(|pattern| pattern.as_ref().to_owned()).collect(),
            set: builder.build().unwrap_or_else(|_| GlobSet::empty()),
            everything: false,
        }
    }

    /// The set that matches every path.
    pub fn everything() -> Self {
        Self::new::<&str>(&[])
    }

    /// Whether the path matches.
    pub fn matches(&self, path: &str) -> bool {
        self.everything || self.set.is_match(path)
    }
}

/// Sets are equal when they say the same.
impl PartialEq for Globs {
    fn eq(&self, other: &Self) -> bool {
        self.patterns == other.patterns && self.everything == other.everything
    }
}

impl Eq for Globs {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Globs;

    fn matches(pattern: &str, path: &str) -> bool {
        Globs::only(&[pattern]).matches(path)
    }

    #[test]
    fn stars_know_components() {
        let globs = Globs::new(&["backend/app/*.py", "frontend/**/*.{ts,tsx}", "README.md"]);
        for (path, matches) in [
            ("backend/app/main.py", true),
            ("backend/app/routers/tasks.py", false),
            ("frontend/src/App.tsx", true),
            ("frontend/a.ts", true),
            ("frontend/src/style.css", false),
            ("README.md", true),
            ("docs/README.md", false),
        ] {
            assert_eq!(globs.matches(path), matches, "{path}");
        }
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
            ("??.rs", "ß.rs", true),
            ("*.{ts,tsx}", "App.tsx", true),
            ("*.{ts,tsx}", "App.js", false),
            ("{a,b/{c,d}}/*", "b/d/x", true),
            ("{a,b/{c,d}}/*", "b/x", false),
            ("a[b]", "a[b]", true),
            ("a[b]", "ab", false),
            ("[id]/*.{ts,tsx}", "[id]/page.tsx", true),
            ("A", "a", false),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} on {path}");
        }
    }

    #[test]
    fn without_patterns_a_filter_lets_all_through_and_a_permission_nothing() {
        assert!(Globs::new::<&str>(&[]).matches("anything/at/all"));
        assert!(Globs::everything().matches("anything/at/all"));
        assert!(!Globs::only::<&str>(&[]).matches("anything/at/all"));
        assert!(!Globs::default().matches("anything/at/all"));
        assert_eq!(Globs::default(), Globs::only::<&str>(&[]));
        assert_ne!(Globs::default(), Globs::everything());
    }

    #[test]
    fn a_malformed_pattern_matches_nothing_and_spoils_no_other() {
        for text in ["{a", "a}", "}{", "{a,{b}"] {
            assert!(!matches(text, text) && !matches(text, "a") && !matches(text, "b"), "{text}");
            assert!(Globs::only(&[text, "good"]).matches("good"));
        }
    }

    #[test]
    fn a_malicious_pattern_is_quick() {
        let began = std::time::Instant::now();
        assert!(!matches(&format!("{}b", "*a".repeat(200)), &"a".repeat(200)));
        assert!(matches(&"{a,b}".repeat(200), &"ab".repeat(100)));
        assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
    }

    proptest! {
        #[test]
        fn compiling_never_panics_and_a_path_matches_itself(text in "[a{},*?/\\[\\]\\\\]{0,20}", path in "[a-c]{1,3}(/[a-c]{1,3}){0,4}") {
            let _compiled = Globs::new(&[text]);
            prop_assert!(matches(&path, &path));
            prop_assert!(matches("**", &path));
        }
    }
}
