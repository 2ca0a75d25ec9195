//! Good and bad style sheets and pages.

use gencode_plugin_sdk::testing::check;

use super::*;

fn found(path: &str, content: &str) -> Vec<String> {
    let report = check::<CssHtml>(&[(path, content)], Vec::new()).unwrap();
    report
        .findings
        .into_iter()
        .map(|f| format!("{} {} {}:{}", f.code, f.severity, f.line, f.column))
        .collect()
}

#[test]
fn good_style_sheets_pass() {
    for good in [
        "",
        "/* it's { fine */ a::before { content: \"}\\\"'\\201C\"; }\n",
        ":root { --space: 4px; --empty:; --block: { a: b }; color-scheme: light dark }\n",
        ".a { color: rgb(0 0 0 / 50%); width: calc(100% - (2 * var(--space, 4px))); inset: 0 }\n",
        "@media (min-width: 40rem) and (prefers-color-scheme: dark) { .a { & > .b:not(.c):has(d) { margin: 0 auto !important } } }\n",
        "@layer base, components;\n@layer base { html { font: 1rem/1.5 system-ui, 'Segoe UI' } }\n",
        "@import url(\"x.css\") layer(a);\n@font-face { src: url(data:font/woff2;base64,d09G[) }\n",
        "@keyframes spin { from { rotate: 0 } 50.5% { opacity: .5 } to { rotate: 1turn } }\n",
        "@container card (width > 30ch) { .x { display: grid; grid-template: 'a b' 1fr / auto 1fr } }\n",
        "@supports (display: grid) and (not (display: inline-grid)) { a { b: c } }\n",
        "@property --x { syntax: '<length>'; inherits: false; initial-value: 0px }\n",
        "@tailwind base;\n.btn { @apply px-4 hover:bg-blue-500 }\n.w-1\\/2, .sm\\:flex { width: 50% }\n",
        "a:nth-child(2n + 1 of .b)[href^='x' i] ~ b { background: url(a.png) no-repeat, linear-gradient(45deg, red, #0af8) }\n",
    ] {
        assert_eq!(found("a.css", good), Vec::<String>::new(), "{good}");
    }
}

#[test]
fn what_is_nested_too_deep_is_not_parsed() {
    let deep = format!("{}{}\n", "a {".repeat(100_000), "}".repeat(100_000));
    assert_eq!(found("a.css", &deep), ["css.too-deep error 1:387"]);
}

#[test]
fn bad_style_sheets_are_found() {
    assert_eq!(found("a.css", "a { color: red;\n"), ["css.syntax error 1:3"]);
    for bad in [
        "a { color: red }\n}\n",
        "a { color: \"red }\nb { c: d }\n",
        "a { color: red\n  b { c: d }\n",
        "a { width: calc(1px + (2px) }\n",
        "a[href { b: c }\n",
        "@media (min-width: 1px { a { b: c } }\n",
        "/* open\n",
        "a { b: c }\n... rest of the styles\n",
    ] {
        let found = found("a.css", bad);
        assert!(
            found.iter().any(|f| f.starts_with("css.") && f.contains(" error ")),
            "{bad}: {found:?}"
        );
    }
}

const PAGE: &str = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\" />\n\
    <title>It's <b> fine</title>\n<link rel=icon href=\"/a.svg?x=1&y=2\">\n\
    <script>if (a < b && \"</div>\".length) { x = '<p>' }</script>\n<style>a > b { c: d }</style>\n\
    </head>\n<body>\n<div id=\"root\"></div>\n<ul><li>a<li>b</ul>\n<p>one\n<p>two<br>\n\
    <svg viewBox=\"0 0 1 1\"><path d=\"M0 0\"/><g><circle r=\"1\" /></g></svg>\n\
    <table><tr><td>1<td>2</table>\n<input disabled value='a \"b\" c'>\n\
    <script type=\"module\" src=\"/src/main.tsx\"></script>\n</body>\n</html>\n";

#[test]
fn good_pages_pass() {
    assert_eq!(found("index.html", PAGE), Vec::<String>::new());
    assert_eq!(found("part.html", "plain text, 1 &lt; 2\n"), Vec::<String>::new());
}

#[test]
fn bad_pages_are_found() {
    for (bad, says) in [
        ("<div>\n<span>a</div>\n", &["html.unclosed error 2:1"][..]),
        ("<div><p>a</p>\n", &["html.unclosed error 1:1"]),
        ("<div>a</div></div>\n", &["html.unmatched error 1:13"]),
        ("<div id=\"root\" />\n<p>x</p>\n", &["html.unclosed error 1:1"]),
        ("<b><i>a</b></i>\n", &["html.unclosed error 1:4", "html.unmatched error 1:12"]),
        ("<p id=a id=b>x</p>\n", &["html.syntax error 1:9"]),
        ("<script>x\n", &["html.unclosed error 1:1"]),
    ] {
        assert_eq!(found("index.html", bad), says, "{bad}");
    }
    for bad in ["<div class=\"a\n", "<!-- open\n", "<div class=\"a\"id=\"b\"></div>\n"] {
        assert!(!found("index.html", bad).is_empty(), "{bad}");
    }
    let script = PAGE.find("<script type").unwrap();
    for cut in script..script + 30 {
        assert!(!found("index.html", &PAGE[..=cut]).is_empty(), "cut at {cut}");
    }
}
