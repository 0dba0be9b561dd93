//! `samenloop check FILE…`: what files hold, what it becomes, and what will disappoint. They are counted as `replay` does it;
//! no broker is asked.

use super::{CheckArgs, Report, Verdict};
use crate::cli::files::Place;
use crate::cli::findings::{is_of_records, of_files, records};
use crate::cli::sample::Tried;
use crate::cli::sources::{EventFile, Places, counted, event_files};
use crate::cli::{UsageError, fields};
use crate::config::Settings;
use crate::drive::{Pipeline, Sink};
use crate::event::EventType;
use crate::findings::{Finding, Records, of_records};
use crate::intake::{Reason, Reject};
use crate::list_key::ListName;
use crate::position::{NextOffset, SourcePartition};
use crate::publish::Publication;
use crate::rank::{List, Source};
use crate::rules::{KindRules, ListRules};
use crate::stage::InputTally;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

/// Records in which a field must be missing to be told as missing.
pub(super) const LOOKED_INTO: usize = 1000;
/// Reasons of rejects that are named.
const REASONS_NAMED: usize = 3;

/// Looks into the files of `args`: a line each, then one for each list and each finding.
pub(super) fn check(report: &mut Report<impl Write>, args: &CheckArgs, settings: &Settings) -> anyhow::Result<()> {
    let mut arguments = args.files.clone();
    let mut files = event_files(&arguments, settings)?; // what cannot be meant is refused before anything is said
    if args.sample.is_some() && files.iter().any(EventFile::is_stdin) {
        let message = "-: stdin can be read once only: samenloop replay --sample N - shows its records";
        return Err(UsageError(message.to_owned()).into());
    }
    let mut number = 0;
    let mut opened = Vec::new();
    for file in &files {
        match Opened::new(file) {
            Ok(file) => {
                opened.push(file);
                number += 1;
            }
            Err(error) => {
                arguments.remove(number);
                unusable(report, file, &error)?;
            }
        }
    }
    if opened.len() < files.len() {
        files = event_files(&arguments, settings)?; // partitions are numbered without gaps
    }
    let pipeline = loop {
        if files.is_empty() {
            return Ok(());
        }
        match count(&mut files, settings) {
            Ok(pipeline) => break pipeline,
            Err(error) => {
                // One of them cannot be read to its end: the others are counted without it.
                let damaged: Vec<Option<anyhow::Error>> = files.iter().map(|file| read_through(file).err()).collect();
                if damaged.iter().all(Option::is_none) {
                    return Err(error);
                }
                for (number, error) in damaged.iter().enumerate().rev() {
                    if let Some(error) = error {
                        unusable(report, &files[number], error)?;
                        arguments.remove(number);
                        opened.remove(number);
                    }
                }
                files = event_files(&arguments, settings)?;
            }
        }
    };
    tell(report, args, settings, &files, &opened, pipeline)
}

/// A file's place among those that are counted, and what was seen in opening it.
struct Opened {
    what: String,
    page: Option<String>,
}

impl Opened {
    fn new(file: &EventFile) -> anyhow::Result<Self> {
        if file.is_stdin() {
            return Ok(Self { what: "stdin".to_owned(), page: None });
        }
        let opened = file.open(&Arc::default())?;
        Ok(Self { what: opened.what().to_owned(), page: opened.page().map(str::to_owned) })
    }
}

fn probe(file: &EventFile) -> String {
    format!("file {}", file.path.display())
}

fn unusable(report: &mut Report<impl Write>, file: &EventFile, error: &anyhow::Error) -> anyhow::Result<()> {
    let told = format!("{error:#}");
    let named = format!("{}: ", file.path.display());
    report.line(Verdict::Wrong, &probe(file), told.strip_prefix(&named).unwrap_or(&told))
}

/// Reads a file to its end; stdin cannot be read again.
fn read_through(file: &EventFile) -> anyhow::Result<()> {
    if file.is_stdin() {
        return Ok(());
    }
    let mut records = file.open(&Arc::default())?;
    while records.next()?.is_some() {}
    Ok(())
}

/// Counts them, and makes their lists.
fn count(files: &mut [EventFile], settings: &Settings) -> anyhow::Result<Pipeline<Found>> {
    let (mut pipeline, _told_by_check) = counted(files, settings, |files, _| Found::of(files))?;
    pipeline.sink().lists = Some([Lists::default(); ListName::COUNT]);
    pipeline.publish_all()?;
    Ok(pipeline)
}

