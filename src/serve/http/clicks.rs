//! `/v1/clicks`: what became of a shop's lists where they were shown.

use super::Shared;
use super::answer::Refusal;
use super::routes::in_time;
use crate::event::SHOP_DEFAULT;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::sync::Arc;

pub(super) const PATH: &str = "/v1/clicks";
const EXPECTED: &str = "the only parameter is shop (main), at most once";

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    shop: Option<String>,
}

pub(super) async fn clicks(
    State(shared): State<Arc<Shared>>,
    parameters: Result<Query<Parameters>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(Parameters { shop }) = parameters.map_err(|_| Refusal::BadQuery { expected: EXPECTED })?;
    let shop = shop.unwrap_or_else(|| SHOP_DEFAULT.to_owned());
    let clicked = in_time(&shared, shared.state.queries.clicks(&shop)).await?;
    let body = json!({ "shop": shop, "lists": clicked.by_list(&shop) });
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response())
}
