//! Counting the training part through the stages of the service, and the lists that come of it.

use super::history::{History, Line};
use super::lists::Lists;
use super::report::ListCounts;
use crate::cli::assembly;
use crate::cli::sources::{EventFile, Turns, read_all};
use crate::config::Settings;
use crate::drive::{MemoryLog, Pipeline, Sink};
use crate::facts::Facts;
use crate::intake::Reject;
use crate::items::ItemId;
use crate::position::{NextOffset, SourcePartition};
use crate::publish::{ListRecord, Publication};
use crate::rules::ListRules;
use crate::stage::Clocked;
use anyhow::Context as _;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// A pipeline at rest that has counted the training part.
pub(super) struct Trained<'a> {
    pipeline: Pipeline<Published>,
    rules: ListRules,
    history: &'a History,
}

impl<'a> Trained<'a> {
    /// Counts `lines` of `files`, and nothing else of them, with `rules` as the only list. Items count as `facts` say.
    pub(super) fn count(
        files: &[EventFile],
        settings: &Settings,
        rules: &ListRules,
        lines: &HashSet<Line>,
        history: &'a History,
        (facts, clock_ms): (Option<Arc<Facts>>, i64),
    ) -> anyhow::Result<Self> {
        let mut settings = settings.clone();
        settings.lists.iter_mut().for_each(|list| list.enabled = false);
        settings.lists[rules.relation.index()] = rules.clone();
        let inputs = files.iter().map(|file| file.input.clone()).collect();
        let setup = assembly::setup(&settings, Clocked::Wall, facts);
        let log = MemoryLog::new(settings.logs.events_partitions, settings.logs.pairs_partitions);
        let unpacked = files.iter().map(|file| &file.input).filter(|input| input.mapping.transforms());
        let sink = Published { records: None, unpacked: unpacked.map(|input| input.source.clone()).collect() };
        let mut pipeline = Pipeline::open(setup, inputs, settings.intake.align_ms, log, sink)?;
        pipeline.wall_clock(clock_ms);
        let progress = Arc::new(AtomicU64::new(0));
        let is_wanted = |input, number| lines.contains(&Line { input, number });
        // Files that are out of order have been sorted.
        let turns = Turns { is_wanted: &is_wanted, minds_order: false, minds_jumps: false, ..Turns::of(&settings) };
        read_all(files, &mut pipeline, &progress, &turns, |_, _| Ok(true))?;
        pipeline.rest()?;
        Ok(Self { pipeline, rules: rules.clone(), history })
    }

    /// The lists as they are published.
    pub(super) fn published(&mut self) -> anyhow::Result<Lists> {
        self.pipeline.sink().records = Some(Vec::new());
        self.pipeline.publish_all()?;
        let mut lists = Lists::default();
        let records = self.pipeline.sink().records.take().unwrap_or_default();
        for record in records {
            let record: ListRecord<'_> = serde_json::from_slice(&record).context("a published list cannot be read")?;
            lists.add_record(&record, &self.rules, &self.history.items);
        }
        Ok(lists)
    }

    /// The same counts, ranked by other rules of the same relation.
    pub(super) fn ranked(&self, rules: &ListRules) -> Lists {
        let mut lists = Lists::default();
        for stage in self.pipeline.rows() {
            lists.add_ranked(stage.work().rows(), rules, &self.history.items);
        }
        lists
    }

    /// How many items have been counted in the list's relation.
    pub(super) fn items(&self) -> usize {
        let relation = self.rules.relation;
        // Partitions tell each other totals: an item may be known to several.
        let mut counted = HashSet::new();
        for stage in self.pipeline.rows() {
            let rows = stage.work().rows();
            let has_any = |item: &ItemId| rows.shop(relation, rows.items().shop_of(*item)).total(*item).support > 0;
            counted.extend(rows.items().ids().filter(has_any).map(|item| rows.items().fingerprint(item)));
        }
        counted.len()
    }

    /// What training left, for a report that shows `published` lists.
    pub(super) fn held(&self, published: usize) -> ListCounts {
        let mut held = ListCounts { published, rows: 0, pairs: 0, evictions: 0, items: self.items() };
        for stage in self.pipeline.rows() {
            let rows = stage.work().rows();
            for anchor in rows.anchors(self.rules.relation) {
                held.rows += 1;
                held.pairs += rows.row(self.rules.relation, anchor).len();
            }
            held.evictions += rows.stats().evictions;
        }
        held
    }
}

/// Keeps what is published, while asked to.
struct Published {
    records: Option<Vec<Vec<u8>>>,
    /// Sources whose records are several events: some of them may have been refused before.
    unpacked: BTreeSet<SourcePartition>,
}

impl Sink for Published {
    fn list(&mut self, publication: &Publication<'_>, value: &[u8]) -> anyhow::Result<()> {
        if let Some(records) = self.records.as_mut().filter(|_| !publication.is_tombstone()) {
            records.push(value.to_vec());
        }
        Ok(())
    }

    fn reject(&mut self, source: &SourcePartition, _offset: NextOffset, reject: &Reject) -> anyhow::Result<()> {
        if self.unpacked.contains(source) {
            return Ok(());
        }
        anyhow::bail!("{}: a line that could be used before cannot be now: {reject}", source.source)
    }
}
