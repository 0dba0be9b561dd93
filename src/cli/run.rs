//! `samenloop run`: the service on Kafka, until it is told to stop.
//!
//! Refused before anything is read: topics that are missing or would lose data, sources without a topic, lists as Avro
//! without a registry.

use super::{Outcome, Sets, UsageError, assembly, facts, memory, serving, signals};
use crate::config::{FactsSourceSettings, INSTANCE, OutputFormat, Settings, SourceSettings};
use crate::drive::{FactsFeed, Plan, SchemaSource, Snapshots, SourcePlan, StopAsked, Vigil};
use crate::facts::{Facts, FactsTopic};
use crate::intake::FactSpec;
use crate::kafka::admin::{Admin, Inspection};
use crate::kafka::lists::publish_schemas;
use crate::kafka::registry::{Registry, RegistryError};
use crate::kafka::topics::{LogPartitions, Severity, TopicKind, TopicNames, partitions_or_refuse};
use crate::kafka::verdicts::VerdictWriter;
use crate::kafka::{Names, Standby, client};
use crate::memory::{Budget, Held, Part, Sizes};
use crate::publish::codec::ListCodec;
use crate::serve::verdicts::{VerdictDesk, VerdictPlace};
use crate::snapshot::SnapshotStore;
use crate::stage::{Clocked, Log};
use crate::watch::waits::Outside;
use clap::Args;
use rdkafka::ClientConfig;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

/// How long between two tries of brokers that do not answer.
const BROKERS_PAUSE: Duration = Duration::from_secs(1);
/// How long between two tries to reach the snapshot store.
const STORE_PAUSE: Duration = Duration::from_secs(1);
/// What snapshots are called after where topics have no prefix.
const UNNAMED: &str = "unnamed";
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
    let (sources, topics) = sources(&settings)?;
    let client = client::base(&settings.kafka, settings.log.level)?;
    // HTTP first: while brokers or the registry are waited for, it says so.
    let (standby, mut state) = Standby::new(settings.workers, &stop)?;
    state.lists = serving::published_lists(&settings);
    state.recommending = serving::recommending(&settings, None);
    let recommending = Arc::clone(&state.recommending);
    state.verdicts = VerdictDesk::new(settings.http.token.reveal());
    let desk = state.verdicts.clone();
    let server = serving::start(&settings, state, false)?;
    let url = server.as_ref().map(|server| server.address().to_string());
    let vigil = standby.vigil();
    let ready = prepare(&settings, sources, &vigil);
    let (plan, partitions, budget) = match ready {
        Err(error) if error.is::<StopAsked>() => return Ok(Outcome::Done),
        ready => ready?,
    };
    if let Some(facts) = plan.facts() {
        let _first = recommending.facts.set(Arc::clone(facts));
    }
    if let Some(budget) = &budget {
        standby.metrics().set_budget(budget);
    }
    let held = Arc::clone(standby.metrics().held());
    let names = names(&settings, client, topics, (plan.sizes, held));
    // Ends when the service has: before HTTP, which then says that nobody writes any more.
    let _writer = desk.map(|desk| take_verdicts(&settings, &names.client, &desk, plan.facts())).transpose()?;
    let sources = plan.sources.len();
    let service = standby.start(plan, names, vigil)?;
    let LogPartitions { events, pairs } = partitions;
    tracing::info!(sources, events_partitions = events, pairs_partitions = pairs, http = url, "running");
    service.run(&stop)?;
    tracing::info!("stopped");
    Ok(Outcome::Done)
}

/// What topics and groups are called; how large clients' buffers may be, and where they say what they hold.
pub(super) fn names(
    settings: &Settings,
    client: ClientConfig,
    sources: SourceTopics,
    (sizes, held): (Sizes, Arc<Held>),
) -> Names {
    let own = TopicNames::new(&settings.topics);
    let name = |kind| own.name(kind);
    Names {
        client,
        instance: settings.kafka.properties.get(INSTANCE).cloned(),
        prefix: settings.topics.prefix.clone(),
        logs: [
            (Log::Events, name(TopicKind::Events)),
            (Log::Pairs, name(TopicKind::Pairs)),
            (Log::Totals, name(TopicKind::Totals)),
            (Log::Lists, name(TopicKind::Lists)),
        ],
        sources,
        facts: facts_topics(settings),
        rejects: name(TopicKind::Rejects),
        sizes,
        held,
    }
}

