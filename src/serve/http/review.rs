//! `/v1/review`: the entries of lists that a person should look at first.

use super::Shared;
use super::answer::Refusal;
use super::routes::in_time;
use crate::event::SHOP_DEFAULT;
use crate::serve::review::{PAGE_DEFAULT, PAGE_MAX, REACH_MAX, SHOPS_MAX};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::sync::Arc;

pub(super) const PATH: &str = "/v1/review";
const EXPECTED: &str = "parameters: shop (main), from (0), limit (50, at most 100), each at most once; from and limit together at most 1000";

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    shop: Option<String>,
    from: Option<usize>,
    limit: Option<usize>,
}

pub(super) async fn review(
    State(shared): State<Arc<Shared>>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Response, Refusal> {
    let bad = || Refusal::BadQuery { expected: EXPECTED };
    let Query(Page { shop, from, limit }) = page.map_err(|_| bad())?;
    let (shop, from) = (shop.as_deref().unwrap_or(SHOP_DEFAULT), from.unwrap_or(0));
    let limit = limit.unwrap_or(PAGE_DEFAULT);
    let count = from.checked_add(limit).filter(|&count| (1..=PAGE_MAX).contains(&limit) && count <= REACH_MAX);
    let mut answer = in_time(&shared, shared.state.queries.review(shop, count.ok_or_else(bad)?)).await?;
    // While lists have not all been looked at, the shop may be still to come.
    if !answer.is_met && answer.waiting.is_empty() && !answer.partitions.is_empty() {
        return Err(Refusal::NoSuchShop { shop: shop.to_owned() });
    }
    let entries = answer.entries.split_off(from.min(answer.entries.len()));
    let body = json!({
        "shop": shop, "from": from, "total": answer.total, "entries": entries,
        "queue": answer.queue(), "without_queue": answer.without_queue, "shops_max": SHOPS_MAX,
        "partitions": answer.partitions, "waiting": answer.waiting, "of": shared.state.health.rows_partitions(),
    });
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response())
}

const _: () = assert!(PAGE_DEFAULT == 50 && PAGE_MAX == 100 && REACH_MAX == 1_000, "as the message says");
