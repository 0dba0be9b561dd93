//! A rows worker: its partitions of the pairs log, a stage each, their lists, and the totals of all.
//!
//! Who takes a partition over appends a *claim* to that partition of the totals log: its offset is the owner's epoch. Then it reads
//! all totals and its own lists from their starts, and goes on following both: what lands on the lists after it, from a
//! paused former owner, it hears of and corrects. Its own lists it need not read back: see [`crate::drive::Runs`].

mod effects;
mod keeping;
mod landed;
mod take_over;

use crate::drive::gaps::Gaps;
use crate::drive::snapshots::{Keeping as _, Saver};
use crate::drive::tail::Tail;
use crate::drive::transport::{Change, Follower, Message, Next, Reader, Topic, Transport, Writer};
use crate::drive::worker::{Hands, SECOND_MS, Ties, Worker, age_ms};
use crate::position::Partition;
use crate::serve::Asked;
use crate::serve::view::ViewWriter;
use crate::stage::{Fact, Log, RowsInput, RowsRecord, RowsWork, Stage, StageError};
use crate::watch::health::StageName;
use crate::watch::metrics::{DelayTally, LagFollower, RowsFollower};
use crate::watch::{rows_tallies, state};
use effects::{Buffers, RowsEffects};
use landed::Older;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Records taken between two looks at everything else.
const BATCH_RECORDS: usize = 32;

/// A partition of the pairs log that is this worker's.
struct Owned {
    stage: Stage<RowsWork>,
    /// Since when it is catching up.
    catching_up: Option<Instant>,
    /// The newest record's timestamp.
    newest_ms: Option<i64>,
    delay: DelayTally,
    /// Its lists, as HTTP sees them.
    view: ViewWriter,
    /// Its lists log.
    tail: Tail,
    /// What of it the view has still to read: what the snapshot knew.
    older: Option<Older>,
    follower: RowsFollower,
    lag: LagFollower,
    gaps: Gaps,
}

impl Owned {
    /// Tells the stage something and carries out what it wants; says whether the partition is still its owner's.
    fn tell<T: Transport>(
        &mut self,
        hands: &mut Hands<T>,
        buffers: &mut Buffers,
        fact: Fact<'_, RowsWork>,
    ) -> anyhow::Result<bool> {
        let Self { stage, delay, view, .. } = self;
        let mut effects = RowsEffects { hands, buffers, delay, view, failed: None };
        let handled = stage.handle(fact, &mut effects);
        if is_overtaken(&handled) {
            return Ok(false);
        }
        effects.end(handled).map(|()| true)
    }
}

/// The worker.
pub struct RowsWorker<T: Transport> {
    hands: Hands<T>,
    reader: T::Reader,
    totals: T::Follower,
    lists: T::Follower,
    /// Reads what was published before the snapshots, for the view.
    older: T::Follower,
    owned: BTreeMap<Partition, Owned>,
    buffers: Buffers,
    /// Partitions that others have claimed since; dropped before anything else is done.
    overtaken: Vec<Partition>,
    /// How often partitions came or went.
    assignment: u64,
    /// Keys on the lists log that this codec would not write.
    foreign_keys: u64,
    /// When to look again which lists logs are read.
    next_second_ms: i64,
    saver: Saver,
}

