//! The entries of lists that a person should look at first, as HTTP, `review` and the demonstration tell them.
//!
//! Invariant: the order is total, and depends on what the entries are: so pages of several workers fit together.
//! Absent: why an entry is doubted, and which are kept (`stage`).

use super::asked::Asked;
use crate::facts::Facts;
use crate::items::{ItemId, Items, fingerprint};
use crate::stage::{Doubt, Doubtful, REVIEW_MAX, REVIEW_SHOPS_MAX, ReviewQueue, RowsWork};
use serde::{Deserialize, Serialize};
use std::cmp::{Ordering, Reverse};

/// Entries of an answer.
pub const PAGE_DEFAULT: usize = 50;
/// Most of them.
pub const PAGE_MAX: usize = 100;
/// How far pages reach: what a partition keeps of a shop.
pub const REACH_MAX: usize = REVIEW_MAX;

/// So many shops, the first that a partition meets, have a queue there.
pub const SHOPS_MAX: usize = REVIEW_SHOPS_MAX;

/// A reason to look at an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Its name, one of few.
    pub reason: String,
    /// In words.
    pub text: String,
}

/// An entry that a person should look at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReviewEntry {
    /// The shop.
    pub shop: String,
    /// The list that shows it.
    pub list: String,
    /// Whose list.
    pub anchor: String,
    /// What is shown.
    pub other: String,
    /// The anchor's name, where the catalogue knows one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor_name: Option<String>,
    /// The other's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_name: Option<String>,
    /// Its place, from 1.
    pub place: usize,
    /// How much a person is needed: the sum over its reasons.
    pub need: u8,
    /// About how often it is shown.
    pub shown: f64,
    /// Why, the gravest first.
    pub reasons: Vec<Reason>,
    /// Customers behind it (of views: sessions).
    pub support: u32,
    /// Weight of the pair.
    pub weight: f64,
    /// Weight of the anchor.
    pub anchor_weight: f64,
    /// 0 to 100.
    pub score: f64,
    /// Day of the last event behind it.
    pub last_seen: String,
}

impl ReviewEntry {
    fn rank(&self) -> impl Ord + '_ {
        (Reverse(self.need), Reverse(Shown(self.shown)), &self.list, &self.anchor, &self.other)
    }
}

/// How often it is shown, by a total order.
#[derive(PartialEq)]
struct Shown(f64);

impl Eq for Shown {}

impl PartialOrd for Shown {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Shown {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// What some workers have to say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToReview {
    /// Whose lists were looked at: partitions, in their order.
    pub partitions: Vec<u32>,
    /// Those of them whose lists have not all been looked at yet.
    pub waiting: Vec<u32>,
    /// Those of them that keep no queue of the shop: they met [`SHOPS_MAX`] others first.
    pub without_queue: Vec<u32>,
    /// Whether any of them has met the shop.
    pub is_met: bool,
    /// How many entries there are.
    pub total: usize,
    /// The first of them.
    pub entries: Vec<ReviewEntry>,
}

impl ToReview {
    /// Whether there is a queue of the shop, in a word: `kept`, `partial` or `none`.
    #[must_use]
    pub fn queue(&self) -> &'static str {
        match self.without_queue.len() {
            0 => "kept",
            all if all == self.partitions.len() => "none",
            _ => "partial",
        }
    }

    /// Takes in what another one says, and keeps the first `count`.
    pub fn join(&mut self, other: Self, count: usize) {
        self.total += other.total;
        self.partitions.extend(other.partitions);
        self.partitions.sort_unstable();
        self.waiting.extend(other.waiting);
        self.waiting.sort_unstable();
        self.without_queue.extend(other.without_queue);
        self.without_queue.sort_unstable();
        self.is_met |= other.is_met;
        self.entries.extend(other.entries);
        self.entries.sort_by(|one, other| one.rank().cmp(&other.rank()));
        self.entries.truncate(count);
    }
}

/// The first `count` entries of a shop that a person should look at.
#[must_use]
pub fn to_review(asked: &Asked<'_>, shop: &str, count: usize) -> ToReview {
    to_review_and_looked_at(asked, shop, count).0
}

