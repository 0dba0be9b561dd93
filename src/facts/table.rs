//! All facts of a process.

use super::catalogue::{Catalogue, CategoryId, Price};
use super::changes::{Changed, Changes};
use super::item::{Item, ItemFacts, Text};
use super::manual::Manual;
use super::named::Named;
use super::stock::Stock;
use super::tree::{Categories, Names};
use crate::items::fingerprint;
use dashmap::DashMap;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// How many parents may stand above an item.
pub const PARENTS_MAX: usize = 8;

/// How many relations, and how many verdicts, one anchor may have.
pub const MANUAL_MAX: usize = 1_000;

/// Shards of the table of items: one that grows is made anew at once, so each is small.
const SHARDS: usize = 256;

/// Why a fact is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It would make an item its own parent.
    #[error("the parents of an item must not lead back to it: it is kept without a parent")]
    Loop,
    /// Too many parents.
    #[error("an item may have {PARENTS_MAX} parents above it: it is kept without a parent")]
    Deep,
    /// Too much is said of one anchor.
    #[error("of one item at most {MANUAL_MAX} relations and as many verdicts are kept")]
    Manual,
    /// There is no room.
    #[error("facts take more than facts.memory allows: raise it, or leave out names, links and pictures")]
    Memory,
}

/// What an item of an event counts as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CountsAs {
    /// Itself.
    Itself,
    /// The item that it is a variant of.
    Parent(Box<str>),
    /// Nothing: a fee, a deposit, a sample.
    Nothing,
}

/// What only whoever writes needs.
#[derive(Default)]
pub(super) struct Writer {
    brands: Names,
    currencies: Names,
    /// When something that people said begins or ends to hold, and what changes then.
    pub(super) calendar: BTreeMap<i64, Vec<Turn>>,
}

/// What changes at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// What people say of an item.
    Of(u64),
    /// Anything may.
    All,
}

/// All facts.
pub struct Facts {
    pub(super) bytes_max: usize,
    pub(super) bytes: AtomicUsize,
    /// What the names of makers and currencies take.
    name_bytes: AtomicUsize,
    pub(super) items: DashMap<u64, Item>,
    /// By anchor.
    pub(super) manual: DashMap<u64, Arc<Manual>>,
    /// Verdicts in everybody's lists, by the other item.
    pub(super) everywhere: DashMap<u64, Arc<Manual>>,
    /// By other item: in the lists of how many anchors it is rejected.
    pub(super) rejections: DashMap<u64, u32>,
    /// How many these are.
    pub(super) rejected: AtomicUsize,
    /// Of the catalogue's products, where names are kept.
    pub(super) names: DashMap<u64, Arc<Named>>,
    pub(super) keeps_names: bool,
    pub(super) categories: RwLock<Categories>,
    /// What currencies are called, by number, from 1: for whoever is told prices.
    pub(super) currencies: RwLock<Vec<Arc<str>>>,
    changes: Mutex<Changes>,
    writer: Mutex<Writer>,
    is_complete: AtomicBool,
    /// The latest time that was told.
    pub(super) clock_ms: AtomicI64,
    /// Of the verdicts in everybody's lists: all, and those that are no rejections.
    pub(super) said_everywhere: AtomicUsize,
    pub(super) moved_everywhere: AtomicUsize,
}

impl std::fmt::Debug for Facts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Facts").field("items", &self.items()).field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

