//! Snapshots of the partitions of a rows worker.

use super::effects::RowsEffects;
use super::{Owned, RowsWorker};
use crate::drive::snapshots::{About, Keeping, Saver};
use crate::drive::transport::{Transport, Writer};
use crate::drive::worker::Hands;
use crate::position::{NextOffset, Partition};
use crate::stage::{Clock, Input, Log, RowsInput, RowsWork, Stage};

impl<T: Transport> Keeping<T> for RowsWorker<T> {
    type Work = RowsWork;

    fn means(&mut self) -> &mut Hands<T> {
        &mut self.hands
    }

    fn saver(&self) -> &Saver {
        &self.saver
    }

    fn saver_and_stage(&mut self, partition: Partition) -> (&mut Saver, Option<&mut Stage<RowsWork>>) {
        (&mut self.saver, self.owned.get_mut(&partition).map(|owned| &mut owned.stage))
    }

    fn read_to(&self, partition: Partition) -> Option<NextOffset> {
        self.owned.get(&partition).map(|owned| owned.stage.next(RowsInput::Pairs))
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
        let lists = moment.next.get(RowsInput::Lists.index()).copied().unwrap_or_default();
        let lists = (Log::Lists.name().to_owned(), partition.0, lists.0);
        let about = About { epoch, inputs: totals.chain([lists]).collect(), ..About::of(plan) };
        let era = hands.writer.end_era();
        saver.begin(partition, moment, about, era, now)
    }
}
