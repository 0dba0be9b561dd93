//! Whether a log is the one it must be: its id, the rules it was written under, and for its reader the chain of
//! positions. A writer looks before it appends anything: a mark of other rules in a log's midst could never be taken back.

use super::effect::{Log, StageError};
use super::facts::PartitionFacts;
use crate::limits::GAP_WAIT_MS;
use crate::position::{Gap, Ledger, LedgerError, NextOffset, Partition, Position, SourcePartition, Verdict};
use crate::wire::{Opening, Origin, SectionHead, WireError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64;

/// One fingerprint of everything that a log's content depends on besides its input.
#[must_use]
pub fn identity_of(parts: &[u64]) -> u64 {
    let bytes: Vec<u8> = parts.iter().flat_map(|part| part.to_le_bytes()).collect();
    xxh3_64(&bytes)
}

/// The writer's side of an internal log: what its predecessors' opening marks say.
pub(super) struct Authorship {
    log: Log,
    own: u64,
    log_id: Option<u128>,
    input_log_id: Option<u128>,
    /// One more than the highest of all whose marks are there: see [`crate::wire`].
    pub(super) generation: u64,
}

impl Authorship {
    /// No mark seen yet; the log must have been written under `own`.
    pub(super) fn new(log: Log, own: u64) -> Self {
        Self { log, own, log_id: None, input_log_id: None, generation: 1 }
    }

    /// Takes note of an opening mark that a predecessor left.
    pub(super) fn check(
        &mut self,
        partition: Partition,
        offset: NextOffset,
        opening: &Opening,
    ) -> Result<(), StageError> {
        check(self.log, partition, offset, &mut self.log_id, self.own, opening)?;
        self.input_log_id.get_or_insert(opening.input_log_id);
        self.generation = self.generation.max(opening.generation.saturating_add(1));
        Ok(())
    }

    /// The log read turns out to be `found`. Another one than predecessors read has other positions: to mute by theirs would
    /// swallow it.
    pub(super) fn check_input(&mut self, input: &Identity, offset: NextOffset, found: u128) -> Result<(), StageError> {
        let first = *self.input_log_id.get_or_insert(found);
        if first == found {
            return Ok(());
        }
        Err(StageError::OtherLog { log: input.log, partition: input.partition, offset, first, found })
    }

    /// The log's id; `new` becomes it when no predecessor left one.
    pub(super) fn settle(&mut self, new: u128) {
        self.log_id.get_or_insert(new);
    }

    /// An opening mark of this writer.
    pub(super) fn opening(&self, origins: Vec<Origin>) -> Vec<u8> {
        let (log_id, input_log_id) = (self.log_id.unwrap_or_default(), self.input_log_id.unwrap_or_default());
        let (identity, generation) = (self.own, self.generation);
        Opening { log_id, input_log_id, store_id: 0, identity, generation, origins }.encode()
    }
}

/// The reader's side of one partition of an internal log.
pub(super) struct Identity {
    log: Log,
    partition: Partition,
    own: u64,
    pub(super) known: Known,
    gap_wait_ms: i64,
    /// Of each source of which something is missing: what is expected next, and since when, by the steady clock.
    waiting: BTreeMap<SourcePartition, (Position, i64)>,
    /// Whether nothing has been read since the log's end was met.
    is_at_end: bool,
}

/// What has been read of it: part of a stage's state.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Known {
    pub(super) log_id: Option<u128>,
    pub(super) ledger: Ledger,
    /// The highest generation of the writers of each source.
    generations: BTreeMap<SourcePartition, u64>,
    pub(super) facts: PartitionFacts,
}

impl Known {
    /// As it is where counting begins, in a log whose start is gone.
    pub(super) fn begun(
        log_id: u128,
        places: impl Iterator<Item = (SourcePartition, Position)>,
        facts: PartitionFacts,
    ) -> Self {
        let mut ledger = Ledger::default();
        places.for_each(|(source, place)| ledger.open(&source, place));
        Self { log_id: Some(log_id), ledger, generations: BTreeMap::new(), facts }
    }

    /// The log's id, once an opening mark has been read.
    pub(super) fn log_id(&self) -> Option<u128> {
        self.log_id
    }
}

