//! The host of a try that is played again: it answers from the journal, or says where it cannot.
//!
//! **Invariant:** nothing that is played has an effect. A [`Player`] holds no store, lease, gateway
//! or sandbox; what it cannot take from the journal or compute again ends the guest.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use gencode_core::digest::Digest;
use gencode_runtime::{
    CallError, Host, HostCall, HostReply, LogLevel, Plugin, Usage,
    types::{AgentCall, HostError},
};
use gencode_store::JournalEntry;
use serde_json::Value;

use crate::{
    attempt::{digest_of, summary_of},
    base::End,
    handler,
    pure::{self, Answer, fatal},
    replay::{
        report::{Difference, Divergence},
        text,
    },
    scope::Scope,
};

/// Position of a call among all calls of a try, as the journal writes it: `3/1/0` is the first
/// call of the second agent of the handler's fourth call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position(Vec<u64>);

impl Position {
    /// Above all calls.
    pub(super) const fn root() -> Self {
        Self(Vec::new())
    }

    fn below(&self, number: u64) -> Self {
        let mut numbers = self.0.clone();
        numbers.push(number);
        Self(numbers)
    }
}

impl FromStr for Position {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split('/').map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.0.iter().map(u64::to_string).collect();
        f.write_str(&numbers.join("/"))
    }
}

/// Why a guest was ended.
#[derive(Debug)]
pub(super) enum Halt {
    /// The journal of a try that never ended goes no further.
    JournalEnds,
    /// With the call that was made instead of the recorded one.
    Diverged(Box<Divergence>, Option<Box<HostCall>>),
    /// A recorded answer cannot be read.
    Damaged(serde_json::Error),
}

/// The guest was ended by the player.
#[derive(Debug, thiserror::Error)]
#[error("the replay ended the call")]
struct Halted;

/// How a played try ended.
pub(super) enum Played {
    /// The handler came to its end.
    End(Box<End>),
    /// It was ended at this position.
    Halted(Position, Halt),
}

/// One try that is played again.
pub(super) struct Player {
    scope: Scope,
    recorded: BTreeMap<Position, JournalEntry>,
    /// Whether every call of the try is in the journal, because the try came to its end.
    whole: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Recorded calls that were made again.
    made: BTreeSet<Position>,
    /// The earliest position at which a guest was ended.
    halt: Option<(Position, Halt)>,
    /// The call to be looked at, and what it was.
    watched: Option<(Position, Option<HostCall>)>,
}

impl Player {
    pub(super) fn new(
        scope: Scope,
        recorded: BTreeMap<Position, JournalEntry>,
        whole: bool,
    ) -> Self {
        Self { scope, recorded, whole, state: Mutex::default() }
    }

    pub(super) const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Remembers the call at a position.
    pub(super) fn watch(&self, position: Position) {
        self.state().watched = Some((position, None));
    }

    /// The call that was to be watched, if it was made.
    pub(super) fn watched(&self) -> Option<HostCall> {
        self.state().watched.take()?.1
    }

    /// Plays the try to its end. The error is one of this host.
    pub(super) async fn play(self: &Arc<Self>) -> Result<Played, CallError> {
        let host = |plugin: &Arc<Plugin>| -> Arc<dyn Host> {
            Arc::new(PlayedHost {
                player: Arc::clone(self),
                plugin: Arc::clone(plugin),
                at: Position::root(),
            })
        };
        let ended = handler::work(&self.scope, host).await;
        if let Some((position, halt)) = self.state().halt.take() {
            return Ok(Played::Halted(position, halt));
        }
        let end = ended?;
        Ok(match self.not_made() {
            Some((position, divergence)) if self.whole => {
                Played::Halted(position, Halt::Diverged(Box::new(divergence), None))
            }
            _ => Played::End(Box::new(end)),
        })
    }

    /// The first recorded call that was not made.
    fn not_made(&self) -> Option<(Position, Divergence)> {
        let state = self.state();
        let (position, entry) =
            self.recorded.iter().find(|(position, _)| !state.made.contains(*position))?;
        let divergence = Divergence {
            what: Difference::MissingCall,
            at: position.to_string(),
            plugin: self.scope.step.handler.clone(),
            recorded: text::short(&text::lines_of(&entry.call)),
            now: String::new(),
            diff: String::new(),
        };
        Some((position.clone(), divergence))
    }

    /// The recorded answer of the call made now.
    fn answer(&self, at: &Position, plugin: &str, call: &HostCall) -> Answer {
        let Some(entry) = self.recorded.get(at) else {
            let halt = if self.whole {
                diverged(Difference::NewCall, at, plugin, &Value::String(String::new()), call)
            } else {
                Halt::JournalEnds
            };
            return self.halt(at, halt);
        };
        self.state().made.insert(at.clone());
        let digest: Digest = digest_of(call)?;
        if digest != entry.digest {
            return self.halt(at, diverged(Difference::Call, at, plugin, &entry.call, call));
        }
        match serde_json::from_value::<Result<HostReply, HostError>>(entry.reply.clone()) {
            Ok(reply) => Ok(reply),
            Err(error) => self.halt(at, Halt::Damaged(error)),
        }
    }

