//! What a user does with a host while faults happen. Together the plays pass every crash point.

use std::time::Duration;

use crate::{
    client::Client,
    host::Backend,
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
    /// As [`Play::Build`] with all tools: installs, tests, a preview.
    WithTools,
}

impl Play {
    /// The cheapest first.
    pub(crate) const ALL: [Self; 5] =
        [Self::Build, Self::Asking, Self::Handover, Self::Afterwards, Self::WithTools];

    pub(crate) fn tools(self) -> Tools {
        match self {
            Self::WithTools => Tools::Present,
            Self::Build | Self::Asking | Self::Handover | Self::Afterwards => Tools::Hidden,
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
        client.end().await;
    }
}
