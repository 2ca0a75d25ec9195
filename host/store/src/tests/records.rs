//! Projects, memory, settings, previews, tokens and the audit log.

use gencode_core::{
    access::{AuditEntry, Role, Token},
    id::TokenId,
};

use super::*;
use crate::{MAX_MEMORY_KEYS, MAX_MEMORY_VALUE_BYTES, StoreError};

on_both! {
    projects_come_back_as_they_were_newest_first_page_by_page,
    a_project_with_an_unfinished_run_is_not_deleted,
    memory_is_private_and_bounded,
    settings_plugins_and_previews_are_kept,
    tokens_are_known_by_their_digest_and_revoked_for_ever,
    changes_are_noted_in_order_and_never_altered,
}

async fn projects_come_back_as_they_were_newest_first_page_by_page(fixture: Fixture) {
    let store = &fixture.store;
    for n in 0..7 {
        // Pairs of the same instant: the cursor must not lose or repeat one.
        store.create_project(&project(&format!("p{n}"), n / 2)).await.unwrap();
    }
    assert_eq!(store.project(&pid("p3")).await.unwrap(), project("p3", 1));
    let twice = store.create_project(&project("p3", 9)).await.unwrap_err();
    assert!(matches!(twice, StoreError::Conflict(_)), "{twice}");
    let (mut ids, mut cursor) = (Vec::new(), None);
    loop {
        let page = store.list_projects(2, cursor.as_deref()).await.unwrap();
        ids.extend(page.projects.iter().map(|project| project.id.to_string()));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(ids, ["p6", "p5", "p4", "p3", "p2", "p1", "p0"]);
}

async fn a_project_with_an_unfinished_run_is_not_deleted(fixture: Fixture) {
    let lease = fixture.claimed().await.lease;
    fixture.store.begin_step(&lease, "analysis", None, |_| vec![]).await.unwrap();
    fixture.store.journal_append(&lease, &entry("analysis", 1, "0", Some("1"))).await.unwrap();
    let refused = fixture.store.delete_project(&pid("shop")).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict(_)), "{refused}");
    fixture.store.stop_run(rid(1), "").await.unwrap();
    fixture.store.delete_project(&pid("shop")).await.unwrap();
    let gone = fixture.store.delete_project(&pid("shop")).await.unwrap_err();
    assert!(matches!(gone, StoreError::NotFound { .. }));
    assert!(fixture.store.events_after(&pid("shop"), 0, 9).await.unwrap().is_empty());
    let paid = fixture.store.ledger_of_run(rid(1)).await.unwrap();
    assert_eq!(paid.len(), 1, "what was paid stays known");
    fixture.store.create_project(&project("shop", 1)).await.unwrap();
    assert_eq!(fixture.store.last_seq(&pid("shop")).await.unwrap(), 0);
    let of_the_new_one = fixture.store.ledger(&pid("shop"), 0, 10).await.unwrap();
    assert!(of_the_new_one.is_empty(), "a new project of the same name has paid nothing");
}

async fn memory_is_private_and_bounded(fixture: Fixture) {
    let store = &fixture.store;
    store.create_project(&project("shop", 0)).await.unwrap();
    let id = pid("shop");
    store.memory_put(&id, "marcus", "k", "one").await.unwrap();
    store.memory_put(&id, "marcus", "k", "two").await.unwrap();
    assert_eq!(store.memory_get(&id, "marcus", "k").await.unwrap().as_deref(), Some("two"));
    assert_eq!(store.memory_get(&id, "derek", "k").await.unwrap(), None);
    let limit = usize::try_from(MAX_MEMORY_VALUE_BYTES).unwrap();
    store.memory_put(&id, "marcus", "big", &"x".repeat(limit)).await.unwrap();
    let error = store.memory_put(&id, "marcus", "big", &"x".repeat(limit + 1)).await.unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { what: "a value", .. }));
    let error = store.memory_put(&id, "marcus", &"k".repeat(2000), "").await.unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { what: "a key", .. }));
    fixture
        .raw(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 998) \
              INSERT INTO memory SELECT 'shop', 'marcus', 'n' || i, '' FROM n",
        )
        .await
        .unwrap();
    let error = store.memory_put(&id, "marcus", "one more", "").await.unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { limit: MAX_MEMORY_KEYS, .. }), "{error}");
    store.memory_put(&id, "marcus", "k", "three").await.unwrap();
    store.memory_put(&id, "derek", "one more", "").await.unwrap();
    let error = store.memory_put(&pid("nobody"), "marcus", "k", "").await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound { .. }));
}

