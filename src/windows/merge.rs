//! Puts a backlog of several sources in order of event time: orders of a year are not counted before the views that led
//! to them.
//!
//! Per source partition a first-in first-out buffer. The head with the lowest key (event time, view < cart < order < its
//! changes, source) is released as soon as no source that is behind could still bring an earlier one:
//!
//! * behind, something buffered: what it still brings comes behind its own head, so it holds up nothing else;
//! * behind, nothing buffered: it can still bring anything at or after the highest time heard of it (at any time, if
//!   nothing has been heard);
//! * not behind: it holds nothing up. Live traffic waits for nothing.
//!
//! The buffers are bounded in bytes. Over the bound the lowest head goes anyway, and is counted as forced.
//!
//! Invariants: a source's own order is kept, even where its times go back. Nothing is lost or made twice. What is
//! released when, and what is forced, is a function of the calls alone: no clock, no hash map, and sources compare by
//! name, not by when they were opened.
//! Absent: deciding who is behind (intake says so in its sections), and waiting.

mod keeping;

use crate::event::{EventTime, EventType};
use crate::position::SourcePartition;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

/// Room for this many events is kept in a source's buffer that has run empty; a backlog's is given back.
const KEPT_EVENTS_MAX: usize = 1024;

/// A source partition's number in one [`Merge`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct SourceIndex(u32);

/// What the release order is by. `index` only says whose key it is: ranks are distinct already.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    time: EventTime,
    event_type: EventType,
    rank: u32,
    index: SourceIndex,
}

struct Buffered<T> {
    time: EventTime,
    event_type: EventType,
    bytes: usize,
    item: T,
}

struct Buffer<T> {
    /// Place among all sources in order of name.
    rank: u32,
    /// Highest event time heard of, pushed or marked.
    highest: EventTime,
    behind: bool,
    /// Whether `bounds` has an entry of this source.
    bounding: bool,
    held: VecDeque<Buffered<T>>,
}

impl<T> Buffer<T> {
    /// Whether events of it may be missing before anything at or after its highest time.
    fn holds_up(&self) -> bool {
        self.behind && self.held.is_empty()
    }
}

/// The buffers of one partition of the events log.
pub struct Merge<T> {
    bytes_max: usize,
    names: BTreeMap<SourcePartition, SourceIndex>,
    sources: Vec<Buffer<T>>,
    /// The head of every source that holds something.
    heads: BinaryHeap<Reverse<Key>>,
    /// The lowest key each holding-up source can still bring; at most one a source. Bounds only rise, so entries may be
    /// out of date and are put right when they come up.
    bounds: BinaryHeap<Reverse<Key>>,
    held: usize,
    bytes: usize,
    forced: u64,
}

impl<T> Merge<T> {
    /// What an event takes in a buffer that is full.
    pub const EVENT_BYTES: usize = size_of::<Buffered<T>>();

