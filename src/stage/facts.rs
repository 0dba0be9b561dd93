//! What a partition of an internal log holds, as far as whoever writes that log must know: who has introduced itself on it, and how far
//! each input has been read into it.
//!
//! A writer gathers it by reading the log, before it appends; the log's reader gathers the same while it reads, and keeps it in its
//! snapshots, so that no writer has to read what lies before one.
//! Invariants: gathered from records in order, of one partition; bounded by the number of sources, not by the log.

use super::StageError;
use super::effect::Log;
use crate::position::{Checkpoint, NextOffset, Partition, Position, SourcePartition};
use crate::wire::{Kind, Lag, Opening, SectionEnd, SectionHead, founded, kind_of, section_ends};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What one partition holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionFacts {
    /// The first number proposed as the log's id, on partition 0.
    founded: Option<u128>,
    /// The opening marks that say something no earlier one does, and the newest.
    openings: Vec<Kept>,
    /// How far each input has been read without a gap: what the log's reader has applied.
    checkpoints: BTreeMap<SourcePartition, Checkpoint>,
    /// Where sections stand behind a gap, how far they go: they are not applied, and sent again by whoever writes the log next.
    beyond: BTreeMap<SourcePartition, Checkpoint>,
    /// What it was told last of how far behind its inputs are, and by which generation of writers.
    standings: BTreeMap<SourcePartition, (u64, Lag)>,
}

/// An opening mark that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    offset: NextOffset,
    opening: Opening,
    /// Whether it says more than that there is a writer of its generation.
    is_telling: bool,
}

impl PartitionFacts {
    /// As if all before `low` had been read, whose marks said what `opening` says: from there on it holds each input from this place.
    pub(super) fn begun(low: NextOffset, opening: &Opening, places: BTreeMap<SourcePartition, Position>) -> Self {
        let at = NextOffset(low.0.saturating_sub(1));
        let checkpoints = places.into_iter().map(|(source, place)| (source, Checkpoint::origin(place))).collect();
        let mut facts = Self { checkpoints, ..Self::default() };
        facts.opening(at, opening);
        facts
    }

    /// Takes note of a record of partition `partition` of `log`.
    ///
    /// # Errors
    /// When it is no block of ours.
    pub fn record(
        &mut self,
        log: Log,
        partition: Partition,
        offset: NextOffset,
        block: &[u8],
    ) -> Result<(), StageError> {
        let damaged = |error| StageError::Wire { log, partition, offset, error };
        match kind_of(block).map_err(damaged)? {
            Kind::Opening => {
                self.opening(offset, &Opening::decode(block).map_err(damaged)?);
                return Ok(());
            }
            Kind::Founding => self.founding(founded(block).map_err(damaged)?),
            _ => {}
        }
        for SectionEnd { source, from, checkpoint, standing } in section_ends(block).map_err(damaged)? {
            self.checkpoint(&source, from, checkpoint);
            if let Some((generation, lag)) = standing {
                self.standing(&source, generation, lag);
            }
        }
        Ok(())
    }

    /// Takes note of an opening mark at `offset`.
    pub(super) fn opening(&mut self, offset: NextOffset, opening: &Opening) {
        for origin in &opening.origins {
            if let Some(first) = origin.first {
                // The first one counts, as it does for the ledger.
                self.checkpoints.entry(origin.source.clone()).or_insert(Checkpoint::origin(first));
            }
        }
        let is_telling = self.is_telling(opening);
        match self.openings.last_mut() {
            // A writer that was overtaken before its mark was there has nothing to say.
            Some(last) if !is_telling && last.opening.generation > opening.generation => return,
            Some(last) if !last.is_telling => drop(self.openings.pop()),
            _ => {}
        }
        self.openings.push(Kept { offset, opening: opening.clone(), is_telling });
    }

    fn is_telling(&self, opening: &Opening) -> bool {
        let known = |is_it: &dyn Fn(&Opening) -> bool| self.openings.iter().any(|kept| is_it(&kept.opening));
        let ids = |opening: &Opening| (opening.log_id, opening.input_log_id, opening.store_id, opening.identity);
        let is_same = known(&|other| ids(other) == ids(opening));
        let are_known = opening.origins.iter().all(|origin| {
            known(&|other| {
                let same = other.origins.iter().find(|known| known.source == origin.source);
                same.is_some_and(|same| same.first.is_some() || origin.first.is_none())
            })
        });
        !(is_same && are_known)
    }

    /// Takes note of a proposal for the log's id. The first one counts.
    pub(super) fn founding(&mut self, id: u128) {
        self.founded.get_or_insert(id);
    }

    /// Takes note of a section that a writer of `generation` has written.
    pub(super) fn section(&mut self, generation: u64, head: &SectionHead) {
        self.checkpoint(&head.source, Some(head.span.from), head.checkpoint());
        self.standing(&head.source, generation, head.lag);
    }

    /// The log holds `source` from `from` (where that is said) to `checkpoint`: what the ledger makes of it.
    fn checkpoint(&mut self, source: &SourcePartition, from: Option<Position>, checkpoint: Checkpoint) {
        match self.checkpoints.get_mut(source) {
            Some(known) if from > Some(known.position) => {
                let beyond = self.beyond.entry(source.clone()).or_insert(checkpoint);
                *beyond = beyond.max(checkpoint);
            }
            Some(known) => {
                *known = known.max(checkpoint);
                let (reached, beyond) = (known.position, self.beyond.get(source));
                if beyond.is_some_and(|beyond| beyond.position <= reached) {
                    self.beyond.remove(source);
                }
            }
            None => drop(self.checkpoints.insert(source.clone(), Checkpoint::default().max(checkpoint))),
        }
    }

