//! How the schemas of the lists topic come into a registry.

use super::registry::{Registry, RegistryError};
use crate::config::RegistrySettings;
use crate::publish::codec::{LIST_KEY_SCHEMA, LIST_VALUE_SCHEMA, ListCodec};
use anyhow::{Context, anyhow};

/// Sees that the schemas of the lists topic are in the registry, under the subjects `TOPIC-key` and `TOPIC-value`, and
/// gives the codec that writes by them. Registers them where the settings allow it; else they must be there.
///
/// # Errors
/// When they are not there, with what to do; the source is a [`RegistryError`] where the registry is at fault.
pub fn publish_schemas(
    registry: &Registry,
    settings: &RegistrySettings,
    lists_topic: &str,
) -> anyhow::Result<ListCodec> {
    let id = |part: &str, file: &str, schema: &str| {
        let subject = format!("{lists_topic}-{part}");
        let found = match settings.register {
            true => registry.register(&subject, schema).map(Some),
            false => registry.lookup(&subject, schema),
        };
        match found {
            Ok(Some(id)) => Ok(id),
            Ok(None) => Err(anyhow!(
                "the registry does not hold schemas/{file} of this release under subject {subject}, and registry.register is \
                 false. Have it registered there, or set registry.register = true"
            )),
            Err(error @ RegistryError::Refused { status: 403, .. }) => Err(error).with_context(|| {
                format!(
                    "subject {subject}: have schemas/{file} registered by somebody who may, and set registry.register = false"
                )
            }),
            Err(error) => Err(error).with_context(|| format!("subject {subject}")),
        }
    };
    let key_id = id("key", "list-key.avsc", LIST_KEY_SCHEMA)?;
    let value_id = id("value", "list-value.avsc", LIST_VALUE_SCHEMA)?;
    Ok(ListCodec::avro(key_id, value_id)?)
}
