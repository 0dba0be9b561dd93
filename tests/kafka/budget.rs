//! A budget holds on a real broker: what fits is dealt out, what does not is refused, and a broker that stands still fills nothing.

use crate::house::lived_in;
use crate::kafka::{self, Sent, wait_until};
use crate::rig::line;
use crate::running::events;
use crate::service::{House, Instance};
use std::time::{Duration, Instant};

const MIB: f64 = 1_048_576.0;
/// Bytes that stand beside each event and mean nothing.
const PADDING: usize = 40_000;
const SOME_MAX: Duration = Duration::from_secs(90);
/// Longer than the group's session.
const STILL: Duration = Duration::from_secs(12);
/// Buffers, as `/metrics` calls them.
const BUFFERS: [&str; 5] = ["fetched", "waiting", "blocks", "appends", "snapshots"];

/// What each buffer holds at most, and what the process does.
#[derive(Default)]
struct Most {
    buffers: [f64; BUFFERS.len()],
    resident: f64,
}

impl Most {
    #[track_caller]
    fn look(&mut self, instance: &mut Instance) {
        instance.assert_runs();
        let metrics = instance.metrics();
        let of = |name: &str, part: &str| metrics.sum_where(name, &format!("part=\"{part}\""));
        let resident = metrics.sum("process_resident_memory_bytes");
        let budget = metrics.sum("samenloop_memory_budget_bytes");
        self.resident = self.resident.max(resident);
        assert!(resident < budget, "{} of {} MiB", resident / MIB, budget / MIB);
        for (most, part) in self.buffers.iter_mut().zip(BUFFERS) {
            let (held, given) = (of("samenloop_memory_bytes", part), of("samenloop_memory_planned_bytes", part));
            *most = most.max(held);
            assert!(held <= given, "{part}: {} of {} MiB", held / MIB, given / MIB);
        }
    }
}

#[test]
fn a_full_source_and_a_broker_that_stands_still_stay_within_the_budget_and_everything_counts_once() {
    let mut house = House::apart("budget");
    house.partitions = (1, 1);
    house.more = "[memory]\nbudget = \"700MiB\"\n[intake]\nmerge_buffer = \"16MiB\"\n".to_owned();
    let topic = house.source("shop", 2, &[], "");
    let events = events(77);
    let padding = "x".repeat(PADDING);
    let padded = |event| {
        let line = line(event);
        format!("{},\"padding\":\"{padding}\"}}", line.strip_suffix('}').unwrap())
    };
    let sent = events.iter().map(|event| Sent::of(event.user.as_str(), padded(event)));
    kafka::produce(house.broker.bootstrap(), &topic, sent);
    house.create_topics();
    let (mut instance, mut most) = (house.start("only"), Most::default());
    wait_until("some is counted", SOME_MAX, || {
        most.look(&mut instance);
        (instance.metrics().sum("samenloop_events_total") > 200.0).then_some(())
    });
    house.broker.pause();
    let began = Instant::now();
    while began.elapsed() < STILL {
        most.look(&mut instance);
        std::thread::sleep(Duration::from_millis(100));
    }
    let read = instance.metrics().sum("samenloop_events_total");
    assert!(read < events.len() as f64 * 0.9, "{read}: it had read all before the broker stood still");
    house.broker.go_on();
    wait_until("all is read", SOME_MAX, || {
        most.look(&mut instance);
        let metrics = instance.metrics();
        let is_through = metrics.sum("samenloop_events_total") > read && metrics.sum("samenloop_lag_records") == 0.0;
        is_through.then_some(())
    });
    house.wait_rest(&mut [&mut instance]);
    most.look(&mut instance);
    assert!(most.buffers[0] > 0.2 * MIB, "{:?}: nothing was ever fetched ahead", most.buffers);
    house.assert_counts(&[&instance], &events, "after the broker stood still");
    instance.stop();
}

#[test]
fn what_does_not_fit_is_refused_with_a_table_and_check_prints_it_where_it_does() {
    let (mut house, _) = lived_in("budget-table");
    let fits = house.command(&["check"]);
    assert!(fits.stdout.contains("ok       memory: "), "{}", fits.stdout);
    assert!(fits.stdout.contains("\n  appends "), "{}", fits.stdout);
    house.more = "[memory]\nbudget = \"256MiB\"\n".to_owned();
    let check = house.command(&["check"]);
    assert!(check.stdout.contains("wrong    memory: memory.budget is 256 MiB"), "{}", check.stdout);
    let run = house.command(&["run"]);
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    for said in ["memory.budget is 256 MiB, and what these settings need at least is ", "  program ", "  state "] {
        assert!(run.stderr.contains(said), "{}", run.stderr);
    }
}
