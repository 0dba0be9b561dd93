//! What the process may take of the memory, and what each part takes now.

use super::families::Catalogue;
use super::{Metrics, Outcome, resident_bytes};
use crate::memory::{Budget, Held, Holding, Part};
use prometheus::GaugeVec;
use prometheus::core::Collector as _;
use std::sync::{Arc, Mutex, PoisonError};

/// Above this share of the budget, in percent, the process says so: the alert's.
const STRAINED_PERCENT: u64 = 85;

pub(super) struct MemoryFamilies {
    budget: GaugeVec,
    planned: GaugeVec,
    held: GaugeVec,
    buffers: Arc<Held>,
    dealt: Mutex<Option<Budget>>,
}

impl MemoryFamilies {
    pub(super) fn new(all: &mut Catalogue) -> Outcome<Self> {
        let families = Self {
            budget: all.gauge(
                "samenloop_memory_budget_bytes",
                "What the process may take of the memory, as set or found; 0 where nothing was dealt out.",
                &[],
            )?,
            planned: all.gauge(
                "samenloop_memory_planned_bytes",
                "What each part was given of the budget at start; state is what was left.",
                &["part"],
            )?,
            held: all.gauge(
                "samenloop_memory_bytes",
                "What each part takes now; program is what is resident and in no other part.",
                &["part"],
            )?,
            buffers: Arc::default(),
            dealt: Mutex::default(),
        };
        let none: &[&str] = &[];
        families.budget.with_label_values(none).set(0.0);
        Ok(families)
    }
}

/// More is taken than should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strain {
    /// Resident.
    pub resident: u64,
    /// The budget.
    pub budget: u64,
    /// What takes most beyond what it was given, that, and what it was given.
    pub most: (Part, u64, u64),
}

impl Metrics {
    /// Where buffers say what they hold.
    #[must_use]
    pub fn held(&self) -> &Arc<Held> {
        &self.memory.buffers
    }

    /// A buffer of `part`.
    #[must_use]
    pub fn holding(&self, part: Part) -> Holding {
        Holding::new(&self.memory.buffers, part)
    }

    /// This was dealt out.
    pub fn set_budget(&self, budget: &Budget) {
        let none: &[&str] = &[];
        self.memory.budget.with_label_values(none).set(budget.bytes as f64);
        for share in &budget.shares {
            self.memory.planned.with_label_values(&[share.part.name()]).set(share.given as f64);
        }
        *self.memory.dealt.lock().unwrap_or_else(PoisonError::into_inner) = Some(budget.clone());
    }

    /// What each part takes.
    fn parts(&self, resident: u64) -> [u64; Part::COUNT] {
        let mut parts = Part::ALL.map(|part| self.memory.buffers.bytes(part));
        for family in self.state_bytes.collect() {
            for series in family.get_metric() {
                let label =
                    |name| series.get_label().iter().find(|label| label.name() == name).map(|label| label.value());
                let part = part_of(label("stage").unwrap_or_default(), label("kind").unwrap_or_default());
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of bytes")]
                let bytes = series.get_gauge().get_value() as u64;
                parts[part.index()] += bytes;
            }
        }
        let known: u64 = parts.iter().sum();
        parts[Part::Program.index()] += resident.saturating_sub(known);
        parts
    }

    pub(super) fn show_memory(&self, resident: u64) {
        for (part, bytes) in Part::ALL.into_iter().zip(self.parts(resident)) {
            self.memory.held.with_label_values(&[part.name()]).set(bytes as f64);
        }
    }

    /// Whether the process takes more than it should: nearly all of its budget, or of state more than was left for it.
    #[must_use]
    pub fn memory_strain(&self) -> Option<Strain> {
        self.strain_of(resident_bytes().unwrap_or(0))
    }

