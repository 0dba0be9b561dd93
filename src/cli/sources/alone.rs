//! Files counted for what their rows hold: the first rejects are told, lists go nowhere.

use super::{EventFile, Places, counted, event_files};
use crate::cli::Outcome;
use crate::cli::output::RejectNotes;
use crate::cli::report::Lists;
use crate::config::Settings;
use crate::drive::{Pipeline, Sink};
use crate::intake::Reject;
use crate::position::{NextOffset, SourcePartition};
use crate::publish::Publication;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// How many rejects are told one by one.
const REJECTS_TOLD_MAX: u64 = 10;

/// Counts files, and says whether there were rejects, of events or of facts.
pub(in crate::cli) fn counted_alone(
    files: &[PathBuf],
    settings: &Settings,
) -> anyhow::Result<(Pipeline<Rejects>, Outcome)> {
    let mut files = event_files(files, settings)?;
    let (pipeline, refused) = counted(&mut files, settings, |files, before: Option<&mut Rejects>| {
        let new = || RejectNotes::new(settings.log.format, REJECTS_TOLD_MAX);
        Rejects::of(files, before.map_or_else(new, |before| before.notes.take_again()))
    })?;
    let rejected = pipeline.intake_tally().rejected();
    pipeline.sink().notes.note_more();
    Ok((pipeline, if rejected + refused > 0 { Outcome::DoneWithRejects } else { Outcome::Done }))
}

/// Tells the first rejects; lists go nowhere.
pub(in crate::cli) struct Rejects {
    places: BTreeMap<SourcePartition, Places>,
    notes: RejectNotes,
    /// While set, takes what lists show.
    pub(in crate::cli) lists: Option<Lists>,
}

impl Rejects {
    fn of(files: &[EventFile], notes: RejectNotes) -> Self {
        let places = files.iter().map(|file| (file.input.source.clone(), file.places.clone()));
        Self { places: places.collect(), notes, lists: None }
    }
}

impl Sink for Rejects {
    fn list(&mut self, publication: &Publication<'_>, _value: &[u8]) -> anyhow::Result<()> {
        if let Some(lists) = &mut self.lists {
            lists.take(&publication.record());
        }
        Ok(())
    }

    fn reject(&mut self, source: &SourcePartition, offset: NextOffset, reject: &Reject) -> anyhow::Result<()> {
        if let Some(places) = self.places.get(source) {
            places.note(&mut self.notes, offset, reject);
        }
        Ok(())
    }
}
