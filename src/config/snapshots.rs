//! `[snapshots]`: where the state is kept, how often, how many.
//!
//! Invariants: a URL that was accepted holds no password and no query; printed, it would show neither. Absent: whether this build
//! can reach such a store, and whether it is there (`snapshot`).

use super::check::Check;
use super::problem::Problem;
use super::raw::RawSettings;
use super::units::{Bound, Duration};
use crate::rules::DAY_MS;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::RangeInclusive;

/// Time between two snapshots of a partition. Shorter ones would do nothing but write.
const INTERVAL: RangeInclusive<Duration> = Duration(1000)..=Duration(30 * DAY_MS);
/// Snapshots kept of a partition.
const KEEP: RangeInclusive<usize> = 1..=100;
/// How long the events log may be told to be kept: behind snapshots nothing needs it, so this is for counting anew.
const KEEP_EVENTS: RangeInclusive<Duration> = Duration(1000)..=Duration(3650 * DAY_MS);
/// Schemes of stores.
const SCHEMES: &[&str] = &["file", "memory", "s3", "s3a", "gs", "az", "adl", "azure", "abfs", "abfss"];
/// What is shown in place of a secret.
const HIDDEN: &str = "***";

/// Where the state is kept, how often, how many.
#[derive(Clone, PartialEq, Eq)]
pub struct SnapshotSettings {
    /// The store, as `snapshot::SnapshotStore::open` takes it; `None`: no snapshots.
    pub url: Option<String>,
    /// Time between two snapshots of a partition, in milliseconds.
    pub interval_ms: i64,
    /// How many are kept of a partition.
    pub keep: usize,
    /// How old records of the events log must be before they are deleted, in milliseconds; `None`: of any age, once no snapshot needs them.
    pub keep_events_ms: Option<i64>,
}

impl SnapshotSettings {
    /// The URL as it may be shown: without a password, and without the values of a query. Empty: none.
    #[must_use]
    pub fn shown_url(&self) -> String {
        masked(self.url.as_deref().unwrap_or_default())
    }
}

impl Default for SnapshotSettings {
    fn default() -> Self {
        Self { url: None, interval_ms: 5 * 60_000, keep: 3, keep_events_ms: None }
    }
}

impl fmt::Debug for SnapshotSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SnapshotSettings")
            .field("url", &self.shown_url())
            .field("interval_ms", &self.interval_ms)
            .field("keep", &self.keep)
            .field("keep_events_ms", &self.keep_events_ms)
            .finish()
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct RawSnapshots {
    /// Empty: none.
    pub(super) url: String,
    pub(super) interval: Duration,
    pub(super) keep: usize,
    pub(super) keep_events: Bound,
}

impl From<&SnapshotSettings> for RawSnapshots {
    fn from(snapshots: &SnapshotSettings) -> Self {
        Self {
            url: snapshots.shown_url(),
            interval: Duration(snapshots.interval_ms),
            keep: snapshots.keep,
            keep_events: Bound(snapshots.keep_events_ms.map(Duration)),
        }
    }
}

impl Default for RawSnapshots {
    fn default() -> Self {
        Self::from(&SnapshotSettings::default())
    }
}

impl Check<'_> {
    pub(super) fn snapshots(&mut self, raw: &RawSettings) -> SnapshotSettings {
        let raw = &raw.snapshots;
        let url = raw.url.trim();
        if let Some(reason) = url_fault(url).filter(|_| !url.is_empty()) {
            // Not repeated: it may hold a password.
            let layer = self.layer("snapshots.url");
            let reason = reason.to_owned();
            self.problems.push(Problem::Limit { setting: "snapshots.url".to_owned(), layer, reason });
        }
        SnapshotSettings {
            url: (!url.is_empty()).then(|| url.to_owned()),
            interval_ms: self.within("snapshots.interval", raw.interval, &INTERVAL).0,
            keep: self.within("snapshots.keep", raw.keep, &KEEP),
            keep_events_ms: raw.keep_events.0.map(|keep| self.within("snapshots.keep_events", keep, &KEEP_EVENTS).0),
        }
    }
}

