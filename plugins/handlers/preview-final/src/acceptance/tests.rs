//! The calls that a contract leads to.

use gencode_plugin_sdk::supervise::fake;

use super::*;

fn intent() -> Intent {
    fake::intent().unwrap().read().unwrap()
}

fn contract(marked: bool) -> Value {
    let body = |name: &str| json!({ "requestBody": { "content": { "application/json": { "schema": { "$ref": format!("#/components/schemas/{name}") } } } } });
    let sorted = json!({ "parameters": [
        { "name": "sort", "in": "query", "schema": { "enum": ["id", "number"] } },
        { "name": "order", "in": "query" },
        { "name": "page_size", "in": "query" },
    ] });
    let reference = |target: &str, schema: Value| {
        let mut schema = schema;
        if marked {
            schema["x-gencode-ref"] = json!(target);
        }
        schema
    };
    json!({
        "openapi": "3.1.0",
        "paths": {
            "/api/orders": { "get": sorted, "post": body("OrderCreate") },
            "/api/line-items": { "get": {}, "post": body("LineItemCreate") },
            "/api/tags": { "get": {}, "post": body("TagCreate") },
        },
        "components": { "schemas": {
            "OrderStatus": { "type": "string", "enum": ["open", "paid", "sent"], "x-gencode-transitions": { "open": ["sent"], "sent": [] } },
            "OrderCreate": { "required": ["number"], "properties": {
                "number": { "type": "string", "maxLength": 200 },
                "status": { "allOf": [{ "$ref": "#/components/schemas/OrderStatus" }], "default": "open" },
                "paid_on": { "anyOf": [{ "type": "string", "format": "date" }, { "type": "null" }] },
                "tag_ids": reference("Tag", json!({ "type": "array", "items": { "type": "integer" } })),
            } },
            "LineItemCreate": { "required": ["price", "order_id"], "properties": {
                "price": { "type": "number", "minimum": 0 },
                "quantity": { "type": "integer", "minimum": 10 },
                "order_id": reference("Order", json!({ "type": "integer" })),
            } },
            "TagCreate": { "properties": { "name": { "type": "string", "maxLength": 12 } } },
        } },
    })
}

fn named<'a>(checks: &'a [HttpCheck], name: &str) -> &'a HttpCheck {
    checks.iter().find(|check| check.name == name).unwrap_or_else(|| panic!("no check `{name}`"))
}

#[test]
fn what_is_referred_to_is_created_first_and_deleted_last() {
    for marked in [true, false] {
        let checks = checks(&contract(marked), &intent(), true);
        let names: Vec<&str> = checks.iter().map(|check| check.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "health",
                "contract",
                "start page",
                "Tag: create",
                "Tag: read",
                "Tag: list",
                "Tag: change",
                "Tag: read the change",
                "Tag: replace",
                "Order: an empty body is refused",
                "Order: create",
                "Order: read",
                "Order: list",
                "Order: change",
                "Order: read the change",
                "Order: replace",
                "Line item: an empty body is refused",
                "Line item: create",
                "Line item: read",
                "Line item: list",
                "Line item: change",
                "Line item: read the change",
                "Line item: replace",
                "Line item: delete",
                "Line item: gone",
                "Order: delete",
                "Order: gone",
                "Tag: delete",
                "Tag: gone",
            ],
            "{marked}"
        );
        assert_eq!(
            named(&checks, "Order: create").body,
            r#"{"number":"Sample 1 number äß","status":"open","paid_on":"2031-05-02","tag_ids":[{{tags_id}}]}"#
        );
        assert_eq!(
            named(&checks, "Line item: create").body,
            r#"{"price":13.25,"quantity":10,"order_id":{{orders_id}}}"#
        );
    }
}

#[test]
fn what_was_sent_has_to_come_back() {
    let checks = checks(&contract(true), &intent(), false);
    let create = named(&checks, "Order: create");
    assert_eq!((create.method.as_str(), create.expect_status.as_slice()), ("POST", &[201][..]));
    assert_eq!(create.capture, [("orders_id".to_owned(), "/id".to_owned())]);
    assert_eq!(create.expect_json[0], ("/number".to_owned(), "\"Sample 1 number äß\"".to_owned()));
    let list = named(&checks, "Order: list");
    assert_eq!(list.path, "/api/orders?sort=id&order=desc&page_size=100");
    assert_eq!(list.expect_json[1], ("/items/0/status".to_owned(), "\"open\"".to_owned()));
    assert_eq!(named(&checks, "Tag: list").path, "/api/tags");
    assert_eq!(
        named(&checks, "Tag: create").body,
        r#"{"name":"Sample 1 nam"}"#,
        "cut to what the contract allows"
    );
    let change = named(&checks, "Order: change");
    assert_eq!(
        change.body, r#"{"number":"Sample 2 number äß","status":"sent"}"#,
        "only where the workflow may go"
    );
    assert!(named(&checks, "Order: replace").body.contains(r#""status":"sent""#));
    assert_eq!(named(&checks, "Order: gone").path, "/api/orders/{{orders_id}}");
    assert_eq!(named(&checks, "Order: gone").expect_status, [404]);
    assert!(!checks.iter().any(|check| check.name == "start page"));
}

#[test]
fn with_log_in_every_call_carries_the_token_and_none_works_without() {
    let mut contract = contract(true);
    contract["paths"]["/api/auth/login"] = json!({ "post": {} });
    contract["paths"]["/api/dashboard"] = json!({ "get": {} });
    let checks = checks(&contract, &intent(), true);
    let login = named(&checks, "accounts: sign in");
    assert_eq!(login.capture, [("token".to_owned(), "/access_token".to_owned())]);
    assert_eq!(named(&checks, "Tag: refused without a token").expect_status, [401]);
    let open = [
        "health",
        "contract",
        "start page",
        "accounts: register",
        "accounts: sign in",
        "accounts: a wrong password is refused",
    ];
    for check in &checks {
        let expected =
            !open.contains(&check.name.as_str()) && !check.name.ends_with("without a token");
        assert_eq!(!check.headers.is_empty(), expected, "{}", check.name);
    }
    let at = |name: &str| checks.iter().position(|check| check.name == name).unwrap();
    assert!(
        at("accounts: register") < at("accounts: sign in")
            && at("accounts: sign in") < at("dashboard")
    );
}

#[test]
fn a_circle_of_references_is_cut_where_it_is_optional() {
    let mut intent = intent();
    let mut back = intent.relations[0].clone();
    (back.source, back.target) = ("Order".into(), "LineItem".into());
    (back.name, back.required) = ("main_item".into(), false);
    intent.relations.push(back);
    let names: Vec<&str> = order(&intent).iter().map(|entity| entity.name.as_str()).collect();
    assert_eq!(names, ["Tag", "Order", "LineItem"]);
}
