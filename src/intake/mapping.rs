//! A mapping, compiled: which fields, from where. Formats know nothing of it but the tree of wanted paths.
//!
//! Invariants: every pointer is well formed and has its node; every name of a type is known; constants are good ids.
//! Absent: reading (see `decode`) and any format.

use super::avro::{Learned, Plans, SchemaFiles, SchemaId};
use super::clean::Clean;
use super::form::Form;
use super::id::{id_fault, shop_fault};
use super::origin::{CleanSpec, OriginSpec, TimeOriginSpec};
use super::paths::{Draft, LINE_FIELDS, Paths, steps};
use super::reject::Reject;
use super::spec::{FieldsSpec, Format, LineWithoutItem, MappingSpec, OneOrMore, TypeSpec, UserMissing};
use super::time::TimeReader;
use super::transform::{Output, Transform};
use super::{FALLBACKS_MAX, Record};
use crate::event::EventType;

/// How a source's records become events, ready for use.
#[derive(Clone, Debug)]
pub struct Mapping {
    pub(super) form: Form,
    pub(super) event_type: TypePlan,
    pub(super) shop: Field,
    pub(super) user: Field,
    pub(super) time: Vec<TimeOrigin>,
    pub(super) id: Field,
    pub(super) item: Field,
    pub(super) session: Field,
    pub(super) order_id: Field,
    pub(super) version: Field,
    /// Node of the order's lines.
    pub(super) lines: usize,
    pub(super) lines_label: String,
    pub(super) line_item_label: String,
    pub(super) line_without_item: LineWithoutItem,
    pub(super) user_missing: UserMissing,
    /// What impressions and clicks have besides, and orders for their sake; none where nobody wants to know of them.
    pub(super) of_lists: Option<ListFields>,
}

/// Where the fields of impressions and clicks are.
#[derive(Clone, Debug)]
pub(super) struct ListFields {
    pub list: Field,
    pub placement: Field,
    pub about: Field,
    pub position: Field,
    pub source: Field,
    pub currency: Field,
}

/// What is wrong with a mapping.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct MappingError {
    /// The setting, such as `fields.user`.
    pub field: &'static str,
    /// What is wrong with it and what would be right.
    pub message: String,
}

/// A field, with the places where it is looked for in turn.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub name: &'static str,
    pub origins: Vec<Origin>,
}

/// A place where a field is looked for.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub from: From,
    /// For messages.
    pub label: String,
    pub clean: Option<Clean>,
}

impl Origin {
    fn constant(text: &str) -> Self {
        Self { from: From::Constant(text.to_owned()), label: "a constant".to_owned(), clean: None }
    }
}

/// What is looked at.
#[derive(Clone, Debug)]
pub(super) enum From {
    /// A node of the value's paths.
    Value(usize),
    /// A node of the key's paths.
    Key(usize),
    KeyText,
    Header(String),
    Topic,
    Constant(String),
}

/// A place where the time is looked for.
#[derive(Clone, Debug)]
pub(super) enum TimeOrigin {
    Read(Origin, TimeReader),
    RecordTimestamp,
}

impl TimeOrigin {
    pub fn label(&self) -> &str {
        match self {
            Self::Read(origin, _) => &origin.label,
            Self::RecordTimestamp => "the record's timestamp",
        }
    }
}

/// How the type of event is known.
#[derive(Clone, Debug)]
pub(super) enum TypePlan {
    Fixed(EventType),
    Read {
        field: Field,
        /// `None`: skipped.
        values: Vec<(String, Option<EventType>)>,
        skip_others: bool,
    },
}

