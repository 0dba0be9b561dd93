//! Lists about a whole shop and its categories: best sellers, what is rising, what is new.
//!
//! They are ranked where the contexts of their shop are owned, from all totals there: own ones, and those that the other partitions have
//! told. Of each list the foremost items are held, some more than it shows; an item that is counted is offered at once. Besides, a *walk*
//! looks at every item, a bounded number a step: at the end of silence, once a sweep, and at rest, so that a list at rest is a function of
//! the totals, also where something was taken back, has cooled, or the catalogue says something else.
//! Absent: ranking (`rank`), gates of lists about items.

use super::RowsWork;
use crate::facts::{CategoryId, Facts, ItemFacts, Stock};
use crate::items::{ItemId, Items, ShopId};
use crate::limits::ID_BYTES_MAX;
use crate::list_key::{About, ListKey, ListName, category_text};
use crate::publish::ListNumber;
use crate::rank::{Best, List, ShopRanker, Source, Standing, is_rejected};
use crate::relation::Relation;
use crate::rows::Rows;
use crate::rules::{DAY_MS, FillStep, KindRules, ListRules, ShopOrder};
use std::collections::HashMap;
use std::sync::Arc;

/// How many items one step of a walk looks at.
pub const WALKED_MAX: usize = 4_096;

/// So many times as many items are held as a list may show and reserve.
const HELD_TIMES: usize = 4;

/// How many lists about shops and categories there may be in a partition. A category beyond that has none.
pub const SHOP_WIDE_MAX: usize = 16_384;

/// One list.
struct Place {
    ranker: usize,
    shop: ShopId,
    category: Option<CategoryId>,
    /// None where it only fills other lists.
    list: Option<ListNumber>,
    best: Best,
    /// The same, of the walk that goes on.
    next: Best,
}

/// Whether everything is being looked at.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Looking {
    /// No, or nothing has been looked at yet.
    #[default]
    Idle,
    Once,
    /// Something has happened meanwhile.
    AndOnceMore,
}

/// All of them, of one partition.
pub(super) struct ShopWide {
    rankers: Vec<ShopRanker>,
    /// Which of them fills lists about items: it has an eye on shops of other partitions too.
    filling: Option<usize>,
    /// Whether it does so by category.
    fills_by_category: bool,
    places: Vec<Place>,
    by_subject: HashMap<(usize, ShopId, Option<CategoryId>), usize>,
    by_list: HashMap<ListNumber, usize>,
    /// A category and the wider ones around it.
    ways: HashMap<CategoryId, Arc<[CategoryId]>>,
    /// Where the walk is, while one goes on.
    walk: Option<usize>,
    /// When the next one begins by itself.
    next_walk_ms: i64,
    /// Whether one has come to its end: before, nobody knows what to show.
    is_ready: bool,
    pub(super) met: FirstMet,
}

impl ShopWide {
    /// Of these lists; none where all are off.
    pub(super) fn new(rules: &[ListRules]) -> Option<Box<Self>> {
        let fills = |step| rules.iter().any(|rules| rules.enabled && rules.fill.contains(&step));
        let fills_by_category = fills(FillStep::Category);
        let is_filling = fills_by_category || fills(FillStep::Shop);
        let is_wanted = |rules: &&ListRules| rules.enabled || (is_filling && rules.list == ListName::BEST_SELLERS);
        let rankers: Vec<_> = rules.iter().filter(is_wanted).filter_map(ShopRanker::new).collect();
        let is_of_best = |ranker: &ShopRanker| ranker.rules().list == ListName::BEST_SELLERS;
        let filling = rankers.iter().position(is_of_best).filter(|_| is_filling);
        let within_ms = rankers.iter().find_map(|ranker| match ranker.rules().kind {
            KindRules::ShopWide { order: ShopOrder::Newest { within_ms }, .. } => Some(within_ms),
            _ => None,
        });
        (!rankers.is_empty()).then(|| {
            Box::new(Self {
                rankers,
                filling,
                fills_by_category,
                places: Vec::new(),
                by_subject: HashMap::new(),
                by_list: HashMap::new(),
                ways: HashMap::new(),
                walk: None,
                next_walk_ms: i64::MAX,
                is_ready: false,
                met: FirstMet { within_ms, marks: Vec::new() },
            })
        })
    }

