//! The rows stage on one partition: pairs blocks in, counted; lists and totals out.

use super::effect::{Effect, Log, StageError};
use super::{Identity, Left, Work};
use crate::event::EventTime;
use crate::items::ItemId;
use crate::position::{NextOffset, Partition, SourcePartition, Verdict};
use crate::relation::Relation;
use crate::rows::Rows;
use crate::rules::{CountingRules, ListRules, PublishRules};
use crate::wire::{DeltaScratch, Kind, PairsBlock, SectionHead, Translation, kind_of};
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

/// What the stage did so far.
#[derive(Clone, Debug, Default)]
pub struct RowsTally {
    /// Entries of the pairs log that had been applied before.
    pub ledger_duplicates: u64,
}

/// One partition of the rows stage.
pub struct RowsWork {
    identity: Identity,
    rows: Rows,
    names: Translation,
    scratch: DeltaScratch,
    touched: Vec<(Relation, ItemId)>,
    history: BTreeSet<SourcePartition>,
    tally: RowsTally,
}

impl RowsWork {
    /// Partition `partition` of `partitions` of the pairs log.
    #[must_use]
    pub fn new(partition: Partition, partitions: u32, counting: &CountingRules, _setup: &RowsSetup) -> Self {
        Self {
            identity: Identity::new(Log::Pairs, partition, counting.fingerprint()),
            rows: Rows::new(counting, partition, partitions),
            names: Translation::default(),
            scratch: DeltaScratch::default(),
            touched: Vec::new(),
            history: BTreeSet::new(),
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

    /// Publishes every list as it stands, news or not.
    pub fn publish_all(&mut self, _effects: &mut Vec<Effect>) {}

    fn opening(&mut self, offset: NextOffset, block: &[u8]) -> Result<(), StageError> {
        let opening = self.identity.check(offset, block)?;
        opening.origins.iter().try_for_each(|origin| self.identity.open(offset, origin))
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
            for entry in entries {
                if entry.position < from {
                    self.tally.ledger_duplicates += 1;
                    continue;
                }
                let (rows, touched) = (&mut self.rows, &mut self.touched);
                block.with_delta(entry, &self.names, &mut self.scratch, |delta| rows.apply(delta, touched));
                self.touched.clear();
            }
            self.hear(head, effects);
            self.identity.ledger.advance(&head.source, head.span.to);
        }
        Ok(())
    }

    fn hear(&mut self, head: &SectionHead, _effects: &mut Vec<Effect>) {
        self.rows.observe(head.highest.unwrap_or(EventTime::MIN));
        if !head.history {
            self.history.remove(&head.source);
        } else if !self.history.contains(&head.source) {
            self.history.insert(head.source.clone());
        }
    }
}

impl Work for RowsWork {
    type Record<'a> = &'a [u8];

    fn left(&mut self, _left: &Left<'_>) -> Result<(), StageError> {
        Ok(())
    }

    fn open(&mut self, _effects: &mut Vec<Effect>) {}

    fn record(
        &mut self,
        input: usize,
        offset: NextOffset,
        record: &&[u8],
        effects: &mut Vec<Effect>,
    ) -> Result<(), StageError> {
        if input != 0 {
            return Ok(());
        }
        match kind_of(record).map_err(|error| self.identity.wire(offset, error))? {
            Kind::Opening => self.opening(offset, record),
            _ => self.pairs(offset, record, effects),
        }
    }

    fn reached(&mut self, _input: usize, _effects: &mut Vec<Effect>) {}

    fn live(&mut self, _effects: &mut Vec<Effect>) {}

    fn clock(&mut self, _now_ms: i64, _effects: &mut Vec<Effect>) -> Result<(), StageError> {
        Ok(())
    }

    fn flush(&mut self, _effects: &mut Vec<Effect>) {}

    fn mark(&mut self, _effects: &mut Vec<Effect>) {}

    fn rest(&mut self, _effects: &mut Vec<Effect>) {}
}
