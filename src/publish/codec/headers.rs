//! The headers of a list's record: decimal text, so that every consumer can read them, also where the value is null.

use super::{CodecError, foreign};
use crate::publish::Stamp;

/// Which incarnation of the owner published the record.
pub const EPOCH_HEADER: &str = "samenloop.epoch";
/// Its how many-th record.
pub const SEQUENCE_HEADER: &str = "samenloop.sequence";
/// Timestamp of the oldest source record behind the change, in ms since 1970: what the delay is measured from.
pub const SINCE_HEADER: &str = "samenloop.since";

/// Room for the texts of all headers.
pub type HeaderDigits = [itoa::Buffer; HEADERS_MAX];

/// How many headers a list has at most.
pub const HEADERS_MAX: usize = 3;

/// What the headers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListHeaders {
    /// Who published it, and as which record.
    pub stamp: Stamp,
    /// Timestamp of the oldest source record behind the change, in ms since 1970; none where decay alone moved it.
    pub since_ms: Option<i64>,
}

impl ListHeaders {
    /// Names and texts, in a fixed order; the texts are in `digits`.
    pub fn texts<'d>(&self, digits: &'d mut HeaderDigits) -> impl Iterator<Item = (&'static str, &'d str)> + use<'d> {
        let [epoch, sequence, since] = digits;
        let Stamp { epoch: own_epoch, sequence: own_sequence } = self.stamp;
        let stamp = [(EPOCH_HEADER, epoch.format(own_epoch)), (SEQUENCE_HEADER, sequence.format(own_sequence))];
        stamp.into_iter().chain(self.since_ms.map(|since_ms| (SINCE_HEADER, since.format(since_ms))))
    }

    /// Reads them among a record's headers; of several with one name the last counts. None where epoch or sequence is
    /// missing: somebody else wrote the record.
    ///
    /// # Errors
    /// When one of ours is not a number.
    pub fn read<'h>(
        headers: impl IntoIterator<Item = (&'h str, Option<&'h [u8]>)>,
    ) -> Result<Option<Self>, CodecError> {
        let (mut epoch, mut sequence, mut since_ms) = (None, None, None);
        for (name, bytes) in headers {
            match name {
                EPOCH_HEADER => epoch = Some(number(EPOCH_HEADER, bytes)?),
                SEQUENCE_HEADER => sequence = Some(number(SEQUENCE_HEADER, bytes)?),
                SINCE_HEADER => since_ms = Some(number(SINCE_HEADER, bytes)?),
                _ => {}
            }
        }
        let stamp = epoch.zip(sequence).map(|(epoch, sequence)| Stamp { epoch, sequence });
        Ok(stamp.map(|stamp| Self { stamp, since_ms }))
    }
}

fn number<T: std::str::FromStr>(name: &'static str, bytes: Option<&[u8]>) -> Result<T, CodecError> {
    let text = bytes.and_then(|bytes| std::str::from_utf8(bytes).ok());
    text.and_then(|text| text.parse().ok()).ok_or_else(|| foreign(name, "it is not a decimal number"))
}
