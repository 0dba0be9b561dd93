//! Lists put together on one page: which lists in which order fill how many places, nothing twice.
//!
//! Each part gives its best entries, shown before reserve, up to as many as it may; what is left of all parts, in their order, is the
//! reserve. Entries keep the figures and the label that they have in their list, and say which list that is.
//! Absent: ranking. What keeps an item out of a part keeps it out of here.

use super::gate::Gate;
use super::list::{Entry, List};
use super::told::Told;
use crate::facts::{Facts, ItemFacts, Verdict};
use crate::items::{ItemId, Items};
use crate::rows::RowView;
use crate::rules::{KindRules, ListRules, Part};

/// What is known where lists are put together.
pub struct Placed<'a> {
    /// The names of items.
    pub items: &'a Items,
    /// What the shop says of them.
    pub facts: Option<&'a Facts>,
    /// Any row of the item that the lists are about; none where they are about a shop.
    pub row: Option<RowView<'a>>,
}

/// Puts `parts` together by the rules of a placement, into a list that has been cleared.
pub fn place_together(rules: &ListRules, parts: &[(Part, List)], placed: &Placed<'_>, list: &mut List) {
    let mut placing = Placing::of(rules, placed);
    let mut left = Vec::new();
    for (part, ranked) in parts {
        let mut places = usize::from(part.places).min(rules.length.saturating_sub(list.entries.len()));
        for entry in &ranked.entries {
            let entry = Entry { label: super::Label { list: Some(part.list), ..entry.label }, ..*entry };
            if places == 0 {
                left.push(entry);
            } else if placing.place(entry, list) {
                places -= 1;
            }
        }
        list.held_back.extend(&ranked.held_back);
    }
    list.shown = list.entries.len();
    let wanted = list.shown.saturating_add(rules.reserve);
    for entry in left {
        if list.entries.len() < wanted {
            placing.place(entry, list);
        } else {
            list.held_back.push(entry.item); // it moves up where something goes
        }
    }
}

/// Why an entry of a part has no place in a placement that has been put together.
#[must_use]
pub fn why_not_placed(rules: &ListRules, placed: &Placed<'_>, list: &List, entry: &Entry) -> Gate {
    if list.entries.iter().any(|known| known.item == entry.item) {
        return Gate::Twice;
    }
    let Some(facts) = placed.facts else { return Gate::Rank };
    let of = |item: ItemId| (placed.items.fingerprint(item), facts.of(placed.items.fingerprint(item)));
    let (fingerprint, known) = of(entry.item);
    if list.entries.iter().any(|other| of(other.item).1.family == known.family) {
        return Gate::Family;
    }
    Placing::of(rules, placed).turned_away(fingerprint, &known, entry.label.source.is_by_hand()).unwrap_or(Gate::Rank)
}

/// Whether a placement turns any of these away by itself, whatever its parts say.
#[must_use]
pub fn turns_any_away(rules: &ListRules, placed: &Placed<'_>, items: &[ItemId]) -> bool {
    let placing = Placing::of(rules, placed);
    let Some(facts) = placed.facts else { return false };
    items.iter().any(|&item| {
        let fingerprint = placed.items.fingerprint(item);
        placing.turned_away(fingerprint, &facts.of(fingerprint), true).is_some()
    })
}

struct Placing<'a> {
    rules: &'a ListRules,
    placed: &'a Placed<'a>,
    told: Option<Told<'a>>,
    families: Vec<u64>,
}

impl<'a> Placing<'a> {
    fn of(rules: &'a ListRules, placed: &'a Placed<'a>) -> Self {
        let told = placed.row.as_ref().zip(placed.facts).map(|(row, facts)| Told::of(row, rules, facts));
        Self { rules, placed, told, families: Vec::new() }
    }

    /// Puts an entry behind the others, unless it, or a variant of it, stands there, or it may not.
    fn place(&mut self, entry: Entry, list: &mut List) -> bool {
        if list.entries.iter().any(|known| known.item == entry.item) {
            return false;
        }
        if let Some(facts) = self.placed.facts {
            let fingerprint = self.placed.items.fingerprint(entry.item);
            let known = facts.of(fingerprint);
            let is_by_hand = entry.label.source.is_by_hand();
            if self.families.contains(&known.family) || self.turned_away(fingerprint, &known, is_by_hand).is_some() {
                list.held_back.push(entry.item);
                return false;
            }
            self.families.push(known.family);
        }
        list.entries.push(entry);
        true
    }

    /// The gate of the placement itself that fails.
    fn turned_away(&self, fingerprint: u64, known: &ItemFacts, is_by_hand: bool) -> Option<Gate> {
        let is_too_dear = match self.rules.kind {
            KindRules::Placement { price_max: Some(most), .. } => known.price.is_some_and(|price| price.amount > most),
            _ => false,
        };
        if is_too_dear {
            return Some(Gate::Price);
        }
        match &self.told {
            Some(told) => {
                told.failed(&self.rules.shown, (fingerprint, told.ruling(fingerprint), known), &[], is_by_hand)
            }
            None => {
                let is_rejected = self.placed.facts.is_some_and(|facts| is_rejected(facts, fingerprint, self.rules));
                is_rejected.then_some(Gate::Rejected)
            }
        }
    }
}

/// Whether a specialist keeps an item out of everybody's lists, or of this one.
pub fn is_rejected(facts: &Facts, item: u64, rules: &ListRules) -> bool {
    let said = facts.everywhere(item);
    said.is_some_and(|said| said.everywhere_in(rules.list, facts.now_ms()).is_some_and(Verdict::is_rejection))
}
