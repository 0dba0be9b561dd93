//! The routes. Each decides between the answers that a client must be able to tell apart.

use super::answer::{Refusal, entity_tag, holds_tag};
use super::body::CountsBody;
use super::{HEADER_BYTES_MAX, Shared, URI_BYTES_MAX};
use crate::event::EventTime;
use crate::position::Partition;
use crate::relation::Relation;
use crate::serve::counts::Merge;
use crate::serve::query::{AskError, RowAnswer};
use crate::watch::health::PartitionState;
use axum::body::{Body, HttpBody};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use std::sync::Arc;
use tokio::time::{Instant, timeout};

/// The record's time, in ms since 1970.
const PUBLISHED_HEADER: &str = "samenloop-published-ms";

type ItemPath = Result<Path<(String, String, String)>, PathRejection>;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/v1/lists/{shop}/{list}/{*item}", get(list))
        .route("/v1/rows/{shop}/{list}/{*item}", get(row))
        .route("/v1/counts", get(counts))
        .method_not_allowed_fallback(async || Refusal::MethodNotAllowed)
        .fallback(async || Refusal::NoSuchRoute)
        .layer(from_fn_with_state(Arc::clone(&shared), guard))
        .with_state(shared)
}

/// Refuses oversize requests, and counts every answer.
async fn guard(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let route = route_name(request.uri().path());
    let response = match oversize(&request) {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    };
    shared.state.metrics.count_http(route, response.status().as_u16());
    response
}

fn oversize(request: &Request) -> Option<Refusal> {
    let uri = request.uri();
    let uri_bytes = uri.path().len() + uri.query().map_or(0, str::len);
    let header_bytes: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if uri_bytes > URI_BYTES_MAX {
        Some(Refusal::UriTooLong { bytes_max: URI_BYTES_MAX })
    } else if header_bytes > HEADER_BYTES_MAX {
        Some(Refusal::HeadersTooLarge { bytes_max: HEADER_BYTES_MAX })
    } else if !request.body().is_end_stream() {
        Some(Refusal::BodyNotAllowed)
    } else {
        None
    }
}

/// The route of a path as a metric label: one of few.
fn route_name(path: &str) -> &'static str {
    match path {
        "/metrics" => "/metrics",
        "/livez" => "/livez",
        "/readyz" => "/readyz",
        "/v1/counts" => "/v1/counts",
        _ if path.starts_with("/v1/lists/") => "/v1/lists",
        _ if path.starts_with("/v1/rows/") => "/v1/rows",
        _ => "other",
    }
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    match shared.state.metrics.render(shared.state.view.len(), shared.state.view.bytes(), &shared.state.health) {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => Refusal::Internal { message: error.to_string() }.into_response(),
    }
}

async fn livez(State(shared): State<Arc<Shared>>) -> Response {
    match shared.state.health.stale() {
        None => uncached(StatusCode::OK, json!({ "live": true })),
        Some(stale) => {
            let message = format!(
                "worker {} gave no sign for {} ms, {} ms are allowed: it hangs or has panicked; see the log, restart",
                stale.worker,
                stale.age.as_millis(),
                stale.age_max.as_millis()
            );
            uncached(StatusCode::SERVICE_UNAVAILABLE, json!({ "live": false, "error": "not_live", "message": message }))
        }
    }
}

async fn readyz(State(shared): State<Arc<Shared>>) -> Response {
    let standings = shared.state.health.partitions();
    let waiting: Vec<_> = standings.iter().filter(|standing| standing.state != PartitionState::Live).collect();
    if shared.state.health.is_ready() {
        return uncached(StatusCode::OK, json!({ "ready": true, "partitions": standings.len() }));
    }
    let unsettled = shared.state.health.waiting();
    let message = if !unsettled.is_empty() {
        format!("{} workers have not heard from their consumer groups yet which partitions are theirs", unsettled.len())
    } else if standings.is_empty() {
        "no partition is on this instance yet".to_owned()
    } else {
        format!("{} of {} partitions are not live", waiting.len(), standings.len())
    };
    let waiting: Vec<_> = waiting
        .into_iter()
        .map(|standing| {
            let mut entry = json!({
                "stage": standing.stage.name(), "partition": standing.partition.0, "state": standing.state.name(),
            });
            if let PartitionState::CatchingUp { records_left } = standing.state {
                entry["records_left"] = json!(records_left);
            }
            entry
        })
        .collect();
    let body = json!({ "ready": false, "error": "not_ready", "message": message, "waiting": waiting });
    uncached(StatusCode::SERVICE_UNAVAILABLE, body)
}

/// What a path asks for, once it is known to be on this instance.
struct Asked {
    shop: String,
    relation: Relation,
    item: String,
    partition: Partition,
    state: PartitionState,
}

