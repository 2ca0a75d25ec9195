//! `/api/v1/projects/{id}/events`: the history of a project, each event once, in pages or as a
//! stream that a client can take up again where it lost it.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use axum::{
    Extension, Json,
    extract::State,
    http::HeaderMap,
    response::{
        IntoResponse as _, Response,
        sse::{self, KeepAlive, Sse},
    },
};
use futures_util::stream;
use gencode_core::{event::Event, id::ProjectId};
use gencode_engine::News;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    Api,
    access::Caller,
    error::{ApiError, Errors},
    extract::{Path, Position, Query},
    meters::Listening,
    openapi::OfProject,
    projects::page_size,
};

/// Events of a page, where the caller does not say.
const USUAL_PAGE: u32 = 100;

/// Most events of a page.
const MAX_PAGE: u32 = 1000;

/// Events read at once for a stream.
const BATCH: u32 = 256;

/// Keeps proxies from dropping a quiet stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Before a stream looks again at a database that is away.
const AGAIN: Duration = Duration::from_secs(1);

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct After {
    /// Events with a higher number (`seq`); all where it is not said.
    #[param(value_type = Option<i64>, minimum = 0)]
    after: Option<Position>,
    /// Events of a page, at most 1,000; 100 where it is not said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Some events, in order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventPage {
    events: Vec<Event>,
    /// Number of the newest event of the project; give the last one you have as `after` until you
    /// have it.
    last_seq: u64,
}

/// The history of a project, in order.
#[utoipa::path(get, path = "/api/v1/projects/{id}/events", tag = "events", params(OfProject, After),
    responses((status = 200, description = "A page", body = EventPage), Errors))]
pub(crate) async fn page(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
    Query(from): Query<After>,
) -> Result<Json<EventPage>, ApiError> {
    let limit = page_size(from.limit, USUAL_PAGE, MAX_PAGE)?;
    let last_seq = api.engine.last_seq(&id).await?;
    let events = api.engine.events_after(&id, from.after.map_or(0, Position::get), limit).await?;
    Ok(Json(EventPage { events, last_seq }))
}

/// Where a stream begins.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct From {
    /// Events with a higher number. The header `Last-Event-ID`, which browsers send when they come
    /// again, counts more.
    #[param(value_type = Option<i64>, minimum = 0)]
    after: Option<Position>,
}

/// One server-sent event.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is sent")]
pub(crate) struct SentEvent {
    /// Number of the event.
    id: String,
    /// Its type, for example `step_finished`.
    event: String,
    /// The event as JSON: the same as in a page.
    data: String,
}

/// The history of a project as it happens, as server-sent events: `id` is the event's number,
/// `event` its type, `data` the event. A client that comes again gets each event once.
#[utoipa::path(get, path = "/api/v1/projects/{id}/events/stream", tag = "events",
    params(OfProject, From),
    responses((status = 200, description = "Server-sent events, without end", body = SentEvent, content_type = "text/event-stream"), Errors))]
pub(crate) async fn stream(
    State(api): State<Api>,
    Path(id): Path<ProjectId>,
    Query(from): Query<From>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    api.engine.project(&id).await?;
    let last =
        headers.get("last-event-id").and_then(|id| id.to_str().ok()?.trim().parse::<i64>().ok());
    let last = last.and_then(|last| Position::try_from(last).ok());
    let following = Following {
        news: api.engine.watch(&id),
        seen: last.or(from.after).map_or(0, Position::get),
        waiting: VecDeque::new(),
        caller,
        _counted: api.meters.listening()?,
        api,
        id,
    };
    let events = stream::unfold(following, |mut following| async move {
        let event = following.next().await?;
        Some((Ok::<_, Infallible>(event), following))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// One client that follows a project. It reads only as fast as its client takes.
struct Following {
    api: Api,
    id: ProjectId,
    news: News,
    seen: u64,
    waiting: VecDeque<Event>,
    caller: Caller,
    _counted: Listening,
}

impl Following {
    /// The next event; none when the host closes, the project is gone, or the token is not good any
    /// more.
    async fn next(&mut self) -> Option<sse::Event> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                self.seen = event.seq;
                match rendered(&event) {
                    Some(rendered) => return Some(rendered),
                    None => continue,
                }
            }
            match self.api.engine.events_after(&self.id, self.seen, BATCH).await {
                Ok(events) if events.is_empty() => {
                    self.news.changed().await.ok()?;
                    if !self.api.doors.may_stay(&self.caller).await {
                        return None;
                    }
                }
                Ok(events) => self.waiting = events.into(),
                Err(gencode_engine::EngineError::Unavailable) => tokio::time::sleep(AGAIN).await,
                Err(error) => {
                    tracing::warn!(project = %self.id, %error, "a stream of events ended");
                    return None;
                }
            }
        }
    }
}

fn rendered(event: &Event) -> Option<sse::Event> {
    let value = serde_json::to_value(event).ok()?;
    let kind = value.pointer("/body/type").and_then(serde_json::Value::as_str).unwrap_or("event");
    Some(sse::Event::default().id(event.seq.to_string()).event(kind).data(value.to_string()))
}
