//! `samenloop replay`: files of events to lists, changes or counts.
//!
//! The files are the sources, the logs are in memory, the stages are those of the service; only the clock differs: with
//! `--changes` it is the events' own, without it lists stay silent until all has been read, as with any long backlog.

use super::output::{RejectNotes, stdout};
use super::sample::Tried;
use super::sources::{EventFile, Order, Places, Read, Turns, event_files, out_of_order, read_all, sort, vet};
use super::{Outcome, Sets, apart, assembly, facts, files, findings, sample, settings, telemetry};
use crate::config::{Flag, Settings};
use crate::drive::{MemoryLog, Pipeline, Sink};
use crate::event::{EventTime, EventType};
use crate::facts::Facts;
use crate::findings::Kind;
use crate::intake::{Reason, Reject};
use crate::list_key::ListName;
use crate::position::{NextOffset, SourcePartition};
use crate::publish::Publication;
use crate::relation::Relation;
use crate::serve::clicks::{Clicked, Figures, OfList, Rate};
use crate::serve::{tallies, write_counts};
use crate::stage::{Clocked, RowsWork, Stage};
use crate::watch::now_ms;
use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// The newest lists, by their keys.
type ListsByKey = BTreeMap<Vec<u8>, (ListName, Vec<u8>)>;

/// How many rejects are told one by one; the rest is only counted.
const REJECTS_TOLD_MAX: u64 = 100;

const HELP: &str = "\
Several files are several sources, merged by event time. With sources in the settings, \
SOURCE=FILE reads a file by the mapping of that source; a FILE that is the file of a source needs no \
name, nor does any FILE when there is one source only. Lines and facts that cannot be used are \
told on stderr; the exit code is 3 when there were any.

Examples:
  samenloop replay events.jsonl --lists lists.jsonl
  samenloop replay orders.jsonl.gz views.jsonl.zst --changes changes.jsonl
  samenloop --config shop.toml replay clicks=clicks.jsonl sales=sales.jsonl.gz
  samenloop --config shop.toml replay orders.csv --sample 5
  zcat events.jsonl.gz | samenloop replay - --lists -";

/// Counts the events of files and writes what comes of them.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    pub(super) sets: Sets,
    /// Events as JSON lines, a JSON array or CSV, plain, .gz or .zst; - is stdin
    #[arg(required = true, value_name = "[SOURCE=]FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Write the final lists, everything exact and ranked at the end
    #[arg(help_heading = "Output", long, value_name = "FILE")]
    pub(crate) lists: Option<PathBuf>,
    /// Write each change as it would have been published live. Ranks every row once per publish.sweep of event time: about
    /// 70 s for a year of 20,000 orders; a third of that or less with --set publish.sweep=24h
    #[arg(help_heading = "Output", long, value_name = "FILE")]
    pub(crate) changes: Option<PathBuf>,
    /// Write the final counts
    #[arg(help_heading = "Output", long, value_name = "FILE")]
    pub(crate) counts: Option<PathBuf>,
    /// Only show the first N records of each file, as the events or the rejects that they become; nothing is counted
    #[arg(help_heading = "Reading", long, value_name = "N", value_parser = sample::count, conflicts_with_all = ["lists", "changes", "counts"])]
    pub(crate) sample: Option<usize>,
    /// Show user ids in the sample, not their fingerprints
    #[arg(help_heading = "Reading", long, requires = "sample")]
    pub(crate) show_users: bool,
    /// Partitions of both logs
    #[arg(help_heading = "Logs", long, value_name = "N")]
    pub(crate) partitions: Option<u32>,
    /// In which order the records of a file are counted. A file that is not in the order of time is sorted, in memory up to
    /// 256 MiB, else in temporary files
    #[arg(help_heading = "Reading", long, value_enum, value_name = "ORDER", default_value_t)]
    pub(crate) order: Order,
    /// Decay the counts of --counts to this time, ms since 1970; lists stay at the latest event [default: the latest event]
    #[arg(help_heading = "Output", long, value_name = "MS", allow_negative_numbers = true)]
    pub(crate) as_of: Option<i64>,
    /// Exit with 3 where something is warned of, as where records are rejected
    #[arg(long)]
    pub(crate) strict: bool,
    /// Send every block of the logs twice: nothing may change
    #[arg(help_heading = "Logs", long)]
    pub(crate) resend_blocks: bool,
    /// Close a block of the logs after so many records
    #[arg(help_heading = "Logs", long, value_name = "N")]
    pub(crate) block_records: Option<usize>,
}

