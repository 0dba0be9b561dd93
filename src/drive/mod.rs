//! Driving stages: workers that are members of groups, over any [`Transport`].
//!
//! A worker owns the partitions that its groups give it, holds their stages, and carries out what these want. Recovery, take-over
//! and hand-over are one path, over Kafka and over the in-process logs ([`MemoryLog`]) alike: what a log holds is
//! gathered (`scan`), what may be done is decided without IO ([`recovery`]), and the worker does it. [`Pipeline`] is the
//! three workers of an instance over the in-process logs.
//! Must not know: Kafka, HTTP's routes, counting rules.

mod clock;
mod facts;
mod gaps;
mod intake;
mod lease;
mod memory;
mod pipeline;
mod plan;
mod rows;
mod scan;
mod schemas;
mod snapshots;
mod tail;
mod transport;
mod vigil;
mod windows;
mod worker;

pub mod recovery;

pub use clock::{Clocks, SetClocks, SystemClocks};
pub use facts::{FactsFeed, FactsSource, FactsWorker};
pub use intake::IntakeWorker;
pub use lease::{Lease, Overslept, SleepClock, SystemSleepClock, Tenure};
pub use memory::{Faults, Kept, MemoryLog, PartitionLog};
pub use pipeline::{Appended, Pipeline, Sink, plan};
pub use plan::{Identities, Plan, Setup, SourcePlan};
pub use rows::RowsWorker;
pub use schemas::SchemaSource;
pub use snapshots::Snapshots;
pub use snapshots::beginning::{Beginnings, KeptPartition};
pub use tail::Runs;
pub use transport::{
    Appending, Bounds, Change, Follower, LogFailure, Message, Next, Reader, Rejected, Rejects, Run, Topic, Transport,
    Trim, TrimDone, Writer,
};
pub use vigil::{StopAsked, Vigil};
pub use windows::WindowsWorker;
pub use worker::{Desk, Hands, Nobody, Questions, Ties, Wake, Witness, Worker};
