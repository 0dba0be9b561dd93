//! Hostile input, each against a calm run: what the world does to a shop's events must not show in its lists.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

#[path = "support/command.rs"]
mod command;
#[path = "support/recount.rs"]
mod recount;
#[path = "support/rig.rs"]
mod rig;
#[path = "support/shop.rs"]
mod shop;

use command::{Folder, Replayed, lines, recounted, shop_shape, tally, without_tallies};
use recount::{Event, Kind, Rules};
use rig::difference;
use shop::Random;
use std::collections::BTreeSet;

const EVENTS: usize = 3_000;
const MINUTE_MS: i64 = 60_000;

/// Events in order of time, none twice. Nobody is erased: what is sent again after that is new.
fn calm(seed: u64) -> Vec<Event> {
    let mut events = shop::events(seed, EVENTS, &shop::Shape { users: 60, items: 300, calm: true, ..shop_shape() });
    events.retain(|event| event.kind != Kind::Erase);
    events
}

fn view(user: &str, ts: i64, item: &str) -> Event {
    Event { id: None, kind: Kind::view(item), shop: "main".to_owned(), user: user.to_owned(), ts }
}

fn replay(folder: &Folder, events: &[Event], flags: &[&str], changes: bool) -> Replayed {
    let file = folder.write("events.jsonl", lines(events));
    folder.replay(&[&[&*file], flags].concat(), changes)
}

#[test]
fn three_events_in_ten_sent_again_change_no_count_and_no_list() {
    let folder = Folder::new();
    for seed in shop::seeds(2) {
        let events = calm(seed);
        let mut random = Random::new(seed);
        let mut twice: Vec<Event> = Vec::new();
        for (n, event) in events.iter().enumerate() {
            twice.push(event.clone());
            if random.chance(30) {
                let back = usize::try_from(random.skewed(100)).unwrap().min(n);
                twice.push(events[n - back].clone());
            }
        }
        let again = i64::try_from(twice.len() - events.len()).unwrap();
        assert!(again > 800);
        for flags in [&[][..], &["--partitions", "3"]] {
            let (want, got) = (replay(&folder, &events, flags, false), replay(&folder, &twice, flags, false));
            let context = format!("{flags:?}, SAMENLOOP_SEED={seed}");
            assert_eq!(difference(&without_tallies(&want.counts), &without_tallies(&got.counts)), None, "{context}");
            assert_eq!(tally(&got.counts, "accepted"), tally(&want.counts, "accepted"), "{context}");
            let seen = |rows| tally(rows, "duplicate");
            assert_eq!(seen(&got.counts), seen(&want.counts) + again, "{context}");
            // With one partition to the last bit; else the order of blocks shows in the last digits of sums.
            let items = |replayed: &Replayed| -> Vec<_> {
                replayed.lists.iter().map(|(key, list)| (key.clone(), members(list))).collect()
            };
            assert!(items(&want) == items(&got) && want.lists.len() > 100, "{context}: other lists");
            let is_same = without_tallies(&want.counts) == without_tallies(&got.counts) && want.lists == got.lists;
            assert!(is_same || !flags.is_empty(), "{context}");
        }
    }
}

#[test]
fn orders_of_200_and_2000_lines_change_no_list_and_publish_nothing() {
    let folder = Folder::new();
    let events = calm(3);
    for size in [101, 200, 2_000] {
        let mut bulk = events.clone();
        for at in [700, 1_500, 2_900] {
            // Best sellers first: they would be in every list.
            let lines = (0..size).map(|n| format!("i{}", n + 1)).collect();
            let kind = Kind::order(&format!("bulk-{at}"), lines);
            bulk.insert(
                at,
                Event { id: None, kind, shop: "main".to_owned(), user: "bulk".to_owned(), ts: events[at - 1].ts },
            );
        }
        for flags in [&[][..], &["--partitions", "3"]] {
            let (want, got) = (replay(&folder, &events, flags, true), replay(&folder, &bulk, flags, true));
            assert_eq!(tally(&got.counts, "bulk"), 3);
            // With several partitions, when a total of another one arrives is a matter of timing, so only what stands at
            // the end can be equal to the letter.
            assert!(want.changes == got.changes || !flags.is_empty(), "{size} lines: a record is due to it");
            assert!(want.lists == got.lists, "{size} lines, {flags:?}: other lists");
            assert!(want.changes.len() > 500 && without_tallies(&want.counts) == without_tallies(&got.counts));
        }
    }
    // The same order one line below the bound does change lists: the test can fail.
    let mut basket = events.clone();
    let kind = Kind::order("big", (0..100).map(|n| format!("i{}", n + 1)).collect());
    for n in 0..3 {
        let user = format!("big-{n}");
        basket
            .insert(1_500, Event { id: None, kind: kind.clone(), shop: "main".to_owned(), user, ts: events[1_500].ts });
    }
    assert!(replay(&folder, &events, &[], false).lists != replay(&folder, &basket, &[], false).lists);
}

