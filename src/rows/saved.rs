//! The counts of a partition as they are kept: one unit for each relation and item, of its row and its totals.
//!
//! What changes before its turn is saved first, as it was ([`Early`]): by unit, so that a change costs one row at most, once.
//! Numbers of a row are copied as they lie in memory: bit for bit the same, and faster than any packing (the file is compressed).
//! Where a landmark moves, all weights of its relation do: what has been given is void then, and saving begins anew.

use super::Rows;
use super::recent::{Recent, RecentFigures};
use super::row::RowStore;
use super::totals::{Contexts, Total, Totals, slot};
use super::travel::{TotalKey, Travel};
use crate::event::EventTime;
use crate::items::{ItemId, ShopId};
use crate::relation::Relation;
use crate::saved::{Early, SavedError, Saving, frame, put, take, whole};
use serde::{Deserialize, Serialize};

/// Kinds of frames.
const FIGURES: u8 = 32;
const UNITS: u8 = 33;
const SHOPS: u8 = 34;
/// Whether a frame of this kind is of the counts.
#[must_use]
pub fn is_of_rows(kind: u8) -> bool {
    (FIGURES..=SHOPS).contains(&kind)
}

/// What a unit holds.
const ROW: u8 = 1;
const ANCHOR: u8 = 2;
const OTHER: u8 = 4;
const SENT: u8 = 8;
const CHANGED: u8 = 16;
const DIFFERS: u8 = 32;
const RECENT: u8 = 64;

/// Units looked at in one portion, at most: those without anything cost little, but not nothing.
const LOOKED_AT_MAX: usize = 65_536;

/// What is not of an item or a shop.
#[derive(Serialize, Deserialize)]
struct Figures {
    now: EventTime,
    landmarks: [Option<i64>; Relation::COUNT],
    pair_updates: [u64; Relation::COUNT],
    evictions: [u64; Relation::COUNT],
    missed: [u64; Relation::COUNT],
    recent: Option<RecentFigures>,
    /// How many units and contexts follow.
    units: u64,
    shops: u64,
}

/// Counts that are being saved.
pub(super) struct RowsSaving {
    units: [Early; Relation::COUNT],
    shops: [Early; Relation::COUNT],
    /// Where the walk is.
    relation: usize,
    /// What went early and has not been given yet.
    early: Vec<u8>,
    figures: Option<Figures>,
    /// How many have been given.
    given_units: u64,
    given_shops: u64,
}

/// Saving that was begun, or has become void.
#[derive(Default)]
pub(super) enum State {
    #[default]
    No,
    On(Box<RowsSaving>),
    Void,
}

/// What loading has come to.
#[derive(Default)]
pub(super) struct Loading {
    expected: Option<(u64, u64)>,
    units: u64,
    shops: u64,
    ended: bool,
    recent: Option<RecentFigures>,
}

impl Rows {
    /// From here on [`Rows::save`] gives the counts as they are now.
    pub fn begin_save(&mut self) {
        let units = |index: usize| self.store.heads_len(index).max(self.totals[index].items_len());
        let held = self.store.held();
        let figures = Figures {
            now: self.now,
            landmarks: std::array::from_fn(|index| self.decay[index].landmark_if_any()),
            pair_updates: self.pair_updates,
            evictions: std::array::from_fn(|index| held[index].evictions),
            missed: std::array::from_fn(|index| held[index].missed),
            recent: self.recent.as_ref().map(Recent::figures),
            units: 0,
            shops: 0,
        };
        let saving = RowsSaving {
            units: std::array::from_fn(|index| Early::new(units(index))),
            shops: std::array::from_fn(|index| Early::new(self.totals[index].shops_len())),
            relation: 0,
            early: Vec::new(),
            figures: Some(figures),
            given_units: 0,
            given_shops: 0,
        };
        self.saving = State::On(Box::new(saving));
    }

    /// No more is wanted.
    pub fn end_save(&mut self) {
        self.saving = State::No;
    }

    /// Bytes that went early and have not been given yet.
    #[must_use]
    pub fn held_early(&self) -> usize {
        if let State::On(saving) = &self.saving { saving.early.len() } else { 0 }
    }

