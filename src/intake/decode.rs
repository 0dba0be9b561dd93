//! Reads a record by a mapping: an event as the record has it, its time not yet judged.
//!
//! Invariants: fields are looked at in a fixed order (type, time, shop, user, id, item and session or lines, order id, version), so a record with two
//! faults has the same reason every time. A field is the first of its places that is neither missing, null nor empty.

use super::avro::{self, Part, Plans};
use super::id::{anonymous, content_key, id_fault, shop_fault};
use super::json;
use super::mapping::{Field, From, Mapping, Origin, TimeOrigin, TypePlan};
use super::paths::Paths;
use super::reject::{Reason, Reject, shortened};
use super::spec::{Format, LineWithoutItem, UserMissing};
use super::time::{ReadTime, TimeForm, written_ms};
use super::transform::{Output, Val, of_json, text_or_bytes};
use super::value::{Found, Place, Value};
use super::{Record, TIME_MAX_MS};
use crate::event::{Action, EventKey, EventTime, EventType, OrderStep};
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
        let found = self.read(plans, Part::Value, &self.value_paths, bytes)?;
        if let (Value::Text(what), true) = (&found.values[0], self.format.is_rows()) {
            return Err(Reject::new(Reason::BadCsv, what.clone().into_owned()));
        }
        self.decode_found(plans, record, found, |place| self.place(plans, bytes, place))
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
        self.decode_found(plans, record, output.found(&self.value_paths), |_| String::new())
    }

    /// The event in what was found; `place`: where in the record a fault is.
    fn decode_found<'a>(
        &'a self,
        plans: &'a Plans,
        record: &Record<'a>,
        found: Found<'a>,
        place: impl Fn(Place) -> String,
    ) -> Result<Option<Decoded<'a>>, Reject> {
        if found.values[0] != Value::Object {
            let of = if self.transforms() { "the value" } else { "the record" };
            let remedy = match &found.values[0] {
                Value::Array => "; a transform makes an event of each element: .[]",
                Value::Text(text) if text.trim_start().starts_with(['{', '[']) => {
                    "; it holds JSON within a text, which a transform reads: fromjson"
                }
                _ => "",
            };
            let message = format!("{of} is {}, not an object; an event is one object{remedy}", found.values[0].kind());
            return Err(Reject::new(Reason::NotAnObject, message));
        }
        let key = match (&self.key_paths, record.key) {
            (Some(paths), Some(bytes)) => Some(self.read(plans, Part::Key, paths, bytes)?),
            _ => None,
        };
        let mut reading = Reading { mapping: self, record, found, key };
        let time = reading.time();
        let event = reading.event(&time);
        event.map_err(|fault| {
            let time = time.ok().map(|read| read.time);
            let at = fault.place.map(place).unwrap_or_default();
            let message = format!("{} ({}{at}): {}", fault.field, fault.label, fault.what);
            Reject { reason: fault.reason, message, time }
        })
    }

    fn read<'a>(&'a self, plans: &'a Plans, part: Part, paths: &Paths, bytes: &'a [u8]) -> Result<Found<'a>, Reject> {
        let (format, name) = self.format_of(part);
        match format {
            Format::Json | Format::Csv | Format::Tsv => json::read(paths, bytes).map_err(|what| bad_json(name, &what)),
            Format::Avro => avro::read(&self.schema_files, plans, part, paths, bytes),
        }
    }

    /// The whole value of a record, for its transform.
    pub(super) fn whole(&self, plans: &Plans, bytes: &[u8]) -> Result<Val, Reject> {
        self.read_whole(plans, Part::Value, bytes)
    }

    /// The whole key of a record: as text, or by `key_format = "avro"` as its value.
    pub(super) fn whole_key(&self, plans: &Plans, record: &Record<'_>) -> Result<Val, Reject> {
        match (record.key, self.key_format) {
            (None, _) => Ok(Val::Null),
            (Some(bytes), Format::Json | Format::Csv | Format::Tsv) => Ok(text_or_bytes(bytes)),
            (Some(bytes), Format::Avro) => self.read_whole(plans, Part::Key, bytes),
        }
    }

    fn read_whole(&self, plans: &Plans, part: Part, bytes: &[u8]) -> Result<Val, Reject> {
        match self.format_of(part) {
            (Format::Json, name) => of_json(bytes).map_err(|what| bad_json(name, &what)),
            (Format::Csv | Format::Tsv, name) => match of_json(bytes).map_err(|what| bad_json(name, &what))? {
                // What is wrong with a row stands in its place.
                Val::TStr(what) | Val::BStr(what) => {
                    Err(Reject::new(Reason::BadCsv, String::from_utf8_lossy(&what).into_owned()))
                }
                row => Ok(row),
            },
            (Format::Avro, _) => avro::read_whole(&self.schema_files, plans, part, bytes),
        }
    }

    fn format_of(&self, part: Part) -> (Format, &'static str) {
        match part {
            Part::Value => (self.format, "the record"),
            Part::Key => (self.key_format, "the record's key"),
        }
    }

    fn place(&self, plans: &Plans, bytes: &[u8], place: Place) -> String {
        let place = match self.format {
            Format::Json => json::locate(&self.value_paths, bytes, place).map(|place| match place {
                (1, column) => format!(", to column {column}"),
                (line, column) => format!(", to line {line} column {column}"),
            }),
            // A row's fields have names, and their place in the bytes made of them says nothing.
            Format::Csv | Format::Tsv => None,
            Format::Avro => avro::locate(&self.schema_files, plans, &self.value_paths, bytes, place)
                .map(|byte| format!(", to byte {byte}")),
        };
        place.unwrap_or_default()
    }
}

