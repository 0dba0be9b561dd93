//! `/v1/verdicts`: what specialists say of lists. The only route that changes anything, so the only one that asks who it is.

use super::Shared;
use super::answer::Refusal;
use crate::event::SHOP_DEFAULT;
use crate::list_key::SHOP_WIDE;
use crate::serve::verdicts::{
    VERDICT_BYTES_MAX, VERDICTS_WAITING_MAX, VerdictFault, VerdictJob, VerdictPlace, VerdictSaid, known_verdicts,
};
use axum::Json;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use serde_json::json;
use std::sync::Arc;
use std::sync::mpsc::TrySendError;
use tokio::sync::oneshot;
use tokio::time::timeout;

pub(super) const PATH: &str = "/v1/verdicts";
const METHODS: &str = "GET, HEAD, PUT, DELETE";
const OF_GET: &str = "parameters: shop (main), anchor, other, each at most once; anchor or other, or both";
const OF_DELETE: &str = "parameters: shop (main), list (or *), anchor (or *), other, each once";

pub(super) fn route() -> MethodRouter<Arc<Shared>> {
    get(known).put(put).delete(take_back).fallback(async || Refusal::MethodNotAllowed { allowed: METHODS })
}

/// What is there for whoever has shown the token.
fn place<'s>(shared: &'s Shared, headers: &HeaderMap) -> Result<&'s VerdictPlace, Refusal> {
    let desk = shared.state.verdicts.as_ref().ok_or(Refusal::VerdictsOff)?;
    let said = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
    let (scheme, token) = said.split_at(said.iter().position(|&byte| byte == b' ').unwrap_or(said.len()));
    if !scheme.eq_ignore_ascii_case(b"bearer") || !desk.admits(token.trim_ascii()) {
        return Err(Refusal::Unauthorized);
    }
    desk.place().ok_or(Refusal::FactsNotRead)
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    shop: Option<String>,
    anchor: Option<String>,
    other: Option<String>,
}

async fn known(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Response, Refusal> {
    let place = place(&shared, &headers)?;
    let Query(Which { shop, anchor, other }) = which.map_err(|_| Refusal::BadQuery { expected: OF_GET })?;
    if anchor.as_deref().is_none_or(|anchor| anchor == SHOP_WIDE) && other.is_none() {
        return Err(Refusal::BadQuery { expected: OF_GET });
    }
    let facts = match (&place.facts, &place.writer) {
        (Some(facts), _) => facts,
        (None, Err(missing)) => return Err(Refusal::NoVerdicts { missing: missing.clone() }),
        (None, Ok(_)) => return Err(Refusal::FactsNotRead),
    };
    if !facts.is_complete() {
        return Err(Refusal::FactsNotRead);
    }
    let shop = shop.as_deref().unwrap_or(SHOP_DEFAULT);
    let verdicts = known_verdicts(facts, shop, anchor.as_deref(), other.as_deref());
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(json!({ "verdicts": verdicts }))).into_response())
}

async fn put(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Body) -> Result<Response, Refusal> {
    let place = place(&shared, &headers)?;
    let bytes = read(&shared, body).await?;
    write(&shared, place, VerdictSaid::Put(bytes)).await
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    shop: Option<String>,
    list: String,
    anchor: String,
    other: String,
}

async fn take_back(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    key: Result<Query<Key>, QueryRejection>,
) -> Result<Response, Refusal> {
    let place = place(&shared, &headers)?;
    let Query(Key { shop, list, anchor, other }) = key.map_err(|_| Refusal::BadQuery { expected: OF_DELETE })?;
    let shop = shop.unwrap_or_else(|| SHOP_DEFAULT.to_owned());
    write(&shared, place, VerdictSaid::TakeBack([shop, list, anchor, other])).await
}

/// The whole body, which must come as soon as a head must.
async fn read(shared: &Shared, body: Body) -> Result<Bytes, Refusal> {
    let limit = shared.state.limits.head;
    match timeout(limit, to_bytes(body, VERDICT_BYTES_MAX)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(Refusal::BodyTooLarge { bytes_max: VERDICT_BYTES_MAX }),
        Err(_) => Err(Refusal::BodyTooSlow { limit }),
    }
}

async fn write(shared: &Shared, place: &VerdictPlace, said: VerdictSaid) -> Result<Response, Refusal> {
    let writer = place.writer.as_ref().map_err(|missing| Refusal::NoVerdicts { missing: missing.clone() })?;
    let (reply, answer) = oneshot::channel();
    writer.try_send(VerdictJob { said, reply }).map_err(|error| match error {
        TrySendError::Full(_) => Refusal::Busy {
            message: format!("{VERDICTS_WAITING_MAX} verdicts wait to be written; send it again later"),
        },
        TrySendError::Disconnected(_) => Refusal::Stopped,
    })?;
    let limit = shared.state.limits.answer;
    let written = match timeout(limit, answer).await {
        Err(_) => {
            let message = format!("the brokers have not said within {} ms whether they have it", limit.as_millis());
            return Err(Refusal::NotWritten { message });
        }
        Ok(Err(_)) | Ok(Ok(Err(VerdictFault::Stopped))) => return Err(Refusal::Stopped),
        Ok(Ok(Err(VerdictFault::NotWritten(message)))) => return Err(Refusal::NotWritten { message }),
        Ok(Ok(Err(VerdictFault::Full(message)))) => return Err(Refusal::NoRoom { message }),
        Ok(Ok(Err(VerdictFault::Bad { reason, message }))) => return Err(Refusal::BadVerdict { reason, message }),
        Ok(Ok(Ok(written))) => written,
    };
    let [shop, list, anchor, other] = written.ids;
    let body = json!({
        "shop": shop, "list": list, "anchor": anchor, "other": other,
        "partition": written.partition, "offset": written.offset,
    });
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response())
}
