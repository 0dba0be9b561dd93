//! Lists about a whole shop: ranked from totals instead of a row.
//!
//! They have the figures of a list about an item, so that one formula explains both: what stands for the item is the shop, and in a
//! rising list the shop lately. So of the best sellers `weight / anchor_weight` is the share of all orders that hold the entry, and the
//! score the lower end of that share; of a rising one it is the share of the latest orders, and lift by how much that is larger than before.
//! Absent: which items are looked at; whoever holds the totals offers them, and [`Best`] keeps the foremost.

use super::day::Day;
use super::gate::{Gate, failed_cheap, failed_root};
use super::label::Label;
use super::list::{Entry, List};
use super::measure::{Figures, RankValue, score_milli, thousandths};
use crate::items::{ItemId, Items};
use crate::list_key::ListKey;
use crate::rows::ShopView;
use crate::rules::{KindRules, ListRules, ShopOrder};
use std::cmp::Ordering;

/// How an item stands in a shop-wide list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// Which item.
    pub item: ItemId,
    /// What the list is ordered by, in thousandths.
    pub rank_milli: i64,
    /// Breaks ties.
    llr_root: f64,
}

impl Standing {
    /// The foremost first: a total order, which no number decides.
    fn order(&self, other: &Self, items: &Items) -> Ordering {
        let by_value = other.rank_milli.cmp(&self.rank_milli).then_with(|| other.llr_root.total_cmp(&self.llr_root));
        by_value.then_with(|| items.name(self.item).cmp(items.name(other.item)))
    }
}

/// Ranks the items of a shop by the rules of one list.
pub struct ShopRanker {
    rules: ListRules,
    rank_value: RankValue,
    order: ShopOrder,
}

impl ShopRanker {
    /// A ranker for one list; none where it is not about a shop.
    #[must_use]
    pub fn new(rules: &ListRules) -> Option<Self> {
        let KindRules::ShopWide { order, .. } = rules.kind else { return None };
        Some(Self { rank_value: RankValue::new(rules), rules: rules.clone(), order })
    }

    /// The rules it ranks by.
    #[must_use]
    pub fn rules(&self) -> &ListRules {
        &self.rules
    }

    /// How `item` stands, if it passes all gates. `since_ms`: since when it is sold, where that is known.
    #[must_use]
    pub fn standing(
        &self,
        shop: &ShopView<'_>,
        item: ItemId,
        since_ms: impl FnOnce() -> Option<i64>,
    ) -> Option<Standing> {
        self.entry(shop, item, since_ms).map(|entry| Standing {
            item,
            rank_milli: entry.rank_milli,
            llr_root: entry.llr_root,
        })
    }

    /// Ranks `candidates` into a list of `key`.
    pub fn rank_into(
        &self,
        key: ListKey,
        shop: &ShopView<'_>,
        candidates: impl Iterator<Item = ItemId>,
        since_ms: impl Fn(ItemId) -> Option<i64>,
        list: &mut List,
    ) {
        list.clear(key, shop.now);
        list.entries.extend(candidates.filter_map(|item| self.entry(shop, item, || since_ms(item))));
        let standing =
            |entry: &Entry| Standing { item: entry.item, rank_milli: entry.rank_milli, llr_root: entry.llr_root };
        list.entries.sort_unstable_by(|x, y| standing(x).order(&standing(y), shop.items));
        // Where places are spread, whoever does so cuts the list.
        if self.rules.category_max.is_none() && self.rules.brand_max.is_none() {
            list.entries.truncate(self.rules.length.saturating_add(self.rules.reserve));
        }
        list.shown = self.rules.length.min(list.entries.len());
    }

    fn entry(&self, shop: &ShopView<'_>, item: ItemId, since_ms: impl FnOnce() -> Option<i64>) -> Option<Entry> {
        let total = shop.total(item);
        if total.support < self.rules.min_support {
            return None;
        }
        let figures = match self.order {
            ShopOrder::Rising { .. } => Figures::new(total.recent, shop.recent_contexts, total.weight, shop.contexts),
            ShopOrder::Most | ShopOrder::Newest { .. } => {
                Figures::new(total.weight, shop.contexts, total.weight, shop.contexts)
            }
        };
        if self.failed(&figures, total.support).is_some() {
            return None;
        }
        let llr_root = figures.llr_root();
        if failed_root(&self.rules, llr_root).is_some() {
            return None;
        }
        let rank_milli = match self.order {
            ShopOrder::Most => thousandths(total.weight),
            ShopOrder::Rising { .. } => {
                thousandths(self.rank_value.of_row(figures.anchor, figures.contexts).of(&figures))
            }
            ShopOrder::Newest { within_ms } => {
                let since_ms =
                    since_ms().filter(|since_ms| (0..=within_ms).contains(&shop.now.0.saturating_sub(*since_ms)))?;
                since_ms.saturating_mul(1000)
            }
        };
        let (last_seen, label) = (Day(shop.now.day()), Label::default()); // of totals nobody keeps the day
        let score_milli = score_milli(figures.score());
        Some(Entry { item, score_milli, rank_milli, support: total.support, figures, llr_root, last_seen, label })
    }