async fn settings_plugins_and_previews_are_kept(fixture: Fixture) {
    let store = &fixture.store;
    assert_eq!(store.setting::<String>("provider").await.unwrap(), None);
    store.put_setting("provider", &"offline").await.unwrap();
    store.put_setting("provider", &"openai").await.unwrap();
    assert_eq!(store.setting::<String>("provider").await.unwrap().as_deref(), Some("openai"));
    let wrong = store.setting::<u32>("provider").await.unwrap_err();
    assert!(matches!(wrong, StoreError::Corrupt { .. }));

    store.create_project(&project("shop", 0)).await.unwrap();
    store.put_preview(&pid("shop"), &json!({"argv": ["a"]})).await.unwrap();
    store.put_preview(&pid("shop"), &json!({"argv": ["b"]})).await.unwrap();
    let preview = store.preview(&pid("shop")).await.unwrap().unwrap();
    assert_eq!(preview.spec, json!({"argv": ["b"]}));
    assert_eq!(store.previews().await.unwrap(), [preview]);
    store.delete_project(&pid("shop")).await.unwrap();
    assert_eq!(store.preview(&pid("shop")).await.unwrap(), None);
}

async fn tokens_are_known_by_their_digest_and_revoked_for_ever(fixture: Fixture) {
    let store = &fixture.store;
    assert!(!store.wants_tokens().await.unwrap());
    let token = Token {
        id: TokenId::from_ulid(7.into()),
        name: "ci".to_owned(),
        role: Role::Editor,
        created_at: at(5),
        expires_at: Some(at(50)),
        revoked_at: None,
    };
    store.add_token(&token, Digest::of(b"secret")).await.unwrap();
    assert!(store.wants_tokens().await.unwrap());
    assert_eq!(store.token(Digest::of(b"secret")).await.unwrap(), Some(token.clone()));
    assert_eq!(store.token(Digest::of(b"another")).await.unwrap(), None);
    store.revoke_token(token.id).await.unwrap();
    let revoked = store.tokens().await.unwrap().remove(0);
    assert!(revoked.revoked_at.is_some());
    store.revoke_token(token.id).await.unwrap();
    assert_eq!(store.tokens().await.unwrap(), [revoked], "revoked once");
    assert!(!store.wants_tokens().await.unwrap());
    let nobody = store.revoke_token(TokenId::from_ulid(8.into())).await.unwrap_err();
    assert!(matches!(nobody, StoreError::NotFound { what: "token", .. }), "{nobody}");
}

async fn changes_are_noted_in_order_and_never_altered(fixture: Fixture) {
    let store = &fixture.store;
    let entry = |target: &str| AuditEntry {
        who: "local".to_owned(),
        role: Role::Operator,
        action: "DELETE /api/projects/{id}".to_owned(),
        target: target.to_owned(),
        status: 200,
        request: "req".to_owned(),
    };
    for target in ["shop", "blog", "shop"] {
        store.add_audit(&entry(target)).await.unwrap();
    }
    let all = store.audit(None, None, 2).await.unwrap();
    assert_eq!((all.len(), &all[0].entry), (2, &entry("shop")));
    let rest = store.audit(None, Some(all[1].n), 9).await.unwrap();
    assert_eq!(rest.len(), 1);
    let shop = store.audit(Some("shop"), None, 9).await.unwrap();
    assert_eq!(shop.iter().map(|row| row.n).collect::<Vec<_>>(), [all[0].n, rest[0].n]);
    assert!(fixture.raw("UPDATE audit SET who = 'nobody'").await.is_err());
}