fn tell(
    report: &mut Report<impl Write>,
    args: &CheckArgs,
    settings: &Settings,
    files: &[EventFile],
    opened: &[Opened],
    pipeline: Pipeline<Found>,
) -> anyhow::Result<()> {
    let nothing_at_all = pipeline.intake_tally().accepted.iter().sum::<u64>() == 0;
    for (input, (file, opened)) in files.iter().zip(opened).enumerate() {
        let tally = pipeline.input_tally(input);
        let first_reject = pipeline
            .sink()
            .first
            .get(&file.input.source)
            .map(|(place, reject)| format!("; the first is {}{place}: {reject}", file.path.display()));
        let counts = of_records(&file.path.display().to_string(), records(&tally));
        let remedy = counts.map_or_else(String::new, |Finding { kind, .. }| format!(". What to do: {}", kind.remedy()));
        let sorted = if file.is_sorted() { "; not in the order of time, so it was sorted first" } else { "" };
        let page = match (&opened.page, tally.records, tally.rejects.iter().sum::<u64>()) {
            (Some(pointer), 1, 1) => {
                format!("; it is one document: where its records stand in it at {pointer}, set records = \"{pointer}\"")
            }
            _ => String::new(),
        };
        let text = format!("{}{}{sorted}{page}{remedy}", shown(&opened.what, &tally), first_reject.unwrap_or_default());
        report.line(verdict(&tally, nothing_at_all), &probe(file), &text)?;
        missing(report, file, &tally)?;
        if let Some(count) = args.sample {
            for line in Tried::of_file(settings, file, count, args.show_users)?.lines {
                writeln!(report.out, "  {line}")?;
            }
        }
    }
    let lists = pipeline.sink().lists.unwrap_or_default();
    let all = lists.map(|lists| lists.all);
    if !nothing_at_all {
        lists_of(report, settings, &pipeline, &lists)?;
    }
    for finding in of_files(&pipeline, files, &settings.lists, Some(all)) {
        if !is_of_records(finding.kind) {
            report.line(Verdict::Warning, finding.kind.name(), &finding.to_string())?;
        }
    }
    Ok(())
}

/// A file of which nothing can be used is wrong; an empty one among others may be meant.
fn verdict(tally: &InputTally, nothing_at_all: bool) -> Verdict {
    match records(tally) {
        Records { all: 0, .. } if nothing_at_all => Verdict::Wrong,
        Records { all: 0, .. } => Verdict::Warning,
        Records { accepted: 0, .. } => Verdict::Wrong,
        Records { rejected: 0, .. } => Verdict::Ok,
        _ => Verdict::Warning,
    }
}

/// What a file is, and what became of its records.
fn shown(what: &str, tally: &InputTally) -> String {
    if tally.records == 0 {
        return "holds no record".to_owned();
    }
    let of = |count: u64, one: &str, more: &str| format!("{count} {}", if count == 1 { one } else { more });
    let events = EventType::ALL.iter().map(|event_type| (tally.accepted[*event_type as usize], event_type.name()));
    let mut became: Vec<String> =
        events.filter(|(count, _)| *count > 0).map(|(count, name)| of(count, name, &format!("{name}s"))).collect();
    if became.is_empty() {
        became.push("no event".to_owned());
    }
    if tally.skipped > 0 {
        became.push(format!("{} passed over by type", tally.skipped));
    }
    if tally.uncountable > 0 {
        became.push(format!("{} without any product, as the catalogue says", tally.uncountable));
    }
    if tally.filtered > 0 {
        became.push(format!("{} passed over by transform", tally.filtered));
    }
    let rejected: u64 = tally.rejects.iter().sum();
    if rejected > 0 {
        let mut reasons: Vec<(u64, &str)> =
            Reason::ALL.iter().map(|reason| (tally.rejects[reason.index()], reason.name())).collect();
        reasons.retain(|(count, _)| *count > 0);
        reasons.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
        let named: Vec<String> =
            reasons.iter().take(REASONS_NAMED).map(|(count, name)| format!("{count} {name}")).collect();
        let more = if reasons.len() > REASONS_NAMED { ", …" } else { "" };
        became.push(format!("{} ({}{more})", of(rejected, "reject", "rejects"), named.join(", ")));
    }
    format!("{what}; {}: {}", of(tally.records, "record", "records"), became.join(", "))
}

