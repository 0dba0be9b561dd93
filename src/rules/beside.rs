//! Which categories go beside which.

/// The names of a category and of those around it, the widest first.
pub type Way = Box<[Box<str>]>;

/// Beside an anchor of one category, and of those in it, entries of these categories alone, and of those in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beside {
    /// Of the anchor.
    pub anchor: Way,
    /// Of entries.
    pub entries: Vec<Way>,
}

impl Beside {
    /// The rule of an anchor: that of the narrowest category that has one.
    #[must_use]
    pub fn of<'r>(rules: &'r [Self], anchor: &[Box<str>]) -> Option<&'r Self> {
        rules.iter().filter(|rule| anchor.starts_with(&rule.anchor)).max_by_key(|rule| rule.anchor.len())
    }

    /// Whether an entry of this category may stand beside such an anchor.
    #[must_use]
    pub fn allows(&self, entry: &[Box<str>]) -> bool {
        self.entries.iter().any(|allowed| entry.starts_with(allowed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(names: &[&str]) -> Way {
        names.iter().map(|&name| name.into()).collect()
    }

    #[test]
    fn the_narrowest_rule_counts_and_names_are_whole() {
        let rule = |anchor: &[&str], entries: &[&[&str]]| Beside {
            anchor: way(anchor),
            entries: entries.iter().map(|names| way(names)).collect(),
        };
        let rules =
            [rule(&["Office"], &[&["Office"]]), rule(&["Office", "Printers"], &[&["Office", "Ink"], &["Paper"]])];
        let of = |anchor: &[&str]| Beside::of(&rules, &way(anchor));
        assert_eq!(of(&["Home"]), None);
        assert_eq!(of(&["Office 2"]), None);
        assert_eq!(of(&["Office", "Chairs"]), Some(&rules[0]));
        assert_eq!(of(&["Office", "Printers", "Laser"]), Some(&rules[1]));
        let allows = |entry: &[&str]| rules[1].allows(&way(entry));
        assert!(allows(&["Office", "Ink", "Black"]) && allows(&["Paper"]));
        assert!(!allows(&["Office", "Inkjets"]) && !allows(&["Office"]) && !allows(&["Office", "Printers"]));
    }
}
