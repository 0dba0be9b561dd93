//! Where the figures come from: what lists show, and the counts and facts behind them.

use super::figures::{
    CatalogueFigures, Contradicted, Exposure, ListFigures, Report, ReviewFigures, SCORE_BARS, WithoutEffect,
};
use crate::cli::UsageError;
use crate::cli::exposure::Spread;
use crate::facts::{Facts, Ruling, Stock, Verdict};
use crate::items::ItemId;
use crate::list_key::{Base, ListName};
use crate::publish::ListRecord;
use crate::rank::{ExplainedCandidate, Place, Source};
use crate::relation::Relation;
use crate::rules::{CountingRules, DAY_MS, ListRules};
use crate::serve::Asked;
use crate::serve::clicks::Clicked;
use crate::serve::review::{ToReview, to_review};
use crate::stage::RowsWork;
use anyhow::Context as _;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

/// Entries to review that are told.
pub(super) const REVIEW_TOLD: usize = 20;
/// Verdicts that counts speak against that are told, the strongest first.
const CONTRADICTED_TOLD: usize = 100;
/// What is rejected has strong evidence from here on: a signed root LLR, and times as many customers as the list asks for.
const STRONG_ROOT: f64 = 5.0;
const STRONG_SUPPORT: u32 = 2;

/// The product, its score, and where it comes from.
type Entry = (String, f64, Source);

/// Verdicts that change nothing that are told.
const WITHOUT_EFFECT_TOLD: usize = 100;
/// Names of other shops, and of lists, that are told of what is passed over.
const NAMES_TOLD: usize = 5;

/// What lists show.
#[derive(Default)]
pub(in crate::cli) struct Lists {
    shop: String,
    /// By list and what it is about.
    shown: BTreeMap<(ListName, String), Vec<Entry>>,
    as_of_ms: Option<i64>,
}

impl Lists {
    /// Of this shop, none yet.
    pub(in crate::cli) fn of(shop: &str) -> Self {
        Self { shop: shop.to_owned(), ..Self::default() }
    }

    /// Takes in a record: of each key the last one counts.
    pub(in crate::cli) fn take(&mut self, record: &ListRecord<'_>) {
        let Some(list) = ListName::find(&record.list).filter(|_| *record.shop == *self.shop) else { return };
        self.as_of_ms = self.as_of_ms.max(Some(record.as_of));
        let key = (list, record.item.to_string());
        if record.tombstone || record.entries.is_empty() {
            self.shown.remove(&key);
            return;
        }
        let entries = record.entries.iter().map(|entry| (entry.item.to_string(), entry.score, entry.source));
        self.shown.insert(key, entries.collect());
    }

    /// The figures of each name, of a shop with so many products.
    fn figures(&self, rules: &[ListRules; ListName::COUNT], products: usize, report: &mut Report) {
        report.as_of_ms = report.as_of_ms.max(self.as_of_ms);
        for list in ListName::ALL.into_iter().filter(|list| rules[list.index()].enabled) {
            let of_name = self.shown.iter().filter(|((name, _), _)| *name == list).map(|(_, entries)| entries);
            let mut figures = ListFigures { list: list.name().to_owned(), ..ListFigures::default() };
            let (mut places, mut sum, mut scored) = (HashMap::<&str, usize>::new(), 0.0, 0_u32);
            for entries in of_name {
                figures.lists += 1;
                figures.full += usize::from(entries.len() >= rules[list.index()].length);
                if figures.lengths.len() <= entries.len() {
                    figures.lengths.resize(entries.len() + 1, 0);
                }
                figures.lengths[entries.len()] += 1;
                for (item, score, source) in entries {
                    *places.entry(item).or_default() += 1;
                    *figures.sources.entry(source.name().to_owned()).or_default() += 1;
                    if matches!(source, Source::Counted | Source::Thin) {
                        figures.scores[bar(*score)] += 1;
                        (sum, scored) = (sum + score, scored + 1);
                    }
                }
            }
            figures.score_mean = (scored > 0).then(|| sum / f64::from(scored));
            let products = products.max(places.len());
            figures.exposure = (!places.is_empty())
                .then(|| Exposure { products, spread: Spread::of(places.into_values().collect(), products) });
            report.lists.push(figures);
        }
    }

