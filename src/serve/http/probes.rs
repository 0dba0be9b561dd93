//! `/livez` and `/readyz`: what supervisors and balancers ask. They are answered from memory, whatever else is asked.
//!
//! An instance is ready when what is on it is live: then its lists are as good as any. Who waits for something outside is
//! named, ready or not: without brokers, or with one source without its registry, the lists can be served, and taking
//! every instance out of service would help nobody.

use super::Shared;
use crate::watch::health::{Health, PartitionState, Standing, WARMER};
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) async fn livez(State(shared): State<Arc<Shared>>) -> Response {
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

pub(super) async fn readyz(State(shared): State<Arc<Shared>>) -> Response {
    let health = &shared.state.health;
    let (standings, waits) = (health.partitions(), waits(health));
    if health.is_ready() {
        return uncached(StatusCode::OK, json!({ "ready": true, "partitions": standings.len(), "waits": waits }));
    }
    let body = json!({
        "ready": false,
        "error": "not_ready",
        "message": why_not_ready(health, &standings),
        "waiting": standings.iter().filter(|standing| !is_live(standing)).map(as_json).collect::<Vec<_>>(),
        "unread": unread(health),
        "waits": waits,
    });
    uncached(StatusCode::SERVICE_UNAVAILABLE, body)
}

fn is_live(standing: &Standing) -> bool {
    standing.state == PartitionState::Live
}

/// All reasons, what has to come first at the front.
fn why_not_ready(health: &Health, standings: &[Standing]) -> String {
    let mut reasons = Vec::new();
    let (of_facts, others): (Vec<_>, Vec<_>) =
        health.waiting().into_iter().partition(|worker| worker.starts_with("facts-"));
    let (of_cache, unsettled): (Vec<_>, Vec<_>) = others.into_iter().partition(|worker| **worker == *WARMER);
    let unsettled = unsettled.len();
    let behind = standings.iter().filter(|standing| !is_live(standing)).count();
    if unsettled > 0 {
        reasons.push(format!(
            "{unsettled} workers have not heard from their consumer groups yet which partitions are theirs"
        ));
    } else if !of_cache.is_empty() {
        reasons.push("the cache does not hold all yet that the lists topic held at the start".to_owned());
    } else if standings.is_empty() {
        reasons.push("no partition is on this instance yet".to_owned());
    }
    if !of_facts.is_empty() {
        reasons.push("not all facts about items have been read yet".to_owned());
    }
    if behind > 0 {
        reasons.push(format!("{behind} of {} partitions are not live", standings.len()));
    }
    for standing in standings {
        // While something is left to read, what is missing may still come.
        if let PartitionState::CatchingUp { records_left: 0, gaps: gaps @ 1.. } = standing.state {
            let (stage, partition) = (standing.stage.name(), standing.partition.0);
            reasons.push(format!(
                "{stage}-{partition} has read all there is, but something is missing from {gaps} partitions of sources (a gap in \
                 the log before it): it becomes live when their writers have sent it again"
            ));
        }
    }
    for (source, standing) in health.waits().topics() {
        if !standing.unread.is_empty() {
            let (unread, all) = (standing.unread.len(), standing.partitions);
            reasons.push(format!("{unread} of {all} partitions of source {source} have no reader yet"));
        }
    }
    for wait in health.waits().all() {
        reasons.push(format!("{} has been waiting for {} for {} s", wait.who, wait.what, wait.lasts.as_secs()));
    }
    reasons.join("; ")
}

fn as_json(standing: &Standing) -> Value {
    let mut entry = json!({
        "stage": standing.stage.name(), "partition": standing.partition.0, "state": standing.state.name(),
    });
    if let PartitionState::CatchingUp { records_left, gaps } = standing.state {
        entry["records_left"] = json!(records_left);
        if gaps > 0 {
            entry["gaps"] = json!(gaps);
        }
    }
    entry
}

fn unread(health: &Health) -> Vec<Value> {
    let topics = health.waits().topics().into_iter().filter(|(_, standing)| !standing.unread.is_empty());
    let numbers = |partitions: &[crate::position::Partition]| partitions.iter().map(|it| it.0).collect::<Vec<_>>();
    topics.map(|(source, standing)| json!({ "source": &*source, "partitions": numbers(&standing.unread) })).collect()
}

fn waits(health: &Health) -> Vec<Value> {
    let all = health.waits().all().into_iter();
    all.map(|wait| json!({ "who": wait.who, "for": wait.what, "seconds": wait.lasts.as_secs() })).collect()
}

fn uncached(status: StatusCode, body: Value) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}
