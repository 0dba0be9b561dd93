//! What a stage is told before it reads: what its predecessors left on the log that it writes.

use super::transport::Transport;
use crate::position::{NextOffset, Partition};
use crate::stage::{Fact, Left, Log, Stage, StageError, Work};
use crate::wire::{Kind, Opening, kind_of, section_ends};

/// How many records are taken at a time.
const FETCH_RECORDS_MAX: usize = 16;

/// Tells a stage what its predecessors left on the log that it writes: the log's id, each source's origin, and how far
/// each partition of the log has got.
pub(super) fn tell_left<W: Work, T: Transport>(
    stage: &mut Stage<W>,
    log: Log,
    transport: &mut T,
) -> anyhow::Result<()> {
    let mut log_id = None;
    for output in 0..transport.partitions(log) {
        let partition = Partition(output);
        each_record(transport, log, partition, |offset, block| {
            let damaged = |error| StageError::Wire { log, partition, offset, error };
            let tell = |stage: &mut Stage<W>, left: Left<'_>| stage.handle(Fact::Left(left), &mut Vec::new());
            if kind_of(block).map_err(damaged)? == Kind::Opening {
                let opening = Opening::decode(block).map_err(damaged)?;
                log_id = log_id.or(Some(opening.log_id));
                for origin in &opening.origins {
                    tell(stage, Left::Origin { source: &origin.source, first: origin.first })?;
                }
            }
            for (source, position) in section_ends(block).map_err(damaged)? {
                tell(stage, Left::Position { output: partition.index(), source: &source, position })?;
            }
            Ok(())
        })?;
    }
    let log_id = log_id.unwrap_or_else(rand::random);
    stage.handle(Fact::Left(Left::LogId(log_id)), &mut Vec::new())?;
    Ok(())
}

/// Every record that a partition holds.
pub(super) fn each_record<T: Transport>(
    transport: &mut T,
    log: Log,
    partition: Partition,
    mut each: impl FnMut(NextOffset, &[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (mut next, end) = transport.bounds(log, partition)?;
    let mut fetched = Vec::new();
    while next < end {
        fetched.clear();
        transport.fetch(log, partition, next, FETCH_RECORDS_MAX, &mut fetched)?;
        let Some(last) = fetched.last() else { return Ok(()) };
        next = last.offset.after();
        for record in &fetched {
            if let Some(value) = &record.value {
                each(record.offset, value)?;
            }
        }
    }
    Ok(())
}
