//! What of a list stands in the cache.

use crate::intake::{Program, Record};
use crate::publish::ListRecord;

/// What a list's value is.
#[derive(Clone, Debug)]
pub enum ValueForm {
    /// All of it, as JSON; of a topic of JSON byte for byte.
    Record,
    /// The ids of what is shown, best first, as a JSON array.
    Ids,
    /// What a jq program makes of all of it.
    Program {
        /// As it was written.
        text: String,
        /// Compiled.
        program: Program,
    },
}

impl ValueForm {
    /// What tells this form from others.
    pub(super) fn fingerprint(&self) -> String {
        match self {
            Self::Record => "record".to_owned(),
            Self::Ids => "ids".to_owned(),
            Self::Program { text, .. } => format!("program {text}"),
        }
    }

    /// The value of `list`, which `record` holds; none where the program gives none.
    pub(super) fn of(&self, list: &ListRecord<'_>, key: &str, record: &Record<'_>) -> Result<Option<Vec<u8>>, String> {
        match self {
            Self::Record => Ok(Some(json(list, record))),
            Self::Ids => {
                let ids: Vec<&str> = list.entries.iter().map(|entry| &*entry.item).collect();
                serde_json::to_vec(&ids).map(Some).map_err(|error| error.to_string())
            }
            Self::Program { program, .. } => {
                let mut given = program.run(&json(list, record), key, record)?.into_iter();
                match (given.next(), given.next()) {
                    (_, Some(_)) => Err("warm.transform gives several values of one list: make them one".to_owned()),
                    (value, None) => Ok(value),
                }
            }
        }
    }
}

/// The list as JSON: as it was written, or where that was Avro written anew.
fn json(list: &ListRecord<'_>, record: &Record<'_>) -> Vec<u8> {
    match record.value {
        Some(bytes) if bytes.first().is_some_and(|&first| first != 0) => bytes.to_vec(),
        _ => {
            let mut json = Vec::new();
            list.write_json(&mut json);
            json
        }
    }
}
