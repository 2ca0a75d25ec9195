//! Who is calling, and whether their role is enough (design §10).
//!
//! A host that nobody made a token for is used by whoever is on its machine, who may do all. Once
//! there is a token, nobody comes in without one: in the header `Authorization: Bearer …`, or in
//! the cookie that `POST /api/v1/session` sets for browsers.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    extract::{ConnectInfo, MatchedPath, Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::Next,
    response::Response,
};
use gencode_core::{access::Role, digest::Digest};
use gencode_engine::{EngineError, access::Access};

use crate::{Api, error::ApiError, limits::Class, outer::is_api};

/// The cookie with a browser's token.
pub(crate) const COOKIE: &str = "gencode_token";

/// For so long a host believes what the database said of a token: so late does a revocation reach
/// it.
const BELIEVED: Duration = Duration::from_secs(2);

/// Most tokens that are remembered.
const MAX_REMEMBERED: usize = 1024;

/// Who sent a request.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The id and name of a token, `local`, or `nobody` for one who has yet to log in.
    pub(crate) who: String,
    pub(crate) role: Role,
    /// Whom limits are counted for.
    pub(crate) counted_as: String,
    /// Of the token, if there is one.
    digest: Option<Digest>,
}

/// What the database said of a token, and when.
#[derive(Debug, Clone)]
struct Known {
    at: Instant,
    /// None: it is not good.
    bearer: Option<Caller>,
}

/// Checks tokens.
#[derive(Debug)]
pub(crate) struct Doors {
    access: Access,
    /// Whether a token is wanted even while there is none.
    always: bool,
    remembered: Mutex<HashMap<Digest, Known>>,
    wanted: Mutex<Option<(Instant, bool)>>,
}

impl Doors {
    pub(crate) fn new(access: Access, always: bool) -> Self {
        Self { access, always, remembered: Mutex::default(), wanted: Mutex::default() }
    }

    /// What is remembered of a token.
    fn remembered(&self, digest: Digest) -> Option<Known> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.get(&digest).filter(|known| known.at.elapsed() < BELIEVED).cloned()
    }

    /// The bearer of a token, if it is good.
    pub(crate) async fn bearer(&self, digest: Digest) -> Result<Option<Caller>, EngineError> {
        if let Some(known) = self.remembered(digest) {
            return Ok(known.bearer);
        }
        let bearer = self.access.bearer(digest).await?.map(|token| Caller {
            who: format!("{} ({})", token.id, token.name),
            role: token.role,
            counted_as: token.id.to_string(),
            digest: Some(digest),
        });
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= MAX_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(digest, Known { at: Instant::now(), bearer: bearer.clone() });
        Ok(bearer)
    }

    /// Whether one who came in some time ago may stay. A database that is away turns nobody out.
    pub(crate) async fn may_stay(&self, caller: &Caller) -> bool {
        let good = match caller.digest {
            Some(digest) => self.bearer(digest).await.map(|bearer| bearer.is_some()),
            None => self.want_tokens().await.map(|wanted| !wanted),
        };
        good.unwrap_or(true)
    }

    /// Whether nobody comes in without a token.
    pub(crate) async fn want_tokens(&self) -> Result<bool, EngineError> {
        if self.always {
            return Ok(true);
        }
        {
            let wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((at, known)) = *wanted
                && at.elapsed() < BELIEVED
            {
                return Ok(known);
            }
        }
        let known = self.access.wants_tokens().await?;
        let now = Instant::now();
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, known));
        Ok(known)
    }

    /// A token was made or revoked through this host: it counts at once.
    pub(crate) fn forget(&self) {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner).clear();
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Lets in who may do what the request asks for.
pub(crate) async fn admit(
    State(api): State<Api>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let path = request.uri().path();
    if !is_api(path) && path != "/metrics" {
        // The front end's own files and the documentation hold nothing of anyone's.
        return Ok(next.run(request).await);
    }
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let address = peer.map_or_else(String::new, |peer| {
        sender(peer, &api.config.trusted_proxies, request.headers()).to_string()
    });
    let caller = match secret_of(request.headers()) {
        Some(secret) => {
            let digest = digest_of(secret);
            if api.doors.remembered(digest).is_none() {
                // Whoever tries one after the other is turned away before the database is asked.
                api.check_limit(Class::Look, &address)?;
            }
            api.doors.bearer(digest).await?.ok_or_else(|| {
                unauthorized("this token is not good: it was revoked, is too old, or never was one")
            })?
        }
        None if !api.doors.want_tokens().await? => Caller {
            who: "local".to_owned(),
            role: Role::Operator,
            counted_as: address,
            digest: None,
        },
        None if is_open(path, request.method()) => Caller {
            who: "nobody".to_owned(),
            role: Role::Viewer,
            counted_as: address,
            digest: None,
        },
        None => {
            return Err(unauthorized(
                "this host wants a token: send it as `Authorization: Bearer …`, or log in at \
                 /login; `gencode token create` makes one",
            ));
        }
    };
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let wanted = wanted(request.method(), route);
    if caller.role < wanted {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "role_too_small",
            format!(
                "this wants the role {}, and the token has {}",
                wanted.as_str(),
                caller.role.as_str()
            ),
        ));
    }
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

/// The address a request comes from: behind proxies that are trusted, the one the last of them saw.
fn sender(peer: IpAddr, trusted: &[IpAddr], headers: &HeaderMap) -> IpAddr {
    let peer = peer.to_canonical();
    if !trusted.contains(&peer) {
        return peer;
    }
    // Each proxy appends whom it saw; what is left of the first stranger, he may have invented. What
    // cannot be read is a stranger without an address.
    let hop = |text: &str| text.trim().parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
    let lines: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
    let stranger = lines
        .into_iter()
        .rev()
        .flat_map(|line| line.to_str().unwrap_or("?").rsplit(','))
        .map(hop)
        .find(|hop| hop.is_none_or(|ip| !trusted.contains(&ip)));
    stranger.flatten().unwrap_or(peer)
}

