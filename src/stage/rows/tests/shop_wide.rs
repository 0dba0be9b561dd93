//! Walks over all items, and what goes out meanwhile.

use super::super::shop_wide::WALKED_MAX;
use super::*;
use crate::list_key::{About, ListKey};

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
    contexts(&mut bench, Lag::Live);
    let items = 2 * WALKED_MAX + WALKED_MAX / 2;
    for part in 0..20 {
        // The later an item is met, the further in front it stands.
        let names: Vec<String> = (0..items / 20).map(|n| format!("{:02}-{:04}", 19 - part, 9_999 - n)).collect();
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
        steps += usize::from(bench.stage.work().is_walking());
        bench.tell(Fact::Continue).unwrap();
    }
    let met = bench.stage.work().rows().items().len();
    assert!(met > 2 * WALKED_MAX, "{met} items");
    // The fact that brought rest has taken the first step, or told totals.
    let needed = met.div_ceil(WALKED_MAX);
    assert!((needed - 1..=needed).contains(&steps), "{steps} steps for {met} items");
    let work = bench.stage.work_mut();
    let key = ListKey {
        shop: work.rows().items().find_shop("main").unwrap(),
        list: ListName::BEST_SELLERS,
        about: About::Shop,
    };
    let list = work.lists.find(key).unwrap();
    work.rank(list);
    let names: Vec<&str> = work.ranked.entries.iter().map(|entry| work.rows.items().name(entry.item)).collect();
    assert!(names.len() == 15 && names.iter().all(|name| name.starts_with("00-")), "{names:?}");
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
