//! What a record gives: an event or a reject; where its source has a transform none, one or several, each at a position of its own.
//!
//! Invariants: the value at `index` among those that the transform gave stands at (offset, index), whatever became of the others; so a record
//! that is read again, from its start, meets what of it the log holds already, on each partition for itself. A block may be sent in the middle
//! of a record: its sections end there. The record is kept as a reject once, however many of its values are refused.

use super::counted::counted;
use super::{IntakeWork, SourceRecord};
use crate::event::{Action, LinkKey};
use crate::findings::At;
use crate::intake::{Admitted, Mapping, Now, Plans, Reject, checksum_of_record};
use crate::position::{NextOffset, Partition, Position, Span};
use crate::stage::effect::Effects;
use crate::stage::sections::Entry;
use crate::wire::EventToWrite;
use std::borrow::Cow;

impl IntakeWork {
    /// Takes the event at the start of `span`: what the record at hand gives is read to its end then.
    pub(super) fn event(
        &mut self,
        input: usize,
        span: Span,
        record: &SourceRecord<'_>,
        admitted: &Admitted<'_>,
        effects: &mut dyn Effects,
    ) {
        if matches!(admitted.event.action, Action::Unread(_)) || admitted.event.action.event_type().is_of_lists() {
            return self.told(input, span, record, admitted, effects);
        }
        let arrived_ms = self.arrived_ms(record.timestamp_ms);
        let Admitted { event, user, partition, skewed } = admitted;
        self.inputs[input].meet(event.time, *skewed);
        let position = span.from;
        if self.sections.holds(*partition, input, position) {
            self.tally.muted += 1;
            return;
        }
        let facts = self.facts.clone();
        let event = match facts.as_deref() {
            None => Cow::Borrowed(event),
            Some(facts) => match counted(facts, event) {
                Some(event) => event,
                None => return self.pass_over_uncountable(input),
            },
        };
        let event = &*event;
        self.tally.skewed += u64::from(*skewed);
        let reading = &mut self.inputs[input];
        let before = reading.latest.replace(event.time);
        let at = At { partition: reading.input.source.partition, record: position.offset };
        self.tally.seen[reading.seen].profile.observe(event, *user, at, before);
        let event_type = event.action.event_type();
        self.tally.accepted[event_type as usize] += 1;
        reading.tally.accepted[event_type as usize] += 1;
        let shop = self.items.shop(&event.shop);
        let mut event_items = std::mem::take(&mut self.event_items); // for its room
        event_items.clear();
        let (mut link, mut version, mut money) = (None, None, None);
        match &event.action {
            Action::View { item, session } => {
                event_items.push(self.items.item(shop, item));
                link = session.as_deref().map(LinkKey::of);
            }
            Action::Cart { item } => event_items.push(self.items.item(shop, item)),
            Action::Order { order_id, version: told, items, money: cost, .. } => {
                event_items.extend(items.iter().map(|item| self.items.item(shop, item)));
                link = (!order_id.is_empty()).then(|| LinkKey::of(order_id));
                version = *told;
                money = cost.as_deref().filter(|_| self.clicks.enabled);
            }
            Action::Erase | Action::Impression { .. } | Action::Click { .. } | Action::Unread(_) => {}
        }
        let (user, key, time, items) = (*user, event.key, event.time, event_items.as_slice());
        let event =
            EventToWrite { position, user, key, time, event_type, link, version, shop, items, money, shown: None };
        self.write(input, span, record, *partition, event, arrived_ms, effects);
        self.event_items = event_items;
    }

    /// Puts an event into the block of its partition.
    #[allow(clippy::too_many_arguments)] // what a record and its event are
    pub(super) fn write(
        &mut self,
        input: usize,
        span: Span,
        record: &SourceRecord<'_>,
        partition: Partition,
        event: EventToWrite<'_>,
        arrived_ms: Option<i64>,
        effects: &mut dyn Effects,
    ) {
        if self.sections.is_full_for(partition, &event, &self.items) {
            self.flush_one(partition.index(), effects);
        }
        let entry = Entry { event, arrived_ms };
        if self.sections.push(partition, input, &self.inputs[input].place(), &entry, &self.items) {
            // What is at hand is in the block, so the section covers it.
            self.passed(input, span.to, checksum_of_record(record));
            self.flush_one(partition.index(), effects);
        }
    }

