//! Rows from files: they are counted first, in this process, by the stages of the service.

use super::{InspectArgs, nearest};
use crate::cli::Outcome;
use crate::cli::output::RejectNotes;
use crate::cli::sources::{EventFile, Places, counted, event_files};
use crate::config::Settings;
use crate::drive::Sink;
use crate::intake::Reject;
use crate::list_key::ListName;
use crate::position::{NextOffset, SourcePartition};
use crate::publish::Publication;
use crate::serve::explain_row;
use crate::serve::query::RowAnswer;
use anyhow::bail;
use std::collections::BTreeMap;

/// How many rejects are told one by one.
const REJECTS_TOLD_MAX: u64 = 10;

/// The row behind each list, as JSON.
pub(super) fn rows(
    args: &InspectArgs,
    settings: &Settings,
    lists: &[ListName],
) -> anyhow::Result<(Vec<String>, Outcome)> {
    let mut files = event_files(&args.files, settings)?;
    let pipeline = counted(&mut files, settings, |files, before: Option<&mut Rejects>| {
        let new = || RejectNotes::new(settings.log.format, REJECTS_TOLD_MAX);
        Rejects::of(files, before.map_or_else(new, |before| before.notes.take_again()))
    })?;
    let rejected = pipeline.intake_tally().rejected();
    pipeline.sink().notes.note_more();
    let mut rows = Vec::with_capacity(lists.len());
    for &list in lists {
        match explain_row(&pipeline.asked(), &args.shop, list, &args.item, usize::MAX) {
            RowAnswer::Found(row) => rows.push(row),
            RowAnswer::NoSuchItem | RowAnswer::NotHere => bail!(
                "item {:?} of shop {:?} is in no event of these files that counts; {}",
                args.item,
                args.shop,
                nearest::told(&pipeline.asked(), &args.shop, &args.item)
            ),
        }
    }
    Ok((rows, if rejected > 0 { Outcome::DoneWithRejects } else { Outcome::Done }))
}

/// Tells the first rejects; lists go nowhere.
struct Rejects {
    places: BTreeMap<SourcePartition, Places>,
    notes: RejectNotes,
}

impl Rejects {
    fn of(files: &[EventFile], notes: RejectNotes) -> Self {
        let places = files.iter().map(|file| (file.input.source.clone(), file.places.clone()));
        Self { places: places.collect(), notes }
    }
}

impl Sink for Rejects {
    fn list(&mut self, _publication: &Publication<'_>, _value: &[u8]) -> anyhow::Result<()> {
        Ok(())
    }

    fn reject(&mut self, source: &SourcePartition, offset: NextOffset, reject: &Reject) -> anyhow::Result<()> {
        if let Some(places) = self.places.get(source) {
            places.note(&mut self.notes, offset, reject);
        }
        Ok(())
    }
}
