//! How far one source partition has been read.

use super::IntakeInput;
use crate::event::EventTime;
use crate::intake::Plans;
use crate::position::{Checkpoint, Position};
use crate::stage::checkpoints::Checkpoints;
use crate::stage::lag::LagWatch;
use crate::stage::sections::{Place, Progress};
use std::sync::Arc;

/// A source partition as it is read.
pub(super) struct Reading {
    pub(super) input: IntakeInput,
    /// Shared while a record is read, which borrows from it.
    pub(super) plans: Arc<Plans>,
    pub(super) origin: Option<Position>,
    /// All before it has been read. Within a record where some of what its transform gives has been taken.
    pub(super) next: Position,
    /// Checksum of the last record that `next` covers anything of.
    pub(super) checksum: Option<u32>,
    /// What the log holds of records that have not been read again yet.
    pub(super) checkpoints: Checkpoints,
    pub(super) highest: Option<EventTime>,
    /// The time of the event read last.
    pub(super) latest: Option<EventTime>,
    /// Its source among those seen.
    pub(super) seen: usize,
    pub(super) lag: LagWatch,
}

impl Reading {
    pub(super) fn new(input: IntakeInput, history_ms: Option<i64>) -> Self {
        Self {
            input,
            plans: Arc::default(),
            origin: None,
            next: Position::default(),
            checksum: None,
            checkpoints: Checkpoints::default(),
            highest: None,
            latest: None,
            seen: 0,
            lag: LagWatch::new(history_ms),
        }
    }

    pub(super) fn place(&self) -> Place<'_> {
        Place {
            source: &self.input.source,
            checkpoint: Checkpoint { position: self.next, checksum: self.checksum },
            progress: Progress { highest: self.highest, lag: self.lag.lag() },
            has_origin: self.origin.is_some(),
        }
    }
}
