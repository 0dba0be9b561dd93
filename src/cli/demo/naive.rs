//! A naive recount of two relations by design section 5 and their lists by section 6, for the tests of the shop alone:
//! what the stages should make of it. Shares no code with them.

use crate::relation::Relation;
use crate::rules::{CountingRules, ListRules};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

#[derive(Default)]
struct User {
    seen: Vec<String>,
    seen_orders: Vec<String>,
    session: Vec<u32>,
    session_at: Option<i64>,
    purchases: HashMap<u32, (i64, u32)>,
}

#[derive(Default)]
struct Counts {
    pairs: HashMap<(u32, u32), (u32, f64)>,
    anchor: HashMap<u32, f64>,
    other: HashMap<u32, f64>,
    contexts: f64,
}

impl Counts {
    fn pair(&mut self, row: u32, other: u32, support: u32, weight: f64) {
        let cell = self.pairs.entry((row, other)).or_default();
        cell.0 += support;
        cell.1 += weight;
    }
}

/// The recount. Weights are relative to `landmark_ms`; only ratios matter, so they are never decayed to a now.
pub(super) struct Naive {
    rules: CountingRules,
    landmark_ms: i64,
    ids: HashMap<String, u32>,
    names: Vec<String>,
    users: HashMap<String, User>,
    bought: Counts,
    viewed: Counts,
    latest_ms: i64,
    pub rejects: u64,
    pub duplicates: u64,
    pub late: u64,
    pub bulk: u64,
}

impl Naive {
    pub fn new(rules: CountingRules, landmark_ms: i64) -> Self {
        let (ids, users) = (HashMap::new(), HashMap::new());
        Self {
            rules,
            landmark_ms,
            ids,
            names: Vec::new(),
            users,
            bought: Counts::default(),
            viewed: Counts::default(),
            latest_ms: landmark_ms,
            rejects: 0,
            duplicates: 0,
            late: 0,
            bulk: 0,
        }
    }

    pub fn record(&mut self, value: Option<&[u8]>) {
        if value.and_then(|value| self.event(&serde_json::from_slice(value).ok()?)).is_none() {
            self.rejects += 1;
        }
    }

    /// `None` is a reject.
    fn event(&mut self, event: &Value) -> Option<()> {
        let (name, time_ms) = (event["user"].as_str()?, event["ts"].as_i64()?);
        if time_ms < 946_684_800_000 {
            return None;
        }
        let is_order = event["type"] == "order";
        let items: Vec<u32> = match event["type"].as_str()? {
            "view" | "cart" => vec![self.id(event["item"].as_str()?)],
            "order" => event["lines"]
                .as_array()?
                .iter()
                .map(|line| Some(self.id(line["item"].as_str()?)))
                .collect::<Option<_>>()?,
            _ => return None,
        };
        let first = *items.first()?;
        self.latest_ms = self.latest_ms.max(time_ms);
        let user = self.users.entry(name.to_owned()).or_default();
        let ring = if is_order { &mut user.seen_orders } else { &mut user.seen };
        let id = event["event_id"].as_str()?.to_owned();
        if ring.contains(&id) {
            self.duplicates += 1;
            return Some(());
        }
        ring.push(id);
        if ring.len() > self.rules.dedup_ids {
            ring.remove(0);
        }
        let mut user = std::mem::take(user);
        match event["type"].as_str()? {
            "view" => self.view(&mut user, time_ms, first),
            "order" => self.order(&mut user, time_ms, &items),
            _ => {}
        }
        self.users.insert(name.to_owned(), user);
        Some(())
    }

    fn id(&mut self, name: &str) -> u32 {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        let id = u32::try_from(self.names.len()).unwrap();
        self.names.push(name.to_owned());
        self.ids.insert(name.to_owned(), id);
        id
    }

    fn weight(&self, relation: Relation, time_ms: i64) -> f64 {
        ((time_ms - self.landmark_ms) as f64 / self.rules.half_life(relation) as f64).exp2()
    }

    fn view(&mut self, user: &mut User, time_ms: i64, item: u32) {
        let unit = self.weight(Relation::ViewedTogether, time_ms);
        let gap_ms = self.rules.session_gap_ms;
        if user.session_at.is_some_and(|at| time_ms < at - gap_ms) {
            self.late += 1;
            return;
        }
        if user.session_at.is_none_or(|at| time_ms > at + gap_ms) {
            user.session.clear();
            user.session_at = Some(time_ms);
            self.viewed.contexts += unit;
        }
        user.session_at = user.session_at.max(Some(time_ms));
        if user.session.contains(&item) || user.session.len() >= self.rules.session_max_items {
            return;
        }
        *self.viewed.anchor.entry(item).or_default() += unit;
        *self.viewed.other.entry(item).or_default() += unit;
        for (before, other) in user.session.iter().rev().take(self.rules.pair_window).enumerate() {
            let weight = unit / ((before + 1) as f64).sqrt();
            self.viewed.pair(item, *other, 1, weight);
            self.viewed.pair(*other, item, 1, weight);
        }
        user.session.push(item);
    }

