//! The names of settings: which there are, and which one a wrong one was most likely meant to be.

use toml::{Table, Value};

/// The keys that exist.
pub(super) struct Keys {
    pub(super) all: Vec<String>,
}

impl Keys {
    pub(super) fn of(defaults: &Table) -> Self {
        Self { all: leaves(defaults).into_iter().map(|(key, _)| key).collect() }
    }

    /// The key, or the section, that `wrong` was most likely meant to be.
    pub(super) fn nearest(&self, wrong: &str) -> Option<String> {
        let last = wrong.rsplit('.').next().unwrap_or(wrong);
        let in_other_section = || {
            let mut same = self.all.iter().filter(|key| key.rsplit('.').next() == Some(last));
            same.next().filter(|_| same.next().is_none()).cloned() // one only: else it is a guess
        };
        let sections = self.all.iter().flat_map(|key| key.match_indices('.').map(|(at, _)| key[..at].to_owned()));
        // A misspelt section is reported as a whole, so only a section can be meant by a key without a dot.
        let mut candidates: Vec<String> = sections.chain(self.all.iter().cloned()).collect();
        candidates.dedup();
        let close = candidates
            .into_iter()
            .map(|known| (strsim::damerau_levenshtein(&known, wrong), known))
            .filter(|(distance, known)| *distance > 0 && *distance <= wrong.len().max(known.len()) / 4)
            .min();
        close.map(|(_, known)| known).or_else(in_other_section)
    }
}

/// Every key of `table` that holds no table, as `section.key`, with its value.
pub(super) fn leaves(table: &Table) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    for (key, value) in table {
        match value {
            Value::Table(inner) => {
                found.extend(leaves(inner).into_iter().map(|(rest, value)| (format!("{key}.{rest}"), value)));
            }
            value => found.push((key.clone(), value)),
        }
    }
    found
}

/// Every key there is, for the tests.
#[cfg(test)]
pub(super) fn keys_of(table: &Table) -> std::collections::BTreeSet<String> {
    leaves(table).into_iter().map(|(key, _)| key).collect()
}
