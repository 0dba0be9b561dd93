//! `[warm]`: the cache that `samenloop warm` keeps equal to the lists topic.
//!
//! Invariant: a URL that was accepted holds neither user nor password. Absent: whether the cache is there (`cache`).

use super::check::Check;
use super::kafka::HIDDEN;
use super::problem::{ConfigError, Layer, Problem};
use super::raw::RawSettings;
use super::units::{Bound, Duration, NamesText, SecretText};
use super::{Secret, TopicsSettings};
use crate::intake::Program;
use crate::limits::ID_BYTES_MAX;
use crate::list_key::ListName;
use crate::rules::DAY_MS;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// How long a value lives. All lists are written anew twice in that time, so it is no short one.
const LIVES: RangeInclusive<Duration> = Duration(DAY_MS / 24)..=Duration(365 * DAY_MS);
/// Sentinels that are named.
const HOSTS_MAX: usize = 16;
/// Where Redis and its sentinels listen, unless told otherwise.
const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;
/// What the group is called behind the prefix.
const GROUP: &str = "warm";

/// The cache, and what stands in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WarmSettings {
    /// Where it is; `None`: there is none.
    pub url: Option<CacheUrl>,
    /// The user of an access list; empty: the default user.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// File that holds the password instead; whoever reads it calls [`WarmSettings::set_password`].
    pub password_file: Option<PathBuf>,
    /// Before every key.
    pub key_prefix: String,
    /// What a value is.
    pub value: WarmValue,
    /// Lists that are kept; none: all.
    pub lists: Vec<ListName>,
    /// Shops whose lists are kept; none: all.
    pub shops: Vec<String>,
    /// How long a value lives, in ms, after it was written last; `None`: for ever.
    pub lives_ms: Option<i64>,
    /// The consumer group; empty: `warm` behind `topics.prefix`.
    pub group: String,
}

/// What a value is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum WarmValue {
    /// The whole list, as JSON.
    #[default]
    Record,
    /// The ids of what is shown, as a JSON array.
    Ids,
    /// What a jq program makes of the whole list. Known to compile.
    Transform(String),
}

/// Where a cache is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheUrl {
    text: String,
    /// Whether it is reached by TLS.
    pub tls: bool,
    /// Hosts and ports: of one server, or of sentinels.
    pub hosts: Vec<(String, u16)>,
    /// What sentinels call the server; `None`: there are none.
    pub service: Option<String>,
    /// The number of its database.
    pub database: i64,
}

impl fmt::Display for CacheUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl CacheUrl {
    /// Reads a URL. What is wrong with it is told without repeating it.
    fn parse(text: &str) -> Result<Self, &'static str> {
        const FORMS: &str = "must be redis://HOST:PORT/DATABASE, rediss:// for TLS, or redis+sentinel://HOST:PORT,HOST:PORT/SERVICE/DATABASE (rediss+sentinel:// for TLS)";
        let (scheme, rest) = text.split_once("://").ok_or(FORMS)?;
        let (tls, is_sentinel) = match scheme {
            "redis" | "valkey" => (false, false),
            "rediss" | "valkeys" => (true, false),
            "redis+sentinel" => (false, true),
            "rediss+sentinel" => (true, true),
            _ => return Err(FORMS),
        };
        if rest.contains('@') {
            return Err("must not hold a user or a password: set warm.user, and warm.password or warm.password_file");
        }
        if rest.contains(['?', '#']) {
            return Err("must not hold a query");
        }
        let mut parts = rest.trim_end_matches('/').split('/');
        let port = if is_sentinel { SENTINEL_PORT } else { PORT };
        let hosts = parts.next().unwrap_or_default().split(',').map(|host| host_and_port(host, port));
        let hosts = hosts.collect::<Option<Vec<_>>>().ok_or(FORMS)?;
        if hosts.len() > if is_sentinel { HOSTS_MAX } else { 1 } {
            return Err("names more hosts than can be: one, or 16 sentinels");
        }
        let service = if is_sentinel { Some(parts.next().filter(|name| !name.is_empty()).ok_or(FORMS)?) } else { None };
        let database = parts.next().map_or(Ok(0), |number| number.parse::<u16>().map_err(|_| FORMS))?;
        if parts.next().is_some() {
            return Err(FORMS);
        }
        let service = service.map(str::to_owned);
        Ok(Self { text: text.to_owned(), tls, hosts, service, database: i64::from(database) })
    }
}

