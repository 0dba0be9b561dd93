//! What was shown, clicked and ordered after it, by shop and list.
//!
//! Shops are as many as a partition tells apart, lists are samenloop's own and those of the settings: see `clicks` and `rules`.

use super::families::Catalogue;
use super::followers::Followed;
use super::{IntCounterVec, Outcome};
use crate::clicks::CellTally;
use std::collections::BTreeMap;

/// A metric's name, its help, and where it stands in a cell.
type Counted = (&'static str, &'static str, fn(&CellTally) -> u64);

/// What is counted of a list, and where it stands in a cell.
const COUNTED: [Counted; 7] = [
    ("samenloop_shown_total", "Entries of lists that were shown to a user, once a session.", |tally| tally.shown),
    ("samenloop_shown_clicked_total", "Of the entries shown, those that were clicked at least once.", |tally| {
        tally.clicked
    }),
    ("samenloop_clicks_total", "Clicks on entries of lists.", |tally| tally.clicks),
    (
        "samenloop_clicks_unseen_total",
        "Of the clicks, those on entries that are not known to have been shown. Many: impressions are missing.",
        |tally| tally.unseen,
    ),
    ("samenloop_clicks_converted_total", "Of the clicks, those that an order of the product followed.", |tally| {
        tally.converted
    }),
    ("samenloop_click_orders_total", "Products of orders that were clicked before, within view_to_order.", |tally| {
        tally.orders
    }),
    ("samenloop_click_returns_total", "Of these products, those that left their order again.", |tally| tally.returned),
];

pub(super) struct ClicksFamilies {
    counted: [IntCounterVec; COUNTED.len()],
    revenue: [IntCounterVec; 2],
    pub(super) ignored: IntCounterVec,
    pub(super) left_out: IntCounterVec,
}

impl ClicksFamilies {
    pub(super) fn new(all: &mut Catalogue) -> Outcome<Self> {
        let mut counter = |(name, help, _): (&'static str, &str, _)| all.counter(name, help, &["shop", "list"]);
        let [shown, clicked, clicks, unseen, converted, orders, returned] = COUNTED.map(&mut counter);
        let by_currency = &["shop", "list", "currency"];
        Ok(Self {
            counted: [shown?, clicked?, clicks?, unseen?, converted?, orders?, returned?],
            revenue: [
                all.counter(
                    "samenloop_click_revenue_milli_total",
                    "What products cost that were ordered after a click, in thousandths of the currency.",
                    by_currency,
                )?,
                all.counter(
                    "samenloop_click_revenue_returned_milli_total",
                    "What those of them cost that left their order again, in thousandths of the currency.",
                    by_currency,
                )?,
            ],
            ignored: all.counter(
                "samenloop_clicks_ignored_total",
                "Impressions, clicks and orders that were not told by list, or were counted as one for all, by why.",
                &["why"],
            )?,
            left_out: all.counter(
                "samenloop_clicks_left_out_total",
                "Impressions and clicks that intake did not write, or wrote as of another list, by why.",
                &["why"],
            )?,
        })
    }
}

/// Shows what was counted of lists.
pub(super) struct ClicksFollower {
    counted: [IntCounterVec; COUNTED.len()],
    revenue: [IntCounterVec; 2],
    by_list: BTreeMap<(String, String), [Followed; COUNTED.len()]>,
    by_currency: BTreeMap<[String; 3], [Followed; 2]>,
}

impl ClicksFollower {
    pub(super) fn new(families: &ClicksFamilies) -> Self {
        let (counted, revenue) = (families.counted.clone(), families.revenue.clone());
        Self { counted, revenue, by_list: BTreeMap::new(), by_currency: BTreeMap::new() }
    }

    pub(super) fn set(&mut self, clicks: &BTreeMap<(String, String), CellTally>) {
        for ((shop, list), tally) in clicks {
            let counted = self.by_list.entry((shop.clone(), list.clone()));
            let families = &self.counted;
            let counted = counted
                .or_insert_with(|| families.each_ref().map(|family| Followed::new(family, &[shop.as_str(), list])));
            counted.iter_mut().zip(COUNTED).for_each(|(followed, (_, _, of))| followed.set(of(tally)));
            for (currency, revenue) in &tally.revenue {
                let labels = [shop.as_str(), list, currency.letters()];
                let families = &self.revenue;
                let followed = self.by_currency.entry(labels.map(str::to_owned));
                let [ordered, returned] =
                    followed.or_insert_with(|| families.each_ref().map(|family| Followed::new(family, &labels)));
                ordered.set(revenue.ordered);
                returned.set(revenue.returned);
            }
        }
    }
}
