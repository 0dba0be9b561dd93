//! Event files as sources: which mapping each is read by, and their reading in step, so that a backlog of several is
//! merged by event time with little held.
//!
//! A file is read as it stands, as long as it stands in the order of time. One that does not is found out while it is read
//! ([`Read::OutOfOrder`]); the caller then [`sort`]s it and begins anew. So a file in order costs nothing more, and none is counted
//! out of order. In the same way a file is read anew, with each time held against those around it ([`vet`]), once one leaps ahead.
//! What can be read once only is vetted from the start.

mod alone;
mod counting;
mod jumps;
mod places;
mod vetted;

use super::UsageError;
use super::fields;
use super::files::{FileFormat, FileRecord, Place, RecordFile, Sorted};
use crate::config::{Header, Settings, SourceSettings};
use crate::drive::{Pipeline, Sink};
use crate::event::EventTime;
use crate::intake::{Decoded, Format, Mapping, MappingSpec, Plans, Record, Reject};
use crate::position::{NextOffset, Partition, SourcePartition};
use crate::stage::{BEHIND_MS, Disorder, IntakeInput};
pub(super) use alone::counted_alone;
use anyhow::Context as _;
use clap::ValueEnum;
pub(super) use counting::counted;
pub(super) use places::Places;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
pub(super) use vetted::Reader;
use vetted::{JumpRules, Records, Vetting};

/// How many lines are read of one file before the next is looked at.
const TURN_LINES: u64 = 256;

/// Source name of a file that no configured source stands behind.
const PLAIN_SOURCE: &str = "file";

/// A file is out of order when so many events in a row lie behind one before them (see [`Disorder`]): where it was put
/// together from several. Events that came late, as they would on a topic, come alone.
const ROW_MIN: u64 = 64;
/// Or, where it is a short one, when one in so many events is behind right after another one.
const ROW_SHARE: u64 = 10;
/// At least so many of them.
const ROW_EVENTS_MIN: u64 = 2;
/// After so many events a file is judged before its end.
const JUDGED_EVENTS_MIN: u64 = 1000;

/// In which order the records of a file are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Order {
    /// As they stand in a file that is in the order of time, else by time; stdin as it comes
    #[default]
    Auto,
    /// As they stand in the file, whatever their times
    File,
    /// By event time; also stdin, which is read to its end first
    Time,
}

/// A file to read, and how.
pub(super) struct EventFile {
    /// Its path, or `-`.
    pub(super) path: PathBuf,
    /// Its source partition and mapping.
    pub(super) input: IntakeInput,
    /// Where its records stand, for messages.
    pub(super) places: Places,
    format: FileFormat,
    /// The fields that its mapping reads, and whether an event may need them.
    pub(super) wanted: Vec<fields::Wanted>,
    /// Its records by time, where they do not stand so.
    sorted: Option<Sorted>,
    /// Whether it was told that it has one column only; it may be opened more than once.
    is_doubted: AtomicBool,
    /// Which times jump, where any are looked for.
    jumps: Option<JumpRules>,
    /// Whether each time is held against those around it.
    vetted: bool,
}

