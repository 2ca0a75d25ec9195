//! Who may talk to a host without tokens: this machine, from allowed origins (design §10).

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, Uri, header},
    middleware::Next,
    response::Response,
};

use crate::{Api, error::ApiError};

/// Refuses requests whose `Host` is not this machine (DNS rebinding) or whose `Origin` is not on
/// the list (another site in the user's browser). Requests without an origin are not from a page.
pub(crate) async fn check_host_and_origin(
    State(api): State<Api>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    check(request.uri(), request.headers(), &api.allowed_origins)?;
    Ok(next.run(request).await)
}

fn check(uri: &Uri, headers: &HeaderMap, allowed: &[String]) -> Result<(), ApiError> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let host = uri.host().or_else(|| text(header::HOST)).unwrap_or_default();
    if !is_loopback(host) {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "host_not_allowed",
            "this host answers only as localhost",
        ));
    }
    if let Some(origin) = headers.get(header::ORIGIN) {
        let origin = origin.to_str().unwrap_or_default();
        let same_host = origin
            .strip_prefix("http://")
            .is_some_and(|rest| Some(rest) == text(header::HOST) && is_loopback(rest));
        if !same_host && !allowed.iter().any(|allowed| allowed == origin) {
            return Err(ApiError::new(
                StatusCode::FORBIDDEN,
                "origin_not_allowed",
                "this origin is not on the list of allowed origins (CORS_ORIGINS)",
            ));
        }
    }
    Ok(())
}

fn is_loopback(authority: &str) -> bool {
    let name = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.to_ascii_lowercase().ends_with(".localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        for good in ["localhost:8000", "127.0.0.1", "[::1]:8000", "todo.localhost:80", "LOCALHOST"]
        {
            assert!(is_loopback(good), "{good}");
        }
        for bad in [
            "evil.example",
            "localhost.evil.example",
            "10.0.0.1:8000",
            "",
            "[::2]",
            "127.0.0.1.evil.example",
        ] {
            assert!(!is_loopback(bad), "{bad}");
        }
    }
}