    pub(super) fn is_walking(&self) -> bool {
        self.walk.is_some()
    }

    /// Whether it fills lists about items.
    pub(super) fn fills(&self) -> bool {
        self.filling.is_some()
    }

    pub(super) fn is_ready(&self) -> bool {
        self.is_ready
    }

    pub(super) fn bytes(&self) -> usize {
        let best = self.places.iter().map(|place| place.best.bytes() + place.next.bytes() + size_of::<Place>());
        best.sum::<usize>() + self.met.marks.capacity() * size_of::<(u32, i64)>()
    }

    fn goes_by(&self, relation: Relation) -> bool {
        self.rankers.iter().any(|ranker| ranker.rules().relation == relation)
    }

    /// How an item stands in each list that it may be in, and its categories.
    fn standings(
        &self,
        rows: &Rows,
        facts: Option<&Facts>,
        item: ItemId,
    ) -> (Vec<(usize, Standing)>, Option<CategoryId>) {
        let items = rows.items();
        let known = facts.map(|facts| facts.of(items.fingerprint(item)));
        let since_ms = || known.and_then(|known| known.launched_ms).or_else(|| self.met.since_ms(item));
        let shop = items.shop_of(item);
        let standing = |(place, ranker): (usize, &ShopRanker)| {
            if known.is_some_and(|known| is_kept_out(&known, ranker.rules()))
                || facts.is_some_and(|facts| is_rejected(facts, items.fingerprint(item), ranker.rules()))
            {
                return None;
            }
            let standing = ranker.standing(&rows.shop(ranker.rules().relation, shop), item, since_ms)?;
            Some((place, standing))
        };
        let standings = self.rankers.iter().enumerate().filter_map(standing).collect();
        (standings, known.and_then(|known| known.category))
    }

    fn has_categories(&self, ranker: usize) -> bool {
        matches!(self.rankers[ranker].rules().kind, KindRules::ShopWide { categories: true, .. })
    }

    fn way(&mut self, facts: Option<&Facts>, category: Option<CategoryId>) -> Arc<[CategoryId]> {
        let (Some(facts), Some(category)) = (facts, category) else { return Arc::from([]) };
        let way = || std::iter::successors(Some(category), |&at| facts.wider(at)).collect();
        Arc::clone(self.ways.entry(category).or_insert_with(way))
    }
}

/// When items were met first, to about a day: numbers of items rise in the order of meeting, so a mark a day is enough.
#[derive(Default)]
pub(super) struct FirstMet {
    /// For how long an item is new; none where nobody asks.
    within_ms: Option<i64>,
    /// From which number on items have been met since when. What was met before the second one may be older than this partition.
    marks: Vec<(u32, i64)>,
}

impl FirstMet {
    /// So many items have been met at `now_ms`.
    pub(super) fn mark(&mut self, items: &Items, now_ms: i64) {
        let Some(within_ms) = self.within_ms else { return };
        let day = now_ms.div_euclid(DAY_MS);
        if now_ms == i64::MIN || self.marks.last().is_some_and(|&(_, last_ms)| last_ms.div_euclid(DAY_MS) >= day) {
            return;
        }
        self.marks.push((u32::try_from(items.len()).unwrap_or(u32::MAX), now_ms));
        let is_old = |&(_, mark_ms): &(u32, i64)| mark_ms < now_ms.saturating_sub(within_ms);
        while self.marks.len() > 2 && self.marks.get(1).is_some_and(is_old) {
            self.marks.remove(0); // one a day: there are few
        }
    }

    /// Since when an item is known, unless it may be older than what is known.
    fn since_ms(&self, item: ItemId) -> Option<i64> {
        let later = self.marks.partition_point(|&(from, _)| from <= item.0);
        self.marks.get(later.checked_sub(1)?).filter(|_| later > 1).map(|&(_, since_ms)| since_ms)
    }

