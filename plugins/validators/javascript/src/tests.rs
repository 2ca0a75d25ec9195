//! Good and bad JavaScript.

use gencode_plugin_sdk::testing::check;

use super::*;

fn codes(files: &[(&str, &str)]) -> Vec<String> {
    let report = check::<JavaScript>(files, Vec::new()).unwrap();
    report
        .findings
        .into_iter()
        .map(|f| format!("{} {}:{}:{}", f.code, f.path, f.line, f.column))
        .collect()
}

#[test]
fn syntax_errors_have_a_place() {
    assert_eq!(codes(&[("a.ts", "const x = 1\nconst y: = 2\n")]), ["javascript.syntax a.ts:2:10"]);
    for (path, bad) in [
        ("a.js", "function f() {\n  return 1\n"),
        ("a.tsx", "export const A = () => <div><p>x</div>\n"),
        ("a.ts", "const s = 'abc\n"),
        ("a.jsx", "const a = <div class=>x</div>\n"),
        ("a.js", "let a = 1;\nlet a = 2\n}\n"),
    ] {
        let found = codes(&[(path, bad)]);
        assert!(found.iter().any(|f| f.starts_with("javascript.syntax")), "{bad}: {found:?}");
    }
}

#[test]
fn what_is_nested_too_deep_is_not_parsed() {
    let deep = format!("x = {}1{}\n", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(codes(&[("a.ts", &deep)]), ["javascript.too-deep a.ts:1:133"]);
}

#[test]
fn good_code_passes() {
    for (path, good) in [
        ("a.js", ""),
        ("a.js", "const re = /\\d+\\n[\"']/g, s = \"a\\n\\\"b\\\"\\\\\", t = `x${s}\\n`\n"),
        ("a.tsx", "export const A = () => <p>Don't panic, it's \"fine\" {'{'} &amp; é</p>\n"),
        (
            "a.tsx",
            "export const A = (p: { a?: number }) => <B {...p} {...p} a={1} data-a=\"x\" />\n",
        ),
        (
            "a.ts",
            "export enum E { A = 1 }\nexport default class C<T extends object> { #x = 1; @dec() y?: T }\n",
        ),
        ("a.ts", "const f = (...xs: number[]) => [...xs, ...[1]]\nlabel: for (;;) break label\n"),
        ("a.cjs", "const a = require('./nowhere')\nmodule.exports = a\n"),
        (
            "vite.config.ts",
            "import { defineConfig } from 'vite'\nexport default defineConfig({})\n",
        ),
        ("a.d.ts", "declare module '*.png' { const src: string; export default src }\n"),
        ("a.test.ts", "// it's a {comment\nconst x = /* ' */ 1\n"),
    ] {
        assert_eq!(codes(&[(path, good)]), Vec::<String>::new(), "{good}");
    }
}

#[test]
fn an_attribute_given_twice_is_found() {
    let code = "export const A = () => <p id=\"a\" title=\"b\"\n  id=\"c\">x</p>\n";
    assert_eq!(codes(&[("a.tsx", code)]), ["javascript.duplicate-attribute a.tsx:2:3"]);
}

#[test]
fn relative_imports_must_lead_to_a_file() {
    let page = "import React from 'react'\n\
        import { list } from '../api/tasks'\n\
        import '../design/theme.css'\n\
        import logo from '../logo.png'\n\
        import tokens from '../design/tokens.json'\n\
        import { Button } from '../components'\n\
        import { gone } from '../api/gone'\n\
        import { x } from '../../../outside'\n\
        const Late = () => import('./Late')\n\
        export * from './missing'\n\
        import { go } from '../api/tasks.js'\n\
        import raw from './readme.md?raw'\n";
    let found = codes(&[
        ("frontend/src/pages/Tasks.tsx", page),
        ("frontend/src/api/tasks.ts", "export const list = 1, go = 2\n"),
        ("frontend/src/components/index.ts", "export { Button } from './Button'\n"),
        ("frontend/src/components/Button.tsx", "export function Button() { return <button /> }\n"),
        ("frontend/src/design/theme.css", "a{}"),
        ("frontend/src/design/tokens.json", "{}"),
    ]);
    let at = |place: &str| format!("javascript.import frontend/src/pages/Tasks.tsx:{place}");
    assert_eq!(found, [at("7:22"), at("8:19"), at("9:27"), at("10:15")]);
}

#[test]
fn imported_names_must_be_exported() {
    let lib = "export interface Task { id: number }\nexport type Id = number\nexport enum State { A }\n\
        export const { a, b: [c] } = { a: 1, b: [2] }\nexport function f() {}\nexport class K {}\n\
        const late = 1\nexport { late as later }\nexport * as all from './other'\nexport * from './other'\n\
        export abstract class Base {}\nexport declare const d: number\nexport namespace N { export const x = 1 }\n";
    let good = "import type { Task, Id } from './lib'\nimport { State, a, c, f, K, later, all, deep, Base, d, N } from './lib'\n\
        import other from './other'\nimport * as everything from './lib'\nimport { type Task as T } from './lib'\n";
    let files = [
        ("lib.ts", lib),
        ("other.ts", "export const deep = 1\nexport default deep\nexport * from './lib'\n"),
    ];
    assert_eq!(codes(&[files[0], files[1], ("good.ts", good)]), Vec::<String>::new());
    let bad = "import lib, { Tasks, late } from './lib'\nexport { nothing } from './other'\n";
    let at = |place: &str| format!("javascript.import-name bad.ts:{place}");
    assert_eq!(
        codes(&[files[0], files[1], ("bad.ts", bad)]),
        [at("1:8"), at("1:15"), at("1:22"), at("2:10")]
    );
}

#[test]
fn what_cannot_be_seen_is_not_judged() {
    let open = "export * from 'library'\n";
    let broken = "export const a = \n";
    let user =
        "import { x } from './open'\nimport { y } from './broken'\nimport { z } from './script'\n";
    let found = codes(&[
        ("open.ts", open),
        ("broken.ts", broken),
        ("script.js", "var z = 1\n"),
        ("user.ts", user),
    ]);
    assert!(found.iter().all(|f| f.starts_with("javascript.syntax broken.ts")), "{found:?}");
}
