//! What windows has for the pairs log, by partition: split by owner, positioned, muted where the log has it already.

use super::Authorship;
use super::checkpoints::{Checkpoints, refused};
use super::effect::{Effects, Log, StageError};
use super::sections::{News, Progress};
use crate::items::{ItemId, Items, fingerprint, spread};
use crate::memory::of_vec;
use crate::position::{Checkpoint, CheckpointError, NextOffset, Partition, Position, SourcePartition, Span};
use crate::relation::{Bought, Change, Delta};
use crate::wire::{Origin, PairsWriter, SectionHead};

struct Channel {
    writer: PairsWriter,
    /// All before this is on the log.
    sent: Checkpoint,
    /// What the log was told last.
    announced: Option<Progress>,
    /// How many deltas of the record at hand went here.
    index: u32,
}

/// The channels from one events partition to every pairs partition.
pub(super) struct Outbox {
    source: SourcePartition,
    channels: Vec<Channel>,
    owners: Vec<Partition>,
    shop_owners: Vec<Partition>,
    /// Where counting began: nothing is owed of what lies before.
    origin: NextOffset,
    /// The record at hand, or the next one.
    at: NextOffset,
    within: bool,
    /// Checksums of the record at hand and of the one before it.
    checksums: [Option<u32>; 2],
    /// Whether a kept state was taken up, and nothing has been read since.
    is_resumed: bool,
    /// What the log holds of records that have not been read again yet.
    checkpoints: Checkpoints,
    generation: u64,
    arrived_ms: Option<i64>,
    block_bytes_max: usize,
    block_entries_max: usize,
    pub(super) muted: u64,
    pub(super) deltas: u64,
    split: Split,
}

#[derive(Default)]
struct Split {
    targets: Vec<Partition>,
    neighbours: Vec<(ItemId, u32)>,
    anchors: Vec<ItemId>,
    others: Vec<Bought>,
}

impl Outbox {
    pub(super) fn new(source: SourcePartition, partitions: u32, limits: super::BlockLimits) -> Self {
        let channel =
            || Channel { writer: PairsWriter::default(), sent: Checkpoint::default(), announced: None, index: 0 };
        Self {
            source,
            channels: std::iter::repeat_with(channel).take(Partition(partitions).index()).collect(),
            owners: Vec::new(),
            shop_owners: Vec::new(),
            origin: NextOffset(0),
            at: NextOffset(0),
            within: false,
            checksums: [None; 2],
            is_resumed: false,
            checkpoints: Checkpoints::default(),
            generation: 0,
            arrived_ms: None,
            block_bytes_max: limits.bytes_max,
            block_entries_max: limits.entries_max,
            muted: 0,
            deltas: 0,
            split: Split::default(),
        }
    }

    /// Partition `output` of the log holds all up to `checkpoint` already.
    pub(super) fn restore(&mut self, output: usize, source: &SourcePartition, checkpoint: Checkpoint) {
        if *source == self.source {
            let channel = &mut self.channels[output];
            channel.sent = channel.sent.max(checkpoint);
        }
    }

    /// The input is read from `next`, and ended at `until` when looked.
    pub(super) fn start(&mut self, next: NextOffset, until: Option<NextOffset>) -> Result<(), StageError> {
        let origin = Checkpoint::origin(Position::start_of(self.origin));
        self.channels.iter_mut().for_each(|channel| channel.sent = channel.sent.max(origin));
        let is_resumed = std::mem::take(&mut self.is_resumed);
        let last = is_resumed.then(|| self.read_to()).and_then(|kept| Some((kept.record()?, kept.checksum?)));
        if is_resumed {
            self.check_resumed(next)?;
        }
        let sent = self.channels.iter().map(|channel| channel.sent);
        let first = last.map_or(next, |(record, _)| record);
        self.checkpoints = Checkpoints::open(sent, first, until).map_err(refused(&self.source, next))?;
        // What the log holds up to just here was made of the record that the state has read last.
        last.map_or(Ok(()), |(record, found)| self.checkpoints.pass(record, || found))
            .map_err(refused(&self.source, next))
    }

    /// Where a kept state begins, nothing may be missing: neither of what is read from here on, nor of what was written before.
    fn check_resumed(&self, next: NextOffset) -> Result<(), StageError> {
        let expected = Position::start_of(self.at);
        if next > self.at {
            return Err(refused(&self.source, next)(CheckpointError::StartsBehind { position: expected, low: next }));
        }
        for (output, channel) in self.channels.iter().enumerate() {
            let found = channel.sent.position;
            if found < expected {
                let (log, partition, input) = (Log::Pairs, partition_of(output), self.source.clone());
                return Err(StageError::Ahead { log, partition, input, expected, found });
            }
        }
        Ok(())
    }