    /// No source known, room for `bytes_max` bytes.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            names: BTreeMap::new(),
            sources: Vec::new(),
            heads: BinaryHeap::new(),
            bounds: BinaryHeap::new(),
            held: 0,
            bytes: 0,
            forced: 0,
        }
    }

    /// The index of a source partition that an opening mark names. A new one is behind, at minus infinity, until heard
    /// from; for a known one nothing changes.
    pub fn open(&mut self, source: &SourcePartition) -> SourceIndex {
        if let Some(&known) = self.names.get(source) {
            return known;
        }
        let index = SourceIndex(small(self.sources.len()));
        self.names.insert(source.clone(), index);
        self.sources.push(Buffer {
            rank: 0,
            highest: EventTime::MIN,
            behind: true,
            bounding: false,
            held: VecDeque::new(),
        });
        self.rank();
        index
    }

    /// The index of a source partition, if it was opened.
    #[must_use]
    pub fn index(&self, source: &SourcePartition) -> Option<SourceIndex> {
        self.names.get(source).copied()
    }

    /// The source partition of an index.
    #[must_use]
    pub fn name(&self, index: SourceIndex) -> Option<&SourcePartition> {
        self.names.iter().find_map(|(name, &other)| (other == index).then_some(name))
    }

    /// Ranks all sources by name. Happens once a source: all keys are made anew.
    fn rank(&mut self) {
        self.heads.clear();
        self.bounds.clear();
        for (rank, &index) in self.names.values().enumerate() {
            let source = &mut self.sources[index.0 as usize];
            source.rank = small(rank);
            source.bounding = source.holds_up();
            if source.bounding {
                self.bounds.push(Reverse(bound(source, index)));
            }
            if let Some(head) = head(source, index) {
                self.heads.push(Reverse(head));
            }
        }
    }

    /// Takes the next event of `source`; `bytes` is what holding it costs.
    pub fn push(&mut self, source: SourceIndex, time: EventTime, event_type: EventType, bytes: usize, item: T) {
        let from = &mut self.sources[source.0 as usize];
        from.highest = from.highest.max(time);
        from.held.push_back(Buffered { time, event_type, bytes, item });
        if from.held.len() == 1 {
            self.heads.push(Reverse(Key { time, event_type, rank: from.rank, index: source }));
        }
        self.held += 1;
        self.bytes += bytes;
    }

    /// What a section says of how far its source has been read: the highest event time so far, and whether it is behind.
    /// The highest time never goes back.
    pub fn mark(&mut self, source: SourceIndex, highest: Option<EventTime>, behind: bool) {
        let marked = &mut self.sources[source.0 as usize];
        marked.highest = marked.highest.max(highest.unwrap_or(EventTime::MIN));
        marked.behind = behind;
        self.renew_bound(source);
    }

    /// The next event, if one may go. Call until `None` after each push and mark.
    pub fn release(&mut self) -> Option<T> {
        let Reverse(lowest) = *self.heads.peek()?;
        if self.lowest_bound().is_some_and(|bound| bound < lowest) {
            if self.bytes <= self.bytes_max {
                return None;
            }
            self.forced += 1;
        }
        self.heads.pop();
        let source = &mut self.sources[lowest.index.0 as usize];
        let released = source.held.pop_front()?;
        if let Some(next) = head(source, lowest.index) {
            self.heads.push(Reverse(next));
        } else if source.held.capacity() > KEPT_EVENTS_MAX {
            source.held = VecDeque::new();
        }
        self.renew_bound(lowest.index);
        self.held -= 1;
        self.bytes -= released.bytes;
        Some(released.item)
    }

    /// The lowest key that may still come before what is held.
    fn lowest_bound(&mut self) -> Option<Key> {
        loop {
            let Reverse(lowest) = *self.bounds.peek()?;
            let source = &mut self.sources[lowest.index.0 as usize];
            if source.holds_up() && source.highest == lowest.time {
                return Some(lowest);
            }
            self.bounds.pop();
            source.bounding = false;
            self.renew_bound(lowest.index);
        }
    }

    /// Sees that a source that holds up has an entry among the bounds.
    fn renew_bound(&mut self, index: SourceIndex) {
        let source = &mut self.sources[index.0 as usize];
        if source.holds_up() && !source.bounding {
            source.bounding = true;
            self.bounds.push(Reverse(bound(source, index)));
        }
    }

    /// Events released because the buffers were full, before it was sure that nothing earlier would come.
    #[must_use]
    pub fn forced(&self) -> u64 {
        self.forced
    }

    /// Events held now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held
    }

    /// Bytes held now. Within the bound whenever `release` has given `None`.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

fn head<T>(source: &Buffer<T>, index: SourceIndex) -> Option<Key> {
    let head = source.held.front()?;
    Some(Key { time: head.time, event_type: head.event_type, rank: source.rank, index })
}

fn bound<T>(source: &Buffer<T>, index: SourceIndex) -> Key {
    Key { time: source.highest, event_type: EventType::View, rank: source.rank, index }
}

/// A source number as a `u32`: there is one per partition of a topic.
fn small(number: usize) -> u32 {
    let small = u32::try_from(number);
    assert!(small.is_ok(), "more than 2^32 source partitions");
    small.unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
