//! What people say of pairs: relations that a shop keeps by hand, and verdicts on what lists show.

use crate::list_key::ListName;
pub use crate::relation::Kind;

/// Which relation: the last one said of a key counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelationKey<'a> {
    /// Whose lists.
    pub anchor: &'a str,
    /// What is shown in them.
    pub other: &'a str,
    /// How they go together.
    pub kind: Kind,
}

/// A relation of an anchor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// The other item.
    pub other: Box<str>,
    /// Its fingerprint.
    pub fingerprint: u64,
    /// How they go together.
    pub kind: Kind,
    /// At which place it is shown, from 1; without one, ahead of what is counted.
    pub position: Option<u16>,
    /// From when on, in ms since 1970.
    pub from_ms: Option<i64>,
    /// Until when (then it is not).
    pub until_ms: Option<i64>,
}

/// Which verdict: the last one of a key counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerdictKey<'a> {
    /// In which list; none is all.
    pub list: Option<ListName>,
    /// In whose lists; none is everybody's.
    pub anchor: Option<&'a str>,
    /// What it is about.
    pub other: &'a str,
}

/// What a specialist has said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ruling {
    /// It is right here: no gate of evidence turns it away, and it leaves the queue of what is to be reviewed.
    Approve,
    /// It is not shown.
    Reject,
    /// It is shown at this place, from 1.
    Pin(u16),
    /// Its rank value is multiplied by this, 0.5 to 2.
    Boost(f64),
}

/// A verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// In which list; none is all.
    pub list: Option<ListName>,
    /// The other item.
    pub other: Box<str>,
    /// Its fingerprint.
    pub fingerprint: u64,
    /// What was said.
    pub ruling: Ruling,
    /// Who said so.
    pub who: Box<str>,
    /// When, in ms since 1970.
    pub when_ms: i64,
    /// Why.
    pub why: Box<str>,
    /// Until when it counts (then it does not), in ms since 1970.
    pub until_ms: Option<i64>,
}

/// What people say of the lists of one anchor; or, where the anchor is everybody, of one other item.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manual {
    /// The shop.
    pub shop: Box<str>,
    /// The anchor; or, where the anchor is everybody, the other item.
    pub item: Box<str>,
    /// In the order of position, then of the other item.
    pub relations: Vec<Relation>,
    /// In the order of the other item.
    pub verdicts: Vec<Verdict>,
}

impl Relation {
    /// Whether it keeps the other item out.
    #[must_use]
    pub fn is_never(&self) -> bool {
        self.kind == Kind::Never
    }

    /// Whether it holds at a time.
    #[must_use]
    pub fn holds_at(&self, wall_ms: i64) -> bool {
        self.from_ms.is_none_or(|from_ms| wall_ms >= from_ms) && self.until_ms.is_none_or(|until_ms| wall_ms < until_ms)
    }
}

impl Verdict {
    /// Whether it only keeps the other item out of lists that would have it: any other one may bring it in.
    #[must_use]
    pub fn is_rejection(&self) -> bool {
        self.ruling == Ruling::Reject
    }

    /// Whether it puts the other item at a place.
    #[must_use]
    pub fn is_pin(&self) -> bool {
        matches!(self.ruling, Ruling::Pin(_))
    }

    /// Whether it is the one of this key, among those of one anchor.
    pub(super) fn is_of(&self, key: VerdictKey<'_>) -> bool {
        (self.list, &*self.other) == (key.list, key.other)
    }

    /// Whether it counts at a time, in a list.
    #[must_use]
    pub fn counts_in(&self, list: ListName, wall_ms: i64) -> bool {
        self.list.is_none_or(|own| own == list) && self.until_ms.is_none_or(|until_ms| wall_ms < until_ms)
    }
}

impl Manual {
    /// The verdict that counts in a list at a time, of those on an item in everybody's lists: what is said of this very list before what is
    /// said of all.
    #[must_use]
    pub fn everywhere_in(&self, list: ListName, wall_ms: i64) -> Option<&Verdict> {
        let counting = || self.verdicts.iter().filter(|verdict| verdict.counts_in(list, wall_ms));
        counting().find(|verdict| verdict.list.is_some()).or_else(|| counting().next())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.relations.is_empty() && self.verdicts.is_empty()
    }

    /// Sets, or takes away, what is said under a key.
    pub(super) fn set_relation(&mut self, key: RelationKey<'_>, relation: Option<Relation>) {
        self.relations.retain(|known| (&*known.other, known.kind) != (key.other, key.kind));
        self.relations.extend(relation);
        let order =
            |relation: &Relation| (relation.position.unwrap_or(u16::MAX), relation.other.clone(), relation.kind);
        self.relations.sort_by_cached_key(order);
        self.relations.shrink_to_fit(); // most anchors have one
    }

    /// The same of verdicts.
    pub(super) fn set_verdict(&mut self, key: VerdictKey<'_>, verdict: Option<Verdict>) {
        self.verdicts.retain(|known| !known.is_of(key));
        self.verdicts.extend(verdict);
        self.verdicts.sort_by(|a, b| (&a.other, a.list).cmp(&(&b.other, b.list)));
        self.verdicts.shrink_to_fit();
    }

    pub(super) fn bytes(&self) -> usize {
        if self.is_empty() {
            return 0;
        }
        /// Counts of who holds it, and its place in the table.
        const AROUND: usize = size_of::<Manual>() + 2 * size_of::<usize>() + size_of::<(u64, usize)>() * 8 / 7 + 1;
        let relations = self.relations.iter().map(|relation| size_of::<Relation>() + relation.other.len());
        let verdicts = self
            .verdicts
            .iter()
            .map(|verdict| size_of::<Verdict>() + verdict.other.len() + verdict.who.len() + verdict.why.len());
        AROUND + self.shop.len() + self.item.len() + relations.sum::<usize>() + verdicts.sum::<usize>()
    }
}