    /// The record read last. Asked between records only.
    pub(super) fn read_to(&self) -> Checkpoint {
        Checkpoint { position: Position::start_of(self.at), checksum: self.checksums[0] }
    }

    /// Where counting began.
    pub(super) fn origin(&self) -> NextOffset {
        self.origin
    }

    /// Counting began at `origin`.
    pub(super) fn began_at(&mut self, origin: NextOffset) {
        self.origin = origin;
    }

    /// Goes on behind what a kept state has read. What was sent is told by [`Outbox::restore`], before or after.
    pub(super) fn resume(&mut self, read_to: Checkpoint) {
        (self.at, self.within, self.is_resumed) = (read_to.position.offset, false, true);
        self.checksums = [read_to.checksum, None];
    }

    /// Bytes held.
    pub(super) fn held_bytes(&self) -> usize {
        let writers: usize = self.channels.iter().map(|channel| channel.writer.held_bytes()).sum();
        writers + of_vec(&self.owners) + of_vec(&self.shop_owners)
    }

    /// Opening marks for every partition.
    pub(super) fn open(&mut self, authorship: &Authorship, effects: &mut dyn Effects) {
        self.generation = authorship.generation;
        let first = Position::start_of(self.origin);
        let block = authorship.opening(vec![Origin { source: self.source.clone(), first: Some(first) }]);
        for output in 0..self.channels.len() {
            effects.append(Log::Pairs, partition_of(output), block.clone());
        }
    }

    /// Takes up the record at `at`, which must be the one that was read before where the log holds something of it.
    pub(super) fn start_record(&mut self, at: NextOffset, checksum: u32) -> Result<(), StageError> {
        self.checkpoints.pass(at, || checksum).map_err(refused(&self.source, at))?;
        (self.at, self.within) = (at, true);
        self.checksums = [Some(checksum), self.checksums[0]];
        for channel in &mut self.channels {
            channel.index = 0;
        }
        Ok(())
    }

    /// What is put next arrived at `arrived_ms`, perhaps before the record at hand.
    pub(super) fn arrived(&mut self, arrived_ms: Option<i64>) {
        self.arrived_ms = arrived_ms;
    }

    pub(super) fn end_record(&mut self) {
        (self.at, self.within) = (self.at.after(), false);
    }

    /// Where channel `output` has got to.
    fn reached(&self, output: usize) -> Position {
        if self.within {
            Position { offset: self.at, index: self.channels[output].index }
        } else {
            Position::start_of(self.at)
        }
    }

    /// The same, with the checksum of what was read there.
    fn checkpoint(&self, output: usize) -> Checkpoint {
        let position = self.reached(output);
        let nothing_of_it = self.within && position.index == 0;
        Checkpoint { position, checksum: self.checksums[usize::from(nothing_of_it)] }
    }

    /// Sends `delta` to whoever owns a part of it.
    pub(super) fn put(&mut self, delta: &Delta<'_>, progress: Progress, items: &Items, effects: &mut dyn Effects) {
        if self.channels.len() == 1 {
            return self.put_to(0, delta, progress, items, effects);
        }
        self.learn_owners(items);
        let mut split = std::mem::take(&mut self.split);
        let (time, is_taken_back) = (delta.time, delta.is_taken_back);
        match delta.change {
            Change::Context { shop, .. } => {
                let output = self.shop_owners[shop.index()].index();
                self.put_to(output, delta, progress, items, effects);
            }
            Change::Star { relation, centre, neighbours } => {
                let own = self.owners[centre.index()];
                self.put_to(own.index(), delta, progress, items, effects);
                self.targets_of(&mut split.targets, neighbours.iter().copied());
                for &target in split.targets.iter().filter(|&&target| target != own) {
                    let placed = (1_u32..).zip(neighbours).map(|(distance, &item)| (item, distance));
                    split.neighbours.clear();
                    split.neighbours.extend(placed.filter(|(item, _)| self.owners[item.index()] == target));
                    let change = Change::StarBack { relation, centre, neighbours: &split.neighbours };
                    self.put_to(target.index(), &Delta { time, change, is_taken_back }, progress, items, effects);
                }
            }
            Change::StarBack { .. } => {} // made only here
            Change::Basket { items: basket, .. } => {
                self.targets_of(&mut split.targets, basket.iter().map(|bought| bought.item));
                for target in &split.targets {
                    self.put_to(target.index(), delta, progress, items, effects);
                }
            }
            Change::Cross { relation, anchors, settled, others } => {
                let all = anchors.iter().copied().chain(others.iter().map(|bought| bought.item));
                self.targets_of(&mut split.targets, all);
                for &target in &split.targets {
                    split.anchors.clear();
                    split.anchors.extend(anchors.iter().filter(|item| self.owners[item.index()] == target));
                    split.others.clear();
                    let needs_all = !split.anchors.is_empty();
                    split.others.extend(others.iter().filter(|o| needs_all || self.owners[o.item.index()] == target));
                    let change = Change::Cross { relation, anchors: &split.anchors, settled, others: &split.others };
                    self.put_to(target.index(), &Delta { time, change, is_taken_back }, progress, items, effects);
                }
            }
        }
        self.split = split;
    }

