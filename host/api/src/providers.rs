//! `/api/providers`: which models there are and which one is chosen (http-ws-contract §2.7).

use axum::{Json, extract::State};
use rust_decimal::prelude::ToPrimitive as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    Api,
    error::{ApiError, Errors},
    extract::Body,
};

/// A provider that can be chosen.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProviderView {
    id: &'static str,
    name: &'static str,
    /// The default first.
    models: Vec<String>,
    requires_api_key: bool,
    /// List price of 1,000 output tokens of the default model, in US dollars; null where it is not
    /// known, never zero.
    cost_per1k_tokens: Option<f64>,
}

/// Providers that are set up.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Available {
    providers: Vec<ProviderView>,
}

/// Providers that are set up: key and address are there.
#[utoipa::path(get, path = "/api/providers/available", tag = "providers",
    responses((status = 200, description = "In the client's order", body = Available), Errors))]
pub(crate) async fn available(State(api): State<Api>) -> Json<Available> {
    let providers = api
        .engine
        .providers()
        .into_iter()
        .filter(|provider| provider.configured)
        .map(|provider| ProviderView {
            id: provider.id,
            name: provider.name,
            models: provider.models,
            requires_api_key: provider.requires_api_key,
            cost_per1k_tokens: provider.cost_per_1k.and_then(|cost| cost.to_f64()),
        })
        .collect();
    Json(Available { providers })
}

/// A provider, set up or not.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Known {
    name: &'static str,
    /// Whether it is set up.
    available: bool,
    models: Vec<String>,
}

/// All providers and what is chosen.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct All {
    providers: Vec<Known>,
    default_provider: String,
    default_model: String,
}

/// All providers this host knows, also those that are not set up.
#[utoipa::path(get, path = "/api/providers", tag = "providers",
    responses((status = 200, description = "All of them", body = All), Errors))]
pub(crate) async fn all(State(api): State<Api>) -> Result<Json<All>, ApiError> {
    let (default_provider, default_model) = api.engine.current_provider().await?;
    let providers = api
        .engine
        .providers()
        .into_iter()
        .map(|provider| Known {
            name: provider.id,
            available: provider.configured,
            models: provider.models,
        })
        .collect();
    Ok(Json(All { providers, default_provider, default_model }))
}

/// What is chosen for projects that choose nothing themselves.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Current {
    provider: String,
    model: String,
    /// Whether it is set up.
    configured: bool,
}

/// The provider and model of projects that choose nothing themselves.
#[utoipa::path(get, path = "/api/providers/current", tag = "providers",
    responses((status = 200, description = "The choice", body = Current), Errors))]
pub(crate) async fn current(State(api): State<Api>) -> Result<Json<Current>, ApiError> {
    let (provider, model) = api.engine.current_provider().await?;
    let known = api.engine.providers();
    let configured = known.iter().any(|known| known.id == provider && known.configured);
    Ok(Json(Current { provider, model, configured }))
}

/// A choice.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Choice {
    provider: String,
    model: String,
}

/// That it is chosen.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Chosen {
    success: bool,
    provider: String,
    model: String,
}

/// Chooses a provider and model; kept over restarts. Refused when it could not be called.
#[utoipa::path(post, path = "/api/providers/set", tag = "providers", request_body = Choice,
    responses((status = 200, description = "It is chosen", body = Chosen), Errors))]
pub(crate) async fn set(
    State(api): State<Api>,
    Body(choice): Body<Choice>,
) -> Result<Json<Chosen>, ApiError> {
    api.engine.choose_provider(&choice.provider, &choice.model).await?;
    Ok(Json(Chosen { success: true, provider: choice.provider, model: choice.model }))
}
