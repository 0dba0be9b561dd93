//! What a record means, once its schema is at hand: a registry that is away is waited for.

use crate::drive::{SchemaSource, Vigil};
use crate::intake::Record;
use crate::publish::codec::SchemaFailure;
use crate::warm::{Made, Reading, Unreadable};
use crate::watch::waits::Outside;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// How long between two questions to a schema registry that does not answer.
const REGISTRY_AGAIN: Duration = Duration::from_secs(1);

/// What `record` means; or, within, why it can never be read.
pub(super) fn understood(
    reading: &Reading,
    schemas: Option<&Arc<dyn SchemaSource>>,
    vigil: &Vigil,
    record: &Record<'_>,
) -> anyhow::Result<Result<Made, String>> {
    let schema_of = |id: u32| match schemas {
        Some(schemas) => schemas.schema(id),
        None => Err(SchemaFailure::Unusable(
            "records name their schemas by the ids of a schema registry, and none is set: set registry.url".to_owned(),
        )),
    };
    loop {
        let read = match reading.read(record, &schema_of) {
            Err(Unreadable::ForNow(what)) => {
                vigil.wait_for(Outside::Registry, &what)?;
                thread::sleep(REGISTRY_AGAIN);
                continue;
            }
            Err(Unreadable::Ever(what)) => Err(what),
            Ok(made) => Ok(made),
        };
        vigil.note_answer_of(Outside::Registry);
        return Ok(read);
    }
}
