//! `samenloop replay` as a process: events in, counts, lists and changes out.

#![allow(dead_code)] // each test that includes this file uses a part of it

use super::recount::{self, Event, Row};
use super::rig;
use super::shop;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Nothing is pruned and nobody forgotten: the recount does neither.
pub const EXACT: [&str; 4] = ["--set", "counting.row_max=0", "--set", "counting.forget_after=3650d"];

/// The program, with none of the settings of whoever runs the tests.
pub fn samenloop(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_samenloop"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SAMENLOOP_")) {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// How a process ended.
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

pub fn end(command: &mut Command) -> Ended {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let ended = Ended { code: status.code(), stdout: text(stdout), stderr: text(stderr) };
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    ended
}

/// A folder of event files and what came of them.
pub struct Folder(tempfile::TempDir);

/// What a replay wrote.
pub struct Replayed {
    pub counts: Vec<Row>,
    pub lists: BTreeMap<String, serde_json::Value>,
    pub changes: Vec<serde_json::Value>,
    pub code: Option<i32>,
    pub stderr: String,
}

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file and gives its path as text.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Replays `arguments` (files and flags) and reads what it wrote; with `changes`, those too.
    pub fn replay(&self, arguments: &[&str], changes: bool) -> Replayed {
        let out = |name: &str| self.path(name).to_str().unwrap().to_owned();
        let (counts, lists, changed) = (out("counts.tsv"), out("lists.jsonl"), out("changes.jsonl"));
        let mut command = samenloop(&["replay", "--counts", &counts, "--lists", &lists]);
        if changes {
            command.args(["--changes", &changed]);
        }
        let ended = end(command.args(EXACT).args(arguments));
        assert!(matches!(ended.code, Some(0 | 3)), "{:?}: {}", ended.code, ended.stderr);
        let lists = read_json(Path::new(&lists)).into_iter().map(|list| (key(&list), list)).collect();
        Replayed {
            counts: read_counts(Path::new(&counts)),
            lists,
            changes: if changes { read_json(Path::new(&changed)) } else { Vec::new() },
            code: ended.code,
            stderr: ended.stderr,
        }
    }
}

/// `shop/list/item`.
pub fn key(list: &serde_json::Value) -> String {
    ["shop", "list", "item"].map(|field| list[field].as_str().unwrap()).join("/")
}

/// Item and score of what a list shows.
pub fn shown(list: &serde_json::Value) -> Vec<(String, f64)> {
    let entries = list["entries"].as_array().unwrap();
    entries.iter().map(|e| (e["item"].as_str().unwrap().to_owned(), e["score"].as_f64().unwrap())).collect()
}

pub fn read_json(path: &Path) -> Vec<serde_json::Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Counts as `--counts` writes them. They come sorted by their bytes; here by their fields, as the recount's.
pub fn read_counts(path: &Path) -> Vec<Row> {
    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.is_sorted(), "counts are sorted");
    let mut rows: Vec<Row> = lines.into_iter().map(rig::parsed).collect();
    recount::sort(&mut rows);
    rows
}

pub fn tally(rows: &[Row], name: &str) -> i64 {
    rows.iter().find(|row| row.kind == "tally" && row.relation == name).map_or(0, |row| row.support)
}

/// All but tallies.
pub fn without_tallies(rows: &[Row]) -> Vec<Row> {
    rows.iter().filter(|row| row.kind != "tally").cloned().collect()
}

/// A shop whose events span months: none lies in the future of whoever runs the tests, nobody is forgotten.
pub fn shop_shape() -> shop::Shape {
    let rules = recount::Rules::default();
    let edges_ms = vec![rules.session_gap, rules.view_to_order, rules.cart_gap];
    shop::Shape { edges_ms, ..shop::Shape::of(&rules) }
}

/// Events as JSON lines.
pub fn lines(events: &[Event]) -> String {
    events.iter().map(|event| rig::line(event) + "\n").collect()
}

/// The naive recount of `events`, decayed to the latest.
pub fn recounted(events: &[Event], rules: &recount::Rules) -> Vec<Row> {
    let mut recount = recount::Recount::new(rules.clone());
    events.iter().for_each(|event| recount.event(event));
    recount.rows(recount.latest())
}
