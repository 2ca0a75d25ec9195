//! Notes every change that somebody makes or tries to make through the API.

use axum::{
    extract::{MatchedPath, RawPathParams, Request, State},
    http::{Method, StatusCode},
    middleware::Next,
    response::Response,
};
use gencode_core::access::{AuditEntry, GONE};
use gencode_engine::Engine;

use crate::{Api, access::Caller, outer::RequestId};

/// Longest target that is noted, in characters.
const MAX_TARGET: usize = 200;

/// What a change was about, where its path does not say: a handler adds it to its answer.
#[derive(Debug, Clone)]
pub(crate) struct Target(pub(crate) String);

/// A change under way. Whoever asked may go away meanwhile, and then it is noted all the same.
struct UnderWay {
    engine: Engine,
    entry: Option<AuditEntry>,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            self.engine.note_later(entry);
        }
    }
}

/// Notes the request when it is done, before its answer is sent.
pub(crate) async fn note(
    State(api): State<Api>,
    parameters: RawPathParams,
    request: Request,
    next: Next,
) -> Response {
    let only_looks = [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
    let about = request
        .extensions()
        .get::<MatchedPath>()
        .map(|route| format!("{} {}", request.method(), route.as_str()))
        .zip(request.extensions().get::<Caller>().cloned())
        .filter(|_| !only_looks);
    let Some((action, caller)) = about else { return next.run(request).await };
    let id = request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
    let first = parameters.iter().next().map_or("", |(_, value)| value);
    let entry = AuditEntry {
        who: caller.who,
        role: caller.role,
        action,
        target: shortened(first),
        status: GONE,
        request: id,
    };
    let mut under_way = UnderWay { engine: api.engine.clone(), entry: Some(entry) };
    let response = next.run(request).await;
    let Some(mut entry) = under_way.entry.take() else { return response };
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        // Nothing was done, and the database is not there to note it.
        return response;
    }
    entry.status = response.status().as_u16();
    if let Some(target) = response.extensions().get::<Target>() {
        entry.target = shortened(&target.0);
    }
    api.engine.access().note_or_say(&entry).await;
    response
}

fn shortened(target: &str) -> String {
    target.chars().filter(|c| !c.is_control()).take(MAX_TARGET).collect()
}