/// Items of a list, shown or not.
fn members(list: &serde_json::Value) -> BTreeSet<String> {
    let all = [&list["entries"], &list["reserve"]].map(|entries| entries.as_array().unwrap().clone()).concat();
    all.iter().map(|entry| entry["item"].as_str().unwrap().to_owned()).collect()
}

/// Lists that hold an entry which they would not hold otherwise.
fn gained(calm: &Replayed, crawled: &Replayed) -> Vec<String> {
    let none = serde_json::json!({ "entries": [], "reserve": [] });
    let of = |key: &String| calm.lists.get(key).unwrap_or(&none);
    let more = crawled.lists.iter().filter(|(key, list)| !members(list).is_subset(&members(of(key))));
    more.map(|(key, _)| key.clone()).collect()
}

#[test]
fn a_crawler_with_10_000_views_in_a_session_adds_to_at_most_50_lists() {
    let folder = Folder::new();
    let events = calm(4);
    let mut random = Random::new(4);
    let mut order: Vec<(u64, usize)> = (0..10_000).map(|n| (random.next(), n)).collect();
    order.sort_unstable();
    let mut crawled = events.clone();
    let from = events[1_000].ts;
    let visit = order.iter().zip(0..).map(|(&(_, item), n)| {
        // Real items among its first, as of a category page, then whatever there is.
        let item = if n < 100 { item % 300 } else { item };
        view("crawler", from + n * 1_000, &format!("i{item}"))
    });
    crawled.splice(1_000..1_000, visit);
    // Lists as long as rows, so that an entry gained is a neighbour gained.
    let whole = ["--set", "lists.viewed-together.length=500"];
    for flags in [&whole[..], &["--set", "lists.viewed-together.length=500", "--partitions", "3"]] {
        let (want, got) = (replay(&folder, &events, flags, false), replay(&folder, &crawled, flags, false));
        let gained = gained(&want, &got);
        let others = gained.iter().filter(|key| !key.starts_with("main/viewed-together/")).count();
        assert_eq!(others, 0, "{flags:?}: {gained:?}");
        assert!((1..=50).contains(&gained.len()), "{flags:?}: {} lists gained entries", gained.len());
        assert!(tally(&got.counts, "overlong") > 9_000, "{flags:?}");
    }
}

#[test]
fn events_shuffled_within_29_minutes_count_as_the_shuffled_file() {
    let folder = Folder::new();
    for seed in shop::seeds(2) {
        let events = calm(seed + 10);
        let mut random = Random::new(seed);
        let mut late: Vec<(i64, Event)> = Vec::new();
        for event in &events {
            late.push((event.ts + i64::try_from(random.below(29 * 60_000)).unwrap(), event.clone()));
        }
        late.sort_by_key(|(arrival, _)| *arrival);
        let shuffled: Vec<Event> = late.into_iter().map(|(_, event)| event).collect();
        assert_ne!(shuffled, events);
        let want = recounted(&shuffled, &Rules::default());
        for partitions in ["1", "3"] {
            let got = replay(&folder, &shuffled, &["--partitions", partitions], false);
            let context = format!("{partitions} partitions, SAMENLOOP_SEED={seed}");
            assert_eq!(difference(&want, &got.counts), None, "{context}");
        }
    }
}

