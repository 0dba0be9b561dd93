//! A connection to the cache, and what its errors mean.

use crate::config::{CacheUrl, WarmSettings};
use crate::watch::metrics::CacheTrouble;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    Client, Connection, ConnectionAddr, ErrorKind, IntoConnectionInfo as _, RedisConnectionInfo, RedisError, TlsMode,
};
use std::time::Duration;

/// A cache that does not take a connection within this is not there.
const CONNECT_MAX: Duration = Duration::from_secs(3);
/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Why the cache did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CacheError {
    /// That passes by itself.
    #[error("{what}")]
    Away {
        /// What it says.
        what: String,
        /// Of which kind that is.
        trouble: CacheTrouble,
    },
    /// A person must decide.
    #[error("the cache refuses: {0}")]
    Refused(String),
}

/// How the cache is reached.
pub(super) enum Link {
    /// One server.
    Direct(Client),
    /// The server that sentinels name.
    Sentinel(Box<SentinelClient>),
}

impl Link {
    /// By the settings. Nothing is sent yet.
    pub(super) fn new(url: &CacheUrl, settings: &WarmSettings) -> Result<Self, CacheError> {
        if url.tls && !cfg!(feature = "tls") {
            return Err(CacheError::Refused(
                "warm.url asks for TLS, and this samenloop was built without the tls feature: build it with \
                 `cargo build --release --features tls`"
                    .to_owned(),
            ));
        }
        let address = |(host, port): &(String, u16)| match url.tls {
            false => ConnectionAddr::Tcp(host.clone(), *port),
            true => ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure: false, tls_params: None },
        };
        let addresses = url.hosts.iter().map(address);
        let (user, password) = (settings.user.as_str(), settings.password.reveal());
        let made = match &url.service {
            None => {
                let mut redis = RedisConnectionInfo::default().set_db(url.database);
                if !user.is_empty() {
                    redis = redis.set_username(user);
                }
                if !password.is_empty() {
                    redis = redis.set_password(password);
                }
                let Some(address) = addresses.into_iter().next() else {
                    return Err(CacheError::Refused("warm.url names no host".to_owned()));
                };
                let info = address.into_connection_info().map(|info| info.set_redis_settings(redis));
                info.and_then(Client::open).map(Self::Direct)
            }
            Some(service) => {
                let builder = SentinelClientBuilder::new(addresses, service, SentinelServerType::Master);
                builder.and_then(|mut builder| {
                    builder = builder.set_client_to_redis_db(url.database);
                    if url.tls {
                        builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
                    }
                    if !user.is_empty() {
                        builder = builder.set_client_to_redis_username(user);
                    }
                    if !password.is_empty() {
                        builder = builder.set_client_to_redis_password(password);
                    }
                    builder.build().map(|client| Self::Sentinel(Box::new(client)))
                })
            }
        };
        made.map_err(|error| sorted(&error))
    }

    /// A new connection, to whoever is the master now.
    pub(super) fn connect(&mut self) -> Result<Connection, CacheError> {
        let connection = match self {
            Self::Direct(client) => client.get_connection_with_timeout(CONNECT_MAX),
            Self::Sentinel(sentinels) => {
                sentinels.get_client().and_then(|client| client.get_connection_with_timeout(CONNECT_MAX))
            }
        };
        let connection = connection.map_err(|error| sorted(&error))?;
        let timed = connection.set_read_timeout(Some(ANSWER_MAX)).and(connection.set_write_timeout(Some(ANSWER_MAX)));
        timed.map_err(|error| sorted(&error))?;
        Ok(connection)
    }
}

/// What an error means.
pub(super) fn sorted(error: &RedisError) -> CacheError {
    let what = error.to_string();
    match (error.kind(), error.code()) {
        (ErrorKind::Io, _) if is_no_certificate(&what) => CacheError::Refused(what),
        (kind, code) => by_code(kind == ErrorKind::AuthenticationFailed, code.unwrap_or_default(), what),
    }
}

fn is_no_certificate(what: &str) -> bool {
    what.contains("certificate")
}

/// The same, of what a server calls it. Before version 7, a script's errors have another's in their text.
fn by_code(is_about_access: bool, code: &str, what: String) -> CacheError {
    let says = |word: &str| code == word || what.contains(&format!("-{word} "));
    if is_about_access && !says("LOADING") && !says("MASTERDOWN") {
        return CacheError::Refused(what);
    }
    if ["NOAUTH", "WRONGPASS", "NOPERM"].into_iter().any(says) {
        return CacheError::Refused(what);
    }
    if ["MOVED", "ASK", "CROSSSLOT"].into_iter().any(says) {
        let hint = "it is part of a Redis Cluster, which `warm` cannot keep: docs/warm.md says why";
        return CacheError::Refused(format!("{what}: {hint}"));
    }
    let trouble = if ["LOADING", "BUSY", "MASTERDOWN", "TRYAGAIN", "CLUSTERDOWN"].into_iter().any(says) {
        CacheTrouble::Loading
    } else if says("READONLY") {
        CacheTrouble::ReadOnly
    } else if says("OOM") {
        CacheTrouble::Memory
    } else if code.is_empty() {
        CacheTrouble::Connection
    } else {
        CacheTrouble::Other
    };
    CacheError::Away { what, trouble }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_told_from_what_a_person_must_decide() {
        let away = |code: &str, what: &str| match by_code(false, code, what.to_owned()) {
            CacheError::Away { trouble, .. } => Some(trouble),
            CacheError::Refused(_) => None,
        };
        for (code, what, expected) in [
            ("", "connection refused", Some(CacheTrouble::Connection)),
            ("LOADING", "Redis is loading the dataset in memory", Some(CacheTrouble::Loading)),
            ("BUSY", "Redis is busy running a script", Some(CacheTrouble::Loading)),
            ("READONLY", "You can't write against a read only replica", Some(CacheTrouble::ReadOnly)),
            ("OOM", "command not allowed when used memory > 'maxmemory'", Some(CacheTrouble::Memory)),
            (
                "ERR",
                "Error running script (call to f_1): @user_script:9: -OOM command not allowed",
                Some(CacheTrouble::Memory),
            ),
            ("MISCONF", "Errors writing to the AOF file", Some(CacheTrouble::Other)),
            ("NOREPLICAS", "Not enough good replicas to write.", Some(CacheTrouble::Other)),
            ("ERR", "max number of clients reached", Some(CacheTrouble::Other)),
            ("NOAUTH", "Authentication required.", None),
            ("NOPERM", "this user has no permissions to run the 'set' command", None),
            ("CROSSSLOT", "Keys in request don't hash to the same slot", None),
        ] {
            assert_eq!(away(code, what), expected, "{code} {what}");
        }
        assert!(matches!(by_code(true, "", "Password authentication failed".to_owned()), CacheError::Refused(_)));
    }
}
