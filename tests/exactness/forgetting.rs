//! Who is forgotten depends on the times of the user's own events: not on how late another source is read, on how blocks are
//! cut, on partitions or on restarts.

use crate::recount::Event;
use crate::rig::{Rig, Shape, assert_counts, line, naive_rules};
use crate::shop::{self, Random};
use samenloop::rules::{CountingRules, DAY_MS};

#[test]
fn a_source_read_hundreds_of_days_late_changes_no_count_wherever_stages_restart() {
    let rules = CountingRules { row_max: None, ..CountingRules::default() };
    let naive = naive_rules(&rules);
    for partitions in [1, 7] {
        for seed in shop::seeds(3) {
            let mut random = Random::new(seed);
            let late_ms = i64::try_from(100 + random.below(299)).unwrap() * DAY_MS;
            let read = shop::one_late(&shop::years(seed, 300, 1_500), late_ms);
            let shape = Shape {
                sources: vec!["even", "odd"],
                partitions,
                block_entries: if random.chance(50) { 1 } else { 50 },
                ..Shape::new(&rules)
            };
            let mut rig = Rig::open(&shape, &[Vec::new(), Vec::new()]);
            rig.end().unwrap(); // both live: nothing waits for the late one
            let context = format!("{partitions} partitions, {} days late, SAMENLOOP_SEED={seed}", late_ms / DAY_MS);
            for (n, (source, event)) in read.iter().enumerate() {
                rig.files[*source].push((line(event), None));
                assert!(rig.feed(*source).unwrap());
                if random.below(read.len() as u64 / 4) == 0 {
                    rig.settle().unwrap();
                    let partition = u32::try_from(random.below(u64::from(partitions))).unwrap();
                    rig.restart(0, partition).unwrap();
                    rig.settle().unwrap();
                    let so_far: Vec<Event> = read[..=n].iter().map(|(_, event)| event.clone()).collect();
                    assert_counts(&rig, &so_far, &naive, &format!("{context}, after {n}"));
                }
                if n % 10 == 0 {
                    rig.settle().unwrap(); // releases go in the order of arrival
                }
            }
            rig.rest().unwrap();
            let all: Vec<Event> = read.into_iter().map(|(_, event)| event).collect();
            assert_counts(&rig, &all, &naive, &context);
        }
    }
}
