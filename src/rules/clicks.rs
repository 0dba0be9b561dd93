//! Which impressions and clicks are told.

use crate::limits::CLICK_LISTS_MAX;
use crate::list_key::ListName;
use serde::Serialize;
use std::collections::BTreeSet;

/// In place of the name of a list or placement that is not told apart.
pub const OTHER_LIST: &str = "other";

/// Which impressions and clicks are written into the events log, and by what names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClickRules {
    /// Whether any are.
    pub enabled: bool,
    /// Of how many users in a thousand the impressions are.
    pub impressions_milli: u32,
    /// Names of lists and placements that are told apart, besides samenloop's own.
    pub lists: BTreeSet<String>,
}

impl Default for ClickRules {
    fn default() -> Self {
        Self { enabled: false, impressions_milli: 1000, lists: BTreeSet::new() }
    }
}

impl ClickRules {
    /// The name under which a list or placement is told; none where it is told as another one.
    #[must_use]
    pub fn known<'n>(&self, name: &'n str) -> Option<&'n str> {
        (ListName::find(name).is_some() || self.lists.contains(name)).then_some(name)
    }
}

const _: () = assert!(CLICK_LISTS_MAX + ListName::COUNT + 1 < 1 << 16);