impl<T: Transport> RowsWorker<T> {
    /// Joins its group.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(hands: Hands<T>) -> anyhow::Result<Self> {
        let reader = hands.transport.join("rows", &Topic::Log(Log::Pairs))?;
        let totals = hands.transport.follow(&Topic::Log(Log::Totals))?;
        let lists = hands.transport.follow(&Topic::Log(Log::Lists))?;
        let older = hands.transport.follow(&Topic::Log(Log::Lists))?;
        let (owned, buffers) = (BTreeMap::new(), Buffers::default());
        let early_max = hands.plan.sizes.early;
        let saver = Saver::new(hands.plan.snapshots.clone(), Log::Pairs, Arc::clone(&hands.ties.metrics))
            .with_early_max(early_max);
        Ok(Self {
            hands,
            reader,
            totals,
            lists,
            older,
            owned,
            buffers,
            overtaken: Vec::new(),
            assignment: 0,
            foreign_keys: 0,
            next_second_ms: i64::MIN,
            saver,
        })
    }

    /// Its stages, in the order of their partitions.
    pub fn stages(&self) -> impl Iterator<Item = (Partition, &Stage<RowsWork>)> {
        self.owned.iter().map(|(&partition, owned)| (partition, &owned.stage))
    }

    /// Its means.
    pub fn hands(&self) -> &Hands<T> {
        &self.hands
    }

    /// How long lists took, all partitions together.
    pub fn delay(&self) -> DelayTally {
        let mut all = DelayTally::default();
        self.owned.values().for_each(|owned| all.merge(&owned.delay));
        all
    }

    /// Tells a stage something, and carries out what it wants.
    fn tell(&mut self, partition: Partition, fact: Fact<'_, RowsWork>) -> anyhow::Result<()> {
        let Some(owned) = self.owned.get_mut(&partition) else { return Ok(()) };
        if owned.tell(&mut self.hands, &mut self.buffers, fact)? {
            return Ok(());
        }
        self.overtaken.push(partition);
        self.drop_overtaken()
    }

    /// Tells all stages something.
    pub(in crate::drive) fn tell_all(&mut self, fact: impl Fn() -> Fact<'static, RowsWork>) -> anyhow::Result<()> {
        for partition in self.owned.keys().copied().collect::<Vec<_>>() {
            self.tell(partition, fact())?;
        }
        Ok(())
    }

    /// Publishes every list as it stands, news or not.
    pub(in crate::drive) fn publish_all(&mut self) -> anyhow::Result<()> {
        for Owned { stage, delay, view, .. } in self.owned.values_mut() {
            let mut effects =
                RowsEffects { hands: &mut self.hands, buffers: &mut self.buffers, delay, view, failed: None };
            let mut next = Some(0);
            while let Some(from) = next {
                next = stage.work_mut().publish_all(from, &mut effects);
            }
            effects.end(Ok(()))?;
        }
        Ok(())
    }

    fn is_busy(&self) -> bool {
        self.owned.values().any(|owned| owned.stage.is_busy())
    }

    /// Tells the stages the deltas that are at hand; says whether there were none.
    fn read_pairs(&mut self) -> anyhow::Result<bool> {
        for _ in 0..BATCH_RECORDS {
            match self.reader.poll()? {
                Next::Nothing => return Ok(true),
                Next::End(partition) => {
                    let Some(owned) = self.owned.get_mut(&partition) else { continue };
                    let ended = Fact::Ended { input: RowsInput::Pairs };
                    if !owned.tell(&mut self.hands, &mut self.buffers, ended)? {
                        self.overtaken.push(partition);
                        break;
                    }
                }
                Next::Record(message) => {
                    let Some((partition, offset)) = message.place() else { continue };
                    let (Some(owned), Some(block)) = (self.owned.get_mut(&partition), message.value()) else {
                        continue; // revoked since it was fetched, or nothing
                    };
                    owned.newest_ms = message.timestamp_ms();
                    let read = Fact::Record { input: RowsInput::Pairs, offset, record: RowsRecord::Block(block) };
                    if !owned.tell(&mut self.hands, &mut self.buffers, read)? {
                        self.overtaken.push(partition);
                        break;
                    }
                }
            }
        }
        Ok(false)
    }

    /// Tells every stage the totals that are at hand; says whether there were none.
    fn read_totals(&mut self) -> anyhow::Result<bool> {
        for _ in 0..BATCH_RECORDS {
            let (partition, offset, message) = match self.totals.poll(Duration::ZERO)? {
                Next::Nothing => return Ok(true),
                Next::End(_) => continue, // where it ended is known
                Next::Record(message) => match message.place() {
                    Some((partition, offset)) => (partition, offset, message),
                    None => continue,
                },
            };
            let Some(block) = message.value() else { continue };
            let (input, record) = (RowsInput::Totals(partition), RowsRecord::Block(block));
            for (&own, owned) in &mut self.owned {
                let read = Fact::Record { input, offset, record };
                if !owned.tell(&mut self.hands, &mut self.buffers, read)? {
                    self.overtaken.push(own);
                }
            }
            if !self.overtaken.is_empty() {
                break;
            }
        }
        Ok(false)
    }

    /// Tells stages where their own lists stand: these need not be read back.
    fn pass_own(&mut self) -> anyhow::Result<()> {
        let mut is_to_follow = false;
        for (partition, run) in self.hands.writer.runs() {
            let Some(owned) = self.owned.get_mut(&partition) else { continue };
            if owned.stage.work().wants_lists() {
                continue;
            }
            let was_read = owned.tail.is_read();
            if let Some((next, sequence)) = owned.tail.meet(owned.stage.next(RowsInput::Lists), run) {
                let passed = Fact::Passed { input: RowsInput::Lists, next, sequence };
                if !owned.tell(&mut self.hands, &mut self.buffers, passed)? {
                    self.overtaken.push(partition);
                }
            }
            is_to_follow |= owned.tail.is_read() != was_read;
        }
        if is_to_follow { self.follow_lists() } else { Ok(()) }
    }

    /// Reads the lists of those who have published little meanwhile, and of nobody else.
    fn second(&mut self) -> anyhow::Result<()> {
        let mut is_to_follow = false;
        for owned in self.owned.values_mut() {
            let was_read = owned.tail.is_read();
            owned.tail.second();
            is_to_follow |= owned.tail.is_read() != was_read;
        }
        if is_to_follow { self.follow_lists() } else { Ok(()) }
    }

    /// How often partitions came or went.
    pub(in crate::drive) fn assignment(&self) -> u64 {
        self.assignment
    }

    fn apply_change(&mut self, change: Change) -> anyhow::Result<()> {
        self.assignment += 1;
        match change {
            Change::Revoked(partitions) => {
                for &partition in &partitions {
                    self.tell(partition, Fact::Drain)?;
                    self.forget(partition);
                }
                self.hands.writer.flush()?; // what was published last must stand before a successor reads it
                self.follow()?;
                self.reader.release(&partitions)
            }
            Change::Lost(partitions) => {
                partitions.iter().for_each(|&partition| self.forget(partition));
                self.follow()?;
                self.reader.release(&partitions)
            }
            Change::Assigned(partitions) => {
                let starts = self.take_all_over(&partitions)?;
                self.drop_overtaken()?;
                if !starts.is_empty() {
                    self.follow()?;
                }
                self.reader.assign(&starts)
            }
        }
    }

    /// Another owner has claimed a partition since: it is not this worker's any more, whatever its group will say.
    fn drop_overtaken(&mut self) -> anyhow::Result<()> {
        let overtaken = std::mem::take(&mut self.overtaken);
        if overtaken.is_empty() {
            return Ok(());
        }
        for partition in overtaken {
            tracing::warn!(stage = "rows", partition = partition.0, "overtaken by a later claim: dropped");
            self.forget(partition);
        }
        self.assignment += 1;
        self.follow()
    }

    /// Follows all totals, and the lists that are its own. New stages need all of them; the others pass over what they know.
    fn follow(&self) -> anyhow::Result<()> {
        let mut totals = Vec::new();
        for number in 0..self.hands.plan.pairs_partitions {
            let input = RowsInput::Totals(Partition(number));
            let next = self.owned.values().map(|owned| owned.stage.next(input)).min();
            totals.extend(next.map(|next| (Partition(number), next)));
        }
        self.totals.assign(&totals)?;
        self.follow_older()?;
        self.follow_lists()
    }

    /// Follows the lists where others may write, or little is written.
    fn follow_lists(&self) -> anyhow::Result<()> {
        let read = self.owned.iter().filter(|(_, owned)| owned.tail.is_read());
        let lists: Vec<_> = read.map(|(&partition, owned)| (partition, owned.stage.next(RowsInput::Lists))).collect();
        self.lists.assign(&lists)
    }

    fn forget(&mut self, partition: Partition) {
        self.saver.forget(partition);
        if self.owned.remove(&partition).is_none() {
            return;
        }
        self.hands.ties.view.remove_partition(partition, self.hands.plan.pairs_partitions);
        self.hands.ties.desk.remove(StageName::Rows, partition);
        tracing::info!(stage = "rows", partition = partition.0, "let go");
    }
}

