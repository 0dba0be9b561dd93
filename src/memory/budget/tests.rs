//! What is dealt out: never more than there is, to nobody less than it needs.

use super::*;
use proptest::prelude::*;

/// One worker each, one partition each, two of the source.
fn demand() -> Demand {
    Demand {
        workers: [1; 3],
        sources: (1, 2),
        facts_topics: 0,
        facts_bytes: None,
        partitions: (1, 1),
        merge_bytes: 256 * MIB,
        block_bytes: 512 * KIB,
        has_snapshots: true,
        has_http: true,
        cores: 2,
        fixed: Fixed::default(),
    }
}

fn least(shares: &[Share]) -> u64 {
    shares.iter().map(|share| share.least).sum()
}

#[test]
fn where_there_is_plenty_buffers_are_as_large_as_they_are_of_use() {
    let budget = Budget::deal(64 << 30, &demand()).unwrap();
    let expected = Sizes { block: 512 << 10, ..Sizes::default() };
    assert_eq!(budget.sizes, expected);
    assert_eq!(budget.shares.iter().map(|share| share.part).collect::<Vec<_>>(), Part::ALL);
    assert!(budget.given(Part::State) > 48 << 30, "and the rest is the state's");
}

#[test]
fn where_there_is_little_buffers_shrink_to_a_quarter_and_go_on() {
    let budget = Budget::deal(2 << 30, &demand()).unwrap();
    let whole = Sizes { block: 512 << 10, ..Sizes::default() };
    let Sizes { fetched_ahead, fetched, appended, rejected, waiting, block, early } = budget.sizes;
    for (part, all) in [
        (fetched_ahead, whole.fetched_ahead),
        (fetched, whole.fetched),
        (appended, whole.appended),
        (rejected, whole.rejected),
        (waiting, whole.waiting),
        (block, whole.block),
        (early, whole.early),
    ] {
        assert!(part < all, "{budget}");
    }
    let buffers = [Part::Fetched, Part::Waiting, Part::Blocks, Part::Appends, Part::Snapshots];
    let buffers: u64 = buffers.map(|part| budget.given(part)).iter().sum();
    assert!(buffers <= 512 * MIB && buffers > 500 * MIB, "{buffers}");
    assert!(appended >= APPENDED_BYTES_MIN, "the largest record fits");
}

#[test]
fn what_does_not_fit_is_refused_with_who_takes_what() {
    let many = Demand { partitions: (16, 16), ..demand() };
    let unfit = Budget::deal(4 << 30, &many).unwrap_err();
    let text = unfit.to_string();
    for part in Part::ALL {
        assert!(text.contains(&format!("\n  {:<9} ", part.name())), "{text}");
    }
    assert!(text.starts_with("memory.budget is 4096 MiB, and what these settings need at least is "), "{text}");
    assert!(
        text.contains("\n  merge       4096 MiB  16 partitions of events, 256 MiB each: intake.merge_buffer"),
        "{text}"
    );
    assert!(text.ends_with(
        "lower what takes most, merge: intake.merge_buffer, fewer partitions of events: both only before there are logs"
    ));
    assert!(least(&unfit.shares) > 4 << 30);
    let alone = Demand { sources: (1, 1), ..many };
    Budget::deal(4 << 30, &alone).expect("where nothing waits for another source, nothing is merged");
}

#[test]
fn facts_that_are_there_have_their_room() {
    let with = Demand { facts_bytes: Some(1 << 30), ..demand() };
    assert_eq!(Budget::deal(8 << 30, &with).unwrap().given(Part::Facts), 1280 * MIB);
    assert_eq!(Budget::deal(8 << 30, &demand()).unwrap().given(Part::Facts), 0);
    assert!(
        Budget::deal(2 << 30, &with).unwrap_err().to_string().ends_with("lower what takes most, facts: facts.memory")
    );
}

#[test]
fn what_the_settings_fix_stands_and_is_reckoned_with() {
    let fixed = Fixed { fetched_ahead: Some(64 * MIB), fetched: Some(50 * MIB), appended: Some(1 << 30) };
    let fixed = Demand { fixed, ..demand() };
    let budget = Budget::deal(16 << 30, &fixed).unwrap();
    let Sizes { fetched_ahead, fetched, appended, rejected, .. } = budget.sizes;
    assert_eq!((fetched_ahead, fetched, appended, rejected), (64 << 20, 50 << 20, 1 << 30, 1 << 30));
    assert!(budget.given(Part::Appends) > 4 << 30, "{budget}");
    assert!(Budget::deal(4 << 30, &fixed).is_err());
}

