//! What a stage is told before it reads: what its predecessors left on the log that it writes.

use super::transport::{Transport, TransportError};
use crate::position::{NextOffset, Partition};
use crate::stage::{Effect, Fact, Left, Log, Stage, StageError, Work};
use crate::wire::{Kind, Opening, kind_of, section_ends};

/// How many records are taken at a time.
const FETCH_RECORDS_MAX: usize = 16;

/// How often in a row a log may give nothing although it has not ended, before it counts as broken.
const EMPTY_FETCHES_MAX: u32 = 1_000;

/// Tells a stage what its predecessors left on the log that it writes: their opening marks, and how far each partition
/// of the log has got. Where they left nothing, the log gets `new_log_id`.
pub(super) fn tell_left<W: Work, T: Transport>(
    stage: &mut Stage<W>,
    log: Log,
    new_log_id: u128,
    transport: &mut T,
) -> anyhow::Result<()> {
    for output in 0..transport.partitions(log) {
        let partition = Partition(output);
        each_record(transport, log, partition, |offset, block| {
            let damaged = |error| StageError::Wire { log, partition, offset, error };
            let tell = |stage: &mut Stage<W>, left: Left<'_>| stage.handle(Fact::Left(left), &mut Vec::<Effect>::new());
            if kind_of(block).map_err(damaged)? == Kind::Opening {
                let opening = Opening::decode(block).map_err(damaged)?;
                tell(stage, Left::Opening { partition, offset, opening: &opening })?;
            }
            for (source, checkpoint) in section_ends(block).map_err(damaged)? {
                tell(stage, Left::Checkpoint { output: partition.index(), source: &source, checkpoint })?;
            }
            Ok(())
        })?;
    }
    stage.handle(Fact::Left(Left::NewLogId(new_log_id)), &mut Vec::<Effect>::new())?;
    Ok(())
}

/// Every record that a partition holds. To stop short of its end would be to forget what predecessors did.
pub(super) fn each_record<T: Transport>(
    transport: &mut T,
    log: Log,
    partition: Partition,
    mut each: impl FnMut(NextOffset, &[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (mut next, end) = transport.bounds(log, partition)?;
    let mut fetched = Vec::new();
    let mut empty_fetches = 0;
    while next < end {
        fetched.clear();
        transport.fetch(log, partition, next, FETCH_RECORDS_MAX, &mut fetched)?;
        let Some(last) = fetched.last() else {
            empty_fetches += 1;
            if empty_fetches == EMPTY_FETCHES_MAX {
                let what = format!("no record comes from offset {} on, but the log ends at {}", next.0, end.0);
                return Err(TransportError { log, partition, what }.into());
            }
            continue;
        };
        empty_fetches = 0;
        next = last.offset.after();
        for record in &fetched {
            if let Some(value) = &record.value {
                each(record.offset, value)?;
            }
        }
    }
    Ok(())
}
