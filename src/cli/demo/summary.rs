//! The summary at the end of a demonstration, as a pure function of plain data.

use super::backroom::{Account, REVIEW_TOP};
use super::live::{BOUGHT_IS_OFF, Delay, FIGURES_AT, ProductView, Tallies, delay_text, figures, named, product_lines};
use super::typeset::{Line, Tone, counted, date_time, grouped, milliseconds, percent, rounded};
use samenloop_shop::{TOP, Verdict, Wrong};

/// Columns used at most.
const WIDTH_MAX: usize = 130;
/// Entries shown of each example.
const ENTRIES_MAX: usize = 4;
/// Columns before the rest of a line that has no label.
const INDENT: usize = 8;
/// Where remarks on commands begin.
const REMARKS_AT: usize = 54;
/// What explains the order of entries.
const ORDER: &str = "Lists go by score and rarity, so that best sellers do not lead every one of them.";

/// All that the summary tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// The shop's seed.
    pub seed: u64,
    /// Gates that were switched off.
    pub without: Vec<String>,
    /// Whether someone stopped it before its end.
    pub stopped: bool,
    /// Simulated time, from and to, in ms since 1970.
    pub simulated_ms: (i64, i64),
    /// Events by which speed was measured: all, or those that came at full speed.
    pub measured_events: u64,
    /// How long those took, in seconds.
    pub seconds: f64,
    /// What became of the events.
    pub tallies: Tallies,
    /// Rejects by reason, in the order to show.
    pub rejects: Vec<(String, u64)>,
    /// From event to list.
    pub delay: Option<Delay>,
    /// A list goes out at most once in this time, in ms.
    pub min_interval_ms: f64,
    /// Whether bought-together lists are off.
    pub bought_is_off: bool,
    /// How the lists compare with the truth.
    pub verdict: Verdict,
    /// What the shop said of its products did; none where it said nothing.
    pub account: Option<Account>,
    /// The same with every rule on, where some were off.
    pub with_all: Option<WithAll>,
    /// Lists to look at.
    pub examples: Vec<ProductView>,
    /// Where the HTTP endpoint is, while it is up.
    pub url: Option<String>,
}

/// What every rule together leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WithAll {
    /// How the lists compare with the truth.
    pub verdict: Verdict,
    /// Entries of what had run out.
    pub sold_out: u64,
}

/// The summary, no line longer than `width` columns but for addresses and commands, which must stay whole.
#[must_use]
pub fn render(summary: &Summary, width: usize) -> Vec<Line> {
    let width = width.min(WIDTH_MAX);
    let wrapped = |lines: Vec<Line>, indent| lines.into_iter().flat_map(move |line| line.wrap(width, indent));
    let mut lines: Vec<Line> = wrapped(vec![title(summary), Line::default()], INDENT).collect();
    lines.extend(wrapped(what_happened(summary), FIGURES_AT));
    if summary.tallies.orders > 0 {
        lines.push(Line::default());
        lines.extend(wrapped(judgement(summary), FIGURES_AT));
    }
    if !summary.examples.is_empty() {
        lines.push(Line::default());
        lines.extend(Line::of(Tone::Faint, ORDER).wrap(width, 0));
    }
    for example in &summary.examples {
        lines.push(Line::default());
        let product = product_lines(example, ENTRIES_MAX, width, usize::MAX);
        lines.extend(wrapped(product, INDENT));
    }
    lines.push(Line::default());
    lines.extend(next_steps(summary, width));
    lines
}

fn title(summary: &Summary) -> Line {
    let line = Line::of(Tone::Strong, "samenloop demo").then(Tone::Faint, &format!("  seed {}", summary.seed));
    let line = if summary.stopped { line.then(Tone::Faint, ", stopped early") } else { line };
    if summary.without.is_empty() {
        return line;
    }
    line.then(Tone::Bad, &format!("  without {}", summary.without.join(", ")))
}

