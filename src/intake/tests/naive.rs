//! The plainest decoder that could be right: a tree of values, pointers looked up one by one, everything owned.

use super::*;
use serde_json::Value;

/// What became of a record, everything owned.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    Skipped,
    Event {
        shop: String,
        user: String,
        own_time: i64,
        key: EventKey,
        kind: EventType,
        order_id: String,
        items: Vec<String>,
        version: Option<i64>,
        session: Option<String>,
    },
    Refused(Reason, Option<i64>),
}

/// What the room says.
pub fn of_the_room(mapping: &Mapping, record: &Record<'_>) -> Outcome {
    match mapping.decode(&PLANS, record) {
        Ok(None) => Outcome::Skipped,
        Err(reject) => Outcome::Refused(reject.reason, reject.time.map(|time| time.0)),
        Ok(Some(decoded)) => {
            let (order_id, version, session) = match &decoded.action {
                Action::Order { order_id, version, .. } => (order_id.to_string(), *version, None),
                Action::View { session, .. } => (String::new(), None, session.as_ref().map(ToString::to_string)),
                _ => (String::new(), None, None),
            };
            Outcome::Event {
                shop: decoded.shop.into_owned(),
                user: decoded.user.into_owned(),
                own_time: decoded.own_time.0,
                key: decoded.key,
                kind: decoded.action.event_type(),
                order_id,
                items: items(&decoded.action),
                version,
                session,
            }
        }
    }
}

/// What it should say.
pub fn expected(spec: &MappingSpec, record: &Record<'_>) -> Outcome {
    let Ok(value) = serde_json::from_slice::<Value>(record.value.unwrap()) else {
        return Outcome::Refused(Reason::BadJson, None);
    };
    if !value.is_object() {
        return Outcome::Refused(Reason::NotAnObject, None);
    }
    let key = record.key.map(serde_json::from_slice::<Value>);
    let key = match (uses_key(spec), key) {
        (true, Some(Err(_))) => return Outcome::Refused(Reason::BadJson, None),
        (true, Some(Ok(key))) => key,
        _ => Value::Null,
    };
    let naive = Naive { spec, record, value, key };
    let time = naive.time();
    naive.outcome(time).unwrap_or_else(|reason| Outcome::Refused(reason, time.ok()))
}

fn uses_key(spec: &MappingSpec) -> bool {
    let fields = &spec.fields;
    let all =
        [&fields.shop, &fields.user, &fields.id, &fields.item, &fields.order_id, &fields.session, &fields.version];
    all.iter()
        .flat_map(|field| &field.0)
        .any(|origin| matches!(origin, OriginSpec::Key(pointer) if !pointer.is_empty()))
}

struct Naive<'a> {
    spec: &'a MappingSpec,
    record: &'a Record<'a>,
    value: Value,
    key: Value,
}

