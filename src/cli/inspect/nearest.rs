//! The items whose ids look most like one that nobody has seen.
//!
//! Invariants: bounded work, and the same answer for the same items, in whatever order they were met.

use crate::serve::Asked;

/// Most names that are looked at, of each partition.
const NAMES_MAX: usize = 500_000;
/// Longest id that is compared letter by letter: a comparison costs the product of both lengths.
const COMPARED_BYTES_MAX: usize = 64;
/// So many are named.
const NAMED_MAX: usize = 5;

/// How an id differs from the one that was asked for, the likeliest mistake first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(clippy::enum_variant_names)] // they read as what they say: differs in its form
enum Differs {
    /// In blanks, capital letters or leading zeros only.
    InForm,
    /// One begins with the other; so many bytes are left.
    InItsEnd(usize),
    /// In so many letters.
    InLetters(usize),
}

/// The end of a message that says which items there are.
pub(super) fn told(asked: &Asked<'_>, shop: &str, item: &str) -> String {
    let mut found: Vec<(Differs, String)> = Vec::new();
    let mut shops: Vec<String> = Vec::new();
    for (_, work) in &asked.rows {
        let items = work.rows().items();
        for id in items.ids().take(NAMES_MAX) {
            let (its_shop, name) = (items.shop_name(items.shop_of(id)), items.name(id));
            if its_shop != shop {
                if name == item && !shops.iter().any(|known| known == its_shop) {
                    shops.push(its_shop.to_owned());
                }
                continue;
            }
            if let Some(differs) = differs(item, name) {
                found.push((differs, name.to_owned()));
                if found.len() > 64 * NAMED_MAX {
                    keep_nearest(&mut found);
                }
            }
        }
    }
    keep_nearest(&mut found);
    shops.sort();
    match (found.is_empty(), shops.first()) {
        (_, Some(other)) => format!("shop {other:?} has it: --shop {other}"),
        (true, None) => "is its id written as in the events?".to_owned(),
        (false, None) => {
            let names: Vec<String> = found.iter().map(|(_, name)| format!("{name:?}")).collect();
            format!("there is {}", names.join(", "))
        }
    }
}

fn keep_nearest(found: &mut Vec<(Differs, String)>) {
    found.sort();
    found.dedup();
    found.truncate(NAMED_MAX);
}

/// How `name` differs from `item`; `None` when it is another altogether.
fn differs(item: &str, name: &str) -> Option<Differs> {
    let plain = |id: &str| id.trim().trim_start_matches('0').to_lowercase();
    let (asked, known) = (plain(item), plain(name));
    if asked == known {
        return Some(Differs::InForm);
    }
    if !asked.is_empty() && !known.is_empty() && (known.starts_with(&asked) || asked.starts_with(&known)) {
        return Some(Differs::InItsEnd(asked.len().abs_diff(known.len())));
    }
    let letters_max = (asked.len().max(known.len()) / 3).clamp(1, 3);
    let may_be = asked.len().max(known.len()) <= COMPARED_BYTES_MAX && asked.len().abs_diff(known.len()) <= letters_max;
    let letters = may_be.then(|| strsim::damerau_levenshtein(&asked, &known))?;
    (letters <= letters_max).then_some(Differs::InLetters(letters))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_differ_in_form_come_before_those_that_differ_in_letters() {
        let mut found: Vec<(Differs, String)> = ["hamer", "hammock", "Hammer ", "hammer-2", "0hammer", "saw", "jammer"]
            .into_iter()
            .filter_map(|name| Some((differs("hammer", name)?, name.to_owned())))
            .collect();
        keep_nearest(&mut found);
        let names: Vec<&str> = found.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["0hammer", "Hammer ", "hammer-2", "hamer", "jammer"]);
        assert_eq!(differs("17", "18"), Some(Differs::InLetters(1)));
        assert_eq!(differs("hammer", "brush"), None);
    }
}
