//! `samenloop run`: the service on Kafka, until it is told to stop.
//!
//! Refused before anything is read: topics that are missing or would lose data, sources without a topic, lists as Avro
//! without a registry.

use super::{Outcome, Sets, UsageError, assembly, serving, signals};
use crate::config::{OutputFormat, Settings, SourceSettings};
use crate::kafka::admin::Admin;
use crate::kafka::lists::{ListCodec, publish_schemas};
use crate::kafka::registry::{Registry, RegistryError};
use crate::kafka::topics::{Severity, TopicKind, TopicNames, partitions_or_refuse};
use crate::kafka::{Plan, Service, SourceOfRun, client};
use crate::stage::{Clocked, Log};
use clap::Args;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// How long between two tries of a registry that does not answer.
const REGISTRY_PAUSE: Duration = Duration::from_secs(3);

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
    signals::stop_at_signal(&stop)?;
    let plan = plan(&settings, &stop)?;
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

fn plan(settings: &Settings, stop: &AtomicBool) -> anyhow::Result<Plan> {
    let client = client::base(&settings.kafka, settings.log.level)?;
    let sources: Vec<SourceOfRun> =
        settings.sources.iter().filter(|source| source.topic.is_some()).map(source).collect::<anyhow::Result<_>>()?;
    if sources.is_empty() {
        let what =
            "no source has a topic: set [[source]] name and topic in the settings, a file that --config FILE names";
        return Err(UsageError(what.to_owned()).into());
    }
    let inspection = Admin::new(settings)?.inspect(settings)?;
    for report in &inspection.own {
        for warning in report.differences.iter().filter(|difference| difference.severity != Severity::Error) {
            tracing::warn!(topic = report.name, "{warning}");
        }
    }
    let partitions = partitions_or_refuse(&inspection.own)?;
    let missing = inspection.sources.iter().filter(|source| source.partitions.is_none());
    let missing: Vec<String> = missing.map(|source| format!("{} (source {})", source.topic, source.source)).collect();
    if !missing.is_empty() {
        let what = "samenloop makes no topic of yours: make it, mend the name, or see that this user may Describe it";
        anyhow::bail!("these topics of sources are not there: {}. {what}", missing.join(", "));
    }
    let names = TopicNames::new(&settings.topics);
    let name = |kind| names.name(kind);
    let registry = Registry::new(&settings.registry)?.map(Arc::new);
    if let (Some(source), None) = (sources.iter().find(|source| source.mapping.needs_registry()), &registry) {
        let name = &source.name;
        let what = format!(
            "source {name}: its records name their schemas by the ids of a schema registry, and none is set: set \
             registry.url, or schema_file where they are bare Avro"
        );
        return Err(UsageError(what).into());
    }
    let codec = match (settings.output.format, &registry) {
        (OutputFormat::Json, _) => ListCodec::json()?,
        (OutputFormat::Avro, Some(registry)) => registered(registry, settings, &name(TopicKind::Lists), stop)?,
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
            (Log::Events, name(TopicKind::Events)),
            (Log::Pairs, name(TopicKind::Pairs)),
            (Log::Totals, name(TopicKind::Totals)),
            (Log::Lists, name(TopicKind::Lists)),
        ],
        rejects: name(TopicKind::Rejects),
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

/// The codec of lists, their schemas registered. A registry that is away is waited for.
fn registered(registry: &Registry, settings: &Settings, lists: &str, stop: &AtomicBool) -> anyhow::Result<ListCodec> {
    loop {
        match publish_schemas(registry, &settings.registry, lists) {
            Err(error) if is_transient(&error) && !stop.load(Ordering::Relaxed) => {
                tracing::warn!("waiting for the schema registry, to register the lists' schemas: {error:#}");
                thread::sleep(REGISTRY_PAUSE);
            }
            published => return published,
        }
    }
}

/// Whether the registry did not answer, rather than said no.
fn is_transient(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref::<RegistryError>(), Some(RegistryError::Unavailable { .. }))
}

fn source(source: &SourceSettings) -> anyhow::Result<SourceOfRun> {
    let name = &source.name;
    let mapping = assembly::mapping(source)?;
    Ok(SourceOfRun {
        name: Arc::from(name.as_str()),
        topic: source.topic.clone().unwrap_or_default(),
        mapping: Arc::new(mapping),
        start: source.start,
    })
}