fn what_happened(summary: &Summary) -> Vec<Line> {
    let tallies = &summary.tallies;
    let (from_ms, to_ms) = summary.simulated_ms;
    let rate = summary.measured_events as f64 / summary.seconds.max(1e-3);
    let all = if summary.measured_events == tallies.events {
        String::new()
    } else {
        format!("{}, of them ", grouped(tallies.events))
    };
    let kinds = [("views", tallies.views), ("carts", tallies.carts), ("orders", tallies.orders)];
    let mut lines = vec![
        figures("events")
            .then(Tone::Plain, &format!("{all}{} in {:.1} s: ", grouped(summary.measured_events), summary.seconds))
            .then(Tone::Strong, &format!("{} events/s", rounded(rate))),
        figures("simulated").then(Tone::Plain, &format!("{} to {}", date_time(from_ms), date_time(to_ms))),
        figures("counted").then(Tone::Plain, &named(kinds)),
    ];
    let parts = |all: &[(String, u64)]| named(all.iter().map(|(name, number)| (name.as_str(), *number)));
    if !tallies.set_aside.is_empty() {
        lines.push(figures("set aside").then(Tone::Plain, &parts(&tallies.set_aside)));
    }
    if !summary.rejects.is_empty() {
        lines.push(figures("rejects").then(Tone::Plain, &parts(&summary.rejects)));
    }
    let published = named([("published", tallies.published), ("suppressed", tallies.suppressed)]);
    lines.push(figures("lists").then(Tone::Plain, &published));
    let delay =
        summary.delay.map(|delay| figures("delay").then(Tone::Plain, &format!("event to list {}", delay_text(delay))));
    let often = format!("  a list goes out at most once in {}", milliseconds(summary.min_interval_ms));
    lines.extend(delay.map(|line| line.then(Tone::Faint, &often)));
    // What leaves lists though the gate is off does so for another reason.
    let delay = summary.account.filter(|account| account.seen.sold_out == 0).and_then(|account| account.delay);
    lines.extend(delay.map(|delay| figures("").then(Tone::Plain, &format!("stock-out to list {}", delay_text(delay)))));
    lines
}

fn judgement(summary: &Summary) -> Vec<Line> {
    let verdict = &summary.verdict;
    let found_all = verdict.found_in_top == verdict.planted;
    let found = format!("{} of {}", verdict.found_in_top, verdict.planted);
    let complements = if summary.bought_is_off {
        figures("complements").then(Tone::Plain, &format!("not judged: {BOUGHT_IS_OFF}"))
    } else {
        figures("complements")
            .then(if found_all { Tone::Good } else { Tone::Strong }, &found)
            .then(Tone::Plain, &format!(" planted ones are in the top {TOP} of their bought-together list"))
    };
    let mut lines = vec![complements];
    let wrong = verdict.wrong_in_all();
    let tone = if wrong == 0 { Tone::Good } else { Tone::Bad };
    let kinds = Wrong::ALL.map(|kind| (kind.name(), u64::from(verdict.wrong_of(kind))));
    lines.push(
        figures("wrong")
            .then(tone, &grouped(u64::from(wrong)))
            .then(Tone::Plain, &format!(" of {} entries: {}", grouped(u64::from(verdict.entries)), named(kinds))),
    );
    let (chance, bought) = (u64::from(verdict.by_chance), u64::from(verdict.bought_entries));
    let by_chance = format!(
        "{} of {} bought-together entries ({}) join unrelated products",
        grouped(chance),
        grouped(bought),
        percent(chance, bought)
    );
    if !summary.bought_is_off {
        lines.push(figures("by chance").then(Tone::Plain, &by_chance));
    }
    lines.extend(summary.account.iter().flat_map(|account| facts(summary, account)));
    lines.extend(summary.with_all.iter().flat_map(|with_all| harm(summary, with_all)));
    lines
}