    /// Appends frames: all that went early, and about `bytes_max` bytes more.
    ///
    /// # Panics
    /// When saving was not begun.
    pub fn save(&mut self, bytes_max: usize, out: &mut Vec<u8>) -> Saving {
        let Self { saving: State::On(saving), store, totals, .. } = self else {
            assert!(matches!(self.saving, State::Void), "saving is begun first");
            return Saving::Void;
        };
        let full = out.len().saturating_add(bytes_max);
        out.append(&mut saving.early);
        let mut looked_at = 0;
        while let Some(relation) = Relation::ALL.get(saving.relation).copied() {
            let index = relation.index();
            frame(out, UNITS, |out| {
                out.push(small(index));
                while out.len() < full && looked_at < LOOKED_AT_MAX {
                    let Some(place) = saving.units[index].next_to_go() else { break };
                    looked_at += 1;
                    saving.given_units += u64::from(put_unit(store, &totals[index], relation, place, out));
                }
            });
            frame(out, SHOPS, |out| {
                out.push(small(index));
                while out.len() < full && looked_at < LOOKED_AT_MAX {
                    let Some(place) = saving.shops[index].next_to_go() else { break };
                    looked_at += 1;
                    saving.given_shops += u64::from(put_shop(&totals[index], place, out));
                }
            });
            if out.len() >= full || looked_at >= LOOKED_AT_MAX {
                return Saving::More;
            }
            saving.relation += 1;
        }
        if let Some(figures) = saving.figures.take() {
            let figures = Figures { units: saving.given_units, shops: saving.given_shops, ..figures };
            frame(out, FIGURES, |out| put(out, &figures));
        }
        Saving::Done
    }

    /// What `relation` has of `item` is about to change.
    #[inline]
    pub(super) fn keep(&mut self, relation: Relation, item: ItemId) {
        if let Self { saving: State::On(saving), store, totals, .. } = self {
            saving.keep(store, &totals[relation.index()], relation, item);
        }
    }

    /// What `relation` has of `shop` is about to change.
    #[inline]
    pub(super) fn keep_shop(&mut self, relation: Relation, shop: ShopId) {
        if let Self { saving: State::On(saving), totals, .. } = self {
            saving.keep_shop(&totals[relation.index()], relation, shop);
        }
    }

    /// All weights of a relation are about to change.
    pub(super) fn make_void(&mut self) {
        if matches!(self.saving, State::On(_)) {
            self.saving = State::Void;
        }
    }

    /// Takes up the body of a frame, into counts that were empty, with the names there already.
    ///
    /// # Errors
    /// When it does not read, or does not fit.
    pub fn load(&mut self, kind: u8, body: &[u8]) -> Result<(), SavedError> {
        match kind {
            FIGURES => self.load_figures(whole(body, "the figures of counts")?),
            UNITS => self.load_units(body),
            SHOPS => self.load_shops(body),
            _ => Err(SavedError::Kind { kind }),
        }
    }

    /// All frames have been taken up.
    ///
    /// # Errors
    /// When some are missing.
    pub fn loaded(&mut self) -> Result<(), SavedError> {
        self.items.loaded()?;
        self.owner.meet(&self.items);
        let Loading { expected, units, shops, recent, .. } = std::mem::take(&mut self.loading);
        self.restore_recent(recent);
        match expected {
            Some(expected) if expected == (units, shops) => Ok(()),
            Some(expected) => {
                Err(SavedError::unfit(format!("{units} units and {shops} contexts of counts, of {expected:?}")))
            }
            None => Err(SavedError::unfit("counts without their figures")),
        }
    }

    fn load_figures(&mut self, figures: Figures) -> Result<(), SavedError> {
        if std::mem::replace(&mut self.loading.ended, true) {
            return Err(SavedError::unfit("the figures of counts, twice"));
        }
        self.loading.expected = Some((figures.units, figures.shops));
        (self.now, self.pair_updates) = (figures.now, figures.pair_updates);
        for (index, landmark) in figures.landmarks.into_iter().enumerate() {
            self.decay[index].restore(landmark);
        }
        self.store.take_up_tallies(&figures.evictions, &figures.missed);
        self.loading.recent = figures.recent;
        Ok(())
    }

