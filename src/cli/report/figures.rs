//! The report as figures: what the JSON holds and the page shows.

use crate::cli::exposure::Spread;
use crate::serve::review::{ReviewEntry, SHOPS_MAX};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Widths of the bars of scores: 0 to 10, 10 to 20, ... 90 to 100.
pub(super) const SCORE_BARS: usize = 10;

/// How a shop's lists stand.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Report {
    pub shop: String,
    /// When it was made, in ms since 1970.
    pub made_ms: i64,
    /// The latest event, in ms since 1970.
    pub as_of_ms: Option<i64>,
    /// What it was made of.
    pub sources: Vec<String>,
    /// What could not be told, and from what it could.
    pub missing: Vec<String>,
    /// A list's name each.
    pub lists: Vec<ListFigures>,
    pub catalogue: Option<CatalogueFigures>,
    /// Verdicts that counts speak against.
    pub contradicted: Option<Vec<Contradicted>>,
    /// Verdicts that change nothing.
    pub without_effect: Option<Vec<WithoutEffect>>,
    pub hits: Option<Vec<HitFigures>>,
    pub review: Option<ReviewFigures>,
    /// What became of lists where they were shown, as `/v1/clicks` tells it; none where nothing is known of that.
    #[serde(default)]
    pub clicks: Option<Vec<ClickFigures>>,
    /// What has changed since an earlier report.
    pub changes: Option<Changes>,
}

/// What became of a list where it was shown. The rest of what is known of it goes along.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ClickFigures {
    pub list: Option<String>,
    pub shown: u64,
    pub clicked: u64,
    pub click_rate: Option<RateFigures>,
    pub clicks: u64,
    pub order_rate: Option<RateFigures>,
    pub orders: u64,
    pub returned: u64,
    pub revenue: BTreeMap<String, f64>,
    #[serde(flatten)]
    pub rest: serde_json::Map<String, serde_json::Value>,
}

/// A share with its 95 % interval.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct RateFigures {
    pub rate: f64,
    pub low: f64,
    pub high: f64,
}

/// The lists of one name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct ListFigures {
    pub list: String,
    /// Products of which anything is counted in the list's relation; not of lists about a shop.
    pub anchors: Option<usize>,
    /// Those whose counts are all older than a half-life.
    pub stale_anchors: Option<usize>,
    /// Those that have a list.
    pub covered: Option<usize>,
    /// Lists about other products: of what people or the catalogue say alone.
    pub uncounted: Option<usize>,
    /// Lists that show anything.
    pub lists: usize,
    /// Those that are as long as the settings say.
    pub full: usize,
    /// Lists by the number of entries shown; where anchors are known, from 0 on.
    pub lengths: Vec<usize>,
    /// Entries shown, by where they come from.
    pub sources: BTreeMap<String, usize>,
    /// Of short and empty lists, candidates by the gate that they failed.
    pub why_short: Option<BTreeMap<String, usize>>,
    /// Short and empty lists that have no other candidate.
    pub nothing_more: Option<usize>,
    /// Counted entries by score, from 0 to 100.
    pub scores: [usize; SCORE_BARS],
    pub score_mean: Option<f64>,
    pub exposure: Option<Exposure>,
}

impl ListFigures {
    /// Share of anchors that have a list.
    pub(super) fn coverage(&self) -> Option<f64> {
        let anchors = self.anchors.filter(|&anchors| anchors > 0)?;
        self.covered.map(|covered| covered as f64 / anchors as f64)
    }
}

/// How the places of the lists of a name are spread.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Exposure {
    /// Products that could be shown.
    pub products: usize,
    #[serde(flatten)]
    pub spread: Spread,
}

/// Counts beside what the catalogue and the stock say.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CatalogueFigures {
    /// Products that facts know of, variants left out.
    pub known: usize,
    /// Those of them that were never counted.
    pub never_counted: usize,
    /// Products that are counted.
    pub counted: usize,
    /// Those of them that are out of stock.
    pub sold_out: usize,
    /// Those of them that are not sold any more.
    pub not_sold: usize,
}

/// A verdict that counts speak against.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Contradicted {
    pub ruling: String,
    pub list: String,
    pub anchor: String,
    pub other: String,
    pub support: u32,
    pub llr_root: f64,
    pub text: String,
}

/// A verdict that changes nothing.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct WithoutEffect {
    pub ruling: String,
    pub list: String,
    pub anchor: String,
    pub other: String,
    pub text: String,
}

/// How often a list held what came next.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct HitFigures {
    pub list: String,
    pub tests: u64,
    /// Share of tests, among the first 1, 4 and 10.
    pub shown: [f64; 3],
    /// The same by a plain count.
    pub counted: [f64; 3],
}

