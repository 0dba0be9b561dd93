//! Event-to-list delay: how long it takes from an event to the list that it changed.
//!
//! A [`DelayTally`] is plain numbers, one per worker, flushed once a batch. It counts twice: by the edges that Prometheus
//! sees, and in finer buckets (16 to a power of two of microseconds) from which the demo's quantiles are read by
//! interpolation, at most 1/16 off.

use prometheus::core::{Collector, Desc};
use prometheus::proto;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Upper edges of the histogram, in microseconds: 1 ms to 1 h, one at exactly 1 s (the promise of fresh lists).
pub const DELAY_EDGES_US: [u64; 18] = [
    1_000,
    2_000,
    5_000,
    10_000,
    20_000,
    50_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
    900_000_000,
    3_600_000_000,
];

/// Bits of a delay behind its leading one that choose a fine bucket.
const FINE_BITS: u32 = 4;
const FINE_STEPS: usize = 1 << FINE_BITS;
/// Enough for delays of a `u32` of microseconds (71 min); longer ones count as that in quantiles.
const FINE_BUCKETS: usize = FINE_STEPS + (u32::BITS - FINE_BITS) as usize * FINE_STEPS;

/// Running totals of one worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelayTally {
    by_edge: Coarse,
    fine: Box<[u64]>,
}

/// Counts by [`DELAY_EDGES_US`], the last one beyond all edges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Coarse {
    counts: [u64; DELAY_EDGES_US.len() + 1],
    sum_us: u64,
}

impl Default for DelayTally {
    fn default() -> Self {
        Self { by_edge: Coarse::default(), fine: vec![0; FINE_BUCKETS].into_boxed_slice() }
    }
}

impl DelayTally {
    /// Counts one list that went out `delay_us` microseconds after its event.
    pub fn record(&mut self, delay_us: u64) {
        let edge = DELAY_EDGES_US.partition_point(|&edge_us| edge_us < delay_us);
        self.by_edge.counts[edge] += 1;
        self.by_edge.sum_us = self.by_edge.sum_us.saturating_add(delay_us);
        self.fine[fine_bucket(delay_us)] += 1;
    }

    /// Adds what another worker counted.
    pub fn merge(&mut self, other: &Self) {
        self.by_edge.add(&other.by_edge, &Coarse::default());
        for (mine, theirs) in self.fine.iter_mut().zip(&other.fine) {
            *mine += theirs;
        }
    }

    /// How many were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.by_edge.counts.iter().sum()
    }

    /// The delay that `permille` of all stay within (500 is the median); `None` when nothing was counted.
    #[must_use]
    pub fn quantile(&self, permille: u64) -> Option<Duration> {
        let rank = (self.count() * permille.min(1000)).div_ceil(1000).max(1);
        let mut below = 0;
        for (bucket, &count) in self.fine.iter().enumerate() {
            if below + count >= rank {
                let (from_us, width_us) = fine_range(bucket);
                return Some(Duration::from_micros(from_us + width_us * (rank - below) / count));
            }
            below += count;
        }
        None
    }
}

fn fine_bucket(delay_us: u64) -> usize {
    let delay_us = u32::try_from(delay_us).unwrap_or(u32::MAX);
    let Some(octave) = delay_us.checked_ilog2().and_then(|bits| bits.checked_sub(FINE_BITS)) else {
        return delay_us as usize; // below 16 each value has a bucket
    };
    FINE_STEPS + octave as usize * FINE_STEPS + ((delay_us >> octave) as usize & (FINE_STEPS - 1))
}

/// Where a fine bucket starts, and how wide it is.
fn fine_range(bucket: usize) -> (u64, u64) {
    let Some(above) = bucket.checked_sub(FINE_STEPS) else { return (bucket as u64, 1) };
    let octave = above / FINE_STEPS;
    let step = (FINE_STEPS + above % FINE_STEPS) as u64;
    (step << octave, 1 << octave)
}

impl Coarse {
    /// Adds what `now` counted since `seen`.
    fn add(&mut self, now: &Self, seen: &Self) {
        for (total, (now, seen)) in self.counts.iter_mut().zip(now.counts.iter().zip(&seen.counts)) {
            *total += now.saturating_sub(*seen);
        }
        self.sum_us = self.sum_us.saturating_add(now.sum_us.saturating_sub(seen.sum_us));
    }
}

