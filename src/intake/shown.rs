//! Of a record, what only impressions and clicks have, and what orders cost for their sake.
//!
//! A place that cannot be one refuses the record. What an order costs never does: an order counts whatever its prices are.

use super::decode::{Reading, line_item, lines_fault};
use super::fact::plain_number;
use super::mapping::ListFields;
use super::paths::LINE_FIELDS;
use super::reading::{Fault, fault_at, id_text};
use super::reject::Reason;
use super::value::{Place, Value};
use crate::event::{Action, Currency, Money, ShownEntry, Spot};
use crate::limits::{AMOUNT_MAX, SHOWN_ENTRIES_MAX, SHOWN_POSITION_MAX};
use std::borrow::Cow;
use std::mem;

/// More of a line.
type More<'a> = [Value<'a>; LINE_FIELDS];

const POSITION: &str =
    "a place in a list is a whole number from 1; where the shop counts from 0, add 1 in a transform (.position += 1)";

impl<'a> Reading<'_, 'a> {
    /// Entries in lines, or one alone.
    pub(super) fn impression(&mut self) -> Result<Action<'a>, Fault> {
        let (spot, mapping) = (self.spot()?, self.mapping);
        let found = &mut self.fields.found;
        let is_lines = matches!(found.values[mapping.lines], Value::Array)
            || matches!(found.values[mapping.lines], Value::Object) && found.line_count > 0;
        if !is_lines {
            return Ok(Action::Impression { spot, entries: vec![self.entry(Some(1))?] });
        }
        if found.line_count > SHOWN_ENTRIES_MAX {
            let what =
                format!("{} entries, more than {SHOWN_ENTRIES_MAX}; send what was really shown", found.line_count);
            return Err(lines_fault(mapping, Reason::TooManyLines, what));
        }
        let (lines, more, end) = (mem::take(&mut found.lines), mem::take(&mut found.more), found.line_end.take());
        let first = self.position()?.unwrap_or(1);
        let mut entries = Vec::with_capacity(lines.len());
        for ((line, value), more) in lines.into_iter().enumerate().zip(more) {
            let item = line_item(mapping, line, value, &end)?;
            let [position, source, ..] = more;
            let position = line_position(mapping, line, &position)?;
            let place = u32::try_from(line).unwrap_or(u32::MAX).saturating_add(first);
            entries.push(ShownEntry { item, position: Some(position.unwrap_or(place)), source: word(source) });
        }
        if entries.is_empty() {
            let what = "an impression without entries; map the array of them, or do not send it".to_owned();
            return Err(lines_fault(mapping, Reason::EmptyOrder, what));
        }
        Ok(Action::Impression { spot, entries })
    }

    /// One entry, alone or in a line.
    pub(super) fn click(&mut self) -> Result<Action<'a>, Fault> {
        let spot = self.spot()?;
        let mapping = self.mapping;
        let found = &mut self.fields.found;
        let is_line = found.line_count == 1 && found.lines.len() == 1;
        if self.fields.id(&mapping.item)?.is_some() || !is_line {
            return Ok(Action::Click { spot, entry: self.entry(None)? });
        }
        let found = &mut self.fields.found;
        let (value, more, end) = (found.lines.swap_remove(0), found.more.pop(), found.line_end.take());
        let item = line_item(mapping, 0, value, &end)?;
        let [position, source, ..] = more.unwrap_or_default();
        let position = line_position(mapping, 0, &position)?.or(self.position()?);
        Ok(Action::Click { spot, entry: ShownEntry { item, position, source: word(source) } })
    }

    fn list_fields(&self) -> Option<&'a ListFields> {
        self.mapping.of_lists.as_ref()
    }

    /// Where it was: a list, a placement, or both.
    fn spot(&self) -> Result<Spot<'a>, Fault> {
        let Some(ListFields { list, placement, about, .. }) = self.list_fields() else { return Ok(Spot::default()) };
        // A name that is no id is no list of anybody's: it is told as another one, and loses nothing else.
        let name =
            |field| Ok::<_, Fault>(self.fields.pick(field)?.map(|(_, value)| word(value).unwrap_or(Cow::Borrowed(""))));
        let spot = Spot { list: name(list)?, placement: name(placement)?, about: self.fields.id(about)? };
        if spot.list.is_none() && spot.placement.is_none() {
            return Err(self.fields.blank(list));
        }
        Ok(spot)
    }

    /// The entry that the record itself is.
    fn entry(&self, otherwise: Option<u32>) -> Result<ShownEntry<'a>, Fault> {
        let item = self.fields.needed(&self.mapping.item)?;
        let source = match self.list_fields() {
            Some(fields) => self.fields.pick(&fields.source)?.and_then(|(_, value)| word(value)),
            None => None,
        };
        Ok(ShownEntry { item, position: self.position()?.or(otherwise), source })
    }

    fn position(&self) -> Result<Option<u32>, Fault> {
        let Some(ListFields { position: field, .. }) = self.list_fields() else { return Ok(None) };
        let Some((origin, value)) = self.fields.pick(field)? else { return Ok(None) };
        let what = || format!("{}; {POSITION}", said(&value));
        place(&value).map(Some).ok_or_else(|| fault_at(Reason::BadPosition, field, origin, what()))
    }

    /// What lines cost, if any of them says it.
    pub(super) fn money<'m>(&self, lines: impl Iterator<Item = &'m More<'a>>) -> Option<Box<Money>>
    where
        'a: 'm,
    {
        let fields = self.list_fields()?;
        let amounts: Vec<Option<u64>> = lines.map(amount).collect();
        if amounts.iter().all(Option::is_none) {
            return None;
        }
        let currency = match self.fields.pick(&fields.currency).ok()? {
            None => Currency::NONE,
            Some((_, Value::Text(text))) => Currency::of(&text)?,
            Some(_) => return None,
        };
        Some(Box::new(Money { currency, amounts }))
    }
}

