//! From settings to a pipeline: what `replay`, `demo` and `evaluate` have in common.

use super::UsageError;
use crate::config::{FactsSourceSettings, Settings, SourceSettings};
use crate::drive::Setup;
use crate::event::UserKeys;
use crate::facts::Facts;
use crate::intake::{FactMapping, Intake, Mapping, TimeRules};
use crate::stage::{BlockLimits, Clocked, RowsSetup};
use anyhow::Context as _;
use std::fs;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// The mapping of a source, with its schema files.
pub(super) fn mapping(source: &SourceSettings) -> anyhow::Result<Mapping> {
    let name = &source.name;
    let of = format!("source {name}");
    let writer = schema(&of, "schema_file", source.schema_file.as_deref())?;
    let reader = schema(&of, "reader_schema_file", source.reader_schema_file.as_deref())?;
    let mapping =
        source.mapping.compile().and_then(|mapping| mapping.with_schemas(writer.as_deref(), reader.as_deref()));
    mapping.with_context(|| UsageError(format!("source {name}: its mapping cannot be used")))
}

/// The mapping of a topic or file of facts, with its schema files.
pub(super) fn fact_mapping(source: &FactsSourceSettings, low_stock: Option<f64>) -> anyhow::Result<FactMapping> {
    let of = format!("facts.{}", source.kind().name());
    let writer = schema(&of, "schema_file", source.schema_file.as_deref())?;
    let reader = schema(&of, "reader_schema_file", source.reader_schema_file.as_deref())?;
    let mapping = source.mapping.compile(low_stock);
    let mapping = mapping.and_then(|mapping| mapping.with_schemas(writer.as_deref(), reader.as_deref()));
    mapping.with_context(|| UsageError(format!("{of}: its mapping cannot be used")))
}

/// The text of a schema file, where one is set.
fn schema(of: &str, key: &str, path: Option<&str>) -> anyhow::Result<Option<String>> {
    let read =
        |path| fs::read_to_string(path).with_context(|| UsageError(format!("{of}: {key} {path} cannot be read")));
    path.map(read).transpose()
}

/// The stages' setup. Backlogs silence the lists as the settings say, unless lists go by the events' times.
pub(super) fn setup(settings: &Settings, clocked: Clocked, facts: Option<Arc<Facts>>) -> Setup {
    let Settings { counting, intake, lists, publish, logs, .. } = settings;
    let secret = intake.user_secret.bytes();
    let times = TimeRules { max_ahead_ms: intake.max_ahead_ms, earliest_time_ms: intake.earliest_time.0 };
    Setup {
        intake: Intake::new(times, UserKeys::new(secret), logs.events_partitions),
        events_identity: xxh3_64(&secret),
        history_ms: (clocked == Clocked::Wall).then_some(intake.history_ms),
        clicks: settings.clicks.clone(),
        counting: counting.clone(),
        merge_bytes_max: usize::try_from(intake.merge_buffer_bytes).unwrap_or(usize::MAX),
        rows: RowsSetup { lists: lists.clone(), publish: *publish, clocked, facts },
        limits: BlockLimits {
            bytes_max: usize::try_from(logs.block_bytes).unwrap_or(usize::MAX),
            entries_max: logs.block_records,
        },
    }
}
