//! Two or three instances share the work while, by seed, everything happens to them that happens in a house: paused ones whose
//! partitions others go on with and whose appends land late, partitions lost, taken away and given back, crashes, clocks put
//! back and forth, slow brokers, blocks sent twice. At rest the counts are those of the recount, and the lists log holds of each key what a
//! calm single instance holds.
//!
//! The workers are those of production; the group and the logs are in process.

use crate::recount::{self, Event, Recount, Row};
use crate::rig::{self, Entries, Heard, Shape, counts, default_rules, difference, line, naive_rules, tiny_rules};
use crate::shop::{self, Random};
use samenloop::config::Start;
use samenloop::drive::{Clocks as _, Faults, Kept, MemoryLog, Pipeline, Plan, SetClocks, Snapshots, Topic, plan};
use samenloop::position::{Partition, SourcePartition};
use samenloop::publish::Stamp;
use samenloop::publish::codec::ListHeaders;
use samenloop::rules::PublishRules;
use samenloop::snapshot::SnapshotStore;
use samenloop::stage::{IntakeInput, Log};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::Arc;

/// After all events.
const CLOCK_MS: i64 = 4_000_000_000_000;
const HOUR_MS: i64 = 3_600_000;
/// Topic partitions of the source: users are spread over them, so that their order among each other does not matter.
pub const SOURCE_PARTITIONS: u32 = 2;
/// Rounds of a second after the last event: by then every row has been swept by exact totals, twice.
pub const ROUNDS_TO_REST: usize = 40;
const GROUPS: [&str; 3] = ["intake.shop", "windows", "rows"];

/// What a record of the lists log says: stamp, and shown items with scores; nothing shown is a tombstone.
pub type Standing = (Stamp, Vec<(String, f64)>);

/// Instances that share the work, and what happens to them.
pub struct House {
    pub log: MemoryLog,
    clocks: Arc<SetClocks>,
    /// As the group of each sees the logs.
    views: Vec<MemoryLog>,
    pub instances: Vec<Pipeline<Heard>>,
    is_paused: Vec<bool>,
    pub happened: BTreeMap<&'static str, usize>,
    snapshots: Option<Snapshots>,
    rounds_to_rest: usize,
}

pub fn source() -> Topic {
    Topic::Source("shop".into())
}

/// The topic partition of an event.
pub fn partition_of(event: &Event) -> u32 {
    u32::from(event.user.bytes().last().unwrap()) % SOURCE_PARTITIONS
}

pub fn inputs(shape: &Shape) -> Vec<IntakeInput> {
    let mapping = shape.inputs().remove(0).mapping;
    let input = |n| IntakeInput { source: SourcePartition::new("shop", n), mapping: Arc::clone(&mapping) };
    (0..SOURCE_PARTITIONS).map(input).collect()
}

impl House {
    /// `apart`: each instance is the only one of its own groups, so that all own everything and none is told of the others.
    pub fn open(shape: &Shape, instances: usize, apart: bool) -> Self {
        Self::open_at(Start::Earliest, shape, instances, apart)
    }

    pub fn open_at(start: Start, shape: &Shape, instances: usize, apart: bool) -> Self {
        Self::open_keeping(start, shape, instances, apart, None)
    }

    /// With snapshots, if any.
    pub fn open_keeping(
        start: Start,
        shape: &Shape,
        instances: usize,
        apart: bool,
        snapshots: Option<Snapshots>,
    ) -> Self {
        let clocks = Arc::new(SetClocks::default());
        clocks.set(CLOCK_MS);
        Self::over((shape.log(), clocks), start, shape, instances, apart, snapshots)
    }

    /// On logs that there are.
    pub fn over(
        (log, clocks): (MemoryLog, Arc<SetClocks>),
        start: Start,
        shape: &Shape,
        instances: usize,
        apart: bool,
        snapshots: Option<Snapshots>,
    ) -> Self {
        let inputs = inputs(shape);
        let mut plan: Arc<Plan> = plan(shape.setup(), &inputs, i64::MAX, &log).unwrap();
        let made = Arc::get_mut(&mut plan).unwrap();
        made.sources[0].start = start;
        made.snapshots.clone_from(&snapshots);
        let (mut views, mut opened) = (Vec::new(), Vec::new());
        for number in 0..instances {
            let view = if apart { log.apart(&format!("{number}.")) } else { log.clone() };
            let (plan, clocks) = (Arc::clone(&plan), Arc::clone(&clocks));
            let instance =
                Pipeline::open_instance(number as u64, plan, inputs.clone(), view.clone(), clocks, Heard::default());
            opened.push(instance.unwrap());
            views.push(view);
        }
        let is_paused = vec![false; instances];
        let rounds_to_rest = if shape.publish.rest_after_ms < 10_000 { SMALL.rounds_to_rest } else { ROUNDS_TO_REST };
        Self { log, clocks, views, instances: opened, is_paused, happened: BTreeMap::new(), snapshots, rounds_to_rest }
    }

