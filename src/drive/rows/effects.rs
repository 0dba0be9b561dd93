//! What a rows stage wants done, carried out.

use crate::drive::transport::{Appending, Transport};
use crate::drive::worker::{Hands, unexpected};
use crate::event::EventTime;
use crate::intake::Reject;
use crate::position::{NextOffset, Partition, SourcePartition};
use crate::publish::Publication;
use crate::publish::codec::{HEADERS_MAX, HeaderDigits, ListHeaders};
use crate::serve::view::ViewWriter;
use crate::stage::{Effects, Log, StageError};
use crate::watch::metrics::DelayTally;
use std::sync::Arc;

/// Key and value of the list at hand, and the texts of its headers.
#[derive(Default)]
pub(super) struct Buffers {
    key: Vec<u8>,
    value: Vec<u8>,
    digits: HeaderDigits,
}

/// Carries out what a rows stage wants; the first failure is kept, and nothing is carried out after it.
pub(super) struct RowsEffects<'h, T: Transport> {
    pub(super) hands: &'h mut Hands<T>,
    pub(super) buffers: &'h mut Buffers,
    pub(super) delay: &'h mut DelayTally,
    pub(super) view: &'h mut ViewWriter,
    pub(super) failed: Option<anyhow::Error>,
}

impl<T: Transport> RowsEffects<'_, T> {
    /// What became of a fact.
    pub(super) fn end(self, handled: Result<(), StageError>) -> anyhow::Result<()> {
        handled?;
        self.failed.map_or(Ok(()), Err)
    }

    /// One encoding, straight from ids: for the log, and for who hears of lists in process.
    fn send(&mut self, publication: &Publication<'_>) -> anyhow::Result<()> {
        let Self { hands, buffers, delay, view, .. } = self;
        let Buffers { key, value, digits } = &mut **buffers;
        let (plan, is_tombstone) = (Arc::clone(&hands.plan), publication.is_tombstone());
        plan.codec.encode(publication, key, value);
        view.publish(publication, EventTime(hands.now().wall_ms));
        if let Some(waited_ms) = publication.waited_ms {
            delay.record(waited_ms.unsigned_abs().saturating_mul(1000));
        }
        hands.ties.witness.list(publication, value)?;
        let mut headers: [(&str, &[u8]); HEADERS_MAX] = [("", &[]); HEADERS_MAX];
        let mut count = 0;
        for (name, text) in (ListHeaders { stamp: publication.stamp, since_ms: publication.since_ms }).texts(digits) {
            headers[count] = (name, text.as_bytes());
            count += 1;
        }
        let value = (!is_tombstone).then_some(&value[..]);
        let appending = Appending { key: Some(key), value, headers: &headers[..count], stamp: Some(publication.stamp) };
        hands.append(Log::Lists, publication.partition, appending)
    }
}

impl<T: Transport> Effects for RowsEffects<'_, T> {
    fn append(&mut self, log: Log, partition: Partition, block: Vec<u8>) {
        if self.failed.is_none() {
            let appending = Appending { value: Some(&block), ..Appending::default() };
            self.failed = self.hands.append(log, partition, appending).err();
        }
    }

    fn publish(&mut self, publication: &Publication<'_>) {
        if self.failed.is_none() {
            self.failed = self.send(publication).err();
        }
    }

    fn reject(&mut self, _source: &SourcePartition, _offset: NextOffset, _reject: Reject) {
        self.failed.get_or_insert_with(|| unexpected("a record rejected"));
    }
}