    fn order(&mut self, user: &mut User, time_ms: i64, items: &[u32]) {
        let mut basket = Vec::new();
        for item in items {
            if !basket.contains(item) {
                basket.push(*item);
            }
        }
        if basket.len() > self.rules.basket_max {
            self.bulk += 1;
            return;
        }
        let unit = self.weight(Relation::BoughtTogether, time_ms);
        let horizon_ms = self.rules.repeat_horizon_ms;
        let repeats: Vec<u32> = basket
            .iter()
            .map(|item| {
                user.purchases.get(item).filter(|(last, _)| time_ms - last <= horizon_ms).map_or(0, |(_, n)| *n)
            })
            .collect();
        self.bought.contexts += unit;
        for (i, r) in basket.iter().zip(&repeats) {
            *self.bought.anchor.entry(*i).or_default() += unit / f64::from(1 + r);
            *self.bought.other.entry(*i).or_default() += unit;
            for (j, s) in basket.iter().zip(&repeats).filter(|(j, _)| *j != i) {
                self.bought.pair(*i, *j, u32::from(r.min(s) == &0), unit / f64::from(1 + r));
            }
        }
        for (item, r) in basket.iter().zip(repeats) {
            user.purchases.insert(*item, (time_ms, r + 1));
        }
    }

    /// The shown entries of every list of `rules`, by article number.
    pub fn lists(&self, rules: &ListRules) -> BTreeMap<String, Vec<String>> {
        let counts = if rules.relation == Relation::BoughtTogether { &self.bought } else { &self.viewed };
        let now = self.weight(rules.relation, self.latest_ms);
        let mut rows: BTreeMap<u32, Vec<(f64, u32)>> = BTreeMap::new();
        let mut pairs: Vec<_> = counts.pairs.iter().collect();
        pairs.sort_by_key(|(key, _)| **key);
        for (&(x, y), &(support, weight)) in pairs {
            let (a, b, n) = (counts.anchor[&x] / now, counts.other[&y] / now, counts.contexts / now);
            let k = (weight / now).min(a).min(b);
            let lift = (k / a) / (b / n);
            let passes = support >= rules.min_support
                && rules.min_llr_root.is_none_or(|least| llr_root(k, a, b, n) >= least)
                && (!rules.lift_above_one || lift > 1.0);
            if passes {
                rows.entry(x).or_default().push((wilson(k, a) * (n / b).powf(rules.specificity), y));
            }
        }
        let name = |id: u32| self.names[id as usize].clone();
        let shown = |mut row: Vec<(f64, u32)>| {
            row.sort_by(|one, other| other.0.total_cmp(&one.0));
            row.into_iter().take(rules.length).map(|(_, y)| name(y)).collect()
        };
        rows.into_iter().map(|(x, row)| (name(x), shown(row))).collect()
    }

    /// Orders that held both, and each, in weight.
    pub fn bought(&self, x: &str, y: &str) -> (f64, f64, f64, f64) {
        let (x, y) = (self.ids[x], self.ids[y]);
        let together = self.bought.pairs.get(&(x, y)).map_or(0.0, |cell| cell.1);
        (together, self.bought.other[&x], self.bought.other[&y], self.bought.contexts)
    }

    /// Weight of the pair's views together as a share of the anchor's.
    pub fn viewed_share(&self, x: &str, y: &str) -> f64 {
        let (x, y) = (self.ids[x], self.ids[y]);
        self.viewed.pairs.get(&(x, y)).map_or(0.0, |cell| cell.1) / self.viewed.anchor[&x]
    }
}

fn wilson(k: f64, a: f64) -> f64 {
    let (p, z2) = (k / a, 1.96_f64 * 1.96);
    let spread = 1.96 * (p * (1.0 - p) / a + z2 / (4.0 * a * a)).max(0.0).sqrt();
    ((p + z2 / (2.0 * a) - spread) / (1.0 + z2 / a)).max(0.0) * 100.0
}

fn llr_root(k: f64, a: f64, b: f64, n: f64) -> f64 {
    let cells = [k, (a - k).max(0.0), (b - k).max(0.0), (n - a - b + k).max(0.0)];
    let entropy = |cells: &[f64]| -> f64 {
        let sum: f64 = cells.iter().sum();
        cells.iter().filter(|cell| **cell > 0.0).map(|cell| cell * (cell / sum).ln()).sum()
    };
    let rows = entropy(&[cells[0] + cells[1], cells[2] + cells[3]]);
    let columns = entropy(&[cells[0] + cells[2], cells[1] + cells[3]]);
    let g = (2.0 * (entropy(&cells) - rows - columns)).max(0.0);
    g.sqrt().copysign(k / a - b / n)
}
