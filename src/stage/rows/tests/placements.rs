//! Placements behind a kept state.

use super::*;
use crate::rules::{KindRules, Part, Parts};
use crate::saved::{Saving, frames};
use crate::stage::Kept as _;

fn with_page(places: u16) -> RowsSetup {
    let mut setup = setup();
    let rules = &mut setup.lists[ListName::find("product-page").unwrap().index()];
    let parts = Parts::of([Part { list: ListName::of(Relation::ViewedTogether), places }]);
    (rules.enabled, rules.kind) = (true, KindRules::Placement { parts, price_max: None });
    setup
}

/// Its parts are as subscribers have them, so none of them is news; the placement is, by settings that have changed meanwhile.
#[test]
fn a_placement_that_a_kept_state_has_published_is_put_together_by_the_settings_of_now() {
    let mut first = Bench::by_setup(0, 1, &with_page(4));
    first.open(0, 0, 0).unwrap();
    first.write_opening();
    first.pass(0);
    contexts(&mut first, Lag::Live);
    first.views(&[("a", "b"), ("a", "c"), ("a", "d")]);
    let keys = |seen: &Seen| seen.lists.iter().map(|(key, ..)| key.clone()).collect::<Vec<_>>();
    let told = [first.pass(1_000), first.pass(1_000)];
    assert!(told.iter().flat_map(keys).any(|key| key == "main/product-page/a"), "{:?}", told.each_ref().map(keys));
    let (mut state, mut effects) = (Vec::new(), Vec::<Effect>::new());
    first.stage.begin_save(&mut effects).unwrap();
    while first.stage.save(usize::MAX, &mut state) == Saving::More {}

    let mut second = Bench::by_setup(0, 1, &with_page(2));
    let mut work = RowsWork::new(Partition(0), 1, &CountingRules::default(), IDENTITY, &with_page(2));
    for frame in frames(&state) {
        let (kind, body) = frame.unwrap();
        work.load(kind, body).unwrap();
    }
    work.loaded().unwrap();
    second.stage = Stage::new(work, RowsInput::all(1));
    second.tell(Fact::Claimed { epoch: 950 }).unwrap();
    let pairs = NextOffset(first.log.len() as u64);
    for (input, at) in [
        (RowsInput::Totals(Partition(0)), NextOffset(951)),
        (RowsInput::Lists, NextOffset(0)),
        (RowsInput::Pairs, pairs),
    ] {
        second.tell(Fact::Opened { input, next: at, until: Some(at) }).unwrap();
    }
    assert_eq!(*second.stage.phase(), Phase::Live);
    let seen = [second.pass(60_000), second.pass(60_000)];
    let keys: Vec<String> = seen.iter().flat_map(keys).collect();
    assert_eq!(keys, ["main/product-page/a"], "two of its three entries");
}
