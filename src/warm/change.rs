//! Record → change of the cache, or why there is none.

use super::ValueForm;
use crate::intake::Record;
use crate::list_key::ListName;
use crate::publish::Stamp;
use crate::publish::codec::{CodecError, ListCodec, ListHeaders, SchemaOf};
use xxhash_rust::xxh3::xxh3_64;

/// The form of what is kept in a cache besides values. A cache of another form is filled anew.
const FORM: &str = "1";

/// What a record means for one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The list: `shop/list/item`.
    pub key: String,
    /// Who published it, and as which record.
    pub stamp: Stamp,
    /// What is to stand there; `None`: nothing.
    pub value: Option<Vec<u8>>,
}

/// What a record is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// A change.
    Change(Change),
    /// A list that this cache is not for.
    Unselected,
}

/// Why a record cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// That passes: the registry does not answer.
    #[error("{0}")]
    ForNow(String),
    /// It never can.
    #[error("{0}")]
    Ever(String),
}

/// Which lists a cache is for. Of each kind, none named means all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Their names.
    pub lists: Vec<ListName>,
    /// Their shops.
    pub shops: Vec<String>,
}

impl Selection {
    fn has(&self, shop: &str, list: &str) -> bool {
        (self.lists.is_empty() || self.lists.iter().any(|named| named.name() == list))
            && (self.shops.is_empty() || self.shops.iter().any(|named| named == shop))
    }
}

/// Reads records of the lists topic.
pub struct Reading {
    codec: ListCodec,
    form: ValueForm,
    selection: Selection,
}

impl Reading {
    /// Reads what `codec` does, and takes of it what is selected.
    #[must_use]
    pub fn new(codec: ListCodec, form: ValueForm, selection: Selection) -> Self {
        Self { codec, form, selection }
    }

    /// What tells a cache that is filled like this from one that is filled otherwise. `lives_ms`: how long a value lives.
    #[must_use]
    pub fn fingerprint(&self, lives_ms: Option<i64>) -> String {
        let Selection { lists, shops } = &self.selection;
        let mut lists: Vec<&str> = lists.iter().map(|list| list.name()).collect();
        let mut shops: Vec<&str> = shops.iter().map(String::as_str).collect();
        lists.sort_unstable();
        shops.sort_unstable();
        let told = format!("{}\n{lists:?}\n{shops:?}\n{lives_ms:?}", self.form.fingerprint());
        format!("{FORM}-{:016x}", xxh3_64(told.as_bytes()))
    }

    /// What `record` means.
    ///
    /// # Errors
    /// When it is no list, or its schema cannot be had.
    pub fn read(&self, record: &Record<'_>, schema_of: SchemaOf<'_>) -> Result<Made, Unreadable> {
        let Some(key) = record.key else { return Err(ever("it has no key")) };
        let headers = ListHeaders::read(record.headers.iter().map(|&(name, bytes)| (name, Some(bytes))));
        let stamp = headers.map_err(unreadable)?.map(|headers| headers.stamp);
        let list = self.codec.decode(key, record.value, stamp, schema_of).map_err(unreadable)?;
        if !self.selection.has(&list.shop, &list.list) {
            return Ok(Made::Unselected);
        }
        let text = list.key();
        // What stands under another key would be taken away by that one's tombstone.
        if key.first().is_some_and(|&first| first != 0) && key != text.as_bytes() {
            return Err(ever("its key is not that of the list in its value"));
        }
        let value = match list.tombstone {
            true => None,
            false => self.form.of(&list, &text, record).map_err(Unreadable::Ever)?,
        };
        Ok(Made::Change(Change { key: text, stamp: list.stamp(), value }))
    }
}

fn ever(what: &str) -> Unreadable {
    Unreadable::Ever(what.to_owned())
}

