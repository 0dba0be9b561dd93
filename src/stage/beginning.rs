//! Where counting can begin in an events log whose start is gone, as what is kept of it says.
//!
//! Who reads a log from its start learns there which log it is, and from where each source's sections chain. Where that has been deleted, both
//! follow from what is left: any opening mark names the log, and a source begins at the first place from which what is kept of it chains to
//! its end. A snapshot of the reader, where there is one, knows more: how far each source had been read, at a place further on.
//!
//! Invariants: from the places found, no section that is kept shows a gap; none lies before all that is kept of its source, unless a snapshot says
//! so. What cannot be told apart from a loss is an error. Absent: reading the log, keeping what was found (`drive`).

use super::StageError;
use super::effect::Log;
use super::facts::PartitionFacts;
use crate::event::EventTime;
use crate::position::{NextOffset, Partition, Position, SourcePartition, Span};
use crate::wire::{EventsBlock, Kind, Lag, Opening, Origin, kind_of};
use std::collections::{BTreeMap, BTreeSet};

/// What one partition still holds.
#[derive(Debug, Default)]
pub struct KeptRecords {
    /// Events in it, those that were sent twice among them.
    pub events: u64,
    /// The earliest time of any of them.
    pub earliest: Option<EventTime>,
    sources: BTreeMap<SourcePartition, Sections>,
    /// The newest opening mark, and where the marks say that sources start.
    opening: Option<Opening>,
    origins: BTreeMap<SourcePartition, Position>,
    /// Opening marks of another log than the first one's.
    stranger: Option<(NextOffset, u128)>,
    /// The highest of all writers.
    generation: u64,
}

/// The sections of one source, in the log's order; those that chain are one.
#[derive(Debug)]
struct Sections {
    spans: Vec<Span>,
    /// How the source stood by the first of them.
    lag: Lag,
}

impl Sections {
    /// The first place from which the sections chain to their end, and to `known` where that is further.
    fn first(&self, known: Position) -> Position {
        let end = self.spans.iter().map(|span| span.to).max().unwrap_or_default().max(known);
        // Backwards: whoever stands at `need` before a section comes to the end.
        self.spans.iter().rev().fold(end, |need, span| if span.to >= need { need.min(span.from) } else { need })
    }
}

impl KeptRecords {
    /// Takes note of a record.
    ///
    /// # Errors
    /// When it is no block of ours.
    pub fn record(&mut self, partition: Partition, offset: NextOffset, block: &[u8]) -> Result<(), StageError> {
        let damaged = |error| StageError::Wire { log: Log::Events, partition, offset, error };
        match kind_of(block).map_err(damaged)? {
            Kind::Opening => self.opening(offset, Opening::decode(block).map_err(damaged)?),
            Kind::Events => self.block(&EventsBlock::decode(block).map_err(damaged)?),
            _ => {}
        }
        Ok(())
    }

    /// Whether a log with this id can be the one that this is kept of.
    #[must_use]
    pub fn may_be(&self, log_id: u128) -> bool {
        self.opening.as_ref().is_none_or(|opening| opening.log_id == log_id)
    }

    fn opening(&mut self, offset: NextOffset, opening: Opening) {
        self.generation = self.generation.max(opening.generation);
        for Origin { source, first } in &opening.origins {
            if let Some(first) = *first {
                self.origins.entry(source.clone()).or_insert(first);
            }
        }
        if self.opening.as_ref().is_some_and(|known| known.log_id != opening.log_id) {
            self.stranger.get_or_insert((offset, opening.log_id));
        } else {
            self.opening = Some(opening);
        }
    }

    fn block(&mut self, block: &EventsBlock<'_>) {
        self.generation = self.generation.max(block.generation);
        self.events += block.entries.len() as u64;
        self.earliest = self.earliest.into_iter().chain(block.entries.iter().map(|entry| entry.time)).min();
        for section in &block.sections {
            let (head, span) = (&section.head, section.head.span);
            let sections = self.sources.entry(head.source.clone());
            let Sections { spans, .. } = sections.or_insert(Sections { spans: Vec::new(), lag: head.lag });
            match spans.last_mut() {
                Some(last) if last.to == span.from => last.to = last.to.max(span.to),
                _ => spans.push(span),
            }
        }
    }
}

/// A partition of which the beginning is to be found.
pub struct Headless {
    /// Which.
    pub partition: Partition,
    /// Its first record that is kept.
    pub low: NextOffset,
    /// All that is kept of it.
    pub kept: KeptRecords,
    /// What the newest snapshot of its reader says that covers some of that.
    pub known: Option<PartitionFacts>,
}

/// Where counting begins in one partition: a state in which nothing has been counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// Which.
    pub partition: Partition,
    /// The first record that is counted.
    pub low: NextOffset,
    /// The log's id.
    pub log_id: u128,
    /// What its writers must know of what lies before.
    pub facts: PartitionFacts,
    /// Where each source begins, and how it stood.
    pub(super) places: BTreeMap<SourcePartition, (Position, Lag)>,
}