    pub(super) fn marks(&self) -> &[(u32, i64)] {
        &self.marks
    }

    /// So it was when the state was kept.
    pub(super) fn restore(&mut self, marks: Vec<(u32, i64)>) {
        self.marks = marks;
    }
}

impl RowsWork {
    pub(super) fn is_walking(&self) -> bool {
        self.shop_wide.as_ref().is_some_and(|wide| wide.is_walking()) || self.exposure.is_in_a_round()
    }

    /// Everything is to be looked at: once more, where that goes on, for who began anew whenever something happens might never come to
    /// the end.
    pub(super) fn begin_walk(&mut self) {
        if self.looking != Looking::Idle {
            self.looking = Looking::AndOnceMore;
            return;
        }
        self.begin_round();
        if let Some(wide) = &mut self.shop_wide {
            wide.walk = Some(0);
            wide.next_walk_ms = self.clock_ms.saturating_add(self.publish.sweep_ms);
            let renewed = |place: &mut Place| place.next = Best::new(held_max(wide.rankers[place.ranker].rules()));
            wide.places.iter_mut().for_each(renewed);
        }
    }

    /// A step of looking at everything, if that goes on or its time has come: first all items, then who leads lists.
    pub(super) fn walk_step(&mut self) {
        if self.shop_wide.as_ref().is_some_and(|wide| !wide.is_walking() && self.clock_ms >= wide.next_walk_ms) {
            self.begin_walk();
        }
        if self.shop_wide.as_ref().is_some_and(|wide| wide.is_walking()) {
            self.items_step();
        } else {
            self.round_step();
        }
        if self.is_walking() {
            self.looking = self.looking.max(Looking::Once);
        } else if std::mem::take(&mut self.looking) == Looking::AndOnceMore {
            self.begin_walk();
        }
    }

    fn items_step(&mut self) {
        let Some(mut wide) = self.shop_wide.take() else { return };
        if let Some(from) = wide.walk {
            let to = from.saturating_add(WALKED_MAX).min(self.rows.items().len());
            for item in (from..to).filter_map(|number| u32::try_from(number).ok()).map(ItemId) {
                self.look_at(&mut wide, item, None);
            }
            wide.walk = (to < self.rows.items().len()).then_some(to);
            if wide.walk.is_none() {
                self.end_walk(&mut wide);
            }
        }
        self.shop_wide = Some(wide);
    }

    fn end_walk(&mut self, wide: &mut ShopWide) {
        wide.is_ready = true;
        for place in &mut wide.places {
            std::mem::swap(&mut place.best, &mut place.next);
            place.next = Best::new(1);
            if let Some(list) = place.list {
                self.due.mark_again(list, self.clock_ms);
                self.placements.mark_known(self.lists.key(list), &self.lists, &mut self.due, self.clock_ms);
            }
        }
        if wide.filling.is_some() {
            self.due.sweep_all(); // they were filled from what was foremost before
        }
    }

    /// The total of an item has changed, or what the shop says of it, by something that arrived at `arrived_ms`.
    pub(super) fn touch_shop_wide(&mut self, relation: Option<Relation>, item: ItemId, arrived_ms: Option<i64>) {
        let wide = self.shop_wide.as_ref().filter(|wide| wide.is_ready || wide.is_walking());
        if !wide.is_some_and(|wide| relation.is_none_or(|relation| wide.goes_by(relation))) {
            return;
        }
        let Some(mut wide) = self.shop_wide.take() else { return };
        self.look_at(&mut wide, item, Some(arrived_ms));
        self.shop_wide = Some(wide);
    }

