//! A mapping of facts, compiled: which fields, from where, and how they are written there.

use super::field::{FactField, Holds};
use super::key::KeyForm;
use super::number::{EXAMPLES, NumberForm, PLAIN};
use super::spec::FactSpec;
use crate::facts::FactsTopic;
use crate::intake::avro::SchemaFiles;
use crate::intake::form::Form;
use crate::intake::mapping::{Field, From, MappingError, Origin, Places, Plan, checked_list};
use crate::intake::origin::{CleanSpec, FactOriginSpec, OriginSpec, TimeOriginSpec, TimeSpec};
use crate::intake::spec::Format;
use crate::intake::time::{TimeReader, TimeUnit};
use crate::intake::transform::Transform;
use crate::limits::PARTS_MAX;

/// How many levels of a category are looked for. What is deeper belongs to the last of them.
pub(super) const LEVELS_MAX: usize = 16;

/// How records become facts of one kind, ready for use.
#[derive(Clone, Debug)]
pub struct FactMapping {
    pub(super) topic: FactsTopic,
    pub(super) form: Form,
    /// By [`FactField`].
    fields: Vec<Option<FactPlaces>>,
    pub(super) key: KeyForm,
    /// Whether fields stand in keys.
    pub(super) reads_keys: bool,
    /// At or below this quantity stock is low.
    pub(super) low_stock: Option<f64>,
}

/// A field of a fact, with the places where it is looked for in turn.
#[derive(Clone, Debug)]
pub(super) struct FactPlaces {
    pub field: Field,
    /// Of each place, how what stands there is written.
    pub written: Vec<Written>,
    /// Whether the record's own timestamp stands for it where no place gives any.
    pub or_timestamp: bool,
}

/// How what stands at a place is written.
#[derive(Clone, Debug)]
pub(super) struct Written {
    /// What words mean, where they are not ours.
    pub words: Vec<(String, String)>,
    pub number: NumberForm,
    pub separator: Option<String>,
    pub time: Option<Times>,
}

/// What reads the times of a place.
#[derive(Clone, Debug)]
pub(super) struct Times {
    pub reader: TimeReader,
    /// Texts, where nothing is said of how times are written: numbers are milliseconds then, texts ISO 8601.
    pub of_texts: Option<TimeReader>,
}

impl FactSpec {
    /// The mapping, checked and ready for use. `low_stock`: at or below this quantity stock is low.
    ///
    /// # Errors
    /// [`MappingError`] names the first setting that cannot be right.
    pub fn compile(&self, low_stock: Option<f64>) -> Result<FactMapping, MappingError> {
        let mut plan = Plan { key_format: self.key_format, ..Plan::default() };
        let fields = FactField::of(self.topic);
        for &field in fields {
            let places = self.places(field);
            for place in checked_list(field.setting(), &places)? {
                self.collect(&mut plan, field, place)?;
            }
        }
        let reads_keys = plan.has_key_paths;
        let has_constant = |field: FactField| self.constant(field).is_some();
        let key = KeyForm::compile(self.topic, &self.key, has_constant)?;
        let has_key_object = key == KeyForm::Object || self.key_format == Format::Avro;
        if has_key_object {
            for field in FactField::key_of(self.topic) {
                plan.key.insert(&[field.name().to_owned()]);
            }
        }
        let transform = self.transform.as_deref().map(Transform::compile).transpose()?;
        let value_paths = plan.value.finish();
        let key_paths = (reads_keys || has_key_object).then(|| plan.key.finish());
        let always = CleanSpec { missing: self.missing.clone(), trim: self.trim };
        let places =
            Places { value: &value_paths, key: key_paths.as_ref(), key_format: self.key_format, always: &always };
        let mut compiled: Vec<Option<FactPlaces>> = vec![None; FactField::COUNT];
        for &field in fields {
            compiled[field as usize] = Some(self.compiled(field, &places)?);
        }
        Ok(FactMapping {
            topic: self.topic,
            form: Form {
                format: self.format,
                key_format: self.key_format,
                schema_files: SchemaFiles::default(),
                transform,
                value_paths,
                key_paths,
            },
            fields: compiled,
            key,
            reads_keys,
            low_stock,
        })
    }

