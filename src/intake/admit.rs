//! Admission: the rules on time, and the partition of the user.
//!
//! Invariants: an admitted time lies neither before the earliest one accepted, nor more than the allowed lead after the
//! earlier of the record's timestamp and the clock. What tells re-sent events apart is made before the correction, so
//! a copy that arrives later, and is corrected to another time, is still a copy.
//! Absent: a clock; the caller brings it.

use super::avro::Plans;
use super::decode::Decoded;
use super::mapping::Mapping;
use super::reject::{Reason, Reject};
use super::time::{self, TimeForm};
use super::transform::Output;
use super::{Around, Record, TIME_MAX_MS};
use crate::event::{Event, EventTime, UserKey, UserKeys};
use crate::position::Partition;
use crate::rules::DAY_MS;

/// Which times are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRules {
    /// How far an event may be ahead of its record's timestamp and the clock before it is corrected.
    pub max_ahead_ms: i64,
    /// Events before this are refused, in ms since 1970.
    pub earliest_time_ms: i64,
}

impl Default for TimeRules {
    /// 5 minutes; 2000-01-01.
    fn default() -> Self {
        Self { max_ahead_ms: 5 * 60_000, earliest_time_ms: 946_684_800_000 }
    }
}

/// What an event's own time is held against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// The caller's clock in ms since 1970, if future times are to be corrected by it.
    pub clock_ms: Option<i64>,
    /// The latest event time read of the source so far. A time in the future is corrected to it where the record has no
    /// timestamp (the line of a file): the clock would make the end of last year's file the present day, and decay all
    /// that stands in it.
    pub read_to: Option<EventTime>,
}

/// What turns decoded events into accepted ones.
#[derive(Clone)]
pub struct Intake {
    rules: TimeRules,
    keys: UserKeys,
    partitions: u32,
}

/// An accepted event with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted<'a> {
    /// The event, its time corrected.
    pub event: Event<'a>,
    /// Its user.
    pub user: UserKey,
    /// The partition of the events log that holds this user.
    pub partition: Partition,
    /// Whether its time was corrected.
    pub skewed: bool,
}

impl Intake {
    /// Admission to an events log of `partitions`.
    ///
    /// # Panics
    /// When there are none: `config` refuses that.
    #[must_use]
    pub fn new(rules: TimeRules, keys: UserKeys, partitions: u32) -> Self {
        assert!(partitions > 0, "an events log has at least one partition");
        Self { rules, keys, partitions }
    }

