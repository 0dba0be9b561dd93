//! Whom lists expose: how the places that they show are spread over the items there are.

use super::lists::Lists;
use crate::cli::exposure::Spread;
use crate::items::ItemId;
use serde::Serialize;

/// How the shown places of all lists are spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Exposure {
    /// Shown places of all lists.
    pub(super) places: usize,
    /// What share of them the most shown 1 % of the items takes.
    pub(super) top_percent: f64,
    /// Of places by item: 0 where all have as many, near 1 where one has all.
    pub(super) gini: f64,
    /// What share of the items is shown anywhere.
    pub(super) shown: f64,
    /// What share of the lists the item leads that leads most.
    pub(super) leads: f64,
}

impl Exposure {
    /// Of `lists`, among `items` items.
    pub(super) fn of(lists: &Lists, items: usize) -> Self {
        let (mut places, mut leads) = (Vec::new(), Vec::new());
        let count = |of: &mut Vec<usize>, item: ItemId| {
            if of.len() <= item.index() {
                of.resize(item.index() + 1, 0);
            }
            of[item.index()] += 1;
        };
        for shown in lists.shown() {
            shown.first().into_iter().for_each(|first| count(&mut leads, first.item));
            shown.iter().for_each(|candidate| count(&mut places, candidate.item));
        }
        let share = |part: usize, whole: usize| if whole > 0 { part as f64 / whole as f64 } else { 0.0 };
        let all = places.iter().sum();
        let Spread { top_percent, gini, shown } = Spread::of(places, items);
        let leads = share(leads.iter().copied().max().unwrap_or(0), lists.count());
        Self { places: all, top_percent, gini, shown, leads }
    }
}

#[cfg(test)]
mod tests {
    use super::super::lists::Candidate;
    use super::*;

    fn lists(shown: &[&[u32]]) -> Lists {
        let list = |items: &&[u32]| -> Vec<Candidate> {
            items.iter().map(|&item| Candidate { item: ItemId(item), rank_milli: 1 }).collect()
        };
        Lists::from_parts(shown.iter().map(list).collect())
    }

    #[test]
    fn even_lists_have_no_gini_and_one_item_everywhere_has_nearly_all() {
        let even = Exposure::of(&lists(&[&[0, 1], &[2, 3], &[]]), 4);
        assert_eq!((even.places, even.top_percent, even.shown, even.leads), (4, 0.25, 1.0, 0.5));
        assert!(even.gini.abs() < 1e-12, "{even:?}");
        let one: Vec<&[u32]> = vec![&[7]; 50];
        let one = Exposure::of(&lists(&one), 200);
        assert_eq!((one.places, one.top_percent, one.shown, one.leads), (50, 1.0, 0.005, 1.0));
        assert!((one.gini - 199.0 / 200.0).abs() < 1e-12, "{one:?}");
        // By hand: places 1, 1, 2 of three items, and one that is never shown: mean absolute difference.
        let some = Exposure::of(&lists(&[&[0, 1], &[2], &[2]]), 4);
        let counts = [0.0, 1.0, 1.0, 2.0_f64];
        let differences: f64 = counts.iter().flat_map(|x| counts.map(|y| (x - y).abs())).sum();
        assert!((some.gini - differences / (2.0 * 4.0 * 4.0)).abs() < 1e-12, "{some:?}");
        assert_eq!(Exposure::of(&lists(&[]), 0), Exposure::default());
    }
}