impl Identity {
    /// Nothing read yet; the log must have been written under `own`.
    pub(super) fn new(log: Log, partition: Partition, own: u64) -> Self {
        let (known, waiting) = (Known::default(), BTreeMap::new());
        Self { log, partition, own, known, gap_wait_ms: GAP_WAIT_MS, waiting, is_at_end: false }
    }

    /// How long a gap may stay open.
    pub(super) fn set_gap_wait(&mut self, gap_wait_ms: i64) {
        self.gap_wait_ms = gap_wait_ms;
    }

    pub(super) fn wire(&self, offset: NextOffset, error: WireError) -> StageError {
        StageError::Wire { log: self.log, partition: self.partition, offset, error }
    }

    /// Reads an opening mark and refuses it when it is another log's.
    pub(super) fn check(&mut self, offset: NextOffset, block: &[u8]) -> Result<Opening, StageError> {
        let opening = Opening::decode(block).map_err(|error| self.wire(offset, error))?;
        check(self.log, self.partition, offset, &mut self.known.log_id, self.own, &opening)?;
        self.known.facts.opening(offset, &opening);
        Ok(opening)
    }

    pub(super) fn open(&mut self, origin: &Origin) {
        if let Some(first) = origin.first {
            self.known.ledger.open(&origin.source, first);
        }
    }

    /// Whether what a writer of `generation` says of how `source` stands is the last word: not where it has been overtaken, and
    /// what it had to say lands late.
    pub(super) fn is_current(&mut self, generation: u64, source: &SourcePartition) -> bool {
        match self.known.generations.get_mut(source) {
            Some(newest) if *newest > generation => false,
            Some(newest) => {
                *newest = generation;
                true
            }
            None => {
                self.known.generations.insert(source.clone(), generation);
                true
            }
        }
    }

    /// What the ledger says of a section. One behind a gap is noted as skipped.
    pub(super) fn verdict(&mut self, offset: NextOffset, head: &SectionHead) -> Result<Verdict, StageError> {
        let (log, partition) = (self.log, self.partition);
        let checked = self.known.ledger.check(&head.source, head.span);
        let verdict = checked.map_err(|error| StageError::Ledger { log, partition, offset, error })?;
        if verdict == Verdict::Beyond {
            self.known.ledger.skip(&head.source, head.span, offset);
        }
        Ok(verdict)
    }

    /// A record is read: the log's end is not here.
    pub(super) fn reads_on(&mut self) {
        self.is_at_end = false;
    }

    /// All that the log holds has been read.
    pub(super) fn at_end(&mut self) {
        self.is_at_end = true;
    }

    /// Whether a gap has been open for too long. Time counts from where all of the log has been read: what closes a gap may stand
    /// further on; and it counts anew where what is missing becomes less.
    ///
    /// # Errors
    /// When nobody has sent what is missing.
    pub(super) fn look_at_gaps(&mut self, now_ms: i64) -> Result<(), StageError> {
        let Self { log, partition, gap_wait_ms, .. } = *self;
        let ledger = &self.known.ledger;
        self.waiting
            .retain(|source, (expected, _)| ledger.gaps().any(|gap| gap.source == source && gap.expected == *expected));
        if !self.is_at_end {
            return Ok(());
        }
        for Gap { source, at, expected, found } in ledger.gaps() {
            let (_, since_ms) = *self.waiting.entry(source.clone()).or_insert((expected, now_ms));
            if now_ms.saturating_sub(since_ms) >= gap_wait_ms {
                let error = LedgerError::Gap { source_partition: source.clone(), expected, found };
                return Err(StageError::Ledger { log, partition, offset: at, error });
            }
        }
        Ok(())
    }
}

