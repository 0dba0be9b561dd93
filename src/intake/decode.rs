//! Reads a record by a mapping: an event as the record has it, its time not yet judged.
//!
//! Invariants: fields are looked at in a fixed order (type, time, shop, user, id, item and session or lines, order id, version), so a record with two
//! faults has the same reason every time. A field is the first of its places that is neither missing, null nor empty.

use super::avro::Plans;
use super::id::{anonymous, content_key, shop_fault};
use super::mapping::{Mapping, TimeOrigin, TypePlan};
use super::reading::{Fault, Fields, at, check_object, fault_at, id_text, in_brackets, scalar_text};
use super::reject::{Reason, Reject, shortened};
use super::spec::{LineWithoutItem, UserMissing};
use super::time::{ReadTime, TimeForm, written_ms};
use super::transform::Output;
use super::value::{Found, Place, Value};
use super::{Record, TIME_MAX_MS};
use crate::event::{Action, EventKey, EventTime, EventType, Money, OrderStep, SHOP_DEFAULT};
use crate::limits::LINES_MAX;
use std::borrow::Cow;
use std::mem;

/// An event as its record has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// The shop; holds no slash.
    pub shop: Cow<'a, str>,
    /// Visitor or customer.
    pub user: Cow<'a, str>,
    /// When it happened, as the record says.
    pub own_time: EventTime,
    /// How `own_time` was written.
    pub time_form: TimeForm,
    /// What tells a re-sent event from a new one.
    pub key: EventKey,
    /// What happened.
    pub action: Action<'a>,
}

impl Mapping {
    /// The event in `record`; `None` when it is to be skipped: a null value, or a type that the mapping skips.
    ///
    /// # Errors
    /// [`Reject`], its `time` as the record says.
    pub fn decode<'a>(&'a self, plans: &'a Plans, record: &Record<'a>) -> Result<Option<Decoded<'a>>, Reject> {
        let Some(bytes) = record.value else { return Ok(None) };
        let found = self.form.value(plans, bytes)?;
        self.decode_found(plans, record, found, |place| self.form.place(plans, bytes, place))
    }

    /// The event in an output that the record's [`transform`](Mapping::transform) gave; `None` when its type is skipped.
    ///
    /// # Errors
    /// [`Reject`], its `time` as the output says.
    pub fn decode_output<'a>(
        &'a self,
        plans: &'a Plans,
        record: &Record<'a>,
        output: &'a Output,
    ) -> Result<Option<Decoded<'a>>, Reject> {
        self.decode_found(plans, record, output.found(&self.form.value_paths), |_| String::new())
    }

    /// The event in what was found; `place`: where in the record a fault is.
    fn decode_found<'a>(
        &'a self,
        plans: &'a Plans,
        record: &Record<'a>,
        found: Found<'a>,
        place: impl Fn(Place) -> String,
    ) -> Result<Option<Decoded<'a>>, Reject> {
        let of = if self.form.transforms() { "the value" } else { "the record" };
        check_object(&found, of, "an event")?;
        let key = self.form.key(plans, record)?;
        let fields = Fields { form: &self.form, record, found, key, noun: "an event" };
        let mut reading = Reading { mapping: self, fields };
        let time = reading.time();
        let event = reading.event(&time);
        let is_of_lists = || matches!(reading.event_type(), Ok(Some(event_type)) if event_type.is_of_lists());
        event.map_err(|fault| {
            // What changes no count moves no time either.
            let time = time.ok().map(|read| read.time).filter(|_| !is_of_lists());
            Reject { time, ..fault.reject(place) }
        })
    }
}

type Time = Result<ReadTime, Fault>;

/// The items of an order's lines, and what they cost.
type Lines<'a> = (Vec<Cow<'a, str>>, Option<Box<Money>>);

/// A record being read.
pub(super) struct Reading<'r, 'a> {
    pub(super) mapping: &'a Mapping,
    pub(super) fields: Fields<'r, 'a>,
}

