//! Snapshots: the state of one partition of a stage at one offset of its log, as an object that is never changed.
//!
//! [`Head`] says what a snapshot is of; [`mod@format`] is its bytes, an encoder and a decoder without IO; [`store`] keeps objects, in a
//! folder or in the cloud. What is in the chunks between head and footer is the business of the stage that wrote them.
//!
//! Invariants: a snapshot that is damaged, torn or of another release is refused, never taken for whole; none is seen under its
//! name before all of it is safely stored; bytes from outside allocate no more than [`format::HEAD_BYTES_MAX`] and twice
//! [`format::CHUNK_BYTES_MAX`]. Absent: Kafka, stages, when a snapshot is taken, and which one may be used.

pub mod format;
mod head;
pub mod store;

pub use format::{Encoder, FormatError, Reader};
pub use head::Head;
pub use store::{Found, SnapshotStore, StoreError};
