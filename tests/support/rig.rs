//! A pipeline on in-process logs under test: fed by event, flushed, restarted, damaged, its logs read entry by entry.

#![allow(dead_code, unused_imports)] // each test that includes this file uses a part of it

#[path = "limits.rs"]
mod limits;

use super::recount::{self, Event, Kind, Row, Rules};
use super::shop::Random;
use samenloop::drive::{Faults, MemoryLog, Pipeline, Setup, Sink, Topic};
use samenloop::event::{EventType, UserKeys};
use samenloop::facts::Facts;
use samenloop::intake::{Intake, MappingSpec, Record, Reject, TimeRules};
use samenloop::items::Items;
use samenloop::list_key::ListName;
use samenloop::position::{NextOffset, Partition, SourcePartition};
use samenloop::publish::Publication;
use samenloop::relation::{Change, Delta, Fate, Relation};
use samenloop::rules::{ClickRules, CountingRules, ListRules, PublishRules};
use samenloop::stage::{BlockLimits, Clocked, IntakeInput, Log, RowsSetup};
use samenloop::wire::{DeltaScratch, EventItems, EventsBlock, Kind as BlockKind, PairsBlock, Translation, kind_of};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use limits::{default_rules, naive_rules, tiny_rules};

/// What differs between rigs.
#[derive(Clone, Debug)]
pub struct Shape {
    pub rules: CountingRules,
    pub partitions: u32,
    /// Names of the sources; one input each.
    pub sources: Vec<&'static str>,
    /// Entries of a block.
    pub block_entries: usize,
    /// Bytes of a block.
    pub block_bytes: usize,
    /// Blocks sent twice.
    pub resend: bool,
    /// Percentage of fetches that give less than there is, or nothing; by this seed.
    pub lazy: Option<(u64, u64)>,
    pub merge_bytes_max: usize,
    pub history_ms: Option<i64>,
    pub clocked: Clocked,
    pub lists: [ListRules; ListName::COUNT],
    pub publish: PublishRules,
    pub secret: u8,
    /// The jq program of every source.
    pub transform: Option<&'static str>,
    /// What is known of items.
    pub facts: Option<Arc<Facts>>,
    /// Which impressions and clicks are told.
    pub clicks: ClickRules,
}

impl Shape {
    pub fn new(rules: &CountingRules) -> Self {
        Self {
            rules: rules.clone(),
            partitions: 1,
            sources: vec!["shop"],
            block_entries: 50,
            block_bytes: BlockLimits::default().bytes_max,
            resend: false,
            lazy: None,
            merge_bytes_max: 256 << 20,
            history_ms: None,
            clocked: Clocked::Wall,
            lists: ListRules::defaults(),
            publish: PublishRules::default(),
            secret: 0,
            transform: None,
            facts: None,
            clicks: ClickRules::default(),
        }
    }

    pub fn setup(&self) -> Setup {
        let secret = [self.secret; 16];
        Setup {
            intake: Intake::new(TimeRules::default(), UserKeys::new(secret), self.partitions),
            events_identity: u64::from(self.secret),
            history_ms: self.history_ms,
            clicks: self.clicks.clone(),
            counting: self.rules.clone(),
            merge_bytes_max: self.merge_bytes_max,
            rows: RowsSetup {
                lists: self.lists.clone(),
                publish: self.publish,
                clocked: self.clocked,
                facts: self.facts.clone(),
            },
            limits: BlockLimits { entries_max: self.block_entries, bytes_max: self.block_bytes },
        }
    }

    pub fn inputs(&self) -> Vec<IntakeInput> {
        let transform = self.transform.map(str::to_owned);
        let mapping = Arc::new(
            MappingSpec { transform, reads_clicks: self.clicks.enabled, ..MappingSpec::default() }.compile().unwrap(),
        );
        let input = |name: &&str| IntakeInput { source: SourcePartition::new(name, 0), mapping: Arc::clone(&mapping) };
        self.sources.iter().map(input).collect()
    }

    pub fn log(&self) -> MemoryLog {
        let log = MemoryLog::new(self.partitions, self.partitions).keeping();
        let (seed, lazy_percent) = self.lazy.unwrap_or_default();
        let mut faults = Faults::seeded(seed);
        (faults.lazy_percent, faults.resend) = (lazy_percent, self.resend);
        log.set_faults(faults);
        log
    }
}

