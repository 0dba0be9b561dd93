//! `samenloop rebuild`: counts anew under the same names, and only when it may.

use crate::kafka;
use crate::recount::Event;
use crate::running::{events, produce};
use crate::service::House;
use crate::{recount, rig};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

const TRIMMED_MAX: Duration = Duration::from_secs(60);
/// Beside lists of before, no list goes out for 10 s: the other partitions' totals first.
const LISTS_AFTER: Duration = Duration::from_secs(12);
const OWN: [&str; 5] = ["events", "pairs", "totals", "lists", "rejects"];

fn ends(house: &House) -> BTreeMap<&'static str, Vec<i64>> {
    OWN.map(|name| (name, house.ends(name))).into()
}

/// The records of the source's topic in their order, as events of these: which of them stand in the events log, and which do not.
fn split<'e>(house: &House, topic: &str, events: &'e [Event], held: &BTreeSet<String>) -> [Vec<&'e Event>; 2] {
    let by_line: BTreeMap<String, &Event> = events.iter().map(|event| (rig::line(event), event)).collect();
    let mut split = [Vec::new(), Vec::new()];
    for record in kafka::read_all(house.broker.bootstrap(), topic) {
        let event = by_line[std::str::from_utf8(&record.value.unwrap()).unwrap()];
        let is_held = held.contains(&format!("shop-{} {}.0", record.partition, record.offset));
        split[usize::from(!is_held)].push(event);
    }
    split
}

/// Runs the command, which must end with `code` and say all of this.
#[track_caller]
fn rebuild(house: &House, arguments: &[&str], code: i32, parts: &[&str]) {
    let ended = house.command(&[&["rebuild"], arguments].concat());
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert_eq!(ended.code, Some(code), "{said}");
    for part in parts {
        assert!(said.contains(part), "{part} is not in {said}");
    }
}

#[test]
fn counts_come_back_from_the_sources_and_subscribers_hear_of_nothing_that_is_as_it_was() {
    let mut house = House::new("rebuild");
    let store = house.folder.path("snapshots");
    house.more = format!("[snapshots]\nurl = \"{}\"\ninterval = \"1s\"\nkeep = 1\n", store.display());
    let topic = house.source("shop", 2, &[], "");
    let events = events(21);
    let (first, second) = events.split_at(events.len() / 2);
    produce(&house, &topic, first);
    house.create_topics();
    let mut instance = house.start("before");
    house.wait_rest(&mut [&mut instance]);
    produce(&house, &topic, second);
    house.wait_rest(&mut [&mut instance]);
    kafka::wait_until("the events log is trimmed", TRIMMED_MAX, || {
        let held = kafka::read_all(house.broker.bootstrap(), &house.own("events")).len();
        (i64::try_from(held).unwrap() < house.ends("events").iter().sum()).then_some(())
    });
    rebuild(&house, &["--yes"], 1, &["instances are still at work", "rows)"]);
    instance.stop();

    let (before, lists) = (ends(&house), house.lists());
    rebuild(&house, &[], 0, &["from the sources", "4000 records can be counted again", "Nothing was changed"]);
    rebuild(&house, &["--from-events", "--yes"], 1, &["the events log has lost its first"]);
    assert_eq!(ends(&house), before);

    rebuild(&house, &["--yes"], 0, &["pairs: deleted", "pairs: made", "Done"]);
    assert_eq!(house.ends("lists"), before["lists"], "lists stay");
    let mut again = house.start("again");
    house.wait_rest(&mut [&mut again]);
    std::thread::sleep(LISTS_AFTER); // they wait for each other's totals
    house.wait_rest(&mut [&mut again]);
    house.assert_counts(&[&again], &events, "after a rebuild");
    // Floating-point sums may differ in their last bits: what is shown may move by as much, and no list goes meanwhile.
    let news = kafka::read_from(house.broker.bootstrap(), &house.own("lists"), &before["lists"]);
    let gone = news.iter().filter(|record| record.value.is_none()).count();
    assert_eq!(gone, 0, "of {} records", news.len());
    assert!(news.len() * 10 < lists.len(), "{} records of {} lists", news.len(), lists.len());
    assert_eq!(house.lists().len(), lists.len());
    again.stop();
    let mut third = house.start("third");
    house.wait_rest(&mut [&mut third]);
    third.stop();
}

