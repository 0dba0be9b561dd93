//! The topics that samenloop owns.
use super::scan::Scanner;
use super::KafkaFailure;
use rdkafka::ClientConfig;

/// Names of our topics.
pub struct TopicNames { /// a
 pub events: String, /// a
 pub pairs: String, /// a
 pub totals: String, /// a
 pub lists: String, /// a
 pub rejects: String }
impl TopicNames {
    /// All.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        let name = |name: &str| format!("{prefix}{name}");
        Self { events: name("events"), pairs: name("pairs"), totals: name("totals"), lists: name("lists"), rejects: name("rejects") }
    }
}
/// Counts.
pub struct Partitions { /// a
 pub events: u32, /// a
 pub pairs: u32 }
/// Counts.
///
/// # Errors
/// When missing.
pub fn partitions_or_refuse(client: &ClientConfig, names: &TopicNames) -> Result<Partitions, KafkaFailure> {
    let scanner = Scanner::new(client, "x")?;
    for topic in [&names.totals, &names.lists, &names.rejects] { scanner.partitions(topic)?; }
    Ok(Partitions { events: scanner.partitions(&names.events)?, pairs: scanner.partitions(&names.pairs)? })
}
