//! What was shown and clicked is counted exactly once, whatever crashes; and it changes no count.

use crate::house::{self, House};
use crate::recount::{Event, Kind};
use crate::rig::{Rig, Shape, default_rules, line, naive_rules};
use crate::shop::{self, Random};
use samenloop::clicks::CellTally;
use samenloop::drive::{Kept, Pipeline, Sink, Snapshots};
use samenloop::position::Partition;
use samenloop::rules::{ClickRules, CountingRules};
use samenloop::snapshot::SnapshotStore;
use std::collections::BTreeMap;

fn telling(rules: &CountingRules) -> Shape {
    let clicks = ClickRules { enabled: true, ..ClickRules::default() };
    Shape { clicks, partitions: 3, ..Shape::new(rules) }
}

/// Impressions and clicks between events of a shop: what users view next has been shown to them, or nearly so.
fn with_clicks(events: &[Event], random: &mut Random) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    for (n, event) in events.iter().enumerate() {
        // Some lie hours ahead of all events: no clock of what counts may move by them.
        let ts = event.ts + if random.chance(10) { 3 * 3_600_000 } else { 0 };
        let head = |kind: &str| {
            let (shop, user) = (&event.shop, &event.user);
            format!(r#"{{"type":"{kind}","shop":"{shop}","user":"{user}","ts":{ts}"#)
        };
        let item = |random: &mut Random| {
            let near = &events[n.saturating_sub(usize::try_from(random.below(5)).unwrap())];
            match &near.kind {
                Kind::View { item, .. } | Kind::Cart { item } => item.clone(),
                _ => format!("item {}", random.below(9)),
            }
        };
        if random.chance(60) {
            let entries: Vec<String> =
                (1..=4).map(|place| format!(r#"{{"item":"{}","position":{place}}}"#, item(random))).collect();
            let list = ["also-bought", "bought-together", "of their own"][usize::try_from(random.below(3)).unwrap()];
            lines.push((
                event.user.clone(),
                format!(r#"{},"list":"{list}","lines":[{}]}}"#, head("impression"), entries.join(",")),
            ));
        }
        if random.chance(40) {
            lines.push((
                event.user.clone(),
                format!(r#"{},"list":"also-bought","item":"{}","event_id":"c{n}"}}"#, head("click"), item(random)),
            ));
        }
        if random.chance(3) {
            lines.push((
                event.user.clone(),
                format!(r#"{},"list":"also-bought","item":"x","position":0}}"#, head("click")),
            ));
        }
        lines.push((event.user.clone(), line(event)));
    }
    lines
}

type Cells = BTreeMap<String, CellTally>;

fn cells<'p, S: Sink + 'static>(instances: impl IntoIterator<Item = &'p Pipeline<S>>) -> Cells {
    let mut all = Cells::new();
    for stage in instances.into_iter().flat_map(Pipeline::windows) {
        for cell in stage.work().clicks().cells() {
            let name = format!("{} {:?} {:?} {}", cell.shop, cell.list, cell.source, cell.band.name());
            all.entry(name).or_default().add(cell.tally);
        }
    }
    all
}

#[test]
fn impressions_and_clicks_change_no_count_and_no_list() {
    for seed in shop::seeds(12) {
        let rules = default_rules();
        let events = shop::events(seed, 500, &shop::Shape::of(&naive_rules(&rules)));
        let lines = with_clicks(&events, &mut Random::new(seed));
        let plain: Vec<(String, Option<i64>)> = events.iter().map(|event| (line(event), None)).collect();
        let told: Vec<(String, Option<i64>)> = lines.into_iter().map(|(_, line)| (line, None)).collect();
        assert!(told.len() > plain.len() + 300);
        let run = |shape: &Shape, lines: Vec<(String, Option<i64>)>| {
            let mut rig = Rig::over(shape, shape.log(), vec![lines]).unwrap();
            rig.feed_all(&mut Random::new(seed)).unwrap();
            rig.rest().unwrap();
            let deltas: Vec<String> = rig.pair_entries().by_position.into_values().collect();
            (deltas, rig.rows(events.last().unwrap().ts), rig.final_lists(), cells([&rig.pipeline]))
        };
        let mut without = run(&Shape { partitions: 1, ..Shape::new(&rules) }, plain);
        let mut with = run(&Shape { partitions: 1, ..telling(&rules) }, told.clone());
        let mut off = run(&Shape { partitions: 1, ..Shape::new(&rules) }, told);
        for (_, _, _, cells) in [&without, &off] {
            assert!(cells.is_empty());
        }
        assert!(with.3.values().map(|tally| tally.orders).sum::<u64>() > 0, "seed {seed}: {:?}", with.3);
        for run in [&mut without, &mut with, &mut off] {
            run.0.sort_unstable(); // positions are of blocks, which hold more or fewer events
        }
        for other in [&with, &off] {
            assert_eq!(other.0, without.0, "seed {seed}: other deltas");
            assert_eq!(format!("{:?}", other.1), format!("{:?}", without.1), "seed {seed}: other counts");
            assert_eq!(other.2, without.2, "seed {seed}: other lists");
        }
    }
}

fn snapshots(interval_ms: i64) -> Snapshots {
    let store = SnapshotStore::open("memory:").unwrap();
    let store_id = store.id().unwrap();
    let (scope, instance) = ("clicks".into(), "one".into());
    Snapshots { store, scope, store_id, interval_ms, keep: 2, keep_events_ms: None, instance, is_inline: true }
}

#[test]
fn whatever_crashes_each_impression_and_click_counts_once() {
    for seed in shop::seeds(10) {
        let mut random = Random::new(seed ^ 0xc11c);
        let rules = default_rules();
        let events = shop::events(seed, 400, &shop::Shape::of(&naive_rules(&rules)));
        let lines = with_clicks(&events, &mut random);
        let feed = |house: &House, user: &str, line: &str| {
            let partition = u32::from(user.bytes().last().unwrap()) % house::SOURCE_PARTITIONS;
            let kept = Kept { value: Some(line.as_bytes().to_vec()), ..Kept::default() };
            house.log.with(&house::source(), Partition(partition), |held| held.push(kept));
        };
        let calm = {
            let mut house = House::open(&telling(&rules), 1, false);
            lines.iter().for_each(|(user, line)| feed(&house, user, line));
            house.rest(None, false, false);
            cells(&house.instances)
        };
        assert!(calm.values().map(|tally| tally.clicked).sum::<u64>() > 10, "{calm:?}");
        let shape = Shape { resend: random.chance(50), lazy: Some((seed, 30)), ..telling(&rules) };
        let start = samenloop::config::Start::Earliest;
        let kept = random.chance(70).then(|| snapshots(2_000));
        let mut house = House::open_keeping(start, &shape, 2, false, kept);
        for (user, line) in &lines {
            feed(&house, user, line);
            house.happen(&mut random);
            if random.chance(40) {
                house.pass(i64::try_from(random.below(1_500)).unwrap());
                house.tick();
            }
        }
        house.rest(Some(1), false, random.chance(50));
        assert_eq!(cells(&house.instances), calm, "seed {seed}");
    }
}
