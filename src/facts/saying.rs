//! What people say: relations that a shop keeps by hand, verdicts, and from when to when they hold.

use super::manual::{Manual, Relation, RelationKey, Verdict, VerdictKey};
use super::table::{Facts, MANUAL_MAX, Refused, Turn, Writer};
use crate::items::fingerprint;
use dashmap::DashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// About what an item takes that somebody does not want in a list.
const REJECTION_BYTES: usize = size_of::<(u64, u32)>() * 8 / 7 + 1;

/// What is said of a relation beside its key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RelationTerms {
    /// At which place it is shown, from 1; without one, ahead of what is counted.
    pub position: Option<u16>,
    /// From when on, in ms since 1970.
    pub from_ms: Option<i64>,
    /// Until when (then it is not).
    pub until_ms: Option<i64>,
}

impl Facts {
    /// Sets a relation that the shop keeps by hand, or takes it away.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn set_relation(
        &self,
        shop: &str,
        key: RelationKey<'_>,
        relation: Option<&RelationTerms>,
    ) -> Result<(), Refused> {
        let mut writer = self.lock_writer();
        let (anchor, other) = (fingerprint(shop, key.anchor), fingerprint(shop, key.other));
        let relation = relation.map(|terms| Relation {
            other: Box::from(key.other),
            fingerprint: other,
            kind: key.kind,
            position: terms.position,
            from_ms: terms.from_ms,
            until_ms: terms.until_ms,
        });
        let times = relation.as_ref().map_or([None; 2], |relation| [relation.from_ms, relation.until_ms]);
        self.say(&self.manual, (anchor, [shop, key.anchor]), |manual| manual.set_relation(key, relation))?;
        writer.note_times(Turn::Of(anchor), times, self.now_ms());
        self.changed(anchor);
        Ok(())
    }

    /// Sets a verdict, or takes it away. Which it is, the key says.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn set_verdict(&self, shop: &str, key: VerdictKey<'_>, verdict: Option<Verdict>) -> Result<(), Refused> {
        let mut writer = self.lock_writer();
        let other = fingerprint(shop, key.other);
        let own = |verdict| Verdict { list: key.list, other: Box::from(key.other), fingerprint: other, ..verdict };
        let verdict = verdict.map(own);
        let until_ms = verdict.as_ref().and_then(|verdict| verdict.until_ms);
        let (place, item, table) = match key.anchor {
            Some(anchor) => (fingerprint(shop, anchor), anchor, &self.manual),
            None => (other, key.other, &self.everywhere),
        };
        let known = |manual: &Manual| manual.verdicts.iter().find(|known| known.is_of(key)).map(Verdict::is_rejection);
        let before = table.get(&place).and_then(|manual| known(&manual));
        let after = verdict.as_ref().map(Verdict::is_rejection);
        self.say(table, (place, [shop, item]), |manual| manual.set_verdict(key, verdict))?;
        // Where it is everybody's, all but a rejection moves the other item in rows that do not show it: which these are nobody knows.
        let moves_all = key.anchor.is_none() && [before, after].contains(&Some(false));
        if key.anchor.is_some() {
            self.note_rejection(other, [before, after].map(|rejects| rejects == Some(true)));
        } else {
            count(&self.said_everywhere, before.is_some(), after.is_some());
            count(&self.moved_everywhere, before == Some(false), after == Some(false));
        }
        writer.note_times(if moves_all { Turn::All } else { Turn::Of(place) }, [until_ms, None], self.now_ms());
        if moves_all {
            self.lock_changes().push_all();
        } else {
            self.changed(place);
        }
        Ok(())
    }

    /// In the lists of how many anchors people do not want an item: what was said until a time that has passed counts until it is taken
    /// back.
    #[must_use]
    pub fn rejections(&self, other: u64) -> u32 {
        if self.rejected.load(Ordering::Acquire) == 0 {
            return 0; // which most are asked
        }
        self.rejections.get(&other).map_or(0, |found| *found)
    }

    fn note_rejection(&self, other: u64, [before, after]: [bool; 2]) {
        if before == after {
            return;
        }
        let mut count = self.rejections.entry(other).or_insert(0);
        *count = if after { count.saturating_add(1) } else { count.saturating_sub(1) };
        let is_none = *count == 0;
        if after && *count == 1 {
            self.rejected.fetch_add(1, Ordering::AcqRel);
            self.bytes.fetch_add(REJECTION_BYTES, Ordering::Relaxed);
        }
        drop(count);
        if is_none {
            self.rejections.remove(&other); // nobody else writes meanwhile
            self.rejected.fetch_sub(1, Ordering::AcqRel);
            self.bytes.fetch_sub(REJECTION_BYTES, Ordering::Relaxed);
        }
    }

    /// Whether [`Facts::set_verdict`] would take this one, as things stand.
    ///
    /// # Errors
    /// When it would not fit.
    pub fn has_room_for(&self, shop: &str, key: VerdictKey<'_>, verdict: &Verdict) -> Result<(), Refused> {
        let item = key.anchor.unwrap_or(key.other);
        let table = if key.anchor.is_some() { &self.manual } else { &self.everywhere };
        let verdict = Verdict { list: key.list, other: Box::from(key.other), ..verdict.clone() };
        let place = (fingerprint(shop, item), [shop, item]);
        self.with(table, place, |manual| manual.set_verdict(key, Some(verdict))).map(drop)
    }

    /// Time passes: what people said begins or ends to hold. A clock that goes back counts as standing still.
    pub fn come_to(&self, wall_ms: i64) {
        if wall_ms <= self.now_ms() {
            return;
        }
        let mut writer = self.lock_writer();
        self.clock_ms.fetch_max(wall_ms, Ordering::AcqRel); // before anybody is told: who ranks then goes by it
        while let Some(next) = writer.calendar.first_entry().filter(|next| *next.key() <= wall_ms) {
            for turn in next.remove() {
                match turn {
                    Turn::Of(item) => self.changed(item),
                    Turn::All => self.lock_changes().push_all(),
                }
            }
        }
    }

    /// The latest time that has been told: what people said holds, or does not, as of it.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.clock_ms.load(Ordering::Acquire)
    }

    /// What people say of an anchor's lists.
    #[must_use]
    pub fn manual(&self, anchor: u64) -> Option<Arc<Manual>> {
        self.manual.get(&anchor).map(|found| Arc::clone(&found))
    }

    /// The anchors that people say something of, each by its fingerprint. Whoever is told may ask nothing of the table meanwhile.
    pub fn for_each_anchor(&self, mut tell: impl FnMut(u64, &Manual)) {
        self.manual.iter().for_each(|found| tell(*found.key(), found.value()));
    }

    /// Verdicts on an item in everybody's lists.
    #[must_use]
    pub fn everywhere(&self, other: u64) -> Option<Arc<Manual>> {
        if self.said_everywhere.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.everywhere.get(&other).map(|found| Arc::clone(&found))
    }

    /// Whether there is a verdict in everybody's lists that may bring an item in, or move it: others are asked of when an item would
    /// have a place, these before.
    #[must_use]
    pub fn moves_everywhere(&self) -> bool {
        self.moved_everywhere.load(Ordering::Acquire) > 0
    }

    /// Changes what people say at one place.
    fn say(
        &self,
        table: &DashMap<u64, Arc<Manual>>,
        (place, names): (u64, [&str; 2]),
        change: impl FnOnce(&mut Manual),
    ) -> Result<(), Refused> {
        let (next, [bytes_before, bytes]) = self.with(table, (place, names), change)?;
        if next.is_empty() {
            table.remove(&place);
        } else {
            table.insert(place, Arc::new(next));
        }
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes_before, Ordering::Relaxed);
        Ok(())
    }

    /// What is said in a place with a change, and the bytes that it takes before and then.
    fn with(
        &self,
        table: &DashMap<u64, Arc<Manual>>,
        (place, names): (u64, [&str; 2]),
        change: impl FnOnce(&mut Manual),
    ) -> Result<(Manual, [usize; 2]), Refused> {
        let before = table.get(&place).map(|found| Arc::clone(&found)).unwrap_or_default();
        let mut next = Manual::clone(&before);
        (next.shop, next.item) = names.map(Box::from).into();
        change(&mut next);
        if next.relations.len() > MANUAL_MAX || next.verdicts.len() > MANUAL_MAX {
            return Err(Refused::Manual);
        }
        let (bytes_before, bytes) = (before.bytes(), if next.is_empty() { 0 } else { next.bytes() });
        if bytes > bytes_before && self.bytes() + bytes - bytes_before > self.bytes_max {
            return Err(Refused::Memory);
        }
        Ok((next, [bytes_before, bytes]))
    }
}

impl Writer {
    fn note_times(&mut self, turn: Turn, times: [Option<i64>; 2], now_ms: i64) {
        for time in times.into_iter().flatten().filter(|&time| time > now_ms) {
            self.calendar.entry(time).or_default().push(turn);
        }
    }
}

fn count(counter: &AtomicUsize, before: bool, after: bool) {
    match (before, after) {
        (false, true) => counter.fetch_add(1, Ordering::AcqRel),
        (true, false) => counter.fetch_sub(1, Ordering::AcqRel),
        _ => return,
    };
}
