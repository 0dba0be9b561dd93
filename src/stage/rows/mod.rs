//! The rows stage on one partition: pairs blocks in, counted; lists and totals out.
//!
//! Nine ideas, a file each: `counting` (deltas, by the ledger), `hits` (each is a test of the lists before it is counted), `silence` (while the stage catches up, or a source reads history, lists and
//! totals stay silent; then everything is due once), `publishing` (a list is ranked when it is due, and published when it is news, or
//! when another one has landed over it), `placements` (lists put together from others), `exposure` (no item leads too many), `filling` (what stands
//! behind what is counted), `totals` (what partitions tell each other, and claims), `shown`
//! (where there are facts: which lists a change of an item touches, and silence until all facts have been read). Beside them `review`:
//! each list is looked at as it is ranked, for what a person should see.
//!
//! Invariants: counting never waits for ranking; a fact does a bounded amount of ranking and telling (but where the events are the clock:
//! a replay must publish what a live stage would have), the rest is left over ([`super::Stage::is_busy`]); durations go by a clock
//! that nobody puts back; of two owners of a partition the one with the lower epoch stops.

mod counting;
mod exposure;
mod filling;
mod hits;
mod keeping;
mod placements;
mod explaining;
mod publishing;
mod ranking;
mod record;
mod review;
mod shown;
mod shop_wide;
mod silence;
mod totals;

pub use hits::{HIT_SHOPS_MAX, HITS_AT, HitTally, Hits};
pub use record::{Landed, LandedValue, RowsRecord};
pub use review::{Doubt, Doubtful, Doubts, REVIEW_MAX, REVIEW_SHOPS_MAX, ReviewQueue};

use super::checkpoints::{Checkpoints, refused};
use super::effect::{Effects, Log, StageError};
use super::{Clock, Identity, Inherited, RowsInput, Work};
use crate::facts::{Facts, Shelf};
use crate::items::ItemId;
use crate::list_key::{Base, ListName};
use crate::position::{Checkpoint, Gap, NextOffset, Partition, SourcePartition};
use crate::publish::{Due, Lists, Publisher};
use crate::rank::{Beside, Explanation, List, explain_beside};
use crate::relation::Relation;
use crate::rows::Rows;
use crate::rules::{CountingRules, ListRules, PublishRules};
use crate::wire::{Anew, DeltaScratch, PAIRS_SOURCE, TotalsWriter, Translation};
use exposure::Exposure;
use placements::Placements;
use ranking::Rankers;
use shop_wide::{Looking, ShopWide};
use shown::Shown;
use silence::Silence;
use std::sync::Arc;
use totals::Telling;

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
    /// Rules of the lists, by [`ListName::index`].
    pub lists: [ListRules; ListName::COUNT],
    /// When a list is published.
    pub publish: PublishRules,
    /// By which clock.
    pub clocked: Clocked,
    /// What is known of items, if anything is: it decides what of the counted is shown.
    pub facts: Option<Arc<Facts>>,
}

/// What the stage did so far. Arrays are by [`ListName::index`].
#[derive(Clone, Debug, Default)]
pub struct RowsTally {
    /// Entries of the pairs log that had been applied before.
    pub ledger_duplicates: u64,
    /// Rows ranked.
    pub ranked: [u64; ListName::COUNT],
    /// Lists published.
    pub published: [u64; ListName::COUNT],
    /// Tombstones published.
    pub tombstones: [u64; ListName::COUNT],
    /// Ranked lists that said nothing new.
    pub suppressed: [u64; ListName::COUNT],
    /// Lists and tombstones published because something else had landed over them.
    pub corrected: u64,
    /// Totals told to other partitions.
    pub totals_told: u64,
}

