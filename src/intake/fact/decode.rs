//! Reads a record by a mapping of facts.
//!
//! Invariants: fields are looked at in a fixed order, so a record with two faults has the same reason every time. Whatever decides what is
//! shown or counted is right or refused; what only people read is cut.

use super::field::{FactField, Holds};
use super::key::KeyForm;
use super::mapping::{FactMapping, FactPlaces, LEVELS_MAX, Written};
use super::number::EXAMPLES;
use crate::facts::{
    Catalogue, Facts, FactsTopic, Kind, Refused, RelationKey, RelationTerms, Ruling, Stock, Verdict, VerdictKey,
};
use crate::intake::avro::Plans;
use crate::intake::id::{id_fault, shop_fault};
use crate::intake::mapping::From;
use crate::intake::reading::{Fault, Fields, at, check_object, fault_at, id_text, scalar_text};
use crate::intake::reject::{Reason, Reject, shortened};
use crate::intake::spec::Format;
use crate::intake::value::{Found, Value};
use crate::intake::{Record, TIME_MAX_MS, json};
use crate::limits::{BOOST, LABEL_BYTES_MAX, LINK_BYTES_MAX, LIST_ENTRIES_MAX, PARTS_MAX};
use crate::list_key::{ListName, SHOP_WIDE};
use std::borrow::Cow;

/// What a record says.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact<'a> {
    /// The shop.
    pub shop: Cow<'a, str>,
    /// What is said.
    pub said: Said<'a>,
    /// How many of its texts were cut or left out.
    pub shortened: u32,
}

/// A fact of some kind; none: that it counts no more.
#[derive(Clone, Debug, PartialEq)]
pub enum Said<'a> {
    /// Of the catalogue.
    Catalogue {
        /// Whose.
        item: Cow<'a, str>,
        /// What it is.
        catalogue: Option<Box<CatalogueTexts<'a>>>,
    },
    /// Of stock.
    Stock {
        /// Whose.
        item: Cow<'a, str>,
        /// What there is of it.
        stock: Option<Stock>,
    },
    /// A relation kept by hand.
    Relation {
        /// Whose lists.
        anchor: Cow<'a, str>,
        /// What is shown in them.
        other: Cow<'a, str>,
        /// How they go together.
        kind: Kind,
        /// Where and when.
        terms: Option<RelationTerms>,
    },
    /// A verdict.
    Verdict {
        /// In which list; none is all.
        list: Option<ListName>,
        /// In whose lists; none is everybody's.
        anchor: Option<Cow<'a, str>>,
        /// What it is about.
        other: Cow<'a, str>,
        /// What was said.
        verdict: Option<Box<Verdict>>,
    },
}

/// What the catalogue says of an item, as it stood in a record.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)] // as of `Catalogue`
pub struct CatalogueTexts<'a> {
    pub parent: Option<Cow<'a, str>>,
    pub category: Vec<Cow<'a, str>>,
    pub brand: Option<Cow<'a, str>>,
    pub price: Option<f64>,
    pub currency: Option<Cow<'a, str>>,
    pub active: bool,
    pub countable: bool,
    pub launched_ms: Option<i64>,
    pub name: Option<Cow<'a, str>>,
    pub url: Option<Cow<'a, str>>,
    pub image: Option<Cow<'a, str>>,
    pub parts: Vec<Cow<'a, str>>,
}