impl Naive<'_> {
    fn outcome(&self, time: Result<i64, Reason>) -> Result<Outcome, Reason> {
        let fields = &self.spec.fields;
        let kind = match &self.spec.event_type {
            TypeSpec::Fixed(name) => name.clone(),
            TypeSpec::Read { from, values, other } => {
                let found = self.pick(&from.0);
                let text = found.as_ref().map(|found| match found {
                    Value::String(text) => Ok(text.clone()),
                    Value::Number(number) => Ok(number.to_string()),
                    Value::Bool(truth) => Ok(truth.to_string()),
                    _ => Err(Reason::BadType),
                });
                match text {
                    Some(Ok(text)) if values.contains_key(&text) => values[&text].clone(),
                    _ if other == "skip" => "skip".to_owned(),
                    None => return Err(self.blank(&from.0)),
                    Some(Ok(_)) => return Err(Reason::UnknownType),
                    Some(Err(reason)) => return Err(reason),
                }
            }
        };
        let Some(kind) = EventType::ALL.into_iter().find(|known| known.name() == kind) else {
            return Ok(Outcome::Skipped);
        };
        if kind.is_of_lists() {
            let (shop, user, own_time) = ("main".to_owned(), String::new(), i64::MIN);
            let key = EventKey::of_item(kind, "", EventTime(own_time));
            let (order_id, items, version, session) = (String::new(), Vec::new(), None, None);
            return Ok(Outcome::Event { shop, user, own_time, key, kind, order_id, items, version, session });
        }
        let own_time = match time {
            Err(Reason::MissingField) if kind == EventType::Erase => i64::MIN,
            time => time?,
        };
        let shop = self.needed(&fields.shop.0)?;
        if shop.contains('/') {
            return Err(Reason::BadId);
        }
        let is_order = matches!(kind, EventType::Order | EventType::Add | EventType::Return | EventType::Cancel);
        let user = match self.pick(&fields.user.0) {
            None if is_order && fields.user_missing == UserMissing::Anonymous => None,
            _ => Some(self.needed(&fields.user.0)?),
        };
        let id = self.pick(&fields.id.0).map(|id| id_of(&id)).transpose()?;
        let (mut order_id, mut items, mut version, mut session) = (String::new(), Vec::new(), None, None);
        match kind {
            EventType::View => {
                items.push(self.needed(&fields.item.0)?);
                session = self.pick(&fields.session.0).map(|id| id_of(&id)).transpose()?;
            }
            EventType::Cart => items.push(self.needed(&fields.item.0)?),
            EventType::Erase => {}
            _ => {
                if kind != EventType::Cancel {
                    items = self.lines(kind)?;
                }
                order_id = match self.pick(&fields.order_id.0) {
                    None if kind != EventType::Order => return Err(self.blank(&fields.order_id.0)),
                    None => String::new(),
                    Some(id) => id_of(&id)?,
                };
                version = self.pick(&fields.version.0).map(|version| version_of(&version)).transpose()?;
            }
        }
        let of_order =
            |step| EventKey::of_order(step, &order_id, version, items.iter().map(String::as_str), EventTime(own_time));
        let by_content = match kind {
            EventType::View | EventType::Cart => EventKey::of_item(kind, &items[0], EventTime(own_time)),
            EventType::Order => of_order(OrderStep::State),
            EventType::Add => of_order(OrderStep::Add),
            EventType::Return => of_order(OrderStep::Return),
            EventType::Cancel => of_order(OrderStep::Cancel),
            _ => EventKey::of_item(kind, "", EventTime(own_time)),
        };
        let key = id.map_or(by_content, |id| EventKey::of_id(kind, &id));
        let user = user.unwrap_or_else(|| match order_id.as_str() {
            "" => format!("\u{1}event {:016x}", key.0),
            number => format!("\u{1}order {number}"),
        });
        Ok(Outcome::Event { shop, user, own_time, key, kind, order_id, items, version, session })
    }

    fn lines(&self, kind: EventType) -> Result<Vec<String>, Reason> {
        let fields = &self.spec.fields;
        let mut items = Vec::new();
        let lines = match self.value.pointer(&fields.lines) {
            None | Some(Value::Null) if kind != EventType::Order && self.pick(&fields.item.0).is_some() => {
                return Ok(vec![self.needed(&fields.item.0)?]);
            }
            None | Some(Value::Null) => return Err(Reason::EmptyOrder),
            Some(Value::Array(lines)) => lines.iter().collect(),
            Some(one @ Value::Object(values)) => self.lines_of(one, values)?,
            Some(_) => return Err(Reason::BadType),
        };
        for line in lines {
            let places =
                || fields.line_item.0.iter().map(|at| line.pointer(at.pointer().unwrap()).unwrap_or(&Value::Null));
            let item = places().find(|item| !is_blank(item)).or_else(|| places().next()).unwrap();
            match item {
                item if is_blank(item) && fields.line_without_item == LineWithoutItem::Skip => {}
                Value::Null => return Err(Reason::MissingField),
                item => items.push(id_of(item)?),
            }
        }
        if items.is_empty() { Err(Reason::EmptyOrder) } else { Ok(items) }
    }

    /// The lines that an object is.
    fn lines_of<'v>(
        &self,
        one: &'v Value,
        values: &'v serde_json::Map<String, Value>,
    ) -> Result<Vec<&'v Value>, Reason> {
        let pointers =
            || self.spec.fields.line_item.0.iter().filter_map(OriginSpec::pointer).filter(|at| !at.is_empty());
        if pointers().any(|at| one.pointer(at).is_some()) {
            return Ok(vec![one]);
        }
        let is_named = |name: &String| pointers().any(|at| at.split('/').nth(1) == Some(name));
        let are_lines = values.iter().all(|(name, value)| value.is_object() && !is_named(name));
        if are_lines && !values.is_empty() { Ok(values.values().collect()) } else { Err(Reason::BadType) }
    }

    /// Times in ms only: units have their own test.
    #[expect(clippy::cast_possible_truncation)]
    fn time(&self) -> Result<i64, Reason> {
        for origin in &self.spec.fields.time.0 {
            let value = match origin {
                TimeOriginSpec::RecordTimestamp => match self.record.timestamp_ms {
                    Some(time_ms) => return Ok(time_ms),
                    None => continue,
                },
                TimeOriginSpec::Read(origin, _) => self.get(origin),
            };
            return match value {
                value if is_blank(&value) => continue,
                Value::Number(number) => {
                    let time_ms = number.as_i64().or_else(|| number.as_f64().map(|time_ms| time_ms.round() as i64));
                    time_ms.filter(|time_ms| time_ms.abs() <= TIME_MAX_MS).ok_or(Reason::BadTime)
                }
                Value::String(text) => text.parse().map_err(|_| Reason::BadTime),
                _ => Err(Reason::BadType),
            };
        }
        Err(Reason::MissingField)
    }

    fn needed(&self, origins: &[OriginSpec]) -> Result<String, Reason> {
        self.pick(origins).map_or_else(|| Err(self.blank(origins)), |value| id_of(&value))
    }

    fn blank(&self, origins: &[OriginSpec]) -> Reason {
        let empty = origins.iter().any(|origin| self.get(origin) == Value::String(String::new()));
        if empty { Reason::EmptyId } else { Reason::MissingField }
    }

    fn pick(&self, origins: &[OriginSpec]) -> Option<Value> {
        origins.iter().map(|origin| self.get(origin)).find(|value| !is_blank(value))
    }

    fn get(&self, origin: &OriginSpec) -> Value {
        let text = |bytes: &[u8]| Value::String(String::from_utf8(bytes.to_vec()).unwrap());
        match origin {
            OriginSpec::Field(pointer) => self.value.pointer(pointer).cloned().unwrap_or_default(),
            OriginSpec::Key(pointer) if pointer.is_empty() => self.record.key.map(text).unwrap_or_default(),
            OriginSpec::Key(pointer) => self.key.pointer(pointer).cloned().unwrap_or_default(),
            OriginSpec::Header(name) => self
                .record
                .headers
                .iter()
                .rfind(|header| header.0 == name)
                .map(|header| text(header.1))
                .unwrap_or_default(),
            OriginSpec::Topic => Value::String(self.record.topic.to_owned()),
            OriginSpec::Constant(constant) => Value::String(constant.clone()),
            OriginSpec::Cleaned(origin, _) => self.get(origin), // no case has any
        }
    }
}

/// Times as text have their own test.
fn version_of(value: &Value) -> Result<i64, Reason> {
    let number = match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    number.ok_or(Reason::BadType)
}

fn is_blank(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("")
}

fn id_of(value: &Value) -> Result<String, Reason> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if !number.is_f64() => number.to_string(),
        _ => return Err(Reason::BadType),
    };
    match &text {
        text if text.is_empty() => Err(Reason::EmptyId),
        text if text.len() > 256 => Err(Reason::IdTooLong),
        text if text.chars().any(char::is_control) => Err(Reason::BadId),
        _ => Ok(text),
    }
}
