//! `samenloop check`: what facts hold, field by field, and which settings of lists ask for what they do not hold.

use super::{Report, Verdict};
use crate::config::{FactsSourceSettings, Settings};
use crate::facts::{Census, Facts, FactsTopic, Held};
use crate::rules::{Alike, FillStep, KindRules, ListRules};
use std::collections::BTreeMap;
use std::io::Write;

/// Signs that stand between the levels of a category in one text, the likeliest first.
const SEPARATORS: [&str; 9] = [" > ", ">", " / ", "/", " | ", "|", " » ", "::", " - "];
/// The share of the items with a category whose text must hold one: a few names have a slash.
const SEPARATED_MIN: f64 = 0.1;
/// Fewer items than this share of all are "most do not".
const HELD_MIN: f64 = 0.5;

/// What the facts of one kind hold, short.
pub(super) fn held(topic: FactsTopic, census: &Census) -> String {
    let listed = |all: &[(&str, usize)]| {
        all.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<String>>().join(", ")
    };
    match topic {
        FactsTopic::Catalogue => {
            let all = &census.all;
            let mut fields = vec![
                ("category", all.category),
                ("brand", all.brand),
                ("price", all.price),
                ("name", all.name),
                ("parent", all.parent),
            ];
            let more = [
                ("currency", all.currency),
                ("launched", all.launched),
                ("url", all.url),
                ("image", all.image),
                ("parts", all.parts),
                ("not active", all.inactive),
                ("not countable", all.uncountable),
            ];
            fields.extend(more.into_iter().filter(|(_, count)| *count > 0));
            format!("of {} items: {}", all.items, listed(&fields))
        }
        FactsTopic::Stock => {
            let [enough, low, out] = census.stock;
            format!("of {} items: {}", enough + low + out, listed(&[("in", enough), ("low", low), ("out", out)]))
        }
        FactsTopic::Relations => {
            let all: usize = census.relations.iter().map(|(_, count)| count).sum();
            let kinds: Vec<_> = census.relations.iter().map(|(kind, count)| (kind.name(), *count)).collect();
            format!("{all} relations{}{}", if all > 0 { ": " } else { "" }, listed(&kinds))
        }
        FactsTopic::Verdicts => {
            let [approve, reject, pin, boost] = census.verdicts;
            let rulings = [("approve", approve), ("reject", reject), ("pin", pin), ("boost", boost)];
            format!("{} verdicts: {}", approve + reject + pin + boost, listed(&rulings))
        }
    }
}

/// What a list may go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Field {
    Category,
    Brand,
    Price,
}

impl Field {
    const ALL: [Self; 3] = [Self::Category, Self::Brand, Self::Price];

    fn name(self) -> &'static str {
        match self {
            Self::Category => "category",
            Self::Brand => "brand",
            Self::Price => "price",
        }
    }

    fn of(self, held: &Held) -> usize {
        match self {
            Self::Category => held.category,
            Self::Brand => held.brand,
            Self::Price => held.price,
        }
    }
}

/// What becomes of an item without the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Without {
    /// The setting turns it away from nothing.
    Passes,
    /// The setting gives it nothing.
    GetsNothing,
    /// The list never shows it.
    IsOut,
}

/// A setting that goes by a field.
struct Ask {
    field: Field,
    setting: String,
    without: Without,
    /// Whether it is so without anybody's saying so.
    is_default: bool,
}

/// The settings of all lists that are on and go by a field.
fn asks(settings: &Settings) -> Vec<Ask> {
    settings.lists.iter().filter(|rules| rules.enabled).flat_map(asks_of).collect()
}

