//! What intake has for the events log, by partition: blocks under construction, and what each partition has been told of each
//! source.
//!
//! Invariants: sections of a source chain on every partition; what a section says covers exactly the records that were read when
//! its block was sent. A block stays within its limit, unless a single event is larger.

use super::BlockLimits;
use super::effect::{Effects, Log};
use crate::event::EventTime;
use crate::items::Items;
use crate::position::{Checkpoint, Partition, Position, SourcePartition, Span};
use crate::wire::{EventToWrite, EventsWriter, Lag, SectionHead};

/// What the heads of sections say besides positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    /// The highest event time that was read.
    pub(super) highest: Option<EventTime>,
    pub(super) lag: Lag,
}

/// Where reading a source is.
pub(super) struct Place<'a> {
    pub(super) source: &'a SourcePartition,
    pub(super) checkpoint: Checkpoint,
    pub(super) progress: Progress,
    /// Whether the log knows where the source starts.
    pub(super) has_origin: bool,
}

/// Which sources a partition is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Those whose lag it does not know.
    Lag,
    /// Those of which it does not know everything.
    All,
}

/// An event as it is written, and when it arrived.
pub(super) struct Entry<'a> {
    pub(super) event: EventToWrite<'a>,
    pub(super) arrived_ms: Option<i64>,
}

#[derive(Clone)]
struct Channel {
    /// All before this is on the log.
    sent: Checkpoint,
    /// What the partition was told last.
    announced: Option<Progress>,
    /// Its section in the block under construction.
    section: Option<usize>,
}

struct Output {
    writer: EventsWriter,
    /// By input.
    channels: Vec<Channel>,
}

/// The partitions of the events log, as one intake writes them.
pub(super) struct Sections {
    outputs: Vec<Output>,
    limits: BlockLimits,
}

impl Sections {
    pub(super) fn new(inputs: usize, outputs: u32, limits: BlockLimits) -> Self {
        let channel = Channel { sent: Checkpoint::default(), announced: None, section: None };
        let output = || Output { writer: EventsWriter::default(), channels: vec![channel.clone(); inputs] };
        Self { outputs: std::iter::repeat_with(output).take(Partition(outputs).index()).collect(), limits }
    }

    pub(super) fn len(&self) -> usize {
        self.outputs.len()
    }

    /// Partition `output` of the log holds all of `input` up to `checkpoint` already.
    pub(super) fn restore(&mut self, output: usize, input: usize, checkpoint: Checkpoint) {
        let channel = &mut self.outputs[output].channels[input];
        channel.sent = channel.sent.max(checkpoint);
    }

    /// How far each partition holds `input`.
    pub(super) fn sent(&self, input: usize) -> impl Iterator<Item = Checkpoint> {
        self.outputs.iter().map(move |output| output.channels[input].sent)
    }

    /// Whether `partition` holds that place of `input` already.
    pub(super) fn holds(&self, partition: Partition, input: usize, position: Position) -> bool {
        position < self.outputs[partition.index()].channels[input].sent.position
    }

    /// Whether there is no room for `event` in the block of `partition`.
    pub(super) fn is_full_for(&self, partition: Partition, event: &EventToWrite<'_>, items: &Items) -> bool {
        let writer = &self.outputs[partition.index()].writer;
        let bytes = || writer.bytes() + EventsWriter::entry_bytes_max(event, items);
        writer.entries() > 0 && bytes() > self.limits.bytes_max
    }

    /// Adds an event. Returns whether the block is full now.
    pub(super) fn push(
        &mut self,
        partition: Partition,
        input: usize,
        place: &Place<'_>,
        entry: &Entry<'_>,
        items: &Items,
    ) -> bool {
        let output = &mut self.outputs[partition.index()];
        let section = open(output, input, place);
        if let (Some(arrived_ms), head) = (entry.arrived_ms, output.writer.head(section)) {
            head.arrived_ms = Some(head.arrived_ms.map_or(arrived_ms, |first| first.min(arrived_ms)));
        }
        output.writer.push(section, &entry.event, items);
        output.writer.bytes() >= self.limits.bytes_max || output.writer.entries() >= self.limits.entries_max
    }

    /// Sends what `output` has collected, and with it how far the sources that are behind have been read. `places`: where all
    /// inputs are.
    pub(super) fn flush<'a>(
        &mut self,
        output: usize,
        places: &mut dyn Iterator<Item = Place<'a>>,
        generation: u64,
        items: &Items,
        effects: &mut dyn Effects,
    ) {
        let partition = Partition(u32::try_from(output).unwrap_or(u32::MAX));
        let output = &mut self.outputs[output];
        if output.writer.is_empty() {
            return;
        }
        for (input, place) in places.enumerate() {
            let is_news = output.channels[input].announced != Some(place.progress);
            if is_news && place.progress.lag.is_behind() && may_open(output, input, &place) {
                open(output, input, &place);
            }
            let Some(section) = output.channels[input].section.take() else { continue };
            let Place { checkpoint, progress, .. } = place;
            let head = output.writer.head(section);
            (head.span.to, head.checksum) = (checkpoint.position, checkpoint.checksum);
            (head.highest, head.lag) = (progress.highest, progress.lag);
            let channel = &mut output.channels[input];
            (channel.sent, channel.announced) = (checkpoint, Some(progress));
        }
        effects.append(Log::Events, partition, output.writer.finish(generation, items));
    }

    /// Opens sections for what `output` has not been told.
    pub(super) fn mark<'a>(&mut self, output: usize, news: News, places: &mut dyn Iterator<Item = Place<'a>>) {
        let output = &mut self.outputs[output];
        for (input, place) in places.enumerate() {
            let Channel { sent, announced, .. } = &output.channels[input];
            let is_news = match news {
                News::Lag => announced.map(|announced| announced.lag) != Some(place.progress.lag),
                News::All => *announced != Some(place.progress) || place.checkpoint.position > sent.position,
            };
            if is_news && may_open(output, input, &place) {
                open(output, input, &place);
            }
        }
    }

    /// Bytes held.
    pub(super) fn held_bytes(&self) -> usize {
        self.outputs.iter().map(|output| output.writer.held_bytes()).sum()
    }

    /// What partitions have been told is to be told again.
    pub(super) fn tell_again(&mut self) {
        let channels = self.outputs.iter_mut().flat_map(|output| &mut output.channels);
        channels.for_each(|channel| channel.announced = None);
    }
}

/// A source that is read again says nothing until it is where its predecessor was.
fn may_open(output: &Output, input: usize, place: &Place<'_>) -> bool {
    place.has_origin && place.checkpoint.position >= output.channels[input].sent.position
}

/// The section of `input` in `output`'s block; opened if there is none.
fn open(output: &mut Output, input: usize, place: &Place<'_>) -> usize {
    let channel = &mut output.channels[input];
    if let Some(section) = channel.section {
        return section;
    }
    let section = output.writer.open(SectionHead {
        source: place.source.clone(),
        span: Span { from: channel.sent.position, to: channel.sent.position },
        highest: place.progress.highest,
        lag: place.progress.lag,
        arrived_ms: None,
        checksum: None,
    });
    channel.section = Some(section);
    section
}

#[cfg(test)]
mod tests;
