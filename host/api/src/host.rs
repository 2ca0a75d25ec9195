//! What the host is made of: its agents and plugins, its settings, its tokens and its audit log.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use gencode_core::{
    access::{AuditRow, Role},
    id::TokenId,
};
use gencode_engine::{
    access::{NewToken, TokenView},
    insight::{ActiveProject, AgentView, PluginView},
};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    Api,
    access::{COOKIE, Caller, digest_of},
    error::{ApiError, Errors},
    extract::{Body, Path, Position, Query, whole},
    projects::page_size,
};

/// Entries of a page of the audit log, where the caller does not say.
const USUAL_PAGE: u32 = 100;

/// Most entries of a page.
const MAX_PAGE: u32 = 1000;

/// The crew.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Agents {
    agents: Vec<AgentView>,
}

/// The crew, and what each of them does now.
#[utoipa::path(get, path = "/api/agents/status", tag = "host",
    responses((status = 200, description = "Marcus, Victoria, Derek and Luna", body = Agents), Errors))]
pub(crate) async fn agents(State(api): State<Api>) -> Result<Json<Agents>, ApiError> {
    Ok(Json(Agents { agents: api.engine.agents().await? }))
}

/// Projects somebody works on.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Active {
    active: Vec<ActiveProject>,
}

/// Projects with an unfinished run, on whichever host.
#[utoipa::path(get, path = "/api/agents/active", tag = "host",
    responses((status = 200, description = "Them", body = Active), Errors))]
pub(crate) async fn active(State(api): State<Api>) -> Result<Json<Active>, ApiError> {
    Ok(Json(Active { active: api.engine.active_projects().await? }))
}

/// Plugins.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Plugins {
    plugins: Vec<PluginView>,
}

/// The plugins that new runs begin with, and what each may do.
#[utoipa::path(get, path = "/api/v1/plugins", tag = "host",
    responses((status = 200, description = "By id", body = Plugins), Errors))]
pub(crate) async fn plugins(State(api): State<Api>) -> Json<Plugins> {
    Json(Plugins { plugins: api.engine.plugins() })
}

/// Settings that every host of the database shares.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Settings {
    /// Provider of projects that choose none.
    provider: String,
    model: String,
}

/// The settings that are kept in the database.
#[utoipa::path(get, path = "/api/v1/settings", tag = "host",
    responses((status = 200, description = "The settings", body = Settings), Errors))]
pub(crate) async fn settings(State(api): State<Api>) -> Result<Json<Settings>, ApiError> {
    let (provider, model) = api.engine.current_provider().await?;
    Ok(Json(Settings { provider, model }))
}

/// Changes the settings that are kept in the database.
#[utoipa::path(put, path = "/api/v1/settings", tag = "host", request_body = Settings,
    responses((status = 200, description = "The settings as they are now", body = Settings), Errors))]
pub(crate) async fn set_settings(
    State(api): State<Api>,
    Body(wanted): Body<Settings>,
) -> Result<Json<Settings>, ApiError> {
    api.engine.choose_provider(&wanted.provider, &wanted.model).await?;
    settings(State(api)).await
}

/// Tokens.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Tokens {
    tokens: Vec<TokenView>,
}

/// All tokens, newest first, without their secrets.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "host",
    responses((status = 200, description = "Also those that are good no more", body = Tokens), Errors))]
pub(crate) async fn tokens(State(api): State<Api>) -> Result<Json<Tokens>, ApiError> {
    Ok(Json(Tokens { tokens: api.engine.access().tokens().await? }))
}

/// A token that is wanted.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct WantedToken {
    /// What it is for.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    role: Role,
    /// After so many days it is good no more; until it is revoked where it is not said.
    #[serde(default, deserialize_with = "whole")]
    #[schema(minimum = 1, maximum = 3650)]
    days: Option<u32>,
}

/// Makes a token. Its secret is in this answer and nowhere else. With the first one, nobody comes
/// in without any more.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "host", request_body = WantedToken,
    responses((status = 201, description = "The token", body = NewToken), Errors))]
pub(crate) async fn make_token(
    State(api): State<Api>,
    Body(wanted): Body<WantedToken>,
) -> Result<Response, ApiError> {
    if wanted.days.is_some_and(|days| !(1..=3650).contains(&days)) {
        return Err(ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "body_invalid",
            "`days` is 1 to 3650",
        ));
    }
    let lifetime = wanted.days.map(|days| SignedDuration::from_hours(i64::from(days) * 24));
    let token = api.engine.access().create(&wanted.name, wanted.role, lifetime).await?;
    api.doors.forget();
    Ok((StatusCode::CREATED, Json(token)).into_response())
}

