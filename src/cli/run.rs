//! `samenloop run`: the service on Kafka, until it is told to stop.
//!
//! Refused before anything is read: topics that are missing or would lose data, sources without a topic, lists as Avro
//! without a registry.

use super::{Outcome, Sets, UsageError, assembly, serving};
use crate::config::{OutputFormat, Settings, SourceSettings};
use crate::edge::kafka::{self, Plan, Service, SourceOfRun, TopicNames};
use crate::edge::lists::{ListCodec, publish_schemas};
use crate::edge::registry::Registry;
use crate::stage::{Clocked, Log};
use anyhow::Context as _;
use clap::Args;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

const HELP: &str = "\
Reads the topics of the settings' sources, and publishes lists to a topic. Make the topics first:
  samenloop --config shop.toml topics --create
  samenloop --config shop.toml check --sample 10
  samenloop --config shop.toml run

Run it as often as you like: instances with the same topics.prefix share the work. SIGTERM and Ctrl-C stop it in order.";

/// Runs the service on Kafka.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(super) sets: Sets,
}

pub(super) fn run(_args: RunArgs, settings: Settings) -> anyhow::Result<Outcome> {
    let stop = Arc::new(AtomicBool::new(false));
    serving::stop_at_signal(&stop)?;
    let plan = plan(&settings)?;
    let (topics, partitions) = (plan.sources.len(), (plan.events_partitions, plan.pairs_partitions));
    let (service, state) = Service::start(plan)?;
    let server = serving::start(&settings, state, false)?;
    let url = server.as_ref().map(|server| server.address().to_string());
    let (events_partitions, pairs_partitions) = partitions;
    tracing::info!(topics, events_partitions, pairs_partitions, http = url, "running");
    service.run(&stop)?;
    tracing::info!("stopped");
    Ok(Outcome::Done)
}

fn plan(settings: &Settings) -> anyhow::Result<Plan> {
    let client = kafka::base(&settings.kafka);
    let sources: Vec<SourceOfRun> =
        settings.sources.iter().filter(|source| source.topic.is_some()).map(source).collect::<anyhow::Result<_>>()?;
    if sources.is_empty() {
        let what = "no source has a topic: set [[source]] name and topic in the settings";
        return Err(UsageError(what.to_owned()).into());
    }
    let names = TopicNames::new(&settings.topics.prefix);
    let partitions = kafka::partitions_or_refuse(&client, &names)?;
    let registry = Registry::new(&settings.registry)?.map(Arc::new);
    let codec = match (settings.output.format, &registry) {
        (OutputFormat::Json, _) => ListCodec::json()?,
        (OutputFormat::Avro, Some(registry)) => publish_schemas(registry, &settings.registry, &names.lists)?,
        (OutputFormat::Avro, None) => {
            let what = "lists are written as Avro, but no schema registry is set: set registry.url, or output.format = \"json\"";
            return Err(UsageError(what.to_owned()).into());
        }
    };
    let mut counted = settings.clone();
    counted.logs.events_partitions = partitions.events;
    counted.logs.pairs_partitions = partitions.pairs;
    Ok(Plan {
        client,
        prefix: settings.topics.prefix.clone(),
        logs: [
            (Log::Events, names.events),
            (Log::Pairs, names.pairs),
            (Log::Totals, names.totals),
            (Log::Lists, names.lists),
        ],
        rejects: names.rejects,
        events_partitions: partitions.events,
        pairs_partitions: partitions.pairs,
        setup: assembly::setup(&counted, Vec::new(), Clocked::Wall),
        align_ms: settings.intake.align_ms,
        sources,
        codec,
        registry,
        workers: settings.workers,
        lists: serving::published_lists(settings),
    })
}

fn source(source: &SourceSettings) -> anyhow::Result<SourceOfRun> {
    let name = &source.name;
    let mapping =
        source.mapping.compile().with_context(|| UsageError(format!("source {name}: its mapping cannot be used")))?;
    Ok(SourceOfRun {
        name: Arc::from(name.as_str()),
        topic: source.topic.clone().unwrap_or_default(),
        mapping: Arc::new(mapping),
        start: source.start,
    })
}
