//! The plainest reader of deltas: applies them as `relation` defines them, in f64.

use super::recount::{Event, Kind, Row, Step, sort, tally_row};
use crate::event::{EventKey, EventTime, EventType, LinkKey, OrderStep, UserKeys};
use crate::items::{ItemId, Items, ShopId};
use crate::relation::{Change, Delta, Relation, repeat_weight};
use crate::rules::CountingRules;
use crate::windows::{Action, Input, OrderRecord, Windows};
use std::collections::BTreeMap;

type Cell = (&'static str, ShopId, Relation, String, String);

#[derive(Default)]
struct Sums {
    /// What was added, less what was taken back.
    entries: i64,
    support: i64,
    weight: f64,
}

/// A [`Windows`] and what its deltas add up to.
pub(super) struct Counts {
    rules: CountingRules,
    windows: Windows,
    items: Items,
    users: UserKeys,
    cells: BTreeMap<Cell, Sums>,
    rejected: i64,
    landmark: Option<EventTime>,
}

impl Counts {
    pub(super) fn new(rules: &CountingRules) -> Self {
        Self {
            rules: rules.clone(),
            windows: Windows::new(rules),
            items: Items::default(),
            users: UserKeys::new([0; 16]),
            cells: BTreeMap::new(),
            rejected: 0,
            landmark: None,
        }
    }

    pub(super) fn visitors(&self) -> usize {
        self.windows.visitors()
    }

    pub(super) fn event(&mut self, event: &Event) {
        let time = EventTime(event.ts);
        self.landmark.get_or_insert(time);
        let shop = self.items.shop(&event.shop);
        if event.kind.is_refused() {
            self.rejected += 1; // intake's work
            return;
        }
        let names = match &event.kind {
            Kind::View { item, .. } | Kind::Cart { item } => std::slice::from_ref(item),
            Kind::Order { lines, .. } => lines.as_slice(),
            Kind::Erase => &[],
        };
        let items: Vec<ItemId> = names.iter().map(|item| self.items.item(shop, item)).collect();
        let (action, content) = match &event.kind {
            Kind::View { item, session } => {
                let session = session.as_deref().map(LinkKey::of);
                (Action::View { item: items[0], session }, EventKey::of_item(EventType::View, item, time))
            }
            Kind::Cart { item } => (Action::Cart(items[0]), EventKey::of_item(EventType::Cart, item, time)),
            Kind::Order { step, order_id, version, lines } => {
                let step = match step {
                    Step::State => OrderStep::State,
                    Step::Add => OrderStep::Add,
                    Step::Return => OrderStep::Return,
                    Step::Cancel => OrderStep::Cancel,
                };
                let number = (!order_id.is_empty()).then(|| LinkKey::of(order_id));
                let key = EventKey::of_order(step, order_id, *version, lines.iter().map(String::as_str), time);
                (Action::Order(OrderRecord { step, number, version: *version, lines: &items }), key)
            }
            Kind::Erase => (Action::Erase, EventKey(0)),
        };
        let key = event.id.as_ref().map_or(content, |id| EventKey::of_id(action.event_type(), id));
        let input = Input { user: self.users.key(&event.shop, &event.user), key, time, shop, action };
        let (items, rules, cells, landmark) = (&self.items, &self.rules, &mut self.cells, self.landmark);
        let mut book = Book { items, rules, cells, landmark, sign: 1 };
        self.windows.apply(&input, &mut |delta| book.enter(&delta));
    }

    /// All counts and tallies in the form of the recount.
    pub(super) fn rows(&self, as_of: i64) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        for ((kind, shop, relation, x, y), &Sums { support, weight, .. }) in &self.cells {
            let age = EventTime(as_of).since(self.landmark.unwrap()) as f64;
            rows.push(Row {
                kind,
                shop: self.items.shop_name(*shop).to_owned(),
                relation: relation.name().to_owned(),
                x: x.clone(),
                y: y.clone(),
                support,
                weight: weight / f64::exp2(age / self.rules.half_life(*relation) as f64),
            });
        }
        let tally = self.windows.tally();
        let tallies = [
            ("accepted", tally.accepted()),
            ("bulk", tally.bulk),
            ("duplicate", tally.duplicate),
            ("late", tally.late),
            ("overlong", tally.overlong),
            ("rejected", self.rejected.try_into().unwrap()),
            ("stale", tally.stale),
            ("unchanged", tally.unchanged),
            ("unknown_order", tally.unknown_order),
        ];
        rows.extend(tallies.iter().filter(|t| t.1 > 0).map(|&(name, n)| tally_row(name, n.try_into().unwrap())));
        sort(&mut rows);
        rows
    }
}

