//! What is known of items, as the settings say: files are read here, once, before anything is counted; topics are followed by `run`.

use super::files::{FileFormat, RecordFile};
use super::{UsageError, assembly};
use crate::config::{FactsSourceSettings, Settings};
use crate::drive::{FactsFeed, FactsSource};
use crate::facts::{Facts, FactsTopic};
use crate::intake::{CatalogueTexts, Fact, FactMapping, Plans, Record, Reject, Said};
use crate::watch::now_ms;
use anyhow::Context as _;
use std::path::Path;
use std::sync::Arc;

/// How many bad facts of a file are told one by one; the rest is only counted.
const REFUSED_TOLD_MAX: u64 = 10;

/// What is known of items, and what is still to come.
pub(super) struct Known {
    /// The table.
    pub(super) facts: Arc<Facts>,
    /// The topics that are to be followed, if any: what files say begins and ends to hold in time, too.
    pub(super) feed: FactsFeed,
    /// What became of each file.
    pub(super) files: Vec<FactsRead>,
}

/// What became of a file of facts.
pub(super) struct FactsRead {
    /// Of which kind.
    pub(super) topic: FactsTopic,
    /// Its path.
    pub(super) path: String,
    /// Its records.
    pub(super) records: u64,
    /// Facts that were refused.
    pub(super) refused: u64,
    /// The first of them, with its place.
    pub(super) first: Option<String>,
}

/// What files say, and how many facts of them are refused; where topics are configured that is told, as they are not read here.
pub(super) fn of_files(settings: &Settings) -> anyhow::Result<(Option<Arc<Facts>>, u64)> {
    let Some(known) = known(settings)? else { return Ok((None, 0)) };
    for source in settings.facts.sources.iter().filter(|source| source.topic.is_some()) {
        let name = source.kind().name();
        tracing::info!(
            "facts.{name} is a topic, and only `run` reads topics: its facts are left out; a file is read by facts.{name}.file"
        );
    }
    known.tell();
    if known.files.is_empty() {
        return Ok((None, 0));
    }
    known.facts.complete();
    let refused = known.files.iter().map(|read| read.refused).sum();
    Ok((Some(known.facts), refused))
}

/// Only what decides as what items count, of the catalogue's file, and how many of its facts are refused: for who measures lists by what is
/// counted. Says what is left out.
pub(super) fn of_counts(settings: &Settings) -> anyhow::Result<(Option<Arc<Facts>>, u64)> {
    if settings.facts.sources.is_empty() {
        return Ok((None, 0));
    }
    let catalogue = settings.facts.source(FactsTopic::Catalogue);
    let Some((source, path)) = catalogue.and_then(|source| Some((source, source.file.as_deref()?))) else {
        tracing::warn!(
            "facts are left out here: of them only parent and countable of a facts.catalogue.file would count"
        );
        return Ok((None, 0));
    };
    tracing::warn!(
        "of facts only parent and countable of facts.catalogue.file count here: stock, categories, brands, prices and what is kept by hand \
         are left out"
    );
    let mapping = assembly::fact_mapping(source, settings.facts.low_stock)?;
    let facts = Arc::new(Facts::new(usize::try_from(settings.facts.memory_bytes).unwrap_or(usize::MAX)));
    let read = read(path, source, &mapping, |fact| {
        let Said::Catalogue { item, catalogue } = &fact.said else { return Ok(()) };
        let catalogue = catalogue.as_ref().map(|said| {
            let (parent, countable) = (said.parent.clone(), said.countable);
            Box::new(CatalogueTexts { parent, countable, active: true, ..CatalogueTexts::default() })
        });
        let said = Said::Catalogue { item: item.clone(), catalogue };
        Fact { shop: fact.shop.clone(), said, shortened: 0 }.tell(&facts)
    })?;
    facts.complete();
    Ok((Some(facts), read.refused))
}

/// The table with what files say in it; none where the settings name neither a file nor a topic.
pub(super) fn known(settings: &Settings) -> anyhow::Result<Option<Known>> {
    if settings.facts.sources.is_empty() {
        return Ok(None);
    }
    let facts = Facts::new(usize::try_from(settings.facts.memory_bytes).unwrap_or(usize::MAX));
    let wants_names = settings.lists.iter().any(|rules| rules.enabled && rules.fills_uncounted());
    let facts = Arc::new(if wants_names { facts.keeping_names() } else { facts });
    let (mut followed, mut files) = (Vec::new(), Vec::new());
    for source in &settings.facts.sources {
        let mapping = assembly::fact_mapping(source, settings.facts.low_stock)?;
        match &source.file {
            Some(path) => files.push(read(path, source, &mapping, |fact| fact.tell(&facts))?),
            None => followed.push(FactsSource { topic: source.kind(), mapping: Arc::new(mapping) }),
        }
    }
    facts.come_to(now_ms());
    if followed.is_empty() {
        facts.complete();
    }
    let (wait_ms, when_away) = (settings.facts.wait_ms, settings.facts.when_away);
    let feed = FactsFeed { sources: followed, wait_ms, when_away, ..FactsFeed::default() };
    Ok(Some(Known { facts, feed, files }))
}

impl Known {
    /// Says what became of the files.
    pub(super) fn tell(&self) {
        for FactsRead { topic, path, records, refused, .. } in &self.files {
            let (topic, items) = (topic.name(), self.facts.items());
            tracing::info!(topic, file = path, records, refused, items, "facts have been read");
        }
    }
}

/// Opens a file of facts.
pub(super) fn open(path: &str, source: &FactsSourceSettings) -> anyhow::Result<RecordFile> {
    let format = FileFormat { format: source.mapping.format, form: source.form.clone() };
    let of_settings = || UsageError(format!("facts.{}.file", source.kind().name()));
    RecordFile::open(Path::new(path), &format, &Arc::default()).with_context(of_settings)
}

/// Reads a file to its end, and tells each fact.
fn read(
    path: &str,
    source: &FactsSourceSettings,
    mapping: &FactMapping,
    tell: impl Fn(&Fact<'_>) -> Result<(), Reject>,
) -> anyhow::Result<FactsRead> {
    let topic = source.kind();
    let mut file = open(path, source)?;
    let mut read = FactsRead { topic, path: path.to_owned(), records: 0, refused: 0, first: None };
    let plans = Plans::default();
    while let Some(record) = file.next()? {
        let place = record.place;
        read.records += 1;
        let record = Record { topic: path, value: Some(record.bytes), ..Record::default() };
        mapping.decode(&plans, &record, |decoded| {
            if let Err(reject) = decoded.and_then(|fact| tell(&fact)) {
                read.refuse(&format!("{path}{place}"), &reject);
            }
        });
    }
    Ok(read)
}

impl FactsRead {
    fn refuse(&mut self, place: &str, reject: &Reject) {
        self.refused += 1;
        self.first.get_or_insert_with(|| format!("{place}: {reject}"));
        if self.refused <= REFUSED_TOLD_MAX {
            tracing::warn!("{place}: {reject}");
        } else if self.refused == REFUSED_TOLD_MAX + 1 {
            tracing::warn!("{}: more facts cannot be used; they are counted", self.path);
        }
    }
}