    /// None of the items of an event is a product.
    pub(super) fn pass_over_uncountable(&mut self, input: usize) {
        self.tally.uncountable += 1;
        self.inputs[input].tally.uncountable += 1;
    }

    /// All before `next` has been taken, last something of the record with this checksum.
    pub(super) fn passed(&mut self, input: usize, next: Position, checksum: u32) {
        let reading = &mut self.inputs[input];
        (reading.next, reading.checksum) = (next, Some(checksum));
    }

    /// What times in the future are held against.
    pub(super) fn now(&self, input: usize) -> Now {
        Now { clock_ms: self.clock.map(|clock| clock.wall_ms), read_to: self.inputs[input].read_to() }
    }

    pub(super) fn reject(&mut self, input: usize, offset: NextOffset, reject: Reject, effects: &mut dyn Effects) {
        self.count(input, &reject);
        effects.reject(&self.inputs[input].input.source, offset, reject);
    }

    pub(super) fn count(&mut self, input: usize, reject: &Reject) {
        let reading = &mut self.inputs[input];
        if let Some(time) = reject.time {
            reading.meet_refused(time);
        }
        self.tally.rejects[reject.reason.index()] += 1;
        self.tally.seen[reading.seen].rejects[reject.reason.index()] += 1;
        reading.tally.rejects[reject.reason.index()] += 1;
    }

    /// A record, or a value that the transform gave, is passed over.
    pub(super) fn skip(&mut self, input: usize) {
        self.tally.skipped += 1;
        self.inputs[input].tally.skipped += 1;
    }

    /// Takes what the transform gives for `record`.
    pub(super) fn outputs(
        &mut self,
        input: usize,
        offset: NextOffset,
        record: &SourceRecord<'_>,
        mapping: &Mapping,
        plans: &Plans,
        effects: &mut dyn Effects,
    ) {
        if record.value.is_none() {
            return self.skip(input);
        }
        let outputs = match mapping.transform(plans, record) {
            Ok(outputs) => outputs,
            Err(reject) => return self.reject(input, offset, reject, effects),
        };
        self.tally.filtered += u64::from(outputs.is_empty());
        self.inputs[input].tally.filtered += u64::from(outputs.is_empty());
        // What is refused is weighed against what there was: values, not records.
        self.tally.seen[self.inputs[input].seen].records += (outputs.len() as u64).saturating_sub(1);
        let checksum = checksum_of_record(record);
        let mut refused = Refused::default();
        let mut position = Position::start_of(offset);
        for output in &outputs {
            if position.index > 0 {
                self.passed(input, position, checksum);
            }
            let span = Span { from: position, to: position.after() };
            match self.intake.admit_output(mapping, plans, record, output, self.now(input)) {
                Ok(Some(admitted)) => self.event(input, span, record, &admitted, effects),
                Ok(None) => self.skip(input),
                Err(reject) => {
                    self.count(input, &reject);
                    refused.add(position, reject);
                }
            }
            position = span.to;
        }
        if let Some(reject) = refused.reject(outputs.len()) {
            effects.reject(&self.inputs[input].input.source, offset, reject);
        }
    }
}

/// Values of one record that were refused.
#[derive(Default)]
struct Refused {
    first: Option<(Position, Reject)>,
    count: usize,
}

impl Refused {
    fn add(&mut self, position: Position, reject: Reject) {
        self.count += 1;
        self.first.get_or_insert((position, reject));
    }

    /// What is told of them: the first, and how many more there are.
    fn reject(self, of: usize) -> Option<Reject> {
        let (position, reject) = self.first?;
        let more = match self.count {
            1 => String::new(),
            count => format!("; {} more of its values are refused too", count - 1),
        };
        let message = format!("value {} of the {of} that transform gave: {}{more}", position.index + 1, reject.message);
        Some(Reject { message, ..reject })
    }
}