    /// Offers an item to all lists of its shop. `touched`: because something has changed, which arrived then.
    fn look_at(&mut self, wide: &mut ShopWide, item: ItemId, touched: Option<Option<i64>>) {
        let shop = self.rows.items().shop_of(item);
        let is_own = self.rows.owns_shop(shop);
        if !is_own && wide.filling.is_none() {
            return;
        }
        for place in 0..wide.rankers.len() {
            let rules = wide.rankers[place].rules();
            if touched.is_none() && rules.recent_half_life_ms().is_some() {
                self.rows.know_recent(rules.relation, item);
            }
        }
        let facts = self.facts();
        let (standings, category) = wide.standings(&self.rows, facts, item);
        let way = wide.way(facts, category);
        for (ranker, standing) in standings {
            let is_filling = wide.filling == Some(ranker);
            if !is_own && !is_filling {
                continue;
            }
            let is_by_category = wide.has_categories(ranker) || (is_filling && wide.fills_by_category);
            let categories = if is_by_category { &*way } else { &[] };
            for subject in std::iter::once(None).chain(categories.iter().copied().map(Some)) {
                let has_list =
                    wide.rankers[ranker].rules().enabled && (subject.is_none() || wide.has_categories(ranker));
                let Some(number) = self.place(wide, (ranker, is_own && has_list), shop, subject) else { continue };
                let (place, is_walking) = (&mut wide.places[number], wide.walk.is_some());
                let items = self.rows.items();
                if is_walking {
                    place.next.offer(standing, items);
                }
                if let Some(arrived_ms) = touched
                    && place.best.offer(standing, items)
                    && let Some(list) = place.list
                {
                    match arrived_ms {
                        Some(arrived_ms) => self.due.mark(list, arrived_ms, self.clock_ms),
                        None => self.due.mark_again(list, self.clock_ms),
                    }
                }
            }
        }
    }

    /// What a ranker holds of a shop, or of a category of it; and its list, where it has one.
    fn place(
        &mut self,
        wide: &mut ShopWide,
        (ranker, has_list): (usize, bool),
        shop: ShopId,
        category: Option<CategoryId>,
    ) -> Option<usize> {
        if let Some(&known) = wide.by_subject.get(&(ranker, shop, category)) {
            return Some(known);
        }
        if category.is_some() && wide.places.len() >= SHOP_WIDE_MAX {
            return None;
        }
        let rules = wide.rankers[ranker].rules();
        let list = match has_list {
            true => Some(self.shop_wide_list(rules.list, shop, category)?),
            false => None,
        };
        let best = || Best::new(held_max(rules));
        let number = wide.places.len();
        wide.places.push(Place { ranker, shop, category, list, best: best(), next: best() });
        wide.by_subject.insert((ranker, shop, category), number);
        if let Some(list) = list {
            wide.by_list.insert(list, number);
        }
        Some(number)
    }

    /// The list of this name about a shop, or about a category of it; none where no record has room for the category.
    fn shop_wide_list(&mut self, list: ListName, shop: ShopId, category: Option<CategoryId>) -> Option<ListNumber> {
        let about = match category {
            None => About::Shop,
            Some(category) => {
                let way = self.facts()?.category(category);
                let text = category_text(way.iter().map(|name| &**name));
                if text.len() > ID_BYTES_MAX {
                    return None;
                }
                About::Item(self.rows.items_mut().item(shop, &text))
            }
        };
        let number = self.lists.meet(ListKey { shop, list, about });
        self.due.know(number);
        Some(number)
    }

    /// What may fill a list about an item, behind what is counted.
    pub(super) fn filling(&self, anchor: ItemId, steps: &[FillStep]) -> Vec<(ItemId, Source)> {
        let Some(wide) = &self.shop_wide else { return Vec::new() };
        let Some(ranker) = wide.filling else { return Vec::new() };
        let (items, facts) = (self.rows.items(), self.facts());
        let shop = items.shop_of(anchor);
        let foremost = |category| {
            let place = wide.by_subject.get(&(ranker, shop, category)).and_then(|&number| wide.places.get(number));
            place.map_or_else(Vec::new, |place| place.best.foremost(items))
        };
        let mut all = Vec::new();
        for step in steps {
            match step {
                FillStep::Thin | FillStep::Second => {}
                FillStep::Shop => all.extend(foremost(None).into_iter().map(|item| (item, Source::Shop))),
                FillStep::Category => {
                    let category = facts.and_then(|facts| facts.of(items.fingerprint(anchor)).category);
                    let way = std::iter::successors(category, |&at| facts.and_then(|facts| facts.wider(at)));
                    all.extend(way.flat_map(|at| foremost(Some(at))).map(|item| (item, Source::Category)));
                }
            }
        }
        all
    }

