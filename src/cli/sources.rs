//! Event files as sources: which mapping each is read by, and their reading in step, so that a backlog of several is
//! merged by event time with little held.

use super::UsageError;
use super::files::LineFile;
use crate::config::Settings;
use crate::drive::{Pipeline, Sink};
use crate::intake::{Format, MappingSpec, Record};
use crate::position::{NextOffset, Partition, SourcePartition};
use crate::stage::IntakeInput;
use anyhow::Context as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// How many lines are read of one file before the next is looked at.
const TURN_LINES: u64 = 256;

/// Source name of a file that no configured source stands behind.
const PLAIN_SOURCE: &str = "file";

/// A file to read, and how.
pub(super) struct EventFile {
    /// Its path, or `-`.
    pub(super) path: PathBuf,
    /// Its source partition and mapping.
    pub(super) input: IntakeInput,
}

/// What each argument stands for: `FILE`, or `SOURCE=FILE` to read it by the mapping of a configured source. A plain
/// `FILE` is read by the source that names it, else by the only source configured, else as `samenloop` writes events.
pub(super) fn event_files(arguments: &[PathBuf], settings: &Settings) -> anyhow::Result<Vec<EventFile>> {
    let mut files: Vec<EventFile> = Vec::with_capacity(arguments.len());
    for argument in arguments {
        let (name, path, spec) = mapping_of(argument, settings)?;
        if path == Path::new("-") && files.iter().any(|file| file.path == path) {
            return Err(UsageError("-: stdin can be read once only".to_owned()).into());
        }
        if spec.format == Format::Avro {
            let message =
                format!("{}: source {name} has format = \"avro\", and files are read as JSON lines", path.display());
            return Err(UsageError(message).into());
        }
        let mapping =
            spec.compile().with_context(|| UsageError(format!("source {name}: its mapping cannot be used")))?;
        let partition = files.iter().filter(|file| *file.input.source.source == *name).count();
        let partition = Partition(u32::try_from(partition).unwrap_or(u32::MAX));
        let source = SourcePartition { source: Arc::from(name), partition };
        files.push(EventFile { path, input: IntakeInput { source, mapping: Arc::new(mapping) } });
    }
    Ok(files)
}

fn mapping_of(argument: &Path, settings: &Settings) -> anyhow::Result<(String, PathBuf, MappingSpec)> {
    let text = argument.to_string_lossy();
    if let Some((name, path)) = text.split_once('=').filter(|_| !argument.exists()) {
        let names: Vec<&str> = settings.sources.iter().map(|source| &*source.name).collect();
        let source = settings.sources.iter().find(|source| source.name == name);
        let source = source.with_context(|| {
            UsageError(format!("{text}: no source is called {name:?}; the settings name {names:?}"))
        })?;
        return Ok((name.to_owned(), PathBuf::from(path), source.mapping.clone()));
    }
    let named = settings.sources.iter().find(|source| source.file.as_deref().map(Path::new) == Some(argument));
    let source = match (named, &settings.sources[..]) {
        (Some(source), _) => source,
        (None, [only]) => only,
        (None, []) => return Ok((PLAIN_SOURCE.to_owned(), argument.to_owned(), MappingSpec::default())),
        (None, several) => {
            let names: Vec<&str> = several.iter().map(|source| &*source.name).collect();
            let message = format!("{text}: which of the sources {names:?} is it? Write it as SOURCE={text}");
            return Err(UsageError(message).into());
        }
    };
    Ok((source.name.clone(), argument.to_owned(), source.mapping.clone()))
}

struct Reading {
    file: LineFile,
    topic: String,
    ended: bool,
}

/// How files are read.
pub(super) struct Turns<'a> {
    /// How many lines are read of one file before the next is looked at.
    pub(super) lines: u64,
    /// How far, in ms of event time, a file may be ahead of the one that is furthest behind before it waits.
    pub(super) align_ms: i64,
    /// Which lines are read at all, by the number of the file and of the line, both from 0.
    pub(super) is_wanted: &'a dyn Fn(usize, u64) -> bool,
}

impl Turns<'_> {
    /// Every line.
    pub(super) fn of(settings: &Settings) -> Self {
        Self { lines: TURN_LINES, align_ms: settings.intake.align_ms, is_wanted: &|_, _| true }
    }
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
) -> anyhow::Result<u64> {
    let mut readings = Vec::with_capacity(files.len());
    for (input, event_file) in files.iter().enumerate() {
        let file = LineFile::open(&event_file.path, progress)?;
        readings.push(Reading { topic: file.name().to_owned(), file, ended: false });
        pipeline.set_stream(input, true);
    }
    pipeline.take_in()?;
    let (mut lines, mut at_hand) = (0, 0);
    while let Some(input) = next_input(&readings, at_hand, turns.align_ms, pipeline) {
        at_hand = input;
        lines += read_turn(input, &mut readings[input], turns, pipeline)?;
        if !each_turn(pipeline, lines)? {
            break;
        }
    }
    Ok(lines)
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
        let Some((number, line)) = reading.file.next()? else {
            reading.ended = true;
            pipeline.end_input(input)?;
            return Ok(turn);
        };
        if !(turns.is_wanted)(input, number) {
            continue;
        }
        let record = Record { topic: &reading.topic, value: Some(line), ..Record::default() };
        pipeline.feed(input, NextOffset(number), &record)?;
    }
    pipeline.take_in()?;
    Ok(turns.lines)
}
