//! The rows stage on one partition: pairs blocks in, counted; lists and totals out.
//!
//! Counting never waits for ranking: a delta marks its rows, and a row is ranked when the clock says that it is due.
//! While the stage catches up, or a source reads history, lists and totals stay silent; then everything is due once.

use super::effect::{Effects, Log, StageError};
use super::{Clock, Identity, Left, RowsInput, Work};
use crate::items::ItemId;
use crate::position::{NextOffset, Partition, SourcePartition, Verdict};
use crate::publish::{Due, ListRecord, News, Publication, Publisher, Stamp};
use crate::rank::{Explanation, List, Ranker, explain};
use crate::relation::Relation;
use crate::rows::{Rows, TotalUpdate};
use crate::rules::{CountingRules, ListRules, PublishRules};
use crate::wire::{DeltaScratch, Kind, Lag, PairEntry, PairsBlock, SectionHead, Translation, kind_of};
use std::collections::BTreeSet;

/// What publishing goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clocked {
    /// The clock that [`super::Fact::Clock`] brings.
    Wall,
    /// The events' own times: a replay shows what would have been published live.
    Events,
}

/// Ranking and publishing, as set.
#[derive(Clone, Debug)]
pub struct RowsSetup {
    /// Rules of the lists, by [`Relation::index`].
    pub lists: [ListRules; Relation::COUNT],
    /// When a list is published.
    pub publish: PublishRules,
    /// By which clock.
    pub clocked: Clocked,
}

/// What the stage did so far. Arrays are by [`Relation::index`].
#[derive(Clone, Debug, Default)]
pub struct RowsTally {
    /// Entries of the pairs log that had been applied before.
    pub ledger_duplicates: u64,
    /// Rows ranked.
    pub ranked: [u64; Relation::COUNT],
    /// Lists published.
    pub published: [u64; Relation::COUNT],
    /// Tombstones published.
    pub tombstones: [u64; Relation::COUNT],
    /// Ranked lists that said nothing new.
    pub suppressed: [u64; Relation::COUNT],
    /// Totals told to other partitions.
    pub totals_told: u64,
}

/// One partition of the rows stage.
pub struct RowsWork {
    partition: Partition,
    identity: Identity,
    rows: Rows,
    names: Translation,
    scratch: DeltaScratch,
    touched: Vec<(Relation, ItemId)>,
    rules: [ListRules; Relation::COUNT],
    lists: [Option<Ranker>; Relation::COUNT],
    list: List,
    due: Due,
    publisher: Publisher,
    clocked: Clocked,
    clock_ms: i64,
    publish: PublishRules,
    /// When the last record came, by `clock_ms`.
    last_input_ms: i64,
    updates: Vec<TotalUpdate>,
    /// Sources that read history.
    history: BTreeSet<SourcePartition>,
    is_live: bool,
    was_silent: bool,
    /// Whether anything has come since the last rest.
    moved: bool,
    /// The offset of this owner's claim.
    epoch: Option<u64>,
    /// Whether what has landed on the lists log is news: what a predecessor published.
    wants_lists: bool,
    tally: RowsTally,
}

impl RowsWork {
    /// Partition `partition` of `partitions` of the pairs log, which is written under `pairs_identity`.
    #[must_use]
    pub fn new(
        partition: Partition,
        partitions: u32,
        counting: &CountingRules,
        pairs_identity: u64,
        setup: &RowsSetup,
    ) -> Self {
        let RowsSetup { lists, publish, clocked } = setup;
        let ranker = |rules: &ListRules| rules.enabled.then(|| Ranker::new(rules.clone()));
        Self {
            partition,
            identity: Identity::new(Log::Pairs, partition, pairs_identity),
            rows: Rows::new(counting, partition, partitions),
            names: Translation::default(),
            scratch: DeltaScratch::default(),
            touched: Vec::new(),
            rules: lists.clone(),
            lists: lists.each_ref().map(ranker),
            list: List::blank(),
            due: Due::new(publish),
            publisher: Publisher::new(publish.min_score_step_milli),
            clocked: *clocked,
            clock_ms: i64::MIN,
            publish: *publish,
            last_input_ms: i64::MIN,
            updates: Vec::new(),
            history: BTreeSet::new(),
            is_live: false,
            was_silent: true,
            moved: false,
            epoch: None,
            wants_lists: true,
            tally: RowsTally::default(),
        }
    }

