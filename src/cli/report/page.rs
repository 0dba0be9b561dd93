//! The report as a page: one file, which loads nothing, with all that is not ours escaped.

use super::figures::{ListFigures, RateFigures, Report};
use super::svg::bars;
use std::fmt::Write as _;

const HEAD: &str = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
<meta name=\"viewport\" content=\"width=device-width\"><style>\
body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222}\
table{border-collapse:collapse;margin:.5rem 0 1.5rem}th,td{text-align:left;padding:.2rem .8rem .2rem 0;border-bottom:1px solid #ddd;vertical-align:top}\
td.n,th.n{text-align:right}svg{margin:.3rem 1.5rem .3rem 0}svg rect{fill:#3b6ea5}svg text{font:10px sans-serif;text-anchor:middle;fill:#444}\
.faint{color:#777}h2{margin-top:2rem}</style>";

/// A text in HTML, also within quotes.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c if c.is_control() => safe.push('\u{FFFD}'),
            c => safe.push(c),
        }
    }
    safe
}

/// The page.
pub(super) fn page(report: &Report) -> String {
    let shop = escaped(&report.shop);
    let mut out = format!("{HEAD}<title>Lists of {shop}</title></head><body><h1>Lists of shop {shop}</h1>");
    let as_of = report.as_of_ms.map(|as_of_ms| format!(", events up to {}", time(as_of_ms))).unwrap_or_default();
    let _ = write!(out, "<p>Made {}{as_of}, of {}.</p>", time(report.made_ms), escaped(&report.sources.join(", ")));
    lists(&mut out, report);
    hits(&mut out, report);
    clicks(&mut out, report);
    catalogue(&mut out, report);
    contradicted(&mut out, report);
    without_effect(&mut out, report);
    review(&mut out, report);
    changes(&mut out, report);
    if !report.missing.is_empty() {
        out.push_str("<h2>Not told here</h2><ul>");
        report.missing.iter().for_each(|what| out.push_str(&format!("<li>{}</li>", escaped(what))));
        out.push_str("</ul>");
    }
    out.push_str("</body></html>\n");
    out
}

fn lists(out: &mut String, report: &Report) {
    if report.lists.is_empty() {
        return;
    }
    out.push_str("<h2>Lists</h2>");
    let heads = [
        "list",
        "products",
        "lists",
        "coverage",
        "of others",
        "full",
        "stale",
        "mean score",
        "places of the top 1 %",
        "Gini",
        "of all products shown",
    ];
    let rows = report.lists.iter().map(|figures| {
        let exposure = figures.exposure;
        let whole = |number: Option<usize>| number.map_or("–".to_owned(), |number| number.to_string());
        vec![
            figures.list.clone(),
            whole(figures.anchors),
            figures.lists.to_string(),
            share(figures.coverage()),
            whole(figures.uncounted),
            share((figures.lists > 0).then(|| figures.full as f64 / figures.lists as f64)),
            whole(figures.stale_anchors),
            figures.score_mean.map_or("–".to_owned(), |mean| format!("{mean:.1}")),
            share(exposure.map(|exposure| exposure.spread.top_percent)),
            exposure.map_or("–".to_owned(), |exposure| format!("{:.2}", exposure.spread.gini)),
            share(exposure.map(|exposure| exposure.spread.shown)),
        ]
    });
    table(out, &heads, rows);
    report
        .lists
        .iter()
        .filter(|figures| figures.lists > 0 || figures.anchors.is_some_and(|all| all > 0))
        .for_each(|figures| list(out, figures));
}

fn list(out: &mut String, figures: &ListFigures) {
    let name = &figures.list;
    let _ = write!(out, "<h3>{}</h3>", escaped(name));
    let lengths = figures.lengths.iter().enumerate().map(|(length, &lists)| (length.to_string(), lists as f64));
    let scores = figures.scores.iter().enumerate().map(|(bar, &entries)| ((bar * 10).to_string(), entries as f64));
    let _ = write!(
        out,
        "<p>Lists by length, and counted entries by score:</p>{}{}",
        bars(&format!("{name}: lists by the number of entries"), &lengths.collect::<Vec<_>>()),
        bars(&format!("{name}: entries by score, in tens"), &scores.collect::<Vec<_>>())
    );
    let sources = figures.sources.iter().map(|(source, entries)| format!("{source} {entries}"));
    let _ =
        write!(out, "<p>Entries by where they come from: {}.</p>", escaped(&sources.collect::<Vec<_>>().join(", ")));
    if let Some(gates) = &figures.why_short {
        let mut gates: Vec<_> = gates.iter().collect();
        gates.sort_by(|one, other| other.1.cmp(one.1));
        let gates = gates.into_iter().map(|(gate, candidates)| format!("{gate} {candidates}")).collect::<Vec<_>>();
        let gates = if gates.is_empty() { "none".to_owned() } else { gates.join(", ") };
        let _ = write!(
            out,
            "<p>Short and empty lists: candidates that failed a gate: {}; {} have no other candidate.</p>",
            escaped(&gates),
            figures.nothing_more.unwrap_or(0)
        );
    }
}

