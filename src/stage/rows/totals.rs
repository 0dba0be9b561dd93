//! Totals told to the other partitions, and what they tell; claims on the same log.
//!
//! What has changed is told at most every [`TELL_INTERVAL_MS`], or when much has; at rest, all that differs at all. A block
//! carries (epoch, sequence); after a claim nothing of a lower epoch counts, so all readers of a partition have taken
//! over the same. The owner reads its own partition too: what its predecessors told need not be told again.

use super::{Clocked, RowsWork};
use crate::memory::of_vec;
use crate::position::{Checkpoint, NextOffset, Partition};
use crate::relation::Relation;
use crate::rows::{TotalKey, TotalUpdate};
use crate::stage::effect::{Effects, Log, StageError};
use crate::wire::{Anew, Kind, TotalEntry, TotalOf, TotalsBlock, TotalsHead, Translation, WireError, claimed, kind_of};

/// How often totals that have changed are told.
pub const TELL_INTERVAL_MS: i64 = 250;

/// As many changed totals are told at once, before that.
pub const CHANGED_MAX: usize = 16_384;

/// How many totals one step looks at: as many at most does a block hold.
pub const LOOKED_AT_MAX: usize = 4_096;

/// What has been told and heard.
pub(super) struct Telling {
    epoch: u64,
    sequence: u64,
    /// When totals are told next, by the stage's clock.
    next_ms: i64,
    /// More is to be looked at than one step may.
    is_unfinished: bool,
    /// How far the exact totals of a rest have got.
    exact: Exact,
    updates: Vec<TotalUpdate>,
    /// The newest (epoch, sequence) heard of each partition.
    read_stamps: Vec<(u64, u64)>,
    /// How far readers know this partition to have read.
    read_announced: Checkpoint,
}

/// How far the exact totals of a rest have got.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Exact {
    No,
    /// Being told; whether any was.
    Telling {
        any: bool,
    },
}

impl Telling {
    pub(super) fn new() -> Self {
        Self {
            epoch: 0,
            sequence: 0,
            next_ms: i64::MIN,
            is_unfinished: false,
            exact: Exact::No,
            updates: Vec::new(),
            read_stamps: Vec::new(),
            read_announced: Checkpoint::default(),
        }
    }

    pub(super) fn claim(&mut self, epoch: u64) {
        (self.epoch, self.sequence) = (epoch, 0);
    }

    pub(super) fn is_busy(&self) -> bool {
        self.is_unfinished || self.exact != Exact::No
    }

    pub(super) fn bytes(&self) -> usize {
        of_vec(&self.updates) + of_vec(&self.read_stamps)
    }

    /// The newest that has been heard of each partition.
    pub(super) fn read_stamps(&self) -> &[(u64, u64)] {
        &self.read_stamps
    }

    /// This had been heard when the state was kept.
    pub(super) fn restore(&mut self, read_stamps: Vec<(u64, u64)>) {
        self.read_stamps = read_stamps;
    }

    /// The newest that has been heard of `partition`.
    fn read_stamp(&mut self, partition: Partition) -> &mut (u64, u64) {
        if self.read_stamps.len() <= partition.index() {
            self.read_stamps.resize(partition.index() + 1, (0, 0));
        }
        &mut self.read_stamps[partition.index()]
    }
}

impl RowsWork {
    pub(super) fn totals_record(
        &mut self,
        partition: Partition,
        offset: NextOffset,
        record: &[u8],
    ) -> Result<(), StageError> {
        let wire = |error: WireError| StageError::Wire { log: Log::Totals, partition, offset, error };
        match kind_of(record).map_err(wire)? {
            Kind::Claim => {
                let (_, _, epochs_from) = claimed(record).map_err(wire)?;
                return self.claim_read(partition, epochs_from.saturating_add(offset.0));
            }
            // Its owner has heeded it before it claimed.
            Kind::Anew => return Anew::decode(record).map(drop).map_err(wire),
            _ => {}
        }
        let block = TotalsBlock::decode(record).map_err(wire)?;
        let head = &block.head;
        if head.partition != partition {
            let what = format!("partition {} holds totals of partition {}", partition.0, head.partition.0);
            return Err(StageError::Foreign { log: Log::Totals, what });
        }
        let is_own = partition == self.partition;
        if is_own && head.epoch > self.telling.epoch {
            return Err(self.overtaken(Log::Totals, head.epoch));
        }
        let said = (head.epoch, head.sequence);
        let read = self.telling.read_stamp(partition);
        if *read >= said {
            let is_overtaken = head.epoch < read.0;
            if is_own && is_overtaken {
                self.tell_again(&block);
            }
            return Ok(()); // of an owner that has been overtaken, or read before
        }
        *read = said;
        if is_own && head.epoch == self.telling.epoch {
            return Ok(());
        }
        self.names.fill(&block.shops, &block.items, self.rows.items_mut());
        for entry in &block.entries {
            let update = translated(entry, &self.names);
            let landmark = head.landmarks[entry.relation.index()];
            if is_own {
                self.rows.restore_sent(&update, landmark);
            } else if self.rows.apply_foreign_total(&update, landmark) {
                self.moved = true;
                self.last_input_ms = self.clock_ms;
                if let TotalKey::Item(relation, item) = update.key
                    && !self.silence.is_on()
                {
                    self.touch_shop_wide(Some(relation), item, None);
                }
            }
        }
        Ok(())
    }

