//! How the application looks: one set of design tokens per mood of the request.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// Name and value of a custom property of the style sheet.
type Token = (&'static str, &'static str);

/// One look.
struct Theme {
    name: &'static str,
    tokens: &'static [Token],
}

const SANS: &str =
    "\"Inter\", system-ui, -apple-system, \"Segoe UI\", Roboto, \"Helvetica Neue\", sans-serif";
const MONO: &str =
    "\"JetBrains Mono\", ui-monospace, \"SF Mono\", \"Cascadia Code\", Menlo, Consolas, monospace";
const ROUND: &str = "\"Nunito\", ui-rounded, \"SF Pro Rounded\", system-ui, -apple-system, \"Segoe UI\", sans-serif";

/// The first one is the default. Text on its ground has a contrast of at least 4.5 : 1 in all of them.
const THEMES: [Theme; 5] = [
    Theme {
        name: "minimal_light",
        tokens: &[
            ("scheme", "light"),
            ("font", SANS),
            ("page", "#f7f8fa"),
            ("surface", "#ffffff"),
            ("surface-solid", "#ffffff"),
            ("surface-soft", "#fafbfc"),
            ("input", "#ffffff"),
            ("hover", "#f1f3f7"),
            ("border", "#e6e9ef"),
            ("border-strong", "#cfd5df"),
            ("border-width", "1px"),
            ("text", "#131722"),
            ("muted", "#5b6474"),
            ("link", "#1f5bd8"),
            ("accent", "#2563eb"),
            ("accent-strong", "#1d4fd1"),
            ("on-accent", "#ffffff"),
            ("focus", "#2563eb"),
            ("danger", "#c9302c"),
            ("on-danger", "#ffffff"),
            ("danger-text", "#b3261e"),
            ("success", "#16915b"),
            ("sidebar", "#ffffff"),
            ("sidebar-border", "#e6e9ef"),
            ("sidebar-text", "#454d5c"),
            ("sidebar-strong", "#131722"),
            ("sidebar-hover", "#f1f3f7"),
            ("sidebar-active", "#e8effd"),
            ("sidebar-active-text", "#1d4fd1"),
            ("radius", "12px"),
            ("radius-small", "8px"),
            ("radius-button", "8px"),
            ("shadow", "0 1px 2px rgb(16 24 40 / 5%)"),
        ],
    },
    Theme {
        name: "dark_hacker",
        tokens: &[
            ("scheme", "dark"),
            ("font", MONO),
            ("page", "#080c10"),
            ("surface", "#0f151b"),
            ("surface-solid", "#0f151b"),
            ("surface-soft", "#0c1217"),
            ("input", "#0a0f14"),
            ("hover", "#17202a"),
            ("border", "#1f2a35"),
            ("border-strong", "#324150"),
            ("border-width", "1px"),
            ("text", "#e2e8ec"),
            ("muted", "#93a1ad"),
            ("link", "#4ade9b"),
            ("accent", "#34d399"),
            ("accent-strong", "#5ae0b0"),
            ("on-accent", "#04130c"),
            ("focus", "#34d399"),
            ("danger", "#f0655b"),
            ("on-danger", "#1b0605"),
            ("danger-text", "#ff8d84"),
            ("success", "#34d399"),
            ("sidebar", "#0b1015"),
            ("sidebar-border", "#1f2a35"),
            ("sidebar-text", "#aab7c2"),
            ("sidebar-strong", "#e2e8ec"),
            ("sidebar-hover", "#141c24"),
            ("sidebar-active", "#10281f"),
            ("sidebar-active-text", "#4ade9b"),
            ("radius", "6px"),
            ("radius-small", "4px"),
            ("radius-button", "4px"),
            ("shadow", "none"),
        ],
    },
    Theme {
        name: "playful_colorful",
        tokens: &[
            ("scheme", "light"),
            ("font", ROUND),
            ("page", "#fff8ef"),
            ("page-image", "linear-gradient(150deg, #fff6e5 0%, #ffeef2 50%, #e9f7fb 100%)"),
            ("surface", "#ffffff"),
            ("surface-solid", "#ffffff"),
            ("surface-soft", "#fffaf5"),
            ("input", "#ffffff"),
            ("hover", "#fff1e8"),
            ("border", "#ffd9c7"),
            ("border-strong", "#f3b79c"),
            ("border-width", "2px"),
            ("text", "#33261f"),
            ("muted", "#76594b"),
            ("link", "#b93a0e"),
            ("accent", "#c8420f"),
            ("accent-strong", "#a9370b"),
            ("on-accent", "#ffffff"),
            ("focus", "#0f8b9d"),
            ("danger", "#c4284b"),
            ("on-danger", "#ffffff"),
            ("danger-text", "#ae1f40"),
            ("success", "#16915b"),
            ("sidebar", "#ffffff"),
            ("sidebar-border", "#ffd9c7"),
            ("sidebar-text", "#5e463a"),
            ("sidebar-strong", "#33261f"),
            ("sidebar-hover", "#fff1e8"),
            ("sidebar-active", "#ffe3d4"),
            ("sidebar-active-text", "#a9370b"),
            ("radius", "22px"),
            ("radius-small", "12px"),
            ("radius-button", "999px"),
            ("shadow", "0 6px 20px rgb(200 90 40 / 10%)"),
        ],
    },
    Theme {
        name: "enterprise_neutral",
        tokens: &[
            ("scheme", "light"),
            ("font", SANS),
            ("page", "#eef1f5"),
            ("surface", "#ffffff"),
            ("surface-solid", "#ffffff"),
            ("surface-soft", "#f6f8fa"),
            ("input", "#ffffff"),
            ("hover", "#f0f3f7"),
            ("border", "#dbe1e8"),
            ("border-strong", "#bcc6d2"),
            ("border-width", "1px"),
            ("text", "#18212e"),
            ("muted", "#56616f"),
            ("link", "#2c5282"),
            ("accent", "#2b4c7e"),
            ("accent-strong", "#213c65"),
            ("on-accent", "#ffffff"),
            ("focus", "#3b6cb7"),
            ("danger", "#b3322b"),
            ("on-danger", "#ffffff"),
            ("danger-text", "#a32a24"),
            ("success", "#1d7f52"),
            ("sidebar", "#1c2a3e"),
            ("sidebar-border", "#2b3b53"),
            ("sidebar-text", "#c3cedd"),
            ("sidebar-strong", "#ffffff"),
            ("sidebar-hover", "#263850"),
            ("sidebar-active", "#34507a"),
            ("sidebar-active-text", "#ffffff"),
            ("radius", "8px"),
            ("radius-small", "6px"),
            ("radius-button", "6px"),
            ("shadow", "0 1px 3px rgb(20 30 50 / 8%)"),
        ],
    },
    Theme {
        name: "modern_gradient",
        tokens: &[
            ("scheme", "dark"),
            ("font", SANS),
            ("page", "#0c1422"),
            ("page-image", "linear-gradient(160deg, #0c1422 0%, #0d2530 60%, #10302f 100%)"),
            ("surface", "rgb(255 255 255 / 6%)"),
            ("surface-solid", "#14202f"),
            ("surface-soft", "rgb(255 255 255 / 3%)"),
            ("input", "rgb(8 16 28 / 60%)"),
            ("hover", "rgb(255 255 255 / 8%)"),
            ("border", "rgb(255 255 255 / 12%)"),
            ("border-strong", "rgb(255 255 255 / 26%)"),
            ("border-width", "1px"),
            ("text", "#eef4f8"),
            ("muted", "#a9b8c6"),
            ("link", "#5fd8e6"),
            ("accent", "#18a999"),
            ("accent-image", "linear-gradient(135deg, #22c7b2, #2aa5dd)"),
            ("accent-strong", "#22c7b2"),
            ("on-accent", "#04181c"),
            ("focus", "#3fd0e0"),
            ("danger", "#f0716a"),
            ("on-danger", "#240707"),
            ("danger-text", "#ff9a94"),
            ("success", "#34d399"),
            ("sidebar", "rgb(6 12 22 / 55%)"),
            ("sidebar-border", "rgb(255 255 255 / 10%)"),
            ("sidebar-text", "#b9c7d4"),
            ("sidebar-strong", "#ffffff"),
            ("sidebar-hover", "rgb(255 255 255 / 8%)"),
            ("sidebar-active", "rgb(63 208 224 / 16%)"),
            ("sidebar-active-text", "#7fe3ee"),
            ("radius", "16px"),
            ("radius-small", "10px"),
            ("radius-button", "10px"),
            ("shadow", "0 8px 30px rgb(0 0 0 / 22%)"),
        ],
    },
];

