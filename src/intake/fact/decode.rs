//! Reads a record by a mapping of facts.
//!
//! Invariant: fields are looked at in a fixed order, so a record with two faults has the same reason every time.

use super::field::FactField;
use super::key::KeyForm;
use super::mapping::FactMapping;
use super::reading::Reading;
use super::said::{CatalogueTexts, Fact, Said};
use crate::facts::{FactsTopic, Kind, RelationTerms, Ruling, Stock, Verdict};
use crate::intake::avro::Plans;
use crate::intake::id::{id_fault, shop_fault};
use crate::intake::reading::{Fault, Fields, check_object, scalar_text};
use crate::intake::reject::{Reason, Reject, shortened};
use crate::intake::spec::Format;
use crate::intake::value::{Found, Place, Value};
use crate::intake::{Record, json};
use crate::limits::BOOST;
use crate::list_key::{ListName, SHOP_WIDE};
use std::borrow::Cow;

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
        place: impl Fn(Place) -> String,
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
