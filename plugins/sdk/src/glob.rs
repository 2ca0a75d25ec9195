//! Globs as the contract uses them: `*`, `**`, `?` and `{a,b}` on paths with `/`.

/// Whether a path matches a glob.
///
/// `*` and `?` stay inside one component, `**` as a whole component stands for any number of
/// components, `{a,b}` for one of its alternatives (not nested).
pub fn matches(glob: &str, path: &str) -> bool {
    expand(glob).iter().any(|glob| {
        let pattern: Vec<&str> = glob.split('/').collect();
        let parts: Vec<&str> = path.split('/').collect();
        components(&pattern, &parts)
    })
}

/// Whether a path matches one of the globs.
pub fn matches_any(globs: &[&str], path: &str) -> bool {
    globs.iter().any(|glob| matches(glob, path))
}

/// Replaces every `{a,b}` by its alternatives.
fn expand(glob: &str) -> Vec<String> {
    let Some((before, (inside, after))) = glob
        .split_once('{')
        .and_then(|(before, rest)| rest.split_once('}').map(|split| (before, split)))
    else {
        return vec![glob.to_owned()];
    };
    let tails = expand(after);
    inside
        .split(',')
        .flat_map(|choice| tails.iter().map(move |tail| format!("{before}{choice}{tail}")))
        .collect()
}

fn components(pattern: &[&str], path: &[&str]) -> bool {
    match pattern.split_first() {
        None => path.is_empty(),
        Some((&"**", rest)) => {
            (0..=path.len()).any(|skip| components(rest, path.get(skip..).unwrap_or_default()))
        }
        Some((first, rest)) => path.split_first().is_some_and(|(part, others)| {
            let first: Vec<char> = first.chars().collect();
            let part: Vec<char> = part.chars().collect();
            component(&first, &part) && components(rest, others)
        }),
    }
}

fn component(pattern: &[char], text: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('*', rest)) => {
            (0..=text.len()).any(|skip| component(rest, text.get(skip..).unwrap_or_default()))
        }
        Some((first, rest)) => text
            .split_first()
            .is_some_and(|(c, others)| (*first == '?' || first == c) && component(rest, others)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_by_component() {
        for (glob, yes, no) in [
            ("**/*.py", &["a.py", "backend/app/main.py"][..], &["a.pyc", "a.py/b"][..]),
            (
                "backend/app/routers/*.py",
                &["backend/app/routers/tasks.py"],
                &["backend/app/routers/a/b.py"],
            ),
            ("frontend/**", &["frontend/a", "frontend/src/b.ts"], &["frontendx/a"]),
            ("*.{ts,tsx}", &["a.ts", "a.tsx"], &["a.js", "a.{ts,tsx}"]),
            ("a?c", &["abc", "aöc"], &["ac", "a/c"]),
            ("**", &["a", "a/b"], &[]),
        ] {
            for path in yes {
                assert!(matches(glob, path), "{glob} {path}");
            }
            for path in no {
                assert!(!matches(glob, path), "{glob} {path}");
            }
        }
        assert!(matches_any(&["*.js", "*.py"], "x.py"));
    }
}
