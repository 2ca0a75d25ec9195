//! Retention, holds, and everything out and in again.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use gencode_core::event::EventBody;
use tokio::sync::mpsc;

use super::*;
use crate::{Gone, HoldKind, Incoming, Part, Prune, Pruned, Retention, StoreError};

on_both! {
    retention_takes_what_is_old_and_leaves_the_newest,
    what_an_unfinished_run_needs_stays,
    a_dry_run_says_the_same_and_changes_nothing,
    a_project_can_have_a_rule_of_its_own,
    holds_keep_cleaning_and_backups_apart,
    everything_goes_out_and_in_again,
    an_import_that_is_cut_off_leaves_nothing,
    an_import_into_something_is_refused,
    rows_that_break_the_rules_are_named,
}

const HOUR: Duration = Duration::from_hours(1);

fn prune(keep_days: u32, keep_checkpoints: u32) -> Prune {
    Prune {
        project: pid("shop"),
        retention: Retention { keep_days, keep_checkpoints },
        grace: HOUR,
        shown: BTreeSet::new(),
        dry_run: false,
    }
}

impl Fixture {
    /// A finished run with a journal, a paid call and six checkpoints, as if it were years ago.
    async fn long_ago(&self) {
        Box::pin(self.made_long_ago()).await;
    }

    async fn made_long_ago(&self) {
        let claimed = self.claimed().await;
        self.store.begin_step(&claimed.lease, "analysis", None, |_| vec![]).await.unwrap();
        let base = entry("analysis", 1, "@base", None);
        self.store.journal_append(&claimed.lease, &base).await.unwrap();
        let paid = entry("analysis", 1, "0", Some("0.01"));
        self.store.journal_append(&claimed.lease, &paid).await.unwrap();
        for n in 1..=6 {
            let new = checkpoint(n, n.checked_sub(1).filter(|parent| *parent > 0));
            self.store.add_checkpoint(&new, vec![]).await.unwrap();
        }
        self.store.stop_run(rid(1), "enough").await.unwrap();
        self.raw("UPDATE checkpoints SET created_at = '2020-01-01T00:00:00.000000+00:00'")
            .await
            .unwrap();
        self.raw("UPDATE runs SET finished_at = '2020-01-01T00:00:00.000000+00:00'").await.unwrap();
    }

    /// A second run, which waits; then the first is not the latest any more.
    async fn second_run(&self) {
        self.store.start_run(new_run("shop", 2)).await.unwrap();
    }

    async fn ids(&self) -> Vec<CheckpointId> {
        let all = self.store.checkpoints(&pid("shop"), 100).await.unwrap();
        all.iter().map(|checkpoint| checkpoint.id).collect()
    }

    async fn events(&self) -> Vec<u64> {
        let events = self.store.events_after(&pid("shop"), 0, 1000).await.unwrap();
        events.iter().map(|event| event.seq).collect()
    }
}

async fn retention_takes_what_is_old_and_leaves_the_newest(fixture: Fixture) {
    fixture.long_ago().await;
    let spent = fixture.store.run_totals(rid(1)).await.unwrap();
    // Young events stay, so they are the last run's that make the difference here.
    let before = fixture.events().await;
    let pruned = fixture.store.prune(&prune(30, 3)).await.unwrap();
    assert_eq!(pruned.gone.checkpoints.len(), 3);
    assert_eq!(pruned.gone.journals, [rid(1)].into());
    assert_eq!(pruned.journal_entries, 2);
    assert!(pruned.journal_bytes > 20, "{pruned:?}");
    assert_eq!(fixture.ids().await, [cid(6), cid(5), cid(4)]);
    assert_eq!(fixture.events().await, before);
    assert!(fixture.store.journal_load(rid(1), "analysis", 1).await.unwrap().is_empty());
    // Money stays, and the chain of parents has no hole.
    assert_eq!(fixture.store.run_totals(rid(1)).await.unwrap(), spent);
    assert_eq!(fixture.store.checkpoint(cid(4)).await.unwrap().parent, None);
    assert_eq!(fixture.store.checkpoint(cid(5)).await.unwrap().parent, Some(cid(4)));
    assert_eq!(fixture.store.broken_rules().await.unwrap(), Vec::<String>::new());
    // A new one follows the newest as before.
    fixture.store.add_checkpoint(&checkpoint(7, Some(6)), vec![]).await.unwrap();
    fixture.store.add_checkpoint(&checkpoint(8, Some(7)), vec![]).await.unwrap();
    assert_eq!(fixture.store.prune(&prune(30, 5)).await.unwrap(), Pruned::default());
    // What was the newest a moment ago stays, whatever the rule says: someone may build on it.
    assert_eq!(fixture.store.prune(&prune(0, 0)).await.unwrap().gone.checkpoints.len(), 2);
    assert_eq!(fixture.ids().await, [cid(8), cid(7), cid(6)]);
    // So does the last one of a run whose result is shown, but none before it.
    fixture
        .raw("UPDATE checkpoints SET created_at = '2020-01-01T00:00:00.000000+00:00'")
        .await
        .unwrap();
    let shown = Prune { shown: [rid(1)].into(), ..prune(0, 2) };
    for (others, left) in
        [((7, 8), [cid(8), cid(7), cid(6)].to_vec()), ((6, 8), [cid(8), cid(7)].to_vec())]
    {
        fixture.raw(format!("UPDATE checkpoints SET run = '{}'", rid(1))).await.unwrap();
        let (one, two) = (cid(others.0), cid(others.1));
        fixture
            .raw(format!("UPDATE checkpoints SET run = NULL WHERE id IN ('{one}', '{two}')"))
            .await
            .unwrap();
        fixture.store.prune(&shown).await.unwrap();
        assert_eq!(fixture.ids().await, left);
    }
}

