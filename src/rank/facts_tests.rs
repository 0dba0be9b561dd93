//! By facts: the fast way against the explanation, and both against lists made the naive way, from what was said and nothing else.

use super::measure::{RankValue, thousandths};
use super::tests::{counted, orders, rules};
use super::*;
use crate::facts::{Catalogue, Facts, Kind, RelationKey, RelationTerms, Ruling, Stock, Verdict, VerdictKey};
use crate::list_key::ListName;
use crate::relation::Relation;
use crate::rows::{RowView, Rows};
use crate::rules::{Alike, Beside, ListRules, ShownRules};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const SHOP: &str = "main";
const NOW_MS: i64 = 1_000;

/// What is said of items and pairs, plainly. Items are numbers: `i7`.
#[derive(Clone, Debug, Default)]
struct Sayings {
    items: BTreeMap<u16, Item>,
    relations: BTreeMap<(u16, u16, Kind), RelationTerms>,
    verdicts: BTreeMap<VerdictOn, (Ruling, Option<i64>)>,
}

/// List (none is all), anchor (none is everybody) and other.
type VerdictOn = (Option<ListName>, Option<u16>, u16);

#[derive(Clone, Debug)]
struct Item {
    parent: Option<u16>,
    category: Vec<&'static str>,
    brand: Option<&'static str>,
    price: Option<(f64, &'static str)>,
    active: bool,
    stock: Option<Stock>,
}

fn name(item: u16) -> String {
    format!("i{item}")
}

impl Sayings {
    fn facts(&self) -> Facts {
        let facts = Facts::new(1 << 30);
        facts.come_to(NOW_MS);
        for (&item, said) in &self.items {
            let parent = said.parent.map(name);
            let catalogue = Catalogue {
                parent: parent.as_deref(),
                category: said.category.clone(),
                brand: said.brand,
                price: said.price.map(|(amount, _)| amount),
                currency: said.price.map(|(_, currency)| currency),
                active: said.active,
                ..Catalogue::default()
            };
            facts.set_catalogue(SHOP, &name(item), Some(&catalogue)).unwrap();
            facts.set_stock(SHOP, &name(item), said.stock).unwrap();
        }
        for (&(anchor, other, kind), terms) in &self.relations {
            let (anchor, other) = (name(anchor), name(other));
            let key = RelationKey { anchor: &anchor, other: &other, kind };
            facts.set_relation(SHOP, key, Some(terms)).unwrap();
        }
        for (&(list, anchor, other), &(ruling, until_ms)) in &self.verdicts {
            let (anchor, other) = (anchor.map(name), name(other));
            let verdict = Verdict {
                list,
                other: other.clone().into(),
                fingerprint: 0,
                ruling,
                who: "an editor".into(),
                when_ms: 1,
                why: "tried".into(),
                until_ms,
            };
            let key = VerdictKey { list, anchor: anchor.as_deref(), other: &other };
            facts.set_verdict(SHOP, key, Some(verdict)).unwrap();
        }
        facts
    }

    fn ruling(&self, list: ListName, anchor: u16, other: u16) -> Option<Ruling> {
        let keys = [
            (Some(list), Some(anchor), other),
            (None, Some(anchor), other),
            (Some(list), None, other),
            (None, None, other),
        ];
        let found = keys.into_iter().filter_map(|key| self.verdicts.get(&key));
        found
            .filter(|(_, until_ms)| until_ms.is_none_or(|until_ms| until_ms > NOW_MS))
            .map(|(ruling, _)| *ruling)
            .next()
    }

    fn family(&self, item: u16) -> u16 {
        self.items.get(&item).and_then(|said| said.parent).unwrap_or(item) // one level: variants have no variants here
    }

    fn stock(&self, item: u16) -> Stock {
        let variants: Vec<&Item> = self.items.values().filter(|said| said.parent == Some(item)).collect();
        let of_variant = |said: &&Item| if said.active { said.stock } else { Some(Stock::Out) };
        let told: Vec<Option<Stock>> = variants.iter().map(of_variant).collect();
        if told.iter().any(Option::is_some) {
            return told.into_iter().map(Option::unwrap_or_default).max().unwrap();
        }
        self.items.get(&item).and_then(|said| said.stock).unwrap_or_default()
    }