fn bad_json(what: &str, found: &str) -> Reject {
    Reject::new(Reason::BadJson, format!("{what} is not JSON: {found}; mend its producer, or skip this topic"))
}

/// What is wrong with a field.
#[derive(Clone, Debug)]
struct Fault {
    reason: Reason,
    field: &'static str,
    /// Where it was looked for.
    label: String,
    what: String,
    place: Option<Place>,
}

type Time = Result<ReadTime, Fault>;

/// A record being read.
struct Reading<'r, 'a> {
    mapping: &'a Mapping,
    record: &'r Record<'a>,
    found: Found<'a>,
    key: Option<Found<'a>>,
}

impl<'a> Reading<'_, 'a> {
    fn event(&mut self, time: &Time) -> Result<Option<Decoded<'a>>, Fault> {
        let mapping = self.mapping;
        let Some(event_type) = self.event_type()? else { return Ok(None) };
        let (own_time, time_form) = match time {
            Err(fault) if event_type == EventType::Erase && fault.reason == Reason::MissingField => {
                (EventTime::MIN, TimeForm::Nowhere)
            }
            time => {
                let ReadTime { time, order_time, form } = time.clone()?;
                let is_click = matches!(event_type, EventType::View | EventType::Cart | EventType::Erase);
                (if is_click { time } else { order_time }, form)
            }
        };
        let shop = self.needed(&mapping.shop)?;
        if let Some(what) = shop_fault(&shop) {
            return Err(self.fault(Reason::BadId, &mapping.shop, what));
        }
        let step = match event_type {
            EventType::Order => Some(OrderStep::State),
            EventType::Add => Some(OrderStep::Add),
            EventType::Return => Some(OrderStep::Return),
            EventType::Cancel => Some(OrderStep::Cancel),
            EventType::View | EventType::Cart | EventType::Erase => None,
        };
        let may_be_anonymous = step.is_some() && mapping.user_missing == UserMissing::Anonymous;
        let user = match self.id(&mapping.user)? {
            None if !may_be_anonymous => return Err(self.blank(&mapping.user)),
            user => user,
        };
        let id = self.id(&mapping.id)?;
        let action = match (event_type, step) {
            (EventType::View, _) => {
                Action::View { item: self.needed(&mapping.item)?, session: self.id(&mapping.session)? }
            }
            (EventType::Erase, _) => Action::Erase,
            (_, Some(step)) => self.order(step)?,
            (_, None) => Action::Cart { item: self.needed(&mapping.item)? },
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
        let Some((origin, value)) = self.pick(field)? else {
            return if skip_others { Ok(None) } else { Err(self.blank(field)) };
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
                        self.record.timestamp_ms.filter(|time_ms| (0..=TIME_MAX_MS).contains(time_ms))
                    {
                        let time = EventTime(time_ms);
                        return Ok(ReadTime { time, order_time: time, form: TimeForm::Timestamp });
                    }
                }
                TimeOrigin::Read(origin, reader) => {
                    let value = self.fetch("time", origin)?;
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
            TimeOrigin::Read(origin, _) => self.path_end(origin),
            TimeOrigin::RecordTimestamp => None,
        });
        let what = format!(
            "missing or null{}; an event needs its time: map the field that holds it, or {{ record = \"timestamp\" }}",
            in_brackets(ends.collect())
        );
        Err(Fault { reason: Reason::MissingField, field: "time", label: labels.join(", "), what, place: None })
    }

    /// Where the path of `origin` ends in this record, if that is before its last step.
    fn path_end(&self, origin: &Origin) -> Option<String> {
        match origin.from {
            From::Value(node) => self.found.path_end(&self.mapping.value_paths, node),
            _ => None,
        }
    }

    fn order(&mut self, step: OrderStep) -> Result<Action<'a>, Fault> {
        let mapping = self.mapping;
        let items = if step == OrderStep::Cancel { Vec::new() } else { self.lines(step)? };
        let order_id = match self.id(&mapping.order_id)? {
            None if step != OrderStep::State => return Err(self.blank(&mapping.order_id)),
            order_id => order_id.unwrap_or_default(),
        };
        Ok(Action::Order { step, order_id, version: self.version()?, items })
    }

    /// The items of the lines, at least one.
    fn lines(&mut self, step: OrderStep) -> Result<Vec<Cow<'a, str>>, Fault> {
        let mapping = self.mapping;
        let lines = match &self.found.values[mapping.lines] {
            Value::Array | Value::Object if self.found.line_count > LINES_MAX => {
                let what = format!("{} lines, more than {LINES_MAX}; split the order", self.found.line_count);
                return Err(lines_fault(mapping, Reason::TooManyLines, what));
            }
            Value::Array => mem::take(&mut self.found.lines),
            Value::Object if self.found.line_count > 0 => mem::take(&mut self.found.lines),
            Value::Missing | Value::Null => {
                // Who sends a record a line need not wrap it.
                let one = if step == OrderStep::State { None } else { self.id(&mapping.item)? };
                one.map(Value::Text).into_iter().collect()
            }
            other => return Err(lines_fault(mapping, Reason::BadType, no_lines(other))),
        };
        let skip_blank = mapping.line_without_item == LineWithoutItem::Skip;
        let lines = lines.into_iter().enumerate().filter(|(_, value)| !(skip_blank && value.is_blank()));
        let end = &self.found.line_end;
        let items: Vec<_> =
            lines.map(|(line, value)| line_item(mapping, line, value, end)).collect::<Result<_, _>>()?;
        if items.is_empty() {
            let end = self.found.path_end(&mapping.value_paths, mapping.lines);
            let end = in_brackets(end.into_iter().collect());
            let what = format!("an order without lines{end}; map the array of its lines, or do not send it");
            return Err(lines_fault(mapping, Reason::EmptyOrder, what));
        }
        Ok(items)
    }

    /// A whole number, or a time in ISO 8601.
    fn version(&self) -> Result<Option<i64>, Fault> {
        let field = &self.mapping.version;
        let Some((origin, value)) = self.pick(field)? else { return Ok(None) };
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

    fn needed(&self, field: &'a Field) -> Result<Cow<'a, str>, Fault> {
        self.id(field)?.ok_or_else(|| self.blank(field))
    }

    /// The id in `field`, if there is one.
    fn id(&self, field: &'a Field) -> Result<Option<Cow<'a, str>>, Fault> {
        let Some((origin, value)) = self.pick(field)? else { return Ok(None) };
        id_text(value).map(Some).map_err(|(reason, what)| fault_at(reason, field, origin, what))
    }

    /// The first place of `field` that gives something.
    fn pick(&self, field: &'a Field) -> Result<Option<(&'a Origin, Value<'a>)>, Fault> {
        for origin in &field.origins {
            let value = self.fetch(field.name, origin)?;
            if !value.is_blank() {
                return Ok(Some((origin, value)));
            }
        }
        Ok(None)
    }

    fn fetch(&self, field: &'static str, origin: &'a Origin) -> Result<Value<'a>, Fault> {
        let text = |bytes: Option<&'a [u8]>| match bytes.map(str::from_utf8) {
            None => Ok(Value::Missing),
            Some(Ok(text)) => Ok(Value::Text(Cow::Borrowed(text))),
            Some(Err(_)) => Err(at(Reason::BadType, field, origin, "bytes that are not UTF-8 text".to_owned())),
        };
        let value = match &origin.from {
            From::Value(node) => Ok(self.found.values[*node].clone()),
            From::Key(node) => Ok(self.key.as_ref().map(|key| key.values[*node].clone()).unwrap_or_default()),
            From::KeyText => text(self.record.key),
            From::Header(name) => {
                text(self.record.headers.iter().rev().find(|(known, _)| known == name).map(|&(_, bytes)| bytes))
            }
            From::Topic => Ok(Value::Text(Cow::Borrowed(self.record.topic))),
            From::Constant(constant) => Ok(Value::Text(Cow::Borrowed(constant))),
        }?;
        Ok(match &origin.clean {
            None => value,
            Some(clean) => clean.apply(value),
        })
    }

    /// The fault of a needed field that no place gives.
    fn blank(&self, field: &'a Field) -> Fault {
        let is_empty = |origin| matches!(self.fetch(field.name, origin), Ok(Value::Text(_)));
        if field.origins.iter().any(is_empty) {
            return self.fault(Reason::EmptyId, field, "empty; an event needs it: do not send it without".to_owned());
        }
        let ends = in_brackets(field.origins.iter().filter_map(|origin| self.path_end(origin)).collect());
        let what = format!("missing or null{ends}; an event needs it: map the field that holds it, or add a fallback");
        self.fault(Reason::MissingField, field, what)
    }

    fn fault(&self, reason: Reason, field: &Field, what: String) -> Fault {
        let labels: Vec<&str> = field.origins.iter().map(|origin| origin.label.as_str()).collect();
        Fault { reason, field: field.name, label: labels.join(", "), what, place: None }
    }
}