    /// All instances are gone, as by a crash. What they leave.
    pub fn leave(self) -> (MemoryLog, Arc<SetClocks>) {
        (0..self.instances.len()).for_each(|number| self.views[number].expel(number as u64));
        (self.log, self.clocks)
    }

    /// Appends to the source's topic.
    pub fn feed(&self, event: &Event) {
        let partition = partition_of(event);
        let kept = Kept { value: Some(line(event).into_bytes()), ..Kept::default() };
        self.log.with(&source(), Partition(partition), |held| held.push(kept));
    }

    /// By the wall clock.
    pub fn now_ms(&self) -> i64 {
        self.clocks.now().wall_ms
    }

    /// Those that run have a tick each. Who was overtaken without a word, and asks for what its successors have trimmed, is ended by
    /// that, and started again, as a process is; so is who finds that what it wrote was lost.
    pub fn tick(&mut self) {
        for number in 0..self.instances.len() {
            if !self.is_paused[number] {
                self.turn(number);
            }
        }
    }

    fn turn(&mut self, number: usize) {
        if let Err(error) = self.instances[number].flush() {
            let error = format!("{error:#}");
            let is_trimmed = self.snapshots.is_some() && error.contains("is asked for, but it starts at");
            // It looks at the log that it writes anew, and finds that what it has read is not there.
            let has_lost = self.lost() > 0 && error.contains("but the events log holds it up to");
            assert!(is_trimmed || has_lost, "{error}");
            self.instances[number].restart().unwrap();
            self.note(if is_trimmed { "found its input trimmed" } else { "found its output lost" });
        }
    }

    /// Time passes by both clocks.
    pub fn pass(&self, ms: i64) {
        self.clocks.set(self.clocks.now().wall_ms + ms);
    }

    fn note(&mut self, what: &'static str) {
        *self.happened.entry(what).or_default() += 1;
    }

    /// Blocks that brokers acknowledged, and do not hold.
    fn lost(&self) -> usize {
        let mut lost = 0;
        self.log.with_faults(|faults| lost = faults.lost);
        lost
    }

    /// What was lost comes again when its writers start again: whoever reads it has stopped, and those who supervise start everything.
    fn start_all_again(&mut self) {
        self.log.with_faults(|faults| (faults.lost, faults.lose_next) = (0, None));
        self.is_paused.fill(false);
        self.instances.iter_mut().for_each(|instance| instance.restart().unwrap());
        self.note("all started after a loss");
    }

    /// What brokers have lost is sent again.
    pub fn mend(&mut self) {
        if self.lost() > 0 {
            self.start_all_again();
        }
    }

