//! The rows stage on one partition: pairs blocks in, counted; lists and totals out.
//!
//! Counting never waits for ranking: a delta marks its rows, and a row is ranked when the clock says that it is due.
//! While the stage catches up, or a source reads history, lists and totals stay silent; then everything is due once.

use super::effect::{Effect, Log, StageError};
use super::{Identity, Left, Work};
use crate::items::ItemId;
use crate::position::{NextOffset, Partition, SourcePartition, Verdict};
use crate::publish::{Due, ListRecord, News, Publisher, Stamp};
use crate::rank::{Explanation, List, Ranker, explain};
use crate::relation::Relation;
use crate::rows::{Rows, TotalUpdate};
use crate::rules::{CountingRules, ListRules, PublishRules};
use crate::wire::{DeltaScratch, Kind, PairEntry, PairsBlock, SectionHead, Translation, kind_of};
use std::collections::BTreeSet;

/// Number of the input that brings pairs blocks; every other one brings totals.
const PAIRS: usize = 0;

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
    /// The highest epoch that a predecessor published under.
    epoch_left: Option<u64>,
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
            list: List::empty(Relation::BoughtTogether, ItemId(0)),
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
            epoch_left: None,
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
    pub fn publish_all(&mut self, effects: &mut Vec<Effect>) {
        for relation in Relation::ALL {
            let anchors: Vec<ItemId> = self.rows.anchors(relation).collect();
            for anchor in anchors {
                if self.rank(relation, anchor) && !self.list.is_empty() {
                    let stamp = self.publisher.stamp(relation, anchor).unwrap_or_default();
                    effects.push(self.publication(stamp, None));
                }
            }
        }
    }

    fn is_silent(&self) -> bool {
        !self.is_live || !self.history.is_empty()
    }

    fn opening(&mut self, offset: NextOffset, block: &[u8]) -> Result<(), StageError> {
        let opening = self.identity.check(offset, block)?;
        opening.origins.iter().for_each(|origin| self.identity.open(origin));
        Ok(())
    }

    fn pairs(&mut self, offset: NextOffset, bytes: &[u8], effects: &mut Vec<Effect>) -> Result<(), StageError> {
        let block = PairsBlock::decode(bytes).map_err(|error| self.identity.wire(offset, error))?;
        self.names.fill(&block.shops, &block.items, self.rows.items_mut());
        for section in &block.sections {
            let head = &section.head;
            let entries = &block.entries[section.entries.clone()];
            let Verdict::Apply { from } = self.identity.verdict(offset, head)? else {
                self.tally.ledger_duplicates += entries.len() as u64;
                continue;
            };
            if head.history && !self.history.contains(&head.source) {
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
            self.hear(head, effects);
            self.identity.ledger.advance(&head.source, head.span.to);
        }
        self.tell_totals(false, effects);
        Ok(())
    }

    fn apply(&mut self, block: &PairsBlock<'_>, entry: &PairEntry, head: &SectionHead, effects: &mut Vec<Effect>) {
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

    fn hear(&mut self, head: &SectionHead, effects: &mut Vec<Effect>) {
        if let Some(highest) = head.highest {
            if self.clocked == Clocked::Events {
                self.publish_due(highest.0, effects);
            }
            self.moved |= highest > self.rows.now();
            self.rows.observe(highest);
        }
        if !head.history {
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

    fn total(&mut self, bytes: &[u8]) -> Result<(), StageError> {
        let update = read_total(bytes)?;
        self.moved |= self.rows.apply_total(&update);
        Ok(())
    }

    /// Tells the other partitions which totals have moved. Returns whether there were any.
    fn tell_totals(&mut self, exact: bool, effects: &mut Vec<Effect>) -> bool {
        if self.is_silent() {
            return false;
        }
        self.rows.drain_totals(self.publish.total_step_milli, exact, &mut self.updates);
        let any = !self.updates.is_empty();
        self.tally.totals_told += self.updates.len() as u64;
        for update in self.updates.drain(..) {
            let item = update.item.as_deref().unwrap_or_default();
            let key = [&update.shop, update.relation.name(), item].join("/").into_bytes();
            // Plain texts and finite numbers always serialise.
            let value = serde_json::to_vec(&update).unwrap_or_default();
            effects.push(Effect::Broadcast { key, value });
        }
        any
    }

    /// Ranks and publishes what is due at `clock_ms`.
    fn publish_due(&mut self, clock_ms: i64, effects: &mut Vec<Effect>) {
        if clock_ms <= self.clock_ms {
            return;
        }
        self.clock_ms = clock_ms;
        if !self.is_silent() {
            self.publish_ready(effects);
        }
    }

    fn publish_ready(&mut self, effects: &mut Vec<Effect>) {
        while let Some(row) = self.due.pop(self.clock_ms) {
            if !self.rank(row.relation, row.item) {
                continue;
            }
            let relation = row.relation.index();
            self.tally.ranked[relation] += 1;
            match self.publisher.offer(&self.list) {
                News::List(stamp) => {
                    self.tally.published[relation] += 1;
                    effects.push(self.publication(stamp, row.since_ms));
                }
                News::Tombstone(stamp) => {
                    self.tally.tombstones[relation] += 1;
                    effects.push(self.publication(stamp, row.since_ms));
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

    fn publication(&self, stamp: Stamp, since_ms: Option<i64>) -> Effect {
        let record = ListRecord::of(&self.list, self.rows.items(), stamp).into_owned();
        Effect::Publish {
            partition: self.partition,
            relation: self.list.relation,
            record: Box::new(record),
            since_ms,
            waited_ms: since_ms.map(|since_ms| self.clock_ms.saturating_sub(since_ms).max(0)),
        }
    }
}

fn read_total(bytes: &[u8]) -> Result<TotalUpdate, StageError> {
    serde_json::from_slice(bytes).map_err(|error| StageError::Foreign { log: Log::Totals, what: error.to_string() })
}

impl Work for RowsWork {
    type Record<'a> = &'a [u8];

    fn left(&mut self, left: &Left<'_>) -> Result<(), StageError> {
        let epoch = match left {
            Left::List(record) => {
                self.publisher.restore(record, self.rows.items_mut());
                record.epoch
            }
            Left::Total(record) => {
                let update = read_total(record)?;
                if update.partition != self.partition.0 {
                    return Ok(());
                }
                update.epoch
            }
            Left::NewLogId(_) | Left::Opening { .. } | Left::Position { .. } => return Ok(()),
        };
        self.epoch_left = self.epoch_left.max(Some(epoch));
        Ok(())
    }

    fn open(&mut self, _effects: &mut Vec<Effect>) {
        let epoch = self.epoch_left.map_or(0, |left| left.saturating_add(1));
        self.rows.claim(epoch);
        self.publisher.claim(epoch);
    }

    fn record(
        &mut self,
        input: usize,
        offset: NextOffset,
        record: &&[u8],
        effects: &mut Vec<Effect>,
    ) -> Result<(), StageError> {
        self.last_input_ms = self.clock_ms;
        if input != PAIRS {
            return self.total(record);
        }
        match kind_of(record).map_err(|error| self.identity.wire(offset, error))? {
            Kind::Opening => self.opening(offset, record),
            Kind::Founding => Ok(()),
            _ => self.pairs(offset, record, effects),
        }
    }

    fn reached(&mut self, _input: usize, _effects: &mut Vec<Effect>) {}

    fn live(&mut self, _effects: &mut Vec<Effect>) {
        self.is_live = true;
        self.watch_silence();
    }

    fn clock(&mut self, now_ms: i64, effects: &mut Vec<Effect>) -> Result<(), StageError> {
        if self.clocked == Clocked::Wall {
            self.publish_due(now_ms, effects);
            if self.moved && self.clock_ms.saturating_sub(self.last_input_ms) >= self.publish.rest_after_ms {
                self.rest(effects);
            }
        }
        Ok(())
    }

    fn flush(&mut self, _effects: &mut Vec<Effect>) {}

    fn mark(&mut self, _effects: &mut Vec<Effect>) {}

    /// First exact totals go out; when there are none to tell, every row is ranked.
    fn rest(&mut self, effects: &mut Vec<Effect>) {
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