impl ReplayArgs {
    /// The settings that its flags stand for.
    pub(super) fn settings(&self) -> Vec<Flag> {
        let mut flags: Vec<Flag> = self.partitions.into_iter().flat_map(settings::partitions).collect();
        flags.extend(self.block_records.map(|count| settings::flag("--block-records", "logs.block_records", count)));
        flags
    }

    /// Where it writes to, with the flags that say so.
    fn outputs(&self) -> Vec<(&'static str, &Path)> {
        let outputs = [("--lists", &self.lists), ("--changes", &self.changes), ("--counts", &self.counts)];
        outputs.into_iter().filter_map(|(flag, path)| Some((flag, path.as_deref()?))).collect()
    }
}

pub(super) fn run(args: ReplayArgs, settings: Settings) -> anyhow::Result<Outcome> {
    let mut files = event_files(&args.files, &settings)?;
    if let Some(count) = args.sample {
        return show(&files, &settings, count, &args);
    }
    let inputs: Vec<&Path> = files.iter().map(|file| &*file.path).collect();
    apart::check(&inputs, &args.outputs())?;
    if args.changes.is_some() {
        // What has been published as a change cannot be taken back.
        let all: Vec<usize> = (0..files.len()).collect();
        vet(&mut files, &all, true);
    }
    let numbers = match args.order {
        Order::Time => (0..files.len()).collect(),
        Order::Auto if args.changes.is_some() => out_of_order(&files)?,
        Order::Auto | Order::File => Vec::new(),
    };
    sort(&mut files, &numbers)?;
    if args.changes.is_some() {
        vet(&mut files, &numbers, true);
    }
    let changes = args.changes.as_deref().map(create).transpose()?;
    let rejects = RejectNotes::new(settings.log.format, REJECTS_TOLD_MAX);
    let started = Instant::now();
    let (facts, refused) = facts::of_files(&settings)?;
    let (mut pipeline, lines) = count(&args, &mut files, &settings, facts, changes, rejects)?;
    pipeline.rest()?;
    let seconds = started.elapsed().as_secs_f64();

    let mut lists_held = None;
    if let Some(path) = &args.lists {
        pipeline.sink().lists = Some(BTreeMap::new());
        pipeline.publish_all()?;
        let lists = pipeline.sink().lists.take().unwrap_or_default();
        lists_held = Some(by_name(lists.values().map(|(list, _)| *list)));
        write_lists(path, lists)?;
    }
    if let Some(changes) = &mut pipeline.sink().changes {
        changes.flush().context("the changes could not be written")?;
    }
    if let Some(path) = &args.counts {
        write_counts(&pipeline.asked(), args.as_of.map(EventTime), &mut create(path)?)
            .with_context(|| format!("{}: the counts could not be written", path.display()))?;
    }
    summarise(&pipeline, lines, lists_held, seconds);
    let found = findings::of_files(&pipeline, &files, &settings.lists, lists_held);
    findings::tell(&found);
    if args.outputs().is_empty() {
        tracing::info!(
            "nothing was written: --lists FILE gives the final lists, --changes FILE each change as it would have been \
             published live, --counts FILE the counts behind them"
        );
    }
    pipeline.sink().rejects.note_more();
    let rejected = pipeline.intake_tally().rejected();
    Ok(findings::outcome(&found, rejected + refused > 0, args.strict))
}

/// Shows the first `count` records of each file, and what they become.
fn show(files: &[EventFile], settings: &Settings, count: usize, args: &ReplayArgs) -> anyhow::Result<Outcome> {
    let mut out = stdout();
    let (mut has_rejects, mut has_empty) = (false, false);
    for file in files {
        let tried = Tried::of_file(settings, file, count, args.show_users)?;
        for line in &tried.lines {
            writeln!(out, "{line}")?;
        }
        out.flush()?;
        has_rejects |= tried.rejects > 0;
        has_empty |= tried.lines.is_empty();
        let file = file.path.display();
        if tried.lines.is_empty() {
            tracing::warn!("{file}: holds no record: {}", Kind::Empty.remedy());
        } else {
            tracing::info!("{file}: {}; nothing was counted", tried.summary("first"));
        }
    }
    Ok(if has_rejects || (args.strict && has_empty) { Outcome::DoneWithRejects } else { Outcome::Done })
}

/// How many there are of each name.
fn by_name(all: impl Iterator<Item = ListName>) -> [u64; ListName::COUNT] {
    let mut counts = [0; ListName::COUNT];
    all.for_each(|list| counts[list.index()] += 1);
    counts
}