/// Fields that are mapped and nowhere to be found. Who needs none of them misses none: a file of views has no lines.
fn missing(report: &mut Report<impl Write>, file: &EventFile, tally: &InputTally) -> anyhow::Result<()> {
    if file.is_stdin() {
        return Ok(());
    }
    let mut records = file.open(&Arc::default())?;
    let mut values: Vec<Vec<u8>> = Vec::new();
    while values.len() < LOOKED_INTO
        && let Some(record) = records.next()?
    {
        values.push(record.bytes.to_vec());
    }
    for field in fields::absent(&file.wanted, values.iter().map(Vec::as_slice)) {
        if !field.required || tally.rejects[Reason::MissingField.index()] > 0 {
            report.line(Verdict::Warning, &probe(file), &field.text)?;
        }
    }
    Ok(())
}

/// How many items have candidates, and how many of these a list.
fn lists_of(
    report: &mut Report<impl Write>,
    settings: &Settings,
    pipeline: &Pipeline<Found>,
    lists: &[Lists; ListName::COUNT],
) -> anyhow::Result<()> {
    let is_told = |rules: &&ListRules| rules.enabled || matches!(rules.kind, KindRules::Pairs);
    for rules in settings.lists.iter().filter(is_told) {
        let relation = rules.relation.index();
        let rows: usize =
            pipeline.rows().iter().map(|stage| stage.work().rows().stats().by_relation[relation].rows).sum();
        let Lists { all, filled, by_hand } = lists[rules.list.index()];
        let text = match (rules.enabled, rules.list.is_shop_wide()) {
            (false, _) => format!("{rows} items have candidates: switched off"),
            (true, true) => format!("{all} lists"),
            (true, false) => {
                let of_these = |count: u64, what: &str| match count {
                    0 => String::new(),
                    _ => format!(", {count} of them {what}"),
                };
                let (filled, by_hand) = (of_these(filled, "only filled"), of_these(by_hand, "only by hand"));
                format!("{rows} items have candidates: {all} lists{filled}{by_hand}")
            }
        };
        report.line(Verdict::Ok, &format!("list {}", rules.list.name()), &text)?;
    }
    Ok(())
}

/// How many lists of one name there are.
#[derive(Clone, Copy, Debug, Default)]
struct Lists {
    all: u64,
    /// Of these, those that show nothing but what fills them: without `fill` there would be none.
    filled: u64,
    /// Those that show nothing counted, and something that people want there.
    by_hand: u64,
}

impl Lists {
    fn count(&mut self, list: &List) {
        let any = |of: &[Source]| list.shown().iter().any(|entry| of.contains(&entry.label.source));
        self.all += 1;
        if !any(&[Source::Counted]) {
            let is_by_hand = any(&[Source::Manual, Source::Pinned]);
            self.by_hand += u64::from(is_by_hand);
            self.filled += u64::from(!is_by_hand);
        }
    }
}

/// What left the counting of files: the first reject of each, and how many lists there are.
struct Found {
    places: BTreeMap<SourcePartition, Places>,
    first: BTreeMap<SourcePartition, (Place, String)>,
    lists: Option<[Lists; ListName::COUNT]>,
}

impl Found {
    fn of(files: &[EventFile]) -> Self {
        let places = files.iter().map(|file| (file.input.source.clone(), file.places.clone()));
        Self { places: places.collect(), first: BTreeMap::new(), lists: None }
    }
}

impl Sink for Found {
    fn list(&mut self, publication: &Publication<'_>, _value: &[u8]) -> anyhow::Result<()> {
        if let Some(lists) = self.lists.as_mut().filter(|_| !publication.is_tombstone()) {
            lists[publication.key().list.index()].count(publication.list);
        }
        Ok(())
    }

    fn reject(&mut self, source: &SourcePartition, offset: NextOffset, reject: &Reject) -> anyhow::Result<()> {
        let Some(places) = self.places.get(source) else { return Ok(()) };
        let place = places.at(offset);
        // Of a file that was sorted the first by its place, not by its time.
        if self.first.get(source).is_none_or(|(first, _)| place.is_before(*first)) {
            self.first.insert(source.clone(), (place, reject.to_string()));
        }
        Ok(())
    }
}
