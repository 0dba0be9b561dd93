//! A row as a table for people. The form is that of `/v1/rows`.

use crate::cli::output::plain;
use crate::list_key::{Base, ListName, SHOP_WIDE};
use console::truncate_str;
use serde::Deserialize;
use std::collections::BTreeMap;

/// How much of an item's name is shown beside its id.
const NAME_WIDTH_MAX: usize = 40;

/// A row as the endpoint gives it. What is not finite came as null.
#[derive(Debug, Deserialize)]
pub(super) struct Row {
    shop: String,
    list: String,
    pub(super) item: String,
    as_of: i64,
    anchor_support: u32,
    anchor_weight: f64,
    contexts: f64,
    measure: String,
    specificity: f64,
    min_support: u32,
    min_llr_root: Option<f64>,
    lift_above_one: bool,
    pub(super) candidates: Vec<Candidate>,
    /// Candidates of a very long row that a running instance does not tell.
    #[serde(default)]
    left_out: usize,
    /// Of a variant that was counted by itself: what it counts as now.
    #[serde(default)]
    counts_as: Option<String>,
    /// Names of items, as far as the catalogue has them.
    #[serde(default)]
    names: BTreeMap<String, String>,
    /// What cannot be told, and what the list goes by besides.
    #[serde(default)]
    notes: Vec<String>,
}

/// A neighbour.
#[derive(Debug, Deserialize)]
pub(super) struct Candidate {
    item: String,
    place: Option<Place>,
    gate: Option<String>,
    /// What keeps it in reserve.
    #[serde(default)]
    displaced: Option<String>,
    support: u32,
    weight: f64,
    other_weight: f64,
    confidence: Option<f64>,
    lift: Option<f64>,
    llr_root: Option<f64>,
    score: Option<f64>,
    last_seen: String,
    #[serde(default)]
    source: Option<String>,
    /// In a placement: the list that it is from.
    #[serde(default)]
    list: Option<String>,
    #[serde(default)]
    relation: Option<String>,
    #[serde(default)]
    verdict: Option<Verdict>,
}