/// The histogram that Prometheus sees: the sum over all workers' tallies.
#[derive(Clone)]
pub(super) struct DelayHistogram {
    description: Desc,
    totals: Arc<Mutex<Coarse>>,
}

/// One worker's way into the histogram.
pub(super) struct DelayFollower {
    totals: Arc<Mutex<Coarse>>,
    seen: Coarse,
}

impl DelayHistogram {
    pub(super) fn new(description: Desc) -> Self {
        Self { description, totals: Arc::default() }
    }

    pub(super) fn follower(&self) -> DelayFollower {
        DelayFollower { totals: Arc::clone(&self.totals), seen: Coarse::default() }
    }
}

impl DelayFollower {
    pub(super) fn set(&mut self, tally: &DelayTally) {
        if tally.by_edge != self.seen {
            self.totals.lock().unwrap_or_else(PoisonError::into_inner).add(&tally.by_edge, &self.seen);
            self.seen = tally.by_edge;
        }
    }
}

impl Collector for DelayHistogram {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.description]
    }

    fn collect(&self) -> Vec<proto::MetricFamily> {
        let totals = *self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        let mut cumulative = 0;
        let buckets = DELAY_EDGES_US.iter().zip(totals.counts).map(|(&edge_us, count)| {
            cumulative += count;
            let mut bucket = proto::Bucket::default();
            bucket.set_upper_bound(seconds(edge_us));
            bucket.set_cumulative_count(cumulative);
            bucket
        });
        let mut histogram = proto::Histogram::default();
        histogram.set_bucket(buckets.collect());
        histogram.set_sample_count(totals.counts.iter().sum());
        histogram.set_sample_sum(seconds(totals.sum_us));
        let mut metric = proto::Metric::default();
        metric.set_histogram(histogram);
        let mut family = proto::MetricFamily::default();
        family.set_name(self.description.fq_name.clone());
        family.set_help(self.description.help.clone());
        family.set_field_type(proto::MetricType::HISTOGRAM);
        family.set_metric(vec![metric]);
        vec![family]
    }
}

fn seconds(microseconds: u64) -> f64 {
    microseconds as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_delay_of_exactly_one_second_is_within_one_second() {
        let place = DELAY_EDGES_US.iter().position(|&edge_us| edge_us == 1_000_000).unwrap();
        let mut tally = DelayTally::default();
        tally.record(1_000_000);
        tally.record(1_000_001);
        tally.record(u64::MAX);
        assert_eq!((tally.by_edge.counts[place], tally.by_edge.counts[place + 1]), (1, 1));
        assert_eq!(tally.by_edge.counts[DELAY_EDGES_US.len()], 1);
        assert!(DELAY_EDGES_US.is_sorted());
    }

    #[test]
    fn fine_buckets_tile_the_line() {
        let mut next_us = 0;
        for bucket in 0..FINE_BUCKETS {
            let (from_us, width_us) = fine_range(bucket);
            assert_eq!(from_us, next_us, "bucket {bucket}");
            assert_eq!((fine_bucket(from_us), fine_bucket(from_us + width_us - 1)), (bucket, bucket));
            next_us = from_us + width_us;
        }
        assert_eq!(next_us, 1 << 32);
        assert_eq!(fine_bucket(u64::MAX), FINE_BUCKETS - 1);
    }

    proptest! {
        #[test]
        fn a_quantile_is_at_most_a_sixteenth_off(
            mut delays_us in proptest::collection::vec(0_u64..1 << 31, 1..200), permille in 1_u64..=1000,
        ) {
            let (mut one, mut two) = (DelayTally::default(), DelayTally::default());
            for (n, &delay_us) in delays_us.iter().enumerate() {
                if n % 2 == 0 { one.record(delay_us) } else { two.record(delay_us) }
            }
            one.merge(&two);
            delays_us.sort_unstable();
            let rank = (delays_us.len() * usize::try_from(permille).unwrap()).div_ceil(1000);
            let exact = delays_us[rank - 1];
            let read = u64::try_from(one.quantile(permille).unwrap().as_micros()).unwrap();
            prop_assert!(read.abs_diff(exact) <= exact / 16 + 1, "{read} for {exact}");
        }
    }

    #[test]
    fn nothing_counted_has_no_quantile() {
        assert_eq!(DelayTally::default().quantile(500), None);
    }
}
