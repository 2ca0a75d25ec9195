//! An intent that cannot be built is refused, and every reason is named.

use super::*;
use gencode_plugin_sdk::types::Document;

fn answer(value: &Value) -> Answer {
    Answer { documents: vec![Document::json("intent", value).unwrap()], ..Answer::default() }
}

fn good() -> Value {
    json!({
        "title": "Order Desk", "domain": "sales", "goal": "Keep track of orders.", "language": "en",
        "entities": [
            {"name": "Order", "plural": "orders", "label": "Order", "label_plural": "Orders", "fields": [
                {"name": "number", "label": "Number", "kind": "string", "required": true, "unique": true},
                {"name": "status", "label": "Status", "kind": "enum", "values": ["open", "paid"]}]},
            {"name": "LineItem", "plural": "line_items", "label": "Line item", "label_plural": "Line items", "fields": [
                {"name": "price", "label": "Price", "kind": "decimal", "required": true}]}],
        "relations": [{"kind": "many-to-one", "source": "LineItem", "target": "Order", "name": "order", "required": true}],
        "archetype": {"choice": "admin_dashboard"}, "vibe": {"choice": "minimal_light", "confidence": 0.4},
    })
}

#[test]
fn what_may_be_left_out_is_filled_in() {
    let intent = read(&answer(&good())).unwrap();
    assert_eq!(intent.entities[0].fields[0].values, Vec::<String>::new());
    assert!(intent.entities[0].named && intent.features.is_empty());
}

#[test]
fn each_way_to_be_wrong_is_named() {
    let cases: &[(&str, Value, &str)] = &[
        ("/entities", json!([]), "there is no entity"),
        ("/entities/0/name", json!("order"), "`order` is not a PascalCase"),
        ("/entities/1/name", json!("Order"), "entity `Order` is there twice"),
        ("/entities/0/plural", json!("Orders"), "plural `Orders` of Order is not snake_case"),
        ("/entities/0/fields", json!([]), "Order has no field"),
        ("/entities/0/fields/0/kind", json!("money"), "unknown kind `money`"),
        ("/entities/0/fields/0/name", json!("owner_id"), "`Order.owner_id` is a reserved name"),
        ("/entities/0/fields/0/name", json!("class"), "`Order.class` is a reserved name"),
        ("/entities/0/fields/1/values", json!([]), "the enum `Order.status` needs distinct values"),
        ("/entities/1/fields/0/name", json!("order_id"), "relation `LineItem.order` and a field"),
        ("/relations/0/target", json!("Invoice"), "refers to `Invoice`, which is no entity"),
        ("/relations/0/kind", json!("one-to-one"), "unknown kind `one-to-one`"),
        ("/relations/0/target", json!("LineItem"), "LineItem needs itself"),
        ("/vibe/choice", json!("vibrant_modern"), "`vibrant_modern` is not a known vibe"),
        ("/vibe/confidence", json!(2.0), "not between 0 and 1"),
        ("/title", json!(" "), "the title is empty"),
        ("/entities/0/fields/0/required", json!("yes"), "the intent cannot be read"),
    ];
    for (pointer, value, says) in cases {
        let mut intent = good();
        *intent.pointer_mut(pointer).unwrap() = value.clone();
        let fault = read(&answer(&intent)).unwrap_err();
        assert_eq!((fault.code.as_str(), fault.retryable), ("invalid-intent", true), "{pointer}");
        assert!(fault.message.contains(says), "{pointer}: {}", fault.message);
    }
}

#[test]
fn an_answer_without_an_intent_is_a_fault() {
    assert_eq!(read(&Answer::default()).unwrap_err().code, "missing-document");
}
