//! `samenloop warm`: a shop's Redis or Valkey, kept equal to the lists topic; `--once` for jobs, `--verify` to hold it against the topic.

use super::output::stdout;
use super::{Outcome, Sets, UsageError, serving, signals};
use crate::cache::{Cache, Until, Warmer, WarmerParts, verify};
use crate::config::{CacheUrl, INSTANCE, Settings, WarmValue};
use crate::drive::{Follower, SchemaSource, StopAsked, Topic, Transport as _, Vigil, Wake};
use crate::intake::Program;
use crate::kafka::registry::{Registry, RegistryError};
use crate::kafka::topics::{TopicKind, TopicNames};
use crate::kafka::{KafkaTransport, Names, client};
use crate::memory::Sizes;
use crate::publish::codec::{LIST_KEY_SCHEMA, LIST_VALUE_SCHEMA, ListCodec};
use crate::serve::http::{Limits, State};
use crate::serve::query::queries;
use crate::stage::Log;
use crate::warm::{Compared, Reading, Selection, ValueForm};
use crate::watch::health::{HEARTBEAT_AGE_MAX, Health, WARMER};
use crate::watch::metrics::Metrics;
use crate::watch::waits::Outside;
use clap::Args;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

/// How long between two tries of brokers or a registry that do not answer, or do not know the topic.
const PAUSE: Duration = Duration::from_secs(1);
/// What is fetched ahead: lists are many, and large.
const FETCHED_AHEAD: usize = 32 << 20;

const HELP: &str = "\
Reads the topic of lists, and keeps a Redis or Valkey equal to it: docs/warm.md.
  samenloop --config shop.toml --set warm.url=redis://cache:6379 warm
  samenloop --config shop.toml warm --once     # to the topic's end, then exit
  samenloop --config shop.toml warm --verify   # hold the cache against the topic: exit code 3 where they differ

Run it as often as you like: instances with the same group share the work. SIGTERM and Ctrl-C stop it in order.";

/// Keeps a cache equal to the lists.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct WarmArgs {
    #[command(flatten)]
    pub(super) sets: Sets,
    /// Read to where the topic ends now, and exit
    #[arg(long, conflicts_with = "verify")]
    once: bool,
    /// Change nothing: compare the cache with the topic, and say what differs
    #[arg(long)]
    verify: bool,
}

pub(super) fn run(args: WarmArgs, settings: Settings) -> anyhow::Result<Outcome> {
    let Some(url) = &settings.warm.url else {
        let what = "no cache is set: set warm.url, as in --set warm.url=redis://127.0.0.1:6379";
        return Err(UsageError(what.to_owned()).into());
    };
    let stop = Arc::new(AtomicBool::new(false));
    signals::stop_at_signal(&stop)?;
    let topic = TopicNames::new(&settings.topics).name(TopicKind::Lists);
    let cache = Cache::new(url, &settings.warm, &topic)?;
    let (health, metrics) = (Arc::new(Health::new(0, HEARTBEAT_AGE_MAX)), Arc::new(Metrics::new()?));
    health.announce(WARMER);
    let vigil = Arc::new(Vigil::new(WARMER, stop, &health));
    // HTTP first: while brokers or the registry are waited for, it says so.
    let serves = !args.once && !args.verify;
    let server = serves.then(|| serving::start(&settings, state(&health, &metrics), true)).transpose()?.flatten();
    let http = server.as_ref().map(|server| server.address().to_string());
    let warming = Warming { settings: &settings, url, topic, health, metrics, vigil };
    match warming.run(cache, args, http) {
        Err(error) if error.is::<StopAsked>() => Ok(Outcome::Done),
        ran => ran,
    }
}

/// What HTTP serves: figures and health, no lists.
fn state(health: &Arc<Health>, metrics: &Arc<Metrics>) -> State {
    State {
        view: Arc::default(),
        health: Arc::clone(health),
        queries: queries(0).0,
        metrics: Arc::clone(metrics),
        lists: Vec::new(),
        recommending: Arc::default(),
        verdicts: None,
        limits: Limits::default(),
    }
}

struct Warming<'s> {
    settings: &'s Settings,
    url: &'s CacheUrl,
    topic: String,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    vigil: Arc<Vigil>,
}

