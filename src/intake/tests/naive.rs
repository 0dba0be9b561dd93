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
    },
    Refused(Reason, Option<i64>),
}

/// What the room says.
pub fn of_the_room(mapping: &Mapping, record: &Record<'_>) -> Outcome {
    match mapping.decode(&PLANS, record) {
        Ok(None) => Outcome::Skipped,
        Err(reject) => Outcome::Refused(reject.reason, reject.time.map(|time| time.0)),
        Ok(Some(decoded)) => {
            let order_id = match &decoded.action {
                Action::Order { order_id, .. } => order_id.to_string(),
                _ => String::new(),
            };
            Outcome::Event {
                shop: decoded.shop.into_owned(),
                user: decoded.user.into_owned(),
                own_time: decoded.own_time.0,
                key: decoded.key,
                kind: decoded.action.event_type(),
                order_id,
                items: items(&decoded.action),
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
    let all = [&fields.shop, &fields.user, &fields.id, &fields.item, &fields.order_id];
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
                    Value::Number(number) if !number.is_f64() => Ok(number.to_string()),
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
        let own_time = time?;
        let shop = self.needed(&fields.shop.0)?;
        if shop.contains('/') {
            return Err(Reason::BadId);
        }
        let user = self.needed(&fields.user.0)?;
        let id = self.pick(&fields.id.0).map(|id| id_of(&id)).transpose()?;
        let (mut order_id, mut items) = (String::new(), Vec::new());
        if kind == EventType::Order {
            let lines = match self.value.pointer(&fields.lines) {
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
            if items.is_empty() {
                return Err(Reason::EmptyOrder);
            }
            order_id = self.pick(&fields.order_id.0).map(|id| id_of(&id)).transpose()?.unwrap_or_default();
        } else {
            items.push(self.needed(&fields.item.0)?);
        }
        let content = if kind == EventType::Order { &order_id } else { &items[0] };
        let by_content = EventKey::of_content(kind, content, EventTime(own_time));
        let key = id.map_or(by_content, |id| EventKey::of_id(&id));
        Ok(Outcome::Event { shop, user, own_time, key, kind, order_id, items })
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