#[test]
fn a_kind_of_buffer_takes_what_it_is_by_number_and_size() {
    let given = |demand: &Demand, part| Budget::deal(1 << 40, demand).unwrap().given(part);
    let one = demand();
    // Of each: one worker of each kind more.
    let twice = Demand { workers: [2; 3], ..demand() };
    for part in [Part::Appends, Part::Snapshots] {
        assert_eq!(given(&twice, part), 2 * given(&one, part), "{}", part.name());
    }
    assert_eq!(given(&twice, Part::Fetched), 2 * given(&one, Part::Fetched));
    assert_eq!(given(&Demand { sources: (1, 8), ..demand() }, Part::Waiting), 8 * 5 * MIB);
    assert_eq!(given(&Demand { partitions: (4, 8), ..demand() }, Part::Blocks), (4 + 32 + 8) * MIB);
    assert_eq!(given(&Demand { has_snapshots: false, ..demand() }, Part::Snapshots), 0);
    assert_eq!(given(&Demand { has_http: false, ..demand() }, Part::Answers), 0);
    let loading = Demand { cores: 64, partitions: (256, 256), merge_bytes: MIB, ..demand() };
    assert!(given(&loading, Part::Snapshots) >= 2 * 16 * LOADING_BYTES);
}

prop_compose! {
    fn any_demand()(
        workers in [1..=64_u64, 1..=64_u64, 1..=64_u64],
        sources in (1..=20_u64, 1..=4096_u64),
        facts_topics in 0..=4_u64,
        facts_bytes in proptest::option::of(MIB..1 << 40),
        partitions in (1..=256_u64, 1..=256_u64),
        merge_bytes in MIB..=1 << 40,
        block_bytes in KIB..=4 * MIB,
        flags in (any::<bool>(), any::<bool>()),
        cores in 1..=256_u64,
        appended in proptest::option::of(33 * MIB..1 << 41),
    ) -> Demand {
        let fixed = Fixed { appended, ..Fixed::default() };
        Demand {
            workers, sources, facts_topics, facts_bytes, partitions, merge_bytes, block_bytes,
            has_snapshots: flags.0, has_http: flags.1, cores, fixed,
        }
    }
}

proptest! {
    #[test]
    fn never_more_is_given_than_there_is_and_to_nobody_less_than_it_needs(
        bytes in 256 * MIB..1 << 44,
        small in 256 * MIB..8 << 30,
        demand in any_demand(),
    ) {
        for bytes in [bytes, small] {
            match Budget::deal(bytes, &demand) {
                Ok(budget) => {
                    prop_assert_eq!(budget.shares.iter().map(|share| share.given).sum::<u64>(), bytes);
                    for share in &budget.shares {
                        prop_assert!(share.given >= share.least, "{}", &budget);
                    }
                    let Sizes { fetched_ahead, fetched, appended, rejected, waiting, block, early } = budget.sizes;
                    prop_assert!(appended.min(rejected) >= APPENDED_BYTES_MIN, "the largest record fits");
                    prop_assert!(fetched_ahead > 0 && fetched > 0 && waiting > 0 && block > 0 && early > 0);
                }
                Err(unfit) => {
                    let least = unfit.shares.iter().fold(0_u64, |sum, share| sum.saturating_add(share.least));
                    prop_assert!(least > bytes, "refused without need: {}", unfit);
                }
            }
        }
    }

    #[test]
    fn more_memory_never_makes_a_buffer_smaller(bytes in 256 * MIB..8 << 30, more in 0..8_u64 << 30, demand in any_demand()) {
        if let Ok(less) = Budget::deal(bytes, &demand) {
            let more = Budget::deal(bytes + more, &demand);
            prop_assert!(more.is_ok());
            let more = more.unwrap().sizes;
            prop_assert!(more.appended >= less.sizes.appended && more.early >= less.sizes.early, "{:?} {:?}", less.sizes, more);
        }
    }
}