    fn targets_of(&self, targets: &mut Vec<Partition>, items: impl Iterator<Item = ItemId>) {
        targets.clear();
        targets.extend(items.map(|item| self.owners[item.index()]));
        targets.sort_unstable();
        targets.dedup();
    }

    fn learn_owners(&mut self, items: &Items) {
        let count = u32::try_from(self.channels.len()).unwrap_or(u32::MAX);
        for item in items.ids().skip(self.owners.len()) {
            self.owners.push(spread(items.fingerprint(item), count));
        }
        while self.shop_owners.len() < items.shop_count() {
            let shop = items.shop_at(self.shop_owners.len());
            self.shop_owners.push(spread(fingerprint(items.shop_name(shop), ""), count));
        }
    }

    fn put_to(
        &mut self,
        output: usize,
        delta: &Delta<'_>,
        progress: Progress,
        items: &Items,
        effects: &mut dyn Effects,
    ) {
        let position = self.reached(output);
        if position < self.channels[output].sent.position {
            self.channels[output].index += 1;
            self.muted += 1;
            return;
        }
        let bytes = self.channels[output].writer.bytes();
        // Names lie anywhere in memory, and mostly there is room for any.
        if bytes + PairsWriter::entry_bytes_bound(delta) > self.block_bytes_max
            && bytes + PairsWriter::entry_bytes_max(delta, items) > self.block_bytes_max
        {
            self.flush_one(output, progress, items, effects);
        }
        let channel = &mut self.channels[output];
        channel.index += 1;
        if channel.writer.head().is_none() {
            channel.writer.open(head(&self.source, channel.sent.position, progress, self.arrived_ms));
        }
        channel.writer.push(position, delta, items);
        self.deltas += 1;
        if channel.writer.bytes() >= self.block_bytes_max || channel.writer.entries() >= self.block_entries_max {
            self.flush_one(output, progress, items, effects);
        }
    }

    fn flush_one(&mut self, output: usize, progress: Progress, items: &Items, effects: &mut dyn Effects) {
        let to = self.checkpoint(output);
        let channel = &mut self.channels[output];
        let Some(head) = channel.writer.head() else { return };
        (head.span.to, head.checksum) = (to.position, to.checksum);
        (head.highest, head.lag) = (progress.highest, progress.lag);
        (channel.sent, channel.announced) = (to, Some(progress));
        effects.append(Log::Pairs, partition_of(output), channel.writer.finish(self.generation, items));
    }

    /// Sends what has been collected.
    pub(super) fn flush(&mut self, progress: Progress, items: &Items, effects: &mut dyn Effects) {
        for output in 0..self.channels.len() {
            self.flush_one(output, progress, items, effects);
        }
    }

    /// A section for every partition to which it says something new.
    pub(super) fn mark(&mut self, news: News, progress: Progress, items: &Items, effects: &mut dyn Effects) {
        for output in 0..self.channels.len() {
            let reached = self.reached(output);
            let channel = &mut self.channels[output];
            let is_news = match news {
                News::Lag => channel.announced.map(|announced| announced.lag) != Some(progress.lag),
                News::All => channel.announced != Some(progress) || reached > channel.sent.position,
            };
            let replaying = reached < channel.sent.position;
            if is_news && !replaying && channel.writer.is_empty() {
                channel.writer.open(head(&self.source, channel.sent.position, progress, None));
            }
            self.flush_one(output, progress, items, effects);
        }
    }

    /// What partitions have been told is to be told again.
    pub(super) fn tell_again(&mut self) {
        self.channels.iter_mut().for_each(|channel| channel.announced = None);
    }
}

fn head(source: &SourcePartition, from: Position, progress: Progress, arrived_ms: Option<i64>) -> SectionHead {
    let Progress { highest, lag } = progress;
    SectionHead { source: source.clone(), span: Span { from, to: from }, highest, lag, arrived_ms, checksum: None }
}

fn partition_of(output: usize) -> Partition {
    Partition(u32::try_from(output).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
