//! What is refused, and the words for it.
//!
//! Invariants: the reasons are a closed set, named in metrics and in `docs/mapping.md`. A message holds the field, what
//! was found and where, and what to do; never a user id, never a payload.

use crate::event::EventTime;

/// Why a record became no event, or no fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Not exactly one JSON value, or nested too deep.
    BadJson,
    /// Not Avro as its schema says, or not in the wire format.
    BadAvro,
    /// A row of a file that cannot be told into its columns.
    BadCsv,
    /// Avro of a schema that the registry does not know.
    UnknownSchema,
    /// Avro of a schema that cannot be read.
    UnusableSchema,
    /// The source's jq program fails on it.
    Transform,
    /// JSON or Avro, but not an object.
    NotAnObject,
    /// A field that an event needs is missing or null everywhere it was looked for.
    MissingField,
    /// A field holds another kind of value than it must.
    BadType,
    /// The type of event is none of those that the mapping names.
    UnknownType,
    /// An id that an event needs is empty.
    EmptyId,
    /// An id is longer than [`crate::limits::ID_BYTES_MAX`].
    IdTooLong,
    /// An id holds control characters, or a shop a slash.
    BadId,
    /// The time cannot be read in its unit, or lies beyond the year 9999.
    BadTime,
    /// The time lies before the earliest one accepted.
    TimeTooEarly,
    /// The time lies far ahead of those around the record in its file.
    TimeJump,
    /// An order without lines.
    EmptyOrder,
    /// An order of more than [`LINES_MAX`](crate::limits::LINES_MAX) lines, or an impression of more than
    /// [`SHOWN_ENTRIES_MAX`](crate::limits::SHOWN_ENTRIES_MAX) entries.
    TooManyLines,
    /// Of an impression or a click: no place that a list can have.
    BadPosition,
    /// Of a fact: the record's key does not say whose fact is taken away.
    BadKey,
    /// Of a fact: no number, or none that it can be.
    BadNumber,
    /// Of a fact: none of the words that may stand there.
    UnknownWord,
    /// Of a fact: a parent that leads back to the item, or stands too far above it.
    BadParent,
    /// Of a fact: too much is said of one anchor.
    TooMany,
    /// Of a fact: there is no room for it.
    NoMemory,
}

impl Reason {
    /// Those that only facts are refused for.
    pub const OF_FACTS: [Self; 6] =
        [Self::BadKey, Self::BadNumber, Self::UnknownWord, Self::BadParent, Self::TooMany, Self::NoMemory];

    /// All that events are refused for.
    pub const ALL: [Self; 19] = [
        Self::BadJson,
        Self::BadAvro,
        Self::BadCsv,
        Self::UnknownSchema,
        Self::UnusableSchema,
        Self::Transform,
        Self::NotAnObject,
        Self::MissingField,
        Self::BadType,
        Self::UnknownType,
        Self::EmptyId,
        Self::IdTooLong,
        Self::BadId,
        Self::BadTime,
        Self::TimeTooEarly,
        Self::TimeJump,
        Self::EmptyOrder,
        Self::TooManyLines,
        Self::BadPosition,
    ];

    /// The name used in metrics and files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BadJson => "bad_json",
            Self::BadAvro => "bad_avro",
            Self::BadCsv => "bad_csv",
            Self::UnknownSchema => "unknown_schema",
            Self::UnusableSchema => "unusable_schema",
            Self::Transform => "transform",
            Self::NotAnObject => "not_an_object",
            Self::MissingField => "missing_field",
            Self::BadType => "bad_type",
            Self::UnknownType => "unknown_type",
            Self::EmptyId => "empty_id",
            Self::IdTooLong => "id_too_long",
            Self::BadId => "bad_id",
            Self::BadTime => "bad_time",
            Self::TimeTooEarly => "time_too_early",
            Self::TimeJump => "time_jump",
            Self::EmptyOrder => "empty_order",
            Self::TooManyLines => "too_many_lines",
            Self::BadPosition => "bad_position",
            Self::BadKey => "bad_key",
            Self::BadNumber => "bad_number",
            Self::UnknownWord => "unknown_word",
            Self::BadParent => "bad_parent",
            Self::TooMany => "too_many",
            Self::NoMemory => "no_memory",
        }
    }

    /// Whether the bytes could not be read, rather than what they say not be used.
    #[must_use]
    pub fn is_of_bytes(self) -> bool {
        matches!(
            self,
            Self::BadJson
                | Self::BadAvro
                | Self::BadCsv
                | Self::UnknownSchema
                | Self::UnusableSchema
                | Self::NotAnObject
        )
    }

    /// The reason of most of `rejects`, which are by [`Reason::index`]; none where nothing was refused.
    #[must_use]
    pub fn most_frequent(rejects: &[u64; Self::ALL.len()]) -> Option<Self> {
        let most = Self::ALL.into_iter().max_by_key(|reason| rejects[reason.index()]);
        most.filter(|reason| rejects[reason.index()] > 0)
    }

    /// The reason as an index; of those of events below [`Reason::ALL`]'s length.
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }
}

/// A record that became no event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", .reason.name())]
pub struct Reject {
    /// Why, for counting.
    pub reason: Reason,
    /// What was found, where in the record, and what to do.
    pub message: String,
    /// Its time, where that was good: it moves the source's highest event time like an event's. From
    /// [`super::Mapping::decode`] as the record said, from [`super::Intake`] corrected.
    pub time: Option<EventTime>,
}

impl Reject {
    pub(super) fn new(reason: Reason, message: String) -> Self {
        Self { reason, message, time: None }
    }
}

/// The start of `text` for a message, without control characters.
pub(super) fn shortened(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 40;
    let shown: String = text.chars().take(SHOWN_CHARS_MAX).flat_map(char::escape_debug).collect();
    let rest = if text.chars().nth(SHOWN_CHARS_MAX).is_some() { "…" } else { "" };
    format!("\"{shown}{rest}\"")
}
