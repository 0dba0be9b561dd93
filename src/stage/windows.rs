//! The windows stage on one partition: events blocks in, merged, applied, pairs blocks out.
//!
//! What a release emits stands at the position of the record whose reading caused it, so positions on the pairs log do
//! not depend on how either log was cut into records elsewhere.

mod asked;
mod keeping;
mod told;

use super::effect::{Effects, Log, StageError};
use super::intake::LAG_MARKS_MIN_MS;
use super::outbox::Outbox;
use super::sections::{News, Progress};
use super::{Authorship, BlockLimits, Clock, EventsInput, Identity, Inherited, REPEAT_INTERVAL_MS, Work};
use crate::clicks::Clicks;
use crate::event::{EventKey, EventTime, EventType, LinkKey, OrderStep, UserKey};
use crate::items::{ItemId, Items, ShopId};
use crate::memory::allocated;
use crate::position::{NextOffset, Partition, SourcePartition, Verdict};
use crate::relation::Fate;
use crate::rules::CountingRules;
use crate::windows::{Action, Input, Merge, OrderRecord, SourceIndex, Windows};
use crate::wire::{
    EventEntry, EventItems, EventsBlock, Kind, Lag, Opening, Section, SectionHead, Translation, checksum_of_block,
    founded, kind_of,
};
use keeping::{WorkLoading, WorkSaving};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What one held event costs besides its order: its place in a buffer that has just doubled. A number of its own, and not what this build
/// makes of it: where a merge is forced depends on it.
const HELD_BYTES: usize = 224;
const _: () = assert!(2 * Merge::<Buffered>::EVENT_BYTES <= HELD_BYTES, "a merge buffer takes no more than it may");

/// An event that waits for its turn.
#[derive(Serialize, Deserialize)]
struct Buffered {
    user: UserKey,
    key: EventKey,
    time: EventTime,
    items: BufferedItems,
    arrived_ms: Option<i64>,
    /// Where its source had been given up: nothing waited for it.
    given_up: Option<SourceIndex>,
}

#[derive(Serialize, Deserialize)]
enum BufferedItems {
    View(ItemId, Option<LinkKey>),
    Cart(ItemId),
    Order(Box<BufferedOrder>),
    Erase(ShopId),
}

#[derive(Serialize, Deserialize)]
struct BufferedOrder {
    step: OrderStep,
    number: Option<LinkKey>,
    version: Option<i64>,
    shop: ShopId,
    lines: Box<[ItemId]>,
}

impl BufferedOrder {
    /// What it takes.
    fn bytes(&self) -> usize {
        allocated(size_of::<Self>()) + allocated(size_of_val::<[ItemId]>(&self.lines))
    }
}

/// How many events of each type met each fate, and what else the stage saw.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct WindowsTally {
    /// By `EventType as usize`, then `Fate as usize`.
    pub fates: [[u64; Fate::COUNT]; EventType::ALL.len()],
    /// Entries of the events log that had been applied before.
    pub ledger_duplicates: u64,
}

/// One partition of the windows stage.
pub struct WindowsWork {
    identity: Identity,
    authorship: Authorship,
    items: Items,
    names: Translation,
    merge: Merge<Buffered>,
    windows: Windows,
    /// What was shown and clicked: apart from all that counts.
    clicks: Clicks,
    outbox: Outbox,
    /// The highest event time that sources have been read to, and that was released.
    highest_read: Option<EventTime>,
    highest_released: Option<EventTime>,
    behind: BTreeSet<SourcePartition>,
    history: BTreeSet<SourcePartition>,
    /// Sources whose history has been read, but not yet released.
    history_read: Vec<SourcePartition>,
    /// Sources that were given up and have not caught up since: see [`Lag::Waiting`].
    given_up: BTreeSet<SourcePartition>,
    /// Of these: events released after later ones.
    late_arrivals: BTreeMap<SourceIndex, u64>,
    /// What the pairs log was told last of how far behind the sources are; and when it may be told again, by the clock that
    /// never goes back.
    announced_lag: Option<Lag>,
    next_lag_marks_ms: i64,
    next_repeat_ms: i64,
    /// Whether the opening marks are out: once the log read has said which it is.
    announced: bool,
    tally: WindowsTally,
    saving: Option<Box<WorkSaving>>,
    loading: WorkLoading,
}