/// A list as it was published.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    pub partition: u32,
    pub key: String,
    pub tombstone: bool,
    pub record: serde_json::Value,
    /// What the clock of the rig said.
    pub at_ms: i64,
}

impl Published {
    pub fn stamp(&self) -> (u64, u64) {
        (self.record["epoch"].as_u64().unwrap(), self.record["sequence"].as_u64().unwrap())
    }

    /// Item and score of what is shown.
    pub fn shown(&self) -> Vec<(String, f64)> {
        let entries = self.record["entries"].as_array().unwrap();
        entries.iter().map(|e| (e["item"].as_str().unwrap().to_owned(), e["score"].as_f64().unwrap())).collect()
    }
}

/// All that was heard.
#[derive(Default)]
pub struct Heard {
    pub lists: Vec<Published>,
    pub rejects: BTreeSet<(SourcePartition, NextOffset)>,
    pub clock_ms: i64,
}

impl Sink for Heard {
    fn list(&mut self, publication: &Publication<'_>, _value: &[u8]) -> anyhow::Result<()> {
        let record = serde_json::to_value(publication.record())?;
        let (mut key, partition, tombstone) = (Vec::new(), publication.partition.0, publication.is_tombstone());
        publication.write_key(&mut key);
        let key = String::from_utf8(key)?;
        self.lists.push(Published { partition, key, tombstone, record, at_ms: self.clock_ms });
        Ok(())
    }

    fn reject(&mut self, source: &SourcePartition, offset: NextOffset, _reject: &Reject) -> anyhow::Result<()> {
        self.rejects.insert((source.clone(), offset));
        Ok(())
    }
}

/// A pipeline, and the files it is fed from.
pub struct Rig {
    pub pipeline: Pipeline<Heard>,
    /// By input: lines, with the record's timestamp.
    pub files: Vec<Vec<(String, Option<i64>)>>,
    pub fed: Vec<usize>,
}

impl Rig {
    /// One input a file of events.
    pub fn open(shape: &Shape, files: &[Vec<Event>]) -> Self {
        let lines = |events: &Vec<Event>| events.iter().map(|event| (line(event), None)).collect();
        Self::over(shape, shape.log(), files.iter().map(lines).collect()).unwrap()
    }

    /// On a log that may hold something already. What the topics of sources hold has been fed.
    pub fn over(shape: &Shape, log: MemoryLog, files: Vec<Vec<(String, Option<i64>)>>) -> anyhow::Result<Self> {
        assert_eq!(shape.sources.len(), files.len());
        let pipeline = Pipeline::open(shape.setup(), shape.inputs(), i64::MAX, log, Heard::default())?;
        let mut rig = Self { pipeline, fed: vec![0; files.len()], files };
        for input in 0..rig.files.len() {
            let bounds = rig.pipeline.log().bounds(&rig.source(input), Partition(0))?;
            rig.fed[input] = usize::try_from(bounds.high.0)?;
            rig.pipeline.set_stream(input, true);
        }
        rig.pipeline.take_in()?;
        Ok(rig)
    }

    /// The high watermark of a partition.
    pub fn high(&self, log: Log, partition: u32) -> u64 {
        let bounds = self.pipeline.log().bounds(&Topic::Log(log), Partition(partition)).unwrap();
        bounds.high.0
    }

    fn source(&self, input: usize) -> Topic {
        Topic::Source(Arc::clone(&self.pipeline.inputs()[input].source.source))
    }

    /// Feeds the next line of `input`; says whether there was one.
    pub fn feed(&mut self, input: usize) -> anyhow::Result<bool> {
        let Some((line, timestamp_ms)) = self.files[input].get(self.fed[input]) else { return Ok(false) };
        let record = Record { value: Some(line.as_bytes()), timestamp_ms: *timestamp_ms, ..Record::default() };
        self.pipeline.feed(input, NextOffset(self.fed[input] as u64), &record)?;
        self.fed[input] += 1;
        self.pipeline.take_in()?;
        Ok(true)
    }

    /// Feeds the rest of all inputs, in turns of random length, and ends them.
    pub fn feed_all(&mut self, random: &mut Random) -> anyhow::Result<()> {
        while let Some(input) = self.pick(random) {
            for _ in 0..=random.below(20) {
                self.feed(input)?;
            }
        }
        self.end()
    }