/// Whether a stage says that another owner has claimed its partition since.
fn is_overtaken(handled: &Result<(), StageError>) -> bool {
    matches!(handled, Err(StageError::Overtaken { .. }))
}

impl<T: Transport> Worker for RowsWorker<T> {
    fn ties(&self) -> &Ties {
        &self.hands.ties
    }

    fn look(&mut self) -> anyhow::Result<()> {
        self.hands.writer.look()?;
        self.pass_own()
    }

    fn holds_back(&self) -> bool {
        self.hands.writer.holds_back()
    }

    fn change(&mut self) -> anyhow::Result<()> {
        while let Some(change) = self.reader.change() {
            self.apply_change(change)?;
            self.hands.settle(self.reader.is_settled(), self.owned.is_empty());
        }
        Ok(())
    }

    fn read(&mut self) -> anyhow::Result<bool> {
        let no_totals = self.read_totals()?;
        self.drop_overtaken()?;
        let no_lists = self.read_lists()?;
        self.drop_overtaken()?;
        let no_pairs = self.read_pairs()?;
        self.drop_overtaken()?;
        let no_older = self.read_older()?;
        if self.is_busy() {
            self.tell_all(|| Fact::Continue)?;
        }
        self.keep()?;
        Ok(no_totals && no_lists && no_pairs && no_older && !self.is_busy() && !self.saver.is_busy())
    }

