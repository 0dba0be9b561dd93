//! Snapshots of the partitions of a windows worker.

use super::WindowsWorker;
use crate::drive::snapshots::{About, Keeping, Saver};
use crate::drive::transport::{Transport, Writer};
use crate::drive::worker::{Appends, Hands};
use crate::position::{NextOffset, Partition};
use crate::stage::{Clock, EventsInput, Stage, WindowsWork};

impl<T: Transport> Keeping<T> for WindowsWorker<T> {
    type Work = WindowsWork;

    fn means(&mut self) -> &mut Hands<T> {
        &mut self.hands
    }

    fn saver(&self) -> &Saver {
        &self.saver
    }

    fn saver_and_stage(&mut self, partition: Partition) -> (&mut Saver, Option<&mut Stage<WindowsWork>>) {
        (&mut self.saver, self.owned.get_mut(&partition).map(|owned| &mut owned.stage))
    }

    fn read_to(&self, partition: Partition) -> Option<NextOffset> {
        self.owned.get(&partition).map(|owned| owned.stage.next(EventsInput))
    }

    fn begin_save(&mut self, partition: Partition, now: Clock) -> anyhow::Result<()> {
        let Self { hands, owned, saver, .. } = self;
        let Some(owned) = owned.get_mut(&partition) else { return Ok(()) };
        let mut effects = Appends::new(hands);
        let moment = owned.stage.begin_save(&mut effects);
        effects.end(Ok(()))?;
        let Some(moment) = moment else {
            saver.postpone(partition, now.monotonic_ms);
            return Ok(());
        };
        let (about, era) = (About::of(&hands.plan), hands.writer.end_era());
        saver.begin(partition, moment, about, era, now)
    }
}