struct Book<'a> {
    items: &'a Items,
    rules: &'a CountingRules,
    cells: &'a mut BTreeMap<Cell, Sums>,
    landmark: Option<EventTime>,
    /// Of the delta at hand.
    sign: i64,
}

impl Book<'_> {
    fn enter(&mut self, delta: &Delta<'_>) {
        let time = delta.time;
        self.sign = if delta.is_taken_back { -1 } else { 1 };
        match delta.change {
            Change::Context { shop, relation } => {
                self.add(("contexts", shop, relation, "*".into(), "*".into()), time, 1, 1.0);
            }
            Change::Star { relation, centre, neighbours } => {
                self.total(time, relation, centre, "both", 1, 1.0);
                for (distance, &other) in (1..).zip(neighbours) {
                    self.pair(time, relation, centre, other, 1, relation.star_weight(distance));
                    self.pair(time, relation, other, centre, 1, relation.star_weight(distance));
                }
            }
            Change::StarBack { .. } => panic!("windows does not split deltas"),
            Change::Basket { items, before, settled } => {
                let relation = Relation::BoughtTogether;
                for (place, i) in items.iter().enumerate() {
                    let weight = repeat_weight(i.repeats);
                    if place >= settled {
                        self.total(time, relation, i.item, "anchor", i64::from(i.repeats == 0), weight);
                        self.total(time, relation, i.item, "other", 1, 1.0);
                    }
                    for (at, j) in items.iter().enumerate() {
                        let is_settled = place < settled && at < settled;
                        if at == place || is_settled {
                            continue;
                        }
                        let new = before.is_empty() || before[place].are_apart(before[at]);
                        self.pair(time, relation, i.item, j.item, i64::from(new), weight);
                    }
                }
            }
            Change::Cross { relation, anchors, settled, others } => {
                for &anchor in anchors.iter().filter(|_| !settled) {
                    self.total(time, relation, anchor, "anchor", 1, 1.0);
                }
                for other in others {
                    let (new, weight) = (i64::from(other.repeats == 0), repeat_weight(other.repeats));
                    self.total(time, relation, other.item, "other", new, weight);
                    for &anchor in anchors.iter().filter(|&&anchor| anchor != other.item) {
                        self.pair(time, relation, anchor, other.item, new, weight);
                    }
                }
            }
        }
    }

    fn total(&mut self, time: EventTime, relation: Relation, item: ItemId, role: &str, support: i64, weight: f64) {
        let name = self.items.name(item).to_owned();
        self.add(("total", self.items.shop_of(item), relation, name, role.to_owned()), time, support, weight);
    }

    fn pair(&mut self, time: EventTime, relation: Relation, anchor: ItemId, other: ItemId, support: i64, weight: f64) {
        let (shop, x, y) = (self.items.shop_of(anchor), self.items.name(anchor), self.items.name(other));
        self.add(("pair", shop, relation, x.to_owned(), y.to_owned()), time, support, weight);
    }

    fn add(&mut self, cell: Cell, time: EventTime, support: i64, weight: f64) {
        let age = time.since(self.landmark.unwrap()) as f64;
        let decayed = weight * f64::exp2(age / self.rules.half_life(cell.2) as f64);
        let sums = self.cells.entry(cell.clone()).or_default();
        sums.entries += self.sign;
        sums.support += self.sign * support;
        sums.weight += self.sign as f64 * decayed;
        if sums.entries == 0 {
            self.cells.remove(&cell);
        }
    }
}