impl MappingSpec {
    /// The mapping, checked and ready for use.
    ///
    /// # Errors
    /// [`MappingError`] names the first setting that cannot be right.
    pub fn compile(&self) -> Result<Mapping, MappingError> {
        let fields = &self.fields;
        let mut plan = Plan { key_format: self.key_format, ..Plan::default() };
        let always = CleanSpec { missing: fields.missing.clone(), trim: fields.trim };
        let (line_items, line_item_label) = line_items(&fields.line_item, &always)?;
        plan.collect(self)?;
        let lines = pointer_steps("fields.lines", &fields.lines)?;
        let more = self.reads_clicks.then(|| line_fields(fields)).transpose()?;
        let value_paths = plan.value.finish_with_lines(&lines, &line_items, more.as_ref());
        let transform = self.transform.as_deref().map(Transform::compile).transpose()?;
        let transforms_key = transform.as_ref().is_some_and(Transform::uses_key) && self.key_format == Format::Avro;
        let key_paths = (plan.has_key_paths || transforms_key).then(|| plan.key.finish());
        let places =
            Places { value: &value_paths, key: key_paths.as_ref(), key_format: self.key_format, always: &always };
        let event_type = match &self.event_type {
            TypeSpec::Fixed(name) => TypePlan::Fixed(event_type(name, "")?),
            TypeSpec::Read { from, values, other } => {
                let field = places.field("type", from)?;
                TypePlan::Read { field, values: type_values(values)?, skip_others: skips(other)? }
            }
        };
        let time = fields.time.0.iter().map(|origin| places.time_origin(origin)).collect::<Result<_, _>>()?;
        Ok(Mapping {
            event_type,
            shop: places.field("shop", &fields.shop)?,
            user: places.field("user", &fields.user)?,
            time,
            id: places.field("id", &fields.id)?,
            item: places.field("item", &fields.item)?,
            session: places.field("session", &fields.session)?,
            order_id: places.field("order_id", &fields.order_id)?,
            version: places.field("version", &fields.version)?,
            lines: places.value.find(0, &lines).unwrap_or_default(),
            lines_label: fields.lines.clone(),
            line_item_label,
            line_without_item: fields.line_without_item,
            user_missing: fields.user_missing,
            of_lists: self.reads_clicks.then(|| places.list_fields(fields)).transpose()?,
            form: Form {
                format: self.format,
                key_format: self.key_format,
                schema_files: SchemaFiles::default(),
                transform,
                value_paths,
                key_paths,
            },
        })
    }
}

impl Mapping {
    /// Whether all that its records can be is impressions and clicks: then nothing that counts waits for them.
    #[must_use]
    pub fn is_of_lists_only(&self) -> bool {
        match &self.event_type {
            TypePlan::Fixed(event_type) => event_type.is_of_lists(),
            TypePlan::Read { values, .. } => {
                let mut types = values.iter().filter_map(|(_, event_type)| *event_type).peekable();
                types.peek().is_some() && types.all(EventType::is_of_lists)
            }
        }
    }

    /// How the source's records are written.
    #[must_use]
    pub fn form(&self) -> &Form {
        &self.form
    }

    /// The same with the texts of schema files: see [`Form::with_schemas`].
    ///
    /// # Errors
    /// [`MappingError`] names the file's setting and what is wrong with the schema.
    pub fn with_schemas(self, writer: Option<&str>, reader: Option<&str>) -> Result<Self, MappingError> {
        Ok(Self { form: self.form.with_schemas(writer, reader)?, ..self })
    }

    /// See [`Form::missing_schema`]; a tombstone is skipped, whatever its key is.
    #[must_use]
    pub fn missing_schema(&self, plans: &Plans, record: &Record<'_>) -> Option<SchemaId> {
        record.value.and_then(|_| self.form.missing_schema(plans, record))
    }

    /// See [`Form::learn`].
    pub fn learn(&self, plans: &mut Plans, id: SchemaId, learned: Learned<'_>) {
        self.form.learn(plans, id, learned);
    }

    /// See [`Form::transforms`].
    #[must_use]
    pub fn transforms(&self) -> bool {
        self.form.transforms()
    }

    /// See [`Form::transform`].
    ///
    /// # Errors
    /// [`Reject`] where the record cannot be read, and of [`Reason::Transform`](super::Reason::Transform) where the program fails on it.
    pub fn transform(&self, plans: &Plans, record: &Record<'_>) -> Result<Vec<Output>, Reject> {
        self.form.transform(plans, record)
    }
}

/// First pass: the paths that are wanted.
#[derive(Default)]
pub(super) struct Plan {
    pub value: Draft,
    pub key: Draft,
    pub has_key_paths: bool,
    pub key_format: Format,
}