impl Fact<'_> {
    /// Tells the table of facts.
    ///
    /// # Errors
    /// [`Reject`] when the table does not take it, or not all of it.
    pub fn tell(&self, facts: &Facts) -> Result<(), Reject> {
        let shop = &*self.shop;
        let told = match &self.said {
            Said::Catalogue { item, catalogue } => {
                let catalogue = catalogue.as_deref().map(CatalogueTexts::borrowed);
                facts.set_catalogue(shop, item, catalogue.as_ref())
            }
            Said::Stock { item, stock } => facts.set_stock(shop, item, *stock),
            Said::Relation { anchor, other, kind, terms } => {
                facts.set_relation(shop, RelationKey { anchor, other, kind: *kind }, terms.as_ref())
            }
            Said::Verdict { list, anchor, other, verdict } => {
                let key = VerdictKey { list: *list, anchor: anchor.as_deref(), other };
                facts.set_verdict(shop, key, verdict.as_deref().cloned())
            }
        };
        told.map_err(|refused| {
            let reason = match refused {
                Refused::Loop | Refused::Deep => Reason::BadParent,
                Refused::Manual => Reason::TooMany,
                Refused::Memory => Reason::NoMemory,
            };
            Reject::new(reason, refused.to_string())
        })
    }
}

impl CatalogueTexts<'_> {
    fn borrowed(&self) -> Catalogue<'_> {
        Catalogue {
            parent: self.parent.as_deref(),
            category: self.category.iter().map(AsRef::as_ref).collect(),
            brand: self.brand.as_deref(),
            price: self.price,
            currency: self.currency.as_deref(),
            active: self.active,
            countable: self.countable,
            launched_ms: self.launched_ms,
            name: self.name.as_deref(),
            url: self.url.as_deref(),
            image: self.image.as_deref(),
            parts: self.parts.iter().map(AsRef::as_ref).collect(),
        }
    }
}