fn at(reason: Reason, field: &'static str, origin: &Origin, what: String) -> Fault {
    let place = if let From::Value(node) = origin.from { Some(Place::Node(node)) } else { None };
    Fault { reason, field, label: origin.label.clone(), what, place }
}

fn fault_at(reason: Reason, field: &Field, origin: &Origin, what: String) -> Fault {
    at(reason, field.name, origin, what)
}

const NO_ITEM: &str = "; a line needs its item: map it, or set line_without_item = \"skip\"";

/// What is more to say of something that is missing.
fn in_brackets(ends: Vec<String>) -> String {
    if ends.is_empty() { String::new() } else { format!(" ({})", ends.join("; ")) }
}

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

fn lines_fault(mapping: &Mapping, reason: Reason, what: String) -> Fault {
    let place = Some(Place::Node(mapping.lines));
    Fault { reason, field: "lines", label: mapping.lines_label.clone(), what, place }
}

fn line_item<'a>(
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

fn scalar_text(value: Value<'_>) -> Result<Cow<'_, str>, String> {
    match value {
        Value::Text(text) => Ok(text),
        Value::Signed(number) | Value::Time(number, _) => Ok(Cow::Owned(number.to_string())),
        Value::Unsigned(number) => Ok(Cow::Owned(number.to_string())),
        other => Err(other.no_id()),
    }
}

fn id_text(value: Value<'_>) -> Result<Cow<'_, str>, (Reason, String)> {
    let text = scalar_text(value).map_err(|what| (Reason::BadType, what))?;
    match id_fault(&text) {
        None => Ok(text),
        Some(fault) => Err(fault),
    }
}
