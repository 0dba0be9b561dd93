//! What an evaluation found, as a table for people or as JSON.

use super::estimate::{Answers, Difference, Estimate, Measured};
use super::exposure::Exposure;
use crate::event::EventTime;
use crate::rank::Day;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// One task's figures, and all that they depend on.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) task: &'static str,
    /// Name of the list that is asked.
    pub(super) list: &'static str,
    /// K of recall and MRR.
    pub(super) at: usize,
    /// What standard errors are over.
    pub(super) errors_over: String,
    pub(super) trained: Part,
    pub(super) tested: Part,
    /// The settings that matter.
    pub(super) settings: BTreeMap<&'static str, serde_json::Value>,
    pub(super) lists: ListCounts,
    pub(super) results: Vec<Row>,
}

/// A part of the history.
#[derive(Debug, Serialize)]
pub(super) struct Part {
    /// How many orders or views.
    pub(super) events: usize,
    #[serde(skip)]
    pub(super) unit: &'static str,
    /// Day of the first; none where there is none.
    pub(super) from: Option<Day>,
    /// Day of the last.
    pub(super) to: Option<Day>,
}

/// What training left.
#[derive(Debug, Serialize)]
pub(super) struct ListCounts {
    /// Lists with at least one entry.
    pub(super) published: usize,
    /// Rows of the list's relation.
    pub(super) rows: usize,
    /// Pairs of the list's relation.
    pub(super) pairs: usize,
    /// Pairs that full rows let go, of all relations.
    pub(super) evictions: u64,
    /// Items that were counted in the list's relation: what the lists could show.
    pub(super) items: usize,
}

/// One way to answer, and how good it is.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    /// By what the lists are ordered, or the baseline.
    pub(super) measure: String,
    /// Whether these are the lists as published.
    pub(super) published: bool,
    /// What a candidate gets of each list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<&'static str>,
    /// By kind of question.
    pub(super) targets: BTreeMap<&'static str, Measured>,
    /// Whom these lists show; none of what is no lists, and not again for another value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) exposure: Option<Exposure>,
}

/// Rows as they come, each but the published ones with what it differs from those by.
pub(super) struct Results {
    pub(super) rows: Vec<Row>,
    /// Of the published lists: by value, then by kind of question.
    published: Vec<(Option<&'static str>, &'static str, Answers)>,
    /// How often each question is asked.
    repeats: usize,
}

impl Results {
    pub(super) fn new(repeats: usize) -> Self {
        Self { rows: Vec::new(), published: Vec::new(), repeats }
    }

