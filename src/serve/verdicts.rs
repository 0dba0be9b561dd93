//! Verdicts over HTTP: who may give them, what is known, and the questions to whoever writes them to their topic.
//!
//! Invariants: nobody waits here for brokers but the client that asked; what waits is bounded; the token is in no message, and is
//! compared in the same time whatever is said.
//! Absent: how a verdict is read and written (`intake`, `kafka`).

use crate::facts::{Facts, Ruling, Verdict};
use crate::items::fingerprint;
use crate::list_key::{ListName, SHOP_WIDE};
use axum::body::Bytes;
use serde_json::{Value, json};
use std::fmt;
use std::hint::black_box;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use tokio::sync::oneshot;

/// Most bytes of a verdict as it is sent: names and reasons of full length, escaped.
pub const VERDICT_BYTES_MAX: usize = 16 << 10;
/// Verdicts that wait to be written: one is written after the other.
pub const VERDICTS_WAITING_MAX: usize = 32;

/// What is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerdictSaid {
    /// A verdict in our own form, as it was sent.
    Put(Bytes),
    /// A verdict counts no more: its shop, list, anchor and other.
    TakeBack([String; 4]),
}

/// A question to whoever writes verdicts.
#[derive(Debug)]
pub struct VerdictJob {
    /// What is to be written.
    pub said: VerdictSaid,
    /// Where the answer goes; nobody waits for it any more once it is closed.
    pub reply: oneshot::Sender<Result<WrittenVerdict, VerdictFault>>,
}

/// Where a verdict stands: the brokers have acknowledged it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenVerdict {
    /// Shop, list, anchor and other.
    pub ids: [String; 4],
    /// Its partition of the topic.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
}

/// Why a verdict has not been written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerdictFault {
    /// It is none, as the topic's reader would say.
    Bad {
        /// The reason, one of few.
        reason: &'static str,
        /// What is wrong, and where.
        message: String,
    },
    /// There is no room for it in the table of facts.
    Full(String),
    /// The brokers did not take it, or did not say so.
    NotWritten(String),
    /// The process ends.
    Stopped,
}

/// What a process has of verdicts.
pub struct VerdictPlace {
    /// What is known.
    pub facts: Option<Arc<Facts>>,
    /// Whoever writes; or what to set so that somebody does.
    pub writer: Result<SyncSender<VerdictJob>, String>,
}

/// The desk where verdicts are taken, of those who know the token.
pub struct VerdictDesk {
    token: Box<[u8]>,
    place: OnceLock<VerdictPlace>,
}

impl fmt::Debug for VerdictDesk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerdictDesk").finish_non_exhaustive()
    }
}

/// The two ends of the queue to whoever writes.
#[must_use]
pub fn verdict_queue() -> (SyncSender<VerdictJob>, Receiver<VerdictJob>) {
    sync_channel(VERDICTS_WAITING_MAX)
}

impl VerdictDesk {
    /// A desk that is closed until [`VerdictDesk::open`]; none without a token.
    #[must_use]
    pub fn new(token: &str) -> Option<Arc<Self>> {
        (!token.is_empty()).then(|| Arc::new(Self { token: token.as_bytes().into(), place: OnceLock::new() }))
    }

    /// From now on verdicts are taken, if anybody writes them.
    pub fn open(&self, place: VerdictPlace) {
        let _is_open = self.place.set(place);
    }

    /// Whether this is the token. How long that takes depends on the length of what is said alone.
    #[must_use]
    pub fn admits(&self, said: &[u8]) -> bool {
        let known = self.token.iter().cycle();
        let differs = u8::from(said.len() != self.token.len());
        let differs =
            said.iter().zip(known).fold(differs, |differs, (said, known)| black_box(differs | (said ^ known)));
        differs == 0
    }

    /// What there is, once brokers have answered.
    #[must_use]
    pub fn place(&self) -> Option<&VerdictPlace> {
        self.place.get()
    }
}

/// The verdicts on an anchor's lists, of these on the other item alone where one is named; and those on that item in everybody's.
#[must_use]
pub fn known_verdicts(facts: &Facts, shop: &str, anchor: Option<&str>, other: Option<&str>) -> Vec<Value> {
    let anchor = anchor.filter(|anchor| *anchor != SHOP_WIDE);
    let of_anchor = anchor.and_then(|anchor| facts.manual(fingerprint(shop, anchor)));
    let everywhere = other.and_then(|other| facts.everywhere(fingerprint(shop, other)));
    let mut known = Vec::new();
    for (whose, manual) in [(anchor.unwrap_or(SHOP_WIDE), of_anchor), (SHOP_WIDE, everywhere)] {
        let verdicts = manual.iter().flat_map(|manual| &manual.verdicts);
        let asked = verdicts.filter(|verdict| other.is_none_or(|other| *verdict.other == *other));
        known.extend(asked.map(|verdict| as_put(shop, whose, verdict)));
    }
    known
}

/// A verdict as it could be put.
fn as_put(shop: &str, anchor: &str, verdict: &Verdict) -> Value {
    let Verdict { list, other, ruling, who, when_ms, why, until_ms, fingerprint: _ } = verdict;
    let list = list.map_or(SHOP_WIDE, ListName::name);
    let mut value = json!({ "shop": shop, "list": list, "anchor": anchor, "other": other, "when": when_ms });
    let ruling = match ruling {
        Ruling::Approve => "approve",
        Ruling::Reject => "reject",
        Ruling::Pin(position) => {
            value["position"] = json!(position);
            "pin"
        }
        Ruling::Boost(factor) => {
            value["factor"] = json!(factor);
            "boost"
        }
    };
    value["ruling"] = json!(ruling);
    for (name, text) in [("who", who), ("why", why)] {
        if !text.is_empty() {
            value[name] = json!(text);
        }
    }
    if let Some(until_ms) = until_ms {
        value["until"] = json!(until_ms);
    }
    value
}
