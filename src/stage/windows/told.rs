//! What the log tells of lists that were shown: it goes past the merge, and past the windows, to where it is counted.
//!
//! It is taken as it is read, not as it would be released: nothing waits for it, and it waits for nothing. Orders are told there too, once a
//! list was shown or clicked.

use super::WindowsWork;
use crate::clicks::{Told, ToldEntry, ToldOrder};
use crate::event::{Currency, EventType, OrderStep};
use crate::wire::{EntryAsRead, EventEntry, EventItems, EventsBlock};

impl WindowsWork {
    /// Entries of a list were shown, or one was clicked.
    pub(super) fn tell_of_list(&mut self, block: &EventsBlock<'_>, entry: &EventEntry) {
        let EventItems::Shown(place, shop) = entry.items else { return };
        let shown = &block.shown[place];
        let label = |label: Option<u32>| label.map(|label| block.labels[label as usize]);
        let told = Told {
            user: block.users[entry.user as usize],
            time: entry.time,
            key: entry.key,
            shop: block.shops[shop as usize],
            list: label(shown.list),
            placement: label(shown.placement),
            about: shown.about,
            is_sampled: shown.is_sampled,
        };
        let of =
            |entry: &EntryAsRead| ToldEntry { item: entry.item, position: entry.position, source: label(entry.source) };
        let mut entries = block.shown_entries[shown.entries.clone()].iter().map(of);
        if entry.event_type == EventType::Click {
            entries.by_ref().take(1).for_each(|entry| self.clicks.clicked(&told, &entry));
        } else {
            self.clicks.shown(&told, entries);
        }
    }

    /// An order was placed or changed, or a user is to be forgotten.
    pub(super) fn tell_of_order(&mut self, block: &EventsBlock<'_>, entry: &EventEntry) {
        if !self.clicks.is_active() {
            return;
        }
        let user = block.users[entry.user as usize];
        let step = match entry.event_type {
            EventType::Order => OrderStep::State,
            EventType::Add => OrderStep::Add,
            EventType::Return => OrderStep::Return,
            EventType::Cancel => OrderStep::Cancel,
            EventType::Erase => return self.clicks.erase(user),
            EventType::View | EventType::Cart | EventType::Impression | EventType::Click => return,
        };
        let numbers = match &entry.items {
            EventItems::Lines(lines) => &block.lines[lines.clone()],
            _ => &[],
        };
        let (currency, amounts) = match &entry.money {
            Some((currency, amounts)) => (*currency, &block.amounts[amounts.clone()]),
            None => (Currency::NONE, [].as_slice()),
        };
        let amounts = amounts.iter().copied().chain(std::iter::repeat(None));
        let item = |number: u32| self.items.fingerprint(self.names.items[number as usize]);
        let lines: Vec<(u64, Option<u64>)> = numbers.iter().map(|&number| item(number)).zip(amounts).collect();
        let (time, key, number, version) = (entry.time, entry.key, entry.link, entry.version);
        self.clicks.ordered(&ToldOrder { user, time, key, step, number, version, currency, lines: &lines });
    }
}
