//! `/ws/{project}`: everything that happens in a project, as it happens (http-ws-contract §3).

use std::time::Duration;

use axum::{
    Extension,
    body::Bytes,
    extract::{
        State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket, close_code},
    },
    http::StatusCode,
    response::Response,
};
use gencode_core::{
    access::{AuditEntry, Role},
    event::{Event, EventBody},
    id::ProjectId,
};
use gencode_engine::EngineError;
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;

use crate::{
    Api,
    access::Caller,
    error::ApiError,
    extract::{Path, Query},
    messages,
};

/// Keeps proxies and browsers from dropping an idle socket; the client never reconnects (§0.4).
const PING_EVERY: Duration = Duration::from_secs(20);

/// A client that does not take a message for this long is dropped; its events are not.
const SEND_LIMIT: Duration = Duration::from_secs(10);

/// Largest frame a client may send: a chat message.
const MAX_FRAME: usize = 64 * 1024;

/// Events read from the store at once.
const BATCH: u32 = 256;

pub(crate) async fn connect(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
    Query(from): Query<From>,
    Extension(caller): Extension<Caller>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, ApiError> {
    api.engine.project(&id).await?;
    let listening = api.meters.listening()?;
    Ok(upgrade.max_message_size(MAX_FRAME).on_upgrade(move |socket| async move {
        let _counted = listening;
        if let Err(ended) = serve(&api, &id, from, &caller, socket).await {
            tracing::debug!(project = %id, %ended, "socket closed");
        }
    }))
}

/// Where a client goes on.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct From {
    /// The number (`seq`) of the last event it has seen: it gets every later one, each once. A
    /// client without one gets the present state instead.
    after: Option<u64>,
}

/// Why a socket ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the client went away")]
    Gone,
    #[error("the client did not take a message in time")]
    Slow,
    #[error("the store did not answer: {0}")]
    Store(#[from] gencode_engine::EngineError),
}

async fn serve(
    api: &Api,
    id: &ProjectId,
    from: From,
    caller: &Caller,
    mut socket: WebSocket,
) -> Result<(), Ended> {
    let mut news = api.engine.watch(id);
    let mut nudges = api.nudges.subscribe();
    let mut seen = match from.after {
        Some(after) => send_news(api, id, &mut socket, after, from).await?,
        None => send_state(api, id, &mut socket).await?,
    };
    let mut ping = tokio::time::interval(PING_EVERY);
    loop {
        tokio::select! {
            changed = news.changed() => {
                if changed.is_err() {
                    return close(&mut socket, close_code::AWAY, "the host is shutting down").await;
                }
                seen = send_news(api, id, &mut socket, seen, from).await?;
            }
            nudge = nudges.recv() => match nudge {
                Ok(project) if project == *id => seen = send_state(api, id, &mut socket).await?,
                Ok(_) => {}
                // Some nudges were lost: repeating the state is harmless.
                Err(RecvError::Lagged(_)) => seen = send_state(api, id, &mut socket).await?,
                Err(RecvError::Closed) => {
                    return close(&mut socket, close_code::AWAY, "the host is shutting down").await;
                }
            },
            _ = ping.tick() => {
                if !api.doors.may_stay(caller).await {
                    return close(&mut socket, close_code::POLICY, "the token is not good any more").await;
                }
                send(&mut socket, Message::Ping(Bytes::new())).await?;
            }
            frame = socket.recv() => match frame {
                None | Some(Err(_) | Ok(Message::Close(_))) => return Err(Ended::Gone),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Binary(_))) => {
                    return close(&mut socket, close_code::UNSUPPORTED, "text frames only").await;
                }
                Some(Ok(Message::Text(text))) => {
                    let Ok(incoming) = serde_json::from_str::<Incoming>(&text) else {
                        let why = "expected a JSON object with a `type`";
                        return close(&mut socket, close_code::INVALID, why).await;
                    };
                    hear(api, id, caller, incoming).await;
                }
            },
        }
    }
}

/// The one message a client may send; others are ignored (§3.2).
#[derive(Debug, Deserialize)]
struct Incoming {
    #[serde(rename = "type")]
    kind: String,
    #[serde(rename = "projectId", default)]
    project: String,
    #[serde(default)]
    message: String,
}

async fn hear(api: &Api, id: &ProjectId, caller: &Caller, incoming: Incoming) {
    if incoming.kind != "USER_INPUT"
        || incoming.project != id.as_str()
        || incoming.message.is_empty()
    {
        return;
    }
    let status = if caller.role < Role::Editor {
        tracing::info!(project = %id, who = %caller.who, "user input of a viewer was not taken");
        StatusCode::FORBIDDEN
    } else if let Err(error) = api.engine.say(id, &incoming.message).await {
        tracing::info!(project = %id, %error, "user input was not taken");
        StatusCode::CONFLICT
    } else {
        StatusCode::OK
    };
    let entry = AuditEntry {
        who: caller.who.clone(),
        role: caller.role,
        action: "USER_INPUT /ws/{id}".to_owned(),
        target: id.to_string(),
        status: status.as_u16(),
        request: String::new(),
    };
    api.engine.access().note_or_say(&entry).await;
}

/// Sends the present state and returns the sequence number up to which it speaks.
async fn send_state(api: &Api, id: &ProjectId, socket: &mut WebSocket) -> Result<u64, Ended> {
    let (project, history, seen) = api.engine.present(id).await?;
    for message in messages::present_state(&api.engine, &project, &history) {
        send(socket, Message::text(message.to_string())).await?;
    }
    Ok(seen)
}

/// Sends everything after `seen`, each event once.
async fn send_news(
    api: &Api,
    id: &ProjectId,
    socket: &mut WebSocket,
    mut seen: u64,
    from: From,
) -> Result<u64, Ended> {
    loop {
        let events: Vec<Event> = match api.engine.events_after(id, seen, BATCH).await {
            Ok(events) => events,
            // The client would not come back (§0.4); the next look tries again.
            Err(EngineError::Unavailable) => return Ok(seen),
            Err(error) => return Err(error.into()),
        };
        let Some(last) = events.last() else { return Ok(seen) };
        seen = last.seq;
        for event in &events {
            if let Some(message) = messages::message(&api.engine, event) {
                send(socket, Message::text(message.to_string())).await?;
                // Clients that know of numbers want them as fast as they come.
                if let (None, Some(pause)) = (from.after, pause_after(&event.body)) {
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }
}

/// What the front end needs before the next message, if it needs anything.
fn pause_after(body: &EventBody) -> Option<Duration> {
    match body {
        // Chat bubbles of one millisecond share a key in it (§3.3).
        EventBody::PreviewReady { .. } => Some(Duration::from_millis(2)),
        // It draws some frames a second; a stage that is over before it drew was never shown.
        EventBody::StepStarted { .. } | EventBody::StepProgress { .. } => {
            Some(Duration::from_millis(100))
        }
        _ => None,
    }
}

async fn send(socket: &mut WebSocket, message: Message) -> Result<(), Ended> {
    match tokio::time::timeout(SEND_LIMIT, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Ended::Gone),
        Err(_) => Err(Ended::Slow),
    }
}

async fn close(socket: &mut WebSocket, code: u16, reason: &'static str) -> Result<(), Ended> {
    send(socket, Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await?;
    Err(Ended::Gone)
}
