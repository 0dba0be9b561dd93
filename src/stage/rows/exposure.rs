//! That no item leads more than its share of a shop's lists: levels, found in *rounds* in which every list is ranked as it would be.
//!
//! A round asks a bounded number of lists a step, then decides who leads, a bounded number of questions a step: at the end of silence, once
//! a sweep, and at rest. One that goes on comes to its end, whatever happens meanwhile. Between two rounds levels stay as they
//! are, so that nothing flaps: a list is a function of its row and the levels, and at rest these are a function of the counts.
//! Shares are of the lists of this partition, so of all lists too.

use super::RowsWork;
use super::publishing::{NEIGHBOURS_MAX, RANKED_MAX};
use crate::items::ShopId;
use crate::list_key::{About, ListKey, ListName};
use crate::memory::of_vec;
use crate::publish::ListNumber;
use crate::rank::{Acceptance, Asking, Levels, List};
use crate::rules::{KindRules, ListRules};
use std::collections::{BTreeMap, HashMap};

/// How often one step lets a list ask an entry to lead it.
pub const LEADERS_ASKED_MAX: usize = 4_096;

/// Whose lists share their leads.
type Of = (ListName, ShopId);

/// What a round is at.
enum Round {
    /// The lists from this number on are still to be ranked.
    Ranking(usize),
    /// Who leads is decided, of one name and shop after the other.
    Deciding(Box<Deciding>),
}

/// How far that has come.
#[derive(Default)]
struct Deciding {
    now: Option<(Of, Acceptance)>,
    found: HashMap<Of, Levels>,
    /// Whether these are others than before.
    is_news: bool,
}

/// The levels of the lists that have a bound, and the round that goes on.
#[derive(Default)]
pub(super) struct Exposure {
    /// What share of its lists an item may lead, by [`ListName::index`]; empty where there is no bound at all.
    shares: Vec<Option<f64>>,
    /// Placements that show any of these lists.
    shown_in: Vec<ListName>,
    levels: HashMap<Of, Levels>,
    /// Where the round is, while one goes on.
    round: Option<Round>,
    asking: BTreeMap<Of, Vec<Asking>>,
    /// How many lists there are, of these and of those that ask nothing.
    lists: HashMap<Of, usize>,
    next_round_ms: i64,
    /// Whether a round has come to its end.
    is_ready: bool,
}

impl Exposure {
    pub(super) fn of(rules: &[ListRules]) -> Self {
        let share = |rules: &ListRules| rules.exposure_max.filter(|_| rules.enabled);
        let shares: Vec<_> = rules.iter().map(share).collect();
        let is_bound = |list: ListName| shares.get(list.index()).is_some_and(Option::is_some);
        let shows_any = |rules: &&ListRules| match &rules.kind {
            KindRules::Placement { parts, .. } => parts.iter().any(|part| is_bound(part.list)),
            _ => false,
        };
        let shown_in = rules.iter().filter(shows_any).map(|rules| rules.list).collect();
        let has_any = shares.iter().any(Option::is_some);
        let shares = if has_any { shares } else { Vec::new() };
        Self { shares, shown_in, next_round_ms: i64::MAX, ..Self::default() }
    }

    fn share(&self, list: ListName) -> Option<f64> {
        self.shares.get(list.index()).copied().flatten()
    }

    pub(super) fn is_in_a_round(&self) -> bool {
        self.round.is_some()
    }

    /// Whether a list of this name would go out twice if it went out now: the end of the first round brings it up.
    pub(super) fn is_unready(&self, list: ListName) -> bool {
        !self.is_ready && (self.share(list).is_some() || self.shown_in.contains(&list))
    }

    /// Whether there are such lists.
    pub(super) fn is_any_unready(&self) -> bool {
        !self.is_ready && !self.shares.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        let of_all = |levels: &HashMap<Of, Levels>| levels.values().map(Levels::bytes).sum::<usize>();
        let deciding = match &self.round {
            Some(Round::Deciding(deciding)) => {
                of_all(&deciding.found) + deciding.now.as_ref().map_or(0, |(_, acceptance)| acceptance.bytes())
            }
            Some(Round::Ranking(_)) | None => 0,
        };
        of_all(&self.levels) + self.asking.values().map(of_vec).sum::<usize>() + deciding
    }

