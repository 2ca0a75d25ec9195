//! Every error as JSON: `{"detail": …, "code": …}` (http-ws-contract §1.5).

use axum::{
    Json,
    extract::{
        FromRequest, FromRequestParts, Request,
        rejection::{JsonRejection, PathRejection, QueryRejection},
    },
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use gencode_engine::EngineError;
use serde::de::DeserializeOwned;
use serde_json::json;

/// After how many seconds a place in the queue may be free.
const FULL_FOR: u32 = 10;

/// After how many seconds the database may be back.
const AWAY_FOR: u32 = 2;

/// What a handler answers when it cannot do what was asked.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    detail: String,
    /// When to ask again, in seconds.
    retry_after: Option<u32>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), retry_after: None }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = Json(json!({ "detail": self.detail, "code": self.code }));
        let mut response = (self.status, body).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
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
            EngineError::CannotFork(_) => (StatusCode::CONFLICT, "cannot_fork"),
            EngineError::Target(_) => (StatusCode::BAD_REQUEST, "target_unusable"),
            EngineError::BinaryFile(_) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "file_is_binary"),
            EngineError::Request(_) => (StatusCode::UNPROCESSABLE_ENTITY, "request_unusable"),
            EngineError::Busy(_) => (StatusCode::CONFLICT, "project_busy"),
            EngineError::NoPreview(_) => (StatusCode::SERVICE_UNAVAILABLE, "preview_unavailable"),
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

/// The header with which a request may be repeated: a repeat gets the same answer and does nothing
/// twice. None where it is not sent.
#[derive(Debug)]
pub(crate) struct Key(Option<String>);

/// Longest key, in bytes.
const MAX_KEY: usize = 200;

impl Key {
    pub(crate) fn text(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Key {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let Some(value) = parts.headers.get("idempotency-key") else { return Ok(Self(None)) };
        let key = value.to_str().unwrap_or_default();
        if (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(Self(Some(key.to_owned())));
        }
        Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "key_invalid",
            format!("an Idempotency-Key has 1 to {MAX_KEY} visible ASCII characters"),
        ))
    }
}

/// A body of JSON whose errors look like all others.
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let parsed: Result<Json<T>, JsonRejection> = Json::from_request(request, state).await;
        parsed.map(|Json(body)| Self(body)).map_err(|error| {
            let status = match error {
                JsonRejection::JsonDataError(_) | JsonRejection::JsonSyntaxError(_) => {
                    StatusCode::UNPROCESSABLE_ENTITY
                }
                ref other => other.status(),
            };
            ApiError::new(status, "body_invalid", error.body_text())
        })
    }
}

/// Path parameters whose errors look like all others. A malformed id is a 400.
pub(crate) struct Path<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let parsed: Result<axum::extract::Path<T>, PathRejection> =
            axum::extract::Path::from_request_parts(parts, state).await;
        parsed.map(|axum::extract::Path(value)| Self(value)).map_err(|error| {
            ApiError::new(StatusCode::BAD_REQUEST, "path_invalid", error.body_text())
        })
    }
}

/// Query parameters whose errors look like all others.
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let parsed: Result<axum::extract::Query<T>, QueryRejection> =
            axum::extract::Query::from_request_parts(parts, state).await;
        parsed.map(|axum::extract::Query(value)| Self(value)).map_err(|error| {
            ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "query_invalid", error.body_text())
        })
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
