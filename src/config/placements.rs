//! The settings of placements: which lists in which order fill how many places of a page or a mail.

use super::check::Check;
use super::problem::Layer;
use super::raw::RawSettings;
use super::units::{NamesText, Threshold};
use crate::limits::LIST_ENTRIES_MAX;
use crate::list_key::ListName;
use crate::rules::{KindRules, ListRules, PARTS_MAX, Part, Parts, ShownRules};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// Places of a page.
const LENGTH: RangeInclusive<usize> = 1..=LIST_ENTRIES_MAX;
const RESERVE: RangeInclusive<usize> = 0..=LIST_ENTRIES_MAX;
/// As a share of what the item costs.
const PRICE_SHARE: RangeInclusive<f64> = 0.0..=1000.0;
const PRICE: RangeInclusive<f64> = 0.0..=1e12;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct RawPlacements {
    product_page: RawPlacement,
    cart: RawPlacement,
    checkout: RawPlacement,
    order_confirmation: RawPlacement,
    mail: RawPlacement,
    home: RawPlacement,
    not_found: RawPlacement,
    category_page: RawPlacement,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct RawPlacement {
    enabled: bool,
    parts: RawParts,
    length: usize,
    reserve: usize,
    /// As a share of what the item costs; none where a placement is about no item.
    #[serde(skip_serializing_if = "Option::is_none")]
    price_at_most: Option<Threshold>,
    price_max: Threshold,
}

/// Lists, each with how many places it may fill: "bought-together 4".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "NamesText", into = "Vec<String>")]
struct RawParts(Vec<Part>);

impl TryFrom<NamesText> for RawParts {
    type Error = String;

    fn try_from(written: NamesText) -> Result<Self, String> {
        written.names().iter().map(|text| part(text)).collect::<Result<_, _>>().map(Self)
    }
}

impl From<RawParts> for Vec<String> {
    fn from(parts: RawParts) -> Self {
        parts.0.iter().map(|part| format!("{} {}", part.list.name(), part.places)).collect()
    }
}

fn part(text: &str) -> Result<Part, String> {
    let (name, places) = text.trim().rsplit_once(char::is_whitespace).unwrap_or((text, ""));
    let places = places.parse().ok().filter(|places| LENGTH.contains(&usize::from(*places)));
    let Some(places) = places else {
        let most = LENGTH.end();
        return Err(format!(
            "{text:?} is no list with a number of places from 1 to {most}, as in \"bought-together 4\""
        ));
    };
    let list = ListName::find(name.trim()).filter(|list| !list.is_placement());
    let known = || ListName::ALL.into_iter().filter(|list| !list.is_placement()).map(ListName::name);
    let list = list.ok_or_else(|| format!("{name:?} is no list: {}", known().collect::<Vec<_>>().join(", ")))?;
    Ok(Part { list, places })
}

impl RawPlacements {
    fn of(&self, placement: ListName) -> Option<&RawPlacement> {
        // In the order of `ListName::placements`.
        let all = [
            &self.product_page,
            &self.cart,
            &self.checkout,
            &self.order_confirmation,
            &self.mail,
            &self.home,
            &self.not_found,
            &self.category_page,
        ];
        ListName::placements().position(|known| known == placement).and_then(|place| all.get(place).copied())
    }
}

impl From<&[ListRules; ListName::COUNT]> for RawPlacements {
    fn from(lists: &[ListRules; ListName::COUNT]) -> Self {
        let mut all = ListName::placements().map(|placement| RawPlacement::from(&lists[placement.index()]));
        let mut next = || all.next().unwrap_or_else(|| RawPlacement::from(&lists[0])); // there are as many
        Self {
            product_page: next(),
            cart: next(),
            checkout: next(),
            order_confirmation: next(),
            mail: next(),
            home: next(),
            not_found: next(),
            category_page: next(),
        }
    }
}

impl From<&ListRules> for RawPlacement {
    fn from(rules: &ListRules) -> Self {
        let (parts, price_max) = match rules.kind {
            KindRules::Placement { parts, price_max } => (parts, price_max),
            _ => (Parts::default(), None),
        };
        Self {
            enabled: rules.enabled,
            parts: RawParts(parts.iter().collect()),
            length: rules.length,
            reserve: rules.reserve,
            price_at_most: (!rules.list.is_shop_wide()).then_some(Threshold(rules.shown.price_at_most)),
            price_max: Threshold(price_max),
        }
    }
}

impl Default for RawPlacements {
    fn default() -> Self {
        RawSettings::default().placements
    }
}

/// Fills the gaps of one layer while it is looked at alone.
impl Default for RawPlacement {
    fn default() -> Self {
        Self { price_at_most: None, ..Self::from(&ListRules::of_list(ListName::ALL[0])) }
    }
}

impl Check<'_> {
    /// The rules of a placement, of which the lists before it are known.
    pub(super) fn placement(&mut self, placement: ListName, raw: &RawPlacements) -> ListRules {
        let defaults = ListRules::of_list(placement);
        let Some(raw) = raw.of(placement) else { return defaults };
        let key = |name: &str| format!("placements.{}.{name}", placement.name());
        let parts = &raw.parts.0;
        if parts.is_empty() || parts.len() > PARTS_MAX {
            self.refuse(&key("parts"), format!("{} lists", parts.len()), format!("must be 1 to {PARTS_MAX} lists"));
        }
        for (place, part) in parts.iter().enumerate() {
            let name = part.list.name();
            if !Parts::may_hold(placement, part.list) {
                let about = if placement.is_shop_wide() { "a shop" } else { "a product" };
                self.refuse(&key("parts"), name, format!("is no list about {about}, as this placement is"));
            }
            if parts[..place].iter().any(|earlier| earlier.list == part.list) {
                self.refuse(&key("parts"), name, "is there twice".to_owned());
            }
        }
        let at_most = raw.price_at_most.map_or(defaults.shown.price_at_most, |share| share.0);
        for (name, price, limits) in [("price_at_most", at_most, &PRICE_SHARE), ("price_max", raw.price_max.0, &PRICE)]
        {
            if let Some(price) = price.filter(|price| !limits.contains(price)) {
                let reason = format!("must be {} to {}, or \"off\"", limits.start(), limits.end());
                self.refuse(&key(name), price, reason);
            }
        }
        let is_set = self.layer(&key("length")) != Layer::Default;
        let of_parts: usize = parts.iter().map(|part| usize::from(part.places)).sum();
        let length = if is_set { raw.length } else { of_parts.clamp(*LENGTH.start(), *LENGTH.end()) };
        ListRules {
            enabled: raw.enabled,
            length: self.within(&key("length"), length, &LENGTH),
            reserve: self.within(&key("reserve"), raw.reserve, &RESERVE),
            shown: ShownRules { price_at_most: at_most, ..defaults.shown.clone() },
            kind: KindRules::Placement { parts: Parts::of(parts.iter().copied()), price_max: raw.price_max.0 },
            ..defaults
        }
    }

    /// What a placement that is on is made of has to be on.
    pub(super) fn parts_are_on(&mut self, lists: &[ListRules]) {
        for rules in lists.iter().filter(|rules| rules.enabled) {
            let KindRules::Placement { parts, .. } = rules.kind else { continue };
            for part in parts.iter().filter(|part| !lists[part.list.index()].enabled) {
                let name = part.list.name();
                let reason = format!("is off: set lists.{name}.enabled = true, or leave it out");
                self.refuse(&format!("placements.{}.parts", rules.list.name()), name, reason);
            }
        }
    }
}