fn asks_of(rules: &ListRules) -> Vec<Ask> {
    let usual = ListRules::of_list(rules.list);
    let section = if rules.list.is_placement() { "placements" } else { "lists" };
    let section = format!("{section}.{}", rules.list.name());
    let mut asks = Vec::new();
    let mut ask = |field, is_default, without, setting: String| {
        asks.push(Ask { field, setting: format!("{section}{setting}"), without, is_default });
    };
    let (shown, usually) = (&rules.shown, &usual.shown);
    for (field, alike, usually) in
        [(Field::Category, shown.category, usually.category), (Field::Brand, shown.brand, usually.brand)]
    {
        let word = match alike {
            Alike::Any => continue,
            Alike::Same => "same",
            Alike::Other => "other",
        };
        ask(field, alike == usually, Without::Passes, format!(".{} = {word:?}", field.name()));
    }
    if !shown.beside.is_empty() {
        ask(Field::Category, false, Without::Passes, ".category_beside".to_owned());
    }
    for (field, most) in [(Field::Category, rules.category_max), (Field::Brand, rules.brand_max)] {
        if let Some(most) = most {
            ask(field, false, Without::Passes, format!(".{}_max = {most}", field.name()));
        }
    }
    if rules.fill.contains(&FillStep::Category) {
        ask(Field::Category, false, Without::GetsNothing, ".fill = \"category\"".to_owned());
    }
    let mut price_max = None;
    let mut needs_price = false;
    match rules.kind {
        KindRules::ShopWide { categories: true, .. } => {
            ask(Field::Category, false, Without::GetsNothing, ".categories = true".to_owned());
        }
        KindRules::Alternatives { needs_price: true, .. } => {
            needs_price = true;
            ask(Field::Price, false, Without::IsOut, String::new());
        }
        KindRules::Placement { price_max: most, .. } => price_max = most,
        _ => {}
    }
    for (name, bound, usually) in [
        ("price_at_least", shown.price_at_least, usually.price_at_least),
        ("price_at_most", shown.price_at_most, usually.price_at_most),
        ("price_max", price_max, None),
    ] {
        if let Some(bound) = bound.filter(|_| !needs_price) {
            ask(Field::Price, Some(bound) == usually, Without::Passes, format!(".{name} = {bound}"));
        }
    }
    asks
}

/// What the settings do with items that lack a field: `they pass …; … gives them nothing`.
fn consequences(asks: &[&Ask]) -> String {
    let named = |without: Without| -> Option<String> {
        let settings: Vec<&str> =
            asks.iter().filter(|ask| ask.without == without).map(|ask| ask.setting.as_str()).collect();
        (!settings.is_empty()).then(|| settings.join(", "))
    };
    let all = [
        named(Without::Passes).map(|settings| format!("they pass {settings}")),
        named(Without::GetsNothing).map(|settings| format!("nothing comes for them of {settings}")),
        named(Without::IsOut).map(|settings| format!("they are in no list of {settings}")),
    ];
    all.into_iter().flatten().collect::<Vec<String>>().join("; ")
}

/// Warns where lists go by what a catalogue has, and there is none.
pub(super) fn no_catalogue(report: &mut Report<impl Write>, settings: &Settings) -> anyhow::Result<()> {
    let asks: Vec<Ask> = asks(settings).into_iter().filter(|ask| !ask.is_default).collect();
    let fields: Vec<&str> =
        Field::ALL.into_iter().filter(|field| asks.iter().any(|ask| ask.field == *field)).map(Field::name).collect();
    if fields.is_empty() {
        return Ok(());
    }
    let text = format!(
        "there is none, so no item has a {}: {}. Set facts.catalogue.file or facts.catalogue.topic",
        fields.join(" or a "),
        consequences(&asks.iter().collect::<Vec<_>>())
    );
    report.line(Verdict::Warning, "facts.catalogue", &text)
}

/// Warns where a catalogue does not hold what its mapping, or what lists, go by. `of`: of which records it is, for people;
/// `there`: the fields that these have, where that is known.
pub(super) fn catalogue(
    report: &mut Report<impl Write>,
    settings: &Settings,
    source: &FactsSourceSettings,
    facts: &Facts,
    (of, there): (&str, Option<&str>),
) -> anyhow::Result<()> {
    let Census { all, listed, .. } = facts.census();
    if all.items == 0 {
        return Ok(());
    }
    let there = there.map(|there| format!("; fields that are there: {there}")).unwrap_or_default();
    let is_bare = all == (Held { items: all.items, ..Held::default() });
    if is_bare {
        let text = format!("nothing but the ids of {} items{of} is read{there}. Map fields", all.items);
        report.line(Verdict::Warning, "facts.catalogue", &text)?;
    } else {
        for name in source.mapping.fields.keys().filter(|name| count_of(name, &all) == Some(0)) {
            let text =
                format!("fields.{name} is mapped, and none of {} items{of} has a {name}{there}. Correct it", all.items);
            report.line(Verdict::Warning, "facts.catalogue", &text)?;
        }
    }
    let asks = asks(settings);
    let but = if listed.items < all.items { " that can be shown" } else { "" };
    for field in Field::ALL {
        let asks: Vec<&Ask> = asks.iter().filter(|ask| ask.field == field).collect();
        let (held, name, items) = (field.of(&listed), field.name(), listed.items);
        if asks.is_empty() || held as f64 >= HELD_MIN * items as f64 {
            continue;
        }
        let lack = match held {
            0 => format!("none of {items} items{of}{but} has a {name}"),
            _ => format!("{} of {items} items{of}{but} have no {name}", items - held),
        };
        let remedy = match held {
            0 if !is_bare && !source.mapping.fields.contains_key(name) => format!("{there}. Map fields.{name}"),
            _ => String::new(),
        };
        report.line(Verdict::Warning, "facts.catalogue", &format!("{lack}: {}{remedy}", consequences(&asks)))?;
    }
    if all.category > 0 {
        unknown_categories(report, settings, facts, of)?;
    }
    one_level(report, source, facts, all.category)
}