    fn failed(&self, figures: &Figures, support: u32) -> Option<Gate> {
        failed_cheap(&self.rules, support, figures)
    }
}

/// The foremost items that have been offered: at most so many.
#[derive(Clone)]
pub struct Best {
    room: usize,
    held: Vec<Standing>,
    /// Where the last of them stands, if there is no more room.
    last: Option<usize>,
}

impl Best {
    /// None yet, with room for `room` items.
    #[must_use]
    pub fn new(room: usize) -> Self {
        Self { room: room.max(1), held: Vec::new(), last: None }
    }

    /// Takes an item in if it stands before one that is held, or there is room. One that is held stands where it stands now. Says whether
    /// it is held.
    pub fn offer(&mut self, standing: Standing, items: &Items) -> bool {
        if let Some(last) = self.last
            && standing.order(&self.held[last], items).is_gt()
            && standing.item != self.held[last].item
        {
            // Most stand far behind; one that is held and has fallen behind all others is found below, when it is looked for.
            return self.held.iter().any(|held| held.item == standing.item);
        }
        match self.held.iter().position(|held| held.item == standing.item) {
            Some(place) => self.held[place] = standing,
            None if self.held.len() < self.room => self.held.push(standing),
            None => match self.last {
                Some(last) => self.held[last] = standing,
                None => return false,
            },
        }
        if self.held.len() == self.room {
            self.last = (0..self.room).max_by(|&x, &y| self.held[x].order(&self.held[y], items));
        }
        true
    }

    /// How those that are held stand now; those that are to be seen no more go.
    pub fn renew(&mut self, items: &Items, standing: impl Fn(ItemId) -> Option<Standing>) {
        self.held.retain_mut(|held| match standing(held.item) {
            Some(now) => {
                *held = now;
                true
            }
            None => false,
        });
        let is_full = self.held.len() == self.room;
        self.last =
            if is_full { (0..self.room).max_by(|&x, &y| self.held[x].order(&self.held[y], items)) } else { None };
    }

    /// Those that are held.
    pub fn items(&self) -> impl Iterator<Item = ItemId> {
        self.held.iter().map(|held| held.item)
    }

    /// The same, the foremost first, as they stood last.
    #[must_use]
    pub fn foremost(&self, items: &Items) -> Vec<ItemId> {
        let mut held = self.held.clone();
        held.sort_unstable_by(|x, y| x.order(y, items));
        held.into_iter().map(|standing| standing.item).collect()
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        crate::memory::of_vec(&self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever comes in whatever order, and stands higher or equal each time: the foremost are held, ties by name.
        #[test]
        fn the_foremost_are_held_whatever_the_order(offers in prop::collection::vec((0_u32..40, 0_i64..6), 0..120)) {
            let mut items = Items::default();
            let shop = items.shop("main");
            // Numbers and names run against each other.
            (0..40).for_each(|n| { items.item(shop, &format!("i{:02}", 39 - n)); });
            let (mut best, mut values) = (Best::new(5), std::collections::BTreeMap::new());
            for (item, more) in offers {
                let value = values.entry(item).or_insert(0);
                *value += more;
                best.offer(Standing { item: ItemId(item), rank_milli: *value, llr_root: 0.0 }, &items);
            }
            let mut want: Vec<(i64, &str)> = values.iter().map(|(&item, &value)| (-value, items.name(ItemId(item)))).collect();
            want.sort_unstable();
            let want: Vec<&str> = want.into_iter().take(5).map(|(_, name)| name).collect();
            let held: Vec<&str> = best.foremost(&items).into_iter().map(|item| items.name(item)).collect();
            prop_assert_eq!(held, want);
        }
    }

    #[test]
    fn what_is_seen_no_more_makes_room_and_what_has_fallen_is_renewed() {
        let mut items = Items::default();
        let shop = items.shop("main");
        let ids = ["a", "b", "c", "d"].map(|name| items.item(shop, name));
        let standing = |item, rank_milli| Standing { item, rank_milli, llr_root: 0.0 };
        let mut best = Best::new(3);
        for (item, value) in ids.into_iter().zip([30, 20, 10]) {
            assert!(best.offer(standing(item, value), &items));
        }
        assert!(!best.offer(standing(ids[3], 5), &items), "no room");
        best.renew(&items, |item| (item != ids[1]).then(|| standing(item, if item == ids[0] { 1 } else { 10 })));
        assert_eq!(best.foremost(&items), [ids[2], ids[0]]);
        assert!(best.offer(standing(ids[3], 5), &items), "room again");
        assert_eq!(best.foremost(&items), [ids[2], ids[3], ids[0]]);
        assert!(best.offer(standing(ids[1], 7), &items), "before the last");
        assert_eq!(best.foremost(&items), [ids[2], ids[1], ids[3]]);
    }
}