/// That a token opens nothing any more.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Revoked {
    revoked: bool,
    id: TokenId,
}

/// Makes a token good for nothing, for ever. Other hosts hear of it within two seconds.
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", tag = "host",
    params(("id" = String, Path, description = "Id of the token", pattern = "^tok_[0-7][0-9A-HJKMNP-TV-Z]{25}$")),
    responses((status = 200, description = "It opens nothing", body = Revoked), Errors))]
pub(crate) async fn revoke_token(
    State(api): State<Api>,
    Path(id): Path<TokenId>,
) -> Result<Json<Revoked>, ApiError> {
    api.engine.access().revoke(id).await?;
    api.doors.forget();
    Ok(Json(Revoked { revoked: true, id }))
}

/// Which changes.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Changes {
    /// Only of this project, run or token.
    target: Option<String>,
    /// Entries of a page, at most 1,000; 100 where it is not said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[param(value_type = Option<i64>, minimum = 0)]
    cursor: Option<Position>,
}

/// A page of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditPage {
    entries: Vec<AuditRow>,
    /// Give it as `cursor` for the next page; none at the end.
    next: Option<u64>,
}

/// What everyone changed or tried to change, newest first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "host", params(Changes),
    responses((status = 200, description = "A page", body = AuditPage), Errors))]
pub(crate) async fn audit(
    State(api): State<Api>,
    Query(changes): Query<Changes>,
) -> Result<Json<AuditPage>, ApiError> {
    let limit = page_size(changes.limit, USUAL_PAGE, MAX_PAGE)?;
    let access = api.engine.access();
    let before = changes.cursor.map(Position::get);
    let entries = access.audit(changes.target.as_deref(), before, limit).await?;
    let is_full = entries.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
    let next = entries.last().filter(|_| is_full).map(|last| last.n);
    Ok(Json(AuditPage { entries, next }))
}

/// Who is calling.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Session {
    who: String,
    role: Role,
}

impl From<Caller> for Session {
    fn from(caller: Caller) -> Self {
        Self { who: caller.who, role: caller.role }
    }
}

/// Who the caller is, and what he may do.
#[utoipa::path(get, path = "/api/v1/session", tag = "host",
    responses((status = 200, description = "The caller", body = Session), Errors))]
pub(crate) async fn session(caller: axum::Extension<Caller>) -> Json<Session> {
    Json(caller.0.into())
}

/// A token to log in with.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Login {
    token: String,
}

/// Turns a token into a session of the browser: a cookie that scripts cannot read and other sites
/// cannot use.
#[utoipa::path(post, path = "/api/v1/session", tag = "host", request_body = Login, security(()),
    responses((status = 200, description = "The caller; the cookie is set", body = Session), Errors))]
pub(crate) async fn login(
    State(api): State<Api>,
    headers: HeaderMap,
    Body(login): Body<Login>,
) -> Result<Response, ApiError> {
    let caller = api.doors.bearer(digest_of(login.token.trim())).await?.ok_or_else(|| {
        ApiError::new(StatusCode::UNAUTHORIZED, "token_wanted", "this token is not good")
    })?;
    let mut answer = Json(Session::from(caller)).into_response();
    set_cookie(&mut answer, &headers, login.token.trim(), "");
    Ok(answer)
}

/// That the session ended.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LoggedOut {
    logged_out: bool,
}

/// Takes the cookie away.
#[utoipa::path(delete, path = "/api/v1/session", tag = "host", security(()),
    responses((status = 200, description = "The browser has forgotten the token", body = LoggedOut), Errors))]
pub(crate) async fn logout(headers: HeaderMap) -> Response {
    let mut answer = Json(LoggedOut { logged_out: true }).into_response();
    set_cookie(&mut answer, &headers, "", "; Max-Age=0");
    answer
}

fn set_cookie(answer: &mut Response, headers: &HeaderMap, value: &str, more: &str) {
    // A proxy that speaks TLS says so; a lie only makes the cookie stricter.
    let is_secure = headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https");
    let secure = if is_secure { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{more}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        answer.headers_mut().insert(header::SET_COOKIE, cookie);
    }
}
