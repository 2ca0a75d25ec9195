//! Good and bad layers.

use gencode_plugin_sdk::testing::check;

use super::*;

fn found(path: &str, content: &str) -> Vec<String> {
    let report = check::<Architecture>(&[(path, content)], Vec::new()).unwrap();
    report.findings.into_iter().map(|f| format!("{} {}:{}", f.code, f.line, f.column)).collect()
}

const ROUTER: &str = "backend/app/routers/tasks.py";
const CONFIG: &str = "backend/app/config.py";
const API: &str = "frontend/src/api/tasks.ts";
const PAGE: &str = "frontend/src/pages/Tasks.tsx";

#[test]
fn what_breaks_the_rules_is_found() {
    for (path, bad, says) in [
        (CONFIG, "import frontend.src\n", "architecture.layers 1:8"),
        (CONFIG, "from frontend import x\n", "architecture.layers 1:1"),
        (ROUTER, "from app.database import engine\n", "architecture.session 1:26"),
        (
            ROUTER,
            "from sqlmodel import Session\n\ndef f():\n    with Session(e) as s:\n        s.x()\n",
            "architecture.session 4:10",
        ),
        (
            ROUTER,
            "import sqlalchemy\ne = sqlalchemy.create_engine('sqlite://')\n",
            "architecture.session 2:5",
        ),
        (CONFIG, "SECRET_KEY = \"change-me\"\n", "architecture.secret 1:14"),
        (CONFIG, "class S:\n    jwt_secret: str = 'abcdef'\n", "architecture.secret 2:23"),
        (
            CONFIG,
            "import os\nk = os.environ.get('SECRET_KEY', 'dev-secret')\n",
            "architecture.secret 2:34",
        ),
        (CONFIG, "connect(host, password='hunter2')\n", "architecture.secret 1:15"),
        (CONFIG, "config['API_KEY'] = 'a1b2c3d4'\n", "architecture.secret 1:21"),
        (CONFIG, "URL = 'postgresql://app:app@db:5432/app'\n", "architecture.secret 1:7"),
        (CONFIG, "k = 'ghp_0123456789abcdefghij0123456789abcdefgh'\n", "architecture.secret 1:6"),
        (API, "const BASE = 'http://localhost:8000/api'\n", "architecture.absolute-url 1:15"),
        (API, "new WebSocket(`ws://127.0.0.1:8000`)\n", "architecture.absolute-url 1:16"),
        (API, "import x from '../../../backend/x.json'\n", "architecture.layers 1:22"),
        (PAGE, "import { tasks } from '../data/mock'\n", "architecture.mock-import 1:27"),
        (PAGE, "const r = await fetch('/api/tasks')\n", "architecture.direct-request 1:17"),
    ] {
        assert_eq!(found(path, bad), [says], "{bad}");
    }
}

#[test]
fn what_keeps_the_rules_passes() {
    for (path, good) in [
        (
            "backend/app/database.py",
            "from sqlmodel import Session, create_engine\nengine = create_engine('sqlite://')\n\n\ndef get():\n    with Session(engine) as s:\n        yield s\n",
        ),
        (
            ROUTER,
            "from sqlmodel import Session, select\nfrom app.database import SessionDep, get_session\n\n\ndef f(s: Session = Depends(get_session)):\n    return s.get(1)\n",
        ),
        ("backend/app/routers/__init__.py", ""),
        (
            CONFIG,
            "import os\nSECRET_KEY = os.environ['SECRET_KEY']\nsecret_key = os.environ.get('SECRET_KEY') or None\nsecret_key: str = ''\nPASSWORD = \"password\"\n",
        ),
        (
            CONFIG,
            "scheme = OAuth2PasswordBearer(tokenUrl='/api/auth/token')\nUNUSED = hash_password('no account has this password')\npassword_hash: str = Field(max_length=200)\n",
        ),
        (
            CONFIG,
            "def f():\n    \"\"\"Such as postgresql://user:password@host/db.\"\"\"\n    return f'postgresql://{u}:{p}@{h}/db'\n",
        ),
        (
            "backend/tests/test_auth.py",
            "BODY = {'email': 'a@b.c', 'password': 'correct horse'}\npassword = 'secret123'\n",
        ),
        (CONFIG, "def broken(:\n"),
        (
            API,
            "// dev: http://localhost:8000\nconst BASE = '/api'\nconst DOCS = 'https://example.org/x'\n",
        ),
        (
            PAGE,
            "import { list } from '../api/tasks'\nconst { refetch } = useTasks(); refetch()\nconst x = 'fetch('\n",
        ),
        (
            "frontend/src/api/tasks.ts",
            "import { tasks } from '../data/mock'\nfetch('/api/tasks')\n",
        ),
        ("frontend/src/api/client.test.ts", "const url = 'http://localhost:3000'\n"),
    ] {
        assert_eq!(found(path, good), Vec::<String>::new(), "{good}");
    }
}