impl<'a> Reading<'_, 'a> {
    fn event(&mut self, time: &Time) -> Result<Option<Decoded<'a>>, Fault> {
        let mapping = self.mapping;
        let Some(event_type) = self.event_type()? else { return Ok(None) };
        if event_type.is_of_lists() && mapping.of_lists.is_none() {
            return Ok(Some(unread(event_type)));
        }
        let (own_time, time_form) = match time {
            Err(fault) if event_type == EventType::Erase && fault.reason == Reason::MissingField => {
                (EventTime::MIN, TimeForm::Nowhere)
            }
            time => {
                let ReadTime { time, order_time, form } = time.clone()?;
                let step = order_step(event_type);
                (if step.is_none() { time } else { order_time }, form)
            }
        };
        let shop = self.fields.needed(&mapping.shop)?;
        if let Some(what) = shop_fault(&shop) {
            return Err(self.fields.fault(Reason::BadId, &mapping.shop, what));
        }
        let step = order_step(event_type);
        let may_be_anonymous = step.is_some() && mapping.user_missing == UserMissing::Anonymous;
        let user = match self.fields.id(&mapping.user)? {
            None if !may_be_anonymous => return Err(self.fields.blank(&mapping.user)),
            user => user,
        };
        let id = self.fields.id(&mapping.id)?;
        let action = match (event_type, step) {
            (EventType::View, _) => {
                Action::View { item: self.fields.needed(&mapping.item)?, session: self.fields.id(&mapping.session)? }
            }
            (EventType::Erase, _) => Action::Erase,
            (EventType::Impression, _) => self.impression()?,
            (EventType::Click, _) => self.click()?,
            (_, Some(step)) => self.order(step)?,
            (_, None) => Action::Cart { item: self.fields.needed(&mapping.item)? },
        };
        let key = id.map_or_else(|| content_key(&action, own_time), |id| EventKey::of_id(event_type, &id));
        let user = user.unwrap_or_else(|| anonymous(&action, key));
        Ok(Some(Decoded { shop, user, own_time, time_form, key, action }))
    }

    /// The type of event; `None`: skipped.
    fn event_type(&self) -> Result<Option<EventType>, Fault> {
        let (field, values, skip_others) = match &self.mapping.event_type {
            TypePlan::Fixed(event_type) => return Ok(Some(*event_type)),
            TypePlan::Read { field, values, skip_others } => (field, values, *skip_others),
        };
        let Some((origin, value)) = self.fields.pick(field)? else {
            return if skip_others { Ok(None) } else { Err(self.fields.blank(field)) };
        };
        // Not an id: what is true, or a fraction, can stand for a type.
        let text = match value {
            Value::Bool(truth) => Ok(Cow::Borrowed(if truth { "true" } else { "false" })),
            Value::Float(number) => Ok(Cow::Owned(number.to_string())),
            value => scalar_text(value),
        };
        let known = text.as_ref().ok().and_then(|text| values.iter().find(|(value, _)| value == text));
        match (known, text) {
            (Some((_, meaning)), _) => Ok(*meaning),
            (None, _) if skip_others => Ok(None),
            (None, Ok(text)) => {
                let names: Vec<&str> = values.iter().map(|(value, _)| value.as_str()).collect();
                let what = format!(
                    "{} is none of {}; map it under values (\"skip\" passes over it), or set other = \"skip\"",
                    shortened(&text),
                    names.join(", ")
                );
                Err(fault_at(Reason::UnknownType, field, origin, what))
            }
            (None, Err(what)) => Err(fault_at(Reason::BadType, field, origin, what)),
        }
    }

    fn time(&self) -> Time {
        for origin in &self.mapping.time {
            match origin {
                TimeOrigin::RecordTimestamp => {
                    if let Some(time_ms) =
                        self.fields.record.timestamp_ms.filter(|time_ms| (0..=TIME_MAX_MS).contains(time_ms))
                    {
                        let time = EventTime(time_ms);
                        return Ok(ReadTime { time, order_time: time, form: TimeForm::Timestamp });
                    }
                }
                TimeOrigin::Read(origin, reader) => {
                    let value = self.fields.fetch("time", origin)?;
                    if !value.is_blank() {
                        let reason = match value {
                            Value::Bool(_) | Value::Bytes | Value::Array | Value::Object => Reason::BadType,
                            _ => Reason::BadTime,
                        };
                        return reader.read(&value).map_err(|what| at(reason, "time", origin, what));
                    }
                }
            }
        }
        let labels: Vec<&str> = self.mapping.time.iter().map(TimeOrigin::label).collect();
        let ends = self.mapping.time.iter().filter_map(|origin| match origin {
            TimeOrigin::Read(origin, _) => self.fields.path_end(origin),
            TimeOrigin::RecordTimestamp => None,
        });
        let what = format!(
            "missing or null{}; an event needs its time: map the field that holds it, or {{ record = \"timestamp\" }}",
            in_brackets(ends.collect())
        );
        Err(Fault { reason: Reason::MissingField, field: "time", label: labels.join(", "), what, place: None })
    }

    fn order(&mut self, step: OrderStep) -> Result<Action<'a>, Fault> {
        let mapping = self.mapping;
        let (items, money) = if step == OrderStep::Cancel { (Vec::new(), None) } else { self.lines(step)? };
        let order_id = match self.fields.id(&mapping.order_id)? {
            None if step != OrderStep::State => return Err(self.fields.blank(&mapping.order_id)),
            order_id => order_id.unwrap_or_default(),
        };
        Ok(Action::Order { step, order_id, version: self.version()?, items, money })
    }

    /// The items of the lines, at least one, and what they cost.
    fn lines(&mut self, step: OrderStep) -> Result<Lines<'a>, Fault> {
        let mapping = self.mapping;
        let more = mem::take(&mut self.fields.found.more);
        let lines = match &self.fields.found.values[mapping.lines] {
            Value::Array | Value::Object if self.fields.found.line_count > LINES_MAX => {
                let what = format!("{} lines, more than {LINES_MAX}; split the order", self.fields.found.line_count);
                return Err(lines_fault(mapping, Reason::TooManyLines, what));
            }
            Value::Array => mem::take(&mut self.fields.found.lines),
            Value::Object if self.fields.found.line_count > 0 => mem::take(&mut self.fields.found.lines),
            Value::Missing | Value::Null => {
                // Who sends a record a line need not wrap it.
                let one = if step == OrderStep::State { None } else { self.fields.id(&mapping.item)? };
                one.map(Value::Text).into_iter().collect()
            }
            other => return Err(lines_fault(mapping, Reason::BadType, no_lines(other))),
        };
        let skip_blank = mapping.line_without_item == LineWithoutItem::Skip;
        let is_line = |value: &Value<'_>| !(skip_blank && value.is_blank());
        let money = self.money(more.iter().zip(&lines).filter(|(_, value)| is_line(value)).map(|(more, _)| more));
        let lines = lines.into_iter().enumerate().filter(|(_, value)| is_line(value));
        let end = &self.fields.found.line_end;
        let items: Vec<_> =
            lines.map(|(line, value)| line_item(mapping, line, value, end)).collect::<Result<_, _>>()?;
        if items.is_empty() {
            let end = self.fields.found.path_end(&mapping.form.value_paths, mapping.lines);
            let end = in_brackets(end.into_iter().collect());
            let what = format!("an order without lines{end}; map the array of its lines, or do not send it");
            return Err(lines_fault(mapping, Reason::EmptyOrder, what));
        }
        let money = money.filter(|money| money.amounts.len() == items.len());
        Ok((items, money))
    }

    /// A whole number, or a time in ISO 8601.
    fn version(&self) -> Result<Option<i64>, Fault> {
        let field = &self.mapping.version;
        let Some((origin, value)) = self.fields.pick(field)? else { return Ok(None) };
        let version = match &value {
            Value::Signed(number) | Value::Time(number, _) => Some(*number),
            Value::Unsigned(number) => i64::try_from(*number).ok(),
            Value::Text(text) => match text.parse() {
                Ok(number) => Some(number),
                Err(_) => written_ms(&value),
            },
            _ => None,
        };
        version.map(Some).ok_or_else(|| {
            let what = format!(
                "{}, which is no whole number or time; a version is one of these: map another field",
                value.kind()
            );
            fault_at(Reason::BadType, field, origin, what)
        })
    }
}