impl WindowsWork {
    /// Partition `partition` of the events log, writing to `outputs` partitions of the pairs log. The identities are
    /// the fingerprints that the logs are written under ([`super::identity_of`]).
    #[must_use]
    pub fn new(
        partition: Partition,
        outputs: u32,
        rules: &CountingRules,
        events_identity: u64,
        pairs_identity: u64,
        merge_bytes_max: usize,
        limits: BlockLimits,
    ) -> Self {
        let source = SourcePartition { source: Log::Events.name().into(), partition };
        Self {
            identity: Identity::new(Log::Events, partition, events_identity),
            authorship: Authorship::new(Log::Pairs, pairs_identity),
            items: Items::default(),
            names: Translation::default(),
            merge: Merge::new(merge_bytes_max),
            windows: Windows::new(rules),
            clicks: Clicks::new(rules),
            outbox: Outbox::new(source, outputs, limits),
            highest_read: None,
            highest_released: None,
            behind: BTreeSet::new(),
            history: BTreeSet::new(),
            history_read: Vec::new(),
            given_up: BTreeSet::new(),
            late_arrivals: BTreeMap::new(),
            announced_lag: None,
            next_lag_marks_ms: i64::MIN,
            next_repeat_ms: i64::MIN,
            announced: false,
            tally: WindowsTally::default(),
            saving: None,
            loading: WorkLoading::default(),
        }
    }

    fn progress(&self) -> Progress {
        // What is held has not happened yet for the rows: their `now` must not run ahead of it.
        let highest = if self.merge.held() == 0 && self.behind.is_empty() {
            self.highest_read.max(self.highest_released)
        } else {
            self.highest_released
        };
        let lag = match (self.history.is_empty(), self.behind.is_empty()) {
            (false, _) => Lag::History,
            (true, false) => Lag::Behind,
            (true, true) => Lag::Live,
        };
        Progress { highest, lag }
    }

    fn opening(&mut self, offset: NextOffset, block: &[u8], effects: &mut dyn Effects) -> Result<(), StageError> {
        let opening = self.identity.check(offset, block)?;
        if !std::mem::replace(&mut self.announced, true) {
            self.authorship.check_input(&self.identity, offset, opening.log_id)?;
            self.outbox.open(&self.authorship, effects);
        }
        for origin in &opening.origins {
            if self.identity.known.ledger.next(&origin.source).is_none() {
                self.behind.insert(origin.source.clone());
            }
            self.identity.open(origin);
            self.merge.open(&origin.source);
        }
        self.start_record(offset, block)?;
        self.forget_removed(&opening);
        self.release(effects);
        self.outbox.end_record();
        Ok(())
    }

    /// A proposal for the log's id says nothing to its reader; its position is covered like any other.
    fn founding(&mut self, offset: NextOffset, block: &[u8]) -> Result<(), StageError> {
        self.identity.known.facts.founding(founded(block).map_err(|error| self.identity.wire(offset, error))?);
        self.start_record(offset, block)?;
        self.outbox.end_record();
        Ok(())
    }

    fn start_record(&mut self, offset: NextOffset, block: &[u8]) -> Result<(), StageError> {
        let checksum = checksum_of_block(block).map_err(|error| self.identity.wire(offset, error))?;
        self.outbox.start_record(offset, checksum)
    }

    /// An opening mark names every configured source. One that is no longer among them brings nothing more: nothing waits
    /// for it.
    fn forget_removed(&mut self, opening: &Opening) {
        let is_named = |source: &SourcePartition| opening.origins.iter().any(|origin| origin.source == *source);
        self.given_up.retain(|source| is_named(source));
        let gone = self.behind.union(&self.history).filter(|source| !is_named(source)).cloned();
        for source in gone.collect::<Vec<_>>() {
            if let Some(index) = self.merge.index(&source) {
                self.merge.mark(index, None, false);
            }
            self.behind.remove(&source);
            self.history_read.push(source);
        }
    }

    fn events(&mut self, offset: NextOffset, bytes: &[u8], effects: &mut dyn Effects) -> Result<(), StageError> {
        let block = EventsBlock::decode(bytes).map_err(|error| self.identity.wire(offset, error))?;
        self.names.fill(&block.shops, &block.items, &mut self.items);
        self.start_record(offset, bytes)?;
        for section in &block.sections {
            let head = &section.head;
            let verdict = self.identity.verdict(offset, head)?;
            self.identity.known.facts.section(block.generation, head);
            let entries = &block.entries[section.entries.clone()];
            let is_current = self.identity.is_current(block.generation, &head.source);
            let source = self.merge.open(&head.source);
            let Verdict::Apply { from } = verdict else {
                if verdict == Verdict::Beyond {
                    continue;
                }
                self.tally.ledger_duplicates += entries.len() as u64;
                // Another writer has read as far, and said so first; but what this one says of the source counts.
                if is_current && self.identity.known.ledger.next(&head.source) == Some(head.span.to) {
                    self.heed_lag(source, head);
                }
                continue;
            };
            if is_current {
                self.grow_silent(head);
            }
            for entry in entries {
                if entry.position < from {
                    self.tally.ledger_duplicates += 1;
                } else if entry.event_type.is_of_lists() {
                    self.tell_of_list(&block, entry);
                } else {
                    self.tell_of_order(&block, entry);
                    self.admit(source, &block, section, entry, effects);
                }
            }
            self.highest_read = self.highest_read.max(head.highest);
            if is_current {
                self.heed_lag(source, head);
            }
            self.identity.known.ledger.advance(&head.source, head.span.to);
        }
        self.release(effects);
        self.outbox.end_record();
        Ok(())
    }