/// One partition of the rows stage.
pub struct RowsWork {
    partition: Partition,
    /// The partition of the pairs log, as a source.
    pairs: SourcePartition,
    identity: Identity,
    /// What predecessors say that they have read of it: until it is opened, and then until reading has passed it.
    inherited_checkpoints: Vec<Checkpoint>,
    checkpoints: Checkpoints,
    /// How far this stage has read it.
    read: Checkpoint,
    rows: Rows,
    names: Translation,
    scratch: DeltaScratch,
    touched: Vec<(Relation, ItemId)>,
    rules: [ListRules; ListName::COUNT],
    rankers: Rankers,
    /// The list ranked last.
    ranked: List,
    /// What stands beside its entries, where that is told.
    shelves: Vec<Shelf>,
    shop_wide: Option<Box<ShopWide>>,
    placements: Placements,
    exposure: Exposure,
    looking: Looking,
    lists: Lists,
    due: Due,
    publisher: Publisher,
    publish: PublishRules,
    clocked: Clocked,
    /// By this every duration is measured: a clock that nobody puts back, or the events'.
    clock_ms: i64,
    /// By this times are told: the wall's, or the events'.
    wall_ms: i64,
    /// When the last record came, by `clock_ms`.
    last_input_ms: i64,
    telling: Telling,
    totals_writer: TotalsWriter,
    silence: Silence,
    /// From when on lists are published, by `clock_ms`.
    publish_from_ms: i64,
    /// Whether anything has come since the last rest.
    moved: bool,
    /// Where the epochs of the totals log begin.
    epochs_from: u64,
    /// The place of this owner's claim, counted from there.
    epoch: Option<u64>,
    /// A higher epoch found among the lists that were there at the start.
    epoch_above: Option<u64>,
    /// Whether the end that the lists log had at the start has not been reached: what lands is what a predecessor published.
    wants_lists: bool,
    tally: RowsTally,
    hits: Hits,
    review: review::Review,
    keeping: keeping::Keeping,
    /// How many names the state that is taken up has.
    items_expected: Option<u64>,
    /// What is shown by facts; none where there are none.
    shown: Option<Box<Shown>>,
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
        let RowsSetup { lists, publish, clocked, facts } = setup;
        let mut rows = Rows::new(counting, partition, partitions);
        for rules in lists.iter().filter(|rules| rules.enabled) {
            if let Some(half_life_ms) = rules.recent_half_life_ms() {
                rows.keep_recent(rules.relation, half_life_ms);
            }
        }
        Self {
            partition,
            pairs: SourcePartition::new(PAIRS_SOURCE, partition.0),
            identity: Identity::new(Log::Pairs, partition, pairs_identity),
            inherited_checkpoints: Vec::new(),
            checkpoints: Checkpoints::default(),
            read: Checkpoint::default(),
            rows,
            names: Translation::default(),
            scratch: DeltaScratch::default(),
            touched: Vec::new(),
            rules: lists.clone(),
            rankers: Rankers::of(lists, |rules| rules.enabled),
            ranked: List::blank(),
            shelves: Vec::new(),
            shop_wide: ShopWide::new(lists),
            placements: Placements::of(lists),
            exposure: Exposure::of(lists),
            looking: Looking::Idle,
            lists: Lists::default(),
            due: Due::new(publish),
            publisher: Publisher::new(publish.min_score_step_milli).keeping_reserve(facts.is_some()),
            publish: *publish,
            clocked: *clocked,
            clock_ms: i64::MIN,
            wall_ms: i64::MIN,
            last_input_ms: i64::MIN,
            telling: Telling::new(),
            totals_writer: TotalsWriter::default(),
            silence: Silence::new(),
            publish_from_ms: i64::MIN,
            moved: false,
            epochs_from: 0,
            epoch: None,
            epoch_above: None,
            wants_lists: true,
            tally: RowsTally::default(),
            hits: Hits::default(),
            review: review::Review::new(counting),
            keeping: keeping::Keeping::default(),
            items_expected: None,
            shown: facts.as_ref().map(|facts| Box::new(Shown::by(Arc::clone(facts)))),
        }
    }

    /// The counts.
    #[must_use]
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// How long something may be missing from the log before the stage stops.
    pub fn set_gap_wait(&mut self, gap_wait_ms: i64) {
        self.identity.set_gap_wait(gap_wait_ms);
    }

    /// What is missing from the log of pairs.
    pub fn gaps(&self) -> impl Iterator<Item = Gap<'_>> {
        self.identity.known.ledger.gaps()
    }

    /// What the state that was taken up knows of published lists does not count: the lists log is another one.
    pub fn forget_published(&mut self) {
        self.publisher.forget_all();
    }

    /// The totals log was made anew beside lists of former owners: epochs begin above theirs, and lists wait until all has been
    /// counted again. To be told before the claim, unless the state that was taken up knows it.
    pub fn made_anew(&mut self, mark: Anew) {
        self.epochs_from = mark.epochs_from;
        self.silence.wait_for(mark.read_to);
    }

    /// Where the epochs of the totals log begin.
    #[must_use]
    pub fn epochs_from(&self) -> u64 {
        self.epochs_from
    }

    /// The epoch of its owner.
    #[must_use]
    pub fn epoch(&self) -> Option<u64> {
        self.epoch
    }

    /// What the stage did so far.
    #[must_use]
    pub fn tally(&self) -> &RowsTally {
        &self.tally
    }

    /// How good its lists were.
    #[must_use]
    pub fn hits(&self) -> &Hits {
        &self.hits
    }

    /// Bytes held now, by kind.
    #[must_use]
    pub fn bytes_by_kind(&self) -> Vec<(&'static str, usize)> {
        vec![
            ("rows", self.rows.stats().bytes),
            ("names", self.rows.items().bytes() + self.names.held_bytes()),
            ("due", self.due.bytes() + self.lists.bytes() + self.shop_wide.as_ref().map_or(0, |wide| wide.bytes())),
            ("published", self.publisher.bytes()),
            ("shown", self.shown.as_ref().map_or(0, |shown| shown.bytes()) + self.exposure.bytes()),
            ("review", self.review.bytes()),
            ("blocks", self.telling.bytes() + self.totals_writer.held_bytes()),
        ]
    }

    /// Whether records of the lists log are to be given decoded: while the end that the log had at the start has not been
    /// reached.
    #[must_use]
    pub fn wants_lists(&self) -> bool {
        self.wants_lists
    }

    /// The row behind a list as it is ranked before it is filled and spread out, with its best `candidates_max` entries, also where the list is off; `None` when the item has
    /// never been met, or the list is about a whole shop.
    #[must_use]
    pub fn explain(&self, list: ListName, shop: &str, item: &str, candidates_max: usize) -> Option<Explanation> {
        let item = self.rows.items().find_item(shop, item)?;
        let Base::Row { relation, beside } = list.base() else { return None };
        let beside = self.beside(beside, item);
        Some(explain_beside(&self.rows.row(relation, item), &beside, &self.rules[list.index()], candidates_max))
    }

    /// What is known of items, if anything is.
    #[must_use]
    pub fn facts(&self) -> Option<&Facts> {
        self.shown.as_ref().map(|shown| shown.facts())
    }

    /// What has a say in a list about `anchor` besides its row.
    fn beside(&self, relation: Option<Relation>, anchor: ItemId) -> Beside<'_> {
        Beside { row: relation.map(|relation| self.rows.row(relation, anchor)), facts: self.facts() }
    }
}

