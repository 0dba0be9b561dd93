//! What can be wrong with settings, said so that a person can mend it.

use std::fmt;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Nobody set it.
    Default,
    /// The settings file of this name.
    File(String),
    /// The environment variable of this name.
    Environment(String),
    /// The flag of this name.
    Flag(String),
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A key that does not exist.
    #[error("{layer}: unknown setting {key}; {}", hint(.nearest.as_deref()))]
    Unknown {
        /// Where it stands.
        layer: Layer,
        /// As it was written.
        key: String,
        /// The known one that looks most like it, in the spelling of the layer.
        nearest: Option<String>,
    },
    /// A property that librdkafka does not have.
    #[error("{layer}: librdkafka has no property {key}{}", meant(.nearest.as_deref()))]
    UnknownProperty {
        /// Where it stands.
        layer: Layer,
        /// As it was written.
        key: String,
        /// The known one that looks most like it, in the spelling of the layer.
        nearest: Option<String>,
    },
    /// Text that cannot be read.
    #[error("{layer}: {message}")]
    Unreadable {
        /// Where it stands.
        layer: Layer,
        /// What the reader says.
        message: String,
    },
    /// A value that is out of its limits, or at odds with another.
    #[error("{setting} ({layer}): {reason}")]
    Limit {
        /// Key and value.
        setting: String,
        /// Where the value came from.
        layer: Layer,
        /// What is wrong, and what would be right.
        reason: String,
    },
}

/// All that is wrong with the settings, one line each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError {
    /// Never empty.
    pub problems: Vec<Problem>,
}

impl ConfigError {
    pub(super) fn one(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::File(name) => write!(formatter, "file {name}"),
            Self::Environment(name) => write!(formatter, "environment variable {name}"),
            Self::Flag(name) => write!(formatter, "flag {name}"),
        }
    }
}

fn meant(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |known| format!("; did you mean {known}?"))
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(
        || "`samenloop config --defaults` shows all settings".to_owned(),
        |known| format!("did you mean {known}?"),
    )
}
