//! Snapshots of the partitions of a rows worker.

use super::effects::RowsEffects;
use super::{Owned, RowsWorker};
use crate::drive::snapshots::About;
use crate::drive::transport::{Transport, Writer};
use crate::drive::worker::Deadline;
use crate::position::{NextOffset, Partition};
use crate::stage::{Clock, Input, Log, RowsInput};

impl<T: Transport> RowsWorker<T> {
    /// A turn of what snapshots need: goes on with the one that is being taken, or begins the one that is due.
    pub(super) fn keep(&mut self) -> anyhow::Result<()> {
        let now = self.hands.now();
        if self.saver.at_work() {
            self.go_on_saving(now);
            return Ok(());
        }
        let owned = &self.owned;
        match self.saver.due(now.monotonic_ms, |partition| read_to(owned.get(&partition))) {
            Some(partition) => self.begin_save(partition, now),
            None => Ok(()),
        }
    }

    /// Of each partition that has read something since its last snapshot one more, as far as time allows: the next start is a short one.
    pub(super) fn keep_all(&mut self) -> anyhow::Result<()> {
        let deadline = Deadline::of_last_snapshots();
        self.end_saving(&deadline)?;
        let owned = &self.owned;
        for partition in self.saver.unsaved(|partition| read_to(owned.get(&partition))) {
            if !deadline.is_over() {
                self.begin_save(partition, self.hands.now())?;
                self.end_saving(&deadline)?;
            }
        }
        Ok(())
    }

    fn end_saving(&mut self, deadline: &Deadline) -> anyhow::Result<()> {
        while self.saver.at_work() && !deadline.is_over() {
            self.hands.writer.look()?;
            self.go_on_saving(self.hands.now());
            deadline.pause(self.saver.is_busy());
        }
        Ok(())
    }

    fn go_on_saving(&mut self, now: Clock) {
        let Self { hands, owned, saver, .. } = self;
        let writer = &mut hands.writer;
        let outcome = saver.go_on(
            |partition| owned.get_mut(&partition).map(|owned| &mut owned.stage),
            |era| writer.is_done(era),
            now.monotonic_ms,
        );
        if let Some(outcome) = outcome {
            hands.heed(outcome);
        }
    }

    fn begin_save(&mut self, partition: Partition, now: Clock) -> anyhow::Result<()> {
        let Self { hands, buffers, owned, saver, .. } = self;
        let Some(Owned { stage, delay, view, .. }) = owned.get_mut(&partition) else { return Ok(()) };
        let mut effects = RowsEffects { hands, buffers, delay, view, failed: None };
        let moment = stage.begin_save(&mut effects);
        effects.end(Ok(()))?;
        let Some(moment) = moment else {
            saver.postpone(partition, now.monotonic_ms);
            return Ok(());
        };
        let (plan, epoch) = (&hands.plan, stage.work().epoch());
        let totals = (0..plan.pairs_partitions).map(|number| {
            let next = moment.next.get(RowsInput::Totals(Partition(number)).index()).copied().unwrap_or_default();
            (Log::Totals.name().to_owned(), number, next.0)
        });
        let partitions = (plan.events_partitions, plan.pairs_partitions);
        let about = About { identity: plan.state_identity(), partitions, epoch, inputs: totals.collect() };
        let era = hands.writer.end_era();
        saver.begin(partition, moment, about, era, now)
    }
}

fn read_to(owned: Option<&Owned>) -> Option<NextOffset> {
    owned.map(|owned| owned.stage.next(RowsInput::Pairs))
}
