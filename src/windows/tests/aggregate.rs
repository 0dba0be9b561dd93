//! The plainest reader of deltas: applies them as `relation` defines them, in f64.

use super::recount::{Event, Kind, Row, sort, tally_row};
use crate::event::{EventKey, EventTime, EventType, UserKeys};
use crate::items::{ItemId, Items, ShopId};
use crate::relation::{Change, Delta, Relation, repeat_weight};
use crate::rules::CountingRules;
use crate::windows::{Action, Input, Windows};
use std::collections::BTreeMap;

type Cell = (&'static str, ShopId, Relation, String, String);

/// A [`Windows`] and what its deltas add up to.
pub(super) struct Counts {
    rules: CountingRules,
    windows: Windows,
    items: Items,
    users: UserKeys,
    cells: BTreeMap<Cell, (i64, f64)>,
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
        let (event_type, name, names) = match &event.kind {
            Kind::View { item } => (EventType::View, item, std::slice::from_ref(item)),
            Kind::Cart { item } => (EventType::Cart, item, std::slice::from_ref(item)),
            Kind::Order { order_id, lines } => (EventType::Order, order_id, lines.as_slice()),
        };
        let items: Vec<ItemId> = names.iter().map(|item| self.items.item(shop, item)).collect();
        let Some(&first) = items.first() else {
            self.rejected += 1; // intake's work
            return;
        };
        let action = match event_type {
            EventType::View => Action::View(first),
            EventType::Cart => Action::Cart(first),
            EventType::Order => Action::Order(&items),
        };
        let key =
            event.id.as_ref().map_or_else(|| EventKey::of_content(event_type, name, time), |id| EventKey::of_id(id));
        let input = Input { user: self.users.key(&event.shop, &event.user), key, time, shop, action };
        let mut book = Book { items: &self.items, rules: &self.rules, cells: &mut self.cells, landmark: self.landmark };
        self.windows.apply(&input, &mut |delta| book.enter(&delta));
    }

    /// All counts and tallies in the form of the recount.
    pub(super) fn rows(&self, as_of: i64) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        for ((kind, shop, relation, x, y), &(support, weight)) in &self.cells {
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
        ];
        rows.extend(tallies.iter().filter(|t| t.1 > 0).map(|&(name, n)| tally_row(name, n.try_into().unwrap())));
        sort(&mut rows);
        rows
    }
}

struct Book<'a> {
    items: &'a Items,
    rules: &'a CountingRules,
    cells: &'a mut BTreeMap<Cell, (i64, f64)>,
    landmark: Option<EventTime>,
}

impl Book<'_> {
    fn enter(&mut self, delta: &Delta<'_>) {
        let time = delta.time;
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
            Change::Basket { items } => {
                let relation = Relation::BoughtTogether;
                for (place, i) in items.iter().enumerate() {
                    let weight = repeat_weight(i.repeats);
                    self.total(time, relation, i.item, "anchor", i64::from(i.repeats == 0), weight);
                    self.total(time, relation, i.item, "other", 1, 1.0);
                    for j in items.iter().enumerate().filter(|(other, _)| *other != place).map(|(_, j)| j) {
                        let new = i.repeats.min(j.repeats) == 0;
                        self.pair(time, relation, i.item, j.item, i64::from(new), weight);
                    }
                }
            }
            Change::Cross { relation, anchors, others } => {
                for &anchor in anchors {
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
        let sums = self.cells.entry(cell).or_default();
        sums.0 += support;
        sums.1 += decayed;
    }
}