impl Asked {
    fn new(shared: &Shared, path: ItemPath, known: &[Relation]) -> Result<Self, Refusal> {
        let Path((shop, list, item)) = path.map_err(|_| Refusal::BadPath)?;
        let Some(relation) = Relation::of_list(&list).filter(|relation| known.contains(relation)) else {
            let known = known.iter().map(|relation| relation.list_name()).collect();
            return Err(Refusal::NoSuchList { list, known });
        };
        if shop.contains('/') {
            return Err(Refusal::NoSuchItem { shop, item }); // no shop's name holds one: it would be another key
        }
        let (partition, state) = shared.state.health.owner(&shop, &item);
        match state {
            None => Err(Refusal::NotHere { partition, partitions: shared.state.health.rows_partitions() }),
            Some(state) => Ok(Self { shop, relation, item, partition, state }),
        }
    }

    /// The row, from the worker that has it. While the partition replays, "not met" means nothing.
    async fn row(&self, shared: &Shared) -> Result<String, Refusal> {
        let ask = shared.state.queries.row(&self.shop, self.relation, &self.item);
        match in_time(shared, ask).await? {
            RowAnswer::Found(row) => Ok(row),
            RowAnswer::NoSuchItem if self.state != PartitionState::Live => Err(self.not_ready()),
            RowAnswer::NoSuchItem => Err(Refusal::NoSuchItem { shop: self.shop.clone(), item: self.item.clone() }),
            RowAnswer::NotHere => {
                let partitions = shared.state.health.rows_partitions();
                Err(Refusal::NotHere { partition: self.partition, partitions })
            }
        }
    }

    fn not_ready(&self) -> Refusal {
        Refusal::NotReady { partition: self.partition, state: self.state.name() }
    }
}

async fn list(State(shared): State<Arc<Shared>>, path: ItemPath, headers: HeaderMap) -> Result<Response, Refusal> {
    let asked = Asked::new(&shared, path, &shared.state.lists)?;
    let list_name = asked.relation.list_name();
    if let Some(published) = shared.state.view.get(&asked.shop, list_name, &asked.item) {
        let tag = entity_tag(&published.record);
        let fresh = headers.get_all(header::IF_NONE_MATCH).iter().any(|held| holds_tag(held.as_bytes(), &tag));
        let at_ms = HeaderValue::from(published.at.0);
        let headers = [(header::ETAG, tag), (header::CACHE_CONTROL, "no-cache".to_owned())];
        let response = if fresh {
            (StatusCode::NOT_MODIFIED, headers).into_response()
        } else {
            let json = [(header::CONTENT_TYPE, "application/json")];
            (headers, [(PUBLISHED_HEADER, at_ms)], json, published.record).into_response()
        };
        return Ok(response);
    }
    if asked.state != PartitionState::Live {
        return Err(asked.not_ready());
    }
    asked.row(&shared).await?; // refuses an item that has not been met
    Err(Refusal::NoList { shop: asked.shop, list: list_name, item: asked.item })
}

async fn row(State(shared): State<Arc<Shared>>, path: ItemPath) -> Result<Response, Refusal> {
    let asked = Asked::new(&shared, path, &Relation::ALL)?;
    let row = asked.row(&shared).await?;
    Ok(([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], row).into_response())
}

/// Parameters of `/v1/counts`.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct CountsParameters {
    /// Decay weights to this time, in ms since 1970.
    as_of: Option<i64>,
}

async fn counts(
    State(shared): State<Arc<Shared>>,
    parameters: Result<Query<CountsParameters>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(parameters) = parameters.map_err(|_| Refusal::BadQuery)?;
    let turn = Arc::clone(&shared.counts)
        .try_acquire_owned()
        .map_err(|_| Refusal::Busy { message: "another client is reading the counts; ask again later".to_owned() })?;
    let deadline = Instant::now() + shared.state.limits.counts;
    let answers = in_time(&shared, shared.state.queries.counts(parameters.as_of.map(EventTime))).await?;
    let workers = answers
        .into_iter()
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Refusal::CountsTooLarge { message: error.to_string() })?;
    let body = Body::new(CountsBody { merge: Merge::new(workers), deadline, _turn: turn });
    let headers =
        [(header::CONTENT_TYPE, "text/tab-separated-values; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, body).into_response())
}

async fn in_time<T>(shared: &Shared, answer: impl Future<Output = Result<T, AskError>>) -> Result<T, Refusal> {
    let limit = shared.state.limits.answer;
    match timeout(limit, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Refusal::TimedOut { limit }),
    }
}

fn uncached(status: StatusCode, body: serde_json::Value) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}