/// What each argument stands for: `FILE`, or `SOURCE=FILE` to read it by the mapping of a configured source. A plain
/// `FILE` is read by the source that names it, else by the only source configured, else as `samenloop` writes events.
pub(super) fn event_files(arguments: &[PathBuf], settings: &Settings) -> anyhow::Result<Vec<EventFile>> {
    let mut files: Vec<EventFile> = Vec::with_capacity(arguments.len());
    for argument in arguments {
        let (path, source) = source_of(argument, settings)?;
        let name = source.map_or(PLAIN_SOURCE, |source| &source.name);
        let own = || MappingSpec { reads_clicks: settings.clicks.enabled, ..MappingSpec::default() };
        let spec = source.map_or_else(own, |source| source.mapping.clone());
        let form = source.map(|source| source.form.clone()).unwrap_or_default();
        if path == Path::new("-") && files.iter().any(|file| file.path == path) {
            return Err(UsageError("-: stdin can be read once only".to_owned()).into());
        }
        if spec.format == Format::Avro {
            let message =
                format!("{}: source {name} has format = \"avro\", and files are read as JSON or rows", path.display());
            return Err(UsageError(message).into());
        }
        let mapping =
            spec.compile().with_context(|| UsageError(format!("source {name}: its mapping cannot be used")))?;
        let partition = files.iter().filter(|file| *file.input.source.source == *name).count();
        let partition = Partition(u32::try_from(partition).unwrap_or(u32::MAX));
        let source = SourcePartition { source: Arc::from(name), partition };
        let earliest_ms = settings.intake.earliest_time.0;
        let jumps = settings.intake.max_jump_ms.map(|max_jump_ms| JumpRules { max_jump_ms, earliest_ms });
        files.push(EventFile {
            jumps,
            vetted: path == Path::new("-"),
            places: Places::new(path.display().to_string()),
            path,
            input: IntakeInput { source, mapping: Arc::new(mapping) },
            format: FileFormat { format: spec.format, form },
            wanted: match spec.format {
                Format::Csv | Format::Tsv => fields::wanted_columns(&spec),
                Format::Json | Format::Avro => fields::wanted(&spec),
            },
            sorted: None,
            is_doubted: AtomicBool::new(false),
        });
    }
    Ok(files)
}

fn source_of<'a>(argument: &Path, settings: &'a Settings) -> anyhow::Result<(PathBuf, Option<&'a SourceSettings>)> {
    let text = argument.to_string_lossy();
    if let Some((name, path)) = text.split_once('=').filter(|_| !argument.exists()) {
        let names: Vec<&str> = settings.sources.iter().map(|source| &*source.name).collect();
        let source = settings.sources.iter().find(|source| source.name == name);
        let source = source.with_context(|| {
            UsageError(format!("{text}: no source is called {name:?}; the settings name {names:?}"))
        })?;
        return Ok((PathBuf::from(path), Some(source)));
    }
    let named = settings.sources.iter().find(|source| source.file.as_deref().map(Path::new) == Some(argument));
    let source = match (named, &settings.sources[..]) {
        (Some(source), _) => Some(source),
        (None, [only]) => Some(only),
        (None, []) => None,
        (None, several) => {
            let names: Vec<&str> = several.iter().map(|source| &*source.name).collect();
            let message = format!("{text}: which of the sources {names:?} is it? Write it as SOURCE={text}");
            return Err(UsageError(message).into());
        }
    };
    Ok((argument.to_owned(), source))
}

impl EventFile {
    /// Opens it as it stands.
    pub(super) fn open(&self, progress: &Arc<AtomicU64>) -> anyhow::Result<RecordFile> {
        let file = RecordFile::open(&self.path, &self.format, progress)?;
        if let Some((names, shown)) = file.columns() {
            if let ([column], Header::Row) = (names, &self.format.form.header)
                && !self.is_doubted.swap(true, Ordering::Relaxed)
            {
                let file = file.name();
                tracing::warn!(file, column, "one column: is it separated by something else? Set delimiter");
            }
            for wanted in &self.wanted {
                let is_there = |pointer: &String| {
                    let name = pointer.strip_prefix('/').map(|name| name.replace("~1", "/").replace("~0", "~"));
                    name.is_some_and(|name| names.contains(&name))
                };
                if wanted.required && !wanted.pointers.iter().any(is_there) {
                    let (field, pointers) = (wanted.field, wanted.pointers.join(" and "));
                    // A row has no array.
                    let remedy = match field {
                        "lines" => {
                            "Where a row is a line of an order, its type is \"add\"; else a transform makes the lines"
                        }
                        _ => "Correct [source.fields]",
                    };
                    let message = format!(
                        "{}: {field}: there is no column {pointers}; its columns are {shown}. {remedy}",
                        file.name()
                    );
                    return Err(UsageError(message).into());
                }
            }
        }
        Ok(file)
    }

