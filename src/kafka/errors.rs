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

/// Whether a worker that drops all it has, and starts again with new clients, may get on: a writer whose producer has failed for good, or a
/// reader that a successor's trimming has overtaken while it was paused. What a person must mend is found again, and ends it then.
pub(super) fn may_pass_by_starting_again(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    let code = error.rdkafka_error_code();
    matches!(code, Some(Code::OffsetOutOfRange | Code::AutoOffsetReset | Code::Fatal))
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
    use crate::watch::health::Health;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    /// Only an answer, a refusal or the end of the process ends the wait, and meanwhile it shows.
    #[test]
    fn a_partition_without_a_leader_is_waited_for_and_told_until_there_is_an_answer() {
        let (health, stop) = (Health::new(1, Duration::from_secs(60)), Arc::<AtomicBool>::default());
        let vigil = Vigil::new("rows-0", Arc::clone(&stop), &health);
        let lost = KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownPartition);
        let waits = || health.waits().all().into_iter().map(|wait| (wait.who, wait.what)).collect::<Vec<_>>();
        let mut asked = 0;
        let answer = patiently(&vigil, "pairs", &"asking for its bounds", |_| {
            asked += 1;
            assert!(asked < 300, "nothing tells that it waits, for {:?} by now", asked * ASK_AGAIN);
            if waits().is_empty() { Err(lost.clone()) } else { Ok(7) }
        });
        assert_eq!((answer.unwrap(), waits()), (7, vec![]), "an answer ends it");
        assert!(asked > 2, "it shows only when it has lasted: {asked}");
        let denied = KafkaError::MetadataFetch(RDKafkaErrorCode::TopicAuthorizationFailed);
        let refused = patiently::<()>(&vigil, "pairs", &"asking", |_| Err(denied.clone())).unwrap_err();
        assert!(refused.to_string().contains("pairs"), "{refused}");
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        let stopped = patiently::<()>(&vigil, "pairs", &"asking", |_| Err(lost.clone())).unwrap_err();
        assert!(stopped.is::<crate::drive::StopAsked>(), "{stopped}");
    }

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