fn check(
    log: Log,
    partition: Partition,
    offset: NextOffset,
    log_id: &mut Option<u128>,
    own: u64,
    opening: &Opening,
) -> Result<(), StageError> {
    let first = *log_id.get_or_insert(opening.log_id);
    if first != opening.log_id {
        return Err(StageError::OtherLog { log, partition, offset, first, found: opening.log_id });
    }
    if opening.identity != own {
        return Err(StageError::OtherRules { log, partition, offset, own, found: opening.identity });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::Span;
    use crate::wire::Lag;

    const ONLY: Partition = Partition(0);
    const AT: NextOffset = NextOffset(4);

    fn opening(log_id: u128, input_log_id: u128, identity: u64, generation: u64) -> Opening {
        Opening { log_id, input_log_id, store_id: 0, identity, generation, origins: Vec::new() }
    }

    fn source() -> SourcePartition {
        SourcePartition::new("shop", 0)
    }

    /// What a writer's own mark says: id, input's id, rules, generation.
    fn own(authorship: &Authorship) -> (u128, u128, u64, u64) {
        let block = authorship.opening(vec![Origin { source: source(), first: None }]);
        let Opening { log_id, input_log_id, store_id, identity, generation, origins } =
            Opening::decode(&block).unwrap();
        assert_eq!((store_id, origins), (0, vec![Origin { source: source(), first: None }]));
        (log_id, input_log_id, identity, generation)
    }

    #[test]
    fn a_log_without_a_mark_gets_the_new_id_and_its_first_writer_is_the_first_generation() {
        let mut authorship = Authorship::new(Log::Pairs, 7);
        authorship.settle(11);
        authorship.settle(12);
        authorship.check_input(&Identity::new(Log::Events, ONLY, 6), AT, 21).unwrap();
        assert_eq!(own(&authorship), (11, 21, 7, 1));
    }

    #[test]
    fn a_writer_goes_on_under_its_predecessors_ids_and_overtakes_all_of_them() {
        let mut authorship = Authorship::new(Log::Pairs, 7);
        for generation in [1, 5, 3] {
            authorship.check(ONLY, AT, &opening(11, 21, 7, generation)).unwrap();
        }
        authorship.settle(12);
        assert_eq!(own(&authorship), (11, 21, 7, 6));
        authorship.check(ONLY, AT, &opening(11, 22, 7, 1)).unwrap();
        assert_eq!(own(&authorship).1, 21, "what was read first counts");
    }

    #[test]
    fn another_log_other_rules_and_another_input_are_refused_by_what_was_there_first() {
        let mut authorship = Authorship::new(Log::Pairs, 7);
        authorship.check(ONLY, AT, &opening(11, 21, 7, 1)).unwrap();
        for _ in 0..2 {
            let error = authorship.check(ONLY, AT, &opening(12, 21, 7, 9)).unwrap_err();
            assert!(matches!(error, StageError::OtherLog { first: 11, found: 12, .. }), "{error}");
            let error = authorship.check(ONLY, AT, &opening(11, 21, 8, 9)).unwrap_err();
            assert!(matches!(error, StageError::OtherRules { own: 7, found: 8, .. }), "{error}");
            let input = Identity::new(Log::Events, Partition(3), 6);
            let error = authorship.check_input(&input, AT, 22).unwrap_err();
            let is_told = error.to_string().starts_with("events-3 at offset 4: the log's id is");
            assert!(is_told && matches!(error, StageError::OtherLog { first: 21, found: 22, .. }), "{error}");
            authorship.check_input(&input, AT, 21).unwrap();
        }
        assert_eq!(own(&authorship), (11, 21, 7, 2), "what is refused leaves no trace");
    }

    #[test]
    fn a_reader_refuses_another_log_and_other_rules() {
        let mut identity = Identity::new(Log::Events, Partition(3), 7);
        let first = opening(11, 0, 7, 1);
        assert_eq!(identity.check(AT, &first.encode()).unwrap(), first);
        for other in [opening(12, 0, 7, 1), opening(11, 0, 8, 1)] {
            let error = identity.check(AT, &other.encode()).unwrap_err().to_string();
            assert!(error.starts_with("events-3 at offset 4: "), "{error}");
        }
        assert!(matches!(identity.check(AT, &[1, 2]), Err(StageError::Wire { offset: AT, .. })));
        identity.check(AT, &opening(11, 5, 7, 2).encode()).unwrap();
    }

    #[test]
    fn of_each_source_the_newest_writer_has_the_last_word() {
        let mut identity = Identity::new(Log::Events, ONLY, 7);
        let other = SourcePartition::new("other", 0);
        for (generation, is_current) in [(2, true), (2, true), (1, false), (4, true), (2, false), (3, false), (4, true)]
        {
            assert_eq!(identity.is_current(generation, &source()), is_current, "{generation}");
        }
        assert!(identity.is_current(1, &other), "who writes of one source has not overtaken who writes of another");
        assert!(!identity.is_current(0, &other));
    }

    #[test]
    fn sections_chain_from_the_origin_that_a_mark_gave() {
        let mut identity = Identity::new(Log::Events, ONLY, 7);
        let at = |offset| Position::start_of(NextOffset(offset));
        let head = SectionHead {
            source: source(),
            span: Span { from: at(5), to: at(6) },
            highest: None,
            lag: Lag::Live,
            arrived_ms: None,
            checksum: None,
        };
        identity.open(&Origin { source: source(), first: None });
        assert!(
            matches!(identity.verdict(AT, &head), Err(StageError::Ledger { offset: AT, .. })),
            "nobody knows where it starts"
        );
        identity.open(&Origin { source: source(), first: Some(at(5)) });
        assert_eq!(identity.verdict(AT, &head).unwrap(), Verdict::Apply { from: at(5) });
        identity.known.ledger.advance(&source(), at(6));
        assert_eq!(identity.verdict(AT, &head).unwrap(), Verdict::Duplicate);
    }

    /// What a clock says of gaps: the error, cut to the positions.
    fn look(identity: &mut Identity, now_ms: i64) -> Option<String> {
        identity.look_at_gaps(now_ms).err().map(|error| {
            assert!(matches!(error, StageError::Ledger { offset: AT, .. }), "where the gap shows: {error}");
            error.to_string()
        })
    }

    #[test]
    fn a_gap_is_refused_once_it_has_been_open_for_long_enough_at_the_end_of_the_log() {
        let at = |offset| Position::start_of(NextOffset(offset));
        let head = |from, to| SectionHead {
            source: source(),
            span: Span { from: at(from), to: at(to) },
            highest: None,
            lag: Lag::Live,
            arrived_ms: None,
            checksum: None,
        };
        let mut identity = Identity::new(Log::Events, ONLY, 7);
        identity.set_gap_wait(1_000);
        identity.open(&Origin { source: source(), first: Some(at(5)) });
        assert_eq!(identity.verdict(AT, &head(9, 12)).unwrap(), Verdict::Beyond);
        assert_eq!(look(&mut identity, 10_000), None);
        assert_eq!(look(&mut identity, 20_000), None, "what closes it may stand further on");
        identity.at_end();
        assert_eq!(look(&mut identity, 30_000), None);
        assert_eq!(look(&mut identity, 30_999), None);
        // Some of it is sent again: the time counts anew.
        identity.reads_on();
        assert_eq!(identity.verdict(AT, &head(5, 7)).unwrap(), Verdict::Apply { from: at(5) });
        identity.known.ledger.advance(&source(), at(7));
        assert_eq!(look(&mut identity, 31_500), None, "not at the end");
        identity.at_end();
        assert_eq!(look(&mut identity, 32_000), None);
        assert_eq!(look(&mut identity, 32_999), None);
        let error = look(&mut identity, 33_000).unwrap();
        assert!(error.contains("starts at 9.0, next expected 7.0"), "{error}");
        identity.known.ledger.advance(&source(), at(12));
        assert_eq!(look(&mut identity, 99_000), None, "closed");
        identity.set_gap_wait(0);
        assert_eq!(identity.verdict(AT, &head(13, 13)).unwrap(), Verdict::Beyond, "a mark shows a gap, too");
        assert!(look(&mut identity, 99_000).is_some());
    }

    #[test]
    fn every_part_of_what_a_log_depends_on_makes_it_another() {
        assert_eq!(identity_of(&[1, 2]), identity_of(&[1, 2]));
        for other in [&[1, 3][..], &[2, 2], &[2, 1], &[1], &[1, 2, 0]] {
            assert_ne!(identity_of(&[1, 2]), identity_of(other), "{other:?}");
        }
    }
}