    /// No reader takes what `block` says: it landed behind the claim of a later owner. Its writer could not know, and a
    /// state that it kept, from which this owner may have begun, has it as told.
    fn tell_again(&mut self, block: &TotalsBlock<'_>) {
        self.names.fill(&block.shops, &block.items, self.rows.items_mut());
        for entry in &block.entries {
            let update = translated(entry, &self.names);
            self.rows.forget_sent(&update, block.head.landmarks[entry.relation.index()]);
        }
    }

    /// Somebody has claimed `partition`: what its owners before said counts no more.
    fn claim_read(&mut self, partition: Partition, epoch: u64) -> Result<(), StageError> {
        if partition == self.partition && epoch > self.telling.epoch {
            return Err(self.overtaken(Log::Totals, epoch));
        }
        let read = self.telling.read_stamp(partition);
        *read = (*read).max((epoch, 0));
        Ok(())
    }

    pub(super) fn overtaken(&self, log: Log, found: u64) -> StageError {
        StageError::Overtaken { log, partition: self.partition, own: self.telling.epoch, found }
    }

    /// Tells what has changed, where it is time to.
    pub(super) fn tell_when_due(&mut self, effects: &mut dyn Effects) {
        if self.telling.is_unfinished || self.clock_ms >= self.telling.next_ms {
            self.tell_changed(effects);
        }
    }

    /// The same, where much has changed meanwhile.
    pub(super) fn tell_when_many(&mut self, effects: &mut dyn Effects) {
        if self.rows.changed_totals() >= CHANGED_MAX || self.clocked == Clocked::Events {
            self.tell_when_due_or_many(effects);
        }
    }

    fn tell_when_due_or_many(&mut self, effects: &mut dyn Effects) {
        if self.rows.changed_totals() >= CHANGED_MAX {
            self.tell_changed(effects);
        } else {
            self.tell_when_due(effects);
        }
        while self.clocked == Clocked::Events && self.telling.is_unfinished {
            self.tell_changed(effects);
        }
    }

    fn tell_changed(&mut self, effects: &mut dyn Effects) {
        if self.silence.is_on() {
            self.telling.is_unfinished = false;
            return;
        }
        let mut updates = std::mem::take(&mut self.telling.updates);
        self.telling.is_unfinished =
            self.rows.drain_changed(self.publish.total_step_milli, LOOKED_AT_MAX, &mut updates);
        if !self.telling.is_unfinished {
            self.telling.next_ms = self.clock_ms.saturating_add(TELL_INTERVAL_MS);
        }
        self.append_totals(&mut updates, effects);
        self.telling.updates = updates;
    }

    /// Starts to tell exact totals. Not to be asked while it is at it.
    pub(super) fn start_exact(&mut self) {
        self.telling.exact = Exact::Telling { any: false };
    }

    pub(super) fn is_telling_exact(&self) -> bool {
        self.telling.exact != Exact::No
    }

    /// Tells a portion of the exact totals. `Some` when that was the last one: whether there were any.
    pub(super) fn tell_exact(&mut self, effects: &mut dyn Effects) -> Option<bool> {
        let Exact::Telling { any } = self.telling.exact else { return None };
        let mut updates = std::mem::take(&mut self.telling.updates);
        let has_more = self.rows.drain_changed(self.publish.total_step_milli, LOOKED_AT_MAX, &mut updates)
            || self.rows.drain_differing(LOOKED_AT_MAX, &mut updates);
        let any = any || !updates.is_empty();
        self.append_totals(&mut updates, effects);
        self.telling.updates = updates;
        self.telling.exact = if has_more { Exact::Telling { any } } else { Exact::No };
        (!has_more).then_some(any)
    }

    /// Says how far the pairs log has been read, where that is not told: who recovers must find it again.
    pub(super) fn mark_read(&mut self, effects: &mut dyn Effects) {
        if self.read != self.telling.read_announced && !self.silence.is_catching_up() {
            self.append_block(effects);
        }
    }

    fn append_totals(&mut self, updates: &mut Vec<TotalUpdate>, effects: &mut dyn Effects) {
        self.tally.totals_told += updates.len() as u64;
        for update in updates.drain(..) {
            let TotalUpdate { key, support, weight } = update;
            let (relation, of) = match key {
                TotalKey::Item(relation, item) => (relation, TotalOf::Item(item)),
                TotalKey::Shop(relation, shop) => (relation, TotalOf::Shop(shop)),
            };
            self.totals_writer.push(&TotalEntry { relation, of, support, weight }, self.rows.items());
        }
        if !self.totals_writer.is_empty() {
            self.append_block(effects);
        }
    }

    fn append_block(&mut self, effects: &mut dyn Effects) {
        let telling = &mut self.telling;
        telling.sequence += 1;
        telling.read_announced = self.read;
        let head = TotalsHead {
            partition: self.partition,
            epoch: telling.epoch,
            sequence: telling.sequence,
            read: self.read,
            landmarks: Relation::ALL.map(|relation| self.rows.landmark(relation)),
        };
        effects.append(Log::Totals, self.partition, self.totals_writer.finish(&head, self.rows.items()));
    }
}

fn translated(entry: &TotalEntry<u32, u32>, names: &Translation) -> TotalUpdate {
    let &TotalEntry { relation, of, support, weight } = entry;
    let key = match of {
        TotalOf::Item(number) => TotalKey::Item(relation, names.items[number as usize]),
        TotalOf::Shop(number) => TotalKey::Shop(relation, names.shops[number as usize]),
    };
    TotalUpdate { key, support, weight }
}
