//! How far behind a source is, decided over time: what the log is told of it beside positions.
//!
//! A source is behind until it has been read to the end that it had at start, and whenever what is read of it stays old. Old
//! records alone do not make it so: mirrors and change capture bring records that were old when they came, one by one, each
//! the last there is. So a source that was at its end is behind again only when what is read of it has been old for a while
//! without its end in sight, and it has caught up when it is at its end, or what is read has been young for as long.
//!
//! A source that waits for something outside (a schema that the registry does not give) for too long is *waiting*: it holds
//! nothing up any more, until it has caught up. What it brings meanwhile comes late.
//!
//! Absent: the clocks themselves. Durations are measured by the one that never goes back, ages by the wall's.

use crate::wire::Lag;

/// A source partition is behind while what is read of it is older than this.
pub(super) const BEHIND_LAG_MS: i64 = 10_000;

/// How long what is read must have been old, or young, before that counts.
pub(super) const LASTING_MS: i64 = 5_000;

/// How long a source may wait for something outside before nothing waits for it any more.
pub const SOURCE_WAIT_MAX_MS: i64 = 30_000;

/// A record from further in the future than this says nothing: one of the clocks is wrong, or has not been set.
const CLOCK_OFF_MS: i64 = 24 * 3_600_000;

/// How far behind one source partition is.
pub(super) struct LagWatch {
    /// From which age on records are history; none are without it.
    history_ms: Option<i64>,
    /// Whether it has been read to the end that it had at start, or to any later one.
    reached: bool,
    is_late: Lasting,
    is_history: Lasting,
    waits_since_ms: Option<i64>,
    given_up: bool,
}

impl LagWatch {
    /// Nothing read: behind, and with `history_ms` in history until the first record says otherwise.
    pub(super) fn new(history_ms: Option<i64>) -> Self {
        let (is_late, is_history) = (Lasting::default(), Lasting::default());
        Self { history_ms, reached: false, is_late, is_history, waits_since_ms: None, given_up: false }
    }

    /// What the log is told.
    pub(super) fn lag(&self) -> Lag {
        match self {
            Self { given_up: true, .. } => Lag::Waiting,
            Self { reached: false, history_ms: Some(_), is_history, .. } if is_history.settled != Some(false) => {
                Lag::History
            }
            Self { reached: false, .. } => Lag::Behind,
            Self { is_late, .. } if is_late.settled == Some(true) => Lag::Behind,
            _ => Lag::Live,
        }
    }

    /// A record was read, so old by the wall's clock; `None` where it has no time, or the clock has not been told.
    pub(super) fn read(&mut self, age_ms: Option<i64>, now_ms: i64) {
        self.waits_since_ms = None;
        let age_ms = age_ms.filter(|&age_ms| age_ms >= -CLOCK_OFF_MS);
        if let Some(age_ms) = age_ms {
            self.is_late.see(age_ms > BEHIND_LAG_MS, now_ms);
            self.is_history.see(self.history_ms.is_some_and(|history_ms| age_ms > history_ms), now_ms);
        }
        let is_young = age_ms.is_none_or(|age_ms| age_ms <= BEHIND_LAG_MS);
        self.given_up &= !(self.reached && is_young);
    }

    /// It has been read to the end that it had at start.
    pub(super) fn reach(&mut self) {
        self.reached = true;
    }

    /// Whether it has been.
    pub(super) fn is_reached(&self) -> bool {
        self.reached
    }

    /// There is nothing more to read for now.
    pub(super) fn end(&mut self) {
        (self.reached, self.given_up, self.waits_since_ms) = (true, false, None);
        self.is_late.settle(false);
    }

    /// It cannot be read for now.
    pub(super) fn wait(&mut self, now_ms: i64) {
        self.waits_since_ms.get_or_insert(now_ms);
    }

    /// Since when, if it cannot.
    pub(super) fn waits_since_ms(&self) -> Option<i64> {
        self.waits_since_ms
    }

    /// It had been waiting for too long when its reader started, by the log's last word.
    pub(super) fn give_up(&mut self) {
        self.given_up = true;
    }

    /// Time passes.
    pub(super) fn tick(&mut self, now_ms: i64) {
        let waited_ms = self.waits_since_ms.map(|since_ms| now_ms.saturating_sub(since_ms));
        self.given_up |= waited_ms.is_some_and(|waited_ms| waited_ms >= SOURCE_WAIT_MAX_MS);
    }
}

/// Something that is so when it has been seen to be so for a while.
#[derive(Default)]
struct Lasting {
    settled: Option<bool>,
    /// Since when it has been seen otherwise.
    otherwise_since_ms: Option<i64>,
}

impl Lasting {
    /// The first sight counts at once.
    fn see(&mut self, seen: bool, now_ms: i64) {
        if self.settled.is_none_or(|settled| settled == seen) {
            return self.settle(seen);
        }
        let since_ms = *self.otherwise_since_ms.get_or_insert(now_ms);
        if now_ms.saturating_sub(since_ms) >= LASTING_MS {
            self.settle(seen);
        }
    }

