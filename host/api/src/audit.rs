//! Notes every change that somebody makes or tries to make through the API.

use axum::{
    extract::{MatchedPath, RawPathParams, Request, State},
    http::{Method, StatusCode},
    middleware::Next,
    response::Response,
};
use gencode_core::access::AuditEntry;

use crate::{Api, access::Caller, outer::RequestId};

/// Longest target that is noted, in characters.
const MAX_TARGET: usize = 200;

/// What a change was about, where its path does not say: a handler adds it to its answer.
#[derive(Debug, Clone)]
pub(crate) struct Target(pub(crate) String);

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
    let first = parameters.iter().next().map(|(_, value)| value.to_owned());
    let response = next.run(request).await;
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        // Nothing was done, and the database is not there to note it.
        return response;
    }
    let named = response.extensions().get::<Target>().map(|target| target.0.clone());
    let target = named.or(first).unwrap_or_default();
    let entry = AuditEntry {
        who: caller.who,
        role: caller.role,
        action,
        target: target.chars().filter(|c| !c.is_control()).take(MAX_TARGET).collect(),
        status: response.status().as_u16(),
        request: id,
    };
    if let Err(error) = api.engine.access().note(&entry).await {
        // What was done is done; the log of the host says what the audit log could not.
        tracing::error!(?entry, %error, "a change was not noted in the audit log");
    }
    response
}
