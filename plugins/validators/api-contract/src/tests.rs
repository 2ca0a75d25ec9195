//! A contract, back ends and clients.

use gencode_plugin_sdk::{testing::check, types::Document};

use super::*;

const CONTRACT: &str = r##"{
    "openapi": "3.1.0",
    "paths": {
        "/api/health": {"get": {"responses": {"200": {}}}},
        "/api/line-items": {
            "get": {"responses": {"200": {"$ref": "#/components/responses/Page"}}},
            "post": {"responses": {"201": {}}}
        },
        "/api/line-items/{id}": {
            "parameters": [{"name": "id", "in": "path"}],
            "get": {"responses": {"200": {}}},
            "delete": {"responses": {"204": {}}}
        }
    },
    "components": {"responses": {"Page": {}}}
}"##;

const MAIN: &str = "from fastapi import FastAPI\nfrom app.routers import api_router\n\n\ndef create_app():\n    \
    app = FastAPI(title=\"x\")\n\n    @app.get(\"/api/health\")\n    def health():\n        return 1\n\n    \
    app.include_router(api_router, prefix=\"/api\")\n    return app\n";
const EMPTY_REGISTRY: &str = "from fastapi import APIRouter\n\napi_router = APIRouter()\n";
const REGISTRY: &str = "from fastapi import APIRouter\nfrom app.routers import (\n    line_items,\n)\n\n\
    api_router = APIRouter()\napi_router.include_router(line_items.router)\n";
const ROUTER: &str = "from fastapi import APIRouter\n\nrouter = APIRouter(prefix=\"/line-items\", tags=[\"x\"])\n\n\n\
    @router.get(\"\", response_model=int)\ndef list_items():\n    return 1\n\n\n\
    @router.post(\"/\", status_code=201)\nasync def create():\n    return 1\n\n\n\
    @router.get(\"/{line_item_id}\")\ndef read():\n    return 1\n\n\n\
    @router.delete(\"/{id:int}\")\ndef delete():\n    return 1\n";

fn backend<'a>(registry: &'a str, router: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("backend/app/main.py", MAIN),
        ("backend/app/routers/__init__.py", registry),
        ("backend/app/routers/line_items.py", router),
        ("contract/openapi.json", CONTRACT),
    ]
}

fn found(files: &[(&str, &str)]) -> Vec<String> {
    let report = check::<ApiContract>(files, Vec::new()).unwrap();
    report
        .findings
        .into_iter()
        .map(|f| format!("{} {}:{}: {}", f.code, f.path, f.line, f.message))
        .collect()
}

fn client(source: &str) -> Vec<String> {
    let files = [("contract/openapi.json", CONTRACT), ("frontend/src/api/items.ts", source)];
    found(&files).iter().map(|f| f.replace("frontend/src/api/items.ts", "")).collect()
}

#[test]
fn a_back_end_that_agrees_passes() {
    assert_eq!(found(&backend(REGISTRY, ROUTER)), Vec::<String>::new());
    assert_eq!(
        found(&backend(EMPTY_REGISTRY, ROUTER)),
        Vec::<String>::new(),
        "registry comes later"
    );
    let own = ROUTER.replace("/line-items", "/api/line-items");
    let mut files = backend("", &own);
    files[0].1 = "from fastapi import FastAPI\nfrom .routers.line_items import router as items\n\napp = FastAPI()\n\
        app.include_router(items)\n\n\n@app.get(\"/api/health\")\ndef h():\n    return 1\n\n\n\
        @app.get(\"/{path:path}\")\ndef page():\n    return 1\n";
    assert_eq!(found(&files), Vec::<String>::new(), "prefix in the router itself");
}

#[test]
fn parts_that_are_not_there_are_not_judged() {
    assert_eq!(found(&[("contract/openapi.json", CONTRACT)]), Vec::<String>::new());
    assert_eq!(found(&backend(REGISTRY, ROUTER)[..3]), Vec::<String>::new(), "no contract");
    let seed = [("backend/app/main.py", MAIN), ("backend/app/routers/__init__.py", EMPTY_REGISTRY)];
    let contract = Document::text("contract", "application/json", CONTRACT);
    let report = check::<ApiContract>(&seed, vec![contract]).unwrap();
    assert_eq!(report.findings, [], "no routers yet");
}

#[test]
fn the_contract_may_come_as_a_document() {
    let files = backend(REGISTRY, ROUTER);
    let contract = CONTRACT.replace("\"delete\"", "\"patch\"");
    let document = Document::text("contract", "application/json", contract);
    let report = check::<ApiContract>(&files[..3], vec![document]).unwrap();
    assert_eq!(report.findings.len(), 2);
}

