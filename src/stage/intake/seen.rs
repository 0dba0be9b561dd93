//! What intake has seen of each source, whichever partitions it reads of it.

use crate::findings::{At, Finding, Kind, Profile, Source, find};
use crate::intake::Reason;
use std::sync::Arc;

/// A source, as far as this instance has read it.
#[derive(Debug)]
pub struct Seen {
    /// Its name.
    pub source: Arc<str>,
    /// Its accepted events.
    pub profile: Box<Profile>,
    /// All its records.
    pub records: u64,
    /// Those refused, by [`Reason::index`].
    pub rejects: [u64; Reason::ALL.len()],
}

impl Seen {
    fn new(source: Arc<str>) -> Self {
        Self { source, profile: Box::default(), records: 0, rejects: [0; Reason::ALL.len()] }
    }

    /// The same, called `name`, to be weighed. `place` says where a record stands.
    #[must_use]
    pub fn called<'a>(&'a self, name: &'a str, place: &'a dyn Fn(At) -> String) -> Source<'a> {
        let reason = Reason::most_frequent(&self.rejects).map(Reason::name);
        let rejected = self.rejects.iter().sum();
        Source { name, profile: &self.profile, records: self.records, rejected, reason, place }
    }
}

/// The number among `seen` of `source`, which is added where it is new.
pub(super) fn number_of(seen: &mut Vec<Seen>, source: &Arc<str>) -> usize {
    let known = seen.iter().position(|seen| seen.source == *source);
    known.unwrap_or_else(|| {
        seen.push(Seen::new(Arc::clone(source)));
        seen.len() - 1
    })
}

/// See [`super::IntakeWork::findings`]. A source that has sent nothing yet is no finding: there is a metric for lag.
pub(super) fn findings(seen: &[Seen], reads_all: bool) -> Vec<Finding> {
    let offset = |at: At| format!("partition {}, offset {}", at.partition.0, at.record.0);
    let sources = || seen.iter().filter(|seen| seen.records > 0).map(|seen| seen.called(&seen.source, &offset));
    if reads_all {
        return find(&sources().collect::<Vec<_>>(), None);
    }
    let mut found: Vec<Finding> = sources().flat_map(|source| find(&[source], None)).collect();
    found.retain(|finding| !matches!(finding.kind, Kind::UsersApart | Kind::ItemsApart));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Action, Event, EventKey, EventTime, OrderStep, UserKeys};
    use crate::position::{NextOffset, Partition};

    #[test]
    fn what_sources_share_is_told_by_who_reads_all_of_them() {
        let (mut views, mut orders) = (Seen::new("views".into()), Seen::new("orders".into()));
        for n in 0..200_i64 {
            let add = |seen: &mut Seen, user: String, time: EventTime, action: Action<'_>| {
                let key = UserKeys::new([0; 16]).key("main", &user);
                let event = Event { shop: "main".into(), user: user.into(), time, key: EventKey(0), action };
                seen.records += 1;
                let at = At { partition: Partition(0), record: NextOffset(seen.records) };
                seen.profile.observe(&event, key, at, None);
            };
            let (time, item) = (EventTime(1_700_000_000_000 + n * 7_000_123), format!("i{}", n % 20));
            add(&mut views, format!("u{n}"), time, Action::View { item: item.clone().into(), session: None });
            let items = vec![item.into(), "i99".into()];
            add(
                &mut orders,
                format!("c{n}"),
                time,
                Action::Order { step: OrderStep::State, order_id: "".into(), version: None, items, money: None },
            );
        }
        let seen = [views, orders, Seen::new("silent".into())];
        let kinds = |reads_all| findings(&seen, reads_all).into_iter().map(|finding| finding.kind).collect::<Vec<_>>();
        assert_eq!((kinds(true), kinds(false)), (vec![Kind::UsersApart], vec![]));
    }
}
