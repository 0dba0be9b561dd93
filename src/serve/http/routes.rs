//! The routes. Each decides between the answers that a client must be able to tell apart.

use super::answer::{Refusal, entity_tag, holds_tag};
use super::body::HeldBody;
use super::connections::Client;
use super::probes::{livez, readyz};
use super::{HEADER_BYTES_MAX, Shared, URI_BYTES_MAX, clicks, counts, recommendations, review, verdicts};
use crate::event::EventTime;
use crate::list_key::{ListName, owner_text};
use crate::position::Partition;
use crate::serve::query::{AskError, RowAnswer};
use crate::watch::health::PartitionState;
use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{ConnectInfo, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::sync::Arc;
use tokio::time::timeout;

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
        .route("/v1/counts", get(all_counts))
        .route(review::PATH, get(review::review))
        .route(recommendations::PATH, get(recommendations::recommendations))
        .route(clicks::PATH, get(clicks::clicks))
        .method_not_allowed_fallback(async || Refusal::MethodNotAllowed { allowed: "GET, HEAD" })
        .route(verdicts::PATH, verdicts::route())
        .fallback(async || Refusal::NoSuchRoute)
        .layer(from_fn_with_state(Arc::clone(&shared), guard))
        .with_state(shared)
}

/// Refuses oversize requests and those that there is no place for, and counts every answer.
async fn guard(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(client): ConnectInfo<Client>,
    request: Request,
    next: Next,
) -> Response {
    let route = route_name(request.uri().path());
    let allowed = oversize(&request).map_or_else(|| shared.budgets.place(route), Err);
    let response = match allowed {
        Err(refusal) => refusal.into_response(),
        Ok(place) => {
            client.is_answered();
            next.run(request).await.map(|body| Body::new(HeldBody::new(body, client, place)))
        }
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
    } else if !request.body().is_end_stream() && !takes_body(request) {
        Some(Refusal::BodyNotAllowed)
    } else {
        None
    }
}

/// Whether a body is read, within limits of its own.
fn takes_body(request: &Request) -> bool {
    request.method() == Method::PUT && request.uri().path() == verdicts::PATH
}

/// The route of a path as a metric label: one of few.
fn route_name(path: &str) -> &'static str {
    match path {
        "/metrics" => "/metrics",
        "/livez" => "/livez",
        "/readyz" => "/readyz",
        "/v1/counts" => "/v1/counts",
        review::PATH => review::PATH,
        recommendations::PATH => recommendations::PATH,
        clicks::PATH => clicks::PATH,
        verdicts::PATH => verdicts::PATH,
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

/// What a path asks for, once it is known to be on this instance.
struct Asked {
    shop: String,
    list: ListName,
    item: String,
    partition: Partition,
    state: PartitionState,
}

impl Asked {
    fn new(shared: &Shared, path: ItemPath, known: &[ListName]) -> Result<Self, Refusal> {
        let Path((shop, list, item)) = path.map_err(|_| Refusal::BadPath)?;
        let Some(list) = ListName::find(&list).filter(|list| known.contains(list)) else {
            let known = known.iter().map(|list| list.name()).collect();
            return Err(Refusal::NoSuchList { list, known });
        };
        if shop.contains('/') {
            return Err(Refusal::NoSuchItem { shop, item, counts_as: None }); // no shop's name holds one: it would be another key
        }
        let (partition, state) = shared.state.health.owner(&shop, owner_text(list, &item));
        match state {
            None => Err(Refusal::NotHere { partition, partitions: shared.state.health.rows_partitions() }),
            Some(state) => Ok(Self { shop, list, item, partition, state }),
        }
    }

    /// The row, from the worker that has it. While the partition replays, "not met" means nothing.
    async fn row(&self, shared: &Shared) -> Result<String, Refusal> {
        let ask = shared.state.queries.row(&self.shop, self.list, &self.item);
        match in_time(shared, ask).await? {
            RowAnswer::Found(row) => Ok(row),
            RowAnswer::NoSuchItem if self.state != PartitionState::Live => Err(self.not_ready()),
            RowAnswer::NoSuchItem if self.list.is_shop_wide() => {
                Err(Refusal::NoList { shop: self.shop.clone(), list: self.list.name(), item: self.item.clone() })
            }
            RowAnswer::NoSuchItem => Err(self.no_such_item(None)),
            RowAnswer::CountsAs(parent) => Err(self.no_such_item(Some(parent))),
            RowAnswer::NotHere => {
                let partitions = shared.state.health.rows_partitions();
                Err(Refusal::NotHere { partition: self.partition, partitions })
            }
        }
    }

    fn no_such_item(&self, counts_as: Option<String>) -> Refusal {
        Refusal::NoSuchItem { shop: self.shop.clone(), item: self.item.clone(), counts_as }
    }

    fn not_ready(&self) -> Refusal {
        Refusal::NotReady { partition: self.partition, state: self.state.name() }
    }
}

async fn list(State(shared): State<Arc<Shared>>, path: ItemPath, headers: HeaderMap) -> Result<Response, Refusal> {
    let asked = Asked::new(&shared, path, &shared.state.lists)?;
    let list_name = asked.list.name();
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
    if asked.state != PartitionState::Live || shared.state.view.is_loading() {
        return Err(asked.not_ready());
    }
    if asked.list.is_of_row() {
        asked.row(&shared).await?; // refuses an item that has not been met
    }
    Err(Refusal::NoList { shop: asked.shop, list: list_name, item: asked.item })
}

async fn row(State(shared): State<Arc<Shared>>, path: ItemPath) -> Result<Response, Refusal> {
    let asked = Asked::new(&shared, path, &ListName::ALL)?;
    let row = asked.row(&shared).await?;
    Ok(([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], row).into_response())
}

const OF_COUNTS: &str = "the only parameter is as_of=MS, at most once: a whole number of ms since 1970";

/// Parameters of `/v1/counts`.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct CountsParameters {
    /// Decay weights to this time, in ms since 1970.
    as_of: Option<i64>,
}

async fn all_counts(
    State(shared): State<Arc<Shared>>,
    parameters: Result<Query<CountsParameters>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(parameters) = parameters.map_err(|_| Refusal::BadQuery { expected: OF_COUNTS })?;
    let body = counts::counts(shared, parameters.as_of.map(EventTime)).await?;
    let headers =
        [(header::CONTENT_TYPE, "text/tab-separated-values; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, body).into_response())
}

pub(super) async fn in_time<T>(
    shared: &Shared,
    answer: impl Future<Output = Result<T, AskError>>,
) -> Result<T, Refusal> {
    let limit = shared.state.limits.answer;
    match timeout(limit, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Refusal::TimedOut { limit }),
    }
}
