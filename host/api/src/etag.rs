//! Answers that did not change are not sent again.

use axum::{
    body::{Body, HttpBody as _},
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::Response,
};
use gencode_core::digest::Digest;
use http_body_util::BodyExt as _;

/// Larger answers have no tag: hashing them would cost more than it saves.
const MAX: u64 = 1024 * 1024;

/// Gives JSON answers of a `GET` a tag of their content, and answers 304 to who has it already.
pub(crate) async fn tag(request: Request, next: Next) -> Response {
    if request.method() != Method::GET {
        return next.run(request).await;
    }
    let known =
        request.headers().get_all(header::IF_NONE_MATCH).iter().cloned().collect::<Vec<_>>();
    let response = next.run(request).await;
    let size = response.body().size_hint().exact();
    if response.status() != StatusCode::OK
        || !is_json(response.headers())
        || size.is_none_or(|size| size > MAX)
    {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = body.collect().await.map(http_body_util::Collected::to_bytes) else {
        // Its size was known, so it was in memory; there is nothing that could fail.
        return Response::from_parts(parts, Body::empty());
    };
    // Weak: what compresses on the way keeps the meaning, not the bytes.
    let tag = format!("W/\"{}\"", Digest::of(&bytes));
    if let Ok(value) = HeaderValue::from_str(&tag) {
        parts.headers.insert(header::ETAG, value);
    }
    if known.iter().any(|known| has(known, &tag)) {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers.remove(header::CONTENT_TYPE);
        return Response::from_parts(parts, Body::empty());
    }
    Response::from_parts(parts, Body::from(bytes))
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json")
}

/// Whether an `If-None-Match` names the tag.
fn has(known: &HeaderValue, tag: &str) -> bool {
    let known = known.to_str().unwrap_or_default();
    known.split(',').map(str::trim).any(|one| one == "*" || one == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_among_others() {
        let has = |known: &'static str| has(&HeaderValue::from_static(known), "W/\"a\"");
        assert!(has("W/\"a\"") && has("\"x\", W/\"a\"") && has("*"));
        assert!(!has("") && !has("W/\"b\"") && !has("W/\"a"));
    }
}
