//! `[clicks]`: whether impressions and clicks are told, and by what names.

use super::check::Check;
use super::raw::RawSettings;
use super::units::{Decimal, NamesText};
use crate::limits::{CLICK_LISTS_MAX, ID_BYTES_MAX};
use crate::rules::ClickRules;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// Share of users whose impressions are told.
const IMPRESSIONS: RangeInclusive<Decimal<3>> = Decimal(0)..=Decimal(1000);

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct RawClicks {
    enabled: bool,
    impressions: Decimal<3>,
    lists: RawNames,
}

/// Names of lists: an array, or a text with commas in between.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "NamesText", into = "Vec<String>")]
struct RawNames(Vec<String>);

impl From<NamesText> for RawNames {
    fn from(written: NamesText) -> Self {
        Self(written.names())
    }
}

impl From<RawNames> for Vec<String> {
    fn from(names: RawNames) -> Self {
        names.0
    }
}

impl From<&ClickRules> for RawClicks {
    fn from(rules: &ClickRules) -> Self {
        Self {
            enabled: rules.enabled,
            impressions: Decimal(rules.impressions_milli),
            lists: RawNames(rules.lists.iter().cloned().collect()),
        }
    }
}

impl Default for RawClicks {
    fn default() -> Self {
        Self::from(&ClickRules::default())
    }
}

impl Check<'_> {
    pub(super) fn clicks(&mut self, raw: &RawSettings) -> ClickRules {
        let RawClicks { enabled, impressions, lists: RawNames(lists) } = &raw.clicks;
        let is_name = |name: &String| (1..=ID_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control);
        if let Some(wrong) = lists.iter().find(|name| !is_name(name)) {
            let shown: String = wrong.chars().take(40).flat_map(char::escape_debug).collect();
            let reason = format!("a name of a list has 1 to {ID_BYTES_MAX} bytes, and no control character");
            self.refuse("clicks.lists", shown, reason);
        }
        if lists.len() > CLICK_LISTS_MAX {
            let reason = format!("must be {CLICK_LISTS_MAX} names at most: each is a line of its own in metrics");
            self.refuse("clicks.lists", format!("{} names", lists.len()), reason);
        }
        ClickRules {
            enabled: *enabled,
            impressions_milli: self.within("clicks.impressions", *impressions, &IMPRESSIONS).0,
            lists: lists.iter().cloned().collect(),
        }
    }
}