fn theme(vibe: &str) -> Option<&'static Theme> {
    THEMES.iter().find(|theme| theme.name == vibe).or_else(|| THEMES.first())
}

/// The look that is used for a mood: itself if there is one of that name, else the default.
pub(super) fn name(vibe: &str) -> &'static str {
    theme(vibe).map_or("minimal_light", |theme| theme.name)
}

/// The colour that the look is known by.
pub(super) fn accent(vibe: &str) -> &'static str {
    let tokens = theme(vibe).map_or(&[][..], |theme| theme.tokens);
    tokens.iter().find(|(name, _)| *name == "accent").map_or("#2563eb", |(_, value)| value)
}

/// `theme.css`: the tokens as custom properties.
pub(super) fn style_sheet(vibe: &str) -> String {
    let mut css = format!(
        "/* The look \"{}\". Change a value here and it changes everywhere. */\n\n:root {{\n",
        name(vibe)
    );
    for (name, value) in theme(vibe).map_or(&[][..], |theme| theme.tokens) {
        // Writing to a string cannot fail.
        let _ = writeln!(css, "  --{name}: {value};");
    }
    css.push_str("}\n");
    css
}

/// `tokens.json`: the same for tools, by purpose, and which classes carry which part.
pub(super) fn tokens(vibe: &str) -> Value {
    let get = |name: &str| {
        let tokens = theme(vibe).map_or(&[][..], |theme| theme.tokens);
        tokens.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| *value)
    };
    let spaces = ["4px", "8px", "12px", "16px", "20px", "24px", "32px", "48px"];
    let space: serde_json::Map<String, Value> =
        (1..).zip(spaces).map(|(step, size): (u32, _)| (step.to_string(), json!(size))).collect();
    json!({
        "vibe": name(vibe),
        "color": {
            "background": get("page"),
            "surface": get("surface"),
            "border": get("border"),
            "text": get("text"),
            "muted": get("muted"),
            "primary": get("accent"),
            "primary_text": get("on-accent"),
            "accent": get("link"),
            "success": get("success"),
            "warning": "#c47a07",
            "danger": get("danger"),
        },
        "font": { "body": get("font"), "heading": get("font"), "mono": MONO },
        "radius": { "small": get("radius-small"), "medium": get("radius-button"), "large": get("radius") },
        "space": space,
        "shadow": { "card": get("shadow"), "raised": "0 8px 24px rgb(0 0 0 / 18%)" },
        "classes": {
            "pageBg": "layout",
            "card": "card",
            "primaryButton": "button button-primary",
            "secondaryButton": "button button-secondary",
            "mutedText": "muted",
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(theme: &Theme, name: &str) -> Option<&'static str> {
        theme.tokens.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// Relative luminance after WCAG 2.
    fn luminance(hex: &str) -> f64 {
        let channel = |at: usize| {
            let byte = u8::from_str_radix(hex.get(at..at + 2).unwrap(), 16).unwrap();
            let part = f64::from(byte) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    fn contrast(a: &str, b: &str) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn text_is_readable_in_every_theme() {
        for theme in &THEMES {
            for (text, ground) in [
                ("text", "page"),
                ("muted", "page"),
                ("text", "surface-solid"),
                ("muted", "surface-solid"),
                ("link", "surface-solid"),
                ("on-accent", "accent"),
                ("on-danger", "danger"),
                ("danger-text", "surface-solid"),
                ("sidebar-text", "sidebar"),
                ("sidebar-active-text", "sidebar-active"),
            ] {
                let (Some(text_color), Some(ground_color)) =
                    (value(theme, text), value(theme, ground))
                else {
                    panic!("{}: {text} or {ground} is missing", theme.name)
                };
                if text_color.starts_with('#') && ground_color.starts_with('#') {
                    let contrast = contrast(text_color, ground_color);
                    assert!(contrast >= 4.5, "{}: {text} on {ground} is {contrast:.2}", theme.name);
                }
            }
        }
    }

    #[test]
    fn every_theme_sets_the_same_tokens() {
        let optional = ["page-image", "accent-image"];
        let names = |theme: &Theme| {
            let mut names: Vec<_> = theme
                .tokens
                .iter()
                .map(|(name, _)| *name)
                .filter(|name| !optional.contains(name))
                .collect();
            names.sort_unstable();
            names
        };
        let first = names(&THEMES[0]);
        assert!(THEMES.iter().all(|theme| names(theme) == first));
        assert_eq!(name("unheard of"), "minimal_light");
    }
}
