//! `[memory]`: what the process may take.
//!
//! Absent: how much there is, which is for who may look at the machine; and who gets what of it (`memory::Budget`).

use super::KafkaSettings;
use super::check::Check;
use super::raw::RawSettings;
use super::units::{Bytes, Scalar};
use crate::limits::{APPENDED_BYTES_MIN, BUDGET_BYTES};
use crate::memory::Fixed;
use serde::{Deserialize, Serialize};

/// What stands for as much as there is.
const AUTO: &str = "auto";

/// What the process may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemorySettings {
    /// Bytes; `None`: as many as the container or the machine gives.
    pub budget_bytes: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct RawMemory {
    pub(super) budget: Budget,
}

/// A number of bytes, or "auto".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Scalar", into = "String")]
pub(super) struct Budget(Option<Bytes>);

impl TryFrom<Scalar> for Budget {
    type Error = String;

    fn try_from(scalar: Scalar) -> Result<Self, String> {
        match scalar {
            Scalar::Text(text) if text == AUTO => Ok(Self(None)),
            scalar => {
                Bytes::try_from(scalar).map(|bytes| Self(Some(bytes))).map_err(|what| format!("{what}, or {AUTO:?}"))
            }
        }
    }
}

impl From<Budget> for String {
    fn from(budget: Budget) -> Self {
        budget.0.map_or_else(|| AUTO.to_owned(), |bytes| bytes.to_string())
    }
}

impl From<&MemorySettings> for RawMemory {
    fn from(memory: &MemorySettings) -> Self {
        Self { budget: Budget(memory.budget_bytes.map(Bytes)) }
    }
}

impl KafkaSettings {
    /// The sizes of buffers that its properties fix.
    #[must_use]
    pub fn fixed(&self) -> Fixed {
        let of = |names: &[&str], unit: u64| {
            let value = names.iter().find_map(|&name| self.properties.get(name));
            value.and_then(|value| value.trim().parse::<u64>().ok()).map(|value| value.saturating_mul(unit))
        };
        Fixed {
            fetched_ahead: of(&["queued.max.messages.kbytes"], 1 << 10),
            fetched: of(&["fetch.max.bytes"], 1),
            appended: of(&[QUEUED], 1 << 10),
        }
    }
}

/// The property that bounds what may wait for the brokers.
const QUEUED: &str = "queue.buffering.max.kbytes";

impl Check<'_> {
    pub(super) fn memory_budget(&mut self, raw: &RawSettings) -> MemorySettings {
        let limits = Bytes(*BUDGET_BYTES.start())..=Bytes(*BUDGET_BYTES.end());
        let budget_bytes = raw.memory.budget.0.map(|bytes| self.within("memory.budget", bytes, &limits).0);
        MemorySettings { budget_bytes }
    }

    /// A queue in which the largest record has no room would never take it.
    pub(super) fn queue(&mut self, settings: &KafkaSettings) {
        if let Some(bytes) = settings.fixed().appended
            && bytes < APPENDED_BYTES_MIN as u64
        {
            let reason = format!(
                "is less than {}: the largest record of a log, or a reject, would wait for room for ever",
                APPENDED_BYTES_MIN >> 10
            );
            self.refuse(&format!("kafka.{QUEUED}"), bytes >> 10, reason);
        }
    }
}