    fn tick(&mut self) -> anyhow::Result<()> {
        let now = self.hands.now();
        if now.monotonic_ms >= self.next_second_ms {
            self.next_second_ms = now.monotonic_ms.saturating_add(SECOND_MS);
            self.second()?;
        }
        if let Some(facts) = self.hands.plan.facts() {
            facts.come_to(now.wall_ms); // what people said begins or ends to hold; the stages hear of that as of any change
        }
        for (&partition, Owned { stage, catching_up, .. }) in &mut self.owned {
            self.hands.ties.desk.note(StageName::Rows, partition, stage.phase(), catching_up);
        }
        self.tell_all(|| Fact::Clock(now))
    }

    fn show(&mut self) {
        let (mut offsets, now) = (Vec::new(), self.hands.now());
        if std::mem::take(&mut self.foreign_keys) > 0 {
            tracing::warn!(
                "lists under keys of another form, or of another registry: compaction keeps those beside the new ones. Start \
                 with another topics.prefix, or remove them"
            );
        }
        for (&partition, owned) in &mut self.owned {
            let next = owned.stage.next(RowsInput::Pairs);
            let left = self.reader.lag(partition, next, true);
            owned.follower.update(&rows_tallies(owned.stage.work(), &owned.delay));
            owned.lag.update(left, age_ms(left, owned.newest_ms, now));
            let gaps = owned.stage.work().gaps().count();
            owned.gaps.tell(self.hands.plan.gap_wait_ms, owned.stage.work().gaps());
            self.saver.show(partition, next, now.monotonic_ms);
            self.hands.ties.desk.set(StageName::Rows, partition, state(owned.stage.phase(), left, gaps));
            offsets.push((partition, next));
        }
        self.reader.commit(&offsets, "", false);
        self.hands.settle(self.reader.is_settled(), self.owned.is_empty());
        self.hands.show();
    }

    fn asked(&self) -> Asked<'_> {
        let rows = self.owned.iter().map(|(&partition, owned)| (partition, owned.stage.work())).collect();
        let (assignment, rows_partitions) = (self.assignment, self.hands.plan.pairs_partitions);
        Asked { assignment, rejected: 0, windows: Vec::new(), rows, rows_partitions }
    }

    fn finish(&mut self) -> anyhow::Result<()> {
        self.keep_all()?;
        self.tell_all(|| Fact::Drain)?;
        for partition in self.owned.keys().copied().collect::<Vec<_>>() {
            self.forget(partition);
        }
        self.hands.writer.flush()
    }
}
