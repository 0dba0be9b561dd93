//! What a snapshot is of.

use serde::{Deserialize, Serialize};

/// What a snapshot is of, and what must hold for it to be used. Stands before the state, so that it can be read alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The stage whose state it is: `windows` or `rows`.
    pub stage: String,
    /// The partition of the stage's input.
    pub partition: u32,
    /// Id of the log that the stage reads.
    pub log_id: u128,
    /// Id of the store that the snapshot was written to.
    pub store_id: u128,
    /// Fingerprint of all that the state depends on besides the log: counting rules and so on.
    pub identity: u64,
    /// Partitions of the events log and of the pairs log.
    pub partitions: (u32, u32),
    /// Next offset of the input: the records before it are in the state, no other is.
    pub offset: u64,
    /// Where counting began in this log: 0, or where `rebuild` has put the beginning of one whose start is gone. What lies before is in no
    /// state, and nothing of it is owed to the next log.
    pub origin: u64,
    /// Checksum of the last record before `offset`; `None` when there is none.
    pub checksum: Option<u32>,
    /// The owner's epoch when it was taken; `None` for a stage without claims.
    pub epoch: Option<u64>,
    /// Other logs that are in the state: name, partition, and the next offset that is needed of it.
    pub inputs: Vec<(String, u32, u64)>,
    /// What the log that the stage reads holds up to `offset`, in the form of whoever wrote it.
    pub facts: Vec<u8>,
    /// When it was written, by the writer's clock: milliseconds since 1970. For people only.
    pub written_at_ms: i64,
    /// Instance that wrote it. For people only.
    pub written_by: String,
    /// Format of what is in the chunks.
    pub state_format: u16,
}
