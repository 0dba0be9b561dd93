//! What can go wrong with a registry, sorted by what to do.

/// Why a registry did not give what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// The registry does not know it. A schema that was registered a moment ago may need another try or two.
    #[error(
        "{url} does not know {what}: it was deleted, or the record was written with another registry. \
         Register it again, or read the topic with the registry of its producer"
    )]
    NotFound {
        /// The registry, without secrets.
        url: String,
        /// What was asked for.
        what: String,
    },
    /// The registry knows it, but it is no Avro schema that can be read. Trying again does not help.
    #[error("{what} is not an Avro schema that can be read: {reason}. Send Avro to this topic, or map it as JSON")]
    NotAvro {
        /// Which schema.
        what: String,
        /// What it is instead.
        reason: String,
    },
    /// The registry does not let us.
    #[error("{url} refuses {what} ({status}: {message}). {}", remedy(*.status))]
    Refused {
        /// The registry, without secrets.
        url: String,
        /// 401 or 403.
        status: u16,
        /// What was asked for.
        what: String,
        /// What the registry says.
        message: String,
    },
    /// There is no answer, or none that makes sense.
    #[error("{url} {what}. Check registry.url, and that the registry runs and can be reached from here")]
    Unavailable {
        /// The registry, without secrets.
        url: String,
        /// What happened.
        what: String,
    },
    /// The registry does not take the schema under the subject.
    #[error(
        "the registry does not take samenloop's schema for subject {subject}: {message}. \
         Remove what stands under the subject, or choose another topics.prefix"
    )]
    Incompatible {
        /// The subject.
        subject: String,
        /// What the registry says.
        message: String,
    },
}

impl RegistryError {
    /// Whether it passes without any record being at fault: pause and try again, for as long as it takes. What is
    /// not transient may be tried again a few times, and is then final.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Unavailable { .. })
    }
}

fn remedy(status: u16) -> &'static str {
    match status {
        401 => "Check registry.user and registry.password, or registry.token",
        _ => "Give this user the right to it in the registry",
    }
}