    fn has(&self, list: ListName, item: &str) -> Option<usize> {
        self.shown.get(&(list, item.to_owned())).map(Vec::len)
    }
}

/// In which bar a score is.
fn bar(score: f64) -> usize {
    (1..SCORE_BARS).take_while(|&bar| score >= bar as f64 * 10.0).count()
}

/// Records that are not told of, by why.
#[derive(Default)]
struct PassedOver {
    own: usize,
    off: BTreeMap<ListName, usize>,
    unknown: BTreeMap<String, usize>,
    elsewhere: BTreeMap<String, usize>,
}

impl PassedOver {
    /// Whether a record is one of them, which is counted.
    fn takes(&mut self, record: &ListRecord<'_>, rules: &[ListRules; ListName::COUNT], shop: &str) -> bool {
        if *record.shop != *shop {
            *self.elsewhere.entry(record.shop.to_string()).or_default() += 1;
            return true;
        }
        self.own += 1;
        match ListName::find(&record.list) {
            None => *self.unknown.entry(record.list.to_string()).or_default() += 1,
            Some(list) if !rules[list.index()].enabled => *self.off.entry(list).or_default() += 1,
            Some(_) => return false,
        }
        true
    }

    fn say(&self, report: &mut Report) {
        let records = |count: usize| if count == 1 { "1 record".to_owned() } else { format!("{count} records") };
        for (list, &count) in &self.off {
            let name = list.name();
            report.miss(format!("{} of {name}: the settings have it off (lists, placements)", records(count)));
        }
        for (name, &count) in self.unknown.iter().take(NAMES_TOLD) {
            report.miss(format!("{} of {name}: no list has this name", records(count)));
        }
        if self.unknown.len() > NAMES_TOLD {
            let count = self.unknown.values().skip(NAMES_TOLD).sum();
            report.miss(format!("{} of {} other names of no list", records(count), self.unknown.len() - NAMES_TOLD));
        }
        let shop = &report.shop;
        let all = names(self.elsewhere.keys());
        let none = (self.own == 0).then(|| format!("no record is of shop {shop}: --shop"));
        let elsewhere: usize = self.elsewhere.values().sum();
        let others =
            (elsewhere > 0).then(|| format!("{} of other shops ({all}): --shop tells of one", records(elsewhere)));
        none.into_iter().chain(others).for_each(|what| report.miss(what));
    }
}

/// Some names, the first few of many.
fn names<'n>(all: impl ExactSizeIterator<Item = &'n String>) -> String {
    let more = all.len().saturating_sub(NAMES_TOLD);
    let told: Vec<&str> = all.take(NAMES_TOLD).map(String::as_str).collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    told.join(", ") + &more
}

/// Of records alone: JSON lines.
pub(super) fn of_records(path: &Path, rules: &[ListRules; ListName::COUNT], report: &mut Report) -> anyhow::Result<()> {
    let place = |number: usize| UsageError(format!("--lists {}, line {number}", path.display()));
    let file = File::open(path).with_context(|| UsageError(format!("--lists {}", path.display())))?;
    let mut lists = Lists::of(&report.shop);
    let mut passed = PassedOver::default();
    for (number, line) in (1..).zip(BufReader::new(file).lines()) {
        let line = line.with_context(|| place(number))?;
        if line.trim().is_empty() {
            continue;
        }
        let record: ListRecord<'_> =
            serde_json::from_str(&line).context("it is no record of a list").with_context(|| place(number))?;
        if !passed.takes(&record, rules, &report.shop) {
            lists.take(&record);
        }
    }
    passed.say(report);
    let products: HashSet<&str> = lists
        .shown
        .iter()
        .flat_map(|((_, about), entries)| entries.iter().map(|(item, ..)| item.as_str()).chain([about.as_str()]))
        .collect();
    lists.figures(rules, products.len(), report);
    Ok(())
}

