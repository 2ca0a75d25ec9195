//! Parts of a request whose errors look like all others.

use axum::{
    Json,
    extract::{
        FromRequest, FromRequestParts, Request,
        rejection::{JsonRejection, PathRejection, QueryRejection},
    },
    http::{StatusCode, request::Parts},
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _},
};

use crate::error::ApiError;

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

/// A position in something that is numbered: from 0 to what a database can count.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "i64")]
pub(crate) struct Position(u64);

impl Position {
    pub(crate) const fn get(self) -> u64 {
        self.0
    }
}

impl TryFrom<i64> for Position {
    type Error = std::num::TryFromIntError;

    fn try_from(number: i64) -> Result<Self, Self::Error> {
        u64::try_from(number).map(Self)
    }
}

/// A whole number of a body. JSON has one kind of number: `7.0` is 7.
pub(crate) fn whole<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    let Some(number) = Option::<f64>::deserialize(from)? else { return Ok(None) };
    let whole = format!("{number:.0}").parse::<u32>().ok().filter(|_| number.fract() == 0.0);
    whole.map(Some).ok_or_else(|| D::Error::custom("expected a whole number from 0"))
}
