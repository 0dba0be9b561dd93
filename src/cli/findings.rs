//! What of the input went unused, told on stderr: a line each, with what to do.

use super::Outcome;
use crate::drive::{Pipeline, Sink};
use crate::findings::{Counted, Finding, Source, find};
use crate::relation::Relation;

/// What is found in what `pipeline` has read and counted. `lists`: how many there are of each relation, where they were made.
/// `name` gives the name by which people know a source.
pub(super) fn of_pipeline<S: Sink + 'static>(
    pipeline: &Pipeline<S>,
    lists: Option<[u64; Relation::COUNT]>,
    name: &dyn Fn(&str) -> String,
) -> Vec<Finding> {
    let mut counted = Counted { lists, ..Counted::default() };
    for stage in pipeline.windows() {
        let fates = stage.work().tally().fates;
        for (all, part) in counted.fates.iter_mut().flatten().zip(fates.iter().flatten()) {
            *all += part;
        }
    }
    for stage in pipeline.rows() {
        let stats = stage.work().rows().stats();
        for (all, part) in counted.rows.iter_mut().zip(&stats.by_relation) {
            *all += part.rows as u64;
        }
    }
    let seen = &pipeline.intake_tally().seen;
    let names: Vec<String> = seen.iter().map(|seen| name(&seen.source)).collect();
    let sources: Vec<Source<'_>> = seen.iter().zip(&names).map(|(seen, name)| seen.called(name)).collect();
    find(&sources, Some(&counted))
}

/// Tells them.
pub(super) fn tell(findings: &[Finding]) {
    for Finding { kind, what } in findings {
        tracing::warn!(finding = kind.name(), "{what}: {}", kind.remedy());
    }
}

/// How a command ends that found these, and had rejects or not. `strict`: findings count as rejects do.
pub(super) fn outcome(findings: &[Finding], has_rejects: bool, strict: bool) -> Outcome {
    if has_rejects || (strict && !findings.is_empty()) { Outcome::DoneWithRejects } else { Outcome::Done }
}