/// What a person should look at.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ReviewFigures {
    pub total: usize,
    pub first: Vec<ReviewEntry>,
    /// Of which partitions.
    pub partitions: Vec<u32>,
    /// Those of them whose lists have not all been looked at.
    pub waiting: Vec<u32>,
    /// How many partitions there are everywhere.
    pub of: u32,
}

/// What has changed since an earlier report.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Changes {
    /// When that was made, in ms since 1970.
    pub since_ms: i64,
    pub changes: Vec<Change>,
}

/// A figure then and now.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Change {
    pub list: String,
    pub figure: String,
    pub then: f64,
    pub now: f64,
}

impl Report {
    pub(super) fn new(shop: &str, made_ms: i64) -> Self {
        Self { shop: shop.to_owned(), made_ms, ..Self::default() }
    }

    /// What has changed since `before`.
    pub(super) fn compare(&mut self, before: &Self) {
        let mut changes = Vec::new();
        let mut put = |list: &str, figure: &str, then: Option<f64>, now: Option<f64>| {
            if let (Some(then), Some(now)) = (then, now) {
                changes.push(Change { list: list.to_owned(), figure: figure.to_owned(), then, now });
            }
        };
        for now in &self.lists {
            let Some(then) = before.lists.iter().find(|then| then.list == now.list) else { continue };
            put(&now.list, "coverage", then.coverage(), now.coverage());
            put(&now.list, "mean score", then.score_mean, now.score_mean);
            let top = |figures: &ListFigures| figures.exposure.map(|exposure| exposure.spread.top_percent);
            put(&now.list, "places of the top 1 %", top(then), top(now));
        }
        for now in self.hits.iter().flatten() {
            let then = before.hits.iter().flatten().find(|then| then.list == now.list);
            put(&now.list, "hit rate at 10", then.map(|then| then.shown[2]), Some(now.shown[2]));
        }
        self.changes = Some(Changes { since_ms: before.made_ms, changes });
    }

    /// What is not here, and where it could come from.
    pub(super) fn say_what_is_missing(&mut self) {
        let mut say = |is_missing: bool, what: &str| {
            if is_missing {
                self.missing.push(what.to_owned());
            }
        };
        say(self.lists.is_empty(), "coverage, lengths, scores, exposure: give files of events, or --lists");
        let is_of_counts = self.lists.iter().any(|figures| figures.anchors.is_some());
        say(!is_of_counts, "how many products have no list, why lists are short, stale products: give files of events");
        say(
            self.catalogue.is_none(),
            "sold out, never counted: give files of events, and settings whose facts are files",
        );
        say(self.contradicted.is_none(), "verdicts that counts speak against: as before");
        say(self.hits.is_none(), "hit rate: ask a running instance (--url), which has tested its lists as events came");
        say(
            self.hits.as_ref().is_some_and(Vec::is_empty),
            "hit rate: that instance has tested no list of this shop since it started",
        );
        say(self.review.is_none(), "what is to be reviewed: give files of events, or ask a running instance (--url)");
    }

    /// So many of these partitions keep no queue of the shop.
    pub(super) fn miss_queues(&mut self, without: usize, partitions: usize) {
        if without > 0 {
            self.miss(format!(
                "review of {without} of {partitions} partitions: they keep no queue of a shop that is not among the first {SHOPS_MAX} that they met"
            ));
        }
    }

    /// What is not here, for a reason of this report's own.
    pub(super) fn miss(&mut self, what: String) {
        self.missing.push(what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_told_of_figures_that_both_have() {
        let figures = |list: &str, lists, score_mean| ListFigures {
            list: list.to_owned(),
            anchors: Some(10),
            covered: Some(lists),
            lists: lists + 7, // about others
            score_mean,
            ..ListFigures::default()
        };
        let mut now = Report::new("main", 9);
        now.lists = vec![figures("a", 5, Some(20.0)), figures("new", 1, None)];
        now.hits = Some(vec![HitFigures { list: "a".to_owned(), shown: [0.1, 0.2, 0.5], ..HitFigures::default() }]);
        let mut before = Report::new("main", 3);
        before.lists = vec![figures("a", 8, None), figures("gone", 1, Some(1.0))];
        before.hits = Some(vec![HitFigures { list: "a".to_owned(), shown: [0.1, 0.2, 0.4], ..HitFigures::default() }]);
        now.compare(&before);
        let changes = now.changes.as_ref().unwrap();
        let change = |figure: &str, then, now| Change { list: "a".to_owned(), figure: figure.to_owned(), then, now };
        assert_eq!(changes.since_ms, 3);
        assert_eq!(changes.changes, [change("coverage", 0.8, 0.5), change("hit rate at 10", 0.4, 0.5)]);
        let json = serde_json::to_string(&now).unwrap();
        let read: Report = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), json, "it can be the earlier one next time");
    }
}