    fn standing(&mut self, source: &SourcePartition, generation: u64, lag: Lag) {
        match self.standings.get_mut(source) {
            Some(told) if told.0 <= generation => *told = (generation, lag),
            Some(_) => {}
            None => drop(self.standings.insert(source.clone(), (generation, lag))),
        }
    }

    /// The first number proposed as the log's id.
    #[must_use]
    pub fn founded(&self) -> Option<u128> {
        self.founded
    }

    /// The opening marks that are kept, in order.
    pub fn openings(&self) -> impl Iterator<Item = (NextOffset, &Opening)> {
        self.openings.iter().map(|kept| (kept.offset, &kept.opening))
    }

    /// How far each input has been read without a gap.
    pub fn checkpoints(&self) -> impl Iterator<Item = (&SourcePartition, Checkpoint)> {
        self.checkpoints.iter().map(|(source, &checkpoint)| (source, checkpoint))
    }

    /// What was told last of how far behind each input is.
    pub fn standings(&self) -> impl Iterator<Item = (&SourcePartition, Lag)> {
        self.standings.iter().map(|(source, &(_, lag))| (source, lag))
    }

    /// How far `source` has been read without a gap.
    #[must_use]
    pub fn read_of(&self, source: &SourcePartition) -> Option<Checkpoint> {
        self.checkpoints.get(source).copied()
    }

    /// How far anybody has read `source`, be it behind a gap.
    #[must_use]
    pub fn furthest_of(&self, source: &SourcePartition) -> Option<Checkpoint> {
        self.read_of(source).into_iter().chain(self.beyond.get(source).copied()).reduce(Checkpoint::max)
    }

    /// The furthest place of any input.
    #[must_use]
    pub fn furthest(&self) -> Option<Position> {
        let all = self.checkpoints.values().chain(self.beyond.values());
        all.map(|checkpoint| checkpoint.position).filter(|at| *at > Position::default()).max()
    }

    /// The partitions of `source` that the first mark of it names; none while it is not known.
    #[must_use]
    pub fn first_named(&self, source: &str) -> BTreeSet<Partition> {
        let of_source = |opening: &Opening| -> BTreeSet<Partition> {
            opening.origins.iter().filter(|o| &*o.source.source == source).map(|o| o.source.partition).collect()
        };
        self.openings().map(|(_, opening)| of_source(opening)).find(|named| !named.is_empty()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Origin;

    fn origin(source: &str, partition: u32, first: Option<u64>) -> Origin {
        let first = first.map(|offset| Position::start_of(NextOffset(offset)));
        Origin { source: SourcePartition::new(source, partition), first }
    }

    fn opening(generation: u64, origins: Vec<Origin>) -> Opening {
        Opening { log_id: 1, input_log_id: 2, store_id: 0, identity: 3, generation, origins }
    }

    #[test]
    fn of_opening_marks_those_are_kept_that_say_something_and_the_newest() {
        let mut facts = PartitionFacts::default();
        let marks = [
            opening(1, vec![origin("a", 0, None)]),
            opening(2, vec![origin("a", 0, Some(5))]),
            opening(3, vec![origin("a", 0, Some(5))]),
            opening(4, vec![origin("a", 0, None)]),
            opening(2, vec![origin("a", 0, None)]), // late
            opening(5, vec![origin("a", 0, None), origin("b", 1, None)]),
            opening(6, vec![origin("a", 0, None)]),
            opening(7, vec![origin("a", 0, None)]),
        ];
        for (offset, mark) in (0..).zip(&marks) {
            facts.opening(NextOffset(offset), mark);
        }
        let kept: Vec<u64> = facts.openings().map(|(offset, _)| offset.0).collect();
        assert_eq!(kept, [0, 1, 5, 7]);
        assert_eq!(
            facts.read_of(&SourcePartition::new("a", 0)),
            Some(Checkpoint::origin(Position::start_of(NextOffset(5))))
        );
        assert_eq!(facts.first_named("b"), BTreeSet::from([Partition(1)]));
        let other_rules = Opening { identity: 9, ..opening(8, Vec::new()) };
        facts.opening(NextOffset(8), &other_rules);
        facts.opening(NextOffset(9), &opening(9, Vec::new()));
        let kept: Vec<u64> = facts.openings().map(|(offset, _)| offset.0).collect();
        assert_eq!(kept, [0, 1, 5, 8, 9], "what must be refused is never dropped");
    }

    /// A writer that goes by what the log holds sends again what its reader has not applied.
    #[test]
    fn an_input_has_been_read_as_far_as_its_sections_chain() {
        let at = |offset| Position::start_of(NextOffset(offset));
        let source = SourcePartition::new("a", 0);
        let mut facts = PartitionFacts::default();
        facts.opening(NextOffset(0), &opening(1, vec![origin("a", 0, Some(5))]));
        facts.opening(NextOffset(1), &opening(2, vec![origin("a", 0, Some(9))]));
        assert_eq!(facts.read_of(&source), Some(Checkpoint::origin(at(5))), "the first origin counts");
        let mut read = |from: u64, to: u64| {
            let checksum = u32::try_from(to).ok();
            facts.checkpoint(&source, Some(at(from)), Checkpoint { position: at(to), checksum });
            let places = [facts.read_of(&source), facts.furthest_of(&source)].map(|place| place.unwrap().position);
            assert_eq!(facts.furthest(), Some(places[1]));
            places.map(|position| position.offset.0)
        };
        assert_eq!(read(5, 8), [8, 8]);
        assert_eq!(read(10, 12), [8, 12], "what lies behind a gap has not been applied");
        assert_eq!(read(12, 14), [8, 14]);
        assert_eq!(read(6, 11), [11, 14], "sent again");
        assert_eq!(read(11, 15), [15, 15]);
        assert_eq!(read(15, 15), [15, 15]);
    }
}