/// Of counts, facts, and the lists that were ranked of them.
pub(super) fn of_counts(
    asked: &Asked<'_>,
    rules: &[ListRules; ListName::COUNT],
    counting: &CountingRules,
    lists: Lists,
    report: &mut Report,
) {
    let counted = counted(asked, &report.shop);
    lists.figures(rules, counted.len(), report);
    for figures in &mut report.lists {
        let Some(list) = ListName::find(&figures.list) else { continue };
        if let Base::Row { relation, .. } = list.base() {
            behind(asked, &rules[list.index()], counting.half_life(relation), &lists, figures);
        }
    }
    let facts = asked.rows.iter().find_map(|(_, work)| work.facts());
    report.catalogue = facts.map(|facts| catalogue(facts, asked, &counted));
    report.contradicted = facts.map(|facts| contradicted(facts, asked, rules, &report.shop));
    report.without_effect = facts.map(|facts| without_effect(facts, rules, &report.shop));
    let ToReview { total, entries: first, partitions, without_queue, .. } = to_review(asked, &report.shop, REVIEW_TOLD);
    report.miss_queues(without_queue.len(), partitions.len());
    let (waiting, of) = (Vec::new(), asked.rows_partitions); // every list has been ranked
    report.review = Some(ReviewFigures { total, first, partitions, waiting, of });
    if counted.is_empty() {
        let all = names(shops(asked).iter());
        let others = if all.is_empty() { "no event counts".to_owned() } else { format!("the files are of {all}") };
        report.miss(format!("nothing is counted of shop {}: {others}", report.shop));
    }
    // The same form as over HTTP: texts and numbers always serialise.
    let clicked = serde_json::to_value(Clicked::of(asked, Some(&report.shop)).by_list(&report.shop));
    let lists = clicked.and_then(serde_json::from_value).ok();
    report.clicks = lists.filter(|lists: &Vec<_>| !lists.is_empty());
    report.as_of_ms = report.as_of_ms.max(asked.rows.iter().map(|(_, work)| work.rows().now().0).max());
}

/// The products of a shop of which anything is counted, by their fingerprints.
fn counted(asked: &Asked<'_>, shop: &str) -> HashSet<u64> {
    let mut all = HashSet::new();
    for (_, work) in &asked.rows {
        let (rows, items) = (work.rows(), work.rows().items());
        let Some(shop) = items.find_shop(shop) else { continue };
        let is_counted = |item: ItemId| {
            let of = |relation| {
                rows.row(relation, item).anchor_weight > 0.0 || rows.shop(relation, shop).total(item).weight > 0.0
            };
            items.shop_of(item) == shop && Relation::ALL.into_iter().any(of)
        };
        all.extend(items.ids().filter(|&item| is_counted(item)).map(|item| items.fingerprint(item)));
    }
    all
}

/// The shops of which anything is counted.
fn shops(asked: &Asked<'_>) -> BTreeSet<String> {
    let of_work = |work: &RowsWork| {
        let items = work.rows().items();
        (0..items.shop_count()).map(|place| items.shop_name(items.shop_at(place)).to_owned()).collect::<Vec<_>>()
    };
    let all: BTreeSet<String> = asked.rows.iter().flat_map(|(_, work)| of_work(work)).collect();
    all.into_iter().filter(|shop| !counted(asked, shop).is_empty()).collect()
}

