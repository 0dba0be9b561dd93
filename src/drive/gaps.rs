//! What is told of gaps: the log once when one shows and once when it is closed, the metrics while it is open.

use crate::position::{Gap, NextOffset, Partition, Skipped, SourcePartition};
use crate::stage::Log;
use crate::watch::metrics::{GapsFollower, Metrics};
use std::collections::BTreeMap;

/// So many sources the log names at one look; of the others it tells how many they are. A block that is lost holds sections of many.
const NAMED_MAX: usize = 8;

/// Of one partition.
pub(super) struct Gaps {
    log: Log,
    partition: Partition,
    /// Of which sources the log has been told that something is missing, and where the first section that was skipped stands.
    told: BTreeMap<SourcePartition, NextOffset>,
    follower: GapsFollower,
}

/// What is to be told.
#[derive(Debug, Default, PartialEq, Eq)]
struct News<'a> {
    opened: Vec<Gap<'a>>,
    closed: Vec<SourcePartition>,
}

impl Gaps {
    /// None seen yet.
    pub(super) fn new(log: Log, partition: Partition, metrics: &Metrics) -> Self {
        let follower = metrics.gaps(log, partition);
        Self { log, partition, told: BTreeMap::new(), follower }
    }

    /// Says what is news, and shows how many there are. `gaps`: what is missing now.
    pub(super) fn tell<'a>(&mut self, gap_wait_ms: i64, gaps: impl Iterator<Item = Gap<'a>>) {
        let News { opened, closed } = self.news(gaps);
        let (log, partition) = (self.log.name(), self.partition.0);
        for Gap { source, at, expected, found } in opened.iter().take(NAMED_MAX) {
            tracing::warn!(
                log,
                partition,
                offset = at.0,
                gap_wait_ms,
                "a section from {source} {found}, next expected {expected}: what lies between is missing. It is skipped until \
                 its writer sends that again"
            );
        }
        for source in closed.iter().take(NAMED_MAX) {
            tracing::info!(log, partition, "what was missing from {source} has been sent again");
        }
        let unnamed = |count: usize| Some(count.saturating_sub(NAMED_MAX)).filter(|&more| more > 0);
        if let Some(more) = unnamed(opened.len()) {
            tracing::warn!(
                log,
                partition,
                gap_wait_ms,
                "something is missing from {more} other partitions of sources, too"
            );
        }
        if let Some(more) = unnamed(closed.len()) {
            tracing::info!(log, partition, "what was missing from {more} others has been sent again, too");
        }
        self.follower.update(self.told.len());
    }

    /// What has changed since the last look.
    fn news<'a>(&mut self, gaps: impl Iterator<Item = Gap<'a>>) -> News<'a> {
        let (mut news, mut before) = (News::default(), std::mem::take(&mut self.told));
        for gap in gaps {
            let told_at = before.remove(gap.source);
            // One that has been sent again in part, and was told before, is none that begins elsewhere.
            let at = match (told_at, gap.found) {
                (Some(told_at), Skipped::UpTo(_)) => told_at,
                _ => gap.at,
            };
            if told_at != Some(at) {
                news.opened.push(gap);
            }
            self.told.insert(gap.source.clone(), at);
        }
        news.closed.extend(before.into_keys());
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::Position;
    use crate::watch::health::{HEARTBEAT_AGE_MAX, Health};

    fn gap(source: &SourcePartition, at: u64) -> Gap<'_> {
        let place = |offset| Position::start_of(NextOffset(offset));
        Gap { source, at: NextOffset(at), expected: place(3), found: Skipped::From(place(5)) }
    }

    #[test]
    fn each_source_is_told_of_once_when_a_gap_shows_and_once_when_it_is_closed() {
        let sources = ["a", "b", "c"].map(|name| SourcePartition::new(name, 0));
        let [a, b, c] = sources.each_ref();
        let metrics = Metrics::new().unwrap();
        let mut gaps = Gaps::new(Log::Events, Partition(4), &metrics);
        let mut look = |now: &[(&SourcePartition, u64)]| {
            let News { opened, closed } = gaps.news(now.iter().map(|&(source, at)| gap(source, at)));
            let opened: Vec<_> = opened.iter().map(|gap| (gap.source.clone(), gap.at.0)).collect();
            (opened, closed)
        };
        assert_eq!(look(&[]), (vec![], vec![]));
        assert_eq!(look(&[(b, 20)]), (vec![(b.clone(), 20)], vec![]));
        assert_eq!(look(&[(b, 20)]), (vec![], vec![]), "told");
        assert_eq!(look(&[(a, 30), (b, 20)]), (vec![(a.clone(), 30)], vec![]), "it sorts before the one that is open");
        assert_eq!(look(&[(b, 20), (c, 40)]), (vec![(c.clone(), 40)], vec![a.clone()]), "one opens as another closes");
        assert_eq!(look(&[(b, 50), (c, 40)]), (vec![(b.clone(), 50)], vec![]), "closed and opened between two looks");
        assert_eq!(look(&[]), (vec![], vec![b.clone(), c.clone()]));
    }

    #[test]
    fn one_that_has_been_sent_again_in_part_is_not_told_again() {
        let source = SourcePartition::new("a", 0);
        let in_part = || Gap { found: Skipped::UpTo(Position::default()), ..gap(&source, 21) };
        let mut gaps = Gaps::new(Log::Events, Partition(4), &Metrics::new().unwrap());
        assert_eq!(gaps.news([gap(&source, 20)].into_iter()).opened.len(), 1);
        assert_eq!(gaps.news([in_part()].into_iter()), News::default());
        // After a start it is news.
        let mut gaps = Gaps::new(Log::Events, Partition(4), &Metrics::new().unwrap());
        assert_eq!(gaps.news([in_part()].into_iter()).opened, [in_part()]);
    }

    #[test]
    fn the_gauge_is_there_from_the_start_and_goes_with_its_partition() {
        let (metrics, source) = (Metrics::new().unwrap(), SourcePartition::new("a", 0));
        let health = Health::new(1, HEARTBEAT_AGE_MAX);
        let shown = || {
            let text = metrics.render(0, 0, &health).unwrap();
            let line =
                text.lines().find_map(|line| line.strip_prefix(r#"samenloop_log_gaps{log="pairs",partition="4"} "#));
            line.map(ToOwned::to_owned)
        };
        let mut gaps = Gaps::new(Log::Pairs, Partition(4), &metrics);
        assert_eq!(shown().as_deref(), Some("0"));
        gaps.tell(60_000, [gap(&source, 20)].into_iter());
        assert_eq!(shown().as_deref(), Some("1"));
        gaps.tell(60_000, std::iter::empty());
        assert_eq!(shown().as_deref(), Some("0"));
        drop(gaps);
        assert_eq!(shown(), None);
    }
}