    /// Ranks a list about a shop or a category into `ranked`; returns how many items were looked at.
    /// What is held of it, as it stands now, is added to `renewed`.
    pub(super) fn rank_shop_wide(&self, key: ListKey, renewed: &mut Vec<(usize, Best)>, ranked: &mut List) -> usize {
        ranked.clear(key, self.rows.now());
        let Some(wide) = &self.shop_wide else { return 0 };
        let number = self.lists.find(key).and_then(|list| wide.by_list.get(&list).copied());
        let Some(number) = number else { return 0 };
        let (rows, facts) = (&self.rows, self.facts());
        let mut best = wide.places[number].best.clone();
        let place = &wide.places[number];
        let ranker = &wide.rankers[place.ranker];
        let standing = |item| {
            let (standings, category) = wide.standings(rows, facts, item);
            let mut way = std::iter::successors(category, |&at| facts.and_then(|facts| facts.wider(at)));
            if place.category.is_some_and(|own| way.all(|at| at != own)) {
                return None; // it was of this category
            }
            standings.into_iter().find(|(of, _)| *of == place.ranker).map(|(_, standing)| standing)
        };
        best.renew(rows.items(), standing);
        let launched_ms = |item| facts.and_then(|facts| facts.of(rows.items().fingerprint(item)).launched_ms);
        let since_ms = |item| launched_ms(item).or_else(|| wide.met.since_ms(item));
        let shop = rows.shop(ranker.rules().relation, place.shop);
        ranker.rank_into(key, &shop, best.items(), since_ms, ranked);
        let looked_at = best.items().count();
        renewed.push((number, best));
        looked_at
    }

    /// What is held of a list about a shop stands like this now.
    pub(super) fn hold_best(&mut self, number: usize, best: Best) {
        if let Some(place) = self.shop_wide.as_mut().and_then(|wide| wide.places.get_mut(number)) {
            place.best = best;
        }
    }

    /// Looks at every item, to the end: for whoever has nothing else to do.
    pub(super) fn walk_all(&mut self) {
        self.begin_walk();
        while self.is_walking() {
            self.walk_step();
        }
    }
}

/// Whether what is known of an item keeps it out.
pub(super) fn is_kept_out(known: &ItemFacts, rules: &ListRules) -> bool {
    !known.is_sold || (rules.shown.in_stock && known.stock == Stock::Out)
}

fn held_max(rules: &ListRules) -> usize {
    rules.length.saturating_add(rules.reserve).saturating_mul(HELD_TIMES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_new_since_the_day_on_which_they_were_met_but_for_those_of_the_first() {
        let (mut items, mut met) = (Items::default(), FirstMet { within_ms: Some(10 * DAY_MS), marks: Vec::new() });
        let shop = items.shop("main");
        let day = |number: i64| 20_000 * DAY_MS + number * DAY_MS;
        met.mark(&items, i64::MIN);
        for (time, count) in [(day(0), 3), (day(0) + 5, 2), (day(1) + 7, 1), (day(1) + 9, 1), (day(4), 2), (day(3), 1)]
        {
            met.mark(&items, time);
            for _ in 0..count {
                let name = items.len().to_string();
                items.item(shop, &name);
            }
        }
        let since: Vec<_> = items.ids().map(|item| met.since_ms(item)).collect();
        let (second, third) = (Some(day(1) + 7), Some(day(4)));
        assert_eq!(since, [None, None, None, None, None, second, second, third, third, third]);
        met.mark(&items, day(12));
        assert_eq!(met.since_ms(ItemId(5)), None, "longer ago than anybody asks");
        assert_eq!(met.since_ms(ItemId(7)), third);
        let mut off = FirstMet::default();
        off.mark(&items, day(0));
        assert!(off.marks().is_empty() && met.marks().len() <= 4);
    }
}
