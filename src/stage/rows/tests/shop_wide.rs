//! Walks over all items, and what goes out meanwhile.

use super::super::shop_wide::WALKED_MAX;
use super::*;

fn best_viewed() -> RowsSetup {
    let mut setup = setup();
    setup.lists.iter_mut().for_each(|rules| rules.enabled = false);
    let rules = &mut setup.lists[ListName::BEST_SELLERS.index()];
    (rules.enabled, rules.relation, rules.min_support) = (true, Relation::ViewedTogether, 1);
    setup
}

#[test]
fn a_walk_takes_as_many_steps_as_there_are_items_for_and_the_list_comes_at_its_end() {
    let mut bench = Bench::by_setup(0, 1, &best_viewed());
    bench.open(0, 0, 0).unwrap();
    bench.write_opening();
    bench.pass(0);
    let items = 2 * WALKED_MAX + WALKED_MAX / 2;
    for part in 0..20 {
        let names: Vec<String> = (0..items / 20).map(|n| format!("{part}-{n}")).collect();
        let pairs: Vec<(&str, &str)> =
            names.chunks(2).filter(|pair| pair.len() == 2).map(|pair| (&*pair[0], &*pair[1])).collect();
        bench.views(&pairs);
    }
    bench.pass(1_000);
    // Rest: everything is looked at once more.
    bench.monotonic_ms += 10_000;
    let clock = Clock { wall_ms: WALL_MS + bench.monotonic_ms, monotonic_ms: bench.monotonic_ms };
    bench.tell(Fact::Clock(clock)).unwrap();
    let mut steps = 0;
    while bench.stage.is_busy() {
        assert!(bench.stage.work().is_walking() || steps > 0);
        bench.tell(Fact::Continue).unwrap();
        steps += 1;
    }
    let met = bench.stage.work().rows().items().len();
    assert!(met > 2 * WALKED_MAX, "{met} items");
    assert!(steps >= met / WALKED_MAX - 1, "{steps} steps for {met} items");
}

#[test]
fn what_is_counted_is_in_the_list_at_once_and_a_restart_says_nothing_before_it_has_looked() {
    let mut bench = Bench::by_setup(0, 1, &best_viewed());
    bench.open(0, 0, 0).unwrap();
    bench.write_opening();
    bench.pass(0);
    contexts(&mut bench, Lag::Live);
    let seen = bench.views(&[("a", "b"), ("a", "c")]);
    assert_eq!(seen.lists, []);
    let keys =
        |seen: Seen| seen.lists.into_iter().map(|(key, _, is_tombstone)| (key, is_tombstone)).collect::<Vec<_>>();
    assert_eq!(keys(bench.pass(1)), [("main/best-sellers/*".to_owned(), false)]);
    assert_eq!(keys(bench.pass(1_000)), [], "no news");
    // No walk comes before the next sweep, or rest.
    bench.views(&[("d", "b"), ("d", "c"), ("d", "e")]);
    assert_eq!(keys(bench.pass(600)), [("main/best-sellers/*".to_owned(), false)], "d is first now");
    // Another owner, behind the list of the first.
    let mut next = Bench::by_setup(0, 1, &best_viewed());
    next.open(1, 4, 1).unwrap();
    for (offset, block) in bench.log.clone().iter().enumerate() {
        next.pairs(offset as u64, block).unwrap();
    }
    let record = ListRecord {
        list: "best-sellers".into(),
        ..record("*", Stamp { epoch: 0, sequence: 1 }, &["a", "b", "c"], false)
    };
    let landed = RowsRecord::List(Landed::of(&record, Some(Stamp { epoch: 0, sequence: 1 })));
    next.tell(Fact::Record { input: RowsInput::Lists, offset: NextOffset(0), record: landed }).unwrap();
    assert_eq!(*next.stage.phase(), Phase::Live);
    let told = keys(next.pass(1));
    assert!(told.iter().all(|(_, is_tombstone)| !is_tombstone), "{told:?}: it is not gone, it has not been looked at");
}
