//! What a cache should hold, and how it differs.

use super::Change;
use crate::limits::{WARM_EXAMPLES_MAX, WARM_VERIFY_LISTS_MAX};
use crate::publish::Stamp;
use hashbrown::{HashMap, HashSet};
use xxhash_rust::xxh3::xxh3_64;

/// The newest of each list, its value as a fingerprint of 64 bits.
#[derive(Debug, Default)]
pub struct Newest {
    lists: HashMap<Box<str>, (Stamp, Option<u64>)>,
    /// Lists that changed after the comparison had begun: nothing is said of them.
    changed: HashSet<Box<str>>,
}

/// There are more lists than can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the topic holds more than {WARM_VERIFY_LISTS_MAX} lists: compare by shop, with warm.shops")]
pub struct TooMany;

impl Newest {
    /// Takes in a record.
    ///
    /// # Errors
    /// When there are too many.
    pub fn take(&mut self, change: &Change) -> Result<(), TooMany> {
        let value = change.value.as_deref().map(xxh3_64);
        let count = self.lists.len();
        match self.lists.get_mut(&*change.key) {
            Some(known) if known.0 <= change.stamp => *known = (change.stamp, value),
            Some(_) => {}
            None if count >= WARM_VERIFY_LISTS_MAX => return Err(TooMany),
            None => {
                self.lists.insert(change.key.as_str().into(), (change.stamp, value));
            }
        }
        Ok(())
    }

    /// A record that came after the end that is compared with.
    pub fn take_later(&mut self, key: &str) {
        self.changed.insert(key.into());
    }

    /// The lists that should be there.
    pub fn expected(&self) -> impl Iterator<Item = &str> {
        self.lists.iter().filter(|(_, (_, value))| value.is_some()).map(|(key, _)| &**key)
    }

    /// Whether `key` should have a value.
    #[must_use]
    pub fn is_expected(&self, key: &str) -> bool {
        self.lists.get(key).is_some_and(|(_, value)| value.is_some())
    }

    /// What is to be said of `key`, of which the cache holds `found`.
    #[must_use]
    pub fn hold_against(&self, key: &str, found: Option<&[u8]>) -> Found {
        let expected = self.lists.get(key).and_then(|(_, value)| *value);
        match (expected, found.map(xxh3_64)) {
            (None, None) => Found::Equal,
            (Some(_), None) => Found::Missing,
            (None, Some(_)) => Found::TooMany,
            (Some(expected), Some(found)) if expected == found => Found::Equal,
            (Some(_), Some(_)) => Found::Differing,
        }
    }

    /// Whether it changed meanwhile.
    #[must_use]
    pub fn has_changed(&self, key: &str) -> bool {
        self.changed.contains(key)
    }
}

/// How a cache holds a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// As the topic does.
    Equal,
    /// Not at all.
    Missing,
    /// Otherwise.
    Differing,
    /// Though the topic has none, or no more.
    TooMany,
}

/// How a cache differs from the topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Lists that are as they should be.
    pub equal: u64,
    /// Lists that are not there, with some of their keys.
    pub missing: (u64, Vec<String>),
    /// Lists that are otherwise.
    pub differing: (u64, Vec<String>),
    /// Lists that should not be there.
    pub too_many: (u64, Vec<String>),
}

impl Compared {
    /// Notes what was found of `key`.
    pub fn note(&mut self, key: &str, found: Found) {
        let (count, examples) = match found {
            Found::Equal => {
                self.equal += 1;
                return;
            }
            Found::Missing => &mut self.missing,
            Found::Differing => &mut self.differing,
            Found::TooMany => &mut self.too_many,
        };
        *count += 1;
        if examples.len() < WARM_EXAMPLES_MAX {
            examples.push(key.to_owned());
        }
    }

    /// Whether nothing differs.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.missing.0 + self.differing.0 + self.too_many.0 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(key: &str, sequence: u64, value: Option<&str>) -> Change {
        let value = value.map(|value| value.as_bytes().to_vec());
        Change { key: key.to_owned(), stamp: Stamp { epoch: 1, sequence }, value }
    }

    #[test]
    fn the_newest_of_a_list_counts_and_what_is_otherwise_is_told() {
        let mut newest = Newest::default();
        for change in [
            change("a", 2, Some("new")),
            change("a", 1, Some("old")),
            change("b", 1, Some("here")),
            change("b", 2, None),
            change("c", 3, None),
            change("c", 2, Some("back")),
            change("d", 1, Some("d")),
        ] {
            newest.take(&change).unwrap();
        }
        let mut expected: Vec<&str> = newest.expected().collect();
        expected.sort_unstable();
        assert_eq!(expected, ["a", "d"]);
        let cases: [(&str, Option<&str>, Found); 7] = [
            ("a", Some("new"), Found::Equal),
            ("a", Some("old"), Found::Differing),
            ("a", None, Found::Missing),
            ("b", Some("here"), Found::TooMany),
            ("c", None, Found::Equal),
            ("c", Some("back"), Found::TooMany),
            ("e", Some("x"), Found::TooMany),
        ];
        let mut compared = Compared::default();
        for (key, found, expected) in cases {
            let found = newest.hold_against(key, found.map(str::as_bytes));
            assert_eq!(found, expected, "{key}");
            compared.note(key, found);
        }
        assert_eq!((compared.equal, compared.missing.0, compared.differing.0, compared.too_many.0), (2, 1, 1, 3));
        assert_eq!(compared.too_many.1, ["b", "c", "e"]);
        assert!(!compared.is_equal() && Compared::default().is_equal());
    }
}
