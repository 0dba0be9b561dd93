//! The architecture as a test: which room may know which, what stays out of the core, how long a file may be.
//!
//! The source is read as tokens (`reader`), without comments, texts and test code. Paths from the crate's root (`crate::rows::Row`,
//! also in groups, also by `super`) are arrows between rooms. Every rule is shown to fail on a small example below.

#![allow(clippy::unwrap_used, clippy::panic)] // tests

mod reader;

use reader::{Named, Token, mark_tests, panics, paths, spans, tokens};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What every room shares.
const VOCABULARY: &[&str] =
    &["event", "items", "limits", "memory", "position", "relation", "list_key", "rules", "saved"];

/// The arrows there may be, besides those to the vocabulary: from a room to the rooms it knows.
const ARROWS: &[(&str, &[&str])] = &[
    ("event", &[]),
    ("items", &[]),
    ("memory", &[]),
    ("limits", &[]),
    ("position", &[]),
    ("relation", &[]),
    ("list_key", &[]),
    ("rules", &[]),
    ("saved", &[]),
    ("facts", &[]),
    ("intake", &["facts"]),
    ("windows", &[]),
    ("clicks", &[]),
    ("wire", &[]),
    ("rows", &[]),
    ("rank", &["facts", "rows"]),
    ("publish", &["facts", "rank"]),
    ("warm", &["intake", "publish"]),
    ("findings", &[]),
    ("stage", &["facts", "intake", "windows", "clicks", "wire", "rows", "rank", "publish", "findings"]),
    ("snapshot", &[]),
    ("watch", &["facts", "intake", "clicks", "rows", "findings", "stage"]),
    ("serve", &["facts", "clicks", "rows", "rank", "publish", "stage", "watch"]),
    ("drive", &["facts", "intake", "wire", "publish", "findings", "stage", "watch", "serve", "snapshot", "config"]),
    ("kafka", &["facts", "intake", "wire", "rows", "rank", "publish", "stage", "watch", "serve", "drive", "config"]),
    ("config", &["facts", "intake"]),
    ("cache", &["intake", "publish", "warm", "watch", "drive", "config"]),
    (
        "cli",
        &[
            "facts", "intake", "windows", "clicks", "wire", "rows", "rank", "publish", "findings", "stage", "snapshot",
            "watch", "serve", "drive", "kafka", "config", "warm", "cache",
        ],
    ),
    ("main", &["cli"]),
    ("lib", &[]),
];

/// The rooms that may touch the world.
const OUTER: &[&str] = &["snapshot", "watch", "serve", "drive", "kafka", "cache", "cli"];

/// What only the outer rooms may name: clocks, files, sockets, threads, randomness, and the libraries for them.
const OUTER_PATHS: &[&str] = &[
    "std::time::SystemTime",
    "std::time::Instant",
    "std::fs",
    "std::net",
    "std::thread",
    "std::env",
    "std::process",
    "std::io::stdin",
    "std::io::stdout",
    "std::io::stderr",
    "jiff::Timestamp::now",
    "jiff::Zoned::now",
    "tokio",
    "axum",
    "object_store",
    "prometheus",
    "rand",
    "rand_chacha",
    "redis",
    "rand_distr",
    "ureq",
    "ctrlc",
    "console",
    "indicatif",
    "clap",
    "anyhow",
    "tracing_subscriber",
];

/// `main.rs` hands its exit code to the process.
const EXCEPTIONS: &[(&str, &str)] = &[("main", "std::process")];

const LINES_MAX: usize = 500;

/// Where every list goes out: it is encoded here once, straight from ids, so none of these makes strings or a second text of it.
const LISTS_GO_OUT: &str = "drive/rows/effects.rs";
const SECOND_TEXTS: &[&str] =
    &["ListRecord", "EntryRecord", "write_json", "serde_json", "to_string", "format", "String"];

/// `tests/fuzz` builds with its lock as it is.
#[test]
fn the_lock_of_the_fuzzers_knows_what_the_program_depends_on() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
    let (manifest, lock) = (read("Cargo.toml"), read("fuzz/Cargo.lock"));
    let wanted = manifest.split("\n[dependencies]\n").nth(1).unwrap().split("\n[").next().unwrap().lines();
    let wanted: BTreeSet<&str> = wanted.filter_map(|line| Some(line.split_once(" = ")?.0)).collect();
    let held = lock.split("\nname = \"samenloop\"\n").nth(1).unwrap().split("\n]").next().unwrap().lines();
    let held: BTreeSet<&str> = held.filter_map(|line| line.strip_prefix(" \"")?.split(['"', ' ']).next()).collect();
    assert!(wanted.len() > 30, "{wanted:?}");
    let missing: Vec<_> = wanted.difference(&held).collect();
    assert!(missing.is_empty(), "{missing:?}: run `cargo metadata` in fuzz/, and commit its lock");
}