impl FactMapping {
    /// Everything that `record` says, one after the other: of what a transform gives, each for itself.
    pub fn decode(&self, plans: &Plans, record: &Record<'_>, mut take: impl FnMut(Result<Fact<'_>, Reject>)) {
        let Some(bytes) = record.value else { return take(self.tombstone(plans, record)) };
        if !self.form.transforms() {
            let decoded = self.form.value(plans, bytes).and_then(|found| {
                check_object(&found, "the record", "a fact")?;
                self.found(plans, record, found, |place| self.form.place(plans, bytes, place))
            });
            return take(decoded);
        }
        match self.form.transform(plans, record) {
            Err(reject) => take(Err(reject)),
            Ok(outputs) => {
                for output in &outputs {
                    let found = output.found(&self.form.value_paths);
                    let checked = check_object(&found, "the value", "a fact");
                    take(checked.and_then(|()| self.found(plans, record, found, |_| String::new())));
                }
            }
        }
    }

    fn found<'a>(
        &'a self,
        plans: &'a Plans,
        record: &Record<'a>,
        found: Found<'a>,
        place: impl Fn(crate::intake::value::Place) -> String,
    ) -> Result<Fact<'a>, Reject> {
        let key = if self.reads_keys { self.form.key(plans, record)? } else { None };
        let fields = Fields { form: &self.form, record, found, key, noun: "a fact" };
        let mut reading = Reading { mapping: self, fields, shortened: 0 };
        reading.fact().map_err(|fault| fault.reject(place))
    }

    /// What a record without a value takes away: its key says.
    fn tombstone<'a>(&'a self, plans: &'a Plans, record: &Record<'a>) -> Result<Fact<'a>, Reject> {
        let said = self.key_says(plans, record).map_err(|what| {
            let name = self.topic.name();
            Reject::new(
                Reason::BadKey,
                format!(
                    "a record without a value takes away what its key says, and this key {what} (facts.{name}.key)"
                ),
            )
        })?;
        let bad = |(reason, what): (Reason, String), field: FactField| {
            Reject::new(reason, format!("{} (the key): {what}", field.name()))
        };
        let mut ids: Vec<Cow<'a, str>> = Vec::new();
        for &field in FactField::key_of(self.topic) {
            let id = said.iter().find(|(known, _)| *known == field).map(|(_, id)| id.clone());
            let id = id.or_else(|| self.constant(field).map(Cow::Borrowed));
            let id = id.ok_or_else(|| bad((Reason::BadKey, "missing".to_owned()), field))?;
            if let Some(fault) = id_fault(&id) {
                return Err(bad(fault, field));
            }
            ids.push(id);
        }
        let mut ids = ids.into_iter();
        let mut next = || ids.next().unwrap_or_default();
        let shop = next();
        if let Some(what) = shop_fault(&shop) {
            return Err(bad((Reason::BadId, what), FactField::Shop));
        }
        let unknown = |field: FactField, what: String| bad((Reason::UnknownWord, what), field);
        let said = match self.topic {
            FactsTopic::Catalogue => Said::Catalogue { item: next(), catalogue: None },
            FactsTopic::Stock => Said::Stock { item: next(), stock: None },
            FactsTopic::Relations => {
                let (anchor, other) = (next(), next());
                let kind = kind_of(&next()).map_err(|what| unknown(FactField::Kind, what))?;
                Said::Relation { anchor, other, kind, terms: None }
            }
            FactsTopic::Verdicts => {
                let list = list_of(&next()).map_err(|what| unknown(FactField::List, what))?;
                let anchor = Some(next()).filter(|anchor| anchor != SHOP_WIDE);
                Said::Verdict { list, anchor, other: next(), verdict: None }
            }
        };
        Ok(Fact { shop, said, shortened: 0 })
    }

    /// What the record's key says of each field.
    fn key_says<'a>(&'a self, plans: &'a Plans, record: &Record<'a>) -> Result<Vec<(FactField, Cow<'a, str>)>, String> {
        let Some(bytes) = record.key else { return Err("is missing".to_owned()) };
        let has_constant = |field| self.constant(field).is_some();
        let split = |text| match &self.key {
            KeyForm::Text(fields) => KeyForm::split(fields, text, has_constant).map_err(|what| format!("has {what}")),
            KeyForm::Object => Err("is a text, not an object".to_owned()),
        };
        if self.form.key_format != Format::Avro && self.key != KeyForm::Object {
            let text = str::from_utf8(bytes).map_err(|_| "is not UTF-8 text".to_owned())?;
            return split(text);
        }
        let found = match (&self.form.key_paths, self.form.key_format) {
            (Some(paths), Format::Json | Format::Csv | Format::Tsv) => {
                json::read(paths, bytes).map_err(|what| format!("is not JSON: {what}"))
            }
            _ => self.form.key(plans, record).map_err(|reject| reject.message)?.ok_or_else(|| "is not read".to_owned()),
        }?;
        match &found.values[0] {
            Value::Object => self.object_says(&found),
            Value::Text(Cow::Borrowed(text)) => split(text),
            other => Err(format!("is {}", other.kind())),
        }
    }

    fn object_says<'a>(&self, found: &Found<'a>) -> Result<Vec<(FactField, Cow<'a, str>)>, String> {
        let Some(paths) = &self.form.key_paths else { return Ok(Vec::new()) };
        let mut said = Vec::new();
        for &field in FactField::key_of(self.topic) {
            let node = paths.find(0, &[field.name().to_owned()]);
            let value = node.map(|node| found.values[node].clone()).unwrap_or_default();
            if !value.is_blank() {
                said.push((
                    field,
                    scalar_text(value).map_err(|what| format!("has a {} that is {what}", field.name()))?,
                ));
            }
        }
        Ok(said)
    }
}

/// A record being read.
struct Reading<'r, 'a> {
    mapping: &'a FactMapping,
    fields: Fields<'r, 'a>,
    shortened: u32,
}