impl Plan {
    fn collect(&mut self, spec: &MappingSpec) -> Result<(), MappingError> {
        let fields = &spec.fields;
        let named = [
            ("fields.shop", &fields.shop),
            ("fields.user", &fields.user),
            ("fields.id", &fields.id),
            ("fields.item", &fields.item),
            ("fields.session", &fields.session),
            ("fields.order_id", &fields.order_id),
            ("fields.version", &fields.version),
        ];
        let of_lists = [
            ("fields.list", &fields.list),
            ("fields.placement", &fields.placement),
            ("fields.about", &fields.about),
            ("fields.position", &fields.position),
            ("fields.source", &fields.source),
            ("fields.currency", &fields.currency),
        ];
        for (field, origins) in named.into_iter().chain(of_lists.into_iter().filter(|_| spec.reads_clicks)) {
            for origin in checked_list(field, origins)? {
                self.add(field, origin)?;
            }
        }
        if let TypeSpec::Read { from, .. } = &spec.event_type {
            for origin in checked_list("type", from)? {
                self.add("type", origin)?;
            }
        }
        for origin in checked_list("fields.time", &fields.time)? {
            if let TimeOriginSpec::Read(origin, _) = origin {
                self.add("fields.time", origin)?;
            }
        }
        Ok(())
    }

    pub fn add(&mut self, field: &'static str, origin: &OriginSpec) -> Result<(), MappingError> {
        match origin.plain() {
            OriginSpec::Field(pointer) => {
                self.value.insert(&pointer_steps(field, pointer)?);
            }
            OriginSpec::Key(pointer) if !is_key_text(pointer, self.key_format) => {
                let steps = steps(pointer).map_err(|message| MappingError { field, message })?;
                self.key.insert(&steps);
                self.has_key_paths = true;
            }
            OriginSpec::Constant(text) => {
                let slash = if field == "fields.shop" { shop_fault(text) } else { None };
                if let Some(what) = id_fault(text).map(|(_, what)| what).or(slash) {
                    return Err(MappingError { field, message: format!("constant \"{text}\": {what}") });
                }
            }
            OriginSpec::Key(_) | OriginSpec::Header(_) | OriginSpec::Topic | OriginSpec::Cleaned(..) => {}
        }
        Ok(())
    }
}

/// Second pass: the nodes of the paths.
pub(super) struct Places<'a> {
    pub value: &'a Paths,
    pub key: Option<&'a Paths>,
    pub key_format: Format,
    /// What is cleaned in every field.
    pub always: &'a CleanSpec,
}

impl Places<'_> {
    fn list_fields(&self, fields: &FieldsSpec) -> Result<ListFields, MappingError> {
        Ok(ListFields {
            list: self.field("list", &fields.list)?,
            placement: self.field("placement", &fields.placement)?,
            about: self.field("about", &fields.about)?,
            position: self.field("position", &fields.position)?,
            source: self.field("source", &fields.source)?,
            currency: self.field("currency", &fields.currency)?,
        })
    }

    fn field(&self, name: &'static str, origins: &OneOrMore<OriginSpec>) -> Result<Field, MappingError> {
        let origins = origins.0.iter().map(|origin| self.origin(name, origin)).collect::<Result<_, _>>()?;
        Ok(Field { name, origins })
    }

    fn time_origin(&self, origin: &TimeOriginSpec) -> Result<TimeOrigin, MappingError> {
        Ok(match origin {
            TimeOriginSpec::Read(origin, spec) => {
                let reader = TimeReader::compile(spec);
                let reader = reader.map_err(|message| MappingError { field: "fields.time", message })?;
                TimeOrigin::Read(self.origin("time", origin)?, reader)
            }
            TimeOriginSpec::RecordTimestamp => TimeOrigin::RecordTimestamp,
        })
    }

    pub fn origin(&self, field: &'static str, origin: &OriginSpec) -> Result<Origin, MappingError> {
        let own = if let OriginSpec::Cleaned(_, own) = origin { Some(own) } else { None };
        let (from, label) = match origin.plain() {
            OriginSpec::Field(pointer) => {
                let node = self.value.find(0, &pointer_steps(field, pointer)?);
                (From::Value(node.unwrap_or_default()), pointer.clone())
            }
            OriginSpec::Key(pointer) if is_key_text(pointer, self.key_format) => (From::KeyText, "the key".to_owned()),
            OriginSpec::Key(pointer) => {
                let steps = steps(pointer).map_err(|message| MappingError { field, message })?;
                let node = self.key.and_then(|paths| paths.find(0, &steps));
                let label = if pointer.is_empty() { "the key".to_owned() } else { format!("{pointer} of the key") };
                (From::Key(node.unwrap_or_default()), label)
            }
            OriginSpec::Header(name) => (From::Header(name.clone()), format!("header {name}")),
            OriginSpec::Topic => (From::Topic, "the topic".to_owned()),
            OriginSpec::Constant(text) => return Ok(Origin::constant(text)),
            OriginSpec::Cleaned(origin, _) => return self.origin(field, origin), // never: it is plain
        };
        let clean = Clean::of(own.into_iter().chain([self.always]));
        Ok(Origin { from, label, clean })
    }
}