    /// An input that has something left.
    pub fn pick(&self, random: &mut Random) -> Option<usize> {
        let left: Vec<usize> = (0..self.files.len()).filter(|&n| self.fed[n] < self.files[n].len()).collect();
        (!left.is_empty()).then(|| left[usize::try_from(random.below(left.len() as u64)).unwrap()])
    }

    pub fn end(&mut self) -> anyhow::Result<()> {
        (0..self.files.len()).try_for_each(|input| self.pipeline.end_input(input))
    }

    /// Runs `then` on logs that give all that they hold.
    fn at_once(&mut self, then: impl FnOnce(&mut Pipeline<Heard>) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let mut percent = 0;
        self.pipeline.log().with_faults(|faults| percent = std::mem::take(&mut faults.lazy_percent));
        then(&mut self.pipeline)?;
        self.pipeline.log().with_faults(|faults| faults.lazy_percent = percent);
        Ok(())
    }

    /// All that was fed goes through all stages, whatever the log gives at a time.
    pub fn settle(&mut self) -> anyhow::Result<()> {
        self.at_once(Pipeline::flush)
    }

    /// To rest: exact totals, every row ranked.
    pub fn rest(&mut self) -> anyhow::Result<()> {
        self.at_once(Pipeline::rest)
    }

    pub fn clock(&mut self, now_ms: i64) -> anyhow::Result<()> {
        self.pipeline.sink().clock_ms = now_ms;
        self.pipeline.clock(now_ms)
    }

    /// Loses a partition and gets it back (0 windows, 1 rows, 2 the only one of the first source), or crashes and starts again
    /// (3), on what the logs hold.
    pub fn restart(&mut self, which: u64, partition: u32) -> anyhow::Result<()> {
        match which {
            0 => self.lose("windows", partition),
            1 => self.lose("rows", partition),
            2 => {
                let name = format!("intake.{}", self.pipeline.inputs()[0].source.source);
                self.lose(&name, 0)
            }
            _ => self.pipeline.restart(),
        }
    }

    pub fn lose(&mut self, group: &str, partition: u32) -> anyhow::Result<()> {
        self.pipeline.lose(group, Partition(partition))
    }

    /// Every list as it stands, by key.
    pub fn final_lists(&mut self) -> BTreeMap<String, serde_json::Value> {
        let heard = std::mem::take(&mut self.pipeline.sink().lists);
        self.pipeline.publish_all().unwrap();
        let all = std::mem::replace(&mut self.pipeline.sink().lists, heard);
        let strip = |list: Published| {
            let mut record = list.record;
            record.as_object_mut().unwrap().retain(|name, _| name != "epoch" && name != "sequence");
            (list.key, record)
        };
        all.into_iter().filter(|list| !list.tombstone).map(strip).collect()
    }

    /// All counts and tallies, in the recount's form.
    pub fn rows(&self, as_of_ms: i64) -> Vec<Row> {
        counts([&self.pipeline], as_of_ms)
    }

    /// See [`event_entries`].
    pub fn event_entries(&mut self) -> Entries {
        event_entries(self.pipeline.log())
    }

    /// See [`pair_entries`].
    pub fn pair_entries(&mut self) -> Entries {
        pair_entries(self.pipeline.log())
    }

    /// See [`each_block`].
    pub fn each_block(&mut self, log: Log, each: impl FnMut(u32, &[u8])) {
        each_block(self.pipeline.log(), log, each);
    }
}

