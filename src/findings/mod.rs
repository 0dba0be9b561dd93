//! What went unused, and what to do about it: input that is accepted without a word, and gives lists that disappoint.
//!
//! A [`Profile`] sees the events of a source as they are accepted, in bounded memory: counts, times, and samples of users and items
//! that are chosen by their hash, so that those of two sources are of the same users and items. [`find`] weighs the profiles and what
//! counting made of the events, and tells what a specialist would want to know, each with a remedy. No id of a user is in it.
//! Absent: where the events come from (stage), and who is told (cli, watch).

mod heavy;
mod kind;
mod profile;
mod sample;
mod weigh;
mod changes;

pub use self::kind::Kind;
pub use self::profile::Profile;
pub use self::weigh::{Counted, Finding, Records, Source, find, of_records};

use crate::position::{NextOffset, Partition};

/// Where a record was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// The partition of its source.
    pub partition: Partition,
    /// Its offset there.
    pub record: NextOffset,
}
