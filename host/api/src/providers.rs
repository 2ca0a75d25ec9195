//! `/api/providers`: which models there are and which one is chosen (http-ws-contract §2.7).

use axum::{Json, extract::State};
use rust_decimal::prelude::ToPrimitive as _;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Api,
    error::{ApiError, Body},
};

pub(crate) async fn available(State(api): State<Api>) -> Json<Value> {
    let providers: Vec<Value> = api
        .engine
        .providers()
        .into_iter()
        .filter(|provider| provider.configured)
        .map(|provider| {
            json!({
                "id": provider.id,
                "name": provider.name,
                "models": provider.models,
                "requiresApiKey": provider.requires_api_key,
                // The client shows a number; an unknown price is null, never zero.
                "costPer1kTokens": provider.cost_per_1k.and_then(|cost| cost.to_f64()),
            })
        })
        .collect();
    Json(json!({ "providers": providers }))
}

pub(crate) async fn current(State(api): State<Api>) -> Result<Json<Value>, ApiError> {
    let (provider, model) = api.engine.current_provider().await?;
    Ok(Json(json!({ "provider": provider, "model": model, "configured": true })))
}

#[derive(Debug, Deserialize)]
pub(crate) struct Choice {
    provider: String,
    model: String,
}

pub(crate) async fn set(
    State(api): State<Api>,
    Body(choice): Body<Choice>,
) -> Result<Json<Value>, ApiError> {
    api.engine.choose_provider(&choice.provider, &choice.model).await?;
    Ok(Json(json!({ "success": true, "provider": choice.provider, "model": choice.model })))
}
