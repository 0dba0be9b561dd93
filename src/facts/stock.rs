//! Whether an item can be had.

use serde::{Deserialize, Serialize};

/// What is there of an item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stock {
    /// None: it is not shown.
    Out,
    /// Little: it is shown behind those of which there is enough.
    Low,
    /// Enough, or nobody has said anything.
    #[default]
    In,
}

impl Stock {
    /// The name used in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Out => "out",
            Self::Low => "low",
            Self::In => "in",
        }
    }
}