/// `host`, `host:1234`, `[::1]:1234`.
fn host_and_port(text: &str, default: u16) -> Option<(String, u16)> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok().filter(|&port| port > 0)?),
        _ => (text, default),
    };
    let bare = host.strip_prefix('[').map_or(Some(host), |inner| inner.strip_suffix(']'))?;
    (!bare.is_empty() && !bare.contains(char::is_whitespace)).then(|| (bare.to_owned(), port))
}

impl WarmSettings {
    /// What the consumer group is called.
    #[must_use]
    pub fn group(&self, topics: &TopicsSettings) -> String {
        if self.group.is_empty() { format!("{}{GROUP}", topics.prefix) } else { self.group.clone() }
    }

    /// Takes the password from the text of [`WarmSettings::password_file`]; a line's end is none of it.
    ///
    /// # Errors
    /// When it is empty.
    pub fn set_password(&mut self, text: &str) -> Result<(), ConfigError> {
        let password = text.trim_end_matches(['\r', '\n']);
        if password.is_empty() {
            let (setting, reason) = ("warm.password_file".to_owned(), "the file is empty".to_owned());
            return Err(ConfigError::one(Problem::Limit { setting, layer: Layer::Default, reason }));
        }
        self.password = Secret::new(password.to_owned());
        Ok(())
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct RawWarm {
    /// Empty: none.
    url: String,
    /// Empty: the default user.
    user: String,
    /// Empty: none.
    password: SecretText,
    /// A path; empty is none.
    password_file: String,
    key_prefix: String,
    value: RawValue,
    /// Empty: none.
    transform: String,
    lists: Lists,
    shops: Names,
    ttl: Bound,
    /// Empty: `warm` behind `topics.prefix`.
    group: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RawValue {
    Record,
    Ids,
}

/// Names of lists: an array, or a text with commas in between.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "NamesText", into = "Vec<String>")]
struct Lists(Vec<ListName>);

impl TryFrom<NamesText> for Lists {
    type Error = String;

    fn try_from(written: NamesText) -> Result<Self, String> {
        let mut lists = Vec::new();
        for name in written.names() {
            let known = || ListName::ALL.map(ListName::name).join(", ");
            let list = ListName::find(&name).ok_or_else(|| format!("{name:?} is no list: {}", known()))?;
            if !lists.contains(&list) {
                lists.push(list);
            }
        }
        Ok(Self(lists))
    }
}

impl From<Lists> for Vec<String> {
    fn from(lists: Lists) -> Self {
        lists.0.iter().map(|list| list.name().to_owned()).collect()
    }
}

/// Names of any kind, as [`Lists`] are written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "NamesText", into = "Vec<String>")]
struct Names(Vec<String>);

impl From<NamesText> for Names {
    fn from(written: NamesText) -> Self {
        Self(written.names())
    }
}

impl From<Names> for Vec<String> {
    fn from(names: Names) -> Self {
        names.0
    }
}

impl From<&WarmSettings> for RawWarm {
    fn from(warm: &WarmSettings) -> Self {
        let (value, transform) = match &warm.value {
            WarmValue::Record => (RawValue::Record, String::new()),
            WarmValue::Ids => (RawValue::Ids, String::new()),
            WarmValue::Transform(text) => (RawValue::Record, text.clone()),
        };
        Self {
            url: warm.url.as_ref().map(ToString::to_string).unwrap_or_default(),
            user: warm.user.clone(),
            password: SecretText(if warm.password.is_set() { HIDDEN } else { "" }.to_owned()),
            password_file: warm.password_file.as_ref().map(|path| path.display().to_string()).unwrap_or_default(),
            key_prefix: warm.key_prefix.clone(),
            value,
            transform,
            lists: Lists(warm.lists.clone()),
            shops: Names(warm.shops.clone()),
            ttl: Bound(warm.lives_ms.map(Duration)),
            group: warm.group.clone(),
        }
    }
}

impl Default for RawWarm {
    fn default() -> Self {
        Self::from(&WarmSettings::default())
    }
}

impl Check<'_> {
    pub(super) fn warm(&mut self, raw: &RawSettings) -> WarmSettings {
        let raw = &raw.warm;
        let url = match CacheUrl::parse(raw.url.trim()) {
            _ if raw.url.trim().is_empty() => None,
            Ok(url) => Some(url),
            Err(reason) => {
                // Not repeated: it may hold a password.
                let layer = self.layer("warm.url");
                self.problems.push(Problem::Limit { setting: "warm.url".to_owned(), layer, reason: reason.to_owned() });
                None
            }
        };
        let (password, file) = (raw.password.0.as_str(), raw.password_file.as_str());
        if password == HIDDEN {
            let reason = "*** is what `samenloop config` prints for a secret: write the secret itself";
            self.refuse("warm.password", HIDDEN, reason.to_owned());
        }
        if !password.is_empty() && !file.is_empty() {
            let reason = format!("warm.password is set too ({}): set one", self.layer("warm.password"));
            self.refuse("warm.password_file", file, reason);
        }
        if raw.key_prefix.len() > ID_BYTES_MAX {
            self.refuse("warm.key_prefix", &raw.key_prefix, format!("must be at most {ID_BYTES_MAX} bytes"));
        }
        let value = match (raw.value, raw.transform.as_str()) {
            (RawValue::Record, "") => WarmValue::Record,
            (RawValue::Ids, "") => WarmValue::Ids,
            (RawValue::Record, text) => WarmValue::Transform(text.to_owned()),
            (RawValue::Ids, _) => {
                let reason = "warm.transform is set too: leave one out".to_owned();
                self.refuse("warm.value", "\"ids\"", reason);
                WarmValue::Ids
            }
        };
        if let WarmValue::Transform(text) = &value
            && let Err(what) = Program::compile(text)
        {
            let layer = self.layer("warm.transform");
            self.problems.push(Problem::Limit { setting: "warm.transform".to_owned(), layer, reason: what });
        }
        WarmSettings {
            url,
            user: raw.user.clone(),
            password: Secret::new(password.to_owned()),
            password_file: (!file.is_empty()).then(|| PathBuf::from(file)),
            key_prefix: raw.key_prefix.clone(),
            value,
            lists: raw.lists.0.clone(),
            shops: raw.shops.0.clone(),
            lives_ms: raw.ttl.0.map(|lives| self.within("warm.ttl", lives, &LIVES).0),
            group: raw.group.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_the_cache_is_and_holds_no_secret() {
        let hosts = |url: &str| CacheUrl::parse(url).map(|url| (url.tls, url.hosts, url.service, url.database));
        let one = |host: &str, port| vec![(host.to_owned(), port)];
        for (url, expected) in [
            ("redis://cache", (false, one("cache", 6379), None, 0)),
            ("rediss://cache:7000/3", (true, one("cache", 7000), None, 3)),
            ("valkey://[::1]:7000/", (false, one("::1", 7000), None, 0)),
            ("redis://[::1]", (false, one("::1", 6379), None, 0)),
            (
                "redis+sentinel://a,b:7/main/2",
                (false, [one("a", 26379), one("b", 7)].concat(), Some("main".to_owned()), 2),
            ),
        ] {
            assert_eq!(hosts(url), Ok(expected), "{url}");
        }
        for url in [
            "cache:6379",
            "http://cache",
            "redis://",
            "redis://a,b",
            "redis://a:0",
            "redis://a/x",
            "redis://a/1/2",
            "redis+sentinel://a:7",
            "redis://a?x=5ec4e7",
        ] {
            assert!(hosts(url).is_err(), "{url}");
        }
        let refused = CacheUrl::parse("redis://shop:5ec4e7@cache").unwrap_err();
        assert!(refused.contains("warm.password") && !refused.contains("5ec4e7"), "{refused}");
    }
}