    /// As if these lists had been asked.
    #[cfg(test)]
    pub(super) fn decide_among(&mut self, lists: impl Iterator<Item = (Of, Vec<Asking>)>) {
        self.asking = lists.collect();
        self.round = Some(Round::Deciding(Box::default()));
    }

    /// The lists of one name and shop that have been asked.
    fn next_to_decide(&mut self) -> Option<(Of, Acceptance)> {
        let (of, asking) = self.asking.pop_first()?;
        let (share, lists) = (self.share(of.0).unwrap_or(1.0), self.lists.get(&of).copied().unwrap_or(0));
        Some((of, Acceptance::among(asking, share_of(share, lists))))
    }
}

impl RowsWork {
    /// Begins a round anew. Who wants one that goes on to come to its end asks [`RowsWork::is_walking`] before.
    pub(super) fn begin_round(&mut self) {
        if !self.exposure.shares.is_empty() {
            self.exposure.round = Some(Round::Ranking(0));
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
        self.exposure.round = match self.exposure.round.take() {
            Some(Round::Ranking(from)) => Some(self.ask_lists(from)),
            Some(Round::Deciding(deciding)) => self.decide(deciding),
            None => None,
        };
    }

    /// Asks a step's worth of lists.
    fn ask_lists(&mut self, from: usize) -> Round {
        let (mut ranked, mut neighbours, mut next) = (0, 0, from);
        while next < self.lists.len() && ranked < RANKED_MAX && neighbours < NEIGHBOURS_MAX {
            if let Ok(number) = u32::try_from(next) {
                let looked_at = self.ask(ListNumber(number));
                ranked += usize::from(looked_at.is_some());
                neighbours += looked_at.unwrap_or(1);
            }
            next += 1;
        }
        if next < self.lists.len() {
            return Round::Ranking(next);
        }
        Round::Deciding(Box::default())
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

    /// A step of deciding who leads: one of many lists, or many of few.
    fn decide(&mut self, mut deciding: Box<Deciding>) -> Option<Round> {
        let mut left = LEADERS_ASKED_MAX;
        while left > 0 {
            let Some((of, mut acceptance)) = deciding.now.take().or_else(|| self.exposure.next_to_decide()) else {
                self.end_round(*deciding);
                return None;
            };
            let asked = acceptance.step(left);
            if asked == left {
                deciding.now = Some((of, acceptance));
                break;
            }
            left -= asked.max(1);
            let (levels, known) = (acceptance.levels(), self.exposure.levels.get(&of));
            deciding.is_news |= known.map_or(!levels.is_empty(), |known| *known != levels);
            if !levels.is_empty() {
                deciding.found.insert(of, levels);
            }
        }
        Some(Round::Deciding(deciding))
    }

    fn end_round(&mut self, Deciding { found, is_news, .. }: Deciding) {
        let is_any_gone = found.len() != self.exposure.levels.len();
        self.exposure.levels = found;
        self.exposure.lists.clear();
        if is_news || is_any_gone || !self.exposure.is_ready {
            self.due.sweep_all();
        }
        self.exposure.is_ready = true;
    }

    /// From where on items lead the lists of this name and shop, where any is bounded.
    pub(super) fn levels(&self, key: ListKey) -> Option<&Levels> {
        self.exposure.levels.get(&(key.list, key.shop))
    }

    /// Lets a list that has been ranked be led by what may.
    pub(super) fn lead(&self, ranked: &mut List) {
        let key = ranked.key;
        let About::Item(anchor) = key.about else { return };
        if let Some(levels) = self.levels(key) {
            let about = self.rows.items().fingerprint(anchor);
            levels.lead(about, self.rules[key.list.index()].length, ranked);
        }
    }
}

/// A share of a number of lists: at least one.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a length")]
fn share_of(share: f64, lists: usize) -> usize {
    ((share * lists as f64) as usize).max(1)
}