/// Opens the desk of verdicts; gives who writes them, if anybody can.
fn take_verdicts(
    settings: &Settings,
    client: &ClientConfig,
    desk: &VerdictDesk,
    facts: Option<&Arc<Facts>>,
) -> anyhow::Result<Option<VerdictWriter>> {
    let own = format!("{}verdicts", settings.topics.prefix);
    let missing = match settings.facts.source(FactsTopic::Verdicts) {
        None => format!(
            "no topic takes verdicts: set [facts.verdicts] topic = \"{own}\"; `samenloop topics --create` makes it"
        ),
        Some(FactsSourceSettings { topic: None, .. }) => {
            format!("verdicts come from a file: set [facts.verdicts] topic = \"{own}\" instead")
        }
        Some(source) if source.mapping != FactSpec::new(FactsTopic::Verdicts) => {
            "the topic of verdicts is mapped from a form that is not ours: write to the topic itself, or leave format, \
             key_format, key, transform and fields out of [facts.verdicts]"
                .to_owned()
        }
        Some(FactsSourceSettings { topic: Some(topic), .. }) => {
            let Some(facts) = facts else { anyhow::bail!("a topic of verdicts without facts: please report it") };
            let (writer, jobs) = VerdictWriter::start(client, topic, facts)?;
            desk.open(VerdictPlace { facts: Some(Arc::clone(facts)), writer: Ok(jobs) });
            tracing::info!(topic, "verdicts are taken over http");
            return Ok(Some(writer));
        }
    };
    tracing::warn!("http.token is set, and verdicts cannot be written: {missing}");
    desk.open(VerdictPlace { facts: facts.cloned(), writer: Err(missing) });
    Ok(None)
}

/// Topics, by the names of their sources.
pub(super) type SourceTopics = BTreeMap<Arc<str>, String>;

/// The topics of facts.
fn facts_topics(settings: &Settings) -> BTreeMap<FactsTopic, String> {
    settings.facts.sources.iter().filter_map(|source| Some((source.kind(), source.topic.clone()?))).collect()
}

/// The sources that have a topic, and the topics by their names.
fn sources(settings: &Settings) -> anyhow::Result<(Vec<SourcePlan>, SourceTopics)> {
    let (mut plans, mut topics) = (Vec::new(), BTreeMap::new());
    for source in &settings.sources {
        if let Some(topic) = &source.topic {
            let plan = self::source(source)?;
            topics.insert(plan.name.clone(), topic.clone());
            plans.push(plan);
        }
    }
    if plans.is_empty() {
        let what =
            "no source has a topic: set [[source]] name and topic in the settings, a file that --config FILE names";
        return Err(UsageError(what.to_owned()).into());
    }
    Ok((plans, topics))
}

