//! Every error as JSON: `{"detail": …, "code": …, "request_id": …}` (http-ws-contract §1.5), or as
//! problem details (RFC 9457) where the caller asks for them.

use std::collections::BTreeMap;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use gencode_engine::EngineError;
use serde::Serialize;
use utoipa::{
    IntoResponses, ToSchema,
    openapi::{ContentBuilder, Ref, RefOr, Response as Documented, ResponseBuilder},
};

/// After how many seconds a place in the queue may be free.
const FULL_FOR: u32 = 10;

/// After how many seconds the database may be back.
const AWAY_FOR: u32 = 2;

/// Media type of problem details.
pub(crate) const PROBLEM: &str = "application/problem+json";

/// What a handler answers when it cannot do what was asked.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    detail: String,
    /// When to ask again, in seconds.
    retry_after: Option<u32>,
}

/// The body of every answer that is not a success.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    /// What is wrong, for people. Never a path of the host, a stack or a secret.
    pub(crate) detail: String,
    /// What is wrong, for programs: these words stay as they are.
    pub(crate) code: &'static str,
    /// Also in the header `x-request-id`, and in the host's log.
    pub(crate) request_id: String,
    /// The same as `detail`, where the limit of requests is reached: older clients look here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

/// The same as problem details (RFC 9457), for callers that accept `application/problem+json`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// `urn:gencode:error:` and the code.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) title: &'static str,
    pub(crate) status: u16,
    pub(crate) detail: String,
    pub(crate) code: &'static str,
    pub(crate) request_id: String,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), retry_after: None }
    }

    /// Says when to ask again.
    pub(crate) fn after(self, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// What a status means that something other than a handler answered.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let code = match status {
            StatusCode::NOT_FOUND => "not_found",
            StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
            StatusCode::PAYLOAD_TOO_LARGE => "body_too_large",
            StatusCode::UNSUPPORTED_MEDIA_TYPE => "media_type_unsupported",
            status if status.is_server_error() => "internal",
            _ => "request_invalid",
        };
        Self::new(status, code, status.canonical_reason().unwrap_or("the request is not valid"))
    }

    /// The answer, as the caller wants it.
    pub(crate) fn render(self, request_id: &str, as_problem: bool) -> Response {
        let Self { status, code, detail, retry_after } = self;
        let request_id = request_id.to_owned();
        let mut response = if as_problem {
            let title = status.canonical_reason().unwrap_or_default();
            let kind = format!("urn:gencode:error:{code}");
            let problem =
                Problem { kind, title, status: status.as_u16(), detail, code, request_id };
            let mut response = (status, Json(problem)).into_response();
            let problem = HeaderValue::from_static(PROBLEM);
            response.headers_mut().insert(header::CONTENT_TYPE, problem);
            response
        } else {
            let error = (status == StatusCode::TOO_MANY_REQUESTS).then(|| detail.clone());
            (status, Json(ErrorBody { detail, code, request_id, error })).into_response()
        };
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
        }
        response
    }
}

impl IntoResponse for ApiError {
    /// Rendered once more where the request's id is known (`outer.rs`).
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The errors any route may answer: status and meaning.
const ERRORS: [(u16, &str); 15] = [
    (400, "A part of the request is not valid"),
    (401, "A token is wanted, or the one that was sent is not good"),
    (403, "The token's role, the host name or the origin is not allowed to do this"),
    (404, "There is no such thing"),
    (405, "This method is not offered here; `Allow` says which are"),
    (409, "It cannot be done in the present state"),
    (413, "The body is too large"),
    (414, "The path or query is too long"),
    (415, "The body, or the file, is not of a kind that is taken here"),
    (422, "The body or query does not have the wanted shape"),
    (429, "Too many requests; `Retry-After` says when to come again"),
    (431, "The headers are too large"),
    (500, "A fault of the host; its log says why"),
    (
        503,
        "There is too much to do, or the database is away; `Retry-After` says when to come again",
    ),
    (507, "The host's storage is full"),
];

/// The errors any route may answer, for its description.
pub(crate) struct Errors;

impl Errors {
    /// What the routes refer to, by name.
    pub(crate) fn described() -> impl Iterator<Item = (String, Documented)> {
        let content = |schema| ContentBuilder::new().schema(Some(Ref::from_schema_name(schema)));
        ERRORS.into_iter().map(move |(status, description)| {
            let response = ResponseBuilder::new()
                .description(description)
                .content("application/json", content("ErrorBody").build())
                .content(PROBLEM, content("Problem").build())
                .build();
            (format!("Error{status}"), response)
        })
    }
}

impl IntoResponses for Errors {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        ERRORS
            .into_iter()
            .map(|(status, _)| {
                let described = Ref::from_response_name(format!("Error{status}"));
                (status.to_string(), described.into())
            })
            .collect()
    }
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        let (status, code) = match &error {
            EngineError::NoSuchProject(_) => (StatusCode::NOT_FOUND, "project_not_found"),
            EngineError::NoSuchRun(_) => (StatusCode::NOT_FOUND, "run_not_found"),
            EngineError::NoSuchFile(_) => (StatusCode::NOT_FOUND, "file_not_found"),
            EngineError::NoSuchCheckpoint(_) => (StatusCode::NOT_FOUND, "checkpoint_not_found"),
            EngineError::NoSuchStep(_) => (StatusCode::NOT_FOUND, "step_not_found"),
            EngineError::NoSuchToken(_) => (StatusCode::NOT_FOUND, "token_not_found"),
            EngineError::Token(_) => (StatusCode::UNPROCESSABLE_ENTITY, "token_unusable"),
            EngineError::CannotFork(_) => (StatusCode::CONFLICT, "cannot_fork"),
            EngineError::Target(_) => (StatusCode::BAD_REQUEST, "target_unusable"),
            EngineError::BinaryFile(_) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "file_is_binary"),
            EngineError::Request(_) => (StatusCode::UNPROCESSABLE_ENTITY, "request_unusable"),
            EngineError::Busy(_) => (StatusCode::CONFLICT, "project_busy"),
            EngineError::NoPreview(_) => (StatusCode::CONFLICT, "preview_unavailable"),
            EngineError::Provider(_) => (StatusCode::BAD_REQUEST, "provider_unusable"),
            EngineError::File(_) => (StatusCode::BAD_REQUEST, "file_refused"),
            EngineError::Full(_) => (StatusCode::SERVICE_UNAVAILABLE, "too_much_to_do"),
            EngineError::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "database_away"),
            EngineError::StorageFull => (StatusCode::INSUFFICIENT_STORAGE, "storage_full"),
            EngineError::Internal { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        };
        let detail = if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(error = ?error, "a request failed");
            "the host could not do this; its log says why".to_owned()
        } else {
            error.to_string()
        };
        let retry_after = match &error {
            EngineError::Full(_) => Some(FULL_FOR),
            EngineError::Unavailable => Some(AWAY_FOR),
            _ => None,
        };
        Self { retry_after, ..Self::new(status, code, detail) }
    }
}

/// Answer to unknown paths below `/api` and `/ws`: never the client's HTML (contract §0.10).
pub(crate) async fn not_found() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "not_found", "Not Found")
}

/// Answer to a known path with the wrong method; axum adds `Allow`.
pub(crate) async fn method_not_allowed() -> ApiError {
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Method Not Allowed")
}
