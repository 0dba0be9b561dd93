//! A record as librdkafka gives it.

use super::reader::{next, number};
use crate::drive::Message;
use crate::position::{NextOffset, Partition};
use rdkafka::message::{BorrowedMessage, Headers, Message as _};

/// A record.
pub struct KafkaMessage<'m>(pub(super) BorrowedMessage<'m>);

impl Message for KafkaMessage<'_> {
    fn place(&self) -> Option<(Partition, NextOffset)> {
        Some((number(self.0.partition())?, next(self.0.offset())?))
    }

    fn timestamp_ms(&self) -> Option<i64> {
        self.0.timestamp().to_millis()
    }

    fn key(&self) -> Option<&[u8]> {
        self.0.key()
    }

    fn value(&self) -> Option<&[u8]> {
        self.0.payload()
    }

    fn headers<'m>(&'m self, into: &mut Vec<(&'m str, &'m [u8])>) {
        if let Some(headers) = self.0.headers() {
            into.extend(headers.iter().map(|header| (header.key, header.value.unwrap_or_default())));
        }
    }

    fn topic(&self) -> &str {
        self.0.topic()
    }
}