    /// Decodes `record` and admits its event; `None` when it is to be skipped. A time in the future is corrected by `now`.
    /// `plans`: what is known of its source's schemas; JSON needs none.
    ///
    /// # Errors
    /// [`Reject`], its `time` corrected.
    pub fn admit_record<'a>(
        &self,
        mapping: &'a Mapping,
        plans: &'a Plans,
        record: &Record<'a>,
        now: Now,
    ) -> Result<Option<Admitted<'a>>, Reject> {
        self.admit_decoded(mapping.decode(plans, record), record, now)
    }

    /// The same of an output that the record's [`transform`](Mapping::transform) gave.
    ///
    /// # Errors
    /// [`Reject`], its `time` corrected.
    pub fn admit_output<'a>(
        &self,
        mapping: &'a Mapping,
        plans: &'a Plans,
        record: &Record<'a>,
        output: &'a Output,
        now: Now,
    ) -> Result<Option<Admitted<'a>>, Reject> {
        self.admit_decoded(mapping.decode_output(plans, record, output), record, now)
    }

    /// All that `record` gives, one after the other, whether its source has a transform or not.
    pub fn admit_each(
        &self,
        mapping: &Mapping,
        plans: &Plans,
        record: &Record<'_>,
        mut now: Now,
        mut take: impl FnMut(Result<Option<Admitted<'_>>, Reject>),
    ) {
        if !mapping.transforms() || record.value.is_none() {
            return take(self.admit_record(mapping, plans, record, now));
        }
        let outputs = match mapping.transform(plans, record) {
            Ok(outputs) => outputs,
            Err(reject) => return take(Err(reject)),
        };
        for output in &outputs {
            let admitted = self.admit_output(mapping, plans, record, output, now);
            now.read_to = now.read_to.max(match &admitted {
                Ok(admitted) => admitted.as_ref().map(|admitted| admitted.event.time),
                Err(reject) => reject.time,
            });
            take(admitted);
        }
    }

    fn admit_decoded<'a>(
        &self,
        decoded: Result<Option<Decoded<'a>>, Reject>,
        record: &Record<'_>,
        now: Now,
    ) -> Result<Option<Admitted<'a>>, Reject> {
        let jumps = |own: EventTime| record.around.filter(|around| own.since(around.median) > around.max_jump_ms);
        match decoded {
            Ok(None) => Ok(None),
            Ok(Some(decoded)) => match jumps(decoded.own_time) {
                Some(around) => Err(jump(decoded.own_time, around)),
                None => self.admit(decoded, record.timestamp_ms, now).map(Some),
            },
            Err(reject) => {
                let reject = Reject { time: reject.time.filter(|own| jumps(*own).is_none()), ..reject };
                Err(self.settle(reject, record.timestamp_ms, now))
            }
        }
    }

    /// Admits a decoded event.
    ///
    /// # Errors
    /// [`Reject`] when its time lies before the earliest one accepted.
    pub fn admit<'a>(&self, decoded: Decoded<'a>, timestamp_ms: Option<i64>, now: Now) -> Result<Admitted<'a>, Reject> {
        let own_time = match decoded.time_form {
            TimeForm::Nowhere => {
                let clock = now.clock_ms.map(EventTime);
                now.read_to.or(clock).unwrap_or(EventTime(self.rules.earliest_time_ms))
            }
            _ => decoded.own_time,
        };
        let Some((time, skewed)) = self.correct(own_time, timestamp_ms, now) else {
            return Err(self.too_early(own_time, decoded.time_form));
        };
        let user = self.keys.key(&decoded.shop, &decoded.user);
        let partition = user.partition(self.partitions);
        let Decoded { shop, user: name, key, action, .. } = decoded;
        Ok(Admitted { event: Event { shop, user: name, time, key, action }, user, partition, skewed })
    }

    /// A reject of [`Mapping::decode`], its time corrected like an event's, or dropped where that would be refused.
    #[must_use]
    pub fn settle(&self, reject: Reject, timestamp_ms: Option<i64>, now: Now) -> Reject {
        let time = reject.time.and_then(|own| self.correct(own, timestamp_ms, now)).map(|(time, _)| time);
        Reject { time, ..reject }
    }

    /// The time that counts, and whether it is another than the event's own; `None` when it is too early.
    fn correct(&self, own: EventTime, timestamp_ms: Option<i64>, now: Now) -> Option<(EventTime, bool)> {
        let earliest = self.rules.earliest_time_ms;
        if own.0 < earliest {
            return None;
        }
        // A timestamp that would itself be refused says nothing about the event.
        let bounds =
            [timestamp_ms, now.clock_ms].into_iter().flatten().filter(|bound| (earliest..=TIME_MAX_MS).contains(bound));
        match bounds.min() {
            Some(bound) if own.0 > bound.saturating_add(self.rules.max_ahead_ms) => {
                let read_to = now.read_to.filter(|read_to| timestamp_ms.is_none() && read_to.0 <= bound);
                Some((read_to.unwrap_or(EventTime(bound)), true))
            }
            _ => Some((own, false)),
        }
    }

    fn too_early(&self, own: EventTime, form: TimeForm) -> Reject {
        let (own_text, earliest) = (time::written(own), time::written(EventTime(self.rules.earliest_time_ms)));
        let (from, hint) = match form {
            TimeForm::Unit(unit) => (format!(" read as {}", unit.name()), unit.hint(own.0)),
            TimeForm::Pattern => (" read by its format".to_owned(), String::new()),
            TimeForm::Logical(logical) => (format!(" read as {} by its schema", logical.name()), String::new()),
            TimeForm::Timestamp => (" of the record's timestamp".to_owned(), String::new()),
            TimeForm::Nowhere => (String::new(), String::new()),
        };
        let remedy = if hint.is_empty() { "; map another field, or set earliest_time" } else { hint.as_str() };
        let message = format!("time: {own_text}{from} lies before {earliest}, the earliest accepted{remedy}");
        Reject::new(Reason::TimeTooEarly, message)
    }
}

/// `own` lies too far ahead of what surrounds its record.
fn jump(own: EventTime, around: Around) -> Reject {
    let Around { median, max_jump_ms } = around;
    let (days, max_days) = (own.since(median) / DAY_MS, max_jump_ms / DAY_MS);
    let (own, median) = (time::written(own), time::written(median));
    let message = format!(
        "time: {own} lies {days} days ahead of {median}, the median of the records around it in the file; it is set aside: mend \
         it, or, where it is right, set intake.max_jump ({max_days} days) or \"off\""
    );
    Reject::new(Reason::TimeJump, message)
}