    /// Where the record stands that is counted under `offset`, for people. The file is read up to there.
    pub(super) fn shown(&self, offset: NextOffset) -> String {
        let place = if self.is_stdin() { None } else { self.place(offset).ok().flatten() };
        format!("{}{}", self.path.display(), place.unwrap_or_else(|| self.places.at(offset)))
    }

    fn place(&self, offset: NextOffset) -> anyhow::Result<Option<Place>> {
        if let Some(sorted) = &self.sorted {
            let mut records = sorted.reader()?;
            for _before in 0..offset.0 {
                records.next()?;
            }
            return Ok(records.next()?.map(|record| record.place));
        }
        let mut records = self.open(&Arc::default())?;
        while let Some(FileRecord { number, place, .. }) = records.next()? {
            if number >= offset.0 {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    /// Whether its records do not stand in the order of time, and have been sorted.
    pub(super) fn is_sorted(&self) -> bool {
        self.sorted.is_some()
    }

    /// Reads it, sorted where it has been, and vetted if it is to be.
    pub(super) fn reader(&self, progress: &Arc<AtomicU64>) -> anyhow::Result<Reader> {
        let records = match &self.sorted {
            Some(sorted) => Records::Sorted(sorted.reader()?),
            None => Records::Plain(self.open(progress)?),
        };
        let rules = self.jumps.filter(|_| self.vetted);
        let mapping = || Arc::clone(&self.input.mapping);
        let vetting = rules.map(|rules| Vetting::new(rules, mapping(), self.path.display().to_string()));
        Ok(Reader { records, vetting })
    }

    /// Whether one of its times may be one that jumps, as far as it has been read; `start`: the latest time at its start.
    fn may_jump(
        &self,
        disorder: Disorder,
        start: Option<EventTime>,
        highest: Option<EventTime>,
        is_judged: bool,
    ) -> bool {
        let Some(rules) = self.jumps.filter(|_| !self.vetted) else { return false };
        // Where all lies behind the start, that may be what jumps.
        disorder.ahead_ms > rules.max_jump_ms
            || (is_judged && is_out_of_order(disorder) && self.sorted.is_none() && start == highest)
    }

    /// Whether it can be read once only.
    pub(super) fn is_stdin(&self) -> bool {
        self.path == Path::new("-")
    }
}

/// Sorts the files of these numbers by event time. They are read once more, and held, in memory or in temporary files.
pub(super) fn sort(files: &mut [EventFile], numbers: &[usize]) -> anyhow::Result<()> {
    for &number in numbers {
        let Some(file) = files.get_mut(number) else { continue };
        let opened = file.open(&Arc::default())?;
        let (topic, mapping) = (opened.name().to_owned(), Arc::clone(&file.input.mapping));
        let plans = Plans::default();
        let time_ms = |record: &FileRecord<'_>| Some(own_time(&mapping, &plans, &topic, record)?.0);
        file.sorted = Some(Sorted::read(opened, time_ms)?);
        file.vetted = false; // what jumps has another place now
    }
    Ok(())
}

/// Whether from now on each time in the files of these numbers is held against those around it. That costs reading each twice.
pub(super) fn vet(files: &mut [EventFile], numbers: &[usize], vetted: bool) {
    for &number in numbers {
        if let Some(file) = files.get_mut(number) {
            file.vetted = vetted;
        }
    }
}

/// The time that a record says; of a record that a transform makes several events of, the earliest.
fn own_time(mapping: &Mapping, plans: &Plans, topic: &str, record: &FileRecord<'_>) -> Option<EventTime> {
    let mut earliest: Option<EventTime> = None;
    own_times(mapping, plans, topic, record, |time| {
        earliest = Some(earliest.map_or(time, |earliest| earliest.min(time)));
    });
    earliest
}

/// Gives `take` each time that a record says.
fn own_times(mapping: &Mapping, plans: &Plans, topic: &str, record: &FileRecord<'_>, mut take: impl FnMut(EventTime)) {
    let record = Record { topic, value: Some(record.bytes), ..Record::default() };
    let said = |decoded: Result<Option<Decoded<'_>>, Reject>| match decoded {
        Ok(decoded) => decoded.map(|decoded| decoded.own_time),
        Err(reject) => reject.time,
    };
    if !mapping.transforms() {
        if let Some(time) = said(mapping.decode(plans, &record)) {
            take(time);
        }
    } else if let Ok(outputs) = mapping.transform(plans, &record) {
        outputs.iter().filter_map(|output| said(mapping.decode_output(plans, &record, output))).for_each(take);
    }
}

/// The numbers of the files that are out of order, of those that can be read twice. Each is read to its end.
pub(super) fn out_of_order(files: &[EventFile]) -> anyhow::Result<Vec<usize>> {
    let mut found = Vec::new();
    let plans = Plans::default();
    for (number, file) in files.iter().enumerate().filter(|(_, file)| !file.is_stdin()) {
        let mut records = file.reader(&Arc::default())?;
        let topic = file.path.display().to_string();
        let (mut disorder, mut highest) = (Disorder::default(), None);
        while let Some((record, around)) = records.next()? {
            if around.is_none()
                && let Some(time) = own_time(&file.input.mapping, &plans, &topic, &record)
            {
                disorder.meet(time, highest);
                highest = highest.max(Some(time));
            }
        }
        if is_out_of_order(disorder) {
            found.push(number);
        }
    }
    Ok(found)
}

/// Whether a file is out of order, rather than holding some events that came late.
pub(super) fn is_out_of_order(disorder: Disorder) -> bool {
    let Disorder { events, in_a_row, longest_row, .. } = disorder;
    longest_row >= ROW_MIN || (in_a_row >= ROW_EVENTS_MIN && in_a_row.saturating_mul(ROW_SHARE) > events)
}

struct Reading {
    records: Reader,
    topic: String,
    places: Places,
    /// The offset of the next record that is fed, where records do not have their own.
    next: Option<u64>,
    /// How many have been fed.
    fed: u64,
    ended: bool,
    /// The latest time at its start.
    start: Option<EventTime>,
}

impl Reading {
    /// A file of one document that could not be used: its records may stand within.
    fn tell_of_page(&self, rejected: u64) {
        if let Records::Plain(file) = &self.records.records
            && let (1, 1.., Some(pointer)) = (self.fed, rejected, file.page())
        {
            tracing::warn!(
                file = self.topic,
                "holds one document, and no records beside it: where they stand in it at {pointer}, set records = \"{pointer}\" \
                 for its source"
            );
        }
    }
}

/// How files are read.
pub(super) struct Turns<'a> {
    /// How many lines are read of one file before the next is looked at.
    pub(super) lines: u64,
    /// How far, in ms of event time, a file may be ahead of the one that is furthest behind before it waits.
    pub(super) align_ms: i64,
    /// Which lines are read at all, by the number of the file and of the line, both from 0.
    pub(super) is_wanted: &'a dyn Fn(usize, u64) -> bool,
    /// Whether reading ends where a file is found to be out of order.
    pub(super) minds_order: bool,
    /// Whether reading ends where a time may jump in a file that is not vetted.
    pub(super) minds_jumps: bool,
}

impl Turns<'_> {
    /// Every line.
    pub(super) fn of(settings: &Settings) -> Self {
        Self {
            lines: TURN_LINES,
            align_ms: settings.intake.align_ms,
            is_wanted: &|_, _| true,
            minds_order: true,
            minds_jumps: true,
        }
    }
}