impl Warming<'_> {
    fn run(self, mut cache: Cache, args: WarmArgs, http: Option<String>) -> anyhow::Result<Outcome> {
        let settings = self.settings;
        let registry = Registry::new(&settings.registry)?.map(Arc::new);
        let reading = self.reading(registry.as_deref())?;
        let schemas = registry.map(|registry| registry as Arc<dyn SchemaSource>);
        let wake = Wake::default();
        let (group, transport) = self.transport(&wake)?;
        let lists = Topic::Log(Log::Lists);
        self.wait_for_topic(&transport.follow(&lists)?)?;
        if args.verify {
            let follower = transport.follow(&lists)?;
            let (compared, unreadable) = verify(&follower, &mut cache, &reading, schemas.as_ref(), &self.vigil)?;
            return tell(&compared, unreadable);
        }
        let reader = transport.join(&group, &lists)?;
        tracing::info!(topic = self.topic, group, cache = %self.url, http, "warming");
        let mut warmer = Warmer::new(WarmerParts {
            reader,
            cache,
            reading,
            schemas,
            lives_ms: settings.warm.lives_ms,
            vigil: self.vigil,
            wake,
            health: self.health,
            metrics: self.metrics,
        });
        warmer.run(if args.once { Until::CaughtUp } else { Until::Stopped })?;
        let done = warmer.tallies();
        tracing::info!(
            records = done.records(),
            set = done.set,
            deleted = done.deleted,
            older = done.older,
            unselected = done.unselected,
            unreadable = done.unreadable,
            "stopped"
        );
        let is_whole = !args.once || done.unreadable == 0;
        Ok(if is_whole { Outcome::Done } else { Outcome::DoneWithRejects })
    }

    fn transport(&self, wake: &Wake) -> anyhow::Result<(String, KafkaTransport)> {
        let settings = self.settings;
        let client = client::base(&settings.kafka, settings.log.level)?;
        let names = Names {
            client,
            instance: settings.kafka.properties.get(INSTANCE).cloned(),
            prefix: String::new(), // the group's name is whole
            logs: [Log::Events, Log::Pairs, Log::Totals, Log::Lists].map(|log| (log, self.topic.clone())),
            sources: BTreeMap::new(),
            facts: BTreeMap::new(),
            rejects: String::new(),
            sizes: Sizes { fetched_ahead: FETCHED_AHEAD, ..Sizes::default() },
            held: Arc::default(),
        };
        let transport = KafkaTransport::new(Arc::new(names), Arc::clone(&self.vigil), wake.clone());
        Ok((settings.warm.group(&settings.topics), transport))
    }

    /// A topic that nobody has made yet is waited for, as brokers are.
    fn wait_for_topic(&self, follower: &impl Follower) -> anyhow::Result<()> {
        while follower.partitions()?.is_none() {
            self.vigil.wait(&format_args!("{}: the brokers do not know it; see `samenloop topics`", self.topic))?;
            thread::sleep(PAUSE);
        }
        self.vigil.note_answer();
        Ok(())
    }

    /// Reads lists in either form. Those of Avro are read faster where the registry knows the schemas of this release.
    fn reading(&self, registry: Option<&Registry>) -> anyhow::Result<Reading> {
        let own = registry.map(|registry| self.own_schemas(registry)).transpose()?.flatten();
        let codec = match own {
            Some([key_id, value_id]) => ListCodec::avro(key_id, value_id)?,
            None => ListCodec::json()?,
        };
        let warm = &self.settings.warm;
        let form = match &warm.value {
            WarmValue::Record => ValueForm::Record,
            WarmValue::Ids => ValueForm::Ids,
            WarmValue::Transform(text) => {
                let program = Program::compile(text).map_err(|what| UsageError(format!("warm.transform: {what}")))?;
                ValueForm::Program { text: text.clone(), program }
            }
        };
        Ok(Reading::new(codec, form, Selection { lists: warm.lists.clone(), shops: warm.shops.clone() }))
    }

    fn own_schemas(&self, registry: &Registry) -> anyhow::Result<Option<[u32; 2]>> {
        let id = |part: &str, schema: &str| registry.lookup(&format!("{}-{part}", self.topic), schema);
        loop {
            match id("key", LIST_KEY_SCHEMA).and_then(|key| Ok((key, id("value", LIST_VALUE_SCHEMA)?))) {
                Ok((key, value)) => {
                    self.vigil.note_answer_of(Outside::Registry);
                    return Ok(key.zip(value).map(|(key, value)| [key, value]));
                }
                Err(error @ RegistryError::Unavailable { .. }) => {
                    self.vigil.wait_for(Outside::Registry, &error)?;
                    thread::sleep(PAUSE);
                }
                Err(RegistryError::NotFound { .. }) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// What differs, on stdout.
fn tell(compared: &Compared, unreadable: u64) -> anyhow::Result<Outcome> {
    let mut out = stdout();
    let Compared { equal, missing, differing, too_many } = compared;
    writeln!(out, "equal      {equal}")?;
    for (name, (count, examples)) in [("missing", missing), ("differing", differing), ("too many", too_many)] {
        writeln!(out, "{name:10} {count}")?;
        for key in examples {
            writeln!(out, "           {key}")?;
        }
    }
    if unreadable > 0 {
        writeln!(out, "unreadable {unreadable} records of the topic")?;
    }
    out.flush()?;
    Ok(if compared.is_equal() { Outcome::Done } else { Outcome::DoneWithRejects })
}
