//! `[http]`: where it listens, and who may write over it.

use super::check::Check;
use super::kafka::HIDDEN;
use super::problem::{ConfigError, Layer, Problem};
use super::raw::RawSettings;
use super::{HttpSettings, Secret};
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// Bytes of a token: what is shorter can be guessed, and a header must hold it.
const TOKEN_BYTES: RangeInclusive<usize> = 16..=256;
/// Other instances that are named one by one.
const PEERS_MAX: usize = 64;

impl HttpSettings {
    /// Takes the token from the text of [`HttpSettings::token_file`]; blanks around it are none of it.
    ///
    /// # Errors
    /// When it can be none. The message does not repeat the text.
    pub fn set_token(&mut self, text: &str) -> Result<(), ConfigError> {
        let token = text.trim();
        if let Some(reason) = fault(token) {
            let setting = "http.token_file".to_owned();
            return Err(ConfigError::one(Problem::Limit { setting, layer: Layer::Default, reason }));
        }
        self.token = Secret::new(token.to_owned());
        Ok(())
    }
}

/// The port of a host and a port.
fn port(address: &str) -> Option<u16> {
    let (_, port) = address.rsplit_once(':').filter(|(host, _)| !host.is_empty())?;
    port.parse().ok()
}

/// What is wrong with a token.
fn fault(token: &str) -> Option<String> {
    let is_good = TOKEN_BYTES.contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic());
    let (shortest, longest) = TOKEN_BYTES.into_inner();
    (!is_good).then(|| {
        format!("must be {shortest} to {longest} letters, digits and signs of ASCII, without blanks: `openssl rand -hex 32` makes one")
    })
}

impl Check<'_> {
    pub(super) fn http(&mut self, raw: &RawSettings) -> HttpSettings {
        let raw = &raw.http;
        let listen = raw.listen.clone();
        if port(&listen).is_none() {
            self.refuse("http.listen", &listen, "must be a host and a port, as in 127.0.0.1:9180".to_owned());
        }
        let peers: Vec<String> =
            raw.peers.split(',').map(str::trim).filter(|peer| !peer.is_empty()).map(str::to_owned).collect();
        if let Some(bad) = peers.iter().find(|peer| port(peer).is_none_or(|port| port == 0)) {
            let reason =
                format!("{bad:?} is not a host and a port, as in samenloop-1:9180; they are separated by commas");
            self.refuse("http.peers", &raw.peers, reason);
        }
        if peers.len() > PEERS_MAX {
            self.refuse(
                "http.peers",
                peers.len(),
                format!("must be at most {PEERS_MAX}: name a host that stands for all of them"),
            );
        }
        let (token, file) = (raw.token.0.as_str(), raw.token_file.as_str());
        if token == HIDDEN {
            let reason = "*** is what `samenloop config` prints for a secret: write the secret itself";
            self.refuse("http.token", HIDDEN, reason.to_owned());
        } else if let Some(reason) = fault(token).filter(|_| !token.is_empty()) {
            self.refuse("http.token", &raw.token, reason);
        }
        if !token.is_empty() && !file.is_empty() {
            let reason = format!("http.token is set too ({}): set one", self.layer("http.token"));
            self.refuse("http.token_file", file, reason);
        }
        HttpSettings {
            enabled: raw.enabled,
            listen,
            token: Secret::new(token.to_owned()),
            token_file: (!file.is_empty()).then(|| PathBuf::from(file)),
            peers,
        }
    }
}
