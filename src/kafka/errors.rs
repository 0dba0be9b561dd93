//! Which errors pass by themselves, and which only a person can end.
//!
//! Brokers that are away, that change leaders, that lose a coordinator: whatever is not surely a refusal is waited for, and said so
//! (`drive::Vigil`). A list of what passes would always miss one.

use crate::drive::{LogFailure, Vigil};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::fmt::Display;
use std::thread;
use std::time::Duration;

/// How long a call that asks the brokers may take before its worker gives a sign of life and asks again.
pub(super) const ASK_MAX: Duration = Duration::from_secs(5);
/// How long until brokers are asked again.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// Whether waiting cannot mend it.
pub(super) fn is_refusal(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    let Some(code) = error.rdkafka_error_code() else { return true };
    matches!(
        code,
        Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::SaslAuthenticationFailed
            | Code::Authentication
            | Code::UnsupportedSASLMechanism
            | Code::IllegalSASLState
            | Code::UnsupportedVersion
            | Code::UnsupportedFeature
            | Code::NotImplemented
            | Code::InvalidConfig
            | Code::InvalidArgument
            | Code::InvalidTopic
            | Code::InvalidGroupId
            | Code::InconsistentGroupProtocol
            | Code::FencedInstanceId
            | Code::OffsetOutOfRange
            | Code::AutoOffsetReset
            | Code::MessageSizeTooLarge
            | Code::SecurityDisabled
            | Code::SSL
            | Code::Fatal
    )
}

/// Asks until there is an answer: what passes by itself is waited for as long as it takes.
pub(super) fn patiently<T>(
    vigil: &Vigil,
    topic: &str,
    doing: &dyn Display,
    mut ask: impl FnMut(Duration) -> Result<T, KafkaError>,
) -> anyhow::Result<T> {
    loop {
        match ask(ASK_MAX) {
            Ok(answer) => {
                vigil.note_answer();
                return Ok(answer);
            }
            Err(error) if is_refusal(&error) => return Err(LogFailure::of(topic, doing, &error).into()),
            Err(error) => {
                vigil.wait(&format_args!("{topic}: {doing}: {error}"))?;
                thread::sleep(ASK_AGAIN);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_busy_or_broken_cluster_says_passes_and_what_it_forbids_does_not() {
        use RDKafkaErrorCode as Code;
        let passing = [
            Code::UnknownPartition,
            Code::DestroyBroker,
            Code::BrokerTransportFailure,
            Code::AllBrokersDown,
            Code::LeaderNotAvailable,
            Code::NotLeaderForPartition,
            Code::UnknownTopicOrPartition,
            Code::CoordinatorLoadInProgress,
            Code::OperationTimedOut,
            Code::NotEnoughReplicas,
            Code::KafkaStorageError,
        ];
        for code in passing {
            for error in [KafkaError::MetadataFetch(code), KafkaError::MessageConsumption(code)] {
                assert!(!is_refusal(&error), "{error}");
            }
        }
        for code in [Code::TopicAuthorizationFailed, Code::OffsetOutOfRange, Code::SaslAuthenticationFailed] {
            assert!(is_refusal(&KafkaError::MessageConsumption(code)), "{code}");
        }
    }
}