#[test]
fn the_source_keeps_to_the_architecture() {
    let files = sources();
    let complaints: Vec<String> = files.iter().flat_map(|file| file.complaints()).collect();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn every_file_is_seen_and_belongs_to_the_program() {
    let files = sources();
    let seen: BTreeSet<String> = files.iter().map(|file| file.path.clone()).collect();
    let mut declared = BTreeSet::from(["lib.rs".to_owned(), "main.rs".to_owned()]);
    for file in &files {
        declared.extend(file.declared());
    }
    // A `mod` line allows two places; the compiler takes the one that is there.
    declared.retain(|path| seen.contains(path));
    assert_eq!(seen, declared, "files that no `mod` line names are not part of the program");
    assert_eq!(files.len(), count(&root()), "files the walk did not see");
    assert!(files.len() >= 25, "only {} files", files.len());
    let rooms: BTreeSet<&str> = files.iter().map(SourceFile::room).collect();
    assert_eq!(rooms, ARROWS.iter().map(|(room, _)| *room).collect(), "the rooms and their list of arrows");
}

#[test]
fn each_rule_can_fail() {
    let long = format!("//! Long.\n{}", "\n".repeat(LINES_MAX));
    for (path, text, expected) in [
        ("rows/mod.rs", "//! A.\nuse crate::windows::Visitor;", "rows/mod.rs:2: rows may not know windows"),
        ("rows/mod.rs", "//! A.\nuse crate::{event::Event, rank::List};", "rows/mod.rs:2: rows may not know rank"),
        ("rows/slab.rs", "//! A.\nfn f() { crate::wire::read() }", "rows/slab.rs:2: rows may not know wire"),
        ("rows/slab.rs", "//! A.\nuse super::super::wire::Block;", "rows/slab.rs:2: rows may not know wire"),
        ("rows/mod.rs", "//! A.\nuse super::wire;", "rows/mod.rs:2: rows may not know wire"),
        ("event.rs", "//! A.\nuse crate::intake::X;", "event.rs:2: event may not know intake"),
        ("publish/mod.rs", "//! A.\nuse crate::rows::Row;", "publish/mod.rs:2: publish may not know rows"),
        ("stage/mod.rs", "//! A.\nuse crate::drive::Kafka;", "stage/mod.rs:2: stage may not know drive"),
        ("kafka/mod.rs", "//! A.\nuse crate::cli::Outcome;", "kafka/mod.rs:2: kafka may not know cli"),
        ("drive/mod.rs", "//! A.\nuse crate::kafka::Reader;", "drive/mod.rs:2: drive may not know kafka"),
        ("serve/mod.rs", "//! A.\nuse crate::drive::Pipeline;", "serve/mod.rs:2: serve may not know drive"),
        ("cache/mod.rs", "//! A.\nuse crate::kafka::Reader;", "cache/mod.rs:2: cache may not know kafka"),
        ("warm/mod.rs", "//! A.\nuse crate::drive::Reader;", "warm/mod.rs:2: warm may not know drive"),
        ("warm/mod.rs", "//! A.\nuse redis::Client;", "warm/mod.rs:2: redis::Client is for the outer rooms only"),
        ("snapshot/mod.rs", "//! A.\nuse crate::stage::Machine;", "snapshot/mod.rs:2: snapshot may not know stage"),
        (
            "stage/mod.rs",
            "//! A.\nuse object_store::path::Path;",
            "stage/mod.rs:2: object_store::path::Path is for the outer",
        ),
        ("watch/mod.rs", "//! A.\nuse crate::serve::View;", "watch/mod.rs:2: watch may not know serve"),
        ("drive/mod.rs", "//! A.\nuse crate::windows::Visitor;", "drive/mod.rs:2: drive may not know windows"),
        ("main.rs", "//! A.\nuse samenloop::rows;", "main.rs:2: main may not know rows"),
        ("rows/mod.rs", "//! A.\nuse crate::*;", "rows/mod.rs:2: a glob of the crate's root hides arrows"),
        ("rows/mod.rs", "//! A.\nuse crate as all;", "rows/mod.rs:2: another name for the crate's root hides arrows"),
        ("attic/mod.rs", "//! A.", "attic/mod.rs:1: the room attic has no list of arrows"),
        (
            LISTS_GO_OUT,
            "//! A.\nfn f() { codec.encode(a); }\nfn g() { codec.encode(b); }",
            "drive/rows/effects.rs:3: a list is encoded once, straight from ids",
        ),
        (
            LISTS_GO_OUT,
            "//! A.\nfn f() { publication.record(); delay.record(); }",
            "drive/rows/effects.rs:2: a list is encoded once, straight from ids",
        ),
        (
            LISTS_GO_OUT,
            "//! A.\nfn f() { publication.write_json(out); }",
            "drive/rows/effects.rs:2: a list is encoded once, straight from ids",
        ),
        (
            "rank/mod.rs",
            "//! A.\nuse std::time::Instant;",
            "rank/mod.rs:2: std::time::Instant is for the outer rooms only",
        ),
        (
            "rank/mod.rs",
            "//! A.\nuse std::{fmt, time::{Duration, SystemTime}};",
            "rank/mod.rs:2: std::time::SystemTime is for the outer rooms only",
        ),
        ("rank/mod.rs", "//! A.\nuse std::time::*;", "rank/mod.rs:2: std::time::* is for the outer rooms only"),
        ("rank/mod.rs", "//! A.\nuse std::time;\nfn f() { time::Instant::now() }", "rank/mod.rs:3: time::Instant"),
        ("wire/mod.rs", "//! A.\nuse std::fs::File;", "wire/mod.rs:2: std::fs::File is for the outer rooms only"),
        ("wire/mod.rs", "//! A.\nuse std::{fs, io};", "wire/mod.rs:2: std::fs is for the outer rooms only"),
        (
            "config.rs",
            "//! A.\nfn f() { std::env::var(\"x\") }",
            "config.rs:2: std::env::var is for the outer rooms only",
        ),
        ("rows/mod.rs", "//! A.\nuse rand::Rng;", "rows/mod.rs:2: rand::Rng is for the outer rooms only"),
        (
            "rows/mod.rs",
            "//! A.\nfn f() { ::tokio::spawn(x) }",
            "rows/mod.rs:2: tokio::spawn is for the outer rooms only",
        ),
        (
            "stage/mod.rs",
            "//! A.\nuse prometheus::Registry;",
            "stage/mod.rs:2: prometheus::Registry is for the outer rooms",
        ),
        ("stage/mod.rs", "//! A.\nuse axum::Router;", "stage/mod.rs:2: axum::Router is for the outer rooms only"),
        (
            "stage/mod.rs",
            "//! A.\nfn f() { std::thread::spawn(g) }",
            "stage/mod.rs:2: std::thread::spawn is for the outer rooms",
        ),
        (
            "stage/mod.rs",
            "//! A.\nuse std::net::TcpStream;",
            "stage/mod.rs:2: std::net::TcpStream is for the outer rooms",
        ),
        ("cli/mod.rs", "//! A.\nfn f() { x.unwrap() }", "cli/mod.rs:2: unwrap outside tests"),
        ("cli/mod.rs", "//! A.\nfn f() {\n x\n  .expect(\"y\") }", "cli/mod.rs:4: expect outside tests"),
        ("cli/mod.rs", "//! A.\nfn f() { Option::unwrap(x) }", "cli/mod.rs:2: unwrap outside tests"),
        ("cli/mod.rs", "//! A.\nfn f() { panic!() }", "cli/mod.rs:2: panic! outside tests"),
        ("cli/mod.rs", "//! A.\nfn f() { todo!() }", "cli/mod.rs:2: todo! outside tests"),
        ("cli/mod.rs", "//! A.\nfn f() { unimplemented!() }", "cli/mod.rs:2: unimplemented! outside tests"),
        (
            "cli/mod.rs",
            "//! A.\n#[cfg(test)]\nmod tests { fn f() { x.unwrap() } }\nfn g() { y.unwrap() }",
            "cli/mod.rs:4: unwrap outside tests",
        ),
        ("cli/mod.rs", "use std::fmt;", "cli/mod.rs:1: does not start with //!"),
        ("cli/mod.rs", long.as_str(), "cli/mod.rs:501: more than 500 lines"),
    ] {
        let complaints = SourceFile::new(path, text).complaints();
        assert!(
            complaints.len() == 1 && complaints[0].starts_with(expected),
            "{text}\n{complaints:#?}\nnot {expected}"
        );
    }
}

#[test]
fn what_is_allowed_passes() {
    let tests_of_500 = format!("//! A.\n#[cfg(test)]\nmod tests {{\n{}}}", "    // a case\n".repeat(LINES_MAX));
    for (path, text) in [
        (
            "rank/mod.rs",
            "//! A.\nuse crate::rows::Row;\nuse crate::{event, rules::ListRules};\nuse std::time::Duration;",
        ),
        ("rank/wilson.rs", "//! A.\nuse super::List;\nuse crate::rank::wilson;\npub(crate) fn f() {}"),
        (
            "rows/mod.rs",
            "//! A.\n// crate::windows::X, rand::Rng, x.unwrap()\n/* panic!() /* todo!() */ */\nfn f<'a>(x: &'a str) {}",
        ),
        (
            "rows/mod.rs",
            "//! A.\nconst A: &str = \"crate::windows::X \\\" panic!()\"; const B: &str = r#\"x.\"unwrap()\"#;",
        ),
        ("rows/mod.rs", "//! A.\nconst A: char = '\"'; const B: u8 = b'\\''; const C: &str = \"panic!()\";"),
        ("rows/mod.rs", "//! A.\n#[cfg(test)]\nmod tests { use crate::windows::X; fn f() { x.unwrap(); panic!() } }"),
        (
            "rows/mod.rs",
            "//! A.\n#[cfg(test)]\n#[allow(dead_code)]\npub(crate) fn f() -> [u8; 2] { panic!() }\nfn g() {}",
        ),
        ("rows/tests.rs", "//! A.\nuse crate::windows::X;\nfn f() { x.unwrap() }"),
        (
            "rows/mod.rs",
            "//! A.\nfn f() { x.unwrap_or(1); rand(); let console = 1; assert!(x); }\n#[expect(dead_code)]\nfn g() {}",
        ),
        ("drive/mod.rs", "//! A.\nuse std::time::Instant;\nuse crate::stage::Machine;\nuse tokio::sync::mpsc;"),
        ("main.rs", "//! A.\nfn main() -> std::process::ExitCode { samenloop::cli::main() }"),
        ("rows/mod.rs", tests_of_500.as_str()),
    ] {
        assert_eq!(SourceFile::new(path, text).complaints(), Vec::<String>::new(), "{text}");
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file, by its path below `src/`.
fn sources() -> Vec<SourceFile> {
    let (mut files, mut folders) = (Vec::new(), vec![root()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let relative = path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
                files.push(SourceFile::new(&relative, &fs::read_to_string(&path).unwrap()));
            }
        }
    }
    // Whole files of tests, named by a `#[cfg(test)] mod` line.
    let test_files: BTreeSet<String> = files.iter().flat_map(|file| file.modules(true)).collect();
    for file in &mut files {
        let folder = |test: &String| test.strip_suffix("mod.rs").is_some_and(|folder| file.path.starts_with(folder));
        file.is_test = file.is_test || test_files.contains(&file.path) || test_files.iter().any(folder);
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

/// Counted another way than [`sources`] does.
fn count(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| if path.is_dir() { count(&path) } else { usize::from(path.to_str().unwrap().ends_with(".rs")) })
        .sum()
}

struct SourceFile {
    path: String,
    text: String,
    /// All of it, and which of them are test code.
    tokens: Vec<Token>,
    is_test: bool,
}

impl SourceFile {
    fn new(path: &str, text: &str) -> Self {
        let mut tokens = tokens(text);
        mark_tests(&mut tokens);
        Self { path: path.to_owned(), text: text.to_owned(), tokens, is_test: path.ends_with("tests.rs") }
    }

    fn room(&self) -> &str {
        self.path.split('/').next().unwrap().trim_end_matches(".rs")
    }

    fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        let mut complain = |line: usize, message: String| complaints.push(format!("{}:{line}: {message}", self.path));
        if !self.text.starts_with("//!") {
            complain(1, "does not start with //!".to_owned());
        }
        let Some((_, rooms)) = ARROWS.iter().find(|(room, _)| *room == self.room()) else {
            complain(1, format!("the room {} has no list of arrows", self.room()));
            return complaints;
        };
        if self.is_test {
            return complaints;
        }
        let test_span: usize = spans(&self.tokens).iter().map(|(from, to)| to - from + 1).sum();
        let lines = self.text.lines().count() - test_span;
        if lines > LINES_MAX {
            complain(lines, format!("more than {LINES_MAX} lines"));
        }
        let tokens: Vec<Token> = self.tokens.iter().filter(|token| !token.in_test).cloned().collect();
        for named in paths(&tokens) {
            if let Some(message) = self.arrow(&named, rooms).or_else(|| self.outer(&named)) {
                complain(named.line, message);
            }
        }
        if self.path == LISTS_GO_OUT {
            self.second_texts(&tokens).into_iter().for_each(|(line, message)| complain(line, message));
        }
        for (line, name) in panics(&tokens) {
            complain(line, format!("{name} outside tests"));
        }
        complaints
    }

    /// Where a list is written a second time, or by way of strings.
    fn second_texts(&self, tokens: &[Token]) -> Vec<(usize, String)> {
        let is_record = |at: usize| {
            let call = ["publication", ".", "record"];
            tokens[at..].iter().zip(call).filter(|(token, text)| token.text == *text).count() == call.len()
        };
        let by_strings = (0..tokens.len()).filter(|&at| SECOND_TEXTS.contains(&&*tokens[at].text) || is_record(at));
        let again = (0..tokens.len()).filter(|&at| tokens[at].text == "encode").skip(1);
        let complain = |at: usize| (tokens[at].line, "a list is encoded once, straight from ids".to_owned());
        by_strings.chain(again).map(complain).collect()
    }

    /// What is wrong with a path as an arrow between rooms.
    fn arrow(&self, named: &Named, rooms: &[&str]) -> Option<String> {
        let first = named.segments.first()?.as_str();
        let after_root = match first {
            "crate" | "samenloop" => 1,
            // As many `super` as the file is deep lead to the root.
            "super" => {
                let supers = named.segments.iter().take_while(|segment| *segment == "super").count();
                let depth = self.path.trim_end_matches("/mod.rs").split('/').count();
                if supers < depth {
                    return None;
                }
                supers
            }
            _ => return None,
        };
        let room = match named.segments.get(after_root).map(String::as_str) {
            Some("*") => return Some("a glob of the crate's root hides arrows".to_owned()),
            None if named.is_use => return Some("another name for the crate's root hides arrows".to_owned()),
            room => room?,
        };
        let is_room = ARROWS.iter().any(|(known, _)| *known == room);
        let allowed = room == self.room() || VOCABULARY.contains(&room) || rooms.contains(&room);
        (is_room && !allowed).then(|| format!("{} may not know {room}", self.room()))
    }

    /// What is wrong with a path that leads out of the crate.
    fn outer(&self, named: &Named) -> Option<String> {
        if OUTER.contains(&self.room()) || (named.segments.len() < 2 && !named.is_use) {
            return None;
        }
        let path = named.segments.join("::");
        let forbidden = OUTER_PATHS.iter().any(|outer| {
            let excepted = EXCEPTIONS.contains(&(self.room(), outer));
            let below = path == *outer || path.starts_with(&format!("{outer}::"));
            // `std::time::*`, and `time::Instant` after `use std::time`.
            let by_glob = path.strip_suffix('*').is_some_and(|parent| outer.starts_with(parent));
            let (_, short) = outer.split_once("::").unwrap_or(("", outer));
            let by_parent = short.contains("::") && (path == short || path.starts_with(&format!("{short}::")));
            !excepted && (below || by_glob || by_parent)
        });
        forbidden.then(|| format!("{path} is for the outer rooms only"))
    }

    /// The files that `mod name;` lines may mean: only those for tests, or all.
    fn modules(&self, tests_only: bool) -> Vec<String> {
        let folder = match self.path.as_str() {
            "lib.rs" | "main.rs" => String::new(),
            path => format!("{}/", path.trim_end_matches("/mod.rs").trim_end_matches(".rs")),
        };
        let lines = self.tokens.windows(3).filter(|three| three[0].text == "mod" && three[2].text == ";");
        let names = lines.filter(|three| three[0].in_test || !tests_only).map(|three| &three[1].text);
        names.flat_map(|name| [format!("{folder}{name}.rs"), format!("{folder}{name}/mod.rs")]).collect()
    }

    fn declared(&self) -> Vec<String> {
        self.modules(false)
    }
}