/// How a reading ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// All was read, or as much as was asked for: so many records.
    Done(u64),
    /// These files are out of order: what was counted is to be thrown away, and they are to be [`sort`]ed.
    OutOfOrder(Vec<usize>),
    /// The same where a time leaps ahead: these are to be [`vet`]ted.
    Leaps(Vec<usize>),
}

/// Reads all files to their ends: on with the one at hand, until it is too far ahead of the one whose events are oldest.
/// `each_turn` is called between turns with how many lines have been read, and ends the reading early when it returns
/// `false`.
pub(super) fn read_all<S: Sink + 'static>(
    files: &[EventFile],
    pipeline: &mut Pipeline<S>,
    progress: &Arc<AtomicU64>,
    turns: &Turns<'_>,
    mut each_turn: impl FnMut(&mut Pipeline<S>, u64) -> anyhow::Result<bool>,
) -> anyhow::Result<Read> {
    let mut readings = Vec::with_capacity(files.len());
    for (input, file) in files.iter().enumerate() {
        let (records, next) = (file.reader(progress)?, file.sorted.as_ref().map(|_| 0));
        let topic = file.path.display().to_string();
        readings.push(Reading { records, topic, places: file.places.clone(), next, fed: 0, ended: false, start: None });
        pipeline.set_stream(input, true);
    }
    pipeline.take_in()?;
    let (mut lines, mut at_hand) = (0, 0);
    while let Some(input) = next_input(&readings, at_hand, turns.align_ms, pipeline) {
        at_hand = input;
        lines += read_turn(input, &mut readings[input], turns, pipeline)?;
        let file = &files[input];
        if readings[input].ended {
            readings[input].tell_of_page(pipeline.intake_tally().rejected());
        }
        let (disorder, highest) = (pipeline.disorder(input), pipeline.highest(input));
        let start = *readings[input].start.get_or_insert(highest.unwrap_or(EventTime::MIN));
        let is_judged = readings[input].ended || disorder.events >= JUDGED_EVENTS_MIN;
        if turns.minds_jumps && file.may_jump(disorder, Some(start), highest, is_judged) {
            return Ok(Read::Leaps(vec![input]));
        }
        if is_judged && file.sorted.is_none() && is_out_of_order(disorder) {
            if turns.minds_order && !file.is_stdin() {
                return Ok(Read::OutOfOrder(vec![input]));
            }
            if readings[input].ended {
                warn_of(file, disorder);
            }
        }
        if !each_turn(pipeline, lines)? {
            break;
        }
    }
    Ok(Read::Done(lines))
}

