//! Path patterns: `*` (within a component), `**` (across components), `?`, `{a,b}`.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// A set of patterns. A path matches when one of them does; an empty set matches every path.
#[derive(Debug, Clone)]
pub struct Globs {
    set: GlobSet,
    everything: bool,
}

impl Globs {
    /// Compiles the patterns. One that is malformed matches nothing.
    pub fn new<S: AsRef<str>>(patterns: &[S]) -> Self {
        let mut builder = GlobSetBuilder::new();
        for pattern in patterns {
            if let Ok(glob) = GlobBuilder::new(pattern.as_ref()).literal_separator(true).build() {
                builder.add(glob);
            }
        }
        Self {
            set: builder.build().unwrap_or_else(|_| GlobSet::empty()),
            everything: patterns.is_empty(),
        }
    }

    /// Whether the path matches.
    pub fn matches(&self, path: &str) -> bool {
        self.everything || self.set.is_match(path)
    }
}

#[cfg(test)]
mod tests {
    use super::Globs;

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
        assert!(Globs::new::<&str>(&[]).matches("anything/at/all"), "no pattern, no limit");
        assert!(
            !Globs::new(&["{broken"]).matches("{broken"),
            "a malformed pattern matches nothing"
        );
    }
}
