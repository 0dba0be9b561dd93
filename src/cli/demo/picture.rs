//! From the state of the stages and the published lists to what a person sees.

use super::live::{Delay, EntryView, ProductView, Tallies, change_text};
use super::sink::{Change, DemoSink};
use crate::drive::{Pipeline, Sink};
use crate::event::{EventType, SHOP_DEFAULT};
use crate::intake::Reason;
use crate::list_key::ListName;
use crate::publish::ListRecord;
use crate::relation::{Fate, Relation};
use crate::serve::events_of;
use crate::serve::view::ListView;
use crate::watch::metrics::DelayTally;
use samenloop_shop::Catalogue;
use samenloop_shop::{List, Truth, Verdict};
use std::time::Duration;

/// Products shown.
const PRODUCTS: usize = 3;

/// The products whose lists are shown: the best sellers of different departments that have a planted complement.
pub(super) fn products_to_show(catalogue: &Catalogue) -> Vec<String> {
    let truth = Truth::of(catalogue);
    let mut departments = Vec::new();
    let mut chosen = Vec::new();
    for &item in catalogue.best_sellers() {
        let product = catalogue.product(item);
        let has_complement = truth.planted().any(|(anchor, _)| anchor == product.id);
        if has_complement && !departments.contains(&product.department) {
            departments.push(product.department);
            chosen.push(product.id.clone());
        }
        if chosen.len() == PRODUCTS {
            break;
        }
    }
    chosen
}

/// The bought-together list of a product, with names.
pub(super) fn product_view(id: &str, catalogue: &Catalogue, view: &ListView) -> ProductView {
    let name = |id: &str| catalogue.name(id).unwrap_or(id).to_owned();
    let published = view.get(SHOP_DEFAULT, Relation::BoughtTogether.list_name(), id);
    let entries = published.map_or_else(Vec::new, |published| {
        entries(&published.record, |record| {
            record
                .entries
                .iter()
                .map(|entry| EntryView {
                    name: name(&entry.item),
                    score: entry.score,
                    customers: entry.support,
                    lift: entry.lift,
                })
                .collect()
        })
    });
    ProductView { id: id.to_owned(), name: name(id), entries }
}

/// A change as a sentence.
pub(super) fn sentence(change: &Change, catalogue: &Catalogue) -> String {
    let name = |id: &str| catalogue.name(id).unwrap_or(id).to_owned();
    let product = name(&change.item);
    let first: Vec<String> = if change.record.is_empty() {
        Vec::new()
    } else {
        entries(&change.record, |record| record.entries.iter().map(|entry| name(&entry.item)).collect())
    };
    let first: Vec<&str> = first.iter().map(String::as_str).collect();
    change_text(change.list, &product, &first)
}

/// How the published lists compare with the truth.
pub(super) fn judge(catalogue: &Catalogue, view: &ListView) -> Verdict {
    Truth::of(catalogue).judge(|list, id| {
        let relation = match list {
            List::Bought => Relation::BoughtTogether,
            List::Viewed => Relation::ViewedTogether,
        };
        let published = view.get(SHOP_DEFAULT, relation.list_name(), id);
        published.map_or_else(Vec::new, |published| {
            entries(&published.record, |record| {
                record.entries.iter().map(|entry| entry.item.clone().into_owned()).collect()
            })
        })
    })
}

fn entries<T>(record: &[u8], read: impl Fn(&ListRecord<'_>) -> Vec<T>) -> Vec<T> {
    serde_json::from_slice(record).map_or_else(|_| Vec::new(), |record| read(&record)) // we wrote it
}

/// What became of the events.
pub(super) fn tallies(pipeline: &Pipeline<DemoSink>, events: u64) -> Tallies {
    let mut counted = [0; EventType::ALL.len()];
    for stage in pipeline.windows() {
        for (sum, by_fate) in counted.iter_mut().zip(&stage.work().tally().fates) {
            *sum += by_fate[Fate::Counted as usize];
        }
    }
    let intake = pipeline.intake_tally();
    let asked = pipeline.asked();
    let set_aside = [
        ("sent twice", events_of(&asked, Fate::Duplicate)),
        ("too late", events_of(&asked, Fate::Late)),
        ("beyond a session's limit", events_of(&asked, Fate::Overlong)),
        ("bulk orders", events_of(&asked, Fate::Bulk)),
        ("rejected", intake.rejected()),
        ("empty", intake.skipped),
    ];
    let of_lists = |each: fn(&crate::stage::RowsTally) -> &[u64; ListName::COUNT]| {
        pipeline.rows().iter().flat_map(|stage| each(stage.work().tally())).sum::<u64>()
    };
    Tallies {
        events,
        views: counted[EventType::View as usize],
        carts: counted[EventType::Cart as usize],
        orders: counted[EventType::Order as usize],
        set_aside: set_aside.into_iter().filter(|&(_, n)| n > 0).map(|(name, n)| (name.to_owned(), n)).collect(),
        published: of_lists(|tally| &tally.published) + of_lists(|tally| &tally.tombstones),
        suppressed: of_lists(|tally| &tally.suppressed),
    }
}

/// Rejects by reason, most first.
pub(super) fn rejects<S: Sink + 'static>(pipeline: &Pipeline<S>) -> Vec<(String, u64)> {
    let tally = pipeline.intake_tally();
    let counts = Reason::ALL.iter().map(|reason| (reason.name().to_owned(), tally.rejects[reason.index()]));
    let mut rejects: Vec<(String, u64)> = counts.filter(|&(_, count)| count > 0).collect();
    rejects.sort_by(|(one, ones), (two, twos)| twos.cmp(ones).then_with(|| one.cmp(two)));
    rejects
}

/// Median and 99th percentile, if there is anything.
pub(super) fn delay(tally: &DelayTally) -> Option<Delay> {
    let milliseconds = |delay: Duration| delay.as_secs_f64() * 1000.0;
    let (p50, p99) = (tally.quantile(500)?, tally.quantile(990)?);
    Some(Delay { p50_ms: milliseconds(p50), p99_ms: milliseconds(p99) })
}