    /// Whether it may be shown at all.
    fn is_to_be_had(&self, rules: &ShownRules, item: u16) -> bool {
        let is_active = self.items.get(&item).is_none_or(|said| said.active);
        is_active && !(rules.in_stock && self.stock(item) == Stock::Out)
    }

    fn goes_beside(&self, rules: &ShownRules, anchor: u16, other: u16) -> bool {
        let (Some(one), Some(another)) = (self.items.get(&anchor), self.items.get(&other)) else { return true };
        let allows = |alike: Alike, is_same: bool| match alike {
            Alike::Any => true,
            Alike::Same => is_same,
            Alike::Other => !is_same,
        };
        let is_same_way = one.category.iter().zip(&another.category).all(|(x, y)| x == y);
        if !one.category.is_empty() && !another.category.is_empty() && !allows(rules.category, is_same_way) {
            return false;
        }
        // Of the rules whose anchor is a beginning of ours, the longest.
        let text = |names: &[Box<str>]| names.join("/") + "/";
        let ways = [&one.category, &another.category].map(|way| way.join("/") + "/");
        let ruling = (rules.beside.iter())
            .filter(|rule| ways[0].starts_with(&text(&rule.anchor)))
            .max_by_key(|rule| text(&rule.anchor).len());
        if !one.category.is_empty()
            && !another.category.is_empty()
            && ruling.is_some_and(|rule| !rule.entries.iter().any(|entry| ways[1].starts_with(&text(entry))))
        {
            return false;
        }
        if let (Some((anchors, one)), Some((others, another))) = (one.price, another.price)
            && one == another
            && (rules.price_at_least.is_some_and(|share| others < share * anchors)
                || rules.price_at_most.is_some_and(|share| others > share * anchors))
        {
            return false;
        }
        one.brand.is_none() || another.brand.is_none() || allows(rules.brand, one.brand == another.brand)
    }

