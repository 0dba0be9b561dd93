//! From settings to a pipeline: what `replay`, `demo` and `evaluate` have in common.

use super::UsageError;
use crate::config::{Settings, SourceSettings};
use crate::drive::Setup;
use crate::event::UserKeys;
use crate::intake::{Intake, Mapping, TimeRules};
use crate::stage::{BlockLimits, Clocked, RowsSetup};
use anyhow::Context as _;
use std::fs;
use xxhash_rust::xxh3::xxh3_64;

/// The mapping of a source, with its schema files.
pub(super) fn mapping(source: &SourceSettings) -> anyhow::Result<Mapping> {
    let name = &source.name;
    let read = |key: &str, file: &Option<String>| {
        let text = file.as_ref().map(|path| {
            fs::read_to_string(path).with_context(|| UsageError(format!("source {name}: {key} {path} cannot be read")))
        });
        text.transpose()
    };
    let writer = read("schema_file", &source.schema_file)?;
    let reader = read("reader_schema_file", &source.reader_schema_file)?;
    let mapping =
        source.mapping.compile().and_then(|mapping| mapping.with_schemas(writer.as_deref(), reader.as_deref()));
    mapping.with_context(|| UsageError(format!("source {name}: its mapping cannot be used")))
}

/// The stages' setup. Backlogs silence the lists as the settings say, unless lists go by the events' times.
pub(super) fn setup(settings: &Settings, clocked: Clocked) -> Setup {
    let Settings { counting, intake, lists, publish, logs, .. } = settings;
    let secret = intake.user_secret.bytes();
    let times = TimeRules { max_ahead_ms: intake.max_ahead_ms, earliest_time_ms: intake.earliest_time.0 };
    Setup {
        intake: Intake::new(times, UserKeys::new(secret), logs.events_partitions),
        events_identity: xxh3_64(&secret),
        history_ms: (clocked == Clocked::Wall).then_some(intake.history_ms),
        counting: counting.clone(),
        merge_bytes_max: usize::try_from(intake.merge_buffer_bytes).unwrap_or(usize::MAX),
        rows: RowsSetup { lists: lists.clone(), publish: *publish, clocked, facts: None },
        limits: BlockLimits {
            bytes_max: usize::try_from(logs.block_bytes).unwrap_or(usize::MAX),
            entries_max: logs.block_records,
        },
    }
}