#[derive(Debug, Deserialize)]
struct Verdict {
    ruling: String,
    who: String,
    why: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Place {
    Shown(usize),
    Reserve(usize),
}

const HEADINGS: [&str; 11] =
    ["place", "item", "score", "support", "weight", "other", "confidence", "lift", "LLR root", "last seen", "why"];

/// Columns of text, which start at the left; the others are numbers.
const LEFT: [usize; 3] = [1, 9, 10];

/// The lines of the table, with the anchor's totals and the gates above it.
pub(super) fn lines(row: &Row) -> Vec<String> {
    let time = jiff::Timestamp::from_millisecond(row.as_of)
        .map_or_else(|_| "?".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M UTC").to_string());
    let about = if row.item == SHOP_WIDE { "the whole shop".to_owned() } else { named(row, &row.item) };
    let mut lines = vec![format!("{} of {about} in shop {}, as of {time}", row.list, plain(&row.shop))];
    let base = ListName::find(&row.list).map(ListName::base);
    match base {
        Some(Base::Placement { .. }) => {}
        Some(Base::Shop) => lines.push(format!("{} contexts in the shop", number(row.contexts))),
        _ => lines.push(format!(
            "anchor weight {}, support {}; {} contexts in the shop",
            number(row.anchor_weight),
            row.anchor_support,
            number(row.contexts)
        )),
    }
    if !matches!(base, Some(Base::Placement { .. } | Base::Shop)) {
        lines.push(gates(row));
    }
    lines.extend(row.notes.iter().map(|note| format!("note: {}", plain(note))));
    if let Some(parent) = &row.counts_as {
        lines
            .push(format!("it is a variant and counts as {} now: this is what was counted before", named(row, parent)));
    }
    if row.candidates.is_empty() {
        lines.push("No candidates.".to_owned());
        return lines;
    }
    lines.push(String::new());
    let cells: Vec<[String; HEADINGS.len()]> = std::iter::once(HEADINGS.map(str::to_owned))
        .chain(row.candidates.iter().map(|candidate| cells(row, candidate)))
        .collect();
    let widths: Vec<usize> = (0..HEADINGS.len())
        .map(|column| cells.iter().map(|line| console::measure_text_width(&line[column])).max().unwrap_or(0))
        .collect();
    lines.extend(cells.iter().map(|line| aligned(line, &widths)));
    if row.left_out > 0 {
        lines.push(format!("and {} more, which stand behind these", row.left_out));
    }
    lines
}

fn gates(row: &Row) -> String {
    let mut gates = vec![format!("support ≥ {}", row.min_support)];
    if row.lift_above_one {
        gates.push("lift > 1".to_owned());
    }
    gates.extend(row.min_llr_root.map(|root| format!("LLR root ≥ {root}")));
    let order = match row.measure.as_str() {
        "score" => format!("score × rarity^{}", row.specificity),
        measure => measure.to_owned(),
    };
    format!("gates: {}; ordered by {order}", gates.join(", "))
}

/// An item, with its name where there is one.
fn named(row: &Row, item: &str) -> String {
    match row.names.get(item) {
        Some(name) => format!("{} {}", plain(item), truncate_str(&plain(name), NAME_WIDTH_MAX, "…")),
        None => plain(item),
    }
}

fn cells(row: &Row, candidate: &Candidate) -> [String; HEADINGS.len()] {
    let place = match candidate.place {
        Some(Place::Shown(place)) => place.to_string(),
        Some(Place::Reserve(place)) => format!("r{place}"),
        None => "–".to_owned(),
    };
    [
        place,
        named(row, &candidate.item),
        decimals(candidate.score, 1),
        candidate.support.to_string(),
        number(candidate.weight),
        number(candidate.other_weight),
        candidate.confidence.map_or_else(|| "–".to_owned(), |confidence| format!("{:.1} %", 100.0 * confidence)),
        decimals(candidate.lift, 2),
        decimals(candidate.llr_root, 2),
        candidate.last_seen.clone(),
        reasons(candidate),
    ]
}

/// The gate that it failed, where it is from, and what people said of it.
fn reasons(candidate: &Candidate) -> String {
    let relation = candidate.relation.as_ref().map(|kind| format!("{kind} by hand"));
    let verdict = candidate.verdict.as_ref();
    let verdict = verdict.map(|Verdict { ruling, who, why }| plain(&format!("{ruling}, says {who}: {why}")));
    let displaced = candidate.displaced.as_ref().map(|gate| format!("displaced: {gate}"));
    let from = candidate.list.as_ref().map(|list| format!("from {list}"));
    let of_itself = ["counted", "manual", "pinned"];
    let source = candidate.source.as_ref().filter(|source| !of_itself.contains(&source.as_str()));
    let source = source.map(|source| format!("filled: {source}"));
    let all = [candidate.gate.clone(), displaced, from, source, relation, verdict];
    all.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn aligned(cells: &[String; HEADINGS.len()], widths: &[usize]) -> String {
    let mut line = String::new();
    for (column, (cell, &width)) in cells.iter().zip(widths).enumerate() {
        let blank = " ".repeat(width.saturating_sub(console::measure_text_width(cell)));
        let gap = if column == 0 { "" } else { "  " };
        let cell = if LEFT.contains(&column) { format!("{cell}{blank}") } else { format!("{blank}{cell}") };
        line.push_str(gap);
        line.push_str(&cell);
    }
    line.truncate(line.trim_end().len());
    line
}

fn decimals(value: Option<f64>, count: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.count$}"))
}

/// A weight, to four figures that mean something.
fn number(weight: f64) -> String {
    match weight {
        weight if weight >= 1000.0 => format!("{weight:.0}"),
        weight if weight >= 100.0 => format!("{weight:.1}"),
        weight => format!("{weight:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &str = r#"{"shop":"main","list":"bought-together","item":"84879","as_of":1750000000000,"anchor_support":412,
        "anchor_weight":312.41,"contexts":9876.5,"measure":"score","specificity":0.5,"min_support":3,"min_llr_root":2.5,
        "lift_above_one":true,"candidates":[
        {"item":"10\u001b[31m","place":{"shown":1},"gate":null,"support":146,"weight":150.0,"other_weight":170.25,
         "confidence":0.48015,"lift":27.712,"llr_root":45.2,"score":42.681,"rank_milli":325000,"last_seen":"2025-06-14"},
        {"item":"é","place":{"reserve":2},"gate":null,"support":12,"weight":9.5,"other_weight":1700.0,
         "confidence":0.0304,"lift":1.8,"llr_root":2.6,"score":1.6,"rank_milli":3800,"last_seen":"2025-06-01",
         "source":"manual","relation":"upsell"},
        {"item":"z","place":null,"gate":"totals","support":3,"weight":2.0,"other_weight":0.0,
         "confidence":0.0064,"lift":null,"llr_root":0.0,"score":0.1,"rank_milli":0,"last_seen":"2025-05-01",
         "verdict":{"ruling":"approve","who":"an editor","when":1,"why":"tried\u0007"}}]}"#;

    #[test]
    fn a_row_reads_as_a_table() {
        let row: Row = serde_json::from_str(ROW).unwrap();
        let text = lines(&row).join("\n");
        let expected = "\
bought-together of 84879 in shop main, as of 2025-06-15 15:06 UTC
anchor weight 312.4, support 412; 9876 contexts in the shop
gates: support ≥ 3, lift > 1, LLR root ≥ 2.5; ordered by score × rarity^0.5

place  item     score  support  weight  other  confidence   lift  LLR root  last seen   why
    1  10\u{FFFD}[31m   42.7      146   150.0  170.2      48.0 %  27.71     45.20  2025-06-14
   r2  é          1.6       12    9.50   1700       3.0 %   1.80      2.60  2025-06-01  upsell by hand
    –  z          0.1        3    2.00   0.00       0.6 %      –      0.00  2025-05-01  totals; approve, says an editor: tried\u{FFFD}";
        assert_eq!(text, expected, "\n{text}");
    }

    #[test]
    fn names_stand_beside_ids_where_there_are_any() {
        let names = r#""names":{"84879":"Bird\u001b ornament","z":"A name that is longer than anybody wants to read it here"},"candidates":["#;
        let row: Row = serde_json::from_str(&ROW.replace(r#""candidates":["#, names)).unwrap();
        let lines = lines(&row);
        assert!(lines[0].starts_with("bought-together of 84879 Bird\u{FFFD} ornament in shop main"), "{}", lines[0]);
        let item = |place: &str| lines.iter().find(|line| line.starts_with(place)).unwrap();
        assert!(item("    –").contains("  z A name that is longer than anybody want…  "), "{}", item("    –"));
        assert!(item("   r2").contains("  é        "), "{}", item("   r2"));
        let end = |place: &str| console::measure_text_width(item(place).split("2025-").next().unwrap_or_default());
        assert_eq!(end("   r2"), end("    –"), "columns stand below each other");
    }

    #[test]
    fn what_fills_displaces_or_comes_from_another_list_is_named_and_notes_are_told() {
        let row = ROW
            .replace(r#""source":"manual","relation":"upsell""#, r#""source":"second","displaced":"brand-places""#)
            .replace(
                r#""list":"bought-together","item":"84879""#,
                r#""list":"cart","item":"84879","notes":["a\u0007b"]"#,
            )
            .replace(r#""gate":"totals""#, r#""gate":"twice","list":"viewed-together""#);
        let lines = lines(&serde_json::from_str(&row).unwrap());
        assert_eq!(lines[1..3], ["note: a\u{FFFD}b", ""], "a placement has no gates of evidence: {lines:?}");
        assert!(lines[5].ends_with("  displaced: brand-places; filled: second"), "{}", lines[5]);
        assert!(lines[6].contains("  twice; from viewed-together; approve, says"), "{}", lines[6]);
        let of_shop = ROW.replace(r#""list":"bought-together","item":"84879""#, r#""list":"new","item":"*""#);
        let lines = super::lines(&serde_json::from_str(&of_shop).unwrap());
        assert!(lines[0].starts_with("new of the whole shop in shop main, as of"), "{}", lines[0]);
        assert_eq!(lines[1..3], ["9876 contexts in the shop", ""]);
    }

    #[test]
    fn a_variant_that_was_counted_by_itself_says_what_it_counts_as_now() {
        let counts_as = r#""counts_as":"84870","candidates":["#;
        let row: Row = serde_json::from_str(&ROW.replace(r#""candidates":["#, counts_as)).unwrap();
        assert!(
            lines(&row)
                .contains(&"it is a variant and counts as 84870 now: this is what was counted before".to_owned())
        );
    }

    #[test]
    fn a_row_without_neighbours_says_so() {
        let mut row: Row = serde_json::from_str(ROW).unwrap();
        row.candidates.clear();
        assert_eq!(lines(&row).last().map(String::as_str), Some("No candidates."));
    }
}