    /// One thing happens, or nothing.
    pub fn happen(&mut self, random: &mut Random) {
        // Where states are kept, not for long: what is trimmed behind a state that rests on what is lost cannot be sent again.
        if self.lost() > 0 && (self.snapshots.is_some() || random.chance(30)) {
            self.start_all_again();
        }
        let chosen = usize::try_from(random.below(self.instances.len() as u64)).unwrap();
        let group = GROUPS[usize::try_from(random.below(GROUPS.len() as u64)).unwrap()];
        match random.below(100) {
            0..5 if self.is_paused.iter().filter(|is_paused| !**is_paused).count() > 1 => {
                self.is_paused[chosen] = true;
                self.note("paused");
            }
            // Its silence is noticed; or was too short for that.
            5..9 if self.is_paused[chosen] => {
                self.views[chosen].expel(chosen as u64);
                self.note("expelled while paused");
            }
            9..12 if self.is_paused[chosen] => {
                self.is_paused[chosen] = false;
                self.note("continued");
            }
            12..14 => {
                self.instances[chosen].restart().unwrap();
                self.is_paused[chosen] = false;
                self.note("killed");
            }
            14..16 => {
                self.views[chosen].rotate(group);
                self.note("rotated");
            }
            16..18 => {
                let partitions = if group == GROUPS[0] { SOURCE_PARTITIONS } else { self.partitions() };
                let partition = Partition(u32::try_from(random.below(u64::from(partitions))).unwrap());
                self.views[chosen].lose(group, partition);
                self.note("lost");
            }
            18 => {
                self.views[chosen].expel(chosen as u64);
                self.note("expelled");
            }
            19 => {
                let step_ms = if random.chance(50) { HOUR_MS } else { -HOUR_MS };
                self.clocks.put(self.clocks.now().wall_ms + step_ms);
                self.note("clock put");
            }
            24 if self.lost() == 0 => {
                let log = if random.chance(50) { Log::Events } else { Log::Pairs };
                self.log.with_faults(|faults| faults.lose_next = Some(log));
            }
            20..24 => {
                if let Some(what) = self.damage_snapshot(random) {
                    self.note(what);
                }
            }
            _ => {}
        }
    }

    /// Damages the newest snapshot of some partition.
    fn damage_snapshot(&self, random: &mut Random) -> Option<&'static str> {
        let snapshots = self.snapshots.as_ref()?;
        let stage = if random.chance(50) { "rows" } else { "windows" };
        let partition = u32::try_from(random.below(u64::from(self.partitions()))).unwrap();
        let found = snapshots.store.newest(&snapshots.scope, stage, partition).unwrap();
        let newest = found.first()?;
        if !found.iter().skip(1).any(|older| snapshots.store.verify(&older.name).is_ok()) {
            return None; // it is the last one that is good, and the log before it may be gone
        }
        let mut bytes = Vec::new();
        snapshots.store.read(&newest.name).unwrap().read_to_end(&mut bytes).unwrap();
        let what = if random.chance(50) && !bytes.is_empty() {
            let place = usize::try_from(random.below(bytes.len() as u64)).unwrap();
            bytes[place] ^= 1 << random.below(8);
            "snapshot flipped"
        } else {
            bytes.truncate(usize::try_from(random.below(bytes.len() as u64 + 1)).unwrap());
            "snapshot torn"
        };
        let mut writing = snapshots.store.write(&snapshots.scope, stage, partition, newest.offset).unwrap();
        writing.put(&bytes).unwrap();
        writing.publish().unwrap();
        Some(what)
    }

    /// Partitions of our logs that have lost their start, because snapshots hold what was made of it.
    fn trimmed(&self) -> usize {
        let all = [Log::Events, Log::Pairs, Log::Totals].into_iter();
        let all = all.flat_map(|log| (0..self.partitions()).map(move |n| (Topic::Log(log), Partition(n))));
        all.filter(|(topic, n)| self.log.bounds(topic, *n).unwrap().low.0 > 0).count()
    }

    fn partitions(&self) -> u32 {
        self.log.partitions(&Topic::Log(Log::Pairs))
    }

    pub fn rounds(&mut self, rounds: usize) {
        for _ in 0..rounds {
            self.pass(1_000);
            self.tick();
        }
    }

    /// One is silent while the others come to rest on brokers that are well; then it goes on, too, and what it still had in
    /// hand lands.
    pub fn rest(&mut self, silent: Option<usize>, apart: bool, crash: bool) {
        self.log.with_faults(|faults| faults.lose_next = None);
        if self.lost() > 0 {
            self.start_all_again();
        }
        self.is_paused.fill(false);
        if let Some(silent) = silent {
            self.is_paused[silent] = true;
            self.views[silent].expel(silent as u64);
            if apart {
                let other = (silent + 1) % self.instances.len();
                self.instances[other].restart().unwrap(); // which claims all lists
            }
        }
        self.log.with_faults(|faults| (faults.lazy_percent, faults.slow_percent) = (0, 0));
        if silent.is_some() {
            self.clocks.put(self.clocks.now().wall_ms - HOUR_MS); // nothing of what follows takes longer for that
        }
        self.rounds(self.rounds_to_rest);
        if let Some(silent) = silent {
            self.is_paused[silent] = false;
            self.turn(silent);
            // Whoever would have corrected that crashes before.
            let others = self.instances.iter_mut().enumerate().filter(|(other, _)| crash && *other != silent);
            others.for_each(|(_, instance)| instance.restart().unwrap());
        }
        self.rounds(self.rounds_to_rest);
    }

    /// All records of the lists log by key, each partition in order.
    pub fn lists(&self) -> Vec<(String, Standing)> {
        let mut all = Vec::new();
        for partition in 0..self.partitions() {
            self.log.with(&Topic::Log(Log::Lists), Partition(partition), |held| {
                for (_, kept) in held.records().iter() {
                    let key = String::from_utf8(kept.key.clone().unwrap()).unwrap();
                    let headers = kept.headers.iter().map(|(name, value)| (name.as_str(), Some(value.as_slice())));
                    all.push((key, (ListHeaders::read(headers).unwrap().unwrap().stamp, shown(kept))));
                }
            });
        }
        all
    }

    /// Records behind which a newer one of their key stood already.
    fn landed_late(&self) -> usize {
        let mut highest: BTreeMap<String, Stamp> = BTreeMap::new();
        let mut late = 0;
        for (key, (stamp, _)) in self.lists() {
            let known = highest.entry(key).or_default();
            late += usize::from(stamp < *known);
            *known = stamp.max(*known);
        }
        late
    }

    /// What stands last of each key, in the log's order; asserts that it is the newest by its stamp, too.
    pub fn standing(&self, context: &str) -> BTreeMap<String, Standing> {
        let mut standing: BTreeMap<String, Standing> = BTreeMap::new();
        let mut highest: BTreeMap<String, Stamp> = BTreeMap::new();
        for (key, (stamp, shown)) in self.lists() {
            let known = highest.entry(key.clone()).or_default();
            *known = stamp.max(*known);
            standing.insert(key, (stamp, shown));
        }
        for (key, (stamp, _)) in &standing {
            assert_eq!(*stamp, highest[key], "{context}: an older record of {key} stands last");
        }
        standing
    }
}

