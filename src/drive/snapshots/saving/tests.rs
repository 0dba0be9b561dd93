//! A snapshot that is taken, turn by turn: a store that is slow, or stands still.

use super::super::tests::snapshots;
use super::*;

fn taking(orders: SyncSender<Order>, outcome: Receiver<Result<Published, StoreError>>) -> Taking {
    Taking {
        partition: Partition(0),
        offset: 1,
        hand: Hand::Thread { orders, outcome },
        waiting: None,
        is_encoded: false,
        is_asked: false,
        era: 0,
        early_max: EARLY_BYTES_MAX,
        began_ms: 0,
        began: Instant::now(),
        moved: Arc::default(),
        seen: (0, 0),
    }
}

/// Else that snapshot never ends, and no other of the worker ever begins.
#[test]
fn the_last_portion_goes_out_though_the_store_had_no_room_when_it_was_made() {
    let (orders, taken) = sync_channel(1);
    let (_tell, outcome) = sync_channel(1);
    let mut taking = taking(orders, outcome);
    assert!(taking.order(Order::Chunk(vec![1])).is_none());
    assert!(taking.order(Order::Chunk(vec![2])).is_none());
    taking.is_encoded = true;
    assert!(taking.deliver(true).is_none());
    let mut got = Vec::new();
    for _ in 0..3 {
        got.extend(taken.try_recv().ok().map(|order| match order {
            Order::Chunk(chunk) => Some(chunk),
            Order::Publish => None,
        }));
        assert!(taking.deliver(true).is_none());
    }
    assert_eq!(got, [Some(vec![1]), Some(vec![2]), None]);
}

#[test]
fn a_snapshot_is_given_up_when_the_store_stands_still_takes_too_long_or_too_much_waits_for_it() {
    let (orders, _taken) = sync_channel(1);
    let (_tell, outcome) = sync_channel(1);
    let mut taking = taking(orders, outcome);
    let mut now_ms = 0;
    let mut after = |taking: &mut Taking, ms: i64| {
        now_ms += ms;
        taking.is_given_up(EARLY_BYTES_MAX, now_ms)
    };
    assert!(after(&mut taking, STILL_MS_MAX * 2).is_none(), "nothing waits for the store");
    taking.is_asked = true;
    assert!(after(&mut taking, STILL_MS_MAX).is_none());
    taking.moved.fetch_add(1, Ordering::Relaxed);
    assert!(after(&mut taking, STILL_MS_MAX).is_none(), "it has done something");
    assert!(matches!(after(&mut taking, STILL_MS_MAX + 1), Some(Failure::Still)));
    (taking.is_asked, taking.waiting) = (false, Some(vec![1]));
    taking.moved.fetch_add(1, Ordering::Relaxed);
    assert!(after(&mut taking, 1).is_none());
    assert!(matches!(after(&mut taking, STILL_MS_MAX + 1), Some(Failure::Still)), "a portion that finds no room");
    taking.moved.fetch_add(1, Ordering::Relaxed);
    assert!(matches!(after(&mut taking, TAKE_MS_MAX), Some(Failure::Late)), "however much it does");
    taking.began_ms = i64::MAX;
    assert!(matches!(taking.is_given_up(EARLY_BYTES_MAX + 1, 0), Some(Failure::Early(EARLY_BYTES_MAX))));
    taking.early_max = 1 << 20; // where memory is short
    assert!(taking.is_given_up(1 << 20, 0).is_none());
    let failure = taking.is_given_up((1 << 20) + 1, 0).unwrap();
    assert_eq!(failure.to_string(), "more than 1 MiB changed before the snapshot store took it");
}

/// What was encoded waits in memory, with its thread and its upload: also when nothing of the state is wanted any more.
#[test]
fn one_that_is_encoded_is_given_up_too_and_so_is_the_worker_that_has_too_many_of_them() {
    let metrics = Arc::new(Metrics::new().unwrap());
    let mut saver = Saver::new(Some(snapshots()), Log::Pairs, metrics);
    let now = crate::stage::Clock { wall_ms: 0, monotonic_ms: 0 };
    saver.meet(Partition(0), &Begun::default(), 0, now);
    let late_ms = STILL_MS_MAX + 10;
    let is_due = |saver: &Saver| saver.due(i64::MAX, |_| Some(NextOffset(9))).is_some();
    let mut stuck = Vec::new();
    for given_up in 0..GIVEN_UP_MAX {
        assert!(is_due(&saver), "{given_up}");
        let (orders, taken) = sync_channel(1);
        let (tell, outcome) = sync_channel(1);
        stuck.push((taken, tell));
        let mut taking = taking(orders, outcome);
        (taking.is_encoded, taking.is_asked) = (true, true);
        saver.taking = Some(taking);
        let go_on = |saver: &mut Saver, now_ms| saver.go_on::<crate::stage::RowsWork>(None, true, now_ms);
        assert!(go_on(&mut saver, 1).is_none() && go_on(&mut saver, STILL_MS_MAX).is_none());
        let outcome = go_on(&mut saver, late_ms);
        assert!(matches!(outcome, Some(Outcome::Failed { why: Failure::Still, .. })));
    }
    assert!(!is_due(&saver), "their threads are held by the store");
    stuck.pop();
    assert!(is_due(&saver), "one has ended");
}
