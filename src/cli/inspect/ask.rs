//! Rows from a running instance, over HTTP.

use crate::list_key::ListName;
use crate::serve::http::row_path;
use anyhow::{Context as _, bail};
use serde::Deserialize;
use std::io::ErrorKind;
use std::time::Duration;
use ureq::Agent;

/// An instance answers within 30 s or says that it cannot.
const ANSWER_MAX: Duration = Duration::from_secs(40);
/// A row of 65,536 neighbours, as JSON.
const ROW_BYTES_MAX: u64 = 64 << 20;

/// An error as the endpoint tells it.
#[derive(Deserialize)]
struct Refusal {
    error: String,
    message: String,
}

/// `url`, which may be a host and port only.
pub(super) fn with_scheme(url: &str) -> String {
    if url.contains("://") { url.to_owned() } else { format!("http://{url}") }
}

/// The row behind each list, as JSON.
pub(super) fn rows(url: &str, shop: &str, lists: &[ListName], item: &str) -> anyhow::Result<Vec<String>> {
    let url = url.trim_end_matches('/');
    let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(ANSWER_MAX));
    let agent: Agent = config.proxy(None).max_redirects(0).build().into(); // the instance itself, nobody between
    let row = |list: &ListName| row(&agent, &format!("{url}{}", row_path(shop, list.name(), item)), url);
    lists.iter().map(row).collect()
}

fn row(agent: &Agent, path: &str, url: &str) -> anyhow::Result<String> {
    let mut response = agent.get(path).call().map_err(|error| explain(error, url))?;
    let status = response.status();
    let reader = response.body_mut().with_config().limit(ROW_BYTES_MAX);
    let text = reader.read_to_string().with_context(|| format!("{url}: the answer could not be read"))?;
    if status.is_success() {
        return Ok(text);
    }
    match serde_json::from_str::<Refusal>(&text) {
        Ok(Refusal { error, message }) => bail!("{url}: {error}: {message}"),
        Err(_) => bail!("{url}: answers with status {status}; is it samenloop?"),
    }
}

fn explain(error: ureq::Error, url: &str) -> anyhow::Error {
    let refused = matches!(&error, ureq::Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused);
    let told = if refused {
        format!(
            "{url}: nothing listens there; start one (samenloop demo --stay), name another with --url, or give files: \
             samenloop inspect ITEM FILE"
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