/// A line that cannot be used, and the reason it must be refused for.
fn broken(random: &mut Random) -> (String, &'static str) {
    let field = |name: &str, value: &str| {
        let mut event = serde_json::json!({ "type": "view", "user": "u", "ts": 1_700_000_000_000_i64, "item": "a" });
        event[name] = serde_json::Value::Null;
        event.to_string().replace("null", value)
    };
    let quoted = |bytes: usize| format!("\"{}\"", "x".repeat(bytes));
    match random.below(16) {
        0 => ("{\"type\":\"view\"".to_owned(), "bad_json"),
        1 => (field("ts", "NaN"), "bad_json"),
        2 => (field("ts", "-Infinity"), "bad_json"),
        3 => (field("ts", "1e300"), "bad_time"),
        4 => (field("ts", "12345"), "time_too_early"),
        5 => (field("ts", "0"), "time_too_early"),
        6 => (field("item", &quoted(1 << 20)), "id_too_long"),
        7 => (field("user", &quoted(1 << 20)), "id_too_long"),
        8 => (field("item", &format!("{}{}", "[".repeat(20_000), "]".repeat(20_000))), "bad_json"),
        9 => (field("other", &format!("{}1{}", "{\"a\":".repeat(20_000), "}".repeat(20_000))), "bad_json"),
        10 => (field("type", "\"purchase\""), "unknown_type"),
        11 => (field("user", "\"\""), "empty_id"),
        12 => (field("item", "\"a\\u0000b\""), "bad_id"),
        13 => (field("shop", "\"a/b\""), "bad_id"),
        14 => ("\u{feff}\u{fffd}{}".to_owned(), "bad_json"),
        _ => (field("ts", "9999999999999999"), "bad_time"),
    }
}

#[test]
fn broken_lines_are_refused_with_a_reason_and_the_rest_is_exact() {
    let folder = Folder::new();
    let events = calm(5);
    let mut random = Random::new(5);
    let (mut text, mut told, mut number) = (String::new(), Vec::new(), 0);
    let mut put = |line: &str, text: &mut String| {
        number += 1;
        *text += line;
        text.push('\n');
        number
    };
    for event in &events {
        if random.chance(4) {
            let (line, reason) = broken(&mut random);
            told.push((put(&line, &mut text), reason));
        }
        // Fields that nobody mapped are no damage, whatever they hold.
        let extra = "{\"x\":[1,{\"y\":\"\\ud83d\\ude00\"}],\"price\":1e9,";
        put(&rig::line(event).replacen('{', if random.chance(30) { extra } else { "{" }, 1), &mut text);
    }
    assert!((90..200).contains(&told.len()) && told.iter().map(|t| t.1).collect::<BTreeSet<_>>().len() == 7);
    let file = folder.write("events.jsonl", text);
    let want = recounted(&events, &Rules::default());
    for partitions in ["1", "3"] {
        let got = folder.replay(&[&file, "--partitions", partitions], false);
        assert_eq!(got.code, Some(3));
        assert_eq!(difference(&want, &got.counts), None, "{partitions} partitions");
        assert_eq!(tally(&got.counts, "rejected"), i64::try_from(told.len()).unwrap());
        for (number, reason) in &told[..90] {
            let start = format!("{file}:{number}: {reason}: ");
            assert!(got.stderr.lines().any(|line| line.starts_with(&start)), "{start}");
        }
        assert!(got.stderr.len() < 100_000, "a reject does not repeat what it refuses");
    }
}

/// `events`, and two more, in the middle and at the end, with times that `ts` makes of how far the file has come. The second one goes in
/// behind the first, which must not have moved the file's clock.
fn with_two_more(events: &[Event], ts: impl Fn(i64) -> i64) -> Vec<Event> {
    let mut events = events.to_vec();
    for place in [1_500, events.len() + 1] {
        let known = events[..place].iter().map(|event| event.ts).filter(|&ts| ts < 1_900_000_000_000);
        let more = view(&format!("one more, {place}"), ts(known.max().unwrap()), "sku-1");
        // With an id: without one its own time would be its key.
        events.insert(place, Event { id: Some(format!("more-{place}")), ..more });
    }
    events
}