fn line_position(mapping: &super::mapping::Mapping, line: usize, value: &Value<'_>) -> Result<Option<u32>, Fault> {
    if value.is_blank() {
        return Ok(None);
    }
    place(value).map(Some).ok_or_else(|| Fault {
        reason: Reason::BadPosition,
        field: "line_position",
        label: format!("line {} in {}", line + 1, mapping.lines_label),
        what: format!("{}; {POSITION}", said(value)),
        place: Some(Place::Line(line)),
    })
}

/// What was found in place of a place.
fn said(value: &Value<'_>) -> String {
    match value {
        Value::Signed(number) => number.to_string(),
        Value::Unsigned(number) => number.to_string(),
        other => other.kind().to_owned(),
    }
}

fn place(value: &Value<'_>) -> Option<u32> {
    let number = match value {
        Value::Signed(number) => u32::try_from(*number).ok(),
        Value::Unsigned(number) => u32::try_from(*number).ok(),
        Value::Text(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number| (1..=SHOWN_POSITION_MAX).contains(number))
}

/// A name, where it can be one.
fn word(value: Value<'_>) -> Option<Cow<'_, str>> {
    id_text(value).ok()
}

/// What a line costs, in thousandths: its price times its quantity.
fn amount([_, _, price, quantity]: &More<'_>) -> Option<u64> {
    let quantity = if quantity.is_blank() { 1.0 } else { number(quantity)? };
    let thousandths = (number(price)? * quantity * 1000.0).round();
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    // within 53 bits, and not negative
    (0.0..=AMOUNT_MAX as f64).contains(&thousandths).then_some(thousandths as u64)
}

fn number(value: &Value<'_>) -> Option<f64> {
    #[allow(clippy::cast_precision_loss)] // a price
    match value {
        Value::Signed(number) => Some(*number as f64),
        Value::Unsigned(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        Value::Text(text) => plain_number(text),
        _ => None,
    }
}
