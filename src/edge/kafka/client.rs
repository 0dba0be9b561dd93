//! The client configuration that all clients start from.
use crate::config::KafkaSettings;
use rdkafka::ClientConfig;

/// The base of every client.
#[must_use]
pub fn base(settings: &KafkaSettings) -> ClientConfig {
    let mut config = ClientConfig::new();
    for (name, value) in &settings.properties {
        config.set(name, value);
    }
    config
}