#[test]
fn a_time_in_2100_is_set_aside_or_corrected_to_how_far_the_file_has_come() {
    let folder = Folder::new();
    let events = calm(6);
    let hostile = with_two_more(&events, |_| 4_102_444_800_000);
    let corrected = with_two_more(&events, |read_to| read_to);
    for flags in [&[][..], &["--partitions", "3"]] {
        let (want, got) = (replay(&folder, &events, flags, false), replay(&folder, &hostile, flags, false));
        assert!(got.stderr.contains("skewed=0") && got.stderr.matches(" time_jump: ").count() == 2, "{}", got.stderr);
        assert_eq!((got.code, tally(&got.counts, "rejected")), (Some(3), 2));
        assert_eq!(difference(&recounted(&events, &Rules::default()), &got.counts), None);
        assert!(got.lists.len() > 100, "{}", got.lists.len());
        assert_eq!(got.lists, want.lists);

        let flags = &[flags, &["--set", "intake.max_jump=off"]].concat();
        let (want, got) = (replay(&folder, &corrected, flags, false), replay(&folder, &hostile, flags, false));
        assert!(got.stderr.contains("skewed=2"), "{}", got.stderr);
        assert_eq!(difference(&want.counts, &got.counts), None);
        assert_eq!(difference(&recounted(&corrected, &Rules::default()), &got.counts), None);
        assert!(got.lists.len() > 100, "{}", got.lists.len());
        assert_eq!(got.lists, want.lists);
    }
}

#[cfg(target_os = "linux")]
mod memory {
    use super::*;
    use command::samenloop;
    use std::process::Stdio;
    use std::thread;
    use std::time::{Duration, Instant};

    /// Peak resident memory, in KiB, once `replay -` has read all that `write` wrote and waits for more.
    fn peak_kib(write: impl FnOnce(&mut dyn std::io::Write)) -> u64 {
        let mut command = samenloop(&["replay", "-", "--quiet"]);
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        write(&mut stdin);
        let proc = |name: &str| std::fs::read_to_string(format!("/proc/{}/{name}", child.id())).unwrap();
        // Asleep twice in a row: nothing is left to read.
        let (deadline, mut asleep) = (Instant::now() + Duration::from_secs(60), 0);
        while asleep < 2 {
            assert!(Instant::now() < deadline, "it never comes to rest");
            thread::sleep(Duration::from_millis(20));
            asleep = if proc("status").contains("State:\tS") { asleep + 1 } else { 0 };
        }
        let status = proc("status");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let peak = peak.trim().trim_end_matches(" kB").parse().unwrap();
        drop(stdin);
        assert!(matches!(child.wait().unwrap().code(), Some(0 | 3)));
        peak
    }

    #[test]
    fn memory_stays_flat_whatever_is_refused() {
        let text = lines(&calm(6));
        let calm = peak_kib(|out| out.write_all(text.as_bytes()).unwrap());
        let hostile = |rounds: usize| {
            peak_kib(|out| {
                out.write_all(text.as_bytes()).unwrap();
                let mut random = Random::new(6);
                for n in 0..rounds * 400 {
                    // Ids that differ in each: none of them may be remembered.
                    writeln!(out, "{{\"type\":\"view\",\"user\":\"u{n}\",\"ts\":{n},\"item\":\"item-{n}-{:050}\"}}", n)
                        .unwrap();
                    if n % 400 == 0 {
                        writeln!(out, "{}", broken(&mut random).0).unwrap();
                        writeln!(out, "{}", "y".repeat(1 << 20)).unwrap();
                    }
                }
            })
        };
        // What a long line takes while it is read, a few of them show; more of the same must add nothing to it.
        let (few, many) = (hostile(5), hostile(200));
        assert!(many * 10 <= few * 11, "{many} KiB at most for 200 rounds, {few} KiB for 5");
        assert!(few < calm + 16 * 1_024, "{few} KiB at most, {calm} KiB in the calm run");
        // A line without end is cut, not held: the limit of a line, however long it is, a few times: as it is read, as it is vetted, as
        // it is taken.
        let endless = |lines: usize| {
            peak_kib(|out| {
                for _ in 0..lines * 96 {
                    out.write_all(&vec![b'z'; 1 << 20]).unwrap();
                }
                out.write_all(b"\n").unwrap();
            })
        };
        let (one, three) = (endless(1), endless(3));
        assert!(three * 10 <= one * 11 && one < calm + 72 * 1_024, "{one} and {three} KiB, {calm} KiB in the calm run");
    }
}

#[test]
fn times_out_of_order_by_hours_are_late_and_counted_as_such() {
    let folder = Folder::new();
    let mut events = calm(7);
    let mut random = Random::new(7);
    for event in &mut events {
        if random.chance(10) {
            event.ts -= 31 * MINUTE_MS + i64::try_from(random.below(40 * 3_600_000)).unwrap();
        }
    }
    let got = replay(&folder, &events, &["--partitions", "3"], false);
    assert_eq!(difference(&recounted(&events, &Rules::default()), &got.counts), None);
    assert!(tally(&got.counts, "late") > 50);
}