impl<'a> Reading<'_, 'a> {
    fn fact(&mut self) -> Result<Fact<'a>, Fault> {
        let shop = self.needed(FactField::Shop)?;
        if let Some(what) = shop_fault(&shop) {
            return Err(self.fault(Reason::BadId, FactField::Shop, what));
        }
        let is_deleted = self.truth(FactField::Deleted, false)?;
        let said = match self.mapping.topic {
            FactsTopic::Catalogue => {
                let item = self.needed(FactField::Item)?;
                let catalogue = if is_deleted { None } else { Some(Box::new(self.catalogue(&item)?)) };
                Said::Catalogue { item, catalogue }
            }
            FactsTopic::Stock => {
                let item = self.needed(FactField::Item)?;
                Said::Stock { item, stock: if is_deleted { None } else { Some(self.stock()?) } }
            }
            FactsTopic::Relations => {
                let (anchor, other) = (self.needed(FactField::Anchor)?, self.needed(FactField::Other)?);
                let kind = self.needed_word(FactField::Kind, kind_of)?;
                Said::Relation { anchor, other, kind, terms: if is_deleted { None } else { Some(self.terms()?) } }
            }
            FactsTopic::Verdicts => {
                let list = self.needed_word(FactField::List, list_of)?;
                let anchor = Some(self.needed(FactField::Anchor)?).filter(|anchor| anchor != SHOP_WIDE);
                let other = self.needed(FactField::Other)?;
                let verdict = if is_deleted { None } else { Some(Box::new(self.verdict(list, &other)?)) };
                Said::Verdict { list, anchor, other, verdict }
            }
        };
        Ok(Fact { shop, said, shortened: self.shortened })
    }

    fn catalogue(&mut self, item: &str) -> Result<CatalogueTexts<'a>, Fault> {
        Ok(CatalogueTexts {
            // Many catalogues call an item without variants its own parent.
            parent: self.id(FactField::Parent)?.filter(|parent| parent != item),
            category: self.several(FactField::Category)?,
            brand: self.text(FactField::Brand)?,
            price: self.amount(FactField::Price, "a price")?,
            currency: self.id(FactField::Currency)?,
            active: self.truth(FactField::Active, true)?,
            countable: self.truth(FactField::Countable, true)?,
            launched_ms: self.time(FactField::Launched)?.map(|(start, _)| start),
            name: self.text(FactField::Name)?,
            url: self.text(FactField::Url)?,
            image: self.text(FactField::Image)?,
            parts: self.several(FactField::Parts)?,
        })
    }

    /// The lesser of what a quantity and a state say.
    fn stock(&self) -> Result<Stock, Fault> {
        let state = self.word(FactField::State, |word| match word {
            "in" | "true" => Ok(Stock::In),
            "low" => Ok(Stock::Low),
            "out" | "false" => Ok(Stock::Out),
            other => Err(format!("{} is none of in, low, out, true, false; map it under values", shortened(other))),
        })?;
        let quantity = self.number(FactField::Quantity)?.map(|quantity| {
            if quantity <= 0.0 {
                Stock::Out
            } else if self.mapping.low_stock.is_some_and(|low| quantity <= low) {
                Stock::Low
            } else {
                Stock::In
            }
        });
        match [state, quantity].into_iter().flatten().min() {
            Some(stock) => Ok(stock),
            None => Err(self.blank(FactField::Quantity)),
        }
    }

    fn terms(&self) -> Result<RelationTerms, Fault> {
        Ok(RelationTerms {
            position: self.position()?,
            from_ms: self.time(FactField::From)?.map(|(start, _)| start),
            until_ms: self.time(FactField::Until)?.map(|(_, end)| end),
        })
    }

    fn verdict(&mut self, list: Option<ListName>, other: &str) -> Result<Verdict, Fault> {
        let ruling = self.needed_word(FactField::Ruling, |word| match word {
            "approve" | "reject" | "pin" | "boost" => Ok(word.to_owned()),
            unknown => {
                Err(format!("{} is none of approve, reject, pin, boost; map it under values", shortened(unknown)))
            }
        })?;
        let ruling = match &*ruling {
            "pin" => Ruling::Pin(self.position()?.ok_or_else(|| self.blank(FactField::Position))?),
            "boost" => {
                let factor = self.number(FactField::Factor)?.ok_or_else(|| self.blank(FactField::Factor))?;
                if !BOOST.contains(&factor) {
                    let what =
                        format!("{factor} is not {} to {}; write a factor within these", BOOST.start(), BOOST.end());
                    return Err(self.fault(Reason::BadNumber, FactField::Factor, what));
                }
                Ruling::Boost(factor)
            }
            "reject" => Ruling::Reject,
            _ => Ruling::Approve,
        };
        let text = |text: Option<Cow<'_, str>>| Box::from(&*text.unwrap_or_default());
        Ok(Verdict {
            list,
            other: Box::from(other),
            fingerprint: 0, // whoever keeps it knows the shop
            ruling,
            who: text(self.text(FactField::Who)?),
            when_ms: self.time(FactField::When)?.map_or(0, |(start, _)| start),
            why: text(self.text(FactField::Why)?),
            until_ms: self.time(FactField::Until)?.map(|(_, end)| end),
        })
    }

    fn places(&self, field: FactField) -> Option<&'a FactPlaces> {
        self.mapping.places(field)
    }

    /// What stands in a field, and how it is written there.
    fn pick(&self, field: FactField) -> Result<Option<(&'a FactPlaces, usize, Value<'a>)>, Fault> {
        let Some(places) = self.places(field) else { return Ok(None) };
        Ok(self.fields.pick_place(&places.field)?.map(|(place, value)| (places, place, value)))
    }

    fn id(&self, field: FactField) -> Result<Option<Cow<'a, str>>, Fault> {
        self.places(field).map_or(Ok(None), |places| self.fields.id(&places.field))
    }

    fn needed(&self, field: FactField) -> Result<Cow<'a, str>, Fault> {
        self.id(field)?.ok_or_else(|| self.blank(field))
    }

    fn blank(&self, field: FactField) -> Fault {
        match self.places(field) {
            Some(places) => self.fields.blank(&places.field),
            None => self.fault(Reason::MissingField, field, "missing".to_owned()),
        }
    }

    fn fault(&self, reason: Reason, field: FactField, what: String) -> Fault {
        match self.places(field) {
            Some(places) => self.fields.fault(reason, &places.field, what),
            None => Fault { reason, field: field.name(), label: String::new(), what, place: None },
        }
    }

    /// A text for people, cut to its limit, or left out where half of it is of no use.
    fn text(&mut self, field: FactField) -> Result<Option<Cow<'a, str>>, Fault> {
        let Some((places, place, value)) = self.pick(field)? else { return Ok(None) };
        let text = scalar_text(value).map_err(|_| {
            let origin = &places.field.origins[place];
            fault_at(Reason::BadType, &places.field, origin, "no text: map the field that holds it".to_owned())
        })?;
        let (text, is_short) = match field.holds() {
            Holds::Link if text.len() > LINK_BYTES_MAX => (None, true),
            Holds::Text(max) if text.len() > max => (Some(cut(text, max)), true),
            _ => (Some(text), false),
        };
        self.shortened += u32::from(is_short);
        Ok(text.map(without_controls))
    }

    /// The levels of a category, or the parts of a bundle.
    fn several(&mut self, field: FactField) -> Result<Vec<Cow<'a, str>>, Fault> {
        let Some((places, place, value)) = self.pick(field)? else { return Ok(Vec::new()) };
        let origin = &places.field.origins[place];
        let is_way = field.holds() == Holds::Way;
        let max = if is_way { LEVELS_MAX } else { PARTS_MAX };
        let wrong = |what: String| fault_at(Reason::BadType, &places.field, origin, what);
        let mut all: Vec<Value<'a>> = Vec::new();
        match (value, &origin.from) {
            (Value::Array, From::Value(node)) => {
                let (paths, found) = (&self.mapping.form.value_paths, &self.fields.found);
                for element in (0..max).map_while(|index| paths.indexed(*node, index)) {
                    let value = found.values[element].clone();
                    all.push(match &origin.clean {
                        None => value,
                        Some(clean) => clean.apply(value),
                    });
                }
            }
            (Value::Text(text), _) => match &places.written[place].separator {
                None => all.push(Value::Text(text)),
                Some(separator) => {
                    let levels =
                        text.split(separator.as_str()).map(|level| Value::Text(Cow::Owned(level.trim().to_owned())));
                    all.extend(levels.filter(|level| !level.is_blank()).take(max));
                }
            },
            (value, _) => all.push(value),
        }
        let mut texts = Vec::new();
        for value in all.into_iter().filter(|value| !value.is_blank()) {
            if is_way {
                let text = scalar_text(value).map_err(|what| {
                    wrong(format!(
                        "a level that is {what}; a category is an array of names, or a text with a separator"
                    ))
                })?;
                self.shortened += u32::from(text.len() > LABEL_BYTES_MAX);
                texts.push(without_controls(cut(text, LABEL_BYTES_MAX)));
            } else {
                texts.push(
                    id_text(value)
                        .map_err(|(reason, what)| Fault { reason, ..wrong(format!("a part that is {what}")) })?,
                );
            }
        }
        Ok(texts)
    }

    fn truth(&self, field: FactField, otherwise: bool) -> Result<bool, Fault> {
        let truth = self.word(field, |word| match word {
            "true" | "1" | "yes" => Ok(true),
            "false" | "0" | "no" => Ok(false),
            other => Err(format!("{} is none of true, false, yes, no, 1, 0; map it under values", shortened(other))),
        })?;
        Ok(truth.unwrap_or(otherwise))
    }

    /// What a word means, by the settings' values and then by `ours`.
    fn word<T>(&self, field: FactField, ours: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, Fault> {
        let Some((places, place, value)) = self.pick(field)? else { return Ok(None) };
        let wrong = |reason, what| fault_at(reason, &places.field, &places.field.origins[place], what);
        let text = match value {
            Value::Bool(truth) => Cow::Borrowed(if truth { "true" } else { "false" }),
            value => scalar_text(value).map_err(|what| wrong(Reason::BadType, what))?,
        };
        let Written { words, .. } = &places.written[place];
        let word = match words.iter().find(|(written, _)| *written == text) {
            Some((_, word)) => word.as_str(),
            None if words.is_empty() => &text,
            None => {
                let known: Vec<&str> = words.iter().map(|(written, _)| written.as_str()).collect();
                let what = format!("{} is none of {}; map it under values", shortened(&text), known.join(", "));
                return Err(wrong(Reason::UnknownWord, what));
            }
        };
        ours(word).map(Some).map_err(|what| wrong(Reason::UnknownWord, what))
    }

    fn needed_word<T>(&self, field: FactField, ours: impl Fn(&str) -> Result<T, String>) -> Result<T, Fault> {
        self.word(field, ours)?.ok_or_else(|| self.blank(field))
    }

    fn number(&self, field: FactField) -> Result<Option<f64>, Fault> {
        let Some((places, place, value)) = self.pick(field)? else { return Ok(None) };
        let wrong = |reason, what| fault_at(reason, &places.field, &places.field.origins[place], what);
        #[expect(clippy::cast_precision_loss)] // beyond 2^53 nobody has as many, or pays as much
        let number = match &value {
            Value::Signed(number) | Value::Time(number, _) => *number as f64,
            Value::Unsigned(number) => *number as f64,
            Value::Float(number) => *number,
            Value::Text(text) => places.written[place].number.read(text).ok_or_else(|| {
                let what = format!(
                    "{} is no number as it should be written; say how they are: number = {EXAMPLES}",
                    shortened(text)
                );
                wrong(Reason::BadNumber, what)
            })?,
            other => return Err(wrong(Reason::BadType, format!("{}, which is no number", other.kind()))),
        };
        if !number.is_finite() {
            return Err(wrong(Reason::BadNumber, "not a number, or without end".to_owned()));
        }
        Ok(Some(number))
    }

    /// A number that is not negative.
    fn amount(&self, field: FactField, what: &str) -> Result<Option<f64>, Fault> {
        match self.number(field)? {
            Some(number) if number < 0.0 => {
                Err(self.fault(Reason::BadNumber, field, format!("{number} is negative; {what} is 0 or more")))
            }
            number => Ok(number),
        }
    }

    /// A place in a list, from 1.
    fn position(&self) -> Result<Option<u16>, Fault> {
        let Some(number) = self.number(FactField::Position)? else { return Ok(None) };
        #[expect(clippy::cast_precision_loss)]
        let is_place = number.fract() == 0.0 && (1.0..=LIST_ENTRIES_MAX as f64).contains(&number);
        if !is_place {
            let what = format!("{number} is no place in a list; write 1 to {LIST_ENTRIES_MAX}");
            return Err(self.fault(Reason::BadNumber, FactField::Position, what));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // it has been looked at
        Ok(Some(number as u16))
    }

    /// A time, in ms since 1970; of a day its start and its end.
    fn time(&self, field: FactField) -> Result<Option<(i64, i64)>, Fault> {
        let Some((places, place, value)) = self.pick(field)? else {
            let stands_in = self.places(field).is_some_and(|places| places.or_timestamp);
            let timestamp_ms = self.fields.record.timestamp_ms.filter(|time_ms| (0..=TIME_MAX_MS).contains(time_ms));
            return Ok(timestamp_ms.filter(|_| stands_in).map(|time_ms| (time_ms, time_ms)));
        };
        let Some(times) = &places.written[place].time else { return Ok(None) };
        let is_number = matches!(&value, Value::Text(text) if text.parse::<f64>().is_ok());
        let reader = match &times.of_texts {
            Some(of_texts) if matches!(value, Value::Text(_)) && !is_number => of_texts,
            _ => &times.reader,
        };
        let reason = match value {
            Value::Bool(_) | Value::Bytes | Value::Array | Value::Object => Reason::BadType,
            _ => Reason::BadTime,
        };
        let read = reader.read(&value).map_err(|what| at(reason, field.name(), &places.field.origins[place], what))?;
        Ok(Some((read.time.0, read.order_time.0)))
    }
}

fn kind_of(word: &str) -> Result<Kind, String> {
    match word {
        "complement" => Ok(Kind::Complement),
        "alternative" => Ok(Kind::Alternative),
        "accessory" => Ok(Kind::Accessory),
        "upsell" => Ok(Kind::Upsell),
        "never" => Ok(Kind::Never),
        other => Err(format!(
            "{} is none of complement, alternative, accessory, upsell, never; map it under values",
            shortened(other)
        )),
    }
}

/// A list's name; `*` is all.
fn list_of(word: &str) -> Result<Option<ListName>, String> {
    if word == SHOP_WIDE {
        return Ok(None);
    }
    ListName::find(word).map(Some).ok_or_else(|| {
        let names = ListName::ALL.map(ListName::name).join(", ");
        format!("{} is none of *, {names}; map it under values", shortened(word))
    })
}

/// The start of a text, of at most so many bytes.
fn cut(text: Cow<'_, str>, max: usize) -> Cow<'_, str> {
    if text.len() <= max {
        return text;
    }
    let end = text.floor_char_boundary(max);
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[..end]),
        Cow::Owned(mut text) => {
            text.truncate(end);
            Cow::Owned(text)
        }
    }
}

/// Blanks in place of control characters, which would break lines of what is written later.
fn without_controls(text: Cow<'_, str>) -> Cow<'_, str> {
    if !text.chars().any(char::is_control) {
        return text;
    }
    Cow::Owned(text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect())
}