/// What stands behind the lists of a name: products with counts, and why lists are short.
fn behind(asked: &Asked<'_>, rules: &ListRules, half_life_ms: i64, lists: &Lists, figures: &mut ListFigures) {
    let Base::Row { relation, .. } = rules.list.base() else { return };
    let (mut anchors, mut covered, mut stale, mut nothing_more) = (0, 0, 0, 0);
    let mut gates: BTreeMap<String, usize> = BTreeMap::new();
    for (_, work) in &asked.rows {
        let (rows, items) = (work.rows(), work.rows().items());
        let of_shop = |item: &ItemId| items.shop_name(items.shop_of(*item)) == lists.shop;
        let now_day = rows.now().0.div_euclid(DAY_MS);
        for anchor in rows.anchors(relation).filter(of_shop) {
            anchors += 1;
            let newest = rows.row(relation, anchor).neighbours().map(|neighbour| neighbour.last_seen_day).max();
            let is_old = |day: u16| (now_day - i64::from(day)).saturating_mul(DAY_MS) > half_life_ms;
            stale += usize::from(newest.is_some_and(is_old));
            let name = items.name(anchor);
            let shown = lists.has(rules.list, name);
            covered += usize::from(shown.is_some());
            if shown.is_some_and(|length| length >= rules.length) {
                continue;
            }
            let failed = failed(work, rules.list, &lists.shop, name);
            nothing_more += usize::from(failed.is_empty());
            failed.into_iter().for_each(|gate| *gates.entry(gate.to_owned()).or_default() += 1);
        }
    }
    if figures.lengths.is_empty() {
        figures.lengths.push(0);
    }
    figures.lengths[0] = anchors - covered;
    (figures.covered, figures.uncounted) = (Some(covered), Some(figures.lists.saturating_sub(covered)));
    (figures.anchors, figures.stale_anchors) = (Some(anchors), Some(stale));
    (figures.why_short, figures.nothing_more) = (Some(gates), Some(nothing_more));
}

/// The gates that the candidates of a list failed.
fn failed(work: &RowsWork, list: ListName, shop: &str, item: &str) -> Vec<&'static str> {
    let explained = work.explain(list, shop, item, usize::MAX).into_iter().flat_map(|found| found.candidates);
    explained.filter_map(|candidate| candidate.gate).map(crate::rank::Gate::name).collect()
}

fn catalogue(facts: &Facts, asked: &Asked<'_>, counted: &HashSet<u64>) -> CatalogueFigures {
    let anywhere: HashSet<u64> = shops(asked).iter().flat_map(|shop| self::counted(asked, shop)).collect();
    let (mut known, mut never_counted) = (0, 0);
    facts.for_each_sold(|item| {
        known += 1;
        never_counted += usize::from(!anywhere.contains(&item));
    });
    let of = |what: fn(&crate::facts::ItemFacts) -> bool| counted.iter().filter(|&&item| what(&facts.of(item))).count();
    CatalogueFigures {
        known,
        never_counted,
        counted: counted.len(),
        sold_out: of(|item| item.is_sold && item.stock == Stock::Out),
        not_sold: of(|item| !item.is_sold),
    }
}

/// The verdicts of a shop on pairs, by anchor.
fn said(facts: &Facts, shop: &str) -> Vec<(String, Verdict)> {
    let mut said: Vec<(String, Verdict)> = Vec::new();
    facts.for_each_anchor(|_, manual| {
        if *manual.shop == *shop {
            said.extend(manual.verdicts.iter().map(|verdict| (manual.item.to_string(), verdict.clone())));
        }
    });
    said
}

/// Verdicts on a list that is off; and on a placement, which is put together of its parts, and heeds rejections only.
fn without_effect(facts: &Facts, rules: &[ListRules; ListName::COUNT], shop: &str) -> Vec<WithoutEffect> {
    let now_ms = facts.now_ms();
    let told = |(anchor, verdict): (String, Verdict)| {
        let list = verdict.list.filter(|list| verdict.counts_in(*list, now_ms))?;
        let text = if list.is_placement() && !verdict.is_rejection() {
            "a placement heeds rejections only: say it of the list that is a part of it"
        } else if !rules[list.index()].enabled {
            "the settings have the list off"
        } else {
            return None;
        };
        Some(WithoutEffect {
            ruling: ruling(verdict.ruling).to_owned(),
            list: list.name().to_owned(),
            anchor,
            other: verdict.other.to_string(),
            text: text.to_owned(),
        })
    };
    let mut found: Vec<_> = said(facts, shop).into_iter().filter_map(told).collect();
    found.sort_by(|a, b| (&a.list, &a.anchor, &a.other).cmp(&(&b.list, &b.anchor, &b.other)));
    found.truncate(WITHOUT_EFFECT_TOLD);
    found
}

