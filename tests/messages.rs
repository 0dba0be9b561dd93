//! What the operator's guide says of messages is what the program says: every error about snapshots and starts is in its tables, and every
//! message in the tables is in the program.

#![allow(clippy::unwrap_used, clippy::panic)] // tests

use samenloop::drive::recovery::Refusal;
use samenloop::position::{Checkpoint, CheckpointError, NextOffset, Partition, Position, SourcePartition};
use samenloop::snapshot::{FormatError, StoreError};
use samenloop::stage::{BeginningError, Log};
use std::path::Path;

/// In place of what differs from message to message.
const GAPS: [&str; 3] = ["…", " N", " M"];

fn guide() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md")).unwrap()
}

/// The messages in the first column of tables of messages, each as the texts between its gaps.
fn told(guide: &str) -> Vec<Vec<String>> {
    let mut messages = Vec::new();
    let mut is_in_table = false;
    for line in guide.lines() {
        is_in_table = line.starts_with("| the message says") || is_in_table && line.starts_with('|');
        let Some(cell) = line.split('|').nth(1).filter(|_| is_in_table) else { continue };
        for message in cell.split('*').skip(1).step_by(2) {
            let mut text = message.to_owned();
            GAPS.iter().for_each(|gap| text = text.replace(gap, "\n"));
            let parts = text.split('\n').map(|part| part.trim().to_owned());
            messages.push(parts.filter(|part| part.len() > 1).collect());
        }
    }
    messages
}

/// Whether the parts stand in a text, one behind the other.
fn holds(text: &str, parts: &[String]) -> bool {
    let mut rest = text;
    parts.iter().all(|part| match rest.find(part.as_str()) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

/// The program's text, with what a line of a message goes on with behind it.
fn program(folder: &Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.push_str(&program(&path));
        } else {
            let text = std::fs::read_to_string(&path).unwrap();
            let joined = text.split("\\\n").map(str::trim_start).collect::<Vec<_>>();
            all.push_str(&joined.concat());
        }
    }
    all
}

fn store_errors() -> Vec<StoreError> {
    let (object, said) = (|| "samenloop./rows-000/7.snapshot".to_owned(), || "words".to_owned());
    let format = |source| StoreError::Format { object: object(), source };
    vec![
        StoreError::Url { reason: said() },
        StoreError::Feature { scheme: "s3".to_owned() },
        StoreError::Name { name: object(), reason: said() },
        StoreError::Missing { object: object() },
        StoreError::Replaced { object: object() },
        StoreError::Full { object: object(), said: said() },
        StoreError::Unavailable { object: object(), said: said() },
        StoreError::Refused { object: object(), said: said() },
        StoreError::NoId { object: object() },
        StoreError::Exchanged { object: object() },
        StoreError::NotAsWritten { object: object(), said: said() },
        StoreError::Abandoned { object: object() },
        StoreError::Stopped { object: object() },
        format(FormatError::NotOurs),
        format(FormatError::OtherFormat { found: 2, known: 1 }),
        format(FormatError::Codec(said())),
    ]
}

fn refusals() -> Vec<Refusal> {
    let at = |offset| Checkpoint::origin(Position::start_of(NextOffset(offset)));
    let (log, partition, input) = (Log::Pairs, Partition(0), || SourcePartition::new("pairs", 0));
    let name = || "samenloop./rows-000/7.snapshot".to_owned();
    let ends = at(9).resume(NextOffset(0), NextOffset(3), None).unwrap_err();
    let starts = at(2).resume(NextOffset(5), NextOffset(9), None).unwrap_err();
    let both: [CheckpointError; 2] = [ends, starts];
    let mut all = vec![
        Refusal::StartLost { log, partition, low: NextOffset(5), from: NextOffset(0) },
        Refusal::Emptied { log, behind: Log::Totals, position: Position::default() },
    ];
    all.push(Refusal::Ahead { name: name(), input: input(), error: ends });
    for error in both {
        all.push(Refusal::Input { input: input(), log: Log::Totals, error });
    }
    all
}

fn beginning_errors() -> Vec<BeginningError> {
    let (partition, source_partition) = (Partition(0), SourcePartition::new("web", 1));
    let (first, chains) = (Position::default(), Position::start_of(NextOffset(4)));
    vec![
        BeginningError::NoId,
        BeginningError::OtherLog { partition, offset: NextOffset(3), first: 1, found: 2 },
        BeginningError::Gap { partition, source_partition: source_partition.clone(), first, chains },
        BeginningError::Unheard { partition, source_partition },
    ]
}

#[test]
fn every_error_about_stores_and_starts_is_in_the_guide() {
    let told = told(&guide());
    let store = store_errors().into_iter().map(|error| format!("passed over: {error}"));
    let beginnings = beginning_errors().into_iter().map(|error| error.to_string());
    let refusals = refusals().into_iter().map(|refusal| refusal.to_string());
    for message in store.chain(refusals).chain(beginnings) {
        assert!(
            told.iter().any(|parts| holds(&message, parts)),
            "docs/operations.md does not say what to do about: {message}"
        );
    }
}

#[test]
fn every_message_in_the_guide_is_one_of_the_program() {
    let (told, program) = (told(&guide()), program(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")));
    assert!(told.len() > 40, "only {} messages", told.len());
    let strange: Vec<String> = told
        .iter()
        .filter(|parts| !parts.iter().all(|part| program.contains(part.as_str())))
        .map(|parts| parts.join(" … "))
        .collect();
    assert!(strange.is_empty(), "docs/operations.md has messages that the program has not: {strange:#?}");
}