/// What a record of this type does to an order, if it is of one.
fn order_step(event_type: EventType) -> Option<OrderStep> {
    match event_type {
        EventType::Order => Some(OrderStep::State),
        EventType::Add => Some(OrderStep::Add),
        EventType::Return => Some(OrderStep::Return),
        EventType::Cancel => Some(OrderStep::Cancel),
        EventType::View | EventType::Cart | EventType::Erase | EventType::Impression | EventType::Click => None,
    }
}

/// Stands for an impression or a click where nobody wants to know of them.
fn unread(event_type: EventType) -> Decoded<'static> {
    let (shop, user) = (Cow::Borrowed(SHOP_DEFAULT), Cow::Borrowed(""));
    let (own_time, time_form) = (EventTime::MIN, TimeForm::Nowhere);
    let key = EventKey::of_item(event_type, "", own_time);
    Decoded { shop, user, own_time, time_form, key, action: Action::Unread(event_type) }
}

const NO_ITEM: &str = "; a line needs its item: map it, or set line_without_item = \"skip\"";

/// What is wrong with lines that are no array, and what reads them.
fn no_lines(value: &Value<'_>) -> String {
    let remedy = match value {
        Value::Object => {
            "an object is read where it is a line itself, with the item at line_item, or where all its values are lines"
        }
        Value::Text(text) if text.trim_start().starts_with(['{', '[']) => {
            "the text looks like JSON, which a transform reads: fromjson"
        }
        Value::Text(_) => "a transform makes lines of a text: split(\",\")",
        _ => "map the array that holds them",
    };
    format!("{}; lines are an array: {remedy}", value.kind())
}

pub(super) fn lines_fault(mapping: &Mapping, reason: Reason, what: String) -> Fault {
    let place = Some(Place::Node(mapping.lines));
    Fault { reason, field: "lines", label: mapping.lines_label.clone(), what, place }
}

pub(super) fn line_item<'a>(
    mapping: &Mapping,
    line: usize,
    value: Value<'a>,
    end: &Option<(usize, String)>,
) -> Result<Cow<'a, str>, Fault> {
    let (reason, what) = match value {
        Value::Missing | Value::Null => {
            let end = end.iter().filter(|(of, _)| *of == line).map(|(_, end)| end.clone());
            (Reason::MissingField, format!("missing or null{}{NO_ITEM}", in_brackets(end.collect())))
        }
        value => match id_text(value) {
            Ok(item) => return Ok(item),
            Err(wrong) => wrong,
        },
    };
    let label = format!("{} of line {} in {}", mapping.line_item_label, line + 1, mapping.lines_label);
    Err(Fault { reason, field: "line_item", label, what, place: Some(Place::Line(line)) })
}
