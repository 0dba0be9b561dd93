//! The simulated shop by the stages: what is planted is found, and each rule keeps something out.

use super::gates::Gate;
use super::picture::judge;
use super::worker::open;
use crate::config::{Layers, Settings};
use crate::intake::Record;
use crate::position::NextOffset;
use crate::watch::now_ms;
use clap::ValueEnum as _;
use samenloop_shop::{Shop, ShopSettings, Verdict, Wrong};

const EVENTS: u64 = 150_000;

/// The lists of a shop without some rules, against the truth.
fn judged(without: Option<Gate>) -> Verdict {
    let flags = without.iter().flat_map(|gate| gate.off()).collect();
    let settings = Settings::load(&Layers { flags, ..Layers::default() }).unwrap();
    let mut pipeline = open(&settings, None).unwrap();
    let mut shop = Shop::new(1, &ShopSettings::of_events(1_700_000_000_000, 2 * EVENTS));
    let now_ms = now_ms();
    for n in 0..EVENTS {
        let event = shop.next_record();
        let (key, value) = (Some(event.key), event.value);
        let record = Record { topic: "shop", key, value, timestamp_ms: Some(now_ms), headers: &[], around: None };
        pipeline.feed(0, NextOffset(n), &record).unwrap();
    }
    pipeline.rest().unwrap();
    pipeline.clock(now_ms + 10_000).unwrap();
    judge(shop.catalogue(), pipeline.view())
}

#[test]
fn the_rules_find_the_complements_and_each_keeps_something_out() {
    let all = judged(None);
    assert!(all.found_in_top * 100 >= all.planted * 97 && all.planted > 100, "{all:?}");
    assert_eq!(all.wrong_in_all(), 0, "{all:?}");
    for gate in Gate::value_variants() {
        let shown: &[Wrong] = match gate {
            Gate::Support | Gate::Repeat => &[Wrong::Crawler, Wrong::OneCustomer],
            Gate::Chance => &[Wrong::Substitute],
            Gate::Bulk => &[Wrong::Bulk],
            Gate::Session => &[Wrong::Crawler],
            Gate::Llr => &[],
            Gate::Lift => continue,  // the test of evidence keeps the same entries out
            Gate::Stock => continue, // here nothing runs out: see tests/demo.rs
        };
        let verdict = judged(Some(*gate));
        for kind in shown {
            assert!(verdict.wrong_of(*kind) > 0, "without {gate:?}: no {kind:?} in {verdict:?}");
        }
        let more_by_chance = verdict.by_chance > 4 * all.by_chance;
        assert!(*gate != Gate::Llr || more_by_chance, "{verdict:?} beside {all:?}");
    }
}
