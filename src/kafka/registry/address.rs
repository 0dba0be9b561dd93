//! Where a registry is, and who asks.

use super::basic;
use crate::config::RegistrySettings;
use anyhow::{Context, bail};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Most URLs of one registry.
const URLS_MAX: usize = 16;

/// What a part of a path keeps as it is (RFC 3986, unreserved).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// One URL of a registry.
pub(super) struct Address {
    /// Scheme, host and path, without a slash at its end and without secrets.
    pub(super) base: String,
    /// The header that says who asks.
    authorization: Option<String>,
}

impl Address {
    /// The addresses of a list that commas separate.
    pub(super) fn parse_all(urls: &str, settings: &RegistrySettings) -> anyhow::Result<Vec<Self>> {
        let given = authorization(settings)?;
        let urls: Vec<&str> = urls.split(',').map(str::trim).filter(|url| !url.is_empty()).collect();
        if urls.is_empty() || urls.len() > URLS_MAX {
            bail!("registry.url: expected 1 to {URLS_MAX} URLs with commas between them, found {}", urls.len());
        }
        urls.into_iter().enumerate().map(|(index, url)| Self::parse(index + 1, url, given.as_deref())).collect()
    }

    /// A URL is named by its number until it is known to hold no secret.
    fn parse(number: usize, url: &str, given: Option<&str>) -> anyhow::Result<Self> {
        let expected = || format!("registry.url: URL {number} is not like http://host:8081 or https://host/path");
        let (scheme, rest) = url.split_once("://").with_context(expected)?;
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let (userinfo, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
        let base = format!("{scheme}://{host}{}", path.trim_end_matches('/'));
        let parsed: ureq::http::Uri = base.parse().ok().with_context(expected)?;
        if parsed.host().is_none_or(str::is_empty) || parsed.query().is_some() || base.contains(['?', '#', '@']) {
            bail!(expected());
        }
        match scheme {
            "http" => {}
            "https" if cfg!(feature = "tls") => {}
            "https" => bail!(
                "registry.url: {base} needs TLS, which this build lacks. Build with `--features tls`, or use http"
            ),
            _ => bail!(expected()),
        }
        let authorization = match (given, userinfo) {
            (Some(given), _) => Some(given.to_owned()),
            (None, None) => None,
            (None, Some(userinfo)) => {
                let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
                let plain = |text| percent_decode_str(text).decode_utf8().ok().with_context(expected);
                Some(basic(&plain(user)?, &plain(password)?))
            }
        };
        Ok(Self { base, authorization })
    }

    /// The request, with who asks.
    pub(super) fn authorize<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        match &self.authorization {
            Some(authorization) => request.header("Authorization", authorization),
            None => request,
        }
    }
}

/// The header of the settings. Secrets are held until the process ends anyway.
fn authorization(settings: &RegistrySettings) -> anyhow::Result<Option<String>> {
    let header = match (&settings.user, settings.token.is_set()) {
        (Some(_), true) => bail!("registry: both user and token are set; keep one of them"),
        (Some(user), false) if user.contains(':') => {
            bail!("registry.user: a name for basic authentication has no colon")
        }
        (Some(user), false) => basic(user, settings.password.reveal()),
        (None, true) => format!("Bearer {}", settings.token.reveal().trim()),
        (None, false) => return Ok(None),
    };
    if header.chars().any(char::is_control) {
        bail!("registry.token: it holds a control character, such as a line's end; a token is one line");
    }
    Ok(Some(header))
}

/// A text as one part of a path.
pub(super) fn segment(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}