async fn what_an_unfinished_run_needs_stays(fixture: Fixture) {
    fixture.long_ago().await;
    fixture.second_run().await;
    fixture.raw("DELETE FROM events").await.unwrap();
    for (seq, run) in [(1, Some(1)), (2, None), (3, Some(1)), (4, Some(2)), (5, None)] {
        let run = run.map_or("NULL".to_owned(), |run: u128| format!("'{}'", rid(run)));
        let body = serde_json::to_string(&EventBody::RunQueued).unwrap();
        fixture
            .raw(format!(
                "INSERT INTO events (project, seq, at, run, body) VALUES \
                 ('shop', {seq}, '2020-01-01T00:00:00.000000+00:00', {run}, '{body}')"
            ))
            .await
            .unwrap();
    }
    fixture.raw("UPDATE projects SET last_seq = 5").await.unwrap();
    // The run is not final any more as far as the database knows; nothing of it may go.
    fixture
        .raw(format!("UPDATE checkpoints SET run = '{}' WHERE id = '{}'", rid(2), cid(2)))
        .await
        .unwrap();
    let pruned = fixture.store.prune(&prune(0, 2)).await.unwrap();
    assert_eq!(fixture.ids().await, [cid(6), cid(5), cid(2)]);
    assert_eq!(fixture.store.checkpoint(cid(5)).await.unwrap().parent, Some(cid(2)));
    assert_eq!(fixture.store.checkpoint(cid(2)).await.unwrap().parent, None);
    // Only the oldest events go: those that stay have no gap.
    assert_eq!((pruned.events, fixture.events().await), (3, vec![4, 5]));
    assert_eq!(fixture.store.broken_rules().await.unwrap(), Vec::<String>::new());
    let components = fixture.store.kept_components(&Gone::default()).await.unwrap();
    assert_eq!(components, [Digest::of(b"marcus")].into());
}

async fn a_dry_run_says_the_same_and_changes_nothing(fixture: Fixture) {
    fixture.long_ago().await;
    let all = fixture.store.kept_manifests(&Gone::default()).await.unwrap();
    let dry = Prune { dry_run: true, ..prune(30, 2) };
    let said = fixture.store.prune(&dry).await.unwrap();
    assert_eq!(fixture.ids().await.len(), 6);
    assert_eq!(fixture.store.kept_manifests(&Gone::default()).await.unwrap(), all);
    // What would be needed afterwards can be asked before.
    let needed = fixture.store.kept_manifests(&said.gone).await.unwrap();
    let components = fixture.store.kept_components(&said.gone).await.unwrap();
    assert_eq!(fixture.store.prune(&prune(30, 2)).await.unwrap(), said);
    assert_eq!(fixture.store.kept_manifests(&Gone::default()).await.unwrap(), needed);
    assert_eq!(fixture.store.kept_components(&Gone::default()).await.unwrap(), components);
    assert_eq!(needed.len(), 2);
    assert!(components.is_empty());
}