/// Counts all files, and begins anew where one is out of order, or leaps ahead.
fn count(
    args: &ReplayArgs,
    files: &mut [EventFile],
    settings: &Settings,
    facts: Option<Arc<Facts>>,
    mut changes: Option<Box<dyn Write + Send>>,
    mut rejects: RejectNotes,
) -> anyhow::Result<(Pipeline<ReplaySink>, u64)> {
    let clocked = if args.changes.is_some() { Clocked::Events } else { Clocked::Wall };
    loop {
        let inputs = files.iter().map(|file| file.input.clone()).collect();
        let mut log = MemoryLog::new(settings.logs.events_partitions, settings.logs.pairs_partitions);
        if args.resend_blocks {
            log = log.resending();
        }
        let places = files.iter().map(|file| (file.input.source.clone(), file.places.clone())).collect();
        let sink = ReplaySink { places, changes: changes.take(), lists: None, rejects };
        let setup = assembly::setup(settings, clocked, facts.clone());
        let mut pipeline = Pipeline::open(setup, inputs, settings.intake.align_ms, log, sink)?;
        match read(args, files, &mut pipeline, settings)? {
            Read::Done(lines) => return Ok((pipeline, lines)),
            Read::OutOfOrder(numbers) => {
                for file in numbers.iter().filter_map(|&number| files.get(number)) {
                    tracing::info!(file = %file.path.display(), "not in the order of time: is sorted first");
                }
                sort(files, &numbers)?;
            }
            Read::Leaps(numbers) => vet(files, &numbers, true),
        }
        let mut sink = pipeline.sink();
        (changes, rejects) = (sink.changes.take(), sink.rejects.take_again());
    }
}

fn read(
    args: &ReplayArgs,
    files: &[EventFile],
    pipeline: &mut Pipeline<ReplaySink>,
    settings: &Settings,
) -> anyhow::Result<Read> {
    let read = Arc::new(AtomicU64::new(0));
    let shows_progress = telemetry::shows_progress(settings.log);
    let bar = if shows_progress { progress_bar(&args.files) } else { ProgressBar::hidden() };
    pipeline.wall_clock(now_ms()); // future times are corrected by it
    // Full blocks of several partitions would each cover another stretch of time, and the rows' clock would leap. Live,
    // nothing waits for a block to fill: so here all partitions are brought to the same time whenever a list may be due.
    let is_split = settings.logs.events_partitions.max(settings.logs.pairs_partitions) > 1;
    let step_ms = (args.changes.is_some() && is_split).then_some(settings.publish.min_interval_ms.max(1));
    let mut turns = Turns { minds_order: args.order == Order::Auto && args.changes.is_none(), ..Turns::of(settings) };
    if step_ms.is_some() {
        turns.lines = 1;
    }
    let mut flushed_at: Option<EventTime> = None;
    let lines = read_all(files, pipeline, &read, &turns, |pipeline, _| {
        bar.set_position(read.load(Ordering::Relaxed));
        let Some(step_ms) = step_ms else { return Ok(true) };
        let highest = (0..files.len()).filter_map(|input| pipeline.highest(input)).max();
        if highest.is_some_and(|now| flushed_at.is_none_or(|at| now.since(at) >= step_ms)) {
            flushed_at = highest;
            pipeline.flush()?;
        }
        Ok(true)
    });
    bar.finish_and_clear();
    lines
}

fn progress_bar(paths: &[PathBuf]) -> ProgressBar {
    let Some(total) = files::total_bytes(paths) else { return ProgressBar::new_spinner() };
    let bar = ProgressBar::new(total);
    let style = "{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar
}

fn create(path: &Path) -> anyhow::Result<Box<dyn Write + Send>> {
    if path == Path::new("-") {
        return Ok(Box::new(stdout()));
    }
    let file = File::create(path).with_context(|| format!("{}: cannot be written", path.display()))?;
    Ok(Box::new(BufWriter::new(file)))
}

fn write_lists(path: &Path, lists: ListsByKey) -> anyhow::Result<()> {
    let context = || format!("{}: the lists could not be written", path.display());
    let mut out = create(path)?;
    for (_, record) in lists.into_values() {
        out.write_all(&record).with_context(context)?;
        out.write_all(b"\n").with_context(context)?;
    }
    out.flush().with_context(context)
}