    /// One event: into the merge, or straight on where nothing could come before it.
    fn admit(
        &mut self,
        source: SourceIndex,
        block: &EventsBlock<'_>,
        section: &Section,
        entry: &EventEntry,
        effects: &mut dyn Effects,
    ) {
        let (items, bytes) = self.buffered(block, entry);
        let user = block.users[entry.user as usize];
        let is_given_up = self.given_up.contains(&section.head.source);
        let (arrived_ms, given_up) = (section.head.arrived_ms, is_given_up.then_some(source));
        let held = Buffered { user, key: entry.key, time: entry.time, items, arrived_ms, given_up };
        self.merge.push(source, entry.time, entry.event_type, HELD_BYTES + bytes, held);
        if block.sections.len() == 1 && self.merge.bytes() > MERGE_RELEASE_BYTES {
            self.release(effects);
        }
    }

    /// What an event is about, and the bytes that it takes besides.
    fn buffered(&self, block: &EventsBlock<'_>, entry: &EventEntry) -> (BufferedItems, usize) {
        let item = |number: u32| self.names.items[number as usize];
        let (lines, shop): (Box<[ItemId]>, _) = match &entry.items {
            EventItems::One(number) if entry.event_type == EventType::View => {
                return (BufferedItems::View(item(*number), entry.link), 0);
            }
            EventItems::One(number) => return (BufferedItems::Cart(item(*number)), 0),
            EventItems::Lines(lines) => {
                let lines: Box<[ItemId]> = block.lines[lines.clone()].iter().map(|&number| item(number)).collect();
                let shop = lines.first().map(|&first| self.items.shop_of(first));
                (lines, shop.unwrap_or(ShopId(0))) // the block's decoder refuses an empty order
            }
            EventItems::None(shop) | EventItems::Shown(_, shop) => (Box::default(), self.names.shops[*shop as usize]),
        };
        let step = match entry.event_type {
            EventType::Erase => return (BufferedItems::Erase(shop), 0),
            EventType::Add => OrderStep::Add,
            EventType::Return => OrderStep::Return,
            EventType::Cancel => OrderStep::Cancel,
            _ => OrderStep::State,
        };
        let order = BufferedOrder { step, number: entry.link, version: entry.version, shop, lines };
        let bytes = order.bytes();
        (BufferedItems::Order(Box::new(order)), bytes)
    }

    /// A source that reads history silences the lists from its first entry on: what follows from it may leave before the
    /// section has been read to its end.
    fn grow_silent(&mut self, head: &SectionHead) {
        for (set, is_in) in [(&mut self.behind, head.lag.is_behind()), (&mut self.history, head.lag == Lag::History)] {
            if is_in && !set.contains(&head.source) {
                set.insert(head.source.clone());
            }
        }
    }

    /// What a section says of how far behind its source is, once all of it has been taken in.
    fn heed_lag(&mut self, source: SourceIndex, head: &SectionHead) {
        self.merge.mark(source, head.highest, head.lag.is_behind());
        if !head.lag.is_behind() {
            self.behind.remove(&head.source);
        }
        if head.lag != Lag::History && self.history.contains(&head.source) {
            self.history_read.push(head.source.clone());
        }
        match head.lag {
            Lag::Waiting if !self.given_up.contains(&head.source) => drop(self.given_up.insert(head.source.clone())),
            Lag::Live => drop(self.given_up.remove(&head.source)),
            _ => {} // behind anew, after a restart of its reader: late all the same
        }
    }

    fn tell(&mut self, news: News, effects: &mut dyn Effects) {
        let progress = self.progress();
        self.announced_lag = Some(progress.lag);
        self.outbox.mark(news, progress, &self.items, effects);
    }

    fn release(&mut self, effects: &mut dyn Effects) {
        while let Some(held) = self.merge.release() {
            self.apply(&held, effects);
        }
        // Only now: what was held of a history is history too, and must not be told as news.
        for source in self.history_read.drain(..) {
            self.history.remove(&source);
        }
    }

