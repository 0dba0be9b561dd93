//! What an evaluation found, as a table for people or as JSON.

use super::estimate::{Estimate, Measured};
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
        self.table(&mut text);
        if self.results.iter().any(|row| row.published) {
            text.push_str("* as published; the others are ranked anew from the same counts\n");
        }
        text
    }

    fn table(&self, text: &mut String) {
        let targets: Vec<(&str, usize)> = self
            .results
            .first()
            .map(|row| row.targets.iter().map(|(name, measured)| (*name, measured.questions)).collect())
            .unwrap_or_default();
        let mut lines = vec![String::new(), format!("{:<MEASURE_WIDTH$}{:<VALUE_WIDTH$}", "lists", "value")];
        lines[0].push_str(&" ".repeat(MEASURE_WIDTH + VALUE_WIDTH));
        for (name, questions) in &targets {
            let width = 2 * FIGURE_WIDTH;
            lines[0].push_str(&format!("{:<width$}", format!("{name}: {questions} questions")));
            for figure in ["recall", "MRR"] {
                lines[1].push_str(&format!("{:<FIGURE_WIDTH$}", format!("{figure}@{}", self.at)));
            }
        }
        for row in &self.results {
            let measure = format!("{}{}", row.measure, if row.published { " *" } else { "" });
            let mut line = format!("{measure:<MEASURE_WIDTH$}{:<VALUE_WIDTH$}", row.value.unwrap_or_default());
            for measured in row.targets.values() {
                for estimate in [measured.recall, measured.mrr] {
                    line.push_str(&format!("{:<FIGURE_WIDTH$}", shown(estimate)));
                }
            }
            lines.push(line);
        }
        for line in lines {
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
}

fn shown(estimate: Estimate) -> String {
    match estimate.standard_error {
        Some(error) => format!("{:.4} ± {error:.4}", estimate.mean),
        None => format!("{:.4}", estimate.mean),
    }
}
