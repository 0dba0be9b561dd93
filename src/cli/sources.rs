//! Event files as sources: which mapping each is read by, and their reading in step, so that a backlog of several is
//! merged by event time with little held.

use super::UsageError;
use super::files::LineFile;
use crate::config::Settings;
use crate::edge::{Pipeline, Sink, Transport};
use crate::intake::{MappingSpec, Record};
use crate::position::{NextOffset, Partition, SourcePartition};
use crate::stage::IntakeInput;
use anyhow::Context as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// How many lines are read of one file before the next is looked at.
const TURN_LINES: usize = 256;

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

/// Reads all files to their ends: always on with the one whose events are oldest. `each_turn` is called between turns
/// with how many lines have been read, and ends the reading early when it returns `false`.
pub(super) fn read_all<T: Transport, S: Sink>(
    files: &[EventFile],
    pipeline: &mut Pipeline<T, S>,
    progress: &Arc<AtomicU64>,
    each_turn: impl FnMut(&mut Pipeline<T, S>, u64) -> anyhow::Result<bool>,
) -> anyhow::Result<u64> {
    read_chosen(files, pipeline, progress, |_, _| true, each_turn)
}

/// The same for some of the lines: `is_wanted` is asked by the number of the file and of the line, both from 0.
pub(super) fn read_chosen<T: Transport, S: Sink>(
    files: &[EventFile],
    pipeline: &mut Pipeline<T, S>,
    progress: &Arc<AtomicU64>,
    is_wanted: impl Fn(usize, u64) -> bool,
    mut each_turn: impl FnMut(&mut Pipeline<T, S>, u64) -> anyhow::Result<bool>,
) -> anyhow::Result<u64> {
    let mut readings = Vec::with_capacity(files.len());
    for (input, event_file) in files.iter().enumerate() {
        let file = LineFile::open(&event_file.path, progress)?;
        readings.push(Reading { topic: file.name().to_owned(), file, ended: false });
        pipeline.open_input(input, NextOffset(0), None)?;
    }
    let mut lines = 0;
    loop {
        let open = readings.iter().enumerate().filter(|(_, reading)| !reading.ended).map(|(input, _)| input);
        let Some(input) = open.min_by_key(|&input| pipeline.intake().work().highest(input)) else { break };
        lines += read_turn(input, &mut readings[input], pipeline, &is_wanted)?;
        if !each_turn(pipeline, lines)? {
            break;
        }
    }
    Ok(lines)
}

fn read_turn<T: Transport, S: Sink>(
    input: usize,
    reading: &mut Reading,
    pipeline: &mut Pipeline<T, S>,
    is_wanted: &impl Fn(usize, u64) -> bool,
) -> anyhow::Result<u64> {
    for turn in 0..TURN_LINES {
        let Some((number, line)) = reading.file.next()? else {
            reading.ended = true;
            pipeline.end_input(input)?;
            return Ok(turn as u64);
        };
        if !is_wanted(input, number) {
            continue;
        }
        let record = Record { topic: &reading.topic, value: Some(line), ..Record::default() };
        pipeline.feed(input, NextOffset(number), record)?;
    }
    Ok(TURN_LINES as u64)
}
