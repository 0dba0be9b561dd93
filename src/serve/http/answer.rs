//! Errors as answers: one closed list of codes, each with its status and a message for a person.

use crate::list_key::ListName;
use crate::position::Partition;
use crate::serve::query::{AskError, QUERIES_MAX};
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;
use std::time::Duration;

/// Seconds after which a client may ask again what was not possible now.
const RETRY_AFTER_SECONDS: u16 = 5;

/// Why a request has no better answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The item has never been met; of a variant, what it counts as.
    NoSuchItem { shop: String, item: String, counts_as: Option<String> },
    /// The shop has never been met.
    NoSuchShop { shop: String },
    /// The item has been met, but has no published list.
    NoList { shop: String, list: &'static str, item: String },
    /// No list has this name, or it is switched off here.
    NoSuchList { list: String, known: Vec<&'static str> },
    /// The item belongs to a partition of another instance.
    NotHere { partition: Partition, partitions: u32 },
    /// The partition is still being restored or replayed.
    NotReady { partition: Partition, state: &'static str },
    /// The path's percent-encoding is no UTF-8.
    BadPath,
    /// A query parameter is unknown, missing, given twice, or no number.
    BadQuery { expected: &'static str },
    /// No route has this path.
    NoSuchRoute,
    /// The route has no such method.
    MethodNotAllowed { allowed: &'static str },
    /// Longer than `URI_BYTES_MAX`.
    UriTooLong { bytes_max: usize },
    /// More than `HEADER_BYTES_MAX`.
    HeadersTooLarge { bytes_max: usize },
    /// Only a verdict is a body.
    BodyNotAllowed,
    /// Longer than a verdict can be.
    BodyTooLarge { bytes_max: usize },
    /// The body did not come in time.
    BodyTooSlow { limit: Duration },
    /// Without a token nobody may read or write verdicts.
    VerdictsOff,
    /// The token is missing, or another.
    Unauthorized,
    /// No topic takes verdicts.
    NoVerdicts { missing: String },
    /// The facts have not all been read.
    FactsNotRead,
    /// It is no verdict.
    BadVerdict { reason: &'static str, message: String },
    /// Facts have no room for it.
    NoRoom { message: String },
    /// The brokers did not take it, or did not say so.
    NotWritten { message: String },
    /// A worker has too much to do, or all places for such answers are taken.
    Busy { message: String },
    /// A worker has ended.
    Stopped,
    /// A worker gave no answer in time.
    TimedOut { limit: Duration },
    /// The metrics could not be written.
    Internal { message: String },
}

/// Whether a row stands behind a list: those about a whole shop have none.
fn has_row(list: &str) -> bool {
    ListName::find(list).is_some_and(ListName::is_of_row)
}

impl Refusal {
    pub(super) fn code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NoSuchItem { .. } => (StatusCode::NOT_FOUND, "no_such_item"),
            Self::NoSuchShop { .. } => (StatusCode::NOT_FOUND, "no_such_shop"),
            Self::NoList { .. } => (StatusCode::NOT_FOUND, "no_list"),
            Self::NoSuchList { .. } => (StatusCode::NOT_FOUND, "no_such_list"),
            Self::NotHere { .. } => (StatusCode::MISDIRECTED_REQUEST, "not_here"),
            Self::NotReady { .. } => (StatusCode::SERVICE_UNAVAILABLE, "not_ready"),
            Self::BadPath => (StatusCode::BAD_REQUEST, "bad_path"),
            Self::BadQuery { .. } => (StatusCode::BAD_REQUEST, "bad_query"),
            Self::NoSuchRoute => (StatusCode::NOT_FOUND, "no_such_route"),
            Self::MethodNotAllowed { .. } => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::UriTooLong { .. } => (StatusCode::URI_TOO_LONG, "uri_too_long"),
            Self::HeadersTooLarge { .. } => (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large"),
            Self::BodyNotAllowed => (StatusCode::PAYLOAD_TOO_LARGE, "body_not_allowed"),
            Self::BodyTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::BodyTooSlow { .. } => (StatusCode::REQUEST_TIMEOUT, "body_too_slow"),
            Self::VerdictsOff => (StatusCode::FORBIDDEN, "verdicts_off"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::NoVerdicts { .. } => (StatusCode::CONFLICT, "no_verdicts_topic"),
            Self::FactsNotRead => (StatusCode::SERVICE_UNAVAILABLE, "not_ready"),
            Self::BadVerdict { .. } => (StatusCode::BAD_REQUEST, "bad_verdict"),
            Self::NoRoom { .. } => (StatusCode::INSUFFICIENT_STORAGE, "no_room"),
            Self::NotWritten { .. } => (StatusCode::SERVICE_UNAVAILABLE, "not_written"),
            Self::Busy { .. } => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            Self::Stopped => (StatusCode::SERVICE_UNAVAILABLE, "stopped"),
            Self::TimedOut { .. } => (StatusCode::GATEWAY_TIMEOUT, "timed_out"),
            Self::Internal { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }

    pub(super) fn message(&self) -> String {
        match self {
            Self::NoSuchItem { item, counts_as: Some(parent), .. } => {
                format!("item {item:?} is a variant and counts as {parent:?}: ask for that one")
            }
            Self::NoSuchItem { shop, item, counts_as: None } => {
                format!("item {item:?} of shop {shop:?} has not been seen in any event that counts")
            }
            Self::NoSuchShop { shop } => {
                format!("nothing of a shop {shop:?} has come to the partitions of this instance")
            }
            Self::NoList { shop, list, item } if !has_row(list) => {
                format!("{list} of shop {shop:?} shows nothing about {item:?}: nothing is counted, or no such category has items")
            }
            Self::NoList { shop, list, item } => format!(
                "item {item:?} is known, but no candidate passes the gates of {list}; {} says why",
                row_path(shop, list, item)
            ),
            Self::NoSuchList { list, known } => {
                format!("no list {list:?} is published here; published: {}", known.join(", "))
            }
            Self::NotHere { partition, partitions } => format!(
                "the item belongs to partition {} of {partitions}, which is not on this instance; ask the one that has it",
                partition.0
            ),
            Self::NotReady { partition, state } => {
                format!("partition {} is {state}: whether the item has a list is not known yet; see /readyz", partition.0)
            }
            Self::BadPath => "a part of the path is no UTF-8 once its percent-encoding is undone".to_owned(),
            Self::BadQuery { expected } => (*expected).to_owned(),
            Self::NoSuchRoute => {
                "routes: /metrics, /livez, /readyz, /v1/lists/{shop}/{list}/{item}, /v1/rows/{shop}/{list}/{item}, /v1/recommendations, /v1/counts, /v1/review, /v1/verdicts"
                    .to_owned()
            }
            Self::MethodNotAllowed { allowed } => format!("this route knows {allowed}"),
            Self::UriTooLong { bytes_max } => format!("the path is longer than {bytes_max} bytes"),
            Self::HeadersTooLarge { bytes_max } => format!("the headers are larger than {bytes_max} bytes"),
            Self::BodyNotAllowed => "requests have no body here".to_owned(),
            Self::BodyTooLarge { bytes_max } => format!("a verdict has at most {bytes_max} bytes"),
            Self::BodyTooSlow { limit } => format!("the body did not come within {} ms", limit.as_millis()),
            Self::VerdictsOff => "nobody may read or write verdicts over HTTP here: set http.token, or http.token_file, \
                                  of `samenloop run`"
                .to_owned(),
            Self::Unauthorized => "send the header Authorization: Bearer TOKEN, with http.token's".to_owned(),
            Self::NoVerdicts { missing } => missing.clone(),
            Self::FactsNotRead => "not all facts have been read yet; see /readyz".to_owned(),
            Self::NotWritten { message } => {
                format!("{message}: it may or may not stand; send it again, which does no harm")
            }
            Self::NoRoom { message } => format!("not written: {message}"),
            Self::Busy { message } | Self::Internal { message } | Self::BadVerdict { message, .. } => message.clone(),
            Self::Stopped => "a worker has stopped: the instance is going down, or see /livez".to_owned(),
            Self::TimedOut { limit } => {
                format!("a worker gave no answer within {} ms; see /livez", limit.as_millis())
            }
        }
    }
}

impl From<AskError> for Refusal {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Busy => {
                Self::Busy { message: format!("a worker has {QUERIES_MAX} questions waiting; ask again later") }
            }
            AskError::Stopped => Self::Stopped,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, code) = self.code();
        let mut body = json!({ "error": code, "message": self.message() });
        if let Self::NotHere { partition, .. } | Self::NotReady { partition, .. } = &self {
            body["partition"] = json!(partition.0);
        }
        if let Self::NoList { shop, list, item } = &self
            && has_row(list)
        {
            body["row"] = json!(row_path(shop, list, item));
        }
        if let Self::BadVerdict { reason, .. } = &self {
            body["reason"] = json!(reason);
        }
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if matches!(self, Self::Busy { .. } | Self::NotReady { .. } | Self::FactsNotRead | Self::NotWritten { .. }) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
        }
        if let Self::MethodNotAllowed { allowed } = self {
            headers.insert(header::ALLOW, HeaderValue::from_static(allowed));
        }
        if self == Self::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// All but what is plain in every part of a path. A dot is encoded too, lest "." and ".." be taken for folders.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'~');

/// The path of a list, percent-encoded.
#[must_use]
pub fn list_path(shop: &str, list: &str, item: &str) -> String {
    let encoded = |text| utf8_percent_encode(text, ENCODED);
    format!("/v1/lists/{}/{list}/{}", encoded(shop), encoded(item))
}

/// The path of the row behind a list, percent-encoded.
#[must_use]
pub fn row_path(shop: &str, list: &str, item: &str) -> String {
    let encoded = |text| utf8_percent_encode(text, ENCODED);
    format!("/v1/rows/{}/{list}/{}", encoded(shop), encoded(item))
}

/// The path of a page of what is to be reviewed, percent-encoded.
#[must_use]
pub fn review_path(shop: &str, from: usize, limit: usize) -> String {
    format!("/v1/review?shop={}&from={from}&limit={limit}", utf8_percent_encode(shop, ENCODED))
}

/// The path of what became of a shop's lists where they were shown.
#[must_use]
pub fn clicks_path(shop: &str) -> String {
    format!("/v1/clicks?shop={}", utf8_percent_encode(shop, ENCODED))
}

/// Whether a value of `If-None-Match` (RFC 9110, 13.1.2) holds `tag`, or any: the comparison is weak. No tag holds a quote,
/// so a part between commas that is quoted like ours is a whole tag.
pub(super) fn holds_tag(value: &[u8], tag: &str) -> bool {
    value.trim_ascii() == b"*"
        || value
            .split(|&byte| byte == b',')
            .map(<[u8]>::trim_ascii)
            .any(|held| held.strip_prefix(b"W/").unwrap_or(held) == tag.as_bytes())
}

/// The entity tag of a record: a fingerprint of its bytes.
pub(super) fn entity_tag(record: &[u8]) -> String {
    format!("\"{:016x}\"", xxhash_rust::xxh3::xxh3_64(record))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_is_one_part_of_a_path() {
        for (id, expected) in
            [("sku-1_~", "sku-1_~"), ("a/b", "a%2Fb"), ("..", "%2E%2E"), ("é ?#%", "%C3%A9%20%3F%23%25")]
        {
            assert_eq!(row_path(id, "list", id), format!("/v1/rows/{expected}/list/{expected}"));
        }
    }
}