    /// What the list of an anchor shows, and has in reserve, each with where it comes from.
    fn naive(&self, row: &RowView<'_>, rules: &ListRules) -> Vec<(String, Source)> {
        let number = |text: &str| text[1..].parse::<u16>().unwrap();
        let anchor = number(row.items.name(row.anchor));
        let ruling = |other| self.ruling(rules.list, anchor, other);
        let pin = |other| match ruling(other) {
            Some(Ruling::Pin(place)) => Some(place.max(1)),
            _ => None,
        };
        let is_out = |other| {
            ruling(other) == Some(Ruling::Reject)
                || self.relations.get(&(anchor, other, Kind::Never)).is_some_and(holds)
                || !self.is_to_be_had(&rules.shown, other)
        };
        // Counted, by rank: gates of evidence as without facts, but for what is approved.
        let plain = ListRules { length: usize::MAX / 2, reserve: 0, ..rules.clone() };
        let open = ListRules { min_support: 0, min_llr_root: None, lift_above_one: false, ..plain.clone() };
        let passes: BTreeSet<_> = Ranker::new(plain).rank(row).entries.iter().map(|entry| entry.item).collect();
        let mut counted: Vec<(i64, f64, String, u16)> = Vec::new();
        let (mut neighbours, mut values) = (BTreeSet::new(), BTreeMap::new());
        for entry in Ranker::new(open).rank(row).entries {
            values.insert(entry.item, entry);
        }
        for neighbour in row.neighbours() {
            let text = row.items.name(neighbour.item);
            let other = number(text);
            neighbours.insert(other);
            let Some(entry) = values.get(&neighbour.item) else { continue };
            if passes.contains(&neighbour.item) || ruling(other) == Some(Ruling::Approve) {
                let boost = if let Some(Ruling::Boost(by)) = ruling(other) { by } else { 1.0 };
                let value = RankValue::new(rules).of_row(row.anchor_weight, row.contexts).of(&entry.figures);
                counted.push((-thousandths(value * boost), -entry.llr_root, text.to_owned(), other));
            }
        }
        counted.sort_by(|x, y| x.0.cmp(&y.0).then(x.1.total_cmp(&y.1)).then(x.2.cmp(&y.2)));
        // By hand: pins of this anchor, pins everywhere of what is counted here, relations of the kinds that are shown.
        let mut by_hand: Vec<(u16, bool, String, u16)> = Vec::new();
        let others: BTreeSet<u16> = (0..60).filter(|&other| other != anchor).collect();
        for &other in &others {
            let related: Vec<u16> = (rules.shown.relations.iter())
                .filter_map(|&kind| self.relations.get(&(anchor, other, kind)))
                .filter(|terms| holds(terms))
                .map(|terms| terms.position.unwrap_or(u16::MAX))
                .collect();
            let own = [Some(rules.list), None].map(|list| self.verdicts.get(&(list, Some(anchor), other)));
            let is_own = own.into_iter().flatten().any(|(_, until)| until.is_none_or(|until| until > NOW_MS));
            match pin(other) {
                Some(place) if is_own || !related.is_empty() || neighbours.contains(&other) => {
                    by_hand.push((place, false, name(other), other));
                }
                _ => by_hand.extend(related.into_iter().min().map(|place| (place, true, name(other), other))),
            }
        }
        by_hand.sort();
        let wanted_by_hand: BTreeSet<u16> = by_hand.iter().map(|(.., other)| *other).collect();
        let source = |is_related: bool| if is_related { Source::Manual } else { Source::Pinned };
        let by_hand = by_hand.into_iter().filter(|(.., other)| !is_out(*other));
        let (mut fixed, ahead): (Vec<_>, Vec<_>) =
            by_hand.partition(|(place, is_related, ..)| !(*is_related && *place == u16::MAX));
        let wanted = rules.length + rules.reserve;
        fixed.truncate(wanted);
        let mut families: BTreeSet<u16> = fixed.iter().chain(&ahead).map(|(.., other)| self.family(*other)).collect();
        let mut floating: Vec<(u16, Source)> = ahead.iter().map(|(.., other)| (*other, Source::Manual)).collect();
        for (.., other) in counted {
            let is_sibling = self.family(other) == self.family(anchor) || families.contains(&self.family(other));
            if wanted_by_hand.contains(&other)
                || is_out(other)
                || is_sibling
                || !self.goes_beside(&rules.shown, anchor, other)
            {
                continue;
            }
            families.insert(self.family(other));
            floating.push((other, Source::Counted));
        }
        // Low stock stands behind all that is shown, and behind the first of the reserve.
        let mut ahead = (rules.length + 1)
            .saturating_sub(fixed.iter().filter(|(place, ..)| usize::from(*place) <= rules.length + 1).count());
        let (mut first, mut behind) = (Vec::new(), Vec::new());
        for (other, source) in floating {
            if ahead > 0 && !(rules.shown.in_stock && self.stock(other) == Stock::Low) {
                ahead -= 1;
                first.push((other, source));
            } else {
                behind.push((other, source));
            }
        }
        first.append(&mut behind);
        first.truncate(wanted - fixed.len());
        let mut list: Vec<(u16, Source)> = Vec::new();
        let mut floating = first.into_iter();
        for (place, is_related, _, other) in fixed {
            while list.len() + 1 < usize::from(place) {
                let Some(next) = floating.next() else { break };
                list.push(next);
            }
            list.push((other, source(is_related)));
        }
        list.extend(floating);
        list.into_iter().map(|(other, source)| (name(other), source)).collect()
    }
}

fn holds(terms: &RelationTerms) -> bool {
    terms.from_ms.is_none_or(|from| from <= NOW_MS) && terms.until_ms.is_none_or(|until| until > NOW_MS)
}

fn item() -> impl Strategy<Value = Item> {
    let categories = [vec![], vec!["Home"], vec!["Home", "Mugs"], vec!["Home", "Pans"], vec!["Office"]];
    let price = prop_oneof![Just(None), (1_u8..5).prop_map(|n| Some((f64::from(n), "EUR"))), Just(Some((2.0, "USD")))];
    let stock = prop_oneof![
        3 => Just(None), 1 => Just(Some(Stock::In)), 2 => Just(Some(Stock::Low)), 2 => Just(Some(Stock::Out))
    ];
    (
        prop_oneof![3 => Just(None), 1 => (0_u16..4).prop_map(|n| Some(50 + n))],
        proptest::sample::select(categories.to_vec()),
        proptest::sample::select(vec![None, Some("Kyo"), Some("Ube")]),
        price,
        prop_oneof![8 => Just(true), 1 => Just(false)],
        stock,
    )
        .prop_map(|(parent, category, brand, price, active, stock)| Item {
            parent,
            category,
            brand,
            price,
            active,
            stock,
        })
}

fn ruling() -> impl Strategy<Value = Ruling> {
    prop_oneof![
        Just(Ruling::Approve),
        Just(Ruling::Reject),
        (0_u16..9).prop_map(Ruling::Pin),
        (0_u8..4).prop_map(|n| Ruling::Boost(f64::from(n).mul_add(0.5, 0.5))),
    ]
}

fn sayings() -> impl Strategy<Value = Sayings> {
    // Items up to 39 are counted, up to 49 not; 50 to 53 are parents.
    let kinds = [Kind::Complement, Kind::Accessory, Kind::Alternative, Kind::Never];
    let time = || prop_oneof![3 => Just(None), 1 => Just(Some(NOW_MS)), 1 => Just(Some(NOW_MS + 1))];
    let terms = (prop_oneof![Just(None), (1_u16..20).prop_map(Some)], time(), time());
    let terms = terms.prop_map(|(position, from_ms, until_ms)| RelationTerms { position, from_ms, until_ms });
    let relation = ((0_u16..40, 0_u16..50, proptest::sample::select(kinds.to_vec())), terms);
    let list = proptest::sample::select(vec![None, Some(ListName::ALL[0]), Some(ListName::ALL[1])]);
    let anchor = prop_oneof![1 => Just(None), 4 => (0_u16..40).prop_map(Some)];
    let verdict = ((list, anchor, 0_u16..50), (ruling(), time()));
    (
        proptest::collection::btree_map(0_u16..50, item(), 0..40),
        proptest::collection::vec(relation, 0..80),
        proptest::collection::vec(verdict, 0..80),
    )
        .prop_map(|(items, relations, verdicts)| Sayings {
            items,
            relations: relations.into_iter().filter(|((anchor, other, _), _)| anchor != other).collect(),
            verdicts: verdicts.into_iter().filter(|((_, anchor, other), _)| *anchor != Some(*other)).collect(),
        })
}

fn shown() -> impl Strategy<Value = ShownRules> {
    let alike = || proptest::sample::select(vec![Alike::Any, Alike::Same, Alike::Other]);
    let share = |share: f64| proptest::sample::select(vec![None, Some(share)]);
    let relations = vec![vec![], vec![Kind::Complement, Kind::Accessory], Kind::SHOWN.to_vec()];
    let rule = |anchor: &[&str], entry: &[&str]| {
        let [anchor, entry] = [anchor, entry].map(|names| names.iter().map(|&name| name.into()).collect());
        Beside { anchor, entries: vec![entry] }
    };
    let beside = vec![
        vec![],
        vec![rule(&["Home"], &["Home", "Mugs"]), rule(&["Home", "Mugs"], &["Office"])],
        vec![rule(&["Office"], &["Office"])],
    ];
    let beside = proptest::sample::select(beside);
    (any::<bool>(), alike(), beside, alike(), share(0.75), share(2.0), proptest::sample::select(relations)).prop_map(
        |(in_stock, category, beside, brand, price_at_least, price_at_most, relations)| ShownRules {
            in_stock,
            category,
            beside,
            brand,
            price_at_least,
            price_at_most,
            relations,
        },
    )
}

fn entries(list: &List, rows: &Rows) -> Vec<(String, Source)> {
    list.entries.iter().map(|entry| (rows.items().name(entry.item).to_owned(), entry.label.source)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn lists_by_facts_are_the_naive_ones_and_the_explanation_says_so(
        orders in orders(),
        plain in rules(),
        shown in shown(),
        said in sayings(),
    ) {
        let mut rows = counted(&orders, &[]);
        let shop = rows.items_mut().shop(SHOP);
        (0..54).for_each(|n| { rows.items_mut().item(shop, &name(n)); });
        let rules = ListRules { shown, ..plain };
        let facts = said.facts();
        let mut ranker = Ranker::new(rules.clone());
        let mut list = List::blank();
        for anchor in rows.items().ids().take(45) {
            let row = rows.row(Relation::BoughtTogether, anchor);
            ranker.rank_by_facts(&row, &facts, &mut list);
            let expected = said.naive(&row, &rules);
            prop_assert_eq!(entries(&list, &rows), expected, "{}", rows.items().name(anchor));
            prop_assert_eq!(list.shown, rules.length.min(list.entries.len()));

            let explanation = explain(&row, &rules, usize::MAX, Some(&facts));
            prop_assert!(explanation.candidates.iter().all(|c| c.place.is_some() != c.gate.is_some()));
            let placed: Vec<_> = explanation.candidates.iter().filter(|c| c.place.is_some()).collect();
            prop_assert_eq!(placed.len(), list.entries.len());
            for (n, (entry, candidate)) in list.entries.iter().zip(&placed).enumerate() {
                let place = if n < rules.length { Place::Shown(n + 1) } else { Place::Reserve(n + 1 - rules.length) };
                prop_assert_eq!(candidate.place, Some(place));
                prop_assert_eq!(&candidate.item, rows.items().name(entry.item));
                let label = Label {
                    source: candidate.source,
                    verdict: entry.label.verdict,
                    relation: candidate.relation,
                    list: None,
                };
                prop_assert_eq!(entry.label, label);
                prop_assert_eq!(candidate.verdict.is_some(), entry.label.verdict.is_some());
            }
            let json = serde_json::to_string(&explanation).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Explanation>(&json).unwrap().candidates.len(), &explanation.candidates.len());

            // What is held back is what would have a place: had it not been turned away, it would.
            for &held in &list.held_back {
                prop_assert!(list.entries.iter().all(|entry| entry.item != held));
            }
        }
    }
}

/// Names of gates and of entries with a place, of the list of `i0`.
fn explained(said: &Sayings, rules: &ListRules) -> Vec<(String, Option<Gate>)> {
    let basket: Vec<(u16, u32)> = (0..6).map(|item| (item, 0)).collect();
    let mut rows = counted(&[(0, basket.clone()), (0, basket.clone()), (0, basket)], &[]);
    let shop = rows.items_mut().shop(SHOP);
    (6..12).for_each(|n| {
        rows.items_mut().item(shop, &name(n));
    });
    let anchor = rows.items().find_item(SHOP, "i0").unwrap();
    let row = rows.row(Relation::BoughtTogether, anchor);
    let explanation = explain(&row, rules, usize::MAX, Some(&said.facts()));
    explanation.candidates.into_iter().map(|candidate| (candidate.item, candidate.gate)).collect()
}

#[test]
fn each_gate_by_facts_is_named() {
    let shown = ShownRules {
        category: Alike::Other,
        brand: Alike::Other,
        price_at_least: Some(0.5),
        price_at_most: Some(2.0),
        ..ShownRules::of(Relation::BoughtTogether)
    };
    let open = ListRules {
        min_support: 0,
        min_llr_root: None,
        lift_above_one: false,
        shown,
        ..ListRules::of(Relation::BoughtTogether)
    };
    let blank = || Item { parent: None, category: vec![], brand: None, price: None, active: true, stock: None };
    let price = |amount: f64, currency| Some((amount, currency));
    let anchor = Item { category: vec!["Home", "Mugs"], brand: Some("Kyo"), price: price(10.0, "EUR"), ..blank() };
    let cases: Vec<(&str, Option<Gate>, Item)> = vec![
        ("nothing known", None, blank()),
        ("not sold", Some(Gate::NotSold), Item { active: false, ..blank() }),
        ("out", Some(Gate::OutOfStock), Item { stock: Some(Stock::Out), ..blank() }),
        ("low", None, Item { stock: Some(Stock::Low), ..blank() }),
        ("variant of the anchor", Some(Gate::Family), Item { parent: Some(0), ..blank() }),
        ("wider category", Some(Gate::Category), Item { category: vec!["Home"], ..blank() }),
        ("another category", None, Item { category: vec!["Home", "Pans"], ..blank() }),
        ("as dear as may be", None, Item { price: price(20.0, "EUR"), ..blank() }),
        ("too dear", Some(Gate::Price), Item { price: price(20.1, "EUR"), ..blank() }),
        ("too cheap", Some(Gate::Price), Item { price: price(4.9, "EUR"), ..blank() }),
        ("another currency", None, Item { price: price(4000.0, "HUF"), ..blank() }),
        ("the same maker", Some(Gate::Brand), Item { brand: Some("Kyo"), ..blank() }),
    ];
    for (what, gate, item) in cases {
        let said = Sayings { items: [(0, anchor.clone()), (3, item)].into(), ..Sayings::default() };
        let found: Vec<_> = explained(&said, &open).into_iter().filter(|(item, _)| item == "i3").collect();
        assert_eq!(found, [("i3".to_owned(), gate)], "{what}");
        let is_last = explained(&said, &open).iter().position(|(item, _)| item == "i3") == Some(4);
        assert_eq!(is_last, gate.is_some() || what == "low", "{what}");
    }
    let never = Sayings { relations: [((0, 3, Kind::Never), RelationTerms::default())].into(), ..Sayings::default() };
    assert!(explained(&never, &open).contains(&("i3".to_owned(), Some(Gate::Never))));
    let siblings =
        Sayings { items: [1, 2].map(|item| (item, Item { parent: Some(50), ..blank() })).into(), ..Sayings::default() };
    assert!(explained(&siblings, &open).contains(&("i2".to_owned(), Some(Gate::Family))), "a second variant");
    for (ruling, gate) in [(Ruling::Reject, Some(Gate::Rejected)), (Ruling::Approve, None), (Ruling::Boost(0.5), None)]
    {
        for anchor in [None, Some(0)] {
            for list in [None, Some(ListName::of(Relation::BoughtTogether))] {
                let said = Sayings { verdicts: [((list, anchor, 3), (ruling, None))].into(), ..Sayings::default() };
                assert!(explained(&said, &open).contains(&("i3".to_owned(), gate)), "{ruling:?} {anchor:?} {list:?}");
            }
        }
        let elsewhere = [((None, Some(1), 3), (ruling, None)), ((Some(ListName::ALL[1]), Some(0), 3), (ruling, None))];
        let said = Sayings { verdicts: elsewhere.into(), ..Sayings::default() };
        assert!(explained(&said, &open).contains(&("i3".to_owned(), None)), "said of other lists");
    }
    let strict = ListRules { min_support: 99, ..open.clone() };
    let approved = Sayings { verdicts: [((None, Some(0), 3), (Ruling::Approve, None))].into(), ..Sayings::default() };
    let placed: Vec<_> = explained(&approved, &strict).into_iter().filter(|(_, gate)| gate.is_none()).collect();
    assert_eq!(placed, [("i3".to_owned(), None)], "evidence does not count against what is approved");
}

/// When its category changes, the list has to be ranked anew.
#[test]
fn what_would_have_a_place_but_for_its_category_is_held_back_as_far_as_a_list_can() {
    let orders: Vec<(i64, Vec<(u16, u32)>)> = (1..=40).map(|other| (0, vec![(0, 0), (other, 0)])).collect();
    let rows = counted(&orders, &[0]);
    let mugs = Item { parent: None, category: vec!["Mugs"], brand: None, price: None, active: true, stock: None };
    let items = (1..=40).map(|item| (item, mugs.clone())).collect();
    let facts = Sayings { items, ..Sayings::default() }.facts();
    let open = ListRules {
        min_support: 0,
        min_llr_root: None,
        lift_above_one: false,
        category_max: Some(2),
        length: 5,
        reserve: 3,
        ..ListRules::of(Relation::BoughtTogether)
    };
    let anchor = rows.items().find_item(SHOP, "i0").unwrap();
    let mut list = List::blank();
    Ranker::new(open).rank_by_facts(&rows.row(Relation::BoughtTogether, anchor), &facts, &mut list);
    assert_eq!((list.entries.len(), list.held_back.len()), (5, 16));
    let all: BTreeSet<_> = list.entries.iter().map(|entry| entry.item).chain(list.held_back).collect();
    assert_eq!(all.len(), 21, "each once");
}