/// Warns where a setting names categories that no item has.
fn unknown_categories(
    report: &mut Report<impl Write>,
    settings: &Settings,
    facts: &Facts,
    of: &str,
) -> anyhow::Result<()> {
    for rules in settings.lists.iter().filter(|rules| rules.enabled) {
        let named = rules.shown.beside.iter().flat_map(|rule| std::iter::once(&rule.anchor).chain(&rule.entries));
        let mut unknown: Vec<String> =
            named.filter(|way| !facts.has_category(way)).map(|way| way.join(" > ")).collect();
        unknown.dedup();
        if let Some(first) = unknown.first() {
            let more = if unknown.len() > 1 { format!(", nor of {} others", unknown.len() - 1) } else { String::new() };
            let text = format!(
                "lists.{}.category_beside: no item{of} is of the category {first:?}{more}. Correct it, or see how levels are read \
                 (fields.category)",
                rules.list.name()
            );
            report.line(Verdict::Warning, "facts.catalogue", &text)?;
        }
    }
    Ok(())
}

/// How many items have a field of the mapping; none of one that does not tell.
fn count_of(name: &str, held: &Held) -> Option<usize> {
    Some(match name {
        "parent" => held.parent,
        "category" => held.category,
        "brand" => held.brand,
        "price" => held.price,
        "currency" => held.currency,
        "launched" => held.launched,
        "name" => held.name,
        "url" => held.url,
        "image" => held.image,
        "parts" => held.parts,
        _ => return None,
    })
}

/// Warns where texts of categories hold what separates levels, and are read as one level each.
fn one_level(
    report: &mut Report<impl Write>,
    source: &FactsSourceSettings,
    facts: &Facts,
    with_category: usize,
) -> anyhow::Result<()> {
    let categories = facts.categories_of_one_level();
    let Some((separator, example, items)) = separated(&categories, with_category) else { return Ok(()) };
    let places = source.mapping.fields.get("category");
    let set = places.and_then(|places| places.0.iter().find_map(|place| place.separator.as_deref()));
    let set = set.map(|set| format!(", not {set:?}")).unwrap_or_default();
    let text = format!(
        "categories of {items} items hold {separator:?} and are read as one level each, as {example:?}: where it stands between levels, set \
         separator = {separator:?}{set} (fields.category = {{ field = \"…\", separator = {separator:?} }})"
    );
    report.line(Verdict::Warning, "facts.catalogue", &text)
}

/// What seems to stand between the levels of these names, an example, and how many of `all` items are of such a category. Levels
/// branch: of what separates them, several names have the same before it, and something else behind.
fn separated(categories: &[(Box<str>, usize)], all: usize) -> Option<(&'static str, &str, usize)> {
    SEPARATORS.into_iter().find_map(|separator| {
        let mut heads: BTreeMap<&str, usize> = BTreeMap::new();
        let (mut items, mut example) = (0, None);
        for (name, count) in categories {
            let Some((head, rest)) = name.split_once(separator) else { continue };
            if head.trim().is_empty() || rest.trim().is_empty() {
                continue;
            }
            *heads.entry(head).or_default() += 1;
            items += count;
            example.get_or_insert(&**name);
        }
        let branches = heads.values().any(|count| *count > 1);
        let is_usual = items as f64 >= SEPARATED_MIN * all as f64;
        example.filter(|_| branches && is_usual).map(|example| (separator, example, items))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_separates_levels_is_told_from_what_stands_in_a_name() {
        let of =
            |names: &[&str]| -> Vec<(Box<str>, usize)> { names.iter().map(|name| (Box::from(*name), 3)).collect() };
        for (names, found) in [
            (&["Tools > Saws", "Tools > Files", "Garden"][..], Some(" > ")),
            (&["Tools>Saws", "Tools>Files"], Some(">")),
            (&["tools/saws", "tools/files/round"], Some("/")),
            (&["Tools | Saws", "Tools | Files"], Some(" | ")),
            (&["Nuts/Bolts", "Cups/Saucers", "Garden"], None),
            (&["Do-it-yourself", "Do-nothing"], None),
            (&["/", "Tools > "], None),
            (&[], None),
        ] {
            let categories = of(names);
            assert_eq!(separated(&categories, 3 * names.len()).map(|(found, ..)| found), found, "{names:?}");
        }
        let few = of(&["Tools/Saws", "Tools/Files"]);
        assert_eq!(separated(&few, 1000), None, "two names of many");
    }
}
