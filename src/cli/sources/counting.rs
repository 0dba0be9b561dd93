//! Counting files as a replay does, for those who only look at what comes of it.

use super::{EventFile, Read, Turns, read_all, sort, vet};
use crate::cli::{assembly, facts};
use crate::config::Settings;
use crate::drive::{MemoryLog, Pipeline, Sink};
use crate::stage::Clocked;
use crate::watch::now_ms;
use std::sync::Arc;

/// Counts `files`, and begins anew where one is out of order, or leaps ahead. `sink` makes what takes the outcome; it gets what
/// took it before, where counting begins anew. Gives besides how many facts were refused.
pub(in crate::cli) fn counted<S: Sink + 'static>(
    files: &mut [EventFile],
    settings: &Settings,
    mut sink: impl FnMut(&[EventFile], Option<&mut S>) -> S,
) -> anyhow::Result<(Pipeline<S>, u64)> {
    let mut taking = sink(files, None);
    let (facts, refused) = facts::of_files(settings)?;
    loop {
        let inputs = files.iter().map(|file| file.input.clone()).collect();
        let log = MemoryLog::new(settings.logs.events_partitions, settings.logs.pairs_partitions);
        let setup = assembly::setup(settings, Clocked::Wall, facts.clone());
        let mut pipeline = Pipeline::open(setup, inputs, settings.intake.align_ms, log, taking)?;
        pipeline.wall_clock(now_ms()); // future times are corrected by it
        match read_all(files, &mut pipeline, &Arc::default(), &Turns::of(settings), |_, _| Ok(true))? {
            Read::Done(_) => {
                pipeline.rest()?; // totals are exact everywhere
                return Ok((pipeline, refused));
            }
            Read::OutOfOrder(numbers) => sort(files, &numbers)?,
            Read::Leaps(numbers) => vet(files, &numbers, true),
        }
        taking = sink(files, Some(&mut *pipeline.sink()));
    }
}