    /// The counts.
    #[must_use]
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// What the stage did so far.
    #[must_use]
    pub fn tally(&self) -> &RowsTally {
        &self.tally
    }

    /// Bytes held now, by kind.
    #[must_use]
    pub fn bytes_by_kind(&self) -> Vec<(&'static str, usize)> {
        vec![
            ("rows", self.rows.stats().bytes),
            ("names", self.rows.items().bytes() + self.names.held_bytes()),
            ("due", self.due.bytes()),
            ("published", self.publisher.bytes()),
        ]
    }

    /// The row behind a list, with its best `candidates_max` entries, also where the list is off; `None` when the item has
    /// never been met.
    #[must_use]
    pub fn explain(&self, relation: Relation, shop: &str, item: &str, candidates_max: usize) -> Option<Explanation> {
        let item = self.rows.items().find_item(shop, item)?;
        Some(explain(&self.rows.row(relation, item), &self.rules[relation.index()], candidates_max))
    }

    /// Publishes every list as it stands, news or not.
    pub fn publish_all(&mut self, effects: &mut dyn Effects) {
        for relation in Relation::ALL {
            let anchors: Vec<ItemId> = self.rows.anchors(relation).collect();
            for anchor in anchors {
                if self.rank(relation, anchor) && !self.list.is_empty() {
                    let stamp = self.publisher.stamp(&self.list.key).unwrap_or_default();
                    effects.publish(&self.publication(stamp, None));
                }
            }
        }
    }

    /// Whether records of the lists log are to be given decoded: while the end that the log had at the start has not been
    /// reached.
    #[must_use]
    pub fn wants_lists(&self) -> bool {
        self.wants_lists
    }

    fn is_silent(&self) -> bool {
        !self.is_live || !self.history.is_empty()
    }

    fn opening(&mut self, offset: NextOffset, block: &[u8]) -> Result<(), StageError> {
        let opening = self.identity.check(offset, block)?;
        opening.origins.iter().for_each(|origin| self.identity.open(origin));
        Ok(())
    }

    fn pairs(&mut self, offset: NextOffset, bytes: &[u8], effects: &mut dyn Effects) -> Result<(), StageError> {
        let block = PairsBlock::decode(bytes).map_err(|error| self.identity.wire(offset, error))?;
        self.names.fill(&block.shops, &block.items, self.rows.items_mut());
        for section in &block.sections {
            let head = &section.head;
            let entries = &block.entries[section.entries.clone()];
            let Verdict::Apply { from } = self.identity.verdict(offset, head)? else {
                self.tally.ledger_duplicates += entries.len() as u64;
                continue;
            };
            let is_current = self.identity.is_current(block.generation, &head.source);
            if is_current && head.lag == Lag::History && !self.history.contains(&head.source) {
                self.history.insert(head.source.clone()); // from the first entry on; its end counts from the last
                self.watch_silence();
            }
            for entry in entries {
                if entry.position < from {
                    self.tally.ledger_duplicates += 1;
                } else {
                    self.apply(&block, entry, head, effects);
                }
            }
            self.hear(head, is_current, effects);
            self.identity.ledger.advance(&head.source, head.span.to);
        }
        self.tell_totals(false, effects);
        Ok(())
    }

    fn apply(&mut self, block: &PairsBlock<'_>, entry: &PairEntry, head: &SectionHead, effects: &mut dyn Effects) {
        self.moved = true;
        let arrived_ms = match self.clocked {
            Clocked::Events => {
                self.publish_due(entry.time.0, effects);
                entry.time.0
            }
            Clocked::Wall => head.arrived_ms.unwrap_or(self.clock_ms),
        };
        let (rows, touched) = (&mut self.rows, &mut self.touched);
        block.with_delta(entry, &self.names, &mut self.scratch, |delta| rows.apply(delta, touched));
        let is_silent = self.is_silent();
        for (relation, item) in self.touched.drain(..) {
            if self.lists[relation.index()].is_none() {
                continue;
            }
            if is_silent {
                self.due.know(relation, item);
            } else {
                self.due.mark(relation, item, arrived_ms, self.clock_ms);
            }
        }
    }

