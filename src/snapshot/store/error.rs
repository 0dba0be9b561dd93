//! What can go wrong with a store, sorted by what to do.

use crate::snapshot::FormatError;
use std::error::Error;
use std::io;

/// Longest message of a store that is repeated.
const SAID_CHARS_MAX: usize = 400;
/// Shortest value of a variable that is looked for in messages: a shorter one would mask innocent words.
const MASKED_BYTES_MIN: usize = 8;

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL is none, or not one that a store can have.
    #[error("snapshots.url: {reason}")]
    Url {
        /// What is wrong, and what would be right. Does not repeat the URL.
        reason: String,
    },
    /// The URL needs what this build lacks.
    #[error(
        "snapshots.url: {scheme}: needs the feature cloud, which this build lacks. \
         Build with `cargo build --release --features cloud`, or use a folder"
    )]
    Feature {
        /// Of the URL.
        scheme: String,
    },
    /// No object can be called that.
    #[error("{name:?} is no name of a snapshot: {reason}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// There is no such object.
    #[error("{object} is not in the snapshot store")]
    Missing {
        /// The object.
        object: String,
    },
    /// Another object has taken its place while it was read. Passes by itself.
    #[error("{object} has been replaced while it was read: read it again")]
    Replaced {
        /// The object.
        object: String,
    },
    /// No room. Passes when somebody makes room.
    #[error("no room for {object} in the snapshot store: {said}. Free space, or lower snapshots.keep")]
    Full {
        /// The object.
        object: String,
        /// What the store says.
        said: String,
    },
    /// The store is not there, or does not answer. Passes by itself.
    #[error("{object}: the snapshot store does not answer as it should: {said}")]
    Unavailable {
        /// The object.
        object: String,
        /// What the store says.
        said: String,
    },
    /// The store does not let us, or cannot do it.
    #[error(
        "{object}: the snapshot store refuses: {said}. Check snapshots.url, the credentials in the environment, and that this \
         process may read, write, list and delete there"
    )]
    Refused {
        /// The object.
        object: String,
        /// What the store says.
        said: String,
    },
    /// What stands in the place of the store's id is none.
    #[error(
        "{object} in the snapshot store is not an id: it was written by something else, or is damaged. Restore it, or use another \
         snapshots.url (the state is then read from the logs)"
    )]
    NoId {
        /// The object.
        object: String,
    },
    /// The store is another one than when it was asked first.
    #[error(
        "{object}: the snapshot store is another one than at the start of this process, which keeps nothing there. Bring back the one that \
         was at snapshots.url, or start anew"
    )]
    Exchanged {
        /// The object.
        object: String,
    },
    /// The object is no whole snapshot.
    #[error("{object}: {source}")]
    Format {
        /// The object.
        object: String,
        /// What is wrong with it.
        source: FormatError,
    },
    /// What was read back of an object is not what was written.
    #[error("{object} was not as it was written when it was read back, and has been removed: {said}")]
    NotAsWritten {
        /// The object.
        object: String,
        /// What was wrong with it.
        said: String,
    },
    /// An earlier error has ended this writing.
    #[error("{object}: its writing has failed before and was abandoned: begin anew")]
    Abandoned {
        /// The object.
        object: String,
    },
    /// The store's thread has ended: a bug.
    #[error("{object}: the snapshot store's thread has ended; restart samenloop, and report this")]
    Stopped {
        /// The object.
        object: String,
    },
}

impl StoreError {
    /// Whether it may pass: try again, for as long as it takes. Otherwise a person must act, or another snapshot be taken.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Replaced { .. }
            | Self::Full { .. }
            | Self::Unavailable { .. }
            | Self::NotAsWritten { .. }
            | Self::Abandoned { .. } => true,
            Self::Url { .. }
            | Self::Feature { .. }
            | Self::Name { .. }
            | Self::Missing { .. }
            | Self::Refused { .. }
            | Self::NoId { .. }
            | Self::Exchanged { .. }
            | Self::Format { .. }
            | Self::Stopped { .. } => false,
        }
    }

    /// Whether who is at work already waits for it: what may pass, and what a person can mend meanwhile, such as rights, or a folder that
    /// is gone, is no folder or is another one. Who starts says that at once.
    #[must_use]
    pub fn is_waited_for(&self) -> bool {
        self.is_transient() || matches!(self, Self::Refused { .. } | Self::Exchanged { .. } | Self::NoId { .. })
    }

    /// What went wrong with decoding `object`: the store's own error where that was it.
    #[must_use]
    pub fn of_format(object: &str, error: FormatError) -> Self {
        match error {
            FormatError::Read(error) => Self::of_read(object, error),
            source => Self::Format { object: object.to_owned(), source },
        }
    }

    /// What went wrong with reading `object` by [`std::io::Read`].
    pub(super) fn of_read(object: &str, error: io::Error) -> Self {
        error.downcast::<Self>().unwrap_or_else(|error| Self::of_io(object, &error))
    }

    /// What went wrong with a file.
    pub(super) fn of_io(object: &str, error: &io::Error) -> Self {
        Self::of_kind(object.to_owned(), error.kind(), error.to_string())
    }

    /// What a store says about `object`, without its secrets.
    pub(super) fn of_store(object: &str, error: &object_store::Error, masks: &Masks) -> Self {
        use object_store::Error as Said;
        let (object, said) = (object.to_owned(), masks.said(error));
        match error {
            Said::NotFound { .. } => Self::Missing { object },
            Said::Precondition { .. } => Self::Replaced { object },
            Said::InvalidPath { source } => Self::Name { name: object, reason: source.to_string() },
            Said::JoinError { .. } => Self::Stopped { object },
            Said::PermissionDenied { .. }
            | Said::Unauthenticated { .. }
            | Said::NotSupported { .. }
            | Said::NotImplemented { .. }
            | Said::UnknownConfigurationKey { .. } => Self::Refused { object, said },
            _ => match of_file(error) {
                Some(kind) => Self::of_kind(object, kind, said),
                None => Self::Unavailable { object, said },
            },
        }
    }

    fn of_kind(object: String, kind: io::ErrorKind, said: String) -> Self {
        use io::ErrorKind as Kind;
        match kind {
            Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge => Self::Full { object, said },
            Kind::PermissionDenied
            | Kind::ReadOnlyFilesystem
            | Kind::NotADirectory
            | Kind::IsADirectory
            | Kind::AlreadyExists
            | Kind::InvalidFilename
            | Kind::Unsupported => Self::Refused { object, said },
            _ => Self::Unavailable { object, said },
        }
    }
}