impl Facts {
    /// No facts yet, with room for `bytes_max` bytes. Nothing goes by them before they are said to be complete.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            bytes: AtomicUsize::new(0),
            name_bytes: AtomicUsize::new(0),
            items: DashMap::with_shard_amount(SHARDS),
            manual: DashMap::default(),
            everywhere: DashMap::default(),
            rejections: DashMap::default(),
            rejected: AtomicUsize::new(0),
            names: DashMap::default(),
            keeps_names: false,
            categories: RwLock::default(),
            currencies: RwLock::default(),
            changes: Mutex::default(),
            writer: Mutex::default(),
            is_complete: AtomicBool::new(false),
            clock_ms: AtomicI64::new(i64::MIN),
            said_everywhere: AtomicUsize::new(0),
            moved_everywhere: AtomicUsize::new(0),
        }
    }

    /// What ranking needs to know of an item.
    #[must_use]
    pub fn of(&self, item: u64) -> ItemFacts {
        let Some((mut facts, above)) = self.items.get(&item).map(|known| (known.facts(), known.parent_fingerprint))
        else {
            return ItemFacts { family: item, ..Item::default().facts() };
        };
        facts.family = if above == 0 { item } else { self.family(above) };
        facts
    }

    /// What people need to know of an item.
    #[must_use]
    pub fn text(&self, item: u64) -> Option<Arc<Text>> {
        self.items.get(&item)?.text.clone()
    }

    /// The items of all shops that the catalogue has, that are sold and are no variant, each by its fingerprint. Whoever is told may ask
    /// nothing of the table meanwhile.
    pub fn for_each_sold(&self, mut tell: impl FnMut(u64)) {
        for found in &self.items {
            let item = found.value();
            if item.has_catalogue && item.is_active && item.is_countable && item.parent_fingerprint == 0 {
                tell(*found.key());
            }
        }
    }

    /// What an item of an event counts as.
    #[must_use]
    pub fn counts_as(&self, shop: &str, item: &str) -> CountsAs {
        let mut at = fingerprint(shop, item);
        let mut parent: Option<Box<str>> = None;
        for _ in 0..=PARENTS_MAX {
            let Some(known) = self.items.get(&at) else { break };
            if !known.is_countable {
                return CountsAs::Nothing;
            }
            let Some(above) = &known.parent else { break };
            (parent, at) = (Some(above.clone()), known.parent_fingerprint);
        }
        parent.map_or(CountsAs::Itself, CountsAs::Parent)
    }

    /// The names of a way of categories, from the widest to the narrowest.
    #[must_use]
    pub fn category(&self, id: CategoryId) -> Vec<Box<str>> {
        self.categories.read().unwrap_or_else(PoisonError::into_inner).way(id)
    }

    /// Whether any item has been in the category of these names, from the widest on, or below it.
    #[must_use]
    pub fn has_category(&self, way: &[Box<str>]) -> bool {
        self.categories.read().unwrap_or_else(PoisonError::into_inner).find(way).is_some()
    }

    /// The next wider category.
    #[must_use]
    pub fn wider(&self, id: CategoryId) -> Option<CategoryId> {
        self.categories.read().unwrap_or_else(PoisonError::into_inner).parent(id)
    }

    /// Whether one category is the other, or around it: two ways that are the same as far as both go.
    #[must_use]
    pub fn are_one_way(&self, one: CategoryId, other: CategoryId) -> bool {
        one == other || self.categories.read().unwrap_or_else(PoisonError::into_inner).are_one_way(one, other)
    }

    /// At most `max` changes from number `next` on, which moves behind them.
    #[must_use]
    pub fn changed_since(&self, next: &mut u64, max: usize) -> Changed {
        self.lock_changes().since(next, max)
    }

    /// The number that the next change gets.
    #[must_use]
    pub fn next_change(&self) -> u64 {
        self.lock_changes().next()
    }

    /// Whether all that was there at the start has been read: before, nothing is published that goes by facts.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.is_complete.load(Ordering::Acquire)
    }

    /// All that was there at the start has been read.
    pub fn complete(&self) {
        self.is_complete.store(true, Ordering::Release);
    }

    /// How many items anything is known of.
    #[must_use]
    pub fn items(&self) -> usize {
        self.items.len()
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let categories = self.categories.read().unwrap_or_else(PoisonError::into_inner).bytes();
        self.bytes.load(Ordering::Relaxed) + self.name_bytes.load(Ordering::Relaxed) + categories
    }

    /// Sets what the catalogue says of an item, or that it says nothing any more.
    ///
    /// # Errors
    /// When it does not fit, or its parent cannot be: the rest of it counts then.
    pub fn set_catalogue(&self, shop: &str, item: &str, catalogue: Option<&Catalogue<'_>>) -> Result<(), Refused> {
        let mut writer = self.lock_writer();
        // Names of categories and makers are kept whatever becomes of the rest: where there is no room, none come.
        if catalogue.is_some() && self.bytes() > self.bytes_max {
            return Err(Refused::Memory);
        }
        let own = fingerprint(shop, item);
        let blank = Catalogue::default();
        let said = catalogue.unwrap_or(&blank);
        let above = said.parent.filter(|parent| !parent.is_empty()).map(|parent| (parent, fingerprint(shop, parent)));
        let refused = above.and_then(|(_, above)| self.may_stand_below(own, above).err());
        let above = above.filter(|_| refused.is_none());
        let mut next = self.items.get(&own).map(|known| known.clone()).unwrap_or_default();
        (next.is_active, next.is_countable, next.has_catalogue) = (said.active, said.countable, catalogue.is_some());
        next.category = self.categories.write().unwrap_or_else(PoisonError::into_inner).intern(&said.category);
        next.brand = writer.brands.intern(said.brand);
        let currency = writer.currencies.intern(said.currency);
        self.name_bytes.store(writer.brands.bytes() + writer.currencies.bytes(), Ordering::Relaxed);
        let currency = u16::try_from(currency).unwrap_or(u16::MAX);
        self.name_currency(currency, said.currency);
        next.price = said.price.map(|amount| Price { amount, currency });
        next.launched_ms = said.launched_ms;
        next.text = Text::of(said);
        (next.parent, next.parent_fingerprint) = match above {
            Some((name, fingerprint)) => (Some(Box::from(name)), fingerprint),
            None => (None, 0),
        };
        let is_product = catalogue.is_some() && said.active && said.countable && above.is_none();
        self.name(own, is_product.then_some([shop, item])); // before it is told that anything has changed
        if let Err(refused) = self.put(own, next) {
            self.name(own, None);
            return Err(refused);
        }
        refused.map_or(Ok(()), Err)
    }

    /// Sets what there is of an item, or that nobody knows any more.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn set_stock(&self, shop: &str, item: &str, stock: Option<Stock>) -> Result<(), Refused> {
        let _writer = self.lock_writer();
        let own = fingerprint(shop, item);
        let mut next = self.items.get(&own).map(|known| known.clone()).unwrap_or_default();
        next.own_stock = stock;
        self.put(own, next)
    }

    /// Whether `own` may have `above` as its parent, with all that stands below it.
    fn may_stand_below(&self, own: u64, above: u64) -> Result<(), Refused> {
        let below = self.items.get(&own).map_or(0, |known| usize::from(known.below));
        let mut at = above;
        for _ in 0..PARENTS_MAX.saturating_sub(below) {
            if at == own {
                return Err(Refused::Loop);
            }
            match self.items.get(&at).map(|known| known.parent_fingerprint) {
                None | Some(0) => return Ok(()),
                Some(next) => at = next,
            }
        }
        Err(Refused::Deep)
    }

    fn family(&self, item: u64) -> u64 {
        let mut at = item;
        for _ in 0..=PARENTS_MAX {
            match self.items.get(&at).map(|known| known.parent_fingerprint) {
                None | Some(0) => break,
                Some(next) => at = next,
            }
        }
        at
    }

    /// Puts what is now known of an item in its place, and counts it with its parents.
    fn put(&self, own: u64, next: Item) -> Result<(), Refused> {
        let before = self.items.get(&own).map(|known| known.clone());
        if before.as_ref() == Some(&next) || (before.is_none() && next == Item::default()) {
            return Ok(()); // no news
        }
        let (bytes_before, bytes) = (before.as_ref().map_or(0, Item::bytes), next.bytes());
        if bytes > bytes_before && self.bytes() + bytes - bytes_before > self.bytes_max {
            return Err(Refused::Memory);
        }
        let before = before.unwrap_or_default();
        // Its variants are of another family then, and which these are nobody knows.
        let moves_variants = next.variants > 0 && before.parent_fingerprint != next.parent_fingerprint;
        let below = next.below;
        let (parents, told) =
            ([before.parent_fingerprint, next.parent_fingerprint], [before.for_parent(), next.for_parent()]);
        if next == Item::default() {
            self.items.remove(&own);
            self.bytes.fetch_sub(bytes_before, Ordering::Relaxed);
        } else {
            self.items.insert(own, next);
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
            self.bytes.fetch_sub(bytes_before, Ordering::Relaxed);
        }
        if moves_variants {
            self.lock_changes().push_all();
        }
        self.changed(own);
        if parents[0] != parents[1] || told[0] != told[1] {
            self.move_variant(parents, told, below);
        }
        Ok(())
    }

    /// A variant was that of the first parent, and in the first state; now it is the second's, in the second.
    fn move_variant(&self, parents: [u64; 2], told: [Option<Stock>; 2], below: u8) {
        if parents[0] == parents[1] {
            self.climb(parents[0], |known| {
                known.count(told[0], false);
                known.count(told[1], true);
            });
            return;
        }
        self.climb(parents[0], |known| {
            known.count(told[0], false);
            known.variants = known.variants.saturating_sub(1);
            if known.variants == 0 {
                known.below = 0;
            }
        });
        self.climb(parents[1], |known| {
            known.count(told[1], true);
            known.variants = known.variants.saturating_add(1);
            known.below = known.below.max(below.saturating_add(1));
        });
    }

    /// Changes an item's count of its variants, and what follows from it for those above: at most [`PARENTS_MAX`].
    fn climb(&self, item: u64, change: impl FnOnce(&mut Item)) {
        let mut next = self.step_up(item, change);
        while let Some((above, told, below)) = next {
            next = self.step_up(above, |known| {
                known.count(told[0], false);
                known.count(told[1], true);
                known.below = known.below.max(below.saturating_add(1));
            });
        }
    }

    /// Returns the item above, what `item` was and is to it, and how many levels stand below `item`, where any of it has changed.
    fn step_up(&self, item: u64, change: impl FnOnce(&mut Item)) -> Option<(u64, [Option<Stock>; 2], u8)> {
        if item == 0 {
            return None; // nobody's
        }
        let (told, above, below, is_deeper) = {
            let mut known = self.items.entry(item).or_insert_with(|| {
                self.bytes.fetch_add(Item::default().bytes(), Ordering::Relaxed);
                Item::default()
            });
            let (before, below) = (known.for_parent(), known.below);
            change(&mut known);
            let told = [before, known.for_parent()];
            (told, known.parent_fingerprint, known.below, known.below > below)
        };
        if self.items.remove_if(&item, |_, known| *known == Item::default()).is_some() {
            self.bytes.fetch_sub(Item::default().bytes(), Ordering::Relaxed);
        }
        self.changed(item);
        (told[0] != told[1] || is_deeper).then_some((above, told, below))
    }

    pub(super) fn changed(&self, item: u64) {
        self.lock_changes().push(item);
    }

    pub(super) fn lock_changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lock_writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
