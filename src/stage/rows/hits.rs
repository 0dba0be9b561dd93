//! Live evaluation: an event is a test before it is a lesson. Was what a customer took next in the list of what came before, as
//! subscribers had it last? And would a plain count have shown it?
//!
//! What stands before is: of a view or an addition to a cart, the item before it in its session or cart; of a line of an order, the line
//! before it; of what an order was led to by, the newest item bought or viewed before it that this partition owns. Only what is new
//! counts: the item is new to the session or cart, or to the customer; bulk orders and the rest of a crawler's session never come here.
//! A test takes one look at the list and one at the row, both of which counting is about to touch.
//! Absent: what is taken back, and everything while lists are silent: they are not up to date then.

use crate::items::{ItemId, ShopId};
use crate::list_key::{About, ListKey, ListName};
use crate::publish::{Lists, Publisher};
use crate::relation::{Bought, Change, Delta, Relation};
use crate::rows::Rows;

/// Among how many first entries an item is looked for.
pub const HITS_AT: [usize; 3] = [1, 4, 10];

/// How many shops are told apart, the first ones met; the rest is one.
pub const HIT_SHOPS_MAX: usize = 64;

/// What has been tried of one shop's list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HitTally {
    /// How often something came after something else.
    pub tests: u64,
    /// How often it was among the first entries of the list published last, by [`HITS_AT`].
    pub shown: [u64; HITS_AT.len()],
    /// How often it would have been among the first by the weight of the pair alone.
    pub counted: [u64; HITS_AT.len()],
}

/// What has been tried so far.
#[derive(Clone, Debug, Default)]
pub struct Hits {
    /// By shop and [`Relation::index`]; the last is all shops beyond [`HIT_SHOPS_MAX`].
    by_shop: Vec<[HitTally; Relation::COUNT]>,
}

/// Where a test looks.
pub(super) struct Tested<'a> {
    pub(super) rows: &'a mut Rows,
    pub(super) lists: &'a Lists,
    pub(super) publisher: &'a Publisher,
}

impl Hits {
    /// By shop, as far as there are any: its number, or none for all the others, and what was tried, by [`Relation::index`].
    pub fn by_shop(&self) -> impl Iterator<Item = (Option<ShopId>, &[HitTally; Relation::COUNT])> {
        let shop = |place| u32::try_from(place).ok().filter(|_| place < HIT_SHOPS_MAX).map(ShopId);
        self.by_shop.iter().enumerate().map(move |(place, tallies)| (shop(place), tallies))
    }

    /// Tries what `delta` is about to teach, as far as this partition owns what came before. Of a list that is off nothing is asked.
    pub(super) fn test(&mut self, delta: &Delta<'_>, is_on: impl Fn(ListName) -> bool, tested: &mut Tested<'_>) {
        if delta.is_taken_back {
            return;
        }
        let mut test = |relation: Relation, before: ItemId, next: ItemId| {
            if before != next && is_on(ListName::of(relation)) && tested.rows.owns(before) {
                self.test_one(relation, before, next, tested);
            }
        };
        match delta.change {
            Change::Context { .. } => {}
            Change::Star { relation, centre, neighbours } => {
                neighbours.first().into_iter().for_each(|&before| test(relation, before, centre));
            }
            Change::StarBack { relation, centre, neighbours } => {
                let nearest = neighbours.iter().find(|(_, distance)| *distance == 1);
                nearest.into_iter().for_each(|&(before, _)| test(relation, before, centre));
            }
            Change::Basket { items, settled, .. } => {
                let pairs = items.windows(2).zip(1..).filter(|&(pair, place)| place >= settled && is_new(&pair[1]));
                pairs.for_each(|(pair, _)| test(Relation::BoughtTogether, pair[0].item, pair[1].item));
            }
            Change::Cross { relation, anchors, settled: false, others } => {
                let Some(&newest) = newest(relation, anchors) else { return };
                others.iter().filter(|other| is_new(other)).for_each(|other| test(relation, newest, other.item));
            }
            Change::Cross { settled: true, .. } => {} // the order has been tried; who added a line saw what it held
        }
    }

    fn test_one(&mut self, relation: Relation, before: ItemId, next: ItemId, tested: &Tested<'_>) {
        let Tested { rows, lists, publisher } = tested;
        let shop = rows.items().shop_of(before);
        let key = ListKey { shop, list: ListName::of(relation), about: About::Item(before) };
        let shown = lists.find(key).map(|list| publisher.shown(list)).unwrap_or_default();
        let place_shown = shown.iter().position(|shown| shown.item == next);
        let place_counted = rows.row(relation, before).place_by_weight(next);
        let place = shop.index().min(HIT_SHOPS_MAX);
        if self.by_shop.len() <= place {
            self.by_shop.resize(place + 1, Default::default());
        }
        let tally = &mut self.by_shop[place][relation.index()];
        tally.tests += 1;
        for (at, hits_at) in HITS_AT.into_iter().enumerate() {
            tally.shown[at] += u64::from(place_shown.is_some_and(|place| place < hits_at));
            tally.counted[at] += u64::from(place_counted.is_some_and(|place| place < hits_at));
        }
    }
}

/// Whether the customer had never bought it.
fn is_new(bought: &Bought) -> bool {
    bought.repeats == 0
}

/// What was bought stands newest first, what was viewed newest last.
fn newest(relation: Relation, anchors: &[ItemId]) -> Option<&ItemId> {
    if relation == Relation::ViewedThenBought { anchors.last() } else { anchors.first() }
}
