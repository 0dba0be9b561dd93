//! What is shown of facts: how many, what became of their records, how far behind their topics are.
//!
//! Invariant: series that alerts count on are there from the start, where there are facts at all.

use super::families::Catalogue;
use super::followers::{Followed, Gauges};
use super::{Metrics, Outcome, WHOLE_PROCESS};
use crate::facts::FactsTopic;
use prometheus::{GaugeVec, IntCounterVec};
use std::collections::BTreeMap;

/// What became of the records of one topic of facts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FactsTallies {
    /// Records read.
    pub records: u64,
    /// Records, or values that a transform gave, that were refused, by machine reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// Texts and links that were cut or left out.
    pub shortened: u64,
    /// Records not read yet.
    pub lag: u64,
}

pub(super) struct FactsFamilies {
    items: GaugeVec,
    ready: GaugeVec,
    records: IntCounterVec,
    refused: IntCounterVec,
    shortened: IntCounterVec,
    lag: GaugeVec,
}

impl FactsFamilies {
    pub(super) fn new(all: &mut Catalogue) -> Outcome<Self> {
        let topic = &["topic"];
        Ok(Self {
            items: all.gauge("samenloop_facts_items", "Items of which anything is known.", &[])?,
            ready: all.gauge(
                "samenloop_facts_ready",
                "1 once all facts that were there at the start have been read, or are waited for no more.",
                &[],
            )?,
            records: all.counter("samenloop_facts_records_total", "Records read of a topic of facts.", topic)?,
            refused: all.counter(
                "samenloop_facts_refused_total",
                "Facts refused, by machine reason: what was known before stays.",
                &["topic", "reason"],
            )?,
            shortened: all.counter(
                "samenloop_facts_shortened_total",
                "Texts of facts that were cut, and links that were left out, as they are too long.",
                topic,
            )?,
            lag: all.gauge(
                "samenloop_facts_lag_records",
                "Records of a topic of facts that have not been read yet.",
                topic,
            )?,
        })
    }
}

/// Shows one topic of facts.
pub struct FactsFollower {
    topic: &'static str,
    records: Followed,
    refused: BTreeMap<&'static str, Followed>,
    refused_family: IntCounterVec,
    shortened: Followed,
    lag: Gauges,
}

impl Metrics {
    /// A follower for a topic of facts.
    #[must_use]
    pub fn facts(&self, topic: FactsTopic) -> FactsFollower {
        let (families, topic) = (&self.facts, topic.name());
        FactsFollower {
            topic,
            records: Followed::new(&families.records, &[topic]),
            refused: BTreeMap::new(),
            refused_family: families.refused.clone(),
            shortened: Followed::new(&families.shortened, &[topic]),
            lag: Gauges::new(&families.lag),
        }
    }

    /// How many items anything is known of, in how many bytes, and whether all that was there has been read.
    pub fn show_facts(&self, items: usize, bytes: usize, is_ready: bool) {
        let none: &[&str] = &[];
        self.facts.items.with_label_values(none).set(items as f64);
        self.facts.ready.with_label_values(none).set(f64::from(u8::from(is_ready)));
        self.state_bytes.with_label_values(&["facts", WHOLE_PROCESS, "table"]).set(bytes as f64);
    }
}

impl FactsFollower {
    /// Shows what has been done so far.
    pub fn update(&mut self, tallies: &FactsTallies) {
        self.records.set(tallies.records);
        self.shortened.set(tallies.shortened);
        for (reason, count) in &tallies.refused {
            let family = &self.refused_family;
            let followed = self.refused.entry(reason);
            followed.or_insert_with(|| Followed::new(family, &[self.topic, reason])).set(*count);
        }
        self.lag.set(&[self.topic], tallies.lag as f64);
    }
}