/// What was read and what became of it, on stderr: every figure a field of its own.
fn summarise(pipeline: &Pipeline<ReplaySink>, lines: u64, lists: Option<[u64; ListName::COUNT]>, seconds: f64) {
    let tally = pipeline.intake_tally();
    let (rows, pairs) = pipeline.rows().iter().fold((0, 0), |(rows, pairs), stage| {
        let stats = stage.work().rows().stats();
        (rows + stats.rows, pairs + stats.pairs)
    });
    let tallies = tallies(&pipeline.asked());
    let events = |name| tallies.get(name).copied().unwrap_or(0);
    #[allow(clippy::cast_precision_loss)] // a rate for people
    let per_second = (lines as f64 / seconds.max(1e-9)).round();
    tracing::info!(
        lines,
        seconds = (seconds * 1e3).round() / 1e3,
        per_second,
        accepted = events("accepted"),
        duplicate = events("duplicate"),
        late = events("late"),
        overlong = events("overlong"),
        bulk = events("bulk"),
        rejected = events("rejected"),
        skipped = tally.skipped,
        filtered = tally.filtered,
        uncountable = tally.uncountable,
        skewed = tally.skewed,
        rows,
        pairs,
        "replayed"
    );
    for event_type in EventType::ALL {
        let events = tally.accepted[event_type as usize];
        if events > 0 {
            tracing::info!(r#type = event_type.name(), events, "accepted");
        }
    }
    let (stale, unchanged, unknown_order) = (events("stale"), events("unchanged"), events("unknown_order"));
    if stale + unchanged + unknown_order > 0 {
        tracing::info!(stale, unchanged, unknown_order, "records of orders that changed nothing");
    }
    for relation in Relation::ALL {
        let each = |stats: &Stage<RowsWork>| stats.work().rows().stats().by_relation[relation.index()].rows as u64;
        let rows: u64 = pipeline.rows().into_iter().map(each).sum();
        match lists.map(|lists| lists[relation.index()]) {
            Some(lists) if rows > 0 => tracing::info!(list = relation.list_name(), rows, lists, "counted"),
            None if rows > 0 => tracing::info!(list = relation.list_name(), rows, "counted"),
            _ => {}
        }
    }
    for list in ListName::ALL.into_iter().skip(Relation::COUNT) {
        let lists = lists.map_or(0, |lists| lists[list.index()]);
        if lists > 0 {
            tracing::info!(list = list.name(), lists, "ranked");
        }
    }
    let clicked = Clicked::of(&pipeline.asked(), None);
    for shop in clicked.shops() {
        for OfList { list, figures, .. } in clicked.by_list(shop) {
            let (list, Figures { shown, clicked, clicks, orders, returned, .. }) = (list.unwrap_or_default(), &figures);
            let percent = |rate: Option<Rate>| rate.map(|rate| (rate.rate * 1e4).round() / 1e2);
            let (click_percent, order_percent) = (percent(figures.click_rate), percent(figures.order_rate));
            tracing::info!(
                shop,
                list,
                shown,
                clicked,
                click_percent,
                clicks,
                orders,
                order_percent,
                returned,
                "clicks"
            );
        }
    }
    for reason in Reason::ALL {
        let records = tally.rejects[reason.index()];
        if records > 0 {
            tracing::info!(reason = reason.name(), records, "rejected");
        }
    }
}

/// Where changes and rejects of a replay go.
struct ReplaySink {
    places: BTreeMap<SourcePartition, Places>,
    changes: Option<Box<dyn Write + Send>>,
    /// While set, takes the lists instead.
    lists: Option<ListsByKey>,
    rejects: RejectNotes,
}

impl Sink for ReplaySink {
    fn list(&mut self, publication: &Publication<'_>, value: &[u8]) -> anyhow::Result<()> {
        if let Some(lists) = &mut self.lists {
            if !publication.is_tombstone() {
                let mut key = Vec::new();
                publication.write_key(&mut key);
                lists.insert(key, (publication.key().list, value.to_vec()));
            }
            return Ok(());
        }
        if let Some(changes) = &mut self.changes {
            let mut line = value.to_vec();
            if publication.is_tombstone() {
                publication.record().write_json(&mut line); // in a topic it has no value at all
            }
            line.push(b'\n');
            changes.write_all(&line).context("the changes could not be written")?;
        }
        Ok(())
    }

    fn reject(&mut self, source: &SourcePartition, offset: NextOffset, reject: &Reject) -> anyhow::Result<()> {
        if let Some(places) = self.places.get(source) {
            places.note(&mut self.rejects, offset, reject);
        }
        Ok(())
    }
}