fn hits(out: &mut String, report: &Report) {
    let Some(hits) = &report.hits else { return };
    out.push_str("<h2>Hit rate</h2><p>How often what came next was among the first 1, 4 and 10 of the list; in brackets, of a plain count.</p>");
    let heads = ["list", "tests", "at 1", "at 4", "at 10"];
    let rows = hits.iter().map(|figures| {
        let rates = figures.shown.iter().zip(figures.counted);
        let rates = rates.map(|(shown, counted)| format!("{} ({})", share(Some(*shown)), share(Some(counted))));
        [figures.list.clone(), figures.tests.to_string()].into_iter().chain(rates).collect()
    });
    table(out, &heads, rows);
}

fn clicks(out: &mut String, report: &Report) {
    let Some(lists) = &report.clicks else { return };
    out.push_str("<h2>Shown and clicked</h2><p>In brackets, the 95 % interval.</p>");
    let heads = ["list", "entries shown", "click rate", "clicks", "order rate", "orders", "returned", "revenue"];
    let rate = |rate: Option<RateFigures>| match rate {
        None => "–".to_owned(),
        Some(RateFigures { rate, low, high }) => {
            format!("{} ({} to {})", share(Some(rate)), share(Some(low)), share(Some(high)))
        }
    };
    let rows = lists.iter().map(|figures| {
        let revenue: Vec<String> =
            figures.revenue.iter().map(|(currency, amount)| format!("{amount:.2} {currency}")).collect();
        vec![
            figures.list.clone().unwrap_or_default(),
            figures.shown.to_string(),
            rate(figures.click_rate),
            figures.clicks.to_string(),
            rate(figures.order_rate),
            figures.orders.to_string(),
            figures.returned.to_string(),
            revenue.join(", "),
        ]
    });
    table(out, &heads, rows);
}

fn catalogue(out: &mut String, report: &Report) {
    let Some(figures) = &report.catalogue else { return };
    let of = |part: usize, all: usize| share((all > 0).then(|| part as f64 / all as f64));
    let _ = write!(
        out,
        "<h2>Catalogue</h2><p>Of {} products that are sold, variants left out, {} were never counted ({}). Of {} products that are counted, {} are out of stock ({}) and {} \
         are not sold any more.</p>",
        figures.known,
        figures.never_counted,
        of(figures.never_counted, figures.known),
        figures.counted,
        figures.sold_out,
        of(figures.sold_out, figures.counted),
        figures.not_sold
    );
}

fn contradicted(out: &mut String, report: &Report) {
    let Some(all) = &report.contradicted else { return };
    out.push_str("<h2>Verdicts that counts speak against</h2>");
    if all.is_empty() {
        out.push_str("<p>None.</p>");
        return;
    }
    let rows = all.iter().map(|one| {
        let evidence =
            if one.support > 0 { format!("support {}, root {:.1}", one.support, one.llr_root) } else { String::new() };
        vec![one.ruling.clone(), one.list.clone(), one.anchor.clone(), one.other.clone(), evidence, one.text.clone()]
    });
    table(out, &["ruling", "list", "anchor", "other", "evidence", "why"], rows);
}

fn without_effect(out: &mut String, report: &Report) {
    let Some(all) = report.without_effect.as_ref().filter(|all| !all.is_empty()) else { return };
    out.push_str("<h2>Verdicts that change nothing</h2>");
    let rows = all.iter().map(|one| [&one.ruling, &one.list, &one.anchor, &one.other, &one.text].map(String::clone));
    table(out, &["ruling", "list", "anchor", "other", "why"], rows.map(Vec::from));
}

fn review(out: &mut String, report: &Report) {
    let Some(review) = &report.review else { return };
    let _ = write!(out, "<h2>To review</h2><p>The first {} of {}.</p>", review.first.len(), review.total);
    let rows = review.first.iter().map(|entry| {
        let named =
            |id: &str, name: &Option<String>| name.as_ref().map_or(id.to_owned(), |name| format!("{id} {name}"));
        let reasons = entry.reasons.iter().map(|reason| reason.text.clone()).collect::<Vec<_>>().join("; ");
        let (anchor, other) = (named(&entry.anchor, &entry.anchor_name), named(&entry.other, &entry.other_name));
        vec![entry.need.to_string(), entry.list.clone(), anchor, other, entry.place.to_string(), reasons]
    });
    table(out, &["need", "list", "anchor", "shows", "place", "why"], rows);
}

fn changes(out: &mut String, report: &Report) {
    let Some(changes) = &report.changes else { return };
    let _ = write!(out, "<h2>Since {}</h2>", time(changes.since_ms));
    let rows = changes.changes.iter().map(|change| {
        let figures = [change.then, change.now].map(|figure| format!("{figure:.3}"));
        [change.list.clone(), change.figure.clone()].into_iter().chain(figures).collect()
    });
    table(out, &["list", "figure", "then", "now"], rows);
}

/// A table of texts, all escaped.
fn table(out: &mut String, heads: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    out.push_str("<table><tr>");
    heads.iter().for_each(|head| out.push_str(&format!("<th>{}</th>", escaped(head))));
    out.push_str("</tr>");
    for row in rows {
        out.push_str("<tr>");
        row.iter().for_each(|cell| out.push_str(&format!("<td>{}</td>", escaped(cell))));
        out.push_str("</tr>");
    }
    out.push_str("</table>");
}

fn share(share: Option<f64>) -> String {
    share.map_or("–".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

fn time(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms)
        .map_or_else(|_| ms.to_string(), |time| time.strftime("%Y-%m-%d %H:%M UTC").to_string())
}

#[cfg(test)]
mod tests;
