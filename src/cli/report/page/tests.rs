//! The page holds what it is told and nothing that acts.

use super::*;
use crate::cli::exposure::Spread;
use crate::cli::report::figures::{
    CatalogueFigures, Change, Changes, Contradicted, Exposure, HitFigures, ReviewFigures, WithoutEffect,
};
use crate::serve::review::{Reason, ReviewEntry};

const EVIL: &str = "<script src=\"https://evil.example/x.js\">'&\u{7}";

fn evil_report() -> Report {
    let evil = || EVIL.to_owned();
    let entry = ReviewEntry {
        shop: evil(),
        list: evil(),
        anchor: evil(),
        other: evil(),
        anchor_name: Some(evil()),
        other_name: Some(evil()),
        place: 1,
        need: 6,
        shown: 1.0,
        reasons: vec![Reason { reason: evil(), text: evil() }],
        support: 3,
        weight: 1.0,
        anchor_weight: 2.0,
        score: 3.0,
        last_seen: evil(),
    };
    let figures = ListFigures {
        list: evil(),
        anchors: Some(40),
        covered: Some(30),
        uncounted: Some(0),
        lists: 30,
        full: 15,
        lengths: vec![10, 15, 15],
        sources: [(evil(), 45)].into(),
        why_short: Some([(evil(), 7)].into()),
        nothing_more: Some(2),
        exposure: Some(Exposure { products: 3, spread: Spread::of(vec![3, 1], 3) }),
        ..ListFigures::default()
    };
    let contradicted = Contradicted {
        ruling: evil(),
        list: evil(),
        anchor: evil(),
        other: evil(),
        support: 1,
        llr_root: 6.0,
        text: evil(),
    };
    let without_effect = WithoutEffect { ruling: evil(), list: evil(), anchor: evil(), other: evil(), text: evil() };
    Report {
        shop: evil(),
        sources: vec![evil()],
        missing: vec![evil()],
        lists: vec![figures],
        catalogue: Some(CatalogueFigures { known: 9, never_counted: 3, counted: 8, sold_out: 2, not_sold: 1 }),
        contradicted: Some(vec![contradicted]),
        without_effect: Some(vec![without_effect]),
        hits: Some(vec![HitFigures { list: evil(), tests: 7, shown: [0.1, 0.25, 0.5], counted: [0.0; 3] }]),
        review: Some(ReviewFigures { total: 1, first: vec![entry], partitions: vec![0], waiting: Vec::new(), of: 1 }),
        changes: Some(Changes {
            since_ms: 0,
            changes: vec![Change { list: evil(), figure: evil(), then: 0.1, now: 0.2 }],
        }),
        ..Report::default()
    }
}

#[test]
fn nothing_that_is_told_can_act_and_nothing_is_loaded() {
    let page = page(&evil_report());
    assert!(!page.contains("<script") && !page.contains('\u{7}'), "{page}");
    assert!(page.contains("&lt;script src=&quot;https://evil.example/x.js&quot;&gt;&#39;&amp;\u{FFFD}"));
    // Outside of texts there is no address, and no attribute that loads anything.
    for part in ["src=\"", "href", "url(", "@import", "onload", "xlink"] {
        assert!(!page.contains(part), "{part}");
    }
    // Every tag that opens closes: a text that broke out would leave one.
    for tag in ["table", "tr", "td", "svg", "text", "h1", "h2", "h3", "p", "ul", "li", "style", "title"] {
        let opened = page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
}

#[test]
fn the_figures_are_on_the_page() {
    let page = page(&evil_report());
    for part in [
        "75.0 %",
        "50.0 %",
        "25.0 % (0.0 %)",
        "3 were never counted (33.3 %)",
        "2 are out of stock (25.0 %)",
        "<svg ",
        "0.200",
    ] {
        assert!(page.contains(part), "no {part:?} in {page}");
    }
    let empty = super::page(&Report::new("main", 0));
    assert!(!empty.contains("<h2>") && empty.contains("Made 1970-01-01 00:00 UTC"), "{empty}");
}