async fn a_project_can_have_a_rule_of_its_own(fixture: Fixture) {
    let store = &fixture.store;
    let shop = pid("shop");
    let missing = store.retention(&shop).await.unwrap_err();
    assert!(matches!(missing, StoreError::NotFound { .. }), "{missing}");
    store.create_project(&project("shop", 0)).await.unwrap();
    assert_eq!(store.retention(&shop).await.unwrap(), None);
    let own = Retention { keep_days: 7, keep_checkpoints: 9 };
    store.set_retention(&shop, Some(own)).await.unwrap();
    store.set_retention(&shop, Some(own)).await.unwrap();
    assert_eq!(store.retention(&shop).await.unwrap(), Some(own));
    let listed = store.kept_projects(None).await.unwrap();
    assert_eq!((listed.len(), listed[0].own), (1, Some(own)));
    assert!(store.kept_projects(Some(&shop)).await.unwrap().is_empty());
    store.set_retention(&shop, None).await.unwrap();
    assert_eq!(store.retention(&shop).await.unwrap(), None);
}

async fn holds_keep_cleaning_and_backups_apart(fixture: Fixture) {
    let (one, other) = (&fixture.store, fixture.other().await);
    one.hold_for(hid(1), HoldKind::Backup, HOUR).await.unwrap();
    other.hold_for(hid(2), HoldKind::Backup, HOUR).await.unwrap();
    let busy = other.hold_for(hid(3), HoldKind::Cleaning, HOUR).await.unwrap_err();
    assert_eq!(busy.to_string(), "a backup is being made");
    one.let_go(hid(1)).await.unwrap();
    // Renewed with nothing left of it: it has ended.
    other.hold_for(hid(2), HoldKind::Backup, Duration::ZERO).await.unwrap();
    one.hold_for(hid(3), HoldKind::Cleaning, HOUR).await.unwrap();
    one.hold_for(hid(3), HoldKind::Cleaning, HOUR).await.unwrap();
    for kind in [HoldKind::Backup, HoldKind::Cleaning] {
        let busy = other.hold_for(hid(4), kind, HOUR).await.unwrap_err();
        assert_eq!(busy.to_string(), "a clean-up is going on");
    }
    // Whoever is dead holds nothing.
    one.expire_host(&hid(3)).await.unwrap();
    one.hold_for(hid(4), HoldKind::Cleaning, HOUR).await.unwrap();
    one.let_go(hid(4)).await.unwrap();
    // Of many at once one cleans.
    let mut racing = tokio::task::JoinSet::new();
    for n in 0..16 {
        let store = if n % 2 == 0 { one.clone() } else { other.clone() };
        racing.spawn(async move { store.hold_for(hid(n), HoldKind::Cleaning, HOUR).await.is_ok() });
    }
    let won = racing.join_all().await.into_iter().filter(|won| *won).count();
    assert_eq!(won, 1);
}

async fn export(store: &Store) -> (crate::Exported, Vec<Part>) {
    let (send, mut receive) = mpsc::channel(1);
    let taking = async {
        let mut parts = Vec::new();
        while let Some(part) = receive.recv().await {
            parts.push(part);
        }
        parts
    };
    let (exported, parts) = tokio::join!(store.export(send), taking);
    (exported.unwrap(), parts)
}

async fn import(
    store: &Store,
    parts: &[Part],
    whole: Option<BTreeMap<String, u64>>,
) -> crate::Result<BTreeMap<String, u64>> {
    let (send, receive) = mpsc::channel(1);
    let sending = async {
        for part in parts {
            if send.send(Incoming::Part(part.clone())).await.is_err() {
                return;
            }
        }
        if let Some(whole) = whole {
            // Refused before is fine: the import says so.
            let _refused = send.send(Incoming::Whole(whole)).await;
        }
        drop(send);
    };
    tokio::join!(store.import(receive), sending).0
}

