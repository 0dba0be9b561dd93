//! `samenloop run` as processes on a real broker: several instances of one settings file, killed or stopped, asked over HTTP
//! and by what they leave in the topics.

#![allow(dead_code)] // each test that includes this file uses a part of it

use super::broker::Broker;
use super::command::{self, Ended};
use super::kafka::{self, Rec, wait_until};
use super::recount::{self, Event, Row};
use super::rig;
use samenloop::wire::{EventsBlock, Kind, PairsBlock, Section, kind_of};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// From a process's start to its port, and to `/readyz`. Two cores may be busy with other tests.
const UP_MAX: Duration = Duration::from_secs(60);
const READY_MAX: Duration = Duration::from_secs(90);
const REST_MAX: Duration = Duration::from_secs(120);
/// Nothing that ends by itself takes as long.
const COMMAND_MAX: Duration = Duration::from_secs(60);
const STOPPED_MAX: Duration = Duration::from_secs(40);
/// Nothing is published any more when nothing was for so long: three times `publish.rest_after`.
const CALM: Duration = Duration::from_secs(3);
const ANSWER_MAX: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(100);
const COUNTS_BYTES_MAX: u64 = 64 << 20;
const LOG_LINES_SHOWN: usize = 30;

/// What a row counts: its kind, shop, relation and two more.
type Counted = (&'static str, String, String, String, String);

/// Settings of one service, and where its topics are. Exact: nothing is pruned, every change is news.
pub struct House {
    pub broker: &'static Broker,
    /// How instances reach it, if not as the tests do.
    pub way: Option<String>,
    pub prefix: String,
    pub folder: command::Folder,
    /// Name and topic of each source, with more lines of its table.
    pub sources: Vec<(String, String, String)>,
    /// More properties of `[kafka]`.
    pub kafka: String,
    /// Lists as JSON, unless this says otherwise.
    pub output: String,
    /// Settings that this test changes, as `[section]` tables.
    pub more: String,
    pub partitions: (u32, u32),
}

impl House {
    /// On the shared broker, with topics of its own and no source.
    pub fn new(purpose: &str) -> Self {
        Self::on(Broker::shared(), purpose)
    }

    /// On a broker of this test's own, which ends with the process.
    pub fn apart(purpose: &str) -> Self {
        Self::on(Box::leak(Box::new(Broker::start())), purpose)
    }

    /// On a broker of this test's own that instances reach by another address than the test itself.
    pub fn behind(broker: Broker, purpose: &str, way: &str) -> Self {
        Self { way: Some(way.to_owned()), ..Self::on(Box::leak(Box::new(broker)), purpose) }
    }

    fn on(broker: &'static Broker, purpose: &str) -> Self {
        Self {
            broker,
            way: None,
            prefix: format!("{}.", broker.topic(purpose)),
            folder: command::Folder::new(),
            sources: Vec::new(),
            kafka: String::new(),
            output: "[output]\nformat = \"json\"\n".to_owned(),
            more: String::new(),
            partitions: (3, 4),
        }
    }

    /// Makes a topic for a source and adds the source. Gives the topic.
    pub fn source(&mut self, name: &str, partitions: i32, configs: &[(&str, &str)], more: &str) -> String {
        let topic = self.broker.topic(name);
        kafka::create_topic(self.broker.bootstrap(), &topic, partitions, configs);
        self.sources.push((name.to_owned(), topic.clone(), more.to_owned()));
        topic
    }

    /// One of samenloop's own topics.
    pub fn own(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Writes the settings; gives the file.
    pub fn settings(&self) -> String {
        let Self { prefix, sources, kafka, output, more, partitions: (events, pairs), .. } = self;
        let bootstrap = self.way.as_deref().unwrap_or(self.broker.bootstrap());
        let mut text = format!(
            "[kafka]\nbootstrap.servers = \"{bootstrap}\"\nsession.timeout.ms = 6000\nheartbeat.interval.ms = 500\n{kafka}\
             [topics]\nprefix = \"{prefix}\"\n\
             [logs]\nevents_partitions = {events}\npairs_partitions = {pairs}\nblock_records = 100\ngap_wait = \"5s\"\n\
             [counting]\nrow_max = 0\nforget_after = \"3650d\"\n\
             [publish]\nrest_after = \"1s\"\nmin_score_step = 0.0\n\
             [http]\nlisten = \"127.0.0.1:0\"\n{output}{more}"
        );
        for (name, topic, more) in sources {
            text.push_str(&format!("[[source]]\nname = \"{name}\"\ntopic = \"{topic}\"\n{more}"));
        }
        self.folder.write("service.toml", text)
    }

    /// Runs a command with these settings to its end: a `run` that is not refused, as it should be, would have none.
    #[track_caller]
    pub fn command(&self, arguments: &[&str]) -> Ended {
        let file = self.settings();
        let mut command = command::samenloop(&[&["--config", &file], arguments].concat());
        let outputs = ["stdout", "stderr"].map(|name| self.folder.path(name));
        let [stdout, stderr] = outputs.each_ref().map(|path| File::create(path).unwrap());
        let mut process = command.stdout(stdout).stderr(stderr).spawn().unwrap();
        let deadline = Instant::now() + COMMAND_MAX;
        let status = loop {
            match process.try_wait().unwrap() {
                Some(status) => break Some(status),
                None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(20)),
                None => break None,
            }
        };
        if status.is_none() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
        let [stdout, stderr] = outputs.map(|path| fs::read_to_string(path).unwrap());
        assert!(status.is_some(), "{arguments:?} goes on and on\n{stdout}{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
        Ended { code: status.and_then(|status| status.code()), stdout, stderr }
    }

    /// Starts a command with these settings, and kills it as soon as `is_time` says so of what it has written. It must not have ended by then.
    #[track_caller]
    pub fn killed(&self, arguments: &[&str], mut is_time: impl FnMut(&str) -> bool) {
        let file = self.settings();
        let mut command = command::samenloop(&[&["--config", &file], arguments].concat());
        let (stdout, deadline) = (self.folder.path("killed"), Instant::now() + COMMAND_MAX);
        let mut process = command.stdout(File::create(&stdout).unwrap()).stderr(Stdio::inherit()).spawn().unwrap();
        let said = || fs::read_to_string(&stdout).unwrap();
        while !is_time(&said()) {
            assert_eq!(process.try_wait().unwrap(), None, "it has ended: {}", said());
            assert!(Instant::now() < deadline, "{arguments:?} does not come so far: {}", said());
            std::thread::sleep(Duration::from_millis(5));
        }
        process.kill().unwrap();
        assert!(process.wait().unwrap().code().is_none(), "it had ended by itself: {}", said());
    }

    /// `samenloop topics --create`.
    pub fn create_topics(&self) {
        let ended = self.command(&["topics", "--create"]);
        assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
        assert_eq!(ended.stdout.matches(": made").count(), 5, "{}", ended.stdout);
    }

    /// Starts an instance and waits until it has asked the brokers what there is.
    pub fn start(&self, name: &str) -> Instance {
        let mut instance = self.start_alone(name);
        wait_until("it runs", UP_MAX, || {
            instance.assert_runs();
            instance.log().contains(" running ").then_some(())
        });
        instance
    }

    /// Starts an instance and waits for its port: brokers may be away.
    pub fn start_alone(&self, name: &str) -> Instance {
        self.start_command(name, "run")
    }

    /// The same of another command that serves HTTP.
    pub fn start_command(&self, name: &str, subcommand: &str) -> Instance {
        static STARTS: AtomicU32 = AtomicU32::new(0);
        let file = self.settings();
        let log = self.folder.path(&format!("{name}-{}.log", STARTS.fetch_add(1, Ordering::Relaxed)));
        let mut command = command::samenloop(&["--config", &file, subcommand]);
        let process = command.stdout(Stdio::null()).stderr(File::create(&log).unwrap()).spawn().unwrap();
        let mut instance = Instance { name: name.to_owned(), process, log, address: String::new() };
        let deadline = Instant::now() + UP_MAX;
        while instance.address.is_empty() {
            instance.assert_runs();
            assert!(Instant::now() < deadline, "{name}: no port\n{}", instance.log_tail());
            std::thread::sleep(Duration::from_millis(20));
            let text = instance.log();
            let line = text.lines().find(|line| line.contains(" http listens "));
            if let Some(after) = line.and_then(|line| line.split("address=").nth(1)) {
                let address = after.split_whitespace().next().unwrap_or_default();
                instance.address = address.trim_matches('"').to_owned();
            }
        }
        instance
    }

    /// The ends of one of samenloop's own topics.
    pub fn ends(&self, name: &str) -> Vec<i64> {
        kafka::end_offsets(self.broker.bootstrap(), &self.own(name))
    }

    /// What the groups have committed and where the topics that they read end, by group.
    pub fn progress(&self) -> BTreeMap<String, (Vec<Option<i64>>, Vec<i64>)> {
        let sources = self.sources.iter().map(|(name, topic, _)| (format!("intake.{name}"), topic.clone()));
        let logs = [("windows", "events"), ("rows", "pairs")].map(|(group, log)| (group.to_owned(), self.own(log)));
        let bootstrap = self.broker.bootstrap();
        let of = |topic: &str, group: &str| {
            let committed = kafka::committed(bootstrap, &self.own(group), topic);
            (committed, kafka::end_offsets(bootstrap, topic))
        };
        sources.chain(logs).map(|(group, topic)| (group.clone(), of(&topic, &group))).collect()
    }

    /// Whether every group has committed the end of what it reads.
    fn has_read_all(&self) -> bool {
        let is_end = |(committed, end): (&Option<i64>, &i64)| committed.unwrap_or(0) == *end;
        self.progress().values().all(|(committed, ends)| committed.iter().zip(ends).all(is_end))
    }

    /// Until everything is read and ready, and no instance has published anything for a while.
    pub fn wait_rest(&self, instances: &mut [&mut Instance]) {
        let deadline = Instant::now() + REST_MAX;
        let (mut calm_since, mut seen) = (Instant::now(), None);
        loop {
            instances.iter_mut().for_each(|instance| instance.assert_runs());
            let told: Vec<Metrics> = instances.iter().map(|instance| instance.metrics()).collect();
            let lag: f64 = told.iter().map(|metrics| metrics.sum("samenloop_lag_records")).sum();
            let published = |metrics: &Metrics| {
                metrics.sum("samenloop_lists_published_total") + metrics.sum("samenloop_tombstones_total")
            };
            let published: f64 = told.iter().map(published).sum();
            let is_ready = instances.iter().all(|instance| instance.is_ready());
            let is_calm = (lag == 0.0 && is_ready).then_some(published);
            if is_calm.is_none() || is_calm != seen {
                (calm_since, seen) = (Instant::now(), is_calm);
            } else if calm_since.elapsed() >= CALM {
                // Lag is as of the brokers' last answer; what the groups have committed leaves no doubt.
                if self.has_read_all() {
                    return;
                }
                seen = None;
            }
            if Instant::now() > deadline {
                let logs: String = instances.iter().map(|instance| instance.log_tail()).collect();
                let progress = self.progress();
                panic!("no rest: lag {lag}, ready {is_ready}, {published} published, groups {progress:?}\n{logs}");
            }
            std::thread::sleep(LOOK);
        }
    }

    /// The counts of all instances, summed by what they count.
    pub fn counts(&self, instances: &[&Instance], as_of: i64) -> Vec<Row> {
        let mut sums: BTreeMap<Counted, (i64, f64)> = BTreeMap::new();
        for instance in instances {
            let (status, text) = instance.get(&format!("/v1/counts?as_of={as_of}"));
            assert_eq!(status, 200, "{text}");
            for row in text.lines().map(rig::parsed) {
                let sum = sums.entry((row.kind, row.shop, row.relation, row.x, row.y)).or_default();
                *sum = (sum.0 + row.support, sum.1 + row.weight);
            }
        }
        let row =
            |((kind, shop, relation, x, y), (support, weight))| Row { kind, shop, relation, x, y, support, weight };
        let mut rows: Vec<Row> = sums.into_iter().map(row).collect();
        recount::sort(&mut rows);
        rows
    }

    /// Asserts that the instances together count what a recount of `events` counts.
    #[track_caller]
    pub fn assert_counts(&self, instances: &[&Instance], events: &[Event], context: &str) {
        let mut recount = recount::Recount::new(recount::Rules::default());
        events.iter().for_each(|event| recount.event(event));
        let as_of = recount.latest();
        let (want, got) = (recount.rows(as_of), self.counts(instances, as_of));
        assert!(want.len() > 100, "{} rows test nothing", want.len());
        assert_eq!(rig::difference(&want, &got), None, "{context}");
    }

    /// Everything in the lists topic, in order: key and list, nothing where it was withdrawn. Lists are JSON.
    pub fn list_records(&self) -> Vec<(String, Option<Value>)> {
        let records = kafka::read_all(self.broker.bootstrap(), &self.own("lists"));
        let list = |rec: Rec| {
            let key = String::from_utf8(rec.key.unwrap()).unwrap();
            (key, rec.value.map(|value| serde_json::from_slice(&value).unwrap()))
        };
        records.into_iter().map(list).collect()
    }

    /// The newest list of each key; none that was withdrawn.
    pub fn lists(&self) -> BTreeMap<String, Value> {
        let newest: BTreeMap<String, Option<Value>> = self.list_records().into_iter().collect();
        newest.into_iter().filter_map(|(key, list)| Some((key, list?))).collect()
    }

    /// Asserts that no list was published again as it stood: two records of a key in a row show other entries.
    #[track_caller]
    pub fn assert_every_list_was_news(&self) {
        let mut before: BTreeMap<String, Option<Vec<(String, f64)>>> = BTreeMap::new();
        for (number, (key, list)) in self.list_records().into_iter().enumerate() {
            let shown = list.as_ref().map(command::shown);
            if let Some(before) = before.insert(key.clone(), shown.clone()) {
                assert_ne!(before, shown, "record {number}: {key} is published again unchanged");
            }
        }
    }

    /// The entries of the events log, how often each is there: by partition of the log and position in its source.
    pub fn event_entries(&self) -> Entries {
        self.entries("events", Kind::Events, |block| {
            let EventsBlock { sections, entries, .. } = EventsBlock::decode(block).unwrap();
            let position = |place: usize| entries[place].position.to_string();
            sections.iter().flat_map(|section| named(section, position)).collect()
        })
    }

    /// The entries of the pairs log, likewise.
    pub fn pair_entries(&self) -> Entries {
        self.entries("pairs", Kind::Pairs, |block| {
            let PairsBlock { sections, entries, .. } = PairsBlock::decode(block).unwrap();
            let position = |place: usize| entries[place].position.to_string();
            sections.iter().flat_map(|section| named(section, position)).collect()
        })
    }

    fn entries(&self, log: &str, kind: Kind, read: impl Fn(&[u8]) -> Vec<String>) -> Entries {
        let mut entries = Entries::default();
        for rec in kafka::read_all(self.broker.bootstrap(), &self.own(log)) {
            let block = rec.value.unwrap();
            entries.bytes += block.len();
            if kind_of(&block).unwrap() == kind {
                for place in read(&block) {
                    *entries.times.entry(format!("{} {place}", rec.partition)).or_default() += 1;
                }
            }
        }
        entries
    }
}

fn named(section: &Section, position: impl Fn(usize) -> String) -> Vec<String> {
    section.entries.clone().map(|place| format!("{} {}", section.head.source, position(place))).collect()
}

/// What an internal log holds.
#[derive(Debug, Default, PartialEq)]
pub struct Entries {
    /// How often each entry is there.
    pub times: BTreeMap<String, usize>,
    /// Of all blocks, marks too.
    pub bytes: usize,
}

impl Entries {
    /// How many there are, those that are there again too.
    pub fn sum(&self) -> usize {
        self.times.values().sum()
    }

    /// Asserts that there are entries, each once.
    #[track_caller]
    pub fn assert_once(&self, what: &str) {
        assert!(self.times.len() > 100, "{what}: {} entries test nothing", self.times.len());
        let again: Vec<_> = self.times.iter().filter(|(_, times)| **times > 1).collect();
        assert!(again.is_empty(), "{what}: {} of {} are there again: {:?}", again.len(), self.times.len(), again[0]);
    }
}

/// A `samenloop run`. Killed when it is dropped.
pub struct Instance {
    pub name: String,
    process: Child,
    log: PathBuf,
    address: String,
}

impl Instance {
    /// All that it wrote.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Its last lines, with its name.
    pub fn log_tail(&self) -> String {
        let text = self.log();
        let lines: Vec<&str> = text.lines().collect();
        let shown = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
        shown.iter().map(|line| format!("{}: {line}\n", self.name)).collect()
    }

    #[track_caller]
    pub fn assert_runs(&mut self) {
        let ended = self.process.try_wait().unwrap();
        assert!(ended.is_none(), "{} ended, {ended:?}\n{}", self.name, self.log_tail());
    }

    /// As a crash would end it.
    pub fn kill(mut self) {
        self.assert_runs();
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Asks it to stop, and waits until it has. It must be content.
    #[track_caller]
    pub fn stop(mut self) {
        self.terminate();
        let status = self.ended();
        assert_eq!(status.code(), Some(0), "{}: {status}\n{}", self.name, self.log_tail());
    }

    /// SIGTERM.
    pub fn terminate(&mut self) {
        self.signal("-TERM");
    }

    /// Lets it stand still, as a machine that is frozen or swaps: it does not know.
    pub fn pause(&mut self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub fn go_on(&mut self) {
        self.signal("-CONT");
    }

    fn signal(&mut self, signal: &str) {
        self.assert_runs();
        let sent = Command::new("kill").args([signal, &self.process.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits until it has ended by itself.
    #[track_caller]
    pub fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + STOPPED_MAX;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "{} does not end\n{}", self.name, self.log_tail());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Status and body.
    pub fn get(&self, path: &str) -> (u16, String) {
        let settings = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(ANSWER_MAX));
        let agent: ureq::Agent = settings.build().into();
        let url = format!("http://{}{path}", self.address);
        let mut answer = agent.get(&url).call().unwrap_or_else(|error| panic!("{url}: {error}\n{}", self.log_tail()));
        let body = answer.body_mut().with_config().limit(COUNTS_BYTES_MAX).read_to_string().unwrap();
        (answer.status().as_u16(), body)
    }

    /// Asks with a token and a body.
    pub fn ask(&self, method: &str, path: &str, token: Option<&str>, body: &str) -> (u16, String) {
        let settings = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .timeout_global(Some(ANSWER_MAX));
        let agent: ureq::Agent = settings.build().into();
        let mut request = ureq::http::Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = match body {
            "" => agent.run(request.body(()).unwrap()),
            body => agent.run(request.body(body).unwrap()),
        };
        let mut answer = answer.unwrap_or_else(|error| panic!("{method} {path}: {error}\n{}", self.log_tail()));
        let said = answer.body_mut().read_to_string().unwrap();
        (answer.status().as_u16(), said)
    }

    pub fn is_ready(&self) -> bool {
        self.get("/readyz").0 == 200
    }

    /// Until it is ready, with partitions of every stage.
    pub fn wait_shares(&mut self) {
        let deadline = Instant::now() + READY_MAX;
        let has_share =
            |metrics: &Metrics, stage: &str| metrics.has("samenloop_lag_records", &format!("stage=\"{stage}\""));
        while !self.is_ready() || !["intake", "windows", "rows"].iter().all(|stage| has_share(&self.metrics(), stage)) {
            self.assert_runs();
            assert!(Instant::now() < deadline, "not ready: {}\n{}", self.get("/readyz").1, self.log_tail());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn metrics(&self) -> Metrics {
        let (status, text) = self.get("/metrics");
        assert_eq!(status, 200, "{text}");
        Metrics(text)
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// What `/metrics` told.
pub struct Metrics(String);

impl Metrics {
    /// Whether there is a series of a metric whose labels hold this.
    pub fn has(&self, name: &str, label: &str) -> bool {
        self.0.lines().any(|line| line.starts_with(name) && line.contains(label))
    }

    /// The sum of all series of a metric.
    pub fn sum(&self, name: &str) -> f64 {
        self.sum_where(name, "")
    }

    /// The sum of the series whose labels hold this: `reason="bad_json"`.
    pub fn sum_where(&self, name: &str, label: &str) -> f64 {
        let of_name = self.0.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let (labels, value) = rest.rsplit_once(' ')?;
            let is_it = labels.is_empty() || labels.starts_with('{');
            (is_it && labels.contains(label)).then(|| value.parse::<f64>().unwrap())
        });
        of_name.sum()
    }
}

/// Waits until what `look` gives is more than nothing.
pub fn wait_some(what: &str, mut look: impl FnMut() -> f64) {
    wait_until(what, READY_MAX, || (look() > 0.0).then_some(()));
}