/// What is wrong with a URL, if anything. One without a scheme is a folder.
fn url_fault(url: &str) -> Option<&'static str> {
    let (scheme, rest) = url.split_once("://")?;
    if !SCHEMES.contains(&scheme) {
        return Some("must be a folder (file:///var/lib/samenloop/snapshots), s3://, gs:// or az://");
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    if authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':') || user == HIDDEN) {
        return Some("must not hold a password: credentials come from the environment (AWS_…, GOOGLE_…, AZURE_…)");
    }
    (scheme != "file" && rest.contains(['?', '#']))
        .then_some("must not hold a query: region and endpoint come from the environment (AWS_…, GOOGLE_…, AZURE_…)")
}

/// A URL without what may be secret.
fn masked(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let authority = match authority.rsplit_once('@') {
        // A container's name, of az://container@account, is no secret.
        Some((user, host)) if user.contains(':') => format!("{HIDDEN}@{host}"),
        _ => authority.to_owned(),
    };
    let path = path
        .split_once('?')
        .filter(|_| scheme != "file")
        .map_or(path.to_owned(), |(path, _)| format!("{path}?{HIDDEN}"));
    format!("{scheme}://{authority}{path}")
}

#[cfg(test)]
mod tests {
    use crate::config::{Flag, Layers, Settings, SnapshotSettings};

    fn load(flags: &[(&str, &str)]) -> Result<Settings, String> {
        let flag = |(key, value): &(&str, &str)| Flag {
            flag: "--set",
            key: format!("snapshots.{key}"),
            value: (*value).to_owned(),
        };
        let layers = Layers { flags: flags.iter().map(flag).collect(), ..Layers::default() };
        Settings::load(&layers).map_err(|error| error.to_string())
    }

    #[test]
    fn snapshots_are_off_until_they_have_a_place() {
        let settings = load(&[]).unwrap().snapshots;
        assert_eq!(settings, SnapshotSettings { url: None, interval_ms: 300_000, keep: 3, keep_events_ms: None });
        let settings = load(&[("url", "s3://bucket/shop"), ("interval", "1s"), ("keep", "100")]).unwrap().snapshots;
        let url = Some("s3://bucket/shop".to_owned());
        assert_eq!(settings, SnapshotSettings { url, interval_ms: 1000, keep: 100, keep_events_ms: None });
        let kept = |text| load(&[("keep_events", text)]).unwrap().snapshots.keep_events_ms;
        assert_eq!((kept("off"), kept("1m"), kept("400d")), (None, Some(60_000), Some(400 * 86_400_000)));
        for url in ["file:///var/lib/x", "/var/lib/x", "snapshots", "memory:", "gs://b", "az://container@account/x"] {
            let settings = load(&[("url", url)]).unwrap();
            assert_eq!(settings.snapshots.url.as_deref(), Some(url));
            assert!(settings.to_toml().unwrap().contains(&format!("url = \"{url}\"")), "{url}");
        }
    }

    #[test]
    fn values_beyond_their_limits_are_refused() {
        for (key, value, expected) in [
            ("interval", "999ms", "must be 1s to 30d"),
            ("interval", "31d", "must be 1s to 30d"),
            ("keep", "0", "must be 1 to 100"),
            ("keep", "101", "must be 1 to 100"),
            ("keep_events", "999ms", "must be 1s to 3650d"),
            ("keep_events", "3651d", "must be 1s to 3650d"),
            ("keep_events", "ever", "or \"off\""),
            ("url", "ftp://h/x", "must be a folder"),
            ("url", "s3://user:hidden@bucket/x", "must not hold a password"),
            ("url", "s3://***@bucket/x", "must not hold a password"),
            ("url", "s3://bucket/x?key=hidden", "must not hold a query"),
        ] {
            let error = load(&[(key, value)]).unwrap_err();
            assert!(error.contains(&format!("snapshots.{key}")) && error.contains(expected), "{error}");
            assert!(!error.contains("hidden"), "{error}");
        }
    }

    #[test]
    fn no_secret_of_a_url_is_shown_even_if_it_came_past_the_check() {
        for (url, shown) in [
            ("s3://user:hidden@bucket/x", "s3://***@bucket/x"),
            ("s3://bucket/x?key=hidden&b=hidden", "s3://bucket/x?***"),
            ("s3://user:hid@den@bucket?x", "s3://***@bucket?***"),
        ] {
            let snapshots = SnapshotSettings { url: Some(url.to_owned()), ..SnapshotSettings::default() };
            let settings = Settings { snapshots, ..Settings::default() };
            assert!(settings.to_toml().unwrap().contains(&format!("url = \"{shown}\"")), "{url}");
            assert!(!format!("{settings:?}").contains("hid"), "{settings:?}");
        }
    }
}