    fn settle(&mut self, seen: bool) {
        (self.settled, self.otherwise_since_ms) = (Some(seen), None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Option<i64> = Some(BEHIND_LAG_MS + 1);
    const YOUNG: Option<i64> = Some(BEHIND_LAG_MS);

    fn at_its_end() -> LagWatch {
        let mut watch = LagWatch::new(None);
        watch.end();
        watch
    }

    #[test]
    fn old_records_one_by_one_are_no_lag_and_old_records_without_an_end_are() {
        let mut watch = at_its_end();
        for now_ms in (0..20 * LASTING_MS).step_by(500) {
            watch.read(OLD, now_ms);
            assert_eq!(watch.lag(), Lag::Live, "at {now_ms}");
            watch.end();
        }
        let start_ms = 30 * LASTING_MS;
        for waited_ms in (0..LASTING_MS).step_by(500) {
            watch.read(OLD, start_ms + waited_ms);
            assert_eq!(watch.lag(), Lag::Live, "for {waited_ms} ms");
        }
        watch.read(OLD, start_ms + LASTING_MS);
        assert_eq!(watch.lag(), Lag::Behind);
    }

    #[test]
    fn a_source_has_caught_up_at_its_end_at_once_or_when_its_records_have_been_young_for_a_while() {
        let behind = || {
            let mut watch = at_its_end();
            watch.read(OLD, 0);
            watch.read(OLD, LASTING_MS);
            assert_eq!(watch.lag(), Lag::Behind);
            watch
        };
        let mut watch = behind();
        watch.end();
        assert_eq!(watch.lag(), Lag::Live);
        let mut watch = behind();
        let start_ms = 2 * LASTING_MS;
        watch.read(YOUNG, start_ms);
        watch.read(OLD, start_ms + LASTING_MS - 1); // it was only a moment
        watch.read(YOUNG, start_ms + LASTING_MS);
        assert_eq!(watch.lag(), Lag::Behind);
        watch.read(YOUNG, start_ms + 2 * LASTING_MS);
        assert_eq!(watch.lag(), Lag::Live);
    }

    #[test]
    fn what_is_old_when_the_end_at_start_is_reached_is_still_behind() {
        let mut watch = LagWatch::new(None);
        watch.read(OLD, 0);
        watch.reach();
        assert_eq!(watch.lag(), Lag::Behind, "more has come since, and it is old");
        watch.end();
        assert_eq!(watch.lag(), Lag::Live);
        let mut watch = LagWatch::new(None);
        watch.read(None, 0);
        assert_eq!(watch.lag(), Lag::Behind);
        watch.reach();
        assert_eq!(watch.lag(), Lag::Live, "a file has no clock");
    }

    #[test]
    fn a_record_from_days_ahead_says_nothing() {
        let mut watch = LagWatch::new(Some(60_000));
        watch.read(Some(-CLOCK_OFF_MS - 1), 0);
        assert_eq!(watch.lag(), Lag::History);
        watch.read(Some(-CLOCK_OFF_MS), 0);
        assert_eq!(watch.lag(), Lag::Behind, "clocks differ a little");
    }

    #[test]
    fn history_is_what_is_older_than_set_until_the_first_end() {
        let mut watch = LagWatch::new(Some(60_000));
        assert_eq!(watch.lag(), Lag::History, "until its first record says otherwise");
        watch.read(Some(60_000), 0);
        assert_eq!(watch.lag(), Lag::Behind);
        let mut watch = LagWatch::new(Some(60_000));
        watch.read(Some(60_001), 0);
        assert_eq!(watch.lag(), Lag::History);
        watch.read(Some(60_000), 0);
        watch.read(Some(60_000), LASTING_MS);
        assert_eq!(watch.lag(), Lag::Behind);
        watch.end();
        watch.read(Some(60_001), 0);
        watch.read(Some(60_001), LASTING_MS);
        assert_eq!(watch.lag(), Lag::Behind, "an overload is no history");
    }

    #[test]
    fn who_waits_too_long_holds_nothing_up_until_it_has_caught_up() {
        let mut watch = LagWatch::new(Some(60_000));
        watch.wait(100);
        watch.wait(20_000); // said again
        watch.tick(100 + SOURCE_WAIT_MAX_MS - 1);
        assert_eq!(watch.lag(), Lag::History);
        watch.tick(100 + SOURCE_WAIT_MAX_MS);
        assert_eq!(watch.lag(), Lag::Waiting);
        watch.read(Some(90_000), 40_000);
        watch.reach();
        watch.read(OLD, 40_000);
        assert_eq!(watch.lag(), Lag::Waiting, "it goes on, but has not caught up");
        watch.read(YOUNG, 40_001);
        watch.end();
        assert_eq!(watch.lag(), Lag::Live);
        watch.wait(50_000);
        watch.read(OLD, 60_000);
        watch.tick(50_000 + SOURCE_WAIT_MAX_MS);
        assert_eq!(watch.lag(), Lag::Live, "it went on in time");
    }

    #[test]
    fn a_source_that_waited_has_caught_up_at_its_end_and_not_before_the_one_that_it_had_at_start() {
        let mut watch = LagWatch::new(None);
        watch.wait(0);
        watch.tick(SOURCE_WAIT_MAX_MS);
        watch.read(YOUNG, SOURCE_WAIT_MAX_MS);
        assert_eq!(watch.lag(), Lag::Waiting, "there is more, of when it could not be read");
        watch.end();
        assert_eq!(watch.lag(), Lag::Live);
    }

    #[test]
    fn a_source_that_waited_has_caught_up_with_its_first_young_record() {
        let mut watch = at_its_end();
        watch.wait(0);
        watch.tick(SOURCE_WAIT_MAX_MS);
        assert_eq!(watch.lag(), Lag::Waiting);
        watch.read(OLD, SOURCE_WAIT_MAX_MS + 1);
        assert_eq!(watch.lag(), Lag::Waiting);
        watch.read(YOUNG, SOURCE_WAIT_MAX_MS + 1);
        assert_eq!(watch.lag(), Lag::Live);
        watch.wait(100_000);
        watch.tick(100_000 + SOURCE_WAIT_MAX_MS);
        watch.read(None, 100_000 + SOURCE_WAIT_MAX_MS);
        assert_eq!(watch.lag(), Lag::Live, "of an age that nobody knows");
    }
}
