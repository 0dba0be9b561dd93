//! What every client of the brokers starts from, and where librdkafka's own lines go.
//!
//! [`base`] is the properties of `[kafka]` under those that samenloop sets; whoever makes a client adds what its part
//! needs. A property that this build of librdkafka cannot follow is an error here, before anything is sent.
//! Invariants: no value of a property is in an error or a log line: it may be a secret.

use crate::config::{INSTANCE, KafkaSettings, LogLevel};
use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, NativeClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::sync::{Arc, Mutex, PoisonError};

/// How samenloop calls itself to the brokers, unless `[kafka] client.id` says otherwise: for their logs and quotas.
const CLIENT_ID: &str = "samenloop";

/// What it says of settings that are ours by choice, and of commits that a hand-over makes vain: debug.
const QUIET: [&str; 2] = ["CONFWARN", "COMMITFAIL"];

/// What librdkafka writes before the line about a connection that failed.
const CONNECTION_FAILED: &str = "FAIL";

/// Errors of a client that [`ClientLog`] remembers.
const REMEMBERED_MAX: usize = 8;

/// A property of `[kafka]` that no client can be made with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// This build lacks what it asks for.
    #[error(
        "kafka.{property} asks for {wanted}, and this samenloop was built without the tls feature: \
         build it with `cargo build --release --features tls`"
    )]
    NeedsTls {
        /// Its name.
        property: String,
        /// What it asks for.
        wanted: &'static str,
    },
    /// librdkafka does not take its value.
    #[error("kafka.{property}: librdkafka does not take this value (it is not repeated here: it may be a secret)")]
    Value {
        /// Its name.
        property: String,
    },
    /// The properties contradict each other.
    #[error("[kafka]: {message}")]
    Together {
        /// What librdkafka says.
        message: String,
    },
}

/// The properties that all clients share.
///
/// # Errors
/// The first property that cannot be followed.
pub fn base(settings: &KafkaSettings, level: LogLevel) -> Result<ClientConfig, ClientError> {
    check(settings)?;
    let mut config = ClientConfig::new();
    config.set("client.id", CLIENT_ID);
    for (name, value) in settings.properties.iter().filter(|(name, _)| *name != INSTANCE) {
        config.set(name, value);
    }
    config.set_log_level(native_level(level));
    Ok(config)
}

/// Why a client could not be made, without the value that librdkafka would repeat.
#[must_use]
pub fn creation_error(error: &KafkaError) -> ClientError {
    match error {
        KafkaError::ClientConfig(_, _, property, _) if !property.is_empty() => {
            ClientError::Value { property: property.clone() }
        }
        KafkaError::ClientCreation(message) => ClientError::Together { message: message.clone() },
        other => ClientError::Together { message: other.to_string() },
    }
}

/// Asks librdkafka about each property, without a connection.
fn check(settings: &KafkaSettings) -> Result<(), ClientError> {
    let features = features();
    for (name, value) in &settings.properties {
        let tls = features.iter().any(|feature| feature == "ssl");
        if let Some(wanted) = needs_tls(name, value).filter(|_| !tls) {
            return Err(ClientError::NeedsTls { property: name.clone(), wanted });
        }
        if ClientConfig::new().set(name, value).create_native_config().is_err() {
            return Err(ClientError::Value { property: name.clone() });
        }
    }
    Ok(())
}

/// What of a property is there only with OpenSSL. SASL PLAIN is not: it works without.
fn needs_tls(name: &str, value: &str) -> Option<&'static str> {
    let value = value.to_ascii_lowercase();
    match name {
        "security.protocol" if value.ends_with("ssl") => Some("TLS"),
        "sasl.mechanism" | "sasl.mechanisms" if value.starts_with("scram") => Some("SASL SCRAM"),
        "sasl.mechanism" | "sasl.mechanisms" if value == "oauthbearer" => Some("SASL OAUTHBEARER"),
        _ if name.starts_with("ssl.") && !name.starts_with("ssl.endpoint.") => Some("TLS"),
        _ => None,
    }
}

/// What librdkafka was built with.
#[must_use]
pub fn features() -> Vec<String> {
    let native = ClientConfig::new().create_native_config();
    let listed = native.and_then(|native: NativeClientConfig| native.get("builtin.features")).unwrap_or_default();
    listed.split(',').map(|feature| feature.trim().to_owned()).collect()
}

fn native_level(level: LogLevel) -> RDKafkaLogLevel {
    match level {
        LogLevel::Off => RDKafkaLogLevel::Emerg,
        LogLevel::Error => RDKafkaLogLevel::Error,
        LogLevel::Warn => RDKafkaLogLevel::Warning,
        LogLevel::Info => RDKafkaLogLevel::Info,
        LogLevel::Debug | LogLevel::Trace => RDKafkaLogLevel::Debug,
    }
}

