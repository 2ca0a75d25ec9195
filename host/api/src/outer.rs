//! What every request passes first and every answer last: its id, its limits, its errors in the
//! wanted form.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header},
    middleware::Next,
    response::Response,
};
use tracing::Instrument as _;
use ulid::Ulid;

use crate::error::{ApiError, PROBLEM};

/// The header with a request's id.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest path and query of a request, in bytes.
const MAX_URI: usize = 8 * 1024;

/// Most bytes of all headers of a request.
const MAX_HEADERS: usize = 32 * 1024;

/// Longest id that a caller may give its request, in bytes.
const MAX_ID: usize = 64;

/// Id of a request: the caller's own, where it is harmless, otherwise a new one.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) String);

/// Gives the request its id, refuses what is too long, and renders errors.
pub(crate) async fn answer(mut request: Request, next: Next) -> Response {
    let id = id_of(request.headers());
    let as_problem = wants_problem(request.headers());
    let speaks_json = is_api(request.uri().path());
    let mut response = if let Some(error) = too_long(request.uri(), request.headers()) {
        error.render(&id, as_problem)
    } else {
        request.extensions_mut().insert(RequestId(id.clone()));
        // At every level: whatever is said of the request in the log says its id.
        let span = tracing::error_span!("request", %id, method = %request.method());
        rendered(next.run(request).instrument(span).await, &id, as_problem, speaks_json)
    };
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// The answer, with its error in the wanted form.
fn rendered(mut response: Response, id: &str, as_problem: bool, speaks_json: bool) -> Response {
    let status = response.status();
    let error = match response.extensions_mut().remove::<ApiError>() {
        Some(error) => error,
        None if speaks_json && (status.is_client_error() || status.is_server_error()) => {
            ApiError::of_status(status)
        }
        None => return response,
    };
    let mut rendered = error.render(id, as_problem);
    for (name, value) in response.headers() {
        if *name != header::CONTENT_TYPE && *name != header::CONTENT_LENGTH {
            rendered.headers_mut().append(name.clone(), value.clone());
        }
    }
    rendered
}

/// Whether a path belongs to programs, not to the front end.
pub(crate) fn is_api(path: &str) -> bool {
    ["/api", "/ws"].iter().any(|part| {
        path.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

fn id_of(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default();
    let is_harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if (1..=MAX_ID).contains(&given.len()) && given.bytes().all(is_harmless) {
        given.to_owned()
    } else {
        format!("req_{}", Ulid::new())
    }
}

fn wants_problem(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|accept| accept.to_str().ok())
        .flat_map(|accept| accept.split(','))
        .any(|kind| kind.split(';').next().is_some_and(|kind| kind.trim() == PROBLEM))
}

fn too_long(uri: &Uri, headers: &HeaderMap) -> Option<ApiError> {
    let uri = uri.path_and_query().map_or(0, |all| all.as_str().len());
    if uri > MAX_URI {
        return Some(ApiError::new(
            StatusCode::URI_TOO_LONG,
            "uri_too_long",
            format!("a path with its query has at most {MAX_URI} bytes"),
        ));
    }
    let headers: usize =
        headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    (headers > MAX_HEADERS).then(|| {
        ApiError::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "headers_too_large",
            format!("the headers of a request have at most {MAX_HEADERS} bytes"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_harmless_ids_are_taken_over() {
        let with = |id: &'static str| {
            id_of(&[(REQUEST_ID, HeaderValue::from_static(id))].into_iter().collect())
        };
        assert_eq!(with("a-1.b_2"), "a-1.b_2");
        for bad in ["", "a b", "<x>", "a\tb"] {
            assert!(with(bad).starts_with("req_"), "{bad}");
        }
    }

    #[test]
    fn problem_details_are_for_those_who_ask() {
        let asks = |accept: &'static str| {
            wants_problem(
                &[(header::ACCEPT, HeaderValue::from_static(accept))].into_iter().collect(),
            )
        };
        assert!(asks("application/problem+json"));
        assert!(asks("text/html, application/problem+json;q=0.9"));
        assert!(!asks("application/json") && !asks("*/*"));
    }

    #[test]
    fn the_front_end_has_its_own_errors() {
        assert!(is_api("/api") && is_api("/api/x") && is_api("/ws/x"));
        assert!(!is_api("/") && !is_api("/apix") && !is_api("/assets/api"));
    }
}