    fn load_units(&mut self, mut body: &[u8]) -> Result<(), SavedError> {
        let relation = relation_of(&mut body)?;
        while !body.is_empty() {
            let (item, flags): (ItemId, u8) = take(&mut body, "a unit of counts")?;
            if item.index() >= self.items.len() {
                return Err(SavedError::unfit(format!("counts of item {}, of {}", item.0, self.items.len())));
            }
            self.loading.units += 1;
            if flags & ROW != 0 {
                let length: u32 = take(&mut body, "the length of a row")?;
                let bytes = (length as usize).checked_mul(PAIR_BYTES).and_then(|bytes| body.split_at_checked(bytes));
                let (pairs, rest) = bytes.ok_or_else(|| SavedError::unfit(format!("a row of {length} pairs, cut")))?;
                body = rest;
                self.store.load_row(relation, item, pairs, self.items.len())?;
            }
            let totals = &mut self.totals[relation.index()];
            if flags & ANCHOR != 0 {
                if relation.is_symmetric() {
                    return Err(SavedError::unfit("an anchor total of a symmetric relation"));
                }
                let (weight, support) = take_total(&mut body)?;
                *totals.anchor_mut(relation, item) = Total { weight, support, ..Total::default() };
            }
            if flags & OTHER != 0 {
                let (weight, support) = take_total(&mut body)?;
                let (changed, differs) = (flags & CHANGED != 0, flags & DIFFERS != 0);
                *totals.other_mut(item) = Total { weight, support, changed, differs };
            }
            if flags & SENT != 0 {
                *slot(&mut totals.sent_others, item.index()) = weight(take(&mut body, "a total told")?)?;
            }
            if flags & RECENT != 0 {
                *slot(&mut totals.recent_others, item.index()) = weight(take(&mut body, "a recent total")?)?;
            }
            self.travel.restore(TotalKey::Item(relation, item), flags & CHANGED != 0, flags & DIFFERS != 0);
        }
        Ok(())
    }

    fn load_shops(&mut self, mut body: &[u8]) -> Result<(), SavedError> {
        let relation = relation_of(&mut body)?;
        while !body.is_empty() {
            let (shop, flags): (ShopId, u8) = take(&mut body, "contexts")?;
            if shop.index() >= self.items.shop_count() {
                return Err(SavedError::unfit(format!("contexts of shop {}", shop.0)));
            }
            self.loading.shops += 1;
            let totals = &mut self.totals[relation.index()];
            let (found, support, sent, recent): (f64, u64, f64, f64) = take(&mut body, "contexts")?;
            let (changed, differs) = (flags & CHANGED != 0, flags & DIFFERS != 0);
            *totals.contexts_mut(shop.index()) = Contexts { weight: weight(found)?, support, changed, differs };
            if flags & SENT != 0 {
                *slot(&mut totals.sent_contexts, shop.index()) = weight(sent)?;
            }
            if flags & RECENT != 0 {
                *slot(&mut totals.recent_contexts, shop.index()) = weight(recent)?;
            }
            self.travel.restore(TotalKey::Shop(relation, shop), changed, differs);
        }
        Ok(())
    }
}

/// Bytes of a pair, as it lies in memory: key, weight, support, tail.
pub(super) const PAIR_BYTES: usize = 16;

impl RowsSaving {
    fn keep(&mut self, store: &RowStore, totals: &Totals, relation: Relation, item: ItemId) {
        let place = item.index();
        if self.units[relation.index()].is_to_go(place) {
            let given = &mut self.given_units;
            frame(&mut self.early, UNITS, |out| {
                out.push(small(relation.index()));
                *given += u64::from(put_unit(store, totals, relation, place, out));
            });
        }
    }