    /// Notes the paths that a place of a field wants.
    fn collect(&self, plan: &mut Plan, field: FactField, place: &FactOriginSpec) -> Result<(), MappingError> {
        let TimeOriginSpec::Read(origin, _) = &place.origin else { return Ok(()) };
        plan.add(field.setting(), origin)?;
        let elements = match field.holds() {
            Holds::Way => LEVELS_MAX,
            Holds::Items => PARTS_MAX,
            _ => return Ok(()),
        };
        if let Some(pointer) = origin.pointer() {
            for element in 0..elements {
                let element = OriginSpec::Field(format!("{pointer}/{element}"));
                plan.add(field.setting(), &element)?;
            }
        }
        Ok(())
    }

    fn compiled(&self, field: FactField, places: &Places<'_>) -> Result<FactPlaces, MappingError> {
        let wrong = |message| MappingError { field: field.setting(), message };
        let (mut origins, mut written, mut or_timestamp) = (Vec::new(), Vec::new(), false);
        for place in self.places(field).0 {
            if or_timestamp {
                return Err(wrong("behind the record's timestamp no place is ever looked at".to_owned()));
            }
            check(field, &place).map_err(wrong)?;
            match &place.origin {
                TimeOriginSpec::RecordTimestamp => or_timestamp = true,
                TimeOriginSpec::Read(origin, spec) => {
                    origins.push(places.origin(field.name(), origin)?);
                    written.push(how(field, &place, spec).map_err(wrong)?);
                }
            }
        }
        Ok(FactPlaces { field: Field { name: field.name(), origins }, written, or_timestamp })
    }

    /// What stands for a field that a key does not say.
    fn constant(&self, field: FactField) -> Option<String> {
        self.places(field).0.into_iter().find_map(|place| match place.origin {
            TimeOriginSpec::Read(OriginSpec::Constant(text), _) => Some(text),
            _ => None,
        })
    }
}

/// Refuses what is said of a field that has no such thing.
fn check(field: FactField, place: &FactOriginSpec) -> Result<(), String> {
    let holds = field.holds();
    let is_time = place.has_time || place.origin == TimeOriginSpec::RecordTimestamp;
    if is_time && holds != Holds::Time {
        return Err("record, unit, format, zone and day are for times only".to_owned());
    }
    if !place.values.is_empty() && !matches!(holds, Holds::Word | Holds::Truth) {
        return Err("values are for words, and for true and false".to_owned());
    }
    if place.number.is_some() && holds != Holds::Number {
        return Err("number is for prices, quantities and factors".to_owned());
    }
    if place.separator.is_some() && !matches!(holds, Holds::Way | Holds::Items) {
        return Err("separator is for category and parts".to_owned());
    }
    Ok(())
}

fn how(field: FactField, place: &FactOriginSpec, spec: &TimeSpec) -> Result<Written, String> {
    let number = match &place.number {
        None => PLAIN,
        Some(example) => NumberForm::of_example(example)
            .ok_or_else(|| format!("number = \"{example}\": write 1234.56 as the numbers are written: {EXAMPLES}"))?,
    };
    let time = (field.holds() == Holds::Time).then(|| -> Result<Times, String> {
        let of_texts = TimeSpec { unit: TimeUnit::Iso8601, ..TimeSpec::default() };
        Ok(Times {
            reader: TimeReader::compile(spec)?,
            of_texts: if place.has_time { None } else { Some(TimeReader::compile(&of_texts)?) },
        })
    });
    let words = place.values.iter().map(|(written, ours)| (written.clone(), ours.0.clone()));
    Ok(Written { words: words.collect(), number, separator: place.separator.clone(), time: time.transpose()? })
}

impl FactMapping {
    /// Of which kind its facts are.
    #[must_use]
    pub fn topic(&self) -> FactsTopic {
        self.topic
    }

    /// How its records are written.
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

    /// Where a field is looked for; of one that this kind of facts has not, nowhere.
    pub(super) fn places(&self, field: FactField) -> Option<&FactPlaces> {
        self.fields[field as usize].as_ref()
    }

    /// What stands for a field that a key does not say.
    pub(super) fn constant(&self, field: FactField) -> Option<&str> {
        let origins = &self.places(field)?.field.origins;
        origins.iter().find_map(|Origin { from, .. }| match from {
            From::Constant(text) => Some(text.as_str()),
            _ => None,
        })
    }
}
