//! What lands on the lists logs, read back: what others have published, and what was published before.
//!
//! What lies before a partition's snapshot its stage knows. The view, which serves lists over HTTP, does not: it reads that when there is
//! time, and until then says of a list that it does not have that it is not ready.

use super::{BATCH_RECORDS, RowsWorker};
use crate::drive::plan::Plan;
use crate::drive::transport::{Follower, Message, Next, Transport};
use crate::drive::vigil::Vigil;
use crate::event::EventTime;
use crate::position::{NextOffset, Partition};
use crate::publish::codec::{CodecError, ListHeaders, SchemaFailure};
use crate::publish::{ListRecord, Stamp};
use crate::serve::view::Loading;
use crate::stage::{Fact, Landed, LandedValue, RowsInput, RowsRecord};
use crate::watch::waits::Outside;
use anyhow::Context as _;
use std::sync::Arc;
use std::time::Duration;

/// How long between two tries to read a list published before, while the registry does not answer.
const REGISTRY_PAUSE: Duration = Duration::from_secs(2);

/// What the view has still to read of a partition's lists log.
pub(super) struct Older {
    pub(super) next: NextOffset,
    pub(super) until: NextOffset,
    /// The view says so meanwhile.
    pub(super) _loading: Loading,
}

impl<T: Transport> RowsWorker<T> {
    pub(super) fn read_lists(&mut self) -> anyhow::Result<bool> {
        for _ in 0..BATCH_RECORDS {
            let message = match self.lists.poll(Duration::ZERO)? {
                Next::Nothing => return Ok(true),
                Next::End(_) => continue,
                Next::Record(message) => message,
            };
            let Some((partition, offset)) = message.place() else { continue };
            let Some(owned) = self.owned.get_mut(&partition) else { continue };
            if offset < owned.stage.next(RowsInput::Lists) {
                continue; // its own
            }
            let plan = Arc::clone(&self.hands.plan);
            let wants = owned.stage.work().wants_lists();
            self.foreign_keys += u64::from(!plan.codec.owns_key(message.key().unwrap_or_default()));
            // Decoding costs; what is its own is told by its stamp alone.
            let (record, stamp) = decoded(&plan, &self.hands.ties.vigil, &message, wants)?;
            let value = match message.value() {
                None => LandedValue::Tombstone,
                Some(_) if wants => LandedValue::List(&record),
                Some(_) => LandedValue::Undecoded,
            };
            let stamp = stamp.or_else(|| wants.then(|| record.stamp()));
            if wants {
                self.hands.ties.view.restore(&record, EventTime(message.timestamp_ms().unwrap_or_default()));
            }
            let landed = Landed { shop: &record.shop, list: &record.list, item: &record.item, stamp, value };
            let read = Fact::Record { input: RowsInput::Lists, offset, record: RowsRecord::List(landed) };
            if !owned.tell(&mut self.hands, &mut self.buffers, read)? {
                self.overtaken.push(partition);
                break;
            }
        }
        Ok(false)
    }

    /// Gives the view some of what was published before the snapshots; says whether there was nothing. Not while a partition catches up:
    /// nobody is served before that.
    pub(super) fn read_older(&mut self) -> anyhow::Result<bool> {
        let mut owned = self.owned.values();
        if owned.clone().all(|owned| owned.older.is_none()) || owned.any(|owned| owned.catching_up.is_some()) {
            return Ok(true);
        }
        for _ in 0..BATCH_RECORDS {
            let (partition, read_to) = match self.older.poll(Duration::ZERO)? {
                Next::Nothing => return Ok(true),
                Next::End(partition) => (partition, NextOffset(u64::MAX)),
                Next::Record(message) => {
                    let Some((partition, offset)) = message.place() else { continue };
                    if self
                        .owned
                        .get(&partition)
                        .is_some_and(|owned| owned.older.as_ref().is_some_and(|older| offset < older.until))
                    {
                        let (record, _) = decoded(&self.hands.plan, &self.hands.ties.vigil, &message, true)?;
                        self.hands.ties.view.restore(&record, EventTime(message.timestamp_ms().unwrap_or_default()));
                    }
                    (partition, offset.after())
                }
            };
            let Some(older) = self.owned.get_mut(&partition).map(|owned| &mut owned.older) else { continue };
            let Some(reading) = older else { continue };
            reading.next = read_to;
            if reading.next >= reading.until {
                *older = None;
                self.follow_older()?;
            }
        }
        Ok(false)
    }

    /// Reads the older lists of those whose view lacks them.
    pub(super) fn follow_older(&self) -> anyhow::Result<()> {
        let older = self.owned.iter().filter_map(|(&partition, owned)| Some((partition, owned.older.as_ref()?.next)));
        self.older.assign(&older.collect::<Vec<_>>())
    }
}

/// A record of the lists log, and whose it is; of the value nothing unless `wants`.
fn decoded<'m, M: Message>(
    plan: &Plan,
    vigil: &Vigil,
    message: &'m M,
    wants: bool,
) -> anyhow::Result<(ListRecord<'m>, Option<Stamp>)> {
    let place = || match message.place() {
        Some((Partition(partition), offset)) => format!("lists-{partition} at offset {}", offset.0),
        None => "a list".to_owned(),
    };
    let (key, value) = (message.key().unwrap_or_default(), message.value().filter(|_| wants));
    let mut headers = Vec::new();
    message.headers(&mut headers);
    let headers = ListHeaders::read(headers.into_iter().map(|(name, value)| (name, Some(value))));
    let stamp = headers.with_context(place)?.map(|headers| headers.stamp);
    let schema_of = |id: u32| match &plan.schemas {
        Some(schemas) => schemas.schema(id),
        None => Err(SchemaFailure::NotFound(format!("schema {id}: the settings name no schema registry"))),
    };
    let record = wait_for_schema(vigil, || plan.codec.decode(key, value, stamp, &schema_of));
    Ok((record.with_context(place)?, stamp))
}

/// Asks again while the registry does not answer: it is waited for as long as it takes.
fn wait_for_schema<R>(vigil: &Vigil, mut decode: impl FnMut() -> Result<R, CodecError>) -> anyhow::Result<R> {
    loop {
        match decode() {
            Err(error) if error.is_transient() => {
                vigil.wait_for(
                    Outside::Registry,
                    &format_args!("a list published before cannot be read yet: {error}"),
                )?;
                std::thread::sleep(REGISTRY_PAUSE);
            }
            decoded => {
                vigil.note_answer_of(Outside::Registry);
                return Ok(decoded?);
            }
        }
    }
}