    fn keep_shop(&mut self, totals: &Totals, relation: Relation, shop: ShopId) {
        if self.shops[relation.index()].is_to_go(shop.index()) {
            let given = &mut self.given_shops;
            frame(&mut self.early, SHOPS, |out| {
                out.push(small(relation.index()));
                *given += u64::from(put_shop(totals, shop.index(), out));
            });
        }
    }
}

/// Appends the unit at `place`, if there is anything of it.
fn put_unit(store: &RowStore, totals: &Totals, relation: Relation, place: usize, out: &mut Vec<u8>) -> bool {
    let Ok(number) = u32::try_from(place) else { return false };
    let item = ItemId(number);
    let row = store.row(relation, item);
    let anchor = if relation.is_symmetric() { Total::default() } else { totals.anchor(relation, item) };
    let other = totals.other(item);
    let sent = totals.sent_others.get(place).copied().unwrap_or_default();
    let recent = totals.recent_others.get(place).copied().unwrap_or_default();
    let flag = |is_there: bool, flag: u8| if is_there { flag } else { 0 };
    let flags = flag(row.is_some(), ROW)
        | flag(anchor != Total::default(), ANCHOR)
        | flag(other != Total::default(), OTHER)
        | flag(sent != 0.0, SENT)
        | flag(other.changed, CHANGED)
        | flag(other.differs, DIFFERS)
        | flag(recent != 0.0, RECENT);
    if flags == 0 {
        return false;
    }
    put(out, &(item, flags));
    if let Some(row) = row {
        put(out, &small_count(row.keys.len()));
        for column in [row.keys, row.weights, row.support, row.tails()] {
            out.extend(column.iter().flat_map(|word| word.to_le_bytes()));
        }
    }
    for (total, flag) in [(anchor, ANCHOR), (other, OTHER)] {
        if flags & flag != 0 {
            put(out, &(total.weight, total.support));
        }
    }
    if flags & SENT != 0 {
        put(out, &sent);
    }
    if flags & RECENT != 0 {
        put(out, &recent);
    }
    true
}

fn put_shop(totals: &Totals, place: usize, out: &mut Vec<u8>) -> bool {
    let contexts = totals.contexts(place);
    let sent = totals.sent_contexts.get(place).copied().unwrap_or_default();
    let recent = totals.recent_contexts.get(place).copied().unwrap_or_default();
    let Ok(number) = u32::try_from(place) else { return false };
    if contexts == Contexts::default() && sent == 0.0 && recent == 0.0 {
        return false;
    }
    let flag = |is_there: bool, flag: u8| if is_there { flag } else { 0 };
    let flags = flag(sent != 0.0, SENT) | flag(contexts.changed, CHANGED) | flag(contexts.differs, DIFFERS);
    let flags = flags | flag(recent != 0.0, RECENT);
    put(out, &(ShopId(number), flags, contexts.weight, contexts.support, sent, recent));
    true
}

fn relation_of(body: &mut &[u8]) -> Result<Relation, SavedError> {
    let index: u8 = take(body, "a relation")?;
    let relation = Relation::ALL.get(usize::from(index)).copied();
    relation.ok_or_else(|| SavedError::unfit(format!("relation {index}, of {}", Relation::COUNT)))
}

fn take_total(body: &mut &[u8]) -> Result<(f64, u32), SavedError> {
    let (found, support) = take(body, "a total")?;
    Ok((weight(found)?, support))
}

/// A weight: a number that is not negative.
fn weight(found: f64) -> Result<f64, SavedError> {
    let is_weight = found >= 0.0 && found.is_finite();
    if is_weight { Ok(found) } else { Err(SavedError::unfit(format!("a weight of {found}"))) }
}

/// A relation's place.
fn small(index: usize) -> u8 {
    u8::try_from(index).unwrap_or(u8::MAX)
}

/// A row's length.
fn small_count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

impl Travel {
    /// Totals that have to be looked at, as they were.
    fn restore(&mut self, key: TotalKey, changed: bool, differs: bool) {
        if changed {
            self.changed.push(key);
        }
        if differs {
            self.differs.push(key);
        }
    }
}

#[cfg(test)]
mod tests;
