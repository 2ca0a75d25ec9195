//! What a user does with a host while faults happen. Together the plays pass every crash point.

use std::{
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use serde_json::json;
use tokio::process::Command;

use crate::{
    client::Client,
    host::{Backend, GENCODE, plugins},
    postgres::Postgres,
    world::{REQUEST, Tools, World},
};

/// Time an answer of the provider takes where a play has to meet a run under way.
const SLOWLY: Duration = Duration::from_millis(40);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Play {
    /// One sentence, one application.
    Build,
    /// Hosts come and go while it is built: one is ended, one is killed.
    Handover,
    /// The application is edited, changed by a message, and thrown away.
    Afterwards,
    /// A step asks the user something.
    Asking,
    /// A run is stopped and continued; its result is put back to the beginning, and forked.
    Steering,
    /// The provider wants a moment, then there is no space, then there is.
    Waiting,
    /// An operator cleans up, makes a backup and puts it back elsewhere.
    Housekeeping,
    /// As [`Play::Build`] with all tools: installs, tests, a preview.
    WithTools,
}

impl Play {
    /// The cheapest first.
    pub(crate) const ALL: [Self; 8] = [
        Self::Build,
        Self::Asking,
        Self::Handover,
        Self::Housekeeping,
        Self::Afterwards,
        Self::Steering,
        Self::Waiting,
        Self::WithTools,
    ];

    pub(crate) fn tools(self) -> Tools {
        match self {
            Self::WithTools => Tools::Present,
            Self::Build
            | Self::Asking
            | Self::Handover
            | Self::Afterwards
            | Self::Steering
            | Self::Waiting
            | Self::Housekeeping => Tools::Hidden,
        }
    }

    /// The scene it is played on.
    pub(crate) async fn world(self, backend: Backend) -> World {
        let mut world = World::new(backend, self.tools()).await;
        if self == Self::Asking {
            world.replace_plugin("screenshot-verify", include_str!("../guests/curious.wat")).await;
        }
        world
    }

    /// Plays it to its end; the host has ended then.
    pub(crate) async fn play(self, client: &mut Client<'_>) {
        match self {
            Self::Build | Self::WithTools => {
                let id = client.make(REQUEST).await;
                client.build(&id).await;
                client.until(&id, "completed").await;
            }
            Self::Asking => {
                let id = client.make(REQUEST).await;
                client.build(&id).await;
                client.until_asked().await;
                client.answer(&id, "green").await;
                client.until(&id, "completed").await;
            }
            Self::Handover => {
                client.world.provider.set_delay(SLOWLY);
                let id = client.make(REQUEST).await;
                client.build(&id).await;
                client.until_sold(2).await;
                client.end().await;
                client.until_sold(4).await;
                client.kill().await;
                client.until(&id, "completed").await;
            }
            Self::Steering => {
                // Its first step waits, and no other is beside it: where it is stopped is certain.
                client.world.provider.refuse(1);
                let id = client.make(REQUEST).await;
                client.build(&id).await;
                client.until_asked().await;
                let run = client.newest_run(&id).await;
                client.once(&format!("/api/v1/runs/{run}/cancel"), "stop-1", json!({})).await;
                client.once(&format!("/api/v1/runs/{run}/retry"), "retry-1", json!({})).await;
                client.until(&id, "completed").await;
                // From a step that has no others beside it: what is done before is always the same.
                client.fork(&id, "architecture", "fork").await;
                client.until("fork", "completed").await;
                client.restore_first(&id).await;
            }
            Self::Waiting => {
                client.world.provider.refuse(1);
                let id = client.make(REQUEST).await;
                client.build(&id).await;
                client.until_asked().await;
                client.end().await;
                client.env = vec![("GENCODE_MAX_DATA", "1".to_owned())];
                client.until_short().await;
                client.end().await;
                client.env.clear();
                client.until(&id, "completed").await;
            }
            Self::Housekeeping => {
                let id = client.make(REQUEST).await;
                client.build(&id).await;
                client.until(&id, "completed").await;
                client.end().await;
                let short = ["retention", &id, "--keep-days", "0", "--keep-checkpoints", "2"];
                client.run(async |world| command(world, &short).await).await;
                client
                    .run(async |world| {
                        let mut command = command(world, &["gc"]).await;
                        command.env("GENCODE_GC_GRACE", "0s");
                        command
                    })
                    .await;
                let file = client.world.data.path().join("host.gencode");
                client
                    .run(async |world| {
                        // One that was made before its maker died is not made again.
                        let _known = std::fs::remove_file(&file);
                        let mut command = command(world, &["backup", "--out"]).await;
                        command.arg(&file);
                        command
                    })
                    .await;
                client.run(async |world| elsewhere(world, &file).await).await;
                std::fs::remove_file(&file).unwrap();
            }
            Self::Afterwards => {
                let id = client.make(REQUEST).await;
                client.build(&id).await;
                client.until(&id, "completed").await;
                client.choose_provider().await;
                client.save(&id, "notes.md", "My own words.\n").await;
                client.change(&id, "add a field nickname to members").await;
                client.until(&id, "completed").await;
                let other = client.make("a list of books").await;
                client.build(&other).await;
                client.until(&other, "completed").await;
                client.delete(&other).await;
            }
        }
        if client.serves() {
            client.end().await;
        }
    }
}

/// A command of the binary on the world's data.
async fn command(world: &World, args: &[&str]) -> Command {
    world.data.command(args).await
}

/// The way back of a backup, into a folder and a database that nobody has used.
async fn elsewhere(world: &World, file: &Path) -> Command {
    static PLACES: AtomicU32 = AtomicU32::new(0);
    let place = format!("elsewhere-{}", PLACES.fetch_add(1, Ordering::Relaxed));
    let mut command = Command::new(GENCODE);
    command
        .arg("--data-dir")
        .arg(world.data.path().join(place))
        .arg("--plugins")
        .arg(plugins().await)
        .arg("restore")
        .arg(file)
        .env_remove("DATABASE_URL")
        .envs(world.data.env.iter().map(|(name, value)| (name, value)))
        .kill_on_drop(true);
    if world.data.database.is_some() {
        command.env("DATABASE_URL", Postgres::shared().database());
    }
    command
}