    /// A call that is never recorded must not stand where one is.
    fn expect_none(&self, at: &Position, plugin: &str, call: &HostCall) -> Result<(), Halt> {
        match self.recorded.get(at) {
            None => Ok(()),
            Some(entry) => Err(diverged(Difference::Call, at, plugin, &entry.call, call)),
        }
    }

    /// Ends the guest. Of several that run side by side the earliest position is what counts.
    fn halt(&self, at: &Position, halt: Halt) -> Answer {
        let mut state = self.state();
        let earlier = match &state.halt {
            Some((position, _)) => at.cmp(position) == Ordering::Less,
            None => true,
        };
        if earlier {
            state.halt = Some((at.clone(), halt));
        }
        Err(fatal(Halted))
    }

    fn look(&self, at: &Position, call: &HostCall) {
        if let Some((position, seen)) = &mut self.state().watched
            && position == at
        {
            *seen = Some(call.clone());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whole values are put in and taken out: sound to use after a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn diverged(
    what: Difference,
    at: &Position,
    plugin: &str,
    recorded: &Value,
    call: &HostCall,
) -> Halt {
    let (recorded, now) = (text::lines_of(recorded), text::lines_of(&summary_of(call)));
    let divergence = Divergence {
        what,
        at: at.to_string(),
        plugin: plugin.to_owned(),
        recorded: text::short(&recorded),
        now: text::short(&now),
        diff: text::diff(&recorded, &now),
    };
    Halt::Diverged(Box::new(divergence), (what == Difference::Call).then(|| Box::new(call.clone())))
}

/// Shows what differs between two calls that are known in full.
pub(super) fn show_calls(divergence: &mut Divergence, recorded: &HostCall, now: &HostCall) {
    let lines =
        |call: &HostCall| text::lines_of(&serde_json::to_value(call).unwrap_or(Value::Null));
    let (recorded, now) = (lines(recorded), lines(now));
    divergence.recorded = text::short(&recorded);
    divergence.now = text::short(&now);
    divergence.diff = text::diff(&recorded, &now);
}

/// The host, as one played guest sees it.
struct PlayedHost {
    player: Arc<Player>,
    plugin: Arc<Plugin>,
    /// Position of this guest's call; above all for the handler.
    at: Position,
}

#[async_trait]
impl Host for PlayedHost {
    async fn call(&self, seq: u64, call: HostCall) -> Answer {
        let at = self.at.below(seq);
        let (player, id) = (&self.player, &self.plugin.manifest.id);
        player.look(&at, &call);
        match call {
            HostCall::Complete(_)
            | HostCall::Ask(_)
            | HostCall::Available { .. }
            | HostCall::Install(_)
            | HostCall::Exec(_)
            | HostCall::Accept(_)
            | HostCall::Browse { .. }
            | HostCall::MemoryGet { .. }
            | HostCall::MemoryPut { .. }
            | HostCall::Now
            | HostCall::Random { .. } => return player.answer(&at, id, &call),
            _ => {}
        }
        if let Err(halt) = player.expect_none(&at, id, &call) {
            return player.halt(&at, halt);
        }
        match call {
            // Told once, when it happened.
            HostCall::Say { .. } | HostCall::At { .. } => Ok(Ok(HostReply::Done)),
            HostCall::Invoke(calls) => {
                let host = |index: usize, agent: &Arc<Plugin>, _: &AgentCall| -> Arc<dyn Host> {
                    Arc::new(Self {
                        player: Arc::clone(player),
                        plugin: Arc::clone(agent),
                        at: at.below(u64::try_from(index).unwrap_or(u64::MAX)),
                    })
                };
                pure::invoke(&player.scope, calls, host).await
            }
            other => pure::answer(&player.scope, &self.plugin, other).await,
        }
    }

    fn log(&self, level: LogLevel, message: &str) {
        tracing::debug!(plugin = %self.plugin.manifest.id, ?level, "{message}");
    }

    fn ended(&self, usage: Usage) {
        self.player.scope.meter.add(&self.plugin.manifest.id, usage);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_in_the_order_of_calls_and_not_of_letters() {
        let position = |text: &str| text.parse::<Position>().unwrap();
        let mut all = ["10", "9", "3/1/0", "3/0/12", "3/0/2", "3"].map(position);
        all.sort();
        let sorted: Vec<String> = all.iter().map(ToString::to_string).collect();
        assert_eq!(sorted, ["3", "3/0/2", "3/0/12", "3/1/0", "9", "10"]);
        assert!("3/x".parse::<Position>().is_err());
    }
}
