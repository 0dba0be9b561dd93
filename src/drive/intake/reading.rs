//! Taking records: what is at hand, what must wait, and for what.

use super::super::schemas::Answered;
use super::super::transport::{Message, Next, Reader, Transport};
use super::source::{OwnedSource, WaitingRecord, with_record};
use super::{IntakeEffects, IntakeWorker};
use crate::intake::{Learned, Record};
use crate::position::{NextOffset, Partition};
use crate::stage::Fact;
use std::rc::Rc;

/// Records taken of one source between two looks at everything else.
const BATCH_RECORDS: usize = 256;

impl<T: Transport> IntakeWorker<T> {
    /// Takes what is at hand of a source; says whether that was nothing.
    pub(super) fn read_source(&mut self, source: usize) -> anyhow::Result<bool> {
        let reader = Rc::clone(&self.sources[source].reader);
        for _ in 0..BATCH_RECORDS {
            match reader.poll()? {
                Next::Nothing => return Ok(true),
                Next::End(partition) => self.ended(source, partition)?,
                Next::Record(message) => {
                    let Some((partition, offset)) = message.place() else { continue };
                    with_record(&message, |record| self.take_or_keep(source, partition, offset, record))?;
                }
            }
        }
        Ok(false)
    }

    fn take_or_keep(
        &mut self,
        source: usize,
        partition: Partition,
        offset: NextOffset,
        record: &Record<'_>,
    ) -> anyhow::Result<()> {
        let Some(owned) = self.sources[source].owned.get_mut(&partition) else { return Ok(()) }; // revoked since
        owned.is_at_end = false;
        let owned = &*owned;
        let must_wait = owned.has_waiting() || !self.may_take(source, partition);
        if !must_wait && self.take(source, partition, offset, record)? {
            return Ok(());
        }
        let OwnedSource { owned, reader, .. } = &mut self.sources[source];
        let Some(owned) = owned.get_mut(&partition) else { return Ok(()) };
        if owned.put_by(WaitingRecord::of(Rc::from(record.topic), offset, record)) {
            reader.pause(&[partition])?;
        }
        Ok(())
    }

    /// Takes what has waited and may be taken now; says whether that was nothing.
    pub(super) fn take_waiting(&mut self, source: usize) -> anyhow::Result<bool> {
        let mut is_idle = true;
        for partition in self.sources[source].owned.keys().copied().collect::<Vec<_>>() {
            for _ in 0..BATCH_RECORDS {
                let Some(owned) = self.sources[source].owned.get_mut(&partition) else { break };
                let Some(waiting) = owned.next_waiting() else { break };
                let offset = waiting.offset;
                let is_taken = self.may_take(source, partition)
                    && waiting.with(|record| self.take(source, partition, offset, record))?;
                if !is_taken {
                    if let Some(owned) = self.sources[source].owned.get_mut(&partition) {
                        owned.put_back(waiting);
                    }
                    break;
                }
                is_idle = false;
            }
            self.after_waiting(source, partition)?;
        }
        Ok(is_idle)
    }

    /// Fetches a partition again of which little waits, and notes its end where that was reached while something waited.
    fn after_waiting(&mut self, source: usize, partition: Partition) -> anyhow::Result<()> {
        let OwnedSource { owned, reader, .. } = &mut self.sources[source];
        let Some(owned) = owned.get_mut(&partition) else { return Ok(()) };
        if owned.may_resume() {
            reader.resume(&[partition])?;
        }
        if !owned.has_waiting() && std::mem::take(&mut owned.ends_behind_waiting) {
            let input = owned.input;
            self.tell(Fact::Ended { input })?;
        }
        Ok(())
    }

    fn ended(&mut self, source: usize, partition: Partition) -> anyhow::Result<()> {
        let Some(owned) = self.sources[source].owned.get_mut(&partition) else { return Ok(()) };
        (owned.has_ended, owned.is_at_end) = (true, true);
        if owned.has_waiting() {
            owned.ends_behind_waiting = true;
            return Ok(());
        }
        let input = owned.input;
        self.tell(Fact::Ended { input })
    }

    /// Whether a record of this partition may be taken: as what it counts is known, its schema is not being waited for, and it is not far
    /// ahead of a source that has a backlog to catch up with.
    fn may_take(&self, source: usize, partition: Partition) -> bool {
        let (Some(owned), Some(stage)) = (self.sources[source].owned.get(&partition), &self.stage) else {
            return false;
        };
        if self.hands.plan.facts().is_some_and(|facts| !facts.is_complete()) {
            return false;
        }
        if owned.retry_at_ms.is_some_and(|retry_at_ms| self.now.monotonic_ms < retry_at_ms) {
            return false;
        }
        let (work, own) = (stage.work(), owned.input);
        let Some(highest) = work.highest(own.0) else { return true };
        let align_ms = self.hands.plan.align_ms;
        let others = self.sources.iter().flat_map(|source| source.owned.values()).filter(|other| other.input != own);
        others.filter(|other| work.is_behind(other.input.0) && other.retry_at_ms.is_none()).all(|other| {
            work.highest(other.input.0).is_none_or(|slowest| highest.0 <= slowest.0.saturating_add(align_ms))
        })
    }

    /// Gives a record to the stage; false when it must wait for its schema.
    fn take(
        &mut self,
        source: usize,
        partition: Partition,
        offset: NextOffset,
        record: &Record<'_>,
    ) -> anyhow::Result<bool> {
        let now = self.now;
        let Self { sources, stage: Some(stage), .. } = self else { return Ok(false) };
        let OwnedSource { plan, owned, .. } = &mut sources[source];
        let Some(owned) = owned.get_mut(&partition) else { return Ok(true) };
        let input = owned.input;
        while let Some(id) = stage.work().missing_schema(input.0, record) {
            self.hands.ties.vigil.beat();
            match self.schemas.ask(id, &plan.name, now) {
                Answered::Known(text) => stage.work_mut().learn(input.0, id, Learned::Schema(&text)),
                Answered::Unusable(why) => stage.work_mut().learn(input.0, id, Learned::Unusable(&why)),
                Answered::Unknown => stage.work_mut().learn(input.0, id, Learned::NotFound),
                Answered::AskAt(retry_at_ms) => {
                    owned.retry_at_ms = Some(retry_at_ms);
                    let mut effects = IntakeEffects::new(&mut self.hands, &mut self.rejects, None);
                    let handled = stage.handle(Fact::Waits { input }, &mut effects);
                    effects.end(handled)?;
                    return Ok(false);
                }
            }
        }
        owned.retry_at_ms = None;
        owned.newest_ms = record.timestamp_ms;
        let mut effects = IntakeEffects::new(&mut self.hands, &mut self.rejects, Some(record));
        let handled = stage.handle(Fact::Record { input, offset, record: *record }, &mut effects);
        effects.end(handled)?;
        Ok(true)
    }
}