fn unauthorized(detail: &str) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, "token_wanted", detail)
}

/// What everyone may ask: whether the host lives, and to log in or out.
fn is_open(path: &str, method: &Method) -> bool {
    path == "/api/health"
        || (path == "/api/v1/session" && [Method::POST, Method::DELETE].contains(method))
}

/// The least role that may do this.
fn wanted(method: &Method, route: &str) -> Role {
    /// What the host itself is made of: seeing it and changing it is the operator's.
    const OPERATORS: [&str; 3] = ["/api/v1/tokens", "/api/v1/audit", "/metrics"];
    /// What everyone may see and only the operator change.
    const CHANGED_BY_OPERATORS: [&str; 3] =
        ["/api/providers", "/api/v1/settings", "/api/v1/plugins"];
    let below = |all: &[&str]| all.iter().any(|part| route.starts_with(part));
    let only_looks = [Method::GET, Method::HEAD, Method::OPTIONS].contains(method);
    if below(&OPERATORS) || (!only_looks && below(&CHANGED_BY_OPERATORS)) {
        Role::Operator
    } else if only_looks || route == "/api/v1/session" {
        Role::Viewer
    } else {
        Role::Editor
    }
}

/// What the database knows a token by.
pub(crate) fn digest_of(secret: &str) -> Digest {
    Digest::of(secret.as_bytes())
}

/// The token a request brings: in its header, otherwise in its cookie.
pub(crate) fn secret_of(headers: &HeaderMap) -> Option<&str> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(authorization) = text(header::AUTHORIZATION) {
        // Anything else than a bearer's token is a token that is not good.
        let (scheme, secret) = authorization.split_once(' ').unwrap_or(("", ""));
        let is_bearer = scheme.eq_ignore_ascii_case("bearer");
        return Some(if is_bearer { secret.trim() } else { "" });
    }
    let cookies = headers.get_all(header::COOKIE).iter();
    cookies
        .filter_map(|cookie| cookie.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find_map(|(name, value)| (name == COOKIE).then_some(value))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn roles_grow_with_what_is_changed() {
        for (method, route, role) in [
            (Method::GET, "/api/projects", Role::Viewer),
            (Method::HEAD, "/api/v1/runs/{id}", Role::Viewer),
            (Method::GET, "/ws/{id}", Role::Viewer),
            (Method::GET, "/api/v1/plugins", Role::Viewer),
            (Method::POST, "/api/projects", Role::Editor),
            (Method::PUT, "/api/workspace/{id}/file", Role::Editor),
            (Method::DELETE, "/api/projects/{id}", Role::Editor),
            (Method::POST, "/api/providers/set", Role::Operator),
            (Method::GET, "/api/v1/tokens", Role::Operator),
            (Method::GET, "/api/v1/audit", Role::Operator),
            (Method::PUT, "/api/v1/settings", Role::Operator),
            (Method::GET, "/metrics", Role::Operator),
        ] {
            assert_eq!(wanted(&method, route), role, "{method} {route}");
        }
    }

    #[test]
    fn only_a_trusted_proxy_says_who_sent_a_request() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let (near, far) = (ip("127.0.0.1"), ip("10.0.0.9"));
        let from = |peer, trusted: &[IpAddr], hops: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for hop in hops {
                let hop = HeaderValue::from_bytes(hop.as_bytes()).unwrap();
                headers.append("x-forwarded-for", hop);
            }
            sender(peer, trusted, &headers).to_string()
        };
        assert_eq!(from(near, &[], &["1.2.3.4"]), "127.0.0.1", "nobody is trusted");
        assert_eq!(from(far, &[near], &["1.2.3.4"]), "10.0.0.9", "not this one");
        assert_eq!(from(near, &[near], &["6.6.6.6, 1.2.3.4"]), "1.2.3.4", "the first is invented");
        assert_eq!(from(near, &[near, far], &["6.6.6.6, 1.2.3.4", "10.0.0.9"]), "1.2.3.4");
        assert_eq!(from(near, &[near], &["1.2.3.4, x"]), "127.0.0.1");
        assert_eq!(from(near, &[near], &["6.6.6.6", "\u{ff}, 1.2.3.4"]), "127.0.0.1");
        assert_eq!(from(near, &[near], &[]), "127.0.0.1");
        assert_eq!(from(ip("::ffff:127.0.0.1"), &[near], &["1.2.3.4"]), "1.2.3.4");
    }

    #[test]
    fn a_token_comes_in_the_header_or_the_cookie() {
        let headers = |name: header::HeaderName, value: &'static str| {
            HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
        };
        assert_eq!(secret_of(&headers(header::AUTHORIZATION, "Bearer x")), Some("x"));
        assert_eq!(secret_of(&headers(header::AUTHORIZATION, "bearer  x ")), Some("x"));
        assert_eq!(secret_of(&headers(header::AUTHORIZATION, "Basic x")), Some(""));
        assert_eq!(secret_of(&headers(header::AUTHORIZATION, "x")), Some(""));
        assert_eq!(secret_of(&headers(header::COOKIE, "a=b; gencode_token=x; c=d")), Some("x"));
        assert_eq!(secret_of(&headers(header::COOKIE, "my_gencode_token=x")), None);
        assert_eq!(secret_of(&HeaderMap::new()), None);
    }
}
