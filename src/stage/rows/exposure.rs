//! That no item leads more than its share of a shop's lists: levels, found in *rounds* in which every list is ranked as it would be.
//!
//! A round goes a bounded number of lists a step: at the end of silence, once a sweep, and at rest. Between two rounds levels stay as they
//! are, so that nothing flaps: a list is a function of its row and the levels, and at rest these are a function of the counts.
//! Shares are of the lists of this partition, so of all lists too.

use super::RowsWork;
use super::publishing::{NEIGHBOURS_MAX, RANKED_MAX};
use crate::items::ShopId;
use crate::list_key::{About, ListName};
use crate::memory::of_vec;
use crate::publish::ListNumber;
use crate::rank::{Asking, Levels};
use crate::rules::ListRules;
use std::collections::HashMap;

/// The levels of the lists that have a bound, and the round that goes on.
#[derive(Default)]
pub(super) struct Exposure {
    /// What share of its lists an item may lead, by [`ListName::index`]; empty where there is no bound at all.
    shares: Vec<Option<f64>>,
    levels: HashMap<(ListName, ShopId), Levels>,
    /// Where the round is, while one goes on.
    round: Option<usize>,
    asking: HashMap<(ListName, ShopId), Vec<Asking>>,
    /// How many lists there are, of these and of those that ask nothing.
    lists: HashMap<(ListName, ShopId), usize>,
    next_round_ms: i64,
    /// Whether a round has come to its end.
    is_ready: bool,
}

impl Exposure {
    pub(super) fn of(rules: &[ListRules]) -> Self {
        let share = |rules: &ListRules| rules.exposure_max.filter(|_| rules.enabled);
        let shares: Vec<_> = rules.iter().map(share).collect();
        let is_bound = shares.iter().any(Option::is_some);
        Self { shares: if is_bound { shares } else { Vec::new() }, next_round_ms: i64::MAX, ..Self::default() }
    }

    fn share(&self, list: ListName) -> Option<f64> {
        self.shares.get(list.index()).copied().flatten()
    }

    pub(super) fn is_in_a_round(&self) -> bool {
        self.round.is_some()
    }

    /// Whether lists would go out twice if they went out now.
    pub(super) fn is_unready(&self) -> bool {
        !self.shares.is_empty() && !self.is_ready
    }

    pub(super) fn bytes(&self) -> usize {
        self.levels.values().map(Levels::bytes).sum::<usize>() + self.asking.values().map(of_vec).sum::<usize>()
    }
}

impl RowsWork {
    pub(super) fn begin_round(&mut self) {
        if !self.exposure.shares.is_empty() {
            self.exposure.round = Some(0);
            self.exposure.asking.clear();
            self.exposure.lists.clear();
            self.exposure.next_round_ms = self.clock_ms.saturating_add(self.publish.sweep_ms);
        }
    }

    /// A step of the round, if one goes on or its time has come. What fills lists is to be known first.
    pub(super) fn round_step(&mut self) {
        if self.exposure.round.is_none() && self.clock_ms >= self.exposure.next_round_ms {
            self.begin_round();
        }
        let Some(from) = self.exposure.round else { return };
        let (mut ranked, mut neighbours, mut next) = (0, 0, from);
        while next < self.lists.len() && ranked < RANKED_MAX && neighbours < NEIGHBOURS_MAX {
            if let Ok(number) = u32::try_from(next) {
                let looked_at = self.ask(ListNumber(number));
                ranked += usize::from(looked_at.is_some());
                neighbours += looked_at.unwrap_or(1);
            }
            next += 1;
        }
        self.exposure.round = (next < self.lists.len()).then_some(next);
        if self.exposure.round.is_none() {
            self.end_round();
        }
    }

    /// Ranks a list as it would be, and notes who may lead it; returns how many neighbours were looked at.
    fn ask(&mut self, list: ListNumber) -> Option<usize> {
        let key = self.lists.key(list);
        let About::Item(anchor) = key.about else { return None };
        self.exposure.share(key.list)?;
        let levels = std::mem::take(&mut self.exposure.levels);
        let neighbours = self.rank(list);
        self.exposure.levels = levels;
        if !self.ranked.is_empty() {
            let of = (key.list, key.shop);
            *self.exposure.lists.entry(of).or_default() += 1;
            let about = self.rows.items().fingerprint(anchor);
            self.exposure.asking.entry(of).or_default().extend(Asking::of(about, &self.ranked.entries));
        }
        Some(neighbours)
    }

    fn end_round(&mut self) {
        let Exposure { asking, lists, .. } = &mut self.exposure;
        let (asking, lists) = (std::mem::take(asking), std::mem::take(lists));
        let levels = asking.iter().map(|(of, asking)| {
            let share = self.exposure.share(of.0).unwrap_or(1.0);
            (*of, Levels::of(asking, share_of(share, lists.get(of).copied().unwrap_or(0))))
        });
        let levels: HashMap<_, _> = levels.collect();
        if levels != self.exposure.levels || !self.exposure.is_ready {
            self.exposure.levels = levels;
            self.due.sweep_all();
        }
        self.exposure.is_ready = true;
    }

    /// Lets the list that has been ranked be led by what may.
    pub(super) fn lead(&mut self) {
        let key = self.ranked.key;
        let About::Item(anchor) = key.about else { return };
        if let Some(levels) = self.exposure.levels.get(&(key.list, key.shop)) {
            let about = self.rows.items().fingerprint(anchor);
            levels.lead(about, self.rules[key.list.index()].length, &mut self.ranked);
        }
    }
}

/// A share of a number of lists: at least one.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a length")]
fn share_of(share: f64, lists: usize) -> usize {
    ((share * lists as f64) as usize).max(1)
}
