//! How often a caller may ask (`RATE_LIMIT`), by class of route.

use std::{
    num::NonZeroU32,
    str::FromStr,
    sync::atomic::{AtomicU32, Ordering},
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{Method, StatusCode},
    middleware::Next,
    response::Response,
};
use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};

use crate::{Api, access::Caller, error::ApiError};

/// Looking is so many times cheaper than changing.
const READS: u32 = 20;

/// After so many requests callers that were not seen lately are forgotten.
const TIDY_EVERY: u32 = 1000;

/// Most requests of one caller in a minute, for each class of routes: changes, and starts of work
/// that costs; looking is allowed twenty times as often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit(Option<NonZeroU32>);

impl RateLimit {
    /// No limit.
    pub const OFF: Self = Self(None);
}

impl Default for RateLimit {
    /// 100 a minute (http-ws-contract §6).
    fn default() -> Self {
        Self(NonZeroU32::new(100))
    }
}

/// The text is not a limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a limit such as `100/minute`, `5/second`, `1000/hour` or `off`")]
pub struct NoRateLimit(String);

impl FromStr for RateLimit {
    type Err = NoRateLimit;

    fn from_str(text: &str) -> Result<Self, NoRateLimit> {
        let refused = || NoRateLimit(text.to_owned());
        let text = text.trim();
        if text.eq_ignore_ascii_case("off") {
            return Ok(Self::OFF);
        }
        let (count, unit) = text.split_once('/').ok_or_else(refused)?;
        let count: u32 = count.trim().parse().map_err(|_| refused())?;
        let a_minute = match unit.trim() {
            "second" => count.checked_mul(60),
            "minute" => Some(count),
            "hour" => Some(count.div_ceil(60)),
            _ => None,
        };
        a_minute.and_then(NonZeroU32::new).map(|count| Self(Some(count))).ok_or_else(refused)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Look,
    Change,
    Start,
}

/// Counts requests.
pub(crate) struct Limits {
    looks: DefaultKeyedRateLimiter<String>,
    changes: DefaultKeyedRateLimiter<String>,
    starts: DefaultKeyedRateLimiter<String>,
    a_minute: NonZeroU32,
    seen: AtomicU32,
}

impl Limits {
    /// None: nothing is limited.
    pub(crate) fn new(limit: RateLimit) -> Option<Self> {
        let a_minute = limit.0?;
        let changes = || RateLimiter::keyed(Quota::per_minute(a_minute));
        Some(Self {
            looks: RateLimiter::keyed(Quota::per_minute(
                a_minute.saturating_mul(NonZeroU32::new(READS).unwrap_or(NonZeroU32::MIN)),
            )),
            changes: changes(),
            starts: changes(),
            a_minute,
            seen: AtomicU32::new(0),
        })
    }

    fn check(&self, class: Class, caller: &str) -> Result<(), ApiError> {
        let limiter = match class {
            Class::Look => &self.looks,
            Class::Change => &self.changes,
            Class::Start => &self.starts,
        };
        if self.seen.fetch_add(1, Ordering::Relaxed) % TIDY_EVERY == TIDY_EVERY - 1 {
            for limiter in [&self.looks, &self.changes, &self.starts] {
                limiter.retain_recent();
            }
        }
        limiter.check_key(&caller.to_owned()).map_err(|wait| {
            let wait = wait.wait_time_from(DefaultClock::default().now()).as_secs();
            let a_minute = match class {
                Class::Look => self.a_minute.get().saturating_mul(READS),
                Class::Change | Class::Start => self.a_minute.get(),
            };
            ApiError::new(
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limited",
                format!("Rate limit exceeded: {a_minute} per 1 minute"),
            )
            .after(u32::try_from(wait).unwrap_or(u32::MAX).saturating_add(1))
        })
    }
}

impl Api {
    /// Counts a request of a caller, or says that there were too many.
    pub(crate) fn check_limit(&self, class: Class, caller: &str) -> Result<(), ApiError> {
        match &*self.limits {
            Some(limits) => limits.check(class, caller),
            None => Ok(()),
        }
    }
}

/// Turns away who asks too often.
pub(crate) async fn limit(
    State(api): State<Api>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    if let Some(caller) = request.extensions().get::<Caller>()
        && let Some(route) = request.extensions().get::<MatchedPath>()
        && let Some(class) = class_of(request.method(), route.as_str())
    {
        api.check_limit(class, &caller.counted_as)?;
    }
    Ok(next.run(request).await)
}

/// None: not counted. The client asks for the tree of files with every change of them.
fn class_of(method: &Method, route: &str) -> Option<Class> {
    const FREE: [&str; 4] = ["/api/health", "/api/workspace/{id}/files", "/ws/{id}", "/metrics"];
    const STARTS: [&str; 9] = [
        "/generate/backend",
        "/api/workspace/resume",
        "/api/workspace/apply/{id}",
        "/fork",
        "/retry",
        "/start",
        "/exec",
        "/api/deployment/{id}",
        "/api/v1/session",
    ];
    if FREE.contains(&route) {
        None
    } else if [Method::GET, Method::HEAD].contains(method) {
        Some(Class::Look)
    } else if STARTS.iter().any(|start| route.ends_with(start)) {
        Some(Class::Start)
    } else {
        Some(Class::Change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_they_are_written() {
        let read = |text: &str| {
            text.parse::<RateLimit>().ok().map(|limit| limit.0.map_or(0, NonZeroU32::get))
        };
        assert_eq!(read("100/minute"), Some(100));
        assert_eq!(read(" 2 / second "), Some(120));
        assert_eq!(read("90/hour"), Some(2));
        assert_eq!(read("OFF"), Some(0));
        for bad in ["", "0/minute", "100", "x/minute", "5/day", "-1/minute"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn each_caller_and_class_is_counted_apart() {
        let limits = Limits::new("2/minute".parse().unwrap()).unwrap();
        for _ in 0..2 {
            limits.check(Class::Start, "a").unwrap();
        }
        assert!(limits.check(Class::Start, "a").is_err());
        limits.check(Class::Change, "a").unwrap();
        limits.check(Class::Start, "b").unwrap();
        for _ in 0..40 {
            limits.check(Class::Look, "a").unwrap();
        }
        assert!(limits.check(Class::Look, "a").is_err());
    }

    #[test]
    fn what_costs_has_a_limit_of_its_own() {
        let post = Method::POST;
        assert_eq!(class_of(&post, "/api/workspace/{id}/generate/backend"), Some(Class::Start));
        assert_eq!(class_of(&post, "/api/v1/runs/{id}/retry"), Some(Class::Start));
        assert_eq!(class_of(&post, "/api/projects"), Some(Class::Change));
        assert_eq!(class_of(&Method::GET, "/api/projects"), Some(Class::Look));
        assert_eq!(class_of(&Method::GET, "/api/workspace/{id}/files"), None);
    }
}