/// What came of what the shop said of its products.
fn facts(summary: &Summary, account: &Account) -> Vec<Line> {
    let none_is_good = |label: &str, entries: u64, rest: &str| {
        let tone = if entries == 0 { Tone::Good } else { Tone::Bad };
        figures(label).then(tone, &grouped(entries)).then(Tone::Plain, rest)
    };
    let Account { seen, rejected, pinned, by_hand, .. } = account;
    let stock = format!(
        " entries published of what had run out: stock ran out {} and came back {}",
        counted(seen.ran_out, "time", "times"),
        counted(seen.came_back, "time", "times")
    );
    let pairs = format!(" entries published of {}", counted(*rejected, "rejected pair", "rejected pairs"));
    let mut lines =
        vec![none_is_good("sold out", seen.sold_out, &stock), none_is_good("rejected", seen.rejected, &pairs)];
    if !summary.bought_is_off {
        let [[first, pins], [shown, relations]] = [pinned, by_hand];
        let text = format!("{first} of {pins} pinned entries stand first · {shown} of {relations} relations are shown");
        lines.push(figures("by hand").then(Tone::Plain, &text));
    }
    let [in_top, pairs] = account.nonsense;
    if pairs > 0 && !summary.bought_is_off {
        let tone = if in_top == pairs { Tone::Good } else { Tone::Strong };
        let entries = grouped(account.to_review);
        let text = format!(" planted nonsense pairs are in the top {REVIEW_TOP} of {entries} entries to review");
        lines.push(figures("review").then(tone, &format!("{in_top} of {pairs}")).then(Tone::Plain, &text));
    }
    lines
}

/// What became worse, in words.
fn harm(summary: &Summary, with_all: &WithAll) -> Vec<Line> {
    let verdict = &summary.verdict;
    let WithAll { verdict: all, sold_out } = with_all;
    let now_sold_out = summary.account.map_or(0, |account| account.seen.sold_out);
    let changes: Vec<String> = [
        (verdict.wrong_in_all().into(), all.wrong_in_all().into(), "wrong entry", "wrong entries"),
        (verdict.by_chance.into(), all.by_chance.into(), "entry by chance", "entries by chance"),
        (verdict.found_in_top.into(), all.found_in_top.into(), "complement found", "complements found"),
        (now_sold_out, *sold_out, "sold-out entry", "sold-out entries"),
    ]
    .into_iter()
    .filter(|(now, before, _, _): &(u64, u64, _, _)| now != before)
    .map(|(now, before, one, many)| {
        let which = if now > before { " more " } else { " fewer " };
        counted(now.abs_diff(before), one, many).replacen(' ', which, 1)
    })
    .collect();
    if changes.is_empty() {
        return vec![figures("harm").then(Tone::Plain, "none: the other rules keep the same entries out")];
    }
    let [wrong, by_chance, found] =
        [all.wrong_in_all(), all.by_chance, all.found_in_top].map(|number| grouped(u64::from(number)));
    let sold_out = if summary.account.is_some() { format!(", {} sold out", grouped(*sold_out)) } else { String::new() };
    let with_all = if summary.bought_is_off {
        format!("with every rule on {wrong} are wrong{sold_out}")
    } else {
        format!("with every rule on {wrong} are wrong, {by_chance} by chance, {found} complements found{sold_out}")
    };
    vec![figures("harm").then(Tone::Strong, &changes.join(", ")), figures("").then(Tone::Faint, &with_all)]
}

fn next_steps(summary: &Summary, width: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    if let Some(url) = &summary.url {
        lines.push(Line::of(Tone::Strong, "While this runs"));
        if let Some(example) = summary.examples.first() {
            lines.push(Line::of(Tone::Plain, &format!("  curl {url}/v1/lists/main/bought-together/{}", example.id)));
        }
        lines.push(Line::of(Tone::Plain, &format!("  curl {url}/metrics")));
        lines.push(Line::default());
    }
    lines.push(Line::of(Tone::Strong, "Go on with").cut(width));
    let commands = [
        ("samenloop demo --without bulk", "what bulk orders do to lists that let them in"),
        ("samenloop demo --write events.jsonl", "the same events as a file"),
        ("samenloop replay events.jsonl --lists lists.jsonl", "lists from a file: yours too"),
    ];
    for (command, what) in commands {
        let line = Line::of(Tone::Plain, &format!("  {command}"));
        let whole = line.clone().then_at(REMARKS_AT, Tone::Faint, what);
        if whole.width() <= width {
            lines.push(whole);
        } else {
            let remark = Line::of(Tone::Plain, &" ".repeat(INDENT)).then(Tone::Faint, what);
            lines.push(line);
            lines.extend(remark.wrap(width, INDENT));
        }
    }
    lines
}
