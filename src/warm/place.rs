//! How far a cache is, and from where a partition is read.

use crate::position::{NextOffset, Partition};
use std::collections::BTreeMap;

/// What a cache says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Its id: another one for a cache that was filled anew.
    pub id: String,
    /// By which settings it is filled: [`super::Reading::fingerprint`].
    pub settings: String,
    /// All of these partitions before these offsets is in it.
    pub places: BTreeMap<Partition, NextOffset>,
}

/// From where a partition is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// From its first record: the cache holds nothing of it, or nothing that can be gone on from.
    Anew(NextOffset),
    /// From here: the cache holds what is before.
    From(NextOffset),
}

impl Start {
    /// Where that is.
    #[must_use]
    pub fn at(self) -> NextOffset {
        match self {
            Self::Anew(at) | Self::From(at) => at,
        }
    }
}

/// From where `partition` is read, which holds records from `low` to `high`, for a cache that says `held`. `committed` is what the group has
/// committed, and the id of the cache that this was for.
///
/// Both must know it: a topic that was made anew has nothing committed, and a cache that was emptied is another. The lower one counts.
#[must_use]
pub fn start(
    held: &Held,
    partition: Partition,
    committed: Option<(NextOffset, &str)>,
    [low, high]: [NextOffset; 2],
) -> Start {
    let committed = committed.filter(|(_, id)| *id == held.id).map(|(offset, _)| offset);
    match held.places.get(&partition).copied().zip(committed).map(|(place, committed)| place.min(committed)) {
        Some(at) if (low..=high).contains(&at) => Start::From(at),
        _ => Start::Anew(low),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_gone_on_from_only_where_cache_and_group_both_know_how_far_it_is() {
        let held = |place: Option<u64>| Held {
            id: "a".to_owned(),
            settings: String::new(),
            places: place.map(|place| (Partition(3), NextOffset(place))).into_iter().collect(),
        };
        let (from, anew) = (|at| Start::From(NextOffset(at)), Start::Anew(NextOffset(10)));
        for (place, committed, expected) in [
            (Some(50), Some((50, "a")), from(50)),
            (Some(50), Some((40, "a")), from(40)), // the last commit did not get through
            (Some(30), Some((50, "a")), from(30)), // the cache went back to an older state
            (None, Some((50, "a")), anew),         // it was emptied
            (Some(50), Some((50, "b")), anew),     // what was committed was for another one
            (Some(50), None, anew),                // the topic was made anew
            (Some(5), Some((5, "a")), anew),       // what lies behind is not there any more
            (Some(101), Some((101, "a")), anew),   // the topic has lost its end
            (Some(100), Some((100, "a")), from(100)),
        ] {
            let committed = committed.map(|(offset, id)| (NextOffset(offset), id));
            let start = start(&held(place), Partition(3), committed, [NextOffset(10), NextOffset(100)]);
            assert_eq!(start, expected, "{place:?} {committed:?}");
        }
    }
}