    fn hear(&mut self, head: &SectionHead, is_current: bool, effects: &mut dyn Effects) {
        if let Some(highest) = head.highest {
            if self.clocked == Clocked::Events {
                self.publish_due(highest.0, effects);
            }
            self.moved |= highest > self.rows.now();
            self.rows.observe(highest);
        }
        if is_current && head.lag != Lag::History {
            self.history.remove(&head.source);
        }
        self.watch_silence();
    }

    /// When silence ends, everything is due once.
    fn watch_silence(&mut self) {
        let is_silent = self.is_silent();
        if self.was_silent && !is_silent {
            self.due.sweep_all(self.clock_ms);
        }
        self.was_silent = is_silent;
    }

    fn totals(&mut self, _partition: Partition, _offset: NextOffset, bytes: &[u8]) -> Result<(), StageError> {
        if kind_of(bytes) == Ok(Kind::Claim) {
            return Ok(());
        }
        let update = read_total(bytes)?;
        self.moved |= self.rows.apply_total(&update);
        Ok(())
    }

    /// Tells the other partitions which totals have moved. Returns whether there were any.
    fn tell_totals(&mut self, exact: bool, effects: &mut dyn Effects) -> bool {
        if self.is_silent() {
            return false;
        }
        self.rows.drain_totals(self.publish.total_step_milli, exact, &mut self.updates);
        let any = !self.updates.is_empty();
        self.tally.totals_told += self.updates.len() as u64;
        for update in self.updates.drain(..) {
            // Plain texts and finite numbers always serialise.
            let value = serde_json::to_vec(&update).unwrap_or_default();
            effects.append(Log::Totals, self.partition, value);
        }
        any
    }

    /// Ranks and publishes what is due at `clock_ms`.
    fn publish_due(&mut self, clock_ms: i64, effects: &mut dyn Effects) {
        if clock_ms <= self.clock_ms {
            return;
        }
        self.clock_ms = clock_ms;
        if !self.is_silent() {
            self.publish_ready(effects);
        }
    }

    fn publish_ready(&mut self, effects: &mut dyn Effects) {
        while let Some(row) = self.due.pop(self.clock_ms) {
            if !self.rank(row.relation, row.item) {
                continue;
            }
            let relation = row.relation.index();
            self.tally.ranked[relation] += 1;
            match self.publisher.offer(&self.list) {
                News::List(stamp) => {
                    self.tally.published[relation] += 1;
                    effects.publish(&self.publication(stamp, row.since_ms));
                }
                News::Tombstone(stamp) => {
                    self.tally.tombstones[relation] += 1;
                    effects.publish(&self.publication(stamp, row.since_ms));
                }
                News::Suppressed => self.tally.suppressed[relation] += 1,
                News::Nothing => {}
            }
        }
    }

    /// Ranks a row into `self.list`; says whether its list is on.
    fn rank(&mut self, relation: Relation, anchor: ItemId) -> bool {
        let Some(ranker) = &mut self.lists[relation.index()] else { return false };
        ranker.rank_into(&self.rows.row(relation, anchor), &mut self.list);
        true
    }

    fn publication(&self, stamp: Stamp, since_ms: Option<i64>) -> Publication<'_> {
        Publication {
            partition: self.partition,
            list: &self.list,
            items: self.rows.items(),
            stamp,
            since_ms,
            waited_ms: since_ms.map(|since_ms| self.clock_ms.saturating_sub(since_ms).max(0)),
        }
    }
}

fn read_total(bytes: &[u8]) -> Result<TotalUpdate, StageError> {
    serde_json::from_slice(bytes).map_err(|error| StageError::Foreign { log: Log::Totals, what: error.to_string() })
}

/// A record of the lists log as it has landed, whoever wrote it.
#[derive(Clone, Copy, Debug)]
pub struct Landed<'a> {
    /// The shop of its key.
    pub shop: &'a str,
    /// The list of its key.
    pub list: &'a str,
    /// The item of its key.
    pub item: &'a str,
    /// Who published it, and as which record; none where nobody says so.
    pub stamp: Option<Stamp>,
    /// What it says.
    pub value: LandedValue<'a>,
}