/// Verdicts on pairs that counts speak against: what is rejected and has strong evidence, what is approved or pinned and has none.
fn contradicted(
    facts: &Facts,
    asked: &Asked<'_>,
    rules: &[ListRules; ListName::COUNT],
    shop: &str,
) -> Vec<Contradicted> {
    let said = said(facts, shop);
    let now_ms = facts.now_ms();
    let mut found: Vec<Contradicted> = Vec::new();
    for (anchor, verdict) in &said {
        let is_on =
            |list: &ListName| rules[list.index()].enabled && list.is_of_row() && verdict.counts_in(*list, now_ms);
        let lists: Vec<ListName> = ListName::ALL.into_iter().filter(is_on).collect();
        let evidence = |&list: &ListName| {
            let candidates =
                asked.rows.iter().find_map(|(_, work)| work.explain(list, shop, anchor, usize::MAX))?.candidates;
            let found =
                candidates.into_iter().find(|candidate| *candidate.item == *verdict.other && candidate.support > 0)?;
            Some((list, found))
        };
        let of_lists: Vec<(ListName, ExplainedCandidate)> = lists.iter().filter_map(evidence).collect();
        let told = |list: ListName, support, llr_root, text: &str| Contradicted {
            ruling: ruling(verdict.ruling).to_owned(),
            list: list.name().to_owned(),
            anchor: anchor.clone(),
            other: verdict.other.to_string(),
            support,
            llr_root,
            text: text.to_owned(),
        };
        match verdict.ruling {
            Ruling::Reject => {
                let is_strong = |(list, candidate): &&(ListName, ExplainedCandidate)| {
                    let asks = rules[list.index()].min_support.saturating_mul(STRONG_SUPPORT);
                    candidate.llr_root >= STRONG_ROOT && candidate.support >= asks && candidate.lift > 1.0
                };
                let strongest = of_lists.iter().filter(is_strong).max_by(|a, b| a.1.llr_root.total_cmp(&b.1.llr_root));
                found.extend(strongest.map(|(list, candidate)| {
                    told(*list, candidate.support, candidate.llr_root, "rejected, but its evidence is strong by now")
                }));
            }
            Ruling::Approve | Ruling::Pin(_) => {
                let is_nothing = of_lists.is_empty() || of_lists.iter().all(|(_, candidate)| is_out(candidate));
                if let (true, Some(&list)) = (is_nothing, lists.first()) {
                    let text = if of_lists.is_empty() { "nothing is counted of it" } else { "other gates keep it out" };
                    found.push(told(list, 0, 0.0, text));
                }
            }
            Ruling::Boost(_) => {}
        }
    }
    found.sort_by(|a, b| {
        b.llr_root.total_cmp(&a.llr_root).then_with(|| (&a.anchor, &a.other).cmp(&(&b.anchor, &b.other)))
    });
    found.truncate(CONTRADICTED_TOLD);
    found
}

fn ruling(ruling: Ruling) -> &'static str {
    match ruling {
        Ruling::Approve => "approve",
        Ruling::Reject => "reject",
        Ruling::Pin(_) => "pin",
        Ruling::Boost(_) => "boost",
    }
}

/// Whether it is shown nowhere, verdict or not.
fn is_out(candidate: &ExplainedCandidate) -> bool {
    !matches!(candidate.place, Some(Place::Shown(_) | Place::Reserve(_)))
}
