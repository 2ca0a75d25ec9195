//! A PostgreSQL database: migrated, opened, and how hosts on it give each other hints.

use std::{sync::Arc, time::Duration};

use gencode_core::id::ProjectId;
use serde::{Deserialize, Serialize};
use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection, Row as _,
    postgres::{PgListener, PgPool, PgPoolOptions},
};
use tokio::sync::{broadcast, mpsc};

use crate::{
    EventHint, Result, StoreError,
    location::Server,
    open::{Schema, migration_failed, schema},
};

static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("migrations/postgres");

/// Connections of one host. PostgreSQL groups the commits of those that are busy.
const CONNECTIONS: u32 = 16;

/// How long a caller waits for a connection: to the server, or from the pool.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection that was idle for longer is asked whether it still lives before it is used.
const FRESH: Duration = Duration::from_secs(1);

/// Settings of every connection. A host that is stopped in the middle of a write must not keep its
/// locks: whoever takes over its runs, at most two seconds after the lease, would wait for them.
const SETTINGS: [(&str, &str); 4] = [
    ("idle_in_transaction_session_timeout", "1500ms"),
    ("lock_timeout", "10s"),
    ("statement_timeout", "30s"),
    // All statements are found by their keys: planning them anew for each value gains nothing.
    ("plan_cache_mode", "force_generic_plan"),
];

/// Channel of hints.
const CHANNEL: &str = "gencode_events";

/// Hints of this long are sent together. A commit never waits for them: NOTIFY inside a
/// transaction would make all commits of the database stand in one line.
const GATHER: Duration = Duration::from_millis(10);

/// Sends a hint. Nobody waits until it is on the disk: a transaction of NOTIFY has a number, so its
/// end would be written there, in the way of those that must.
const NOTIFY: &str = "SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)";

/// Most hints in one notification; its payload may have 8,000 bytes.
const TOGETHER: usize = 50;

/// Pause before a listener that lost its connection tries again.
const AGAIN: Duration = Duration::from_secs(1);

/// Opens the database and brings its schema up to date.
pub(crate) async fn open(database: &Arc<str>, server: &Server) -> Result<PgPool> {
    let options = server
        .options
        .clone()
        .application_name("gencode")
        .options(SETTINGS)
        .disable_statement_logging();
    let fail = |error| StoreError::of(database, error);
    let connecting = tokio::time::timeout(ACQUIRE_TIMEOUT, options.connect());
    let mut connection = connecting
        .await
        .unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())))
        .map_err(fail)?;
    if inspect(database, &mut connection).await? != Schema::Current {
        MIGRATOR
            .run_direct(None, &mut connection, false)
            .await
            .map_err(|error| migration_failed(database, &MIGRATOR, error))?;
    }
    connection.close().await.map_err(fail)?;
    Ok(PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > FRESH {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_lazy_with(options))
}

/// Looks at the schema without changing anything.
async fn inspect(database: &str, connection: &mut PgConnection) -> Result<Schema> {
    let fail = |error| StoreError::of(database, error);
    let row = sqlx::query(
        "SELECT count(*) AS tables, \
         count(*) FILTER (WHERE table_name = '_sqlx_migrations') AS ours \
         FROM information_schema.tables WHERE table_schema = current_schema()",
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(fail)?;
    let tables: i64 = row.try_get("tables").map_err(fail)?;
    let ours: i64 = row.try_get("ours").map_err(fail)?;
    if ours == 0 {
        return if tables == 0 {
            Ok(Schema::Missing)
        } else {
            Err(StoreError::damaged(database, "it belongs to another program"))
        };
    }
    let row = sqlx::query("SELECT coalesce(max(version), 0) AS version FROM _sqlx_migrations")
        .fetch_one(&mut *connection)
        .await
        .map_err(fail)?;
    schema(database, row.try_get("version").map_err(fail)?, &MIGRATOR)
}

/// What hosts tell each other.
#[derive(Debug, Serialize, Deserialize)]
struct Notice {
    from: String,
    news: Vec<(ProjectId, u64)>,
}

/// Passes hints on to the other hosts, many at once.
pub(crate) async fn tell(pool: PgPool, own: String, mut hints: mpsc::Receiver<EventHint>) {
    let mut batch = Vec::with_capacity(TOGETHER);
    while hints.recv_many(&mut batch, TOGETHER).await > 0 {
        let mut news: Vec<(ProjectId, u64)> = Vec::new();
        for EventHint { project, seq } in batch.drain(..) {
            match news.iter_mut().find(|(known, _)| *known == project) {
                Some((_, newest)) => *newest = seq.max(*newest),
                None => news.push((project, seq)),
            }
        }
        let notice = Notice { from: own.clone(), news };
        let Ok(payload) = serde_json::to_string(&notice) else { continue };
        let sent = sqlx::query(NOTIFY).bind(CHANNEL).bind(payload);
        if let Err(error) = sent.execute(&pool).await {
            tracing::debug!(%error, "other hosts were not told; they look by themselves");
        }
        tokio::time::sleep(GATHER).await;
    }
}

/// Turns what other hosts tell into hints of this one, for as long as the store lives.
pub(crate) async fn listen(pool: PgPool, own: String, hints: broadcast::Sender<EventHint>) {
    loop {
        let heard = async {
            let mut listener = PgListener::connect_with(&pool).await?;
            listener.listen(CHANNEL).await?;
            loop {
                let notice = listener.recv().await?;
                pass_on(notice.payload(), &own, &hints);
            }
        };
        let ended: Result<(), sqlx::Error> = heard.await;
        if let Err(error) = ended {
            tracing::debug!(%error, "hints of other hosts are not heard; will try again");
        }
        tokio::time::sleep(AGAIN).await;
    }
}

fn pass_on(payload: &str, own: &str, hints: &broadcast::Sender<EventHint>) {
    let Ok(notice) = serde_json::from_str::<Notice>(payload) else { return };
    if notice.from == own {
        return;
    }
    for (project, seq) in notice.news {
        // Nobody listening is fine.
        let _listeners = hints.send(EventHint { project, seq });
    }
}