#[test]
fn other_rules_count_from_the_events_log_though_the_source_is_gone() {
    let mut house = House::new("rules-anew");
    // Behind snapshots the events log would be trimmed, as in the test above.
    let store = house.folder.path("snapshots");
    let snapshots =
        format!("[snapshots]\nurl = \"{}\"\ninterval = \"1s\"\nkeep = 1\nkeep_events = \"1h\"\n", store.display());
    house.more = snapshots.clone();
    let topic = house.source("shop", 2, &[], "");
    let events = events(22);
    house.create_topics();
    let mut instance = house.start("before");
    for portion in events.chunks(events.len() / 4) {
        produce(&house, &topic, portion);
        house.wait_rest(&mut [&mut instance]);
    }
    let lows = |log: &str| kafka::start_offsets(house.broker.bootstrap(), &house.own(log));
    kafka::wait_until("the pairs log is trimmed, and events were to be", TRIMMED_MAX, || {
        let told = instance.metrics().sum_where("samenloop_log_trims_total", "log=\"events\",outcome=\"done\"");
        (told > 0.0 && lows("pairs").iter().all(|&low| low > 0)).then_some(())
    });
    assert!(lows("events").iter().all(|&low| low == 0), "young records stay");
    instance.stop();
    let (before, log, lists) = (ends(&house), house.event_entries().sum(), house.lists());
    kafka::empty(house.broker.bootstrap(), &topic);

    house.partitions.1 = 2;
    rebuild(&house, &["--from-events", "--yes"], 1, &["lists has 4 partitions, logs.pairs_partitions is 2"]);
    assert_eq!(ends(&house), before);
    house.partitions.1 = 4;
    house.more = format!("{snapshots}[counting.half_life]\nviewed_together = \"61d\"\n");
    assert_eq!(house.command(&["run"]).code, Some(1), "by other rules, nothing runs before");
    rebuild(&house, &["--from-events", "--yes"], 0, &["events   stays", "Done"]);
    assert_eq!(house.ends("events").len(), before["events"].len());
    let mut again = house.start("again");
    house.wait_rest(&mut [&mut again]);
    std::thread::sleep(LISTS_AFTER); // they wait for each other's totals
    house.wait_rest(&mut [&mut again]);
    assert_eq!(house.event_entries().sum(), log, "nothing is read again of the source");
    let news = kafka::read_from(house.broker.bootstrap(), &house.own("lists"), &before["lists"]);
    let gone = news.iter().filter(|record| record.value.is_none()).count();
    assert_eq!(gone, 0, "no list goes meanwhile, of {} records", news.len());
    assert_eq!(house.lists().len(), lists.len());
    assert!(house.ends("pairs").iter().sum::<i64>() > 0);
    let mut recount = recount::Recount::new(recount::Rules {
        half_life_viewed_together: 61 * 86_400_000,
        ..recount::Rules::default()
    });
    events.iter().for_each(|event| recount.event(event));
    let as_of = recount.latest();
    let (want, got) = (recount.rows(as_of), house.counts(&[&again], as_of));
    assert!(want.len() > 100, "{} rows test nothing", want.len());
    assert_eq!(rig::difference(&want, &got), None, "by the new rules");
    again.stop();
}