/// The same, and how many entries were looked at for it. Texts are made only of those that are among the first.
pub(super) fn to_review_and_looked_at(asked: &Asked<'_>, shop: &str, count: usize) -> (ToReview, usize) {
    let mut all = ToReview::default();
    let mut found: Vec<(&Doubtful, &RowsWork)> = Vec::new();
    for (partition, work) in &asked.rows {
        let (total, entries) = work.to_review(shop);
        all.total += total;
        all.partitions.push(partition.0);
        all.waiting.extend(work.is_review_waiting().then_some(partition.0));
        let queue = work.review_queue(shop);
        all.without_queue.extend((queue == ReviewQueue::NotKept).then_some(partition.0));
        all.is_met |= queue != ReviewQueue::Unmet;
        // What stands as high as the last one may come before it: partitions order such by other names.
        let mut last = None;
        let first = entries.enumerate().take_while(|(place, entry)| {
            let standing = (entry.doubts.need(), entry.shown_milli);
            let is_first = *place < count;
            if is_first {
                last = Some(standing);
            }
            is_first || last == Some(standing)
        });
        found.extend(first.map(|(_, entry)| (entry, *work)));
    }
    let rank = |(entry, work): &(&Doubtful, &RowsWork)| {
        let items = work.rows().items();
        let names = [entry.anchor, entry.other].map(|item| items.name(item).to_owned());
        (Reverse(entry.doubts.need()), Reverse(entry.shown_milli), entry.list.name(), names)
    };
    let looked_at = found.len();
    found.sort_by_cached_key(rank);
    found.truncate(count);
    let told = |(entry, work): &(&Doubtful, &RowsWork)| told(shop, work.rows().items(), work.facts(), entry);
    all.entries = found.iter().map(told).collect();
    all.partitions.sort_unstable();
    all.waiting.sort_unstable();
    all.without_queue.sort_unstable();
    (all, looked_at)
}

fn told(shop: &str, items: &Items, facts: Option<&Facts>, entry: &Doubtful) -> ReviewEntry {
    let name = |item: ItemId| {
        let text = facts?.text(fingerprint(shop, items.name(item)))?;
        text.name.as_deref().map(str::to_owned)
    };
    let reasons = entry.doubts.iter();
    ReviewEntry {
        shop: shop.to_owned(),
        list: entry.list.name().to_owned(),
        anchor: items.name(entry.anchor).to_owned(),
        other: items.name(entry.other).to_owned(),
        anchor_name: name(entry.anchor),
        other_name: name(entry.other),
        place: entry.place,
        need: entry.doubts.need(),
        shown: entry.shown_milli as f64 / 1000.0,
        reasons: reasons.map(|doubt| Reason { reason: doubt.name().to_owned(), text: words(doubt, entry) }).collect(),
        support: entry.support,
        weight: entry.weight,
        anchor_weight: entry.anchor_weight,
        score: f64::from(entry.score_milli) / 1000.0,
        last_seen: entry.last_seen.to_string(),
    }
}

/// A reason in words.
fn words(doubt: Doubt, entry: &Doubtful) -> String {
    let Doubtful { place, support, last_seen, weight, .. } = entry;
    match doubt {
        Doubt::OneWeek => {
            format!(
                "its weight is what {support} make within a week: all of it came about {last_seen}, and nothing since"
            )
        }
        Doubt::RejectedTurned => {
            "a verdict took the anchor out of the lists of the product that is shown here".to_owned()
        }
        Doubt::RejectedElsewhere => "a verdict took the same product out of the lists of another".to_owned(),
        Doubt::Thin => format!("only {support} stand behind place {place} of a list that many see"),
        Doubt::FewRegulars => format!("only {support} stand behind it, and again and again: a weight of {weight:.1}"),
        Doubt::FarApart => "the catalogue has the two in different trees of categories".to_owned(),
        Doubt::Old => format!("nothing since {last_seen}: longer than the half-life of its counts"),
    }
}

#[cfg(test)]
mod tests;