fn shown(kept: &Kept) -> Vec<(String, f64)> {
    let Some(value) = &kept.value else { return Vec::new() };
    let record: serde_json::Value = serde_json::from_slice(value).unwrap();
    let entries = record["entries"].as_array().unwrap();
    assert!(!entries.is_empty(), "no list is empty");
    entries.iter().map(|e| (e["item"].as_str().unwrap().to_owned(), e["score"].as_f64().unwrap())).collect()
}

/// 100 times the lower end of the 95 % Wilson interval (Wilson, 1927) of k in a.
fn wilson(k: f64, a: f64) -> f64 {
    const Z: f64 = 1.96;
    let middle = k + Z * Z / 2.0;
    100.0 * (middle - Z * (k * (a - k).max(0.0) / a + Z * Z / 4.0).sqrt()).max(0.0) / (a + Z * Z)
}

/// Every entry shown is a pair of the recount, with the score that follows from its weights. What is no news may be as much off.
fn assert_scores_of_recount(
    rows: &[Row],
    standing: &BTreeMap<String, Standing>,
    (no_news, entries_min): (f64, usize),
    context: &str,
) {
    let mut weights: BTreeMap<[&str; 5], f64> = BTreeMap::new();
    for Row { kind, shop, relation, x, y, weight, .. } in rows {
        // A total that is not told apart is both.
        let roles = if y == "both" { &["anchor", "other"][..] } else { &[y.as_str()] };
        roles.iter().for_each(|role| {
            weights.insert([kind, shop, relation, x, role], *weight);
        });
    }
    let mut compared = 0;
    for (key, (_, shown)) in standing {
        let [shop, list, item] = key.splitn(3, '/').collect::<Vec<_>>().try_into().unwrap();
        let relation = match list {
            "bought-after-viewing" => "viewed_then_bought".to_owned(),
            list => list.replace('-', "_"),
        };
        let weight = |kind, x, y| weights.get(&[kind, shop, &relation, x, y]).copied();
        for (other, score) in shown {
            let pair = weight("pair", item, other).unwrap_or_else(|| panic!("{context}: {key} shows {other}, no pair"));
            let [a, b] = [("total", item, "anchor"), ("total", other, "other")].map(|(kind, x, y)| weight(kind, x, y));
            let (a, b) = (a.unwrap(), b.unwrap());
            let want = wilson(pair.min(a).min(b), a);
            assert!((want - score).abs() < no_news + 0.02, "{context}: {key} shows {other} at {score}, it is {want}");
            compared += 1;
        }
    }
    assert!(compared >= entries_min, "{context}: {compared} entries compared");
}

