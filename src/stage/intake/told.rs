//! Impressions and clicks on their way into the events log: which are written, and by what names.
//!
//! They change no count, so they move nothing that counts depend on: neither the source's highest time, nor how far it is out of order. Of
//! their items and users nothing is written but fingerprints.

use super::{IntakeWork, SourceRecord};
use crate::event::{Action, Event, EventType, ShownEntry, Spot, UserKey};
use crate::facts::{CountsAs, Facts};
use crate::intake::Admitted;
use crate::items::fingerprint;
use crate::position::Span;
use crate::rank::Source;
use crate::rules::{ClickRules, OTHER_LIST};
use crate::stage::effect::Effects;
use crate::wire::{EntryToWrite, EventToWrite, ShownToWrite};
use std::borrow::Cow;

/// What became of impressions and clicks that were not written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ToldTally {
    /// Those that nobody wants to know of: the setting is off.
    pub unread: u64,
    /// Impressions of users who are not in the sample.
    pub unsampled: u64,
    /// Those of lists whose names are not told apart.
    pub other_list: u64,
}

impl IntakeWork {
    /// Impressions and clicks are written as `rules` say.
    #[must_use]
    pub fn telling(mut self, rules: ClickRules) -> Self {
        self.clicks = rules;
        self
    }

    /// Takes the impression or click at the start of `span`.
    pub(super) fn told(
        &mut self,
        input: usize,
        span: Span,
        record: &SourceRecord<'_>,
        admitted: &Admitted<'_>,
        effects: &mut dyn Effects,
    ) {
        let Admitted { event, user, partition, skewed } = admitted;
        let event_type = event.action.event_type();
        let (entries, spot): (&[ShownEntry<'_>], &Spot<'_>) = match &event.action {
            Action::Impression { spot, entries } if self.clicks.enabled => (entries, spot),
            Action::Click { spot, entry } if self.clicks.enabled => (std::slice::from_ref(entry), spot),
            _ => return self.pass_over_unread(input, event_type),
        };
        self.inputs[input].meet_told(event.time, *skewed);
        if self.sections.holds(*partition, input, span.from) {
            self.tally.muted += 1;
            return;
        }
        self.tally.skewed += u64::from(*skewed);
        self.tally.seen[self.inputs[input].seen].profile.told();
        let is_sampled = is_sampled(*user, self.clicks.impressions_milli);
        if event_type == EventType::Impression && !is_sampled {
            self.tally.told.unsampled += 1;
            return;
        }
        let facts = self.facts.clone();
        let entries: Vec<EntryToWrite<'_>> =
            entries.iter().filter_map(|entry| entry_to_write(facts.as_deref(), event, entry)).collect();
        if entries.is_empty() {
            return self.pass_over_uncountable(input);
        }
        let rules = self.clicks.clone();
        let names = [&spot.list, &spot.placement].map(|name| name.as_deref());
        for name in names.into_iter().flatten().filter(|name| rules.known(name).is_none()) {
            self.tally.told.other_list += 1;
            self.tally.seen[self.inputs[input].seen].profile.other_list(name);
        }
        let [list, placement] = names.map(|name| name.map(|name| rules.known(name).unwrap_or(OTHER_LIST)));
        let about = spot.about.as_deref().and_then(|about| counts_as(facts.as_deref(), &event.shop, about));
        let shown = ShownToWrite { list, placement, about, is_sampled, entries };
        self.tally.accepted[event_type as usize] += 1;
        self.inputs[input].tally.accepted[event_type as usize] += 1;
        let event = EventToWrite {
            position: span.from,
            user: *user,
            key: event.key,
            time: event.time,
            event_type,
            link: None,
            version: None,
            shop: self.items.shop(&event.shop),
            items: &[],
            money: None,
            shown: Some(&shown),
        };
        self.write(input, span, record, *partition, event, None, effects);
    }

    fn pass_over_unread(&mut self, input: usize, event_type: EventType) {
        self.tally.told.unread += 1;
        self.inputs[input].tally.unread += 1;
        self.tally.seen[self.inputs[input].seen].profile.unread(event_type);
    }
}

/// Whether impressions of a user are told: of so many in a thousand. By the half of the key that partitions do not go by.
fn is_sampled(user: UserKey, milli: u32) -> bool {
    user.0 % 1000 < u128::from(milli)
}

fn entry_to_write<'e>(facts: Option<&Facts>, event: &Event<'_>, entry: &'e ShownEntry<'_>) -> Option<EntryToWrite<'e>> {
    let item = counts_as(facts, &event.shop, &entry.item)?;
    let source = entry.source.as_deref();
    let known = |source: &str| Source::ALL.into_iter().find(|known| known.name() == source).map(Source::name);
    Some(EntryToWrite {
        item,
        position: entry.position,
        source: source.map(|source| known(source).unwrap_or(OTHER_LIST)),
    })
}

/// Fingerprint of what an item counts as; none of what is no product.
fn counts_as(facts: Option<&Facts>, shop: &str, item: &str) -> Option<u64> {
    let item: Cow<'_, str> = match facts.map(|facts| facts.counts_as(shop, item)) {
        None | Some(CountsAs::Itself) => Cow::Borrowed(item),
        Some(CountsAs::Parent(parent)) => Cow::Owned(parent.into()),
        Some(CountsAs::Nothing) => return None,
    };
    Some(fingerprint(shop, &item))
}