/// All that the workers need, once brokers and registry have answered.
fn prepare(
    settings: &Settings,
    sources: Vec<SourcePlan>,
    vigil: &Vigil,
) -> anyhow::Result<(Plan, LogPartitions, Option<Budget>)> {
    let registry = Registry::new(&settings.registry)?.map(Arc::new);
    if let (Some(source), None) = (sources.iter().find(|source| source.mapping.form().needs_registry()), &registry) {
        let name = &source.name;
        let what = format!(
            "source {name}: its records name their schemas by the ids of a schema registry, and none is set: set \
             registry.url, or schema_file where they are bare Avro"
        );
        return Err(UsageError(what).into());
    }
    let inspection = inspect(settings, vigil)?;
    for report in &inspection.own {
        for warning in report.differences.iter().filter(|difference| difference.severity != Severity::Error) {
            tracing::warn!(topic = report.name, "{warning}");
        }
    }
    for report in &inspection.facts {
        if report.partitions.is_none() {
            tracing::warn!(topic = report.name, "{}", report.says());
        }
        if let Some(warning) = &report.warning {
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
    if let Some(fault) = inspection.too_many_partitions() {
        return Err(UsageError(fault).into());
    }
    let budget = budget(settings, &inspection)?;
    let sizes = budget.as_ref().map(|budget| budget.sizes).unwrap_or_default();
    let lists = TopicNames::new(&settings.topics).name(TopicKind::Lists);
    let codec = match (settings.output.format, &registry) {
        (OutputFormat::Json, _) => ListCodec::json()?,
        (OutputFormat::Avro, Some(registry)) => registered(registry, settings, &lists, vigil)?,
        (OutputFormat::Avro, None) => {
            let what = "lists are written as Avro, but no schema registry is set: set registry.url, or output.format = \"json\"";
            return Err(UsageError(what.to_owned()).into());
        }
    };
    let mut counted = settings.clone();
    counted.logs.events_partitions = partitions.events;
    counted.logs.pairs_partitions = partitions.pairs;
    counted.logs.block_bytes = counted.logs.block_bytes.min(sizes.block as u64);
    let known = facts::known(settings)?;
    let (facts, feed) = match known {
        Some(known) => {
            known.tell();
            (Some(known.facts), Some(known.feed))
        }
        None => (None, None),
    };
    let needs_registry = |feed: &FactsFeed| feed.sources.iter().any(|source| source.mapping.form().needs_registry());
    if feed.as_ref().is_some_and(needs_registry) && registry.is_none() {
        let what = "facts: records of a topic name their schemas by the ids of a schema registry, and none is set: set registry.url, or \
                    schema_file where they are bare Avro";
        return Err(UsageError(what.to_owned()).into());
    }
    let plan = Plan {
        snapshots: snapshots(settings, vigil)?,
        setup: assembly::setup(&counted, Clocked::Wall, facts),
        feed,
        events_partitions: partitions.events,
        pairs_partitions: partitions.pairs,
        sources,
        align_ms: settings.intake.align_ms,
        gap_wait_ms: settings.logs.gap_wait_ms,
        sizes,
        codec,
        schemas: registry.map(|registry| registry as Arc<dyn SchemaSource>),
    };
    Ok((plan, partitions, budget))
}

/// What the process may take, dealt out; said in the log.
fn budget(settings: &Settings, inspection: &Inspection) -> anyhow::Result<Option<Budget>> {
    let Some((budget, whence)) = memory::deal(settings, inspection)? else {
        tracing::warn!(
            "nothing says how much memory there is: buffers are as large as they are of use. Set memory.budget"
        );
        return Ok(None);
    };
    let (bytes, state) = (budget.bytes, budget.given(Part::State));
    tracing::info!(bytes, state, from = whence, "memory: what each part may take is in samenloop_memory_planned_bytes");
    tracing::debug!("memory: {budget}");
    Ok(Some(budget))
}

/// What snapshots are called after.
pub(super) fn scope(settings: &Settings) -> &str {
    if settings.topics.prefix.is_empty() { UNNAMED } else { &settings.topics.prefix }
}

/// Where states are kept, if anywhere. A store that does not answer is waited for.
pub(super) fn snapshots(settings: &Settings, vigil: &Vigil) -> anyhow::Result<Option<Snapshots>> {
    let Some(url) = &settings.snapshots.url else {
        tracing::warn!(
            "snapshots.url is not set: every start reads the internal logs from their beginning, and they grow for ever"
        );
        return Ok(None);
    };
    let store = SnapshotStore::open(url)?;
    let store_id = loop {
        // What this process may not use is said at once: while it runs, it waits.
        match store.id().and_then(|id| store.count(scope(settings)).map(|_| id)) {
            Err(error) if error.is_transient() => vigil.wait_for(Outside::Store, &error)?,
            answered => {
                vigil.note_answer_of(Outside::Store);
                break answered?;
            }
        }
        thread::sleep(STORE_PAUSE);
    };
    Ok(Some(Snapshots {
        store,
        scope: Arc::from(scope(settings)),
        store_id,
        interval_ms: settings.snapshots.interval_ms,
        keep: settings.snapshots.keep,
        keep_events_ms: settings.snapshots.keep_events_ms,
        instance: Arc::from(format!(
            "process {} of {}",
            std::process::id(),
            std::env::var("HOSTNAME").unwrap_or_default()
        )),
        is_inline: false,
    }))
}

/// What there is on the brokers. Brokers that are away are waited for.
fn inspect(settings: &Settings, vigil: &Vigil) -> anyhow::Result<Inspection> {
    let admin = Admin::new(settings)?;
    loop {
        match admin.inspect(settings) {
            Err(error) if error.is_passing() => vigil.wait(&error)?,
            inspected => {
                vigil.note_answer();
                return Ok(inspected?);
            }
        }
        thread::sleep(BROKERS_PAUSE);
    }
}

/// The codec of lists, their schemas registered. A registry that is away is waited for.
fn registered(registry: &Registry, settings: &Settings, lists: &str, vigil: &Vigil) -> anyhow::Result<ListCodec> {
    loop {
        match publish_schemas(registry, &settings.registry, lists) {
            Err(error) if is_transient(&error) => {
                vigil.wait_for(Outside::Registry, &format_args!("to register the lists' schemas: {error:#}"))?;
                thread::sleep(REGISTRY_PAUSE);
            }
            published => {
                vigil.note_answer_of(Outside::Registry);
                return published;
            }
        }
    }
}

/// Whether the registry did not answer, rather than said no.
fn is_transient(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref::<RegistryError>(), Some(RegistryError::Unavailable { .. }))
}

fn source(source: &SourceSettings) -> anyhow::Result<SourcePlan> {
    let mapping = assembly::mapping(source)?;
    Ok(SourcePlan { name: Arc::from(source.name.as_str()), mapping: Arc::new(mapping), start: source.start })
}