#[test]
fn routes_that_differ_are_found() {
    let missing = ROUTER.replace("@router.delete(\"/{id:int}\")\n", "");
    assert_eq!(
        found(&backend(REGISTRY, &missing)),
        [
            "api.missing-route backend/app/routers/line_items.py:0: `DELETE /api/line-items/{…}` of the contract has no route"
        ]
    );
    let extra = format!("{ROUTER}\n\n@router.put(\"/{{id}}/close\")\ndef close():\n    return 1\n");
    assert_eq!(
        found(&backend(REGISTRY, &extra)),
        [
            "api.unknown-route backend/app/routers/line_items.py:26: `PUT /api/line-items/{…}/close` is not in the contract"
        ]
    );
    let twice = found(&backend(REGISTRY, &ROUTER.replace("/line-items", "/api/line-items")));
    assert!(twice[0].contains("`GET /api/api/line-items` is not in the contract"), "{twice:?}");
    let prefixed = REGISTRY.replace("line_items.router", "line_items.router, prefix=\"/v1\"");
    assert_eq!(found(&backend(&prefixed, ROUTER)).len(), 8, "four unknown, four missing");
}

#[test]
fn what_cannot_be_read_off_is_not_judged() {
    let computed = ROUTER.replace("prefix=\"/line-items\"", "prefix=settings.prefix");
    assert_eq!(found(&backend(REGISTRY, &computed)), Vec::<String>::new());
    let named = ROUTER.replace(
        "router = APIRouter(prefix=\"/line-items\"",
        "P = \"/line-items\"\nrouter = APIRouter(prefix=P",
    );
    assert_eq!(found(&backend(REGISTRY, &named)), Vec::<String>::new());
}

#[test]
fn a_client_that_agrees_passes() {
    for good in [
        "export const list = () => fetch('/api/line-items')\n",
        "const BASE = '/api/line-items'\nexport const read = (id: number) => request<T>('GET', `${BASE}/${id}`)\n",
        "export const list = (q: URLSearchParams) => http.get(`/line-items?${q}`)\n",
        "export const list = (q: string) => fetch(`/api/line-items${q}`, { headers: {} })\n",
        "export const del = (id: number) => fetch('/api/line-items/' + id, { method: 'DELETE' })\n",
        "export const any = (name: string, id: number) => api.delete(`/api/${name}/${encodeURIComponent(id)}`)\n",
        "const ROOT = '/api'\nexport const go = (path: string) => fetch(`${ROOT}${path}`)\nlocation.assign('/login')\n",
        "import { items } from '../data/mock'\nexport const list = () => fetch('/api/nowhere')\n",
        "export const text = 'see /api/nowhere'\n",
    ] {
        assert_eq!(client(good), Vec::<String>::new(), "{good}");
    }
}

#[test]
fn calls_that_differ_are_found() {
    for (bad, says) in [
        ("fetch('/api/orders')\n", "api.unknown-call :1: `/api/orders` is not in the contract"),
        (
            "\napi.patch(`/line-items/${id}`, body)\n",
            "api.unknown-call :2: `PATCH /api/line-items/{…}` is not in the contract",
        ),
        (
            "request('PUT', `/api/line-items/${id}`)\n",
            "api.unknown-call :1: `PUT /api/line-items/{…}` is not in the contract",
        ),
        (
            "fetch('/api/line-items', { method: 'DELETE' })\n",
            "api.unknown-call :1: `DELETE /api/line-items` is not in the contract",
        ),
        (
            "const BASE = '/api/lineitems'\n",
            "api.unknown-call :1: nothing in the contract begins with `/api/lineitems`",
        ),
    ] {
        assert_eq!(client(bad), [says], "{bad}");
    }
}

#[test]
fn a_contract_that_is_wrong_is_found() {
    for (from, to, says) in [
        ("\"3.1.0\"", "\"2.0\"", "the contract is no OpenAPI 3 document"),
        ("\"responses\": {\"201\": {}}", "\"x\": 1", "`POST /api/line-items` has no responses"),
        (
            "responses/Page\"}",
            "responses/Pages\"}",
            "`#/components/responses/Pages` refers to nothing",
        ),
        (
            "\"name\": \"id\"",
            "\"name\": \"key\"",
            "`GET /api/line-items/{id}` does not declare the parameter `id`",
        ),
        (
            "\"openapi\"",
            "openapi",
            "the contract is not JSON: key must be a string at line 2 column 5",
        ),
    ] {
        let contract = CONTRACT.replace(from, to);
        let found = found(&[("contract/openapi.json", &contract)]);
        assert!(found.iter().any(|f| f.ends_with(says)), "{says}: {found:?}");
    }
}