fn unreadable(error: CodecError) -> Unreadable {
    if error.is_transient() { Unreadable::ForNow(error.to_string()) } else { Unreadable::Ever(error.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::Program;
    use crate::publish::codec::SchemaFailure;
    use std::sync::Arc;

    const LIST: &str = r#"{"shop":"main","list":"bought-together","item":"a/1","entries":[{"item":"b","score":1.5,"support":3,
        "weight":1,"anchor_weight":2,"other_weight":2,"contexts":9,"confidence":0.5,"lift":2.0,"llr_root":1,"source":"counted",
        "last_seen":"2026-01-02"}],"reserve":[],"as_of":5,"epoch":7,"sequence":9}"#;
    const KEY: &str = "main/bought-together/a/1";

    fn reading(form: ValueForm, selection: Selection) -> Reading {
        Reading::new(ListCodec::json().unwrap(), form, selection)
    }

    fn none(_: u32) -> Result<Arc<str>, SchemaFailure> {
        Err(SchemaFailure::Passing("the registry is away".to_owned()))
    }

    fn read(reading: &Reading, key: &str, value: Option<&str>, headers: &[(&str, &[u8])]) -> Result<Made, Unreadable> {
        let value = value.map(str::as_bytes);
        let record = Record { key: Some(key.as_bytes()), value, headers, topic: "lists", ..Record::default() };
        reading.read(&record, &none)
    }

    fn change(made: Result<Made, Unreadable>) -> (String, (u64, u64), Option<String>) {
        let Ok(Made::Change(Change { key, stamp, value })) = made else { panic!("{made:?}") };
        (key, (stamp.epoch, stamp.sequence), value.map(|bytes| String::from_utf8(bytes).unwrap()))
    }

    #[test]
    fn a_list_is_kept_in_the_form_that_is_wanted() {
        let program = r#"[.entries[] | {id: .item, s: .score}]"#.to_owned();
        let program = ValueForm::Program { program: Program::compile(&program).unwrap(), text: program };
        for (form, value) in
            [(ValueForm::Record, LIST), (ValueForm::Ids, r#"["b"]"#), (program, r#"[{"id":"b","s":1.5}]"#)]
        {
            let made = change(read(&reading(form, Selection::default()), KEY, Some(LIST), &[]));
            assert_eq!(made, (KEY.to_owned(), (7, 9), Some(value.to_owned())));
        }
    }

    #[test]
    fn a_tombstone_has_the_stamp_of_its_headers_and_the_lowest_where_it_has_none() {
        let reading = reading(ValueForm::Ids, Selection::default());
        let headers: [(&str, &[u8]); 2] = [("samenloop.epoch", b"8"), ("samenloop.sequence", b"2")];
        assert_eq!(change(read(&reading, KEY, None, &headers)), (KEY.to_owned(), (8, 2), None));
        assert_eq!(change(read(&reading, KEY, None, &[])).1, (0, 0));
    }

    #[test]
    fn a_list_of_which_the_program_makes_nothing_is_to_be_gone_and_one_of_two_values_is_unreadable() {
        let of = |text: &str| ValueForm::Program { program: Program::compile(text).unwrap(), text: text.to_owned() };
        let read = |form| read(&reading(form, Selection::default()), KEY, Some(LIST), &[]);
        assert_eq!(change(read(of("empty"))), (KEY.to_owned(), (7, 9), None));
        let Err(Unreadable::Ever(two)) = read(of("1, 2")) else { panic!("two values") };
        assert!(two.contains("several values"), "{two}");
    }

    #[test]
    fn what_is_not_selected_is_passed_over_tombstones_too() {
        let own = ListName::find("bought-together").unwrap();
        let selections = [
            (Selection { lists: vec![own], shops: vec!["main".to_owned()] }, true),
            (Selection { lists: vec![ListName::UPSELL], shops: vec![] }, false),
            (Selection { lists: vec![], shops: vec!["club".to_owned()] }, false),
        ];
        for (selection, is_taken) in selections {
            let reading = reading(ValueForm::Record, selection.clone());
            for value in [Some(LIST), None] {
                let made = read(&reading, KEY, value, &[]).unwrap();
                assert_eq!(made != Made::Unselected, is_taken, "{selection:?}");
            }
        }
    }

    #[test]
    fn a_record_that_is_no_list_is_unreadable_and_one_without_its_schema_for_now() {
        let reading = reading(ValueForm::Record, Selection::default());
        for (key, value) in
            [(KEY, Some("{}")), (KEY, Some("not json")), ("main/bought-together/other", Some(LIST)), ("nothing", None)]
        {
            assert!(matches!(read(&reading, key, value, &[]), Err(Unreadable::Ever(_))), "{key} {value:?}");
        }
        assert!(matches!(reading.read(&Record::default(), &none), Err(Unreadable::Ever(_))));
        let headers: [(&str, &[u8]); 1] = [("samenloop.epoch", b"x")];
        assert!(matches!(read(&reading, KEY, Some(LIST), &headers), Err(Unreadable::Ever(_))));
        let avro = read(&reading, KEY, Some("\0\0\0\0\x05abc"), &[]);
        assert!(matches!(avro, Err(Unreadable::ForNow(_))), "{avro:?}");
    }

    #[test]
    fn caches_that_are_filled_otherwise_are_told_apart() {
        let of = |form, selection, lives| reading(form, selection).fingerprint(lives);
        let shops = |names: &[&str]| Selection {
            shops: names.iter().map(|&name| name.to_owned()).collect(),
            ..Selection::default()
        };
        let base = of(ValueForm::Ids, shops(&["a", "b"]), None);
        assert_eq!(base, of(ValueForm::Ids, shops(&["b", "a"]), None));
        for other in [
            of(ValueForm::Record, shops(&["a", "b"]), None),
            of(ValueForm::Ids, shops(&["a"]), None),
            of(ValueForm::Ids, shops(&["a", "b"]), Some(5)),
        ] {
            assert_ne!(base, other);
        }
    }
}