    fn apply(&mut self, held: &Buffered, effects: &mut dyn Effects) {
        if let (Some(source), true) = (held.given_up, self.highest_released > Some(held.time)) {
            *self.late_arrivals.entry(source).or_default() += 1;
        }
        self.highest_released = self.highest_released.max(Some(held.time));
        let (action, shop) = match &held.items {
            BufferedItems::View(item, session) => {
                (Action::View { item: *item, session: *session }, self.items.shop_of(*item))
            }
            BufferedItems::Cart(item) => (Action::Cart(*item), self.items.shop_of(*item)),
            BufferedItems::Order(order) => {
                let BufferedOrder { step, number, version, shop, lines } = &**order;
                let record = OrderRecord { step: *step, number: *number, version: *version, lines };
                (Action::Order(record), *shop)
            }
            BufferedItems::Erase(shop) => (Action::Erase, *shop),
        };
        let input = Input { user: held.user, key: held.key, time: held.time, shop, action };
        let progress = self.progress();
        self.outbox.arrived(held.arrived_ms);
        let (outbox, items) = (&mut self.outbox, &self.items);
        let fate = self.windows.apply(&input, &mut |delta| outbox.put(&delta, progress, items, effects));
        self.tally.fates[action.event_type() as usize][fate_index(fate)] += 1;
    }
}

/// A block of one section is merged as it is read whenever more than this is held: nothing else in it could come first.
const MERGE_RELEASE_BYTES: usize = 1 << 16;

fn fate_index(fate: Fate) -> usize {
    fate as usize
}

impl Work for WindowsWork {
    type Input = EventsInput;
    type Record<'a> = &'a [u8];

    fn inherit(&mut self, inherited: &Inherited<'_>) -> Result<(), StageError> {
        match *inherited {
            Inherited::NewLogId(log_id) => self.authorship.settle(log_id),
            Inherited::Opening { partition, offset, opening } => self.authorship.check(partition, offset, opening)?,
            Inherited::Checkpoint { output, source, checkpoint } => self.outbox.restore(output, source, checkpoint),
            Inherited::GivenUp { .. } => {} // what its own input says of sources is heard in reading it
        }
        Ok(())
    }

    fn opened(&mut self, _input: EventsInput, next: NextOffset, until: Option<NextOffset>) -> Result<(), StageError> {
        self.outbox.start(next, until)?;
        match self.identity.known.log_id() {
            Some(log_id) => self.authorship.check_input(&self.identity, next, log_id),
            None => Ok(()),
        }
    }

    /// The opening marks say which log is read, and its first record says that: nothing yet, unless a kept state knows it.
    fn open(&mut self, effects: &mut dyn Effects) {
        if self.identity.known.log_id().is_some() && !std::mem::replace(&mut self.announced, true) {
            self.outbox.open(&self.authorship, effects);
        }
    }

    fn record(
        &mut self,
        _input: EventsInput,
        offset: NextOffset,
        record: &&[u8],
        effects: &mut dyn Effects,
    ) -> Result<(), StageError> {
        self.identity.reads_on();
        match kind_of(record).map_err(|error| self.identity.wire(offset, error))? {
            Kind::Opening => self.opening(offset, record, effects),
            Kind::Founding => self.founding(offset, record),
            _ => self.events(offset, record, effects),
        }
    }

    fn reached(&mut self, _input: EventsInput, _effects: &mut dyn Effects) {}

    fn is_whole(&self) -> bool {
        self.gaps().next().is_none()
    }

    fn live(&mut self, _effects: &mut dyn Effects) -> Result<(), StageError> {
        Ok(())
    }

    fn at_end(&mut self, _input: EventsInput, _effects: &mut dyn Effects) {
        self.identity.at_end();
    }

    fn clock(&mut self, clock: Clock, effects: &mut dyn Effects) -> Result<(), StageError> {
        self.identity.look_at_gaps(clock.monotonic_ms)?;
        if clock.monotonic_ms >= self.next_repeat_ms {
            self.next_repeat_ms = clock.monotonic_ms.saturating_add(REPEAT_INTERVAL_MS);
            self.outbox.tell_again();
        }
        let is_news = self.announced_lag != Some(self.progress().lag);
        if self.announced && is_news && clock.monotonic_ms >= self.next_lag_marks_ms {
            self.next_lag_marks_ms = clock.monotonic_ms.saturating_add(LAG_MARKS_MIN_MS);
            self.tell(News::Lag, effects);
        }
        Ok(())
    }

    fn flush(&mut self, effects: &mut dyn Effects) {
        let progress = self.progress();
        self.outbox.flush(progress, &self.items, effects);
    }

    fn mark(&mut self, effects: &mut dyn Effects) {
        if !self.announced {
            return;
        }
        self.tell(News::All, effects);
    }

    fn rest(&mut self, _effects: &mut dyn Effects) {}
}

#[cfg(test)]
mod tests;