    fn strain_of(&self, resident: u64) -> Option<Strain> {
        let dealt = self.memory.dealt.lock().unwrap_or_else(PoisonError::into_inner);
        let budget = dealt.as_ref()?;
        let parts = self.parts(resident);
        let over = |&(_, bytes, given): &(Part, u64, u64)| bytes.saturating_sub(given);
        let parts = Part::ALL.map(|part| (part, parts[part.index()], budget.given(part)));
        let most = parts.into_iter().max_by_key(|part| (over(part), part.1))?;
        let is_full = resident > budget.bytes / 100 * STRAINED_PERCENT;
        let state = parts[Part::State.index()];
        (is_full || over(&state) > 0).then_some(Strain { resident, budget: budget.bytes, most })
    }
}

/// The part that a kind of state belongs to.
fn part_of(stage: &str, kind: &str) -> Part {
    match (stage, kind) {
        ("facts", _) => Part::Facts,
        (_, "merge") => Part::Merge,
        (_, "blocks") => Part::Blocks,
        (_, "waiting") => Part::Waiting,
        _ => Part::State,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Demand, Fixed};
    use crate::position::Partition;
    use crate::watch::metrics::{IntakeTallies, RowsTallies, WindowsTallies};

    const MIB: u64 = 1 << 20;

    fn budget() -> Budget {
        let demand = Demand {
            workers: [1; 3],
            sources: (1, 2),
            facts_topics: 0,
            facts_bytes: None,
            partitions: (1, 1),
            merge_bytes: 16 * MIB,
            block_bytes: MIB,
            has_snapshots: true,
            has_http: true,
            cores: 2,
            fixed: Fixed::default(),
        };
        Budget::deal(1024 * MIB, &demand).unwrap()
    }

    #[test]
    fn every_kind_of_state_and_every_buffer_is_in_one_part_and_the_rest_is_the_program() {
        let metrics = Metrics::new().unwrap();
        let (mut intake, mut windows, mut rows) =
            (metrics.intake(), metrics.windows(Partition(0)), metrics.rows(Partition(3)));
        intake.update(&IntakeTallies {
            bytes: vec![("names", 1), ("waiting", 2), ("blocks", 4)],
            ..IntakeTallies::default()
        });
        windows.update(&WindowsTallies {
            bytes: vec![("merge", 8), ("blocks", 16), ("visitors", 32)],
            ..WindowsTallies::default()
        });
        rows.update(&RowsTallies { bytes: vec![("rows", 64)], ..RowsTallies::default() });
        metrics.show_facts(1, 128, true);
        let (appends, early) = (metrics.holding(Part::Appends), metrics.holding(Part::Snapshots));
        appends.add(256);
        early.set(512);
        let parts = metrics.parts(5000);
        let expected = [
            (Part::State, 1 + 32 + 64),
            (Part::Waiting, 2),
            (Part::Blocks, 20),
            (Part::Merge, 8),
            (Part::Facts, 128),
            (Part::Appends, 256),
            (Part::Snapshots, 512),
            (Part::Fetched, 0),
            (Part::Answers, 0),
        ];
        for (part, bytes) in expected {
            assert_eq!(parts[part.index()], bytes, "{}", part.name());
        }
        assert_eq!(parts.iter().sum::<u64>(), 5000);
        assert_eq!(metrics.parts(0)[Part::Program.index()], 0, "where nobody tells what is resident");
    }

    #[test]
    fn a_process_is_strained_when_it_is_nearly_full_or_its_state_has_grown_into_the_buffers_room() {
        let (metrics, budget) = (Metrics::new().unwrap(), budget());
        assert_eq!(metrics.strain_of(u64::MAX / 2), None, "nothing was dealt out");
        metrics.set_budget(&budget);
        assert_eq!(metrics.strain_of(800 * MIB), None);
        let strain = metrics.strain_of(900 * MIB).unwrap();
        assert_eq!((strain.resident, strain.budget), (900 * MIB, 1024 * MIB));
        assert_eq!(strain.most.0, Part::Program, "all of it is in no other part");
        let mut rows = metrics.rows(Partition(0));
        let state = |bytes: u64| RowsTallies { bytes: vec![("rows", bytes)], ..RowsTallies::default() };
        let given = budget.given(Part::State);
        rows.update(&state(given));
        assert_eq!(metrics.strain_of(given), None);
        rows.update(&state(given + 1));
        assert_eq!(metrics.strain_of(given + 1).unwrap().most, (Part::State, given + 1, given));
    }
}
