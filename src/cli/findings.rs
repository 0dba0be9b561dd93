//! What of the input went unused, told on stderr: a line each, with what to do.

use super::Outcome;
use super::sources::EventFile;
use crate::drive::{Pipeline, Sink};
use crate::findings::{At, Counted, Finding, Kind, Records, Source, find, of_records};
use crate::intake::Reason;
use crate::list_key::ListName;
use crate::relation::Relation;
use crate::rules::ListRules;
use crate::stage::InputTally;

/// Files of one source that are named; of more the rest is a number.
const NAMED_MAX: usize = 3;

/// What is found in `files`, which `pipeline` has read and counted. `lists`: how many there are of each name, where they
/// were made.
pub(super) fn of_files<S: Sink + 'static>(
    pipeline: &Pipeline<S>,
    files: &[EventFile],
    rules: &[ListRules],
    lists: Option<[u64; ListName::COUNT]>,
) -> Vec<Finding> {
    let mut found: Vec<Finding> = files
        .iter()
        .enumerate()
        .filter_map(|(input, file)| of_records(&file.path.display().to_string(), records(&pipeline.input_tally(input))))
        .collect();
    let seen = &pipeline.intake_tally().seen;
    let names: Vec<String> = seen.iter().map(|seen| name_of(&own(files, &seen.source))).collect();
    let places: Vec<_> = seen
        .iter()
        .map(|seen| {
            move |at: At| {
                let own = own(files, &seen.source);
                let file = own.into_iter().find(|file| file.input.source.partition == at.partition);
                file.map_or_else(|| format!("record {}", at.record.0), |file| file.shown(at.record))
            }
        })
        .collect();
    let sources = seen.iter().zip(&names).zip(&places).map(|((seen, name), place)| seen.called(name, place));
    let of_sources = find(&sources.collect::<Vec<Source<'_>>>(), Some(&counted(pipeline, rules, lists)));
    found.extend(of_sources.into_iter().filter(|finding| !is_of_records(finding.kind)));
    found
}

/// What became of the records of a file.
pub(super) fn records(tally: &InputTally) -> Records {
    let (accepted, rejected) = (tally.accepted.iter().sum(), tally.rejects.iter().sum());
    let reason = Reason::most_frequent(&tally.rejects).map(Reason::name);
    // A record of which a program made several values is as many.
    let all = tally.records.max(accepted + rejected + tally.skipped + tally.filtered + tally.uncountable);
    Records { all, accepted, rejected, reason }
}

/// Whether it says what became of a file's records, rather than what they are.
pub(super) fn is_of_records(kind: Kind) -> bool {
    matches!(kind, Kind::Empty | Kind::NothingUsed | Kind::Rejected)
}

fn own<'a>(files: &'a [EventFile], source: &str) -> Vec<&'a EventFile> {
    files.iter().filter(|file| *file.input.source.source == *source).collect()
}

/// The name by which people know a source: its files.
fn name_of(files: &[&EventFile]) -> String {
    let named: Vec<String> = files.iter().take(NAMED_MAX).map(|file| file.path.display().to_string()).collect();
    let more = files.len().saturating_sub(NAMED_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", named.join(", "))
}

/// What counting made of the events. Of a list that is switched off it is not known whether there would be any.
fn counted<S: Sink + 'static>(
    pipeline: &Pipeline<S>,
    rules: &[ListRules],
    lists: Option<[u64; ListName::COUNT]>,
) -> Counted {
    let is_made = |list: ListName| rules.iter().any(|rules| rules.enabled && rules.list == list);
    let of_relation = |lists: [u64; ListName::COUNT], relation| {
        let list = ListName::of(relation);
        is_made(list).then_some(lists[list.index()])
    };
    let lists = lists.map(|lists| Relation::ALL.map(|relation| of_relation(lists, relation)));
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
    counted
}

/// Tells them.
pub(super) fn tell(findings: &[Finding]) {
    for finding in findings {
        tracing::warn!(finding = finding.kind.name(), "{finding}");
    }
}

/// How a command ends that found these, and had rejects or not. `strict`: findings count as rejects do.
pub(super) fn outcome(findings: &[Finding], has_rejects: bool, strict: bool) -> Outcome {
    if has_rejects || (strict && !findings.is_empty()) { Outcome::DoneWithRejects } else { Outcome::Done }
}