/// Of each key that is not buried, what is shown. Scores differ by what is no news, in both runs, and by 0.01: f32 sums depend a
/// little on the order of blocks.
fn assert_same_standing(
    want: &BTreeMap<String, Standing>,
    got: &BTreeMap<String, Standing>,
    no_news: f64,
    context: &str,
) {
    let alive = |all: &BTreeMap<String, Standing>| -> Vec<String> {
        all.iter().filter(|(_, (_, shown))| !shown.is_empty()).map(|(key, _)| key.clone()).collect()
    };
    assert_eq!(alive(want), alive(got), "{context}: other lists");
    for key in alive(want) {
        let (want, got) = (&want[&key].1, &got[&key].1);
        let near = want.iter().zip(got).all(|(w, g)| w.0 == g.0 && (w.1 - g.1).abs() < no_news + 0.01);
        assert!(near && want.len() == got.len(), "{context}: {key}\nwant {want:?}\n got {got:?}");
    }
}

fn sorted_texts(entries: Entries) -> Vec<String> {
    let mut texts: Vec<String> = entries.by_position.into_values().collect();
    texts.sort_unstable();
    texts
}

/// Each partition of windows and rows has one owner, and everything is read.
fn assert_owned_once(house: &House, context: &str) {
    let owned = |count: fn(&Pipeline<Heard>) -> usize| house.instances.iter().map(count).sum::<usize>();
    assert_eq!(owned(|instance| instance.rows().len()), house.partitions() as usize, "{context}: owners of rows");
    assert_eq!(owned(|instance| instance.windows().len()), house.partitions() as usize, "{context}: owners of windows");
}

/// Snapshots in memory, taken often.
pub fn snapshots(random: &mut Random) -> Snapshots {
    let store = SnapshotStore::open("memory:").unwrap();
    let store_id = store.id().unwrap();
    let interval_ms = 1_000 + i64::try_from(random.below(20_000)).unwrap();
    let keep = 2 + usize::try_from(random.below(2)).unwrap();
    Snapshots {
        store,
        scope: "house".into(),
        store_id,
        interval_ms,
        keep,
        keep_events_ms: None,
        instance: "one".into(),
        is_inline: true,
    }
}

fn run(
    shape: &Shape,
    events: &[Event],
    (instances, apart, is_kept): (usize, bool, bool),
    random: Option<&mut Random>,
) -> House {
    let Some(random) = random else {
        let mut house = House::open(shape, instances, apart);
        events.iter().for_each(|event| house.feed(event));
        house.rest(None, apart, false);
        return house;
    };
    let kept = is_kept.then(|| snapshots(random));
    let mut house = House::open_keeping(Start::Earliest, shape, instances, apart, kept);
    house.log.with_faults(|faults| {
        faults.slow_percent = [0, 10, 40][usize::try_from(random.below(3)).unwrap()];
    });
    for event in events {
        house.feed(event);
        house.happen(random);
        if random.chance(40) {
            house.pass(i64::try_from(random.below(1_500)).unwrap());
            house.tick();
        }
    }
    let silent = usize::try_from(random.below(instances as u64)).unwrap();
    house.rest(Some(silent), apart, random.chance(50));
    house
}

struct Case {
    apart: bool,
    /// Whether states are kept, and logs trimmed.
    is_kept: bool,
    seeds: u64,
    size: Size,
}

/// How much there is of everything: the least, and how much more at most.
#[derive(Clone, Copy)]
struct Size {
    events: (usize, u64),
    partitions: (u32, u64),
    rest_after_ms: i64,
    /// Until every row has been swept by exact totals, twice.
    rounds_to_rest: usize,
    lists_min: usize,
}

const WHOLE: Size = Size {
    events: (300, 300),
    partitions: (3, 3),
    rest_after_ms: 10_000,
    rounds_to_rest: ROUNDS_TO_REST,
    lists_min: 10,
};
/// So little that many can be tried.
const SMALL: Size =
    Size { events: (20, 40), partitions: (1, 2), rest_after_ms: 1_000, rounds_to_rest: 8, lists_min: 0 };