    /// Adds a way to answer, with its answers by kind of question. The published lists come first; what has no value is compared
    /// with the first of them.
    pub(super) fn add(
        &mut self,
        measure: &str,
        published: bool,
        value: Option<&'static str>,
        answers: [(&'static str, Answers); 2],
    ) {
        let mut targets = BTreeMap::new();
        for (name, answers) in answers {
            let base =
                self.published.iter().find(|(of, target, _)| *target == name && (value.is_none() || *of == value));
            let base = base.map(|(_, _, answers)| answers).filter(|_| !published);
            if let Some(measured) = answers.measured(self.repeats, base) {
                targets.insert(name, measured);
            }
            if published {
                self.published.push((value, name, answers));
            }
        }
        self.rows.push(Row { measure: measure.to_owned(), published, value, targets, exposure: None });
    }

    /// Says whom the lists show that were added last.
    pub(super) fn expose(&mut self, exposure: Exposure) {
        if let Some(row) = self.rows.last_mut() {
            row.exposure = Some(exposure);
        }
    }
}

impl Part {
    pub(super) fn of(times: impl Iterator<Item = EventTime>, unit: &'static str) -> Self {
        let (mut events, mut from, mut to) = (0, None, None);
        for time in times {
            events += 1;
            from = Some(from.map_or(time, |first: EventTime| first.min(time)));
            to = to.max(Some(time));
        }
        let day = |time: EventTime| Day(time.day());
        Self { events, unit, from: from.map(day), to: to.map(day) }
    }

    fn line(&self) -> String {
        match (self.from, self.to) {
            (Some(from), Some(to)) => format!("{} {}, {from} to {to}", self.events, self.unit),
            _ => format!("no {}", self.unit),
        }
    }
}

const MEASURE_WIDTH: usize = 20;
const VALUE_WIDTH: usize = 9;
const FIGURE_WIDTH: usize = 18;
const EXPOSURE_WIDTH: usize = 12;

impl Report {
    /// The report as text.
    pub(super) fn to_text(&self) -> String {
        let Self { task, list, trained, tested, lists, errors_over, .. } = self;
        let settings: Vec<String> = self.settings.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        let mut text = format!("{task}, by the lists {list}\n");
        for (name, value) in [
            ("trained on", trained.line()),
            ("asked about", tested.line()),
            (
                "counted",
                format!(
                    "{} lists of {} rows with {} pairs; full rows of all relations let {} go",
                    lists.published, lists.rows, lists.pairs, lists.evictions
                ),
            ),
            ("errors", format!("standard errors of the mean over {errors_over}")),
        ] {
            let _ = writeln!(text, "  {name:<12} {value}"); // a String takes everything
        }
        for (number, part) in settings.chunks(4).enumerate() {
            let name = if number == 0 { "settings" } else { "" };
            let _ = writeln!(text, "  {name:<12} {}", part.join(", "));
        }
        text.push('\n');
        self.table(&mut text, &|measured| Some([measured.recall, measured.mrr]));
        if self.results.iter().any(|row| row.published) {
            text.push_str("* as published; the others are ranked anew from the same counts\n");
        }
        let differences = |measured: &Measured| measured.difference.map(|Difference { recall, mrr }| [recall, mrr]);
        if self.results.iter().any(|row| row.targets.values().any(|measured| measured.difference.is_some())) {
            text.push_str("\nDifferences from *, on the same questions\n");
            self.table(&mut text, &differences);
        }
        self.exposures(&mut text);
        text
    }

    /// Whom the lists show.
    fn exposures(&self, text: &mut String) {
        let exposed = self.results.iter().filter_map(|row| Some((row, row.exposure?)));
        let (catalogue, unit) = (self.lists.items, "items");
        let longest = exposed.clone().map(|(row, _)| row.measure.chars().count() + 3).max().unwrap_or(0);
        let first = longest.max(MEASURE_WIDTH);
        let _ = write!(text, "\nShown places of the lists, over {catalogue} {unit}\n");
        let headings = ["places", "top 1 %", "Gini", "shown", "leads most"];
        let columns = headings.map(|heading| format!("{heading:<EXPOSURE_WIDTH$}")).concat();
        let _ = writeln!(text, "{:<first$}{}", "lists", columns.trim_end());
        for (row, exposure) in exposed {
            let name = format!("{}{}", row.measure, if row.published { " *" } else { "" });
            let Exposure { places, top_percent, gini, shown, leads } = exposure;
            let shares = [top_percent, gini, shown, leads].map(|share| format!("{share:<EXPOSURE_WIDTH$.4}")).concat();
            let _ = writeln!(text, "{name:<first$}{places:<EXPOSURE_WIDTH$}{}", shares.trim_end());
        }
    }

    /// The rows of which `figures` are there.
    fn table(&self, text: &mut String, figures: &dyn Fn(&Measured) -> Option<[Estimate; 2]>) {
        let rows: Vec<&Row> = self
            .results
            .iter()
            .filter(|row| row.targets.values().any(|measured| figures(measured).is_some()))
            .collect();
        let name = |row: &Row| format!("{}{}", row.measure, if row.published { " *" } else { "" });
        let longest = self.results.iter().map(|row| name(row).chars().count() + 1).max().unwrap_or(0);
        let (first, second) =
            (longest.max(MEASURE_WIDTH), if rows.iter().any(|row| row.value.is_some()) { VALUE_WIDTH } else { 0 });
        let is_signed = rows.iter().all(|row| row.targets.values().all(|measured| measured.difference.is_some()));
        let targets: Vec<(&str, usize)> = rows
            .first()
            .map(|row| row.targets.iter().map(|(name, measured)| (*name, measured.questions)).collect())
            .unwrap_or_default();
        let values = if second > 0 { "value" } else { "" };
        let mut lines = vec![" ".repeat(first + second), format!("{:<first$}{values:<second$}", "lists")];
        for (name, questions) in &targets {
            let width = 2 * FIGURE_WIDTH;
            lines[0].push_str(&format!("{:<width$}", format!("{name}: {questions} questions")));
            for figure in ["recall", "MRR"] {
                lines[1].push_str(&format!("{:<FIGURE_WIDTH$}", format!("{figure}@{}", self.at)));
            }
        }
        for row in rows {
            let mut line = format!("{:<first$}{:<second$}", name(row), row.value.unwrap_or_default());
            for estimate in row.targets.values().filter_map(figures).flatten() {
                line.push_str(&format!("{:<FIGURE_WIDTH$}", shown(estimate, is_signed)));
            }
            lines.push(line);
        }
        for line in lines {
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
}

/// `is_signed`: a difference, with its sign.
fn shown(estimate: Estimate, is_signed: bool) -> String {
    let Estimate { mean, standard_error } = estimate;
    let mean = if is_signed { format!("{mean:+.4}") } else { format!("{mean:.4}") };
    standard_error.map_or_else(|| mean.clone(), |error| format!("{mean} ± {error:.4}"))
}