/// All counts and tallies of instances that share the work, in the recount's form.
pub fn counts<'p>(instances: impl IntoIterator<Item = &'p Pipeline<Heard>> + Clone, as_of_ms: i64) -> Vec<Row> {
    let mut rows = Vec::new();
    for stage in instances.clone().into_iter().flat_map(Pipeline::rows) {
        let as_of = Some(samenloop::event::EventTime(as_of_ms));
        stage.work().rows().for_each_count(as_of, |count| rows.push(parsed(&count.to_string())));
    }
    let fates = |fate: Fate| -> u64 {
        let of_stage = |stage: &samenloop::stage::Stage<samenloop::stage::WindowsWork>| -> u64 {
            EventType::ALL.iter().map(|&t| stage.work().tally().fates[t as usize][fate as usize]).sum()
        };
        instances.clone().into_iter().flat_map(Pipeline::windows).map(of_stage).sum()
    };
    let ignored = [
        ("bulk", Fate::Bulk),
        ("late", Fate::Late),
        ("overlong", Fate::Overlong),
        ("stale", Fate::Stale),
        ("unchanged", Fate::Unchanged),
        ("unknown_order", Fate::UnknownOrder),
    ];
    let accepted = fates(Fate::Counted) + ignored.iter().map(|&(_, fate)| fates(fate)).sum::<u64>();
    let all = ignored.map(|(name, fate)| (name, fates(fate))).into_iter();
    let all = all.chain([("accepted", accepted), ("duplicate", fates(Fate::Duplicate))]);
    let tally = |(name, n): (&'static str, u64)| recount::tally_row(name, i64::try_from(n).unwrap());
    rows.extend(all.filter(|(_, n)| *n > 0).map(tally));
    recount::sort(&mut rows);
    rows
}

/// Every entry of the events log: by source position, as text. Panics when one is there twice with other content.
pub fn event_entries(log: &MemoryLog) -> Entries {
    let mut entries = Entries::default();
    each_block(log, Log::Events, |partition, bytes| {
        let block = EventsBlock::decode(bytes).unwrap();
        for section in &block.sections {
            for entry in &block.entries[section.entries.clone()] {
                let name = |number: u32| {
                    let (shop, item) = block.items[number as usize];
                    format!("{}/{item}", block.shops[shop as usize])
                };
                let items: Vec<_> = match &entry.items {
                    EventItems::One(number) => vec![name(*number)],
                    EventItems::Lines(lines) => block.lines[lines.clone()].iter().map(|&n| name(n)).collect(),
                    EventItems::None(shop) => vec![block.shops[*shop as usize].to_owned()],
                    EventItems::Shown(place, shop) => {
                        let shown = &block.shown[*place];
                        vec![format!(
                            "{} {:?}",
                            block.shops[*shop as usize],
                            &block.shown_entries[shown.entries.clone()]
                        )]
                    }
                };
                let user = block.users[entry.user as usize];
                let about = (entry.event_type, entry.link, entry.version);
                let text = format!("{:?} {:?} {about:?} {user:?} {items:?}", entry.time, entry.key);
                entries.add(format!("{partition} {} {}", section.head.source, entry.position), text);
            }
        }
    });
    entries
}

/// The same of the pairs log.
pub fn pair_entries(log: &MemoryLog) -> Entries {
    let mut entries = Entries::default();
    let (mut items, mut names, mut scratch) = (Items::default(), Translation::default(), DeltaScratch::default());
    each_block(log, Log::Pairs, |partition, bytes| {
        let block = PairsBlock::decode(bytes).unwrap();
        names.fill(&block.shops, &block.items, &mut items);
        for section in &block.sections {
            for entry in &block.entries[section.entries.clone()] {
                let text = block.with_delta(entry, &names, &mut scratch, |delta| told(delta, &items));
                entries.add(format!("{partition} {} {}", section.head.source, entry.position), text);
            }
        }
    });
    entries
}

/// All blocks of an internal log but opening and founding marks.
pub fn each_block(logs: &MemoryLog, log: Log, mut each: impl FnMut(u32, &[u8])) {
    let topic = Topic::Log(log);
    for partition in 0..logs.partitions(&topic) {
        logs.with(&topic, Partition(partition), |held| {
            let values = held.records().iter().filter_map(|(_, kept)| kept.value.as_deref());
            let is_mark = |block: &[u8]| matches!(kind_of(block), Ok(BlockKind::Opening | BlockKind::Founding));
            values.filter(|block| !is_mark(block)).for_each(|block| each(partition, block));
        });
    }
}
/// Entries by position, and how often any was there again.
#[derive(Default, Debug, PartialEq)]
pub struct Entries {
    pub by_position: BTreeMap<String, String>,
    pub again: usize,
}

impl Entries {
    /// Asserts that nothing is there again, and that the rest is what `want` has.
    pub fn assert_equal(&self, want: &Self, context: &str) {
        assert_eq!(self.again, 0, "{context}: appended again");
        let other = want.by_position.iter().find(|(position, text)| self.by_position.get(*position) != Some(text));
        let other = other.map(|(position, text)| (position, text, self.by_position.get(position)));
        assert_eq!(other, None, "{context}: (position, want, got)");
        assert_eq!(self.by_position.len(), want.by_position.len(), "{context}: too many");
    }

    fn add(&mut self, position: String, text: String) {
        if let Some(before) = self.by_position.insert(position.clone(), text.clone()) {
            assert_eq!(before, text, "two contents at {position}");
            self.again += 1;
        }
    }
}

fn told(delta: &Delta<'_>, items: &Items) -> String {
    let name = |item| format!("{}/{}", items.shop_name(items.shop_of(item)), items.name(item));
    let bought = |all: &[samenloop::relation::Bought]| -> Vec<_> {
        all.iter().map(|bought| (name(bought.item), bought.repeats)).collect()
    };
    let what = match delta.change {
        Change::Context { shop, relation } => format!("context {} {relation:?}", items.shop_name(shop)),
        Change::Star { relation, centre, neighbours } => {
            let others: Vec<_> = neighbours.iter().map(|&item| name(item)).collect();
            format!("star {relation:?} {} {others:?}", name(centre))
        }
        Change::StarBack { relation, centre, neighbours } => {
            let others: Vec<_> = neighbours.iter().map(|&(item, distance)| (name(item), distance)).collect();
            format!("back {relation:?} {} {others:?}", name(centre))
        }
        Change::Basket { items, before, settled } => format!("basket {:?} {before:?} {settled}", bought(items)),
        Change::Cross { relation, anchors, settled, others } => {
            let anchors: Vec<_> = anchors.iter().map(|&item| name(item)).collect();
            format!("cross {relation:?} {anchors:?} {settled} {:?}", bought(others))
        }
    };
    format!("{} {} {what}", delta.time.0, if delta.is_taken_back { "-" } else { "+" })
}

/// A line of counts.
pub fn parsed(line: &str) -> Row {
    let fields: Vec<&str> = line.split('\t').collect();
    let [kind, shop, relation, x, y, support, weight] = fields[..] else { panic!("seven fields: {line}") };
    let kind = ["pair", "total", "contexts", "tally"].into_iter().find(|&known| known == kind).unwrap();
    let (support, weight) = (support.parse().unwrap(), weight.parse().unwrap());
    let [shop, relation, x, y] = [shop, relation, x, y].map(str::to_owned);
    Row { kind, shop, relation, x, y, support, weight }
}

/// The first difference: pairs to 1e-5 (they are held as f32), all else to 1e-9. Refused events are told apart: they
/// have no place on a log.
pub fn difference(want: &[Row], got: &[Row]) -> Option<String> {
    let part = |rows: &[Row], pairs: bool| -> Vec<Row> {
        let wanted = |row: &&Row| (row.kind == "pair") == pairs && row.relation != "rejected";
        rows.iter().filter(wanted).cloned().collect()
    };
    recount::difference(&part(want, true), &part(got, true), 1e-5)
        .or_else(|| recount::difference(&part(want, false), &part(got, false), 1e-9))
}

/// Asserts that the rig's counts are those of a naive recount of `events`.
pub fn assert_counts(rig: &Rig, events: &[Event], naive: &Rules, context: &str) {
    let mut recount = recount::Recount::new(naive.clone());
    events.iter().for_each(|event| recount.event(event));
    let as_of = recount.latest();
    assert_eq!(difference(&recount.rows(as_of), &rig.rows(as_of)), None, "{context}");
}

/// An event as `samenloop` reads it without any mapping.
pub fn line(event: &Event) -> String {
    let mut value = serde_json::json!({ "shop": event.shop, "user": event.user, "ts": event.ts });
    if let Some(id) = &event.id {
        value["event_id"] = id.as_str().into();
    }
    let event_type = match &event.kind {
        Kind::View { item, session } => {
            value["item"] = item.as_str().into();
            if let Some(session) = session {
                value["session"] = session.as_str().into();
            }
            "view"
        }
        Kind::Cart { item } => {
            value["item"] = item.as_str().into();
            "cart"
        }
        Kind::Order { step, order_id, version, lines } => {
            value["order_id"] = order_id.as_str().into();
            if let Some(version) = version {
                value["version"] = (*version).into();
            }
            value["lines"] = lines.iter().map(|item| serde_json::json!({ "item": item })).collect();
            step.name()
        }
        Kind::Erase => "erase",
    };
    value["type"] = event_type.into();
    value.to_string()
}