fn check(case: &Case, happened: &mut BTreeMap<&'static str, usize>) {
    for seed in shop::seeds(case.seeds) {
        let mut random = Random::new(seed ^ 0x00f0_05e5);
        let rules = if random.chance(50) { default_rules() } else { tiny_rules() };
        let naive = naive_rules(&rules);
        let size = case.size;
        let count = size.events.0 + usize::try_from(random.below(size.events.1)).unwrap();
        let events = shop::events(seed, count, &shop::Shape::of(&naive));
        let min_score_step_milli = if random.chance(50) { 0 } else { PublishRules::default().min_score_step_milli };
        let calm = Shape {
            partitions: size.partitions.0 + u32::try_from(random.below(size.partitions.1)).unwrap(),
            block_entries: if random.chance(30) { 1 } else { 50 },
            publish: PublishRules {
                min_score_step_milli,
                rest_after_ms: size.rest_after_ms,
                ..PublishRules::default()
            },
            ..Shape::new(&rules)
        };
        let shape = Shape {
            resend: random.chance(30),
            lazy: Some((seed, if random.chance(50) { 60 } else { 0 })),
            ..calm.clone()
        };
        let instances = 2 + usize::from(random.chance(30));
        let context = format!(
            "{instances} instances, apart: {}, {} partitions, {count} events, SAMENLOOP_SEED={seed}",
            case.apart, shape.partitions
        );
        let calm = run(&calm, &events, (1, false, false), None);
        let mut house = run(&shape, &events, (instances, case.apart, case.is_kept), Some(&mut random));
        for (what, times) in &house.happened {
            *happened.entry(what).or_default() += times;
        }
        let context = format!("{context}: {:?}", house.happened);
        let (events_log, pairs_log) = (rig::event_entries(&house.log), rig::pair_entries(&house.log));
        let late = house.landed_late();
        for (what, times) in ["events appended again", "pairs appended again", "lists that landed late"]
            .into_iter()
            .zip([events_log.again * usize::from(!shape.resend), pairs_log.again * usize::from(!shape.resend), late])
        {
            *happened.entry(what).or_default() += times;
        }
        if !case.apart {
            assert_owned_once(&house, &context);
        }

        let mut recount = Recount::new(naive);
        events.iter().for_each(|event| recount.event(event));
        let as_of = recount.latest();
        let want = recount.rows(as_of);
        assert_eq!(difference(&want, &counts(&calm.instances, as_of)), None, "the calm run, {context}");
        let mut got = counts(&house.instances, as_of);
        if case.apart {
            // All read all events: what became of those is told more than once.
            got.retain(|row| row.kind != "tally");
            got.extend(want.iter().filter(|row| row.kind == "tally").cloned());
            recount::sort(&mut got);
        }
        assert_eq!(difference(&want, &got), None, "{context}");

        if case.is_kept {
            *happened.entry("logs trimmed").or_default() += house.trimmed();
        } else {
            assert!(rig::event_entries(&calm.log).by_position == events_log.by_position, "{context}: other events");
            assert!(sorted_texts(rig::pair_entries(&calm.log)) == sorted_texts(pairs_log), "{context}: other pairs");
        }

        if !case.apart {
            // A restart of all, so that views are filled from what stands on the log, or from behind a snapshot.
            house.instances.iter_mut().for_each(|instance| instance.restart().unwrap());
            house.rounds(3);
            let alive = house.standing(&context).values().filter(|(_, shown)| !shown.is_empty()).count();
            let served: usize = house.instances.iter_mut().map(|instance| instance.serve(Vec::new()).view.len()).sum();
            assert_eq!(served, alive, "{context}: lists that HTTP serves");
        }

        let no_news = f64::from(min_score_step_milli) / 1_000.0;
        let rows = want;
        let (want, got) = (calm.standing(&context), house.standing(&context));
        assert!(want.len() >= size.lists_min, "{context}: hardly any list");
        assert_same_standing(&want, &got, 2.0 * no_news, &context);
        assert_scores_of_recount(&rows, &got, (no_news, 2 * size.lists_min), &context);
    }
}

/// Seeds of a test, at least.
const SEEDS_MIN: u64 = 8;