/// What a record of the lists log says.
#[derive(Clone, Copy, Debug)]
pub enum LandedValue<'a> {
    /// There is no such list any more.
    Tombstone,
    /// A list, not decoded: nobody wants to know ([`RowsWork::wants_lists`]).
    Undecoded,
    /// A list.
    List(&'a ListRecord<'a>),
}

impl<'a> Landed<'a> {
    /// What has landed, all of it decoded.
    #[must_use]
    pub fn of(record: &'a ListRecord<'a>, stamp: Option<Stamp>) -> Self {
        let value = if record.tombstone { LandedValue::Tombstone } else { LandedValue::List(record) };
        Self { shop: &record.shop, list: &record.list, item: &record.item, stamp, value }
    }
}

/// What the inputs of rows bring.
#[derive(Clone, Copy, Debug)]
pub enum RowsRecord<'a> {
    /// Of pairs and totals: a block.
    Block(&'a [u8]),
    /// Of lists: what has landed.
    List(Landed<'a>),
}

impl Work for RowsWork {
    type Input = RowsInput;
    type Record<'a> = RowsRecord<'a>;

    fn left(&mut self, _left: &Left<'_>) -> Result<(), StageError> {
        Ok(())
    }

    fn claimed(&mut self, epoch: u64) {
        self.epoch = Some(epoch);
        self.rows.claim(epoch);
        self.publisher.claim(epoch);
    }

    fn open(&mut self, _effects: &mut dyn Effects) {
        assert!(self.epoch.is_some(), "a rows partition is claimed before it is read");
    }

    fn record(
        &mut self,
        input: RowsInput,
        offset: NextOffset,
        record: &RowsRecord<'_>,
        effects: &mut dyn Effects,
    ) -> Result<(), StageError> {
        match (input, record) {
            (RowsInput::Lists, RowsRecord::List(landed)) => {
                if let LandedValue::List(record) = landed.value {
                    self.publisher.restore(record, self.rows.items_mut());
                }
                Ok(())
            }
            (RowsInput::Totals(partition), RowsRecord::Block(block)) => {
                self.last_input_ms = self.clock_ms;
                self.totals(partition, offset, block)
            }
            (RowsInput::Pairs, RowsRecord::Block(block)) => {
                self.last_input_ms = self.clock_ms;
                match kind_of(block).map_err(|error| self.identity.wire(offset, error))? {
                    Kind::Opening => self.opening(offset, block),
                    Kind::Founding => Ok(()),
                    _ => self.pairs(offset, block, effects),
                }
            }
            (RowsInput::Lists, RowsRecord::Block(_)) | (_, RowsRecord::List(_)) => {
                let what = format!("{input:?} brought {record:?}");
                Err(StageError::Foreign { log: Log::Lists, what })
            }
        }
    }

    fn reached(&mut self, input: RowsInput, _effects: &mut dyn Effects) {
        self.wants_lists &= input != RowsInput::Lists;
    }

    fn live(&mut self, _effects: &mut dyn Effects) -> Result<(), StageError> {
        self.is_live = true;
        self.watch_silence();
        Ok(())
    }

    fn clock(&mut self, clock: Clock, effects: &mut dyn Effects) -> Result<(), StageError> {
        if self.clocked == Clocked::Wall {
            self.publish_due(clock.wall_ms, effects);
            if self.moved && self.clock_ms.saturating_sub(self.last_input_ms) >= self.publish.rest_after_ms {
                self.rest(effects);
            }
        }
        Ok(())
    }

    fn flush(&mut self, _effects: &mut dyn Effects) {}

    fn mark(&mut self, _effects: &mut dyn Effects) {}

    /// First exact totals go out; when there are none to tell, every row is ranked.
    fn rest(&mut self, effects: &mut dyn Effects) {
        if self.is_silent() || !self.moved || self.tell_totals(true, effects) {
            return;
        }
        self.moved = false;
        if self.clocked == Clocked::Events {
            // As live, where rest comes when nothing has come for so long that no row cools any more.
            let rest_ms = REST_MS.max(self.publish.min_interval_ms.saturating_add(1));
            self.clock_ms = self.clock_ms.max(self.rows.now().0).saturating_add(rest_ms);
        }
        self.due.sweep_all(self.clock_ms);
        self.publish_ready(effects);
    }
}

/// How far rest lies at least behind the last event where the clock is the events'.
const REST_MS: i64 = 10_000;