impl Work for RowsWork {
    type Input = RowsInput;
    type Record<'a> = RowsRecord<'a>;

    fn inherit(&mut self, inherited: &Inherited<'_>) -> Result<(), StageError> {
        if let Inherited::Checkpoint { source, checkpoint, .. } = inherited
            && **source == self.pairs
        {
            self.inherited_checkpoints.push(*checkpoint);
        }
        Ok(())
    }

    fn claimed(&mut self, epoch: u64) {
        self.epoch = Some(epoch);
        self.telling.claim(epoch);
        self.publisher.claim(epoch);
    }

    fn opened(&mut self, input: RowsInput, next: NextOffset, until: Option<NextOffset>) -> Result<(), StageError> {
        if input == RowsInput::Pairs {
            let inherited = std::mem::take(&mut self.inherited_checkpoints);
            let offset = until.unwrap_or(next);
            self.checkpoints =
                Checkpoints::open(inherited.into_iter(), next, until).map_err(refused(&self.pairs, offset))?;
        }
        Ok(())
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
            (RowsInput::Pairs, RowsRecord::Block(block)) => self.pairs_record(offset, block, effects),
            (RowsInput::Totals(partition), RowsRecord::Block(block)) => self.totals_record(partition, offset, block),
            (RowsInput::Lists, RowsRecord::List(landed)) => self.list_record(landed),
            (RowsInput::Lists, RowsRecord::Block(_)) | (_, RowsRecord::List(_)) => {
                Err(StageError::Foreign { log: Log::Lists, what: format!("{input:?} brought {record:?}") })
            }
        }
    }

    fn passed(&mut self, _input: RowsInput, sequence: u64) {
        self.publisher.pass(sequence);
    }

    fn reached(&mut self, input: RowsInput, _effects: &mut dyn Effects) {
        self.wants_lists &= input != RowsInput::Lists;
    }

    fn is_whole(&self) -> bool {
        self.gaps().next().is_none()
    }

    fn live(&mut self, _effects: &mut dyn Effects) -> Result<(), StageError> {
        if let (Some(own), Some(found)) = (self.epoch, self.epoch_above) {
            return Err(StageError::EpochLost { partition: self.partition, own, found });
        }
        match self.silence.catch_up() {
            true if self.silence.is_of_anew() => self.end_history(),
            true => self.end_silence(),
            false => {}
        }
        Ok(())
    }

    fn at_end(&mut self, input: RowsInput, _effects: &mut dyn Effects) {
        if input == RowsInput::Pairs {
            self.identity.at_end();
        }
    }

    fn clock(&mut self, clock: Clock, effects: &mut dyn Effects) -> Result<(), StageError> {
        self.identity.look_at_gaps(clock.monotonic_ms)?;
        if self.clocked == Clocked::Wall {
            self.wall_ms = clock.wall_ms;
            self.clock_ms = self.clock_ms.max(clock.monotonic_ms);
            if self.last_input_ms == i64::MIN {
                self.last_input_ms = self.clock_ms; // whatever came before the first look at the clock came now
            }
            self.go_on(effects);
            if self.moved && self.clock_ms.saturating_sub(self.last_input_ms) >= self.publish.rest_after_ms {
                self.come_to_rest(effects);
            }
        }
        Ok(())
    }

    fn is_busy(&self) -> bool {
        self.clocked == Clocked::Wall && (self.is_publishing() || self.telling.is_busy() || self.is_following_facts())
    }

    fn go_on(&mut self, effects: &mut dyn Effects) {
        self.publish_due(effects);
        self.tell_when_due(effects);
        self.go_on_resting(effects);
    }

    fn flush(&mut self, _effects: &mut dyn Effects) {}

    fn mark(&mut self, effects: &mut dyn Effects) {
        if self.clocked == Clocked::Wall {
            self.mark_read(effects);
        }
    }

    fn rest(&mut self, effects: &mut dyn Effects) {
        self.come_to_rest(effects);
    }
}

#[cfg(test)]
mod tests;