/// That all of it was tried, if not by a few seeds alone.
fn assert_tried(what: &[&'static str], happened: &BTreeMap<&'static str, usize>) {
    if shop::all_are_tried(SEEDS_MIN) {
        for what in what {
            assert!(happened.get(what).is_some_and(|&times| times > 5), "{what}: hardly tried, {happened:?}");
        }
    }
}

const ALL: [&str; 12] = [
    "paused",
    "expelled while paused",
    "continued",
    "killed",
    "rotated",
    "lost",
    "expelled",
    "clock put",
    "all started after a loss",
    "events appended again",
    "pairs appended again",
    "lists that landed late",
];

#[test]
fn whatever_happens_to_instances_that_share_the_work_counts_and_lists_end_as_in_a_calm_run() {
    let mut happened = BTreeMap::new();
    check(&Case { apart: false, is_kept: false, seeds: 8, size: WHOLE }, &mut happened);
    assert_tried(&ALL, &happened);
}

/// None is told that others own what it owns: it finds out by their claims.
#[test]
fn nor_does_anything_change_where_all_own_everything() {
    let mut happened = BTreeMap::new();
    check(&Case { apart: true, is_kept: false, seeds: 5, size: WHOLE }, &mut happened);
    assert_tried(&ALL, &happened);
}

/// States are kept every few seconds, the logs before them trimmed, and the newest ones damaged: starts are from what is left.
#[test]
fn nor_where_states_are_kept_and_logs_trimmed() {
    let mut happened = BTreeMap::new();
    check(&Case { apart: false, is_kept: true, seeds: 8, size: WHOLE }, &mut happened);
    assert_tried(&ALL, &happened);
    assert_tried(&["snapshot flipped", "snapshot torn", "logs trimmed"], &happened);
    check(&Case { apart: true, is_kept: true, seeds: 5, size: WHOLE }, &mut happened);
}

/// The same of little, many times: `SAMENLOOP_SEEDS=10000 cargo test --release --test exactness small`. One that fails names its seed.
#[test]
fn nor_in_small_houses_of_which_many_are_tried() {
    let mut happened = BTreeMap::new();
    for (apart, is_kept) in [(false, false), (false, true), (true, false), (true, true)] {
        check(&Case { apart, is_kept, seeds: 40, size: SMALL }, &mut happened);
    }
    assert_tried(&ALL, &happened);
    if std::env::var_os("SAMENLOOP_SEEDS").is_some() {
        eprintln!("{happened:?}");
    }
}

/// Brokers acknowledge hardly anything by themselves: what stands, stands because it was waited for.
#[test]
fn what_was_appended_before_a_revoke_stands_before_the_partition_is_given_up() {
    for (group, log) in GROUPS.into_iter().zip([Log::Events, Log::Pairs, Log::Lists]) {
        // Lists follow at once from what is fed; the others have something in hand.
        let block_entries = if log == Log::Lists { 1 } else { 50 };
        let shape = Shape { partitions: 2, block_entries, ..Shape::new(&default_rules()) };
        let events = shop::events(3, 420, &shop::Shape::of(&naive_rules(&shape.rules)));
        let mut house = House::open(&shape, 2, false);
        house.tick();
        house.tick();
        let (before, after) = events.split_at(events.len() / 2);
        before.iter().for_each(|event| house.feed(event));
        house.rounds(ROUNDS_TO_REST);
        // Lists of the first part go out; those of the second are still cooling.
        for part in after.chunks(after.len() / 2) {
            part.iter().for_each(|event| house.feed(event));
            house.instances.iter_mut().for_each(|instance| instance.take_in().unwrap());
        }
        let mut faults = Faults::seeded(7);
        faults.slow_percent = 1;
        house.log.set_faults(faults);
        house.is_paused[1] = true;
        house.rounds(ROUNDS_TO_REST / 2); // until lists are ranked by exact totals
        let first = &mut house.instances[0];
        let high = || -> u64 {
            let of = |n| house.log.bounds(&Topic::Log(log), Partition(n)).unwrap().high.0;
            (0..2).map(of).sum()
        };
        let before = high();
        house.log.rotate(group);
        first.take_in().unwrap();
        let at_hand_over = high();
        house.log.with_faults(|faults| faults.slow_percent = 0);
        first.take_in().unwrap();
        assert!(before < high(), "{group}: nothing waited");
        assert_eq!(at_hand_over, high(), "{group}: given up before it stood");
    }
}