/// Whether a pointer into the key means its bytes as text. In Avro they hold more than the text.
fn is_key_text(pointer: &str, key_format: Format) -> bool {
    pointer.is_empty() && key_format == Format::Json
}

pub(super) fn checked_list<'a, T>(field: &'static str, list: &'a OneOrMore<T>) -> Result<&'a [T], MappingError> {
    if list.0.is_empty() || list.0.len() > FALLBACKS_MAX {
        let message = format!("{} places to look at; write 1 to {FALLBACKS_MAX}", list.0.len());
        return Err(MappingError { field, message });
    }
    Ok(&list.0)
}

/// A place of the item in a line.
type LinePath = (Vec<String>, Option<Clean>);

/// The places of the item in a line, and what they are called in messages.
fn line_items(spec: &OneOrMore<OriginSpec>, always: &CleanSpec) -> Result<(Vec<LinePath>, String), MappingError> {
    let wrong = |message| MappingError { field: "fields.line_item", message };
    let (mut paths, mut labels) = (Vec::new(), Vec::new());
    for origin in checked_list("fields.line_item", spec)? {
        let Some(pointer) = origin.pointer() else {
            let message = "the item of a line stands in the line: write a JSON pointer, or a table with field";
            return Err(wrong(message.to_owned()));
        };
        let own = if let OriginSpec::Cleaned(_, own) = origin { Some(own) } else { None };
        paths.push((steps(pointer).map_err(wrong)?, Clean::of(own.into_iter().chain([always]))));
        labels.push(pointer);
    }
    Ok((paths, labels.join(", ")))
}

/// More that is wanted of a line.
fn line_fields(fields: &FieldsSpec) -> Result<[Vec<String>; LINE_FIELDS], MappingError> {
    // In the order of `LINE_FIELDS`.
    let [position, source, price, quantity] = [
        ("fields.line_position", &fields.line_position),
        ("fields.line_source", &fields.line_source),
        ("fields.line_price", &fields.line_price),
        ("fields.line_quantity", &fields.line_quantity),
    ]
    .map(|(field, pointer)| pointer_steps(field, pointer));
    Ok([position?, source?, price?, quantity?])
}

fn pointer_steps(field: &'static str, pointer: &str) -> Result<Vec<String>, MappingError> {
    if pointer.is_empty() {
        let message = "an empty pointer is the whole record; name a field, such as \"/name\"".to_owned();
        return Err(MappingError { field, message });
    }
    steps(pointer).map_err(|message| MappingError { field, message })
}

fn type_values<'a>(
    values: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> Result<Vec<(String, Option<EventType>)>, MappingError> {
    let mut known = Vec::new();
    for (value, name) in values {
        let meaning = if name == "skip" { None } else { Some(event_type(name, " or skip")?) };
        known.push((value.clone(), meaning));
    }
    if known.is_empty() {
        return Err(MappingError { field: "type", message: "values is empty: nothing would be an event".to_owned() });
    }
    Ok(known)
}

fn event_type(name: &str, also: &str) -> Result<EventType, MappingError> {
    EventType::ALL.into_iter().find(|known| known.name() == name).ok_or_else(|| {
        let names = EventType::ALL.map(EventType::name).join(", ");
        let message = format!("\"{name}\" is no type of event; write {names}{also}");
        MappingError { field: "type", message }
    })
}

fn skips(other: &str) -> Result<bool, MappingError> {
    match other {
        "skip" => Ok(true),
        "reject" => Ok(false),
        _ => Err(MappingError { field: "type", message: format!("other = \"{other}\"; write reject or skip") }),
    }
}
