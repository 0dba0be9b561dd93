//! The kinds of facts, each with a topic or file of its own.

use serde::{Deserialize, Serialize};

/// A kind of facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FactsTopic {
    /// What items are.
    Catalogue,
    /// What there is of them.
    Stock,
    /// Which the shop puts together by hand.
    Relations,
    /// What specialists say of lists.
    Verdicts,
}

impl FactsTopic {
    /// How many there are.
    pub const COUNT: usize = 4;

    /// All of them.
    pub const ALL: [Self; Self::COUNT] = [Self::Catalogue, Self::Stock, Self::Relations, Self::Verdicts];

    /// The name used in settings, metrics and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Catalogue => "catalogue",
            Self::Stock => "stock",
            Self::Relations => "relations",
            Self::Verdicts => "verdicts",
        }
    }

    /// The kind as an index below [`FactsTopic::COUNT`].
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }
}