/// Why the kept records cannot be counted alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BeginningError {
    /// Nothing says which log it is.
    #[error("no record that is kept says which log it is, and no snapshot of the log is there that would")]
    NoId,
    /// Two logs under one name.
    #[error("events-{}: the log's id is {found:032x} at offset {}, it was {first:032x}: another log under the same name", .partition.0, .offset.0)]
    OtherLog {
        /// Its partition.
        partition: Partition,
        /// Where that stands.
        offset: NextOffset,
        /// The id of before.
        first: u128,
        /// The other one.
        found: u128,
    },
    /// Sections of a source do not chain.
    #[error(
        "events-{}: what is kept of {source_partition} starts at {first}, but chains only from {chains} on, and no snapshot says that what lies between \
         was there: brokers may have lost it, and its writers have not sent it again",
        .partition.0
    )]
    Gap {
        /// Its partition.
        partition: Partition,
        /// Whose sections.
        source_partition: SourcePartition,
        /// Where the first section starts.
        first: Position,
        /// From where on nothing is missing.
        chains: Position,
    },
    /// Nothing says how far a source had been read.
    #[error("events-{}: nothing that is kept says how far {source_partition} had been read, and no snapshot of the partition does", .partition.0)]
    Unheard {
        /// Its partition.
        partition: Partition,
        /// Which.
        source_partition: SourcePartition,
    },
}

/// Where counting begins in each partition that has lost its start.
///
/// # Errors
/// When that cannot be told.
pub fn beginnings(partitions: &[Headless]) -> Result<Vec<Beginning>, BeginningError> {
    let template = template(partitions)?;
    let mut all = Vec::new();
    for of in partitions {
        let places = if of.low > NextOffset(0) { of.places()? } else { of.whole() };
        all.push((of, places));
    }
    // One origin for all: whoever reads a source on goes from it in each partition that knows nothing better.
    let mut origins: BTreeMap<SourcePartition, Position> = BTreeMap::new();
    for (source, &(place, _)) in all.iter().flat_map(|(_, places)| places) {
        let first = origins.entry(source.clone()).or_insert(place);
        *first = place.min(*first);
    }
    let mut begun = Vec::new();
    for (of, places) in all.into_iter().filter(|(of, _)| of.low > NextOffset(0)) {
        // Marks name where a source once began; where it stood when what is kept begins, they do not say.
        let mut named = origins.keys().chain(of.kept.origins.keys());
        if let (None, Some(source)) = (&of.known, named.find(|source| !places.contains_key(*source))) {
            return Err(BeginningError::Unheard { partition: of.partition, source_partition: source.clone() });
        }
        let named = origins.iter().map(|(source, &first)| Origin { source: source.clone(), first: Some(first) });
        let opening = Opening { origins: named.collect(), ..template.clone() };
        let from = places.iter().map(|(source, &(place, _))| (source.clone(), place)).collect();
        let facts = PartitionFacts::begun(of.low, &opening, from);
        begun.push(Beginning { partition: of.partition, low: of.low, log_id: template.log_id, facts, places });
    }
    Ok(begun)
}

/// What all opening marks would say that are gone: which log it is, under what it was written, by how many writers so far.
fn template(partitions: &[Headless]) -> Result<Opening, BeginningError> {
    let mut template: Option<Opening> = None;
    let mut generation = 0;
    for Headless { partition, kept, known, .. } in partitions {
        generation = generation.max(kept.generation);
        if let (Some((offset, found)), Some(first)) = (kept.stranger, &kept.opening) {
            return Err(BeginningError::OtherLog { partition: *partition, offset, first: first.log_id, found });
        }
        let known = known.iter().flat_map(|facts| facts.openings().map(|(_, opening)| opening));
        for opening in kept.opening.iter().chain(known) {
            generation = generation.max(opening.generation);
            let first = template.get_or_insert_with(|| opening.clone());
            if first.log_id != opening.log_id {
                let (first, found, offset) = (first.log_id, opening.log_id, NextOffset(0));
                return Err(BeginningError::OtherLog { partition: *partition, offset, first, found });
            }
            // The newest word counts: what it says of rules, all later writers say.
            if opening.generation >= first.generation {
                *first = opening.clone();
            }
        }
    }
    let template = template.ok_or(BeginningError::NoId)?;
    Ok(Opening { generation, ..template })
}

impl Headless {
    /// Where each source begins, of a partition that has lost its start.
    fn places(&self) -> Result<BTreeMap<SourcePartition, (Position, Lag)>, BeginningError> {
        let known: BTreeMap<&SourcePartition, Position> =
            self.known.iter().flat_map(PartitionFacts::checkpoints).map(|(source, at)| (source, at.position)).collect();
        let mut places = BTreeMap::new();
        let all: BTreeSet<&SourcePartition> = self.kept.sources.keys().chain(known.keys().copied()).collect();
        for source in all {
            let read = known.get(source).copied();
            // Of one that says nothing, nothing is waited for.
            let Some(sections) = self.kept.sources.get(source) else {
                places.insert(source.clone(), (read.unwrap_or_default(), Lag::Live));
                continue;
            };
            let first = sections.spans.first().map_or_else(Position::default, |span| span.from);
            let chains = sections.first(read.unwrap_or_default());
            if chains > first && read.is_none_or(|read| read < chains) {
                let (partition, source_partition) = (self.partition, source.clone());
                return Err(BeginningError::Gap { partition, source_partition, first, chains });
            }
            places.insert(source.clone(), (chains, sections.lag));
        }
        Ok(places)
    }

    /// The same of one that is whole.
    fn whole(&self) -> BTreeMap<SourcePartition, (Position, Lag)> {
        self.kept.origins.iter().map(|(source, &first)| (source.clone(), (first, Lag::Behind))).collect()
    }
}

#[cfg(test)]
mod tests;
