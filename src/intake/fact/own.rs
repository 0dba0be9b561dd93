//! Verdicts as records of samenloop's own form, for whoever writes them to the topic.
//!
//! Invariant: what is written has been read by the decoder of the topic, as it will stand there.

use super::field::FactField;
use super::key::key_text;
use super::mapping::FactMapping;
use super::said::{Fact, Said};
use super::spec::FactSpec;
use crate::facts::{FactsTopic, Verdict, VerdictKey};
use crate::intake::Record;
use crate::intake::avro::Plans;
use crate::intake::mapping::MappingError;
use crate::intake::reject::{Reason, Reject, shortened};
use crate::list_key::{ListName, SHOP_WIDE};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Makes records of verdicts.
#[derive(Debug)]
pub struct OwnVerdicts(FactMapping);

/// A record of the topic of verdicts.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnVerdict {
    /// Whose shop.
    pub shop: String,
    /// In which list; none is all.
    pub list: Option<ListName>,
    /// In whose lists; none is everybody's.
    pub anchor: Option<String>,
    /// What it is about.
    pub other: String,
    /// The record's value; none takes the verdict back.
    pub value: Option<Vec<u8>>,
    /// What the table learns of it; none where it is taken back.
    pub verdict: Option<Verdict>,
}

impl OwnVerdict {
    /// Which verdict it is.
    #[must_use]
    pub fn key(&self) -> VerdictKey<'_> {
        VerdictKey { list: self.list, anchor: self.anchor.as_deref(), other: &self.other }
    }

    /// The record's key.
    #[must_use]
    pub fn key_text(&self) -> String {
        let (list, anchor) = (self.list.map_or(SHOP_WIDE, ListName::name), self.anchor.as_deref());
        key_text([&self.shop, list, anchor.unwrap_or(SHOP_WIDE), &self.other])
    }
}

impl OwnVerdicts {
    /// # Errors
    /// Never: our own form is one that can be read.
    pub fn new() -> Result<Self, MappingError> {
        FactSpec::new(FactsTopic::Verdicts).compile(None).map(Self)
    }

    /// The record that says the verdict of `body`, a JSON object in our own form.
    ///
    /// # Errors
    /// What the topic would refuse, and names that a verdict has not: on a topic they may mean something to others.
    pub fn said(&self, body: &[u8]) -> Result<OwnVerdict, Reject> {
        let Ok(object) = serde_json::from_slice::<Map<String, Value>>(body) else {
            let what = "the body is no JSON object of a verdict".to_owned();
            return Err(self
                .read(&Record { value: Some(body), ..Record::default() })
                .err()
                .unwrap_or(Reject::new(Reason::NotAnObject, what)));
        };
        let fields = FactField::of(FactsTopic::Verdicts);
        let known = fields.iter().map(|field| field.name()).filter(|name| *name != FactField::Deleted.name());
        if let Some(name) = object.keys().find(|name| !known.clone().any(|known| known == name.as_str())) {
            let known = known.collect::<Vec<_>>().join(", ");
            return Err(Reject::new(Reason::UnknownWord, format!("{} is none of {known}", shortened(name))));
        }
        let value = Value::Object(object).to_string().into_bytes();
        let read = self.read(&Record { value: Some(&value), ..Record::default() })?;
        Ok(OwnVerdict { value: Some(value), ..read })
    }

    /// The record that takes a verdict back: shop, list, anchor and other.
    ///
    /// # Errors
    /// What the topic would refuse.
    pub fn taken_back(&self, ids: [&str; 4]) -> Result<OwnVerdict, Reject> {
        self.read(&Record { key: Some(key_text(ids).as_bytes()), ..Record::default() })
    }

    /// What the topic's readers will know of it.
    fn read(&self, record: &Record<'_>) -> Result<OwnVerdict, Reject> {
        let mut read = Err(Reject::new(Reason::NotAnObject, "there is no verdict in it".to_owned()));
        self.0.decode(&Plans::default(), record, |decoded| read = decoded.map(own));
        let verdict = read?;
        verdict.ok_or_else(|| Reject::new(Reason::NotAnObject, "it is no verdict".to_owned()))
    }
}

fn own(fact: Fact<'_>) -> Option<OwnVerdict> {
    let Said::Verdict { list, anchor, other, verdict } = fact.said else { return None };
    let (anchor, other) = (anchor.map(Cow::into_owned), other.into_owned());
    let verdict = verdict.as_deref().cloned();
    Some(OwnVerdict { shop: fact.shop.into_owned(), list, anchor, other, value: None, verdict })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_the_topic_reads() {
        let own = OwnVerdicts::new().unwrap();
        let body = br#"{"list":"*","anchor":"a/1 100%","other":"b","ruling":"pin","position":3,"who":"ann","until":"2030-01-01"}"#;
        let verdict = own.said(body).unwrap();
        assert_eq!(verdict.key_text(), "main/*/a%2F1 100%25/b");
        let taken_back = own.taken_back(["main", "*", "a/1 100%", "b"]).unwrap();
        assert_eq!(taken_back, OwnVerdict { value: None, verdict: None, ..verdict.clone() });
        let twice = own.said(verdict.value.as_deref().unwrap()).unwrap();
        assert_eq!(twice, verdict);
        // A name that stands twice counts as it is written.
        let body = br#"{"list":"bought-together","anchor":"*","other":"b","ruling":"?","ruling":"reject","shop":"be"}"#;
        let verdict = own.said(body).unwrap();
        assert_eq!(verdict.key_text(), "be/bought-together/*/b");
        assert!(!verdict.value.unwrap().contains(&b'?'));
    }

    #[test]
    fn what_the_topic_would_refuse_is_refused() {
        let own = OwnVerdicts::new().unwrap();
        for (body, reason, hint) in [
            ("", "bad_json", ""),
            ("[]", "not_an_object", ""),
            ("{\"a\":", "bad_json", ""),
            (r#"{"list":"*","anchor":"a","other":"b"}"#, "missing_field", "ruling"),
            (r#"{"list":"*","other":"b","ruling":"reject"}"#, "missing_field", "anchor"),
            (r#"{"list":"all","anchor":"a","other":"b","ruling":"reject"}"#, "unknown_word", "bought-together"),
            (r#"{"list":"*","anchor":"a","other":"b","ruling":"boost","factor":9}"#, "bad_number", "factor"),
            (r#"{"list":"*","anchor":"a","other":"b","ruling":"reject","untill":1}"#, "unknown_word", "untill"),
            (r#"{"list":"*","anchor":"a","other":"b","ruling":"reject","deleted":true}"#, "unknown_word", "deleted"),
            (r#"{"shop":"a/b","list":"*","anchor":"a","other":"b","ruling":"reject"}"#, "bad_id", "slash"),
        ] {
            let reject = own.said(body.as_bytes()).unwrap_err();
            assert!(reject.reason.name() == reason && reject.message.contains(hint), "{body}: {reject:?}");
        }
        let reject = own.taken_back(["main", "*", "a", ""]).unwrap_err();
        assert_eq!(reject.reason, Reason::EmptyId);
    }
}