/// Writes one of librdkafka's lines to samenloop's log. What it calls an error is a connection that it tries again: a
/// warning here. What ends something comes as an error from the call.
pub fn log_line(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        _ if QUIET.contains(&facility) => tracing::debug!(facility, "librdkafka: {message}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => tracing::info!(facility, "librdkafka: {message}"),
        RDKafkaLogLevel::Debug => tracing::debug!(facility, "librdkafka: {message}"),
        _ => tracing::warn!(facility, "librdkafka: {message}"),
    }
}

/// The context of a client that is asked a few questions: what it cannot say in an answer, such as a refused connection,
/// is remembered. Its lines go to the log at debug, for whoever asks tells of them.
#[derive(Clone, Debug, Default)]
pub struct ClientLog {
    errors: Arc<Mutex<Vec<(RDKafkaErrorCode, String)>>>,
}

impl ClientLog {
    /// What went wrong so far, each once, the first ones first.
    #[must_use]
    pub fn errors(&self) -> Vec<String> {
        let errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        let summary = RDKafkaErrorCode::AllBrokersDown; // says nothing that the ones before it do not
        errors.iter().filter(|(code, _)| *code != summary).map(|(_, text)| text.clone()).collect()
    }
}

impl ClientContext for ClientLog {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        if facility == CONNECTION_FAILED {
            // An error event says the same, but only to clients that are polled.
            let text = message.split_once("]: ").map_or(message, |(_thread, text)| text);
            self.remember(RDKafkaErrorCode::BrokerTransportFailure, text);
        }
        tracing::debug!(facility, "librdkafka: {message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.remember(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown), reason);
    }
}

impl ClientLog {
    fn remember(&self, code: RDKafkaErrorCode, reason: &str) {
        // "…: Connection refused (after 0ms in state CONNECT, 2 identical error(s) suppressed)"
        let text = reason.split(" (after ").next().unwrap_or(reason).to_owned();
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        if errors.len() < REMEMBERED_MAX && !errors.iter().any(|(_, known)| *known == text) {
            errors.push((code, text));
        }
    }
}

impl rdkafka::consumer::ConsumerContext for ClientLog {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PASSED_THROUGH;
    use rdkafka::types::RDKafkaConfRes;

    fn with(properties: &[(&str, &str)]) -> KafkaSettings {
        KafkaSettings { properties: properties.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect() }
    }

    #[test]
    fn librdkafka_knows_every_property_that_is_passed_through() {
        for name in PASSED_THROUGH {
            let error = ClientConfig::new().set(name, "\u{1}").create_native_config().err();
            let unknown = matches!(error, Some(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)));
            assert!(!unknown, "{name}");
        }
    }

    #[test]
    fn a_value_that_librdkafka_does_not_take_is_refused_without_being_repeated() {
        for property in ["socket.timeout.ms", "security.protocol", "compression.codec", "ssl.key.pem"] {
            let error = base(&with(&[(property, "5ec4e7")]), LogLevel::Info).unwrap_err().to_string();
            assert!(error.contains(property) && !error.contains("5ec4e7"), "{error}");
        }
        base(&with(&[("socket.timeout.ms", "9000"), ("sasl.password", "5ec4e7")]), LogLevel::Info).unwrap();
    }

    #[test]
    fn what_needs_tls_is_told_when_it_is_missing_and_plain_does_not_need_it() {
        let tls = features().iter().any(|feature| feature == "ssl");
        assert_eq!(tls, cfg!(feature = "tls"));
        for (name, value, wanted) in [
            ("security.protocol", "SASL_SSL", "TLS"),
            ("security.protocol", "ssl", "TLS"),
            ("sasl.mechanism", "SCRAM-SHA-512", "SASL SCRAM"),
            ("sasl.mechanisms", "OAUTHBEARER", "SASL OAUTHBEARER"),
            ("ssl.ca.location", "/ca.pem", "TLS"),
        ] {
            let result = base(&with(&[(name, value)]), LogLevel::Info).err();
            let missing = ClientError::NeedsTls { property: name.to_owned(), wanted };
            assert_eq!(result, (!tls).then_some(missing), "{name}={value}");
        }
        let plain = [("security.protocol", "SASL_PLAINTEXT"), ("sasl.mechanism", "PLAIN"), ("sasl.username", "a")];
        let config = base(&with(&[&plain[..], &[("sasl.password", "b")]].concat()), LogLevel::Info).unwrap();
        config.create::<rdkafka::consumer::BaseConsumer>().unwrap();
    }
}