/// The kind of the error of a file that lies beneath.
fn of_file(error: &object_store::Error) -> Option<io::ErrorKind> {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        cause = error.source();
    }
    None
}

/// What must not be in a message.
#[derive(Default)]
pub(super) struct Masks {
    secrets: Vec<String>,
}

impl Masks {
    /// Masks the values of these variables. The longest go first: one may be a part of another.
    pub(super) fn of<'a>(variables: impl Iterator<Item = &'a (String, String)>) -> Self {
        let is_secret = |name: &str| {
            let name = name.to_ascii_uppercase();
            ["KEY", "SECRET", "TOKEN", "PASSWORD", "SAS", "CREDENTIAL", "ACCOUNT"]
                .iter()
                .any(|part| name.contains(part))
        };
        let kept = variables.filter(|(name, value)| is_secret(name) && value.len() >= MASKED_BYTES_MIN);
        let mut secrets: Vec<String> = kept.map(|(_, value)| value.clone()).collect();
        secrets.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        Self { secrets }
    }

    /// What an error says, in one line of bounded length.
    fn said(&self, error: &object_store::Error) -> String {
        let mut text = error.to_string();
        for secret in &self.secrets {
            text = text.replace(secret, "***");
        }
        let words: Vec<String> = text.split_whitespace().map(without_query).collect();
        words.join(" ").chars().take(SAID_CHARS_MAX).collect()
    }
}

/// A word, and of a URL in it no query: a signature may stand there.
fn without_query(word: &str) -> String {
    match (word.find("://"), word.find('?')) {
        (Some(scheme), Some(query)) if scheme < query => format!("{}?***", &word[..query]),
        _ => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(error: impl Into<Box<dyn Error + Send + Sync>>) -> StoreError {
        let error = object_store::Error::Generic { store: "S3", source: error.into() };
        StoreError::of_store("a/b.snapshot", &error, &Masks::default())
    }

    #[test]
    fn what_may_pass_is_told_from_what_needs_a_person() {
        for (kind, transient, expected) in [
            (io::ErrorKind::StorageFull, true, "no room for a/b.snapshot"),
            (io::ErrorKind::QuotaExceeded, true, "Free space"),
            (io::ErrorKind::PermissionDenied, false, "may read, write, list and delete there"),
            (io::ErrorKind::ReadOnlyFilesystem, false, "refuses"),
            (io::ErrorKind::NotADirectory, false, "Check snapshots.url"),
            (io::ErrorKind::ConnectionRefused, true, "does not answer"),
            (io::ErrorKind::TimedOut, true, "does not answer"),
        ] {
            let error = of(io::Error::from(kind));
            assert_eq!(error.is_transient(), transient, "{error}");
            assert!(error.to_string().contains(expected), "{error}");
        }
        let denied = object_store::Error::PermissionDenied { path: "p".to_owned(), source: "403".into() };
        assert!(!StoreError::of_store("a", &denied, &Masks::default()).is_transient());
        let gone = object_store::Error::NotFound { path: "p".to_owned(), source: "404".into() };
        assert!(matches!(StoreError::of_store("a", &gone, &Masks::default()), StoreError::Missing { .. }));
    }

    #[test]
    fn a_message_holds_no_secret_no_signature_and_no_page() {
        let variables = [
            ("AWS_SECRET_ACCESS_KEY".to_owned(), "made-up-secret".to_owned()),
            ("AWS_SESSION_TOKEN".to_owned(), "made-up-secret-and-more".to_owned()),
            ("AWS_REGION".to_owned(), "eu-central-1".to_owned()),
        ];
        let masks = Masks::of(variables.iter());
        let text = format!(
            "GET https://h/x?sig=abc in\n eu-central-1: made-up-secret-and-more made-up-secret {}",
            "page ".repeat(1000)
        );
        let error = object_store::Error::Generic { store: "S3", source: text.into() };
        let said = StoreError::of_store("a", &error, &masks).to_string();
        for hidden in ["sig=abc", "made-up", "and-more", "\n"] {
            assert!(!said.contains(hidden), "{said}");
        }
        assert!(said.contains("eu-central-1: *** *** page") && said.chars().count() < 600, "{said}");
    }
}
