//! Good and bad Python.

use gencode_plugin_sdk::testing::check;

use super::*;

fn codes(files: &[(&str, &str)]) -> Vec<String> {
    let report = check::<Python>(files, Vec::new()).unwrap();
    report
        .findings
        .into_iter()
        .map(|f| format!("{} {}:{}:{}", f.code, f.path, f.line, f.column))
        .collect()
}

fn one(content: &str) -> Vec<String> {
    codes(&[("backend/app/x.py", content)])
}

#[test]
fn syntax_errors_have_a_place() {
    assert_eq!(one("x = 1\ndef f(:\n    pass\n")[0], "python.syntax backend/app/x.py:2:7");
    assert!(!one("def f():\n    return [1, 2\n").is_empty(), "cut off");
    assert!(!one("s = '''abc\n").is_empty(), "unterminated");
    assert!(one("print 'x'\n")[0].starts_with("python.syntax"));
}

#[test]
fn what_is_nested_too_deep_is_not_parsed() {
    let deep = format!("x = {}1{}\n", "(".repeat(100_000), ")".repeat(100_000));
    assert_eq!(one(&deep), ["python.too-deep backend/app/x.py:1:133"]);
}

#[test]
fn good_python_passes() {
    for good in [
        "",
        "import os\n\n\nclass NotFound(Exception):\n    pass\n",
        "class NotFound(Exception):\n    \"\"\"Gone.\"\"\"\n",
        "PATTERN = r\"\\d+\\n\"\nTEXT = \"a\\nb\\t\\\\ \\\"quoted\\\" \\u00e4\"\n",
        "from typing import Protocol\n\n\nclass P(Protocol):\n    def f(self) -> int: ...\n",
        "from abc import abstractmethod\n\n\nclass A:\n    @abstractmethod\n    def f(self):\n        pass\n",
        "def f(*args, x=None, y=(), z=1):\n    # TODO: faster\n    return args\n",
        "class M:\n    tags: list[str] = []\n",
        "x: tuple[int, ...] = (1,)\nmatch x:\n    case [a, *_]:\n        print(f\"{a!r:>{10}}\")\n",
    ] {
        assert_eq!(one(good), Vec::<String>::new(), "{good}");
    }
}

#[test]
fn bodies_that_were_left_out_are_found() {
    for bad in [
        "def f():\n    # TODO: implement\n    pass\n",
        "def f():\n    ...  # rest of the code\n",
        "async def f():\n    \"\"\"Doc.\"\"\"\n    # ...\n    pass\n",
        "def test_create():\n    pass\n",
        "@router.get(\"/\")\ndef items():\n    \"\"\"Every item.\"\"\"\n",
        "class A:\n    def f(self):\n        # your code here\n        pass\n",
    ] {
        let found = one(bad);
        assert!(found.len() == 1 && found[0].starts_with("python.truncated"), "{bad}: {found:?}");
    }
}

#[test]
fn mutable_defaults_are_found() {
    assert_eq!(
        one("def f(a, b=[]):\n    return b\n"),
        ["python.mutable-default backend/app/x.py:1:12"]
    );
    assert_eq!(one("def f(*, a=dict(), b={1}):\n    return b\n").len(), 2);
}

#[test]
fn newer_python_is_refused() {
    let found = one("def first[T](xs: list[T]) -> T:\n    return xs[0]\n");
    assert!(found[0].starts_with("python.version"), "{found:?}");
}

const BASE: [(&str, &str); 4] = [
    ("backend/app/__init__.py", ""),
    (
        "backend/app/models.py",
        "from sqlmodel import SQLModel\n\n\nclass Task(SQLModel):\n    pass\n",
    ),
    ("backend/app/routers/__init__.py", ""),
    (
        "backend/app/routers/tasks.py",
        "from ..models import Task\nfrom . import tags\n\nrouter = Task\n",
    ),
];

#[test]
fn imports_of_the_project_must_exist() {
    let mut files = BASE.to_vec();
    assert_eq!(codes(&files), ["python.import-name backend/app/routers/tasks.py:2:15"]);
    files.push(("backend/app/routers/tags.py", "import app.models\nrouter, other = 1, 2\n"));
    assert_eq!(codes(&files), Vec::<String>::new());
    files.push((
        "backend/tests/test_tasks.py",
        "import fastapi\nfrom app.models import Task, Tag\nfrom app.nowhere import x\nimport app.routers.tags\nfrom app.routers import tags, users\nfrom apparel import y\nfrom app.routers.tags import other\n",
    ));
    assert_eq!(
        codes(&files),
        [
            "python.import-name backend/tests/test_tasks.py:2:30",
            "python.import backend/tests/test_tasks.py:3:1",
            "python.import-name backend/tests/test_tasks.py:5:31",
        ]
    );
}

#[test]
fn optional_and_open_imports_pass() {
    let mut files = BASE.to_vec();
    files.push(("backend/app/routers/tags.py", "from app.models import *\n"));
    files.push((
        "backend/app/extra.py",
        "try:\n    from app.fast import go\nexcept ImportError:\n    go = None\n",
    ));
    files.push(("backend/app/late.py", "from app.routers.tags import anything\n\nif anything:\n    low = 1\nfor high in ():\n    pass\nwith open('x') as handle:\n    pass\n"));
    files.push(("backend/app/user.py", "from app.late import low, high, handle\n"));
    assert_eq!(codes(&files), Vec::<String>::new());
}

#[test]
fn what_is_used_of_a_module_must_be_defined() {
    let mut files = BASE.to_vec();
    files.push(("backend/app/routers/tags.py", "from app import models\nimport app.models as m\n\nrouter = models.Task, m.Task\nprint(models.__file__)\n"));
    files.push((
        "backend/app/hidden.py",
        "from app import models\n\n\ndef f(models):\n    return models.anything\n",
    ));
    files.push(("backend/app/bad.py", "from app import models\nfrom app.routers import tags as t\n\n\ndef f() -> models.Tag:\n    return t.nothing\n"));
    assert_eq!(
        codes(&files),
        [
            "python.import-name backend/app/bad.py:5:19",
            "python.import-name backend/app/bad.py:6:14"
        ]
    );
}

#[test]
fn a_broken_file_is_not_blamed_on_those_who_import_it() {
    let mut files = BASE.to_vec();
    files.push(("backend/app/routers/tags.py", "class X(:\n"));
    files.push(("backend/app/user.py", "from app.routers.tags import router\n"));
    let found = codes(&files);
    assert!(!found.is_empty() && found.iter().all(|f| f.starts_with("python.syntax")), "{found:?}");
}