/// Killed twice on the way, it is run again; the first run after it is killed, too; and the log goes on being trimmed.
#[test]
fn what_is_left_of_an_events_log_is_counted_alone_by_other_rules_and_nothing_new_is_lost() {
    let mut house = House::new("since-kept");
    let store = house.folder.path("snapshots");
    let snapshots = format!("[snapshots]\nurl = \"{}\"\ninterval = \"1s\"\nkeep = 2\n", store.display());
    house.more = format!("{snapshots}keep_events = \"1h\"\n");
    let topic = house.source("shop", 2, &[], "");
    let events = events(24);
    let (first, second) = events.split_at(events.len() / 2);
    house.create_topics();
    let mut instance = house.start("before");
    for portion in first.chunks(100) {
        produce(&house, &topic, portion);
        std::thread::sleep(Duration::from_millis(100));
    }
    house.wait_rest(&mut [&mut instance]);
    let folders = ["windows-000", "windows-001", "windows-002"].map(|name| store.join(&house.prefix).join(name));
    kafka::wait_until("snapshots of windows", TRIMMED_MAX, || {
        folders.iter().all(|folder| folder.exists()).then_some(())
    });
    instance.stop();
    let (bootstrap, log) = (house.broker.bootstrap(), house.own("events"));
    assert!(kafka::start_offsets(bootstrap, &log).iter().all(|&low| low == 0), "young records stay");
    // Of one partition nothing goes.
    let mut lows: Vec<i64> = house.ends("events").iter().map(|end| end / 2).collect();
    assert!(lows.iter().all(|&low| low > 1), "{lows:?}");
    lows[1] = 0;
    kafka::trim(bootstrap, &log, &lows);
    let kept = house.event_entries();
    let places = |entries: &BTreeMap<String, usize>| -> BTreeSet<String> {
        entries.keys().map(|entry| entry.split_once(' ').unwrap().1.to_owned()).collect()
    };
    let [left, gone] = split(&house, &topic, &events, &places(&kept.times));
    assert!(left.len() > 400 && gone.len() > 400, "{} are left, {} gone", left.len(), gone.len());

    let (before, lists) = (ends(&house), house.lists());
    house.more = format!("{snapshots}[counting.half_life]\nviewed_together = \"61d\"\n");
    let lost = lows.iter().sum::<i64>();
    let refusal = format!("the events log has lost its first {lost} records");
    for flags in [&["--from-events"][..], &["--from-events", "--yes"]] {
        rebuild(
            &house,
            flags,
            1,
            &["nothing was changed", &refusal, "counts become lower than they are", "--since-kept"],
        );
    }
    let from = format!("events-0  from offset {} on, without the {} records before it: ", lows[0], lows[0]);
    let parts =
        ["they become lower", &from, "events-1  all of it", ", the earliest of ", "Nothing was changed. With --yes"];
    rebuild(&house, &["--from-events", "--since-kept"], 0, &parts);
    assert_eq!(ends(&house), before);

    let wanted = ["rebuild", "--from-events", "--since-kept", "--yes"];
    let pairs = house.own("pairs");
    house.killed(&wanted, |_| !kafka::topics(bootstrap).contains(&pairs));
    assert_eq!(house.command(&["run"]).code, Some(1), "nothing runs on a half");
    house.killed(&wanted, |said| said.contains(" removed\n"));
    assert_eq!(house.command(&["run"]).code, Some(1), "nothing runs on a half");
    rebuild(&house, &wanted[1..], 0, &[&from, "events   stays", "pairs: made", "Done"]);
    assert_eq!(house.ends("events"), before["events"]);

    let again = house.start("again");
    let (some, rest) = second.split_at(second.len() / 2);
    produce(&house, &topic, some);
    kafka::wait_until("some has been counted", TRIMMED_MAX, || {
        (house.ends("pairs").iter().sum::<i64>() > 20).then_some(())
    });
    again.kill();
    let mut again = house.start("killed");
    // Slowly enough for some snapshots that have something new.
    for portion in rest.chunks(100) {
        produce(&house, &topic, portion);
        std::thread::sleep(Duration::from_millis(500));
    }
    house.wait_rest(&mut [&mut again]);
    let counted: Vec<&Event> = left.into_iter().chain(second).collect();
    let mut recount = recount::Recount::new(recount::Rules {
        half_life_viewed_together: 61 * 86_400_000,
        ..recount::Rules::default()
    });
    counted.iter().for_each(|event| recount.event(event));
    let as_of = recount.latest();
    let want = recount.rows(as_of);
    assert!(want.len() > 100, "{} rows test nothing", want.len());
    assert_eq!(rig::difference(&want, &house.counts(&[&again], as_of)), None, "what was kept, and what came since");
    assert!(house.lists().len() > lists.len() / 2);

    kafka::wait_until("the log is trimmed as ever", TRIMMED_MAX, || {
        let now = kafka::start_offsets(bootstrap, &log);
        now.iter().zip(&lows).any(|(now, low)| now > low).then_some(())
    });
    again.stop();
    let mut last = house.start("last");
    house.wait_rest(&mut [&mut last]);
    assert_eq!(rig::difference(&want, &house.counts(&[&last], as_of)), None, "from snapshots");
    last.stop();
}

#[test]
fn what_is_young_of_the_events_log_is_not_deleted_and_what_is_older_is() {
    const KEPT: Duration = Duration::from_secs(12);
    let mut house = House::new("young");
    let store = house.folder.path("snapshots");
    house.more =
        format!("[snapshots]\nurl = \"{}\"\ninterval = \"1s\"\nkeep = 1\nkeep_events = \"12s\"\n", store.display());
    let topic = house.source("shop", 2, &[], "");
    let events = events(23);
    house.create_topics();
    let mut instance = house.start("only");
    let (bootstrap, log, mut portions) = (house.broker.bootstrap(), house.own("events"), events.chunks(40));
    let mut ended = Vec::new();
    let lows = kafka::wait_until("what is old is deleted", TRIMMED_MAX, || {
        instance.assert_runs();
        produce(&house, &topic, portions.next().unwrap_or_default());
        std::thread::sleep(Duration::from_millis(200));
        let lows = kafka::start_offsets(bootstrap, &log);
        ended.push((Instant::now(), house.ends("events")));
        // Long enough for what was young at first to be old.
        let is_late = ended[0].0.elapsed() > 2 * KEPT;
        (is_late && lows.iter().any(|&low| low > 0)).then_some(lows)
    });
    // What has been deleted was there when its time came, so it was appended before that.
    let seen = ended.last().unwrap().0;
    let (_, then) = ended.iter().find(|(at, _)| *at + KEPT >= seen).unwrap();
    assert!(
        lows.iter().zip(then).all(|(low, end)| low <= end),
        "deleted to {lows:?}, {KEPT:?} before it ended at {then:?}"
    );
    house.wait_rest(&mut [&mut instance]);
    instance.stop();
}