fn warn_of(file: &EventFile, disorder: Disorder) {
    tracing::warn!(
        file = %file.path.display(),
        events = disorder.events,
        behind = disorder.behind,
        "not in the order of time: so many events are more than {} minutes behind one before them, and may count as late; \
         files are sorted, stdin is with --order time",
        BEHIND_MS / 60_000
    );
}

/// The file to read on in; `None` when all have ended.
fn next_input<S: Sink + 'static>(
    readings: &[Reading],
    at_hand: usize,
    align_ms: i64,
    pipeline: &Pipeline<S>,
) -> Option<usize> {
    let highest = |input: usize| pipeline.highest(input);
    let open = readings.iter().enumerate().filter(|(_, reading)| !reading.ended).map(|(input, _)| input);
    let slowest = open.min_by_key(|&input| highest(input))?;
    let goes_on = !readings.get(at_hand)?.ended
        && match (highest(at_hand), highest(slowest)) {
            (Some(own), Some(slowest)) => own.since(slowest) <= align_ms,
            (own, slowest) => own == slowest,
        };
    Some(if goes_on { at_hand } else { slowest })
}

fn read_turn<S: Sink + 'static>(
    input: usize,
    reading: &mut Reading,
    turns: &Turns<'_>,
    pipeline: &mut Pipeline<S>,
) -> anyhow::Result<u64> {
    for turn in 0..turns.lines {
        let Some((FileRecord { number, place, bytes }, around)) = reading.records.next()? else {
            reading.ended = true;
            pipeline.end_input(input)?;
            return Ok(turn);
        };
        if !(turns.is_wanted)(input, number) {
            continue;
        }
        let offset = match &mut reading.next {
            None => number,
            Some(next) => {
                *next += 1;
                *next - 1
            }
        };
        reading.fed += 1;
        reading.places.fed(offset, place);
        let record = Record { topic: &reading.topic, value: Some(bytes), around, ..Record::default() };
        pipeline.feed(input, NextOffset(offset), &record)?;
    }
    pipeline.take_in()?;
    Ok(turns.lines)
}
