//! `category_beside` of a list: which categories go beside which, as it stands in a file: "Office/Printers > Office/Ink".

use super::units::NamesText;
use crate::rules::{Beside, Way};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

/// Pairs of categories in one list.
const PAIRS_MAX: usize = 1000;

/// The rules, one pair of categories each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "NamesText", into = "Vec<String>")]
pub(super) struct CategoriesBeside(pub(super) Vec<Beside>);

impl TryFrom<NamesText> for CategoriesBeside {
    type Error = String;

    fn try_from(written: NamesText) -> Result<Self, String> {
        let pairs = written.names();
        if pairs.len() > PAIRS_MAX {
            return Err(format!("are {} pairs of categories: at most {PAIRS_MAX}", pairs.len()));
        }
        let mut rules: Vec<Beside> = Vec::new();
        for pair in pairs {
            let ways = pair.split_once('>').and_then(|(anchor, entry)| Some((way(anchor)?, way(entry)?)));
            let (anchor, entry) = ways.ok_or_else(|| {
                format!(
                    "{pair:?} is no pair of categories, as in \"Office/Printers > Office/Ink\"; in a name, / is written %2F, > %3E, \
                     a comma %2C and % %25"
                )
            })?;
            match rules.iter_mut().find(|rule| rule.anchor == anchor) {
                Some(rule) if rule.entries.contains(&entry) => {}
                Some(rule) => rule.entries.push(entry),
                None => rules.push(Beside { anchor, entries: vec![entry] }),
            }
        }
        Ok(Self(rules))
    }
}

impl From<CategoriesBeside> for Vec<String> {
    fn from(rules: CategoriesBeside) -> Self {
        let pairs = |rule: Beside| {
            let anchor = text(&rule.anchor);
            rule.entries.into_iter().map(move |entry| format!("{anchor} > {}", text(&entry)))
        };
        rules.0.into_iter().flat_map(pairs).collect()
    }
}

fn way(text: &str) -> Option<Way> {
    text.split('/')
        .map(|name| {
            let name = percent_decode_str(name.trim()).decode_utf8().ok()?;
            (!name.is_empty()).then(|| Box::from(&*name))
        })
        .collect()
}

/// A category as it is written in settings.
fn text(way: &[Box<str>]) -> String {
    let escaped = |name: &str| {
        let mut text = String::new();
        for letter in name.chars() {
            match letter {
                '%' | '/' | '>' | ',' => text.push_str(&format!("%{:02X}", u32::from(letter))),
                letter => text.push(letter),
            }
        }
        text
    };
    way.iter().map(|name| escaped(name)).collect::<Vec<String>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[&str]) -> Result<CategoriesBeside, String> {
        CategoriesBeside::try_from(NamesText::Array(pairs.iter().map(|&pair| pair.to_owned()).collect()))
    }

    #[test]
    fn pairs_of_one_anchor_are_one_rule_and_are_written_as_they_are_read() {
        let rules = read(&[
            "Office/Printers > Office/Ink",
            "A%2FB>C%2c D%3E%25",
            " Office / Printers > Paper ",
            "A%2FB > C%2C D%3E%25",
        ])
        .unwrap();
        assert_eq!(rules.0.len(), 2);
        assert_eq!(rules.0[0].entries.len(), 2);
        assert_eq!(rules.0[1].anchor[0].as_ref(), "A/B");
        assert_eq!(rules.0[1].entries[0][0].as_ref(), "C, D>%");
        let written: Vec<String> = rules.clone().into();
        assert_eq!(written, ["Office/Printers > Office/Ink", "Office/Printers > Paper", "A%2FB > C%2C D%3E%25"]);
        assert_eq!(read(&written.iter().map(String::as_str).collect::<Vec<_>>()), Ok(rules));
    }

    #[test]
    fn what_is_no_pair_is_refused_by_its_text() {
        for bad in ["Office", "Office >", "> Ink", "A//B > C", "%FF > A"] {
            assert!(read(&[bad]).unwrap_err().contains(&format!("{bad:?}")), "{bad}");
        }
        assert!(read(&vec!["a > b"; PAIRS_MAX + 1]).unwrap_err().contains("at most 1000"));
    }
}
