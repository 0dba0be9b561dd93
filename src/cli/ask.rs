//! Answers of a running instance, over HTTP.

use anyhow::{Context as _, bail};
use serde::Deserialize;
use std::io::ErrorKind;
use std::time::Duration;
use ureq::Agent;

/// An instance answers within 30 s or says that it cannot.
const ANSWER_MAX: Duration = Duration::from_secs(40);
/// A row of 65,536 neighbours, as JSON.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// An error as the endpoint tells it.
#[derive(Deserialize)]
struct Refusal {
    error: String,
    message: String,
}

/// A running instance.
pub(super) struct Instance {
    url: String,
    agent: Agent,
}

impl Instance {
    /// The one at `url`, which may be a host and port only.
    pub(super) fn at(url: &str) -> Self {
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(ANSWER_MAX));
        let agent = config.proxy(None).max_redirects(0).build().into(); // the instance itself, nobody between
        Self { url: with_scheme(url).trim_end_matches('/').to_owned(), agent }
    }

    /// What it answers to a path.
    pub(super) fn get(&self, path: &str) -> anyhow::Result<String> {
        match self.ask(path)? {
            Ok(text) => Ok(text),
            Err(Refusal { error, message }) => bail!("{}: {error}: {message}", self.url),
        }
    }

    /// The same, or `None` where there is no such thing, which the instance says with this code.
    pub(super) fn find(&self, path: &str, code: &str) -> anyhow::Result<Option<String>> {
        match self.ask(path)? {
            Ok(text) => Ok(Some(text)),
            Err(Refusal { error, .. }) if error == code => Ok(None),
            Err(Refusal { error, message }) => bail!("{}: {error}: {message}", self.url),
        }
    }

    fn ask(&self, path: &str) -> anyhow::Result<Result<String, Refusal>> {
        let Self { url, agent } = self;
        let mut response = agent.get(format!("{url}{path}")).call().map_err(|error| explain(error, url))?;
        let status = response.status();
        let reader = response.body_mut().with_config().limit(ANSWER_BYTES_MAX);
        let text = reader.read_to_string().with_context(|| format!("{url}: the answer could not be read"))?;
        if status.is_success() {
            return Ok(Ok(text));
        }
        match serde_json::from_str::<Refusal>(&text) {
            Ok(refusal) => Ok(Err(refusal)),
            Err(_) => bail!("{url}: answers with status {status}; is it samenloop?"),
        }
    }
}

fn with_scheme(url: &str) -> String {
    if url.contains("://") { url.to_owned() } else { format!("http://{url}") }
}

fn explain(error: ureq::Error, url: &str) -> anyhow::Error {
    let refused = matches!(&error, ureq::Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused);
    let told = if refused {
        format!(
            "{url}: nothing listens there; start one (samenloop demo --stay), name another with --url, or give files of events"
        )
    } else {
        format!("{url}: cannot be asked")
    };
    if refused { anyhow::Error::msg(told) } else { anyhow::Error::from(error).context(told) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_port_are_asked_over_http() {
        for (url, expected) in [
            ("127.0.0.1:9397", "http://127.0.0.1:9397"),
            ("http://shop:1", "http://shop:1"),
            ("https://shop/x", "https://shop/x"),
        ] {
            assert_eq!(with_scheme(url), expected);
        }
    }
}