async fn everything_goes_out_and_in_again(fixture: Fixture) {
    fixture.long_ago().await;
    let continued = NewRun { continues: Some(rid(1)), ..new_run("shop", 2) };
    fixture.store.start_run(continued).await.unwrap();
    fixture.store.put_setting("provider", &json!({"name": "é «\n»"})).await.unwrap();
    let (exported, parts) = export(&fixture.store).await;
    assert_eq!(exported.schema, fixture.store.schema().await.unwrap());
    assert_eq!(exported.tables["checkpoints"], 6);
    assert_eq!(exported.manifests, fixture.store.kept_manifests(&Gone::default()).await.unwrap());
    assert!(!exported.tables.contains_key("holds"));

    // Into the other kind of database, and from there back into this one.
    let kinds = match fixture.kind {
        Kind::Sqlite => [Kind::Postgres, Kind::Sqlite],
        Kind::Postgres => [Kind::Sqlite, Kind::Postgres],
    };
    let mut parts = parts;
    for kind in kinds {
        let next = super::fixture(kind).await;
        let counts = import(&next.store, &parts, Some(exported.tables.clone())).await.unwrap();
        assert_eq!(counts, exported.tables);
        let (again, again_parts) = export(&next.store).await;
        assert_eq!(again, exported);
        assert_eq!(lines(&again_parts), lines(&parts));
        assert_eq!(next.store.broken_rules().await.unwrap(), Vec::<String>::new());
        assert_eq!(
            next.store.run_totals(rid(1)).await.unwrap(),
            fixture.store.run_totals(rid(1)).await.unwrap()
        );
        // It can be worked with: new rows get numbers after the old ones.
        next.store.add_checkpoint(&checkpoint(7, Some(6)), vec![]).await.unwrap();
        assert_eq!(next.ids().await.first(), Some(&cid(7)));
        assert!(next.claim(9).await.is_some());
        parts = again_parts;
    }
}

/// Rows of each table as sorted lines: databases may keep rows in another order.
fn lines(parts: &[Part]) -> BTreeMap<String, BTreeSet<String>> {
    let mut tables: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for part in parts {
        let text = String::from_utf8(part.lines.clone()).unwrap();
        let table = tables.entry(part.table.clone()).or_default();
        table.extend(text.lines().map(|line| {
            let row: BTreeMap<String, serde_json::Value> = serde_json::from_str(line).unwrap();
            serde_json::to_string(&row).unwrap()
        }));
    }
    tables
}

async fn an_import_that_is_cut_off_leaves_nothing(fixture: Fixture) {
    fixture.long_ago().await;
    let (exported, parts) = export(&fixture.store).await;
    let empty = super::fixture(fixture.kind).await;
    import(&empty.store, &parts, None).await.unwrap_err();
    let mut wrong = exported.tables.clone();
    wrong.insert("ledger".to_owned(), 99);
    let refused = import(&empty.store, &parts, Some(wrong)).await.unwrap_err();
    assert!(refused.to_string().contains("rows"), "{refused}");
    let mut hostile = parts.clone();
    hostile[0].table = "projects; DROP TABLE projects".to_owned();
    import(&empty.store, &hostile, Some(exported.tables.clone())).await.unwrap_err();
    assert!(empty.store.is_empty().await.unwrap());
    import(&empty.store, &parts, Some(exported.tables)).await.unwrap();
}

async fn an_import_into_something_is_refused(fixture: Fixture) {
    fixture.long_ago().await;
    let (exported, parts) = export(&fixture.store).await;
    let refused = import(&fixture.store, &parts, Some(exported.tables)).await.unwrap_err();
    assert!(refused.to_string().contains("not empty"), "{refused}");
    assert_eq!(fixture.ids().await.len(), 6);
}

async fn rows_that_break_the_rules_are_named(fixture: Fixture) {
    fixture.long_ago().await;
    assert_eq!(fixture.store.broken_rules().await.unwrap(), Vec::<String>::new());
    assert_eq!(crate::integrity(&fixture.location).await.unwrap(), Vec::<String>::new());
    fixture.raw("DELETE FROM events WHERE seq = 1").await.unwrap();
    assert_eq!(fixture.store.broken_rules().await.unwrap(), Vec::<String>::new(), "a beginning");
    fixture.raw("UPDATE projects SET last_seq = last_seq + 1").await.unwrap();
    fixture.raw(format!("DELETE FROM checkpoints WHERE id = '{}'", cid(3))).await.unwrap();
    assert_eq!(fixture.store.damaged_journals().await.unwrap(), Vec::<String>::new());
    fixture.raw("UPDATE journal SET attempt = 5").await.unwrap();
    let damaged = fixture.store.damaged_journals().await.unwrap().join(" ");
    assert!(damaged.contains("is not as it was written"), "{damaged}");
    fixture.raw("UPDATE runs SET finished_at = NULL").await.unwrap();
    let broken = fixture.store.broken_rules().await.unwrap().join("\n");
    for word in ["lost its newest events", "comes after", "more tries", "did not end"] {
        assert!(broken.contains(word), "{word}: {broken}");
    }
    assert!(fixture.store.server().await.unwrap().contains("SQL"));
}
