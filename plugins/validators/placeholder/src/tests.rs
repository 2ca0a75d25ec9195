//! Good and bad files.

use gencode_plugin_sdk::testing::check;

use super::*;

fn found(path: &str, content: &str) -> Vec<String> {
    let report = check::<Placeholder>(&[(path, content)], Vec::new()).unwrap();
    report.findings.into_iter().map(|f| format!("{} {}:{}", f.code, f.line, f.column)).collect()
}

#[test]
fn what_is_missing_is_found() {
    for (path, bad, says) in [
        ("a.ts", "const a = 1\n// ... rest of the code\n", "placeholder.omitted 2:1"),
        ("a.tsx", "<div>\n  {/* ... existing code ... */}\n</div>\n", "placeholder.omitted 2:4"),
        ("a.tsx", "return <p /> // …\n", "placeholder.omitted 1:14"),
        ("a.py", "def f():\n    # ...\n    x = 1\n", "placeholder.omitted 2:5"),
        ("a.py", "x = 1  # ... other routes\n", "placeholder.omitted 1:8"),
        ("a.py", "# Rest of the implementation is unchanged\n", "placeholder.omitted 1:1"),
        ("a.css", "a { b: c }\n/* ... remaining styles */\n", "placeholder.omitted 2:1"),
        ("a.html", "<body>\n<!-- your code here -->\n", "placeholder.omitted 2:1"),
        ("a.yml", "a: 1\n# ... more services\n", "placeholder.omitted 2:1"),
        ("a.py", "    # TODO: implement this\n", "placeholder.todo 1:5"),
        ("a.ts", "function f() { // FIXME - implement\n", "placeholder.todo 1:16"),
        ("a.ts", "throw new Error('Not implemented')\n", "placeholder.todo 1:1"),
        ("a.py", "x = \"<your code here>\"\n", "placeholder.text 1:6"),
        ("a.tsx", "<p>Lorem ipsum dolor</p>\n", "placeholder.text 1:4"),
        ("a.md", "# {{PROJECT_NAME}}\n", "placeholder.template 1:3"),
        ("a.py", "class {{ENTITY}}(SQLModel):\n    pass\n", "placeholder.template 1:7"),
        ("a.py", "{% if auth %}\nx = 1\n", "placeholder.template 1:1"),
        ("a.py", "x = 1\n<<<END_FILE>>>\n", "placeholder.template 2:1"),
        ("a.py", "<<<<<<< HEAD\nx = 1\n", "placeholder.conflict 1:1"),
        ("a.ts", "const a = [\n  1,\n...\n", "placeholder.cut-off 3:1"),
        ("a.json", "{\n...\n\n", "placeholder.cut-off 2:1"),
        ("a.py", "x = 1\n...\ny = 2\n", "placeholder.cut-off 2:1"),
        ("a.py", "x = 1\n\"\"\"Text\n", "placeholder.cut-off 2:1"),
        ("a.py", "\"\"\"A\"\"\"\nx = '''\\'''\n", "placeholder.cut-off 2:5"),
        ("a.md", "# A\n```sh\n./run.sh\n", "placeholder.cut-off 2:1"),
        ("a.ts", "\n", "placeholder.empty 1:1"),
        ("a.ts", "```ts\nconst a = 1\n```\n", "placeholder.fence 1:1"),
    ] {
        assert_eq!(found(path, bad), [says], "{bad}");
    }
    let line = format!("import os; x = [{}]", "1, ".repeat(100));
    assert_eq!(found("a.py", &line), ["placeholder.one-line 1:1"]);
}

#[test]
fn good_files_pass() {
    for (path, good) in [
        ("a.py", ""),
        ("backend/app/__init__.py", "\n"),
        ("a.pyi", "def f(x: int) -> int: ...\n\nclass A:\n    x: int\n    ...\n"),
        (
            "a.py",
            "from typing import Protocol\n\n\nclass P(Protocol):\n    def f(self) -> tuple[int, ...]:\n        ...\n",
        ),
        ("a.py", "x: tuple[int, ...] = (1,)\ny = x[..., 0]\nz = '# ... rest of the code'[1:]\n"),
        (
            "a.py",
            "s = \"it's '''fine''' # here\"\nt = 'a \\'\"\"\" b'\nr = r'\\d'  # it's \"\"\"\n",
        ),
        ("a.py", "# Loading...\n# ... and the same again\nx = 1\n"),
        ("a.py", "# Todo: title, done and a due date\nTODO = 'todo'\n# TODO: cache this\n"),
        (
            "a.py",
            "def todo():\n    \"\"\"Implement nothing; the rest is history.\"\"\"\n    return f'{{x}} {1}'\n",
        ),
        ("a.ts", "const b = [...a, ...c]\nconst f = (...xs: number[]) => ({ ...xs })\n"),
        ("a.tsx", "<div style={{ WIDTH }} {...props}>Loading... don't <b>stop</b></div>\n"),
        ("a.tsx", "const url = `https://x.y/...`\n/* * a note */\nconst c = a /* ...args */ * b\n"),
        ("a.ts", "throw new Error('Could not load')\n"),
        ("a.yml", "run: echo ${{ SECRETS }} # the rest is up to you\n"),
        ("a.md", "# A\n\n```sh\n./run.sh\n...\n```\n\nAnd so on...\n\n~~~\n```\n~~~\n"),
        ("a.md", "Use `...` or ```x``` inline.\n```\na\n```\n"),
        ("package-lock.json", "{\"lorem ipsum\": \"{{NAME}}\"}\n"),
        ("a.css", ".a::after { content: '...' }\n"),
        (".env.example", "SECRET=<change-me>\n"),
        ("a.py", "class NotFound(Exception):\n    pass\n"),
    ] {
        assert_eq!(found(path, good), Vec::<String>::new(), "{good}");
    }
}
