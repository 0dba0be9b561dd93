//! Raw → checked: every value within its limits, none at odds with another.

use super::layers::Merged;
use super::lists::{By, RawList};
use super::problem::{ConfigError, Layer, Problem};
use super::raw::{RawCounting, RawIntake, RawSettings};
use super::source;
use super::units::{Bytes, Decimal, Duration, Threshold};
use super::{IntakeSettings, LogSettings, LogsSettings, OutputSettings, Settings, SourceSettings, UserSecret};
use crate::limits::{
    BASKET_MAX, BLOCK_BYTES_MAX, GAP_WAIT_MS_MAX, LINES_MAX, LIST_ENTRIES_MAX, MESSAGE_BYTES_MAX, OPEN_MAX,
    REMEMBERED_MAX, TOGETHER_ORDERS_MAX,
};
use crate::list_key::ListName;
use crate::relation::Relation;
use crate::rules::{CountingRules, DAY_MS, KindRules, ListRules, PublishRules, ShopOrder, ShownRules};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// Gaps and horizons. Ten years: longer than any shop's memory is of use.
const HORIZON: RangeInclusive<Duration> = Duration(1)..=Duration(3650 * DAY_MS);
/// Half-lives. Shorter ones would run out of exponent between two moves of a landmark.
const HALF_LIFE: RangeInclusive<Duration> = Duration(60_000)..=Duration(3650 * DAY_MS);
/// Items remembered per session, cart or user: their work is quadratic.
const REMEMBERED: RangeInclusive<usize> = 1..=REMEMBERED_MAX;
/// Items of an order; its work is quadratic too, but orders are few.
const BASKET: RangeInclusive<usize> = 1..=BASKET_MAX;
/// Items remembered to have been bought by one user.
const PURCHASES: RangeInclusive<usize> = 1..=100_000;
/// From the first view of a session to its last.
const SESSION: RangeInclusive<Duration> = Duration(1)..=Duration(30 * DAY_MS);
/// Sessions and orders that a user may have open at once.
const OPEN: RangeInclusive<usize> = 1..=OPEN_MAX;
/// Orders in which a pair may have been bought before.
const TOGETHER: RangeInclusive<u32> = 0..=TOGETHER_ORDERS_MAX;
/// Event ids remembered per user.
const DEDUP_IDS: RangeInclusive<usize> = 1..=4096;
/// Neighbours of a row, where there is a bound. A row is made of lines of 16.
const ROW: RangeInclusive<usize> = 16..=65_536;
/// Weight below which an entry of a full row goes first.
const MIN_WEIGHT: RangeInclusive<Decimal<6>> = Decimal(0)..=Decimal(1_000_000);
/// How long something may be missing from an internal log.
const GAP_WAIT: RangeInclusive<Duration> = Duration(0)..=Duration(GAP_WAIT_MS_MAX);
/// Times that may be nothing, and are short otherwise.
const SHORT: RangeInclusive<Duration> = Duration(0)..=Duration(DAY_MS);
/// How far a time may lie ahead of those around it.
const JUMP: RangeInclusive<Duration> = Duration(DAY_MS)..=Duration(3650 * DAY_MS);
/// Times that must be something.
const PERIOD: RangeInclusive<Duration> = Duration(1)..=Duration(30 * DAY_MS);
/// The merge buffer.
const MERGE_BUFFER: RangeInclusive<Bytes> = Bytes(1 << 20)..=Bytes(1 << 40);
/// Exponent of N/b.
const SPECIFICITY: RangeInclusive<f64> = 0.0..=2.0;
/// Shares of something else, and how many times as much.
const SHARE: RangeInclusive<f64> = 0.0..=1000.0;
/// Contexts behind an entry.
const SUPPORT: RangeInclusive<u32> = 1..=1_000_000;
/// Signed root LLR.
const LLR_ROOT: RangeInclusive<f64> = 0.0..=1000.0;
const PRICE_SHARE: RangeInclusive<f64> = 0.0..=1000.0;
/// Share of lists that one item may lead.
const EXPOSURE: RangeInclusive<f64> = 0.0001..=1.0;
/// Entries shown.
const LENGTH: RangeInclusive<usize> = 1..=LIST_ENTRIES_MAX;
/// Entries held behind them.
const RESERVE: RangeInclusive<usize> = 0..=LIST_ENTRIES_MAX;
/// Points of the score.
const SCORE_STEP: RangeInclusive<Decimal<3>> = Decimal(0)..=Decimal(100_000);
/// Share that a total may be off.
const TOTAL_STEP: RangeInclusive<Decimal<3>> = Decimal(0)..=Decimal(1000);
/// Partitions of a log. Every events partition writes to every pairs partition: their work grows with the product.
const PARTITIONS: RangeInclusive<u32> = 1..=256;
/// Entries of a block.
const BLOCK_RECORDS: RangeInclusive<usize> = 1..=65_536;
/// Bytes of a block.
const BLOCK_BYTES: RangeInclusive<Bytes> = Bytes(1 << 10)..=Bytes(BLOCK_BYTES_MAX as u64);

pub(super) fn settings(merged: &Merged) -> Result<Settings, ConfigError> {
    let raw = &merged.raw;
    let mut check = Check { origins: &merged.origins, problems: Vec::new() };
    let counting = check.counting(&raw.counting);
    let settings = Settings {
        intake: check.intake(&raw.intake),
        lists: check.lists(raw, &counting),
        counting,
        publish: check.publish(raw),
        http: check.http(raw),
        log: LogSettings { level: raw.log.level, format: raw.log.format },
        logs: check.logs(raw),
        kafka: check.kafka(raw),
        topics: check.topics(raw),
        registry: check.registry(raw),
        output: OutputSettings { format: raw.output.format },
        snapshots: check.snapshots(raw),
        workers: check.workers(raw),
        memory: check.memory_budget(raw),
        facts: check.facts(raw),
        clicks: check.clicks(raw),
        warm: check.warm(raw),
        sources: check.sources(&raw.source, &raw.topics.prefix),
    };
    let reads_clicks = settings.clicks.enabled;
    let mut settings = settings;
    for source in &mut settings.sources {
        source.mapping.reads_clicks = reads_clicks;
        check.problems.extend(source::list_fields_fault(source));
    }
    if check.problems.is_empty() { Ok(settings) } else { Err(ConfigError { problems: check.problems }) }
}

pub(super) struct Check<'a> {
    origins: &'a BTreeMap<String, Layer>,
    pub(super) problems: Vec<Problem>,
}

impl Check<'_> {
    pub(super) fn layer(&self, key: &str) -> Layer {
        self.origins.get(key).cloned().unwrap_or(Layer::Default)
    }

    pub(super) fn refuse(&mut self, key: &str, value: impl Display, reason: String) {
        let layer = self.layer(key);
        self.problems.push(Problem::Limit { setting: format!("{key} = {value}"), layer, reason });
    }

    /// Hands `value` back, and notes when it is not within `limits`.
    pub(super) fn within<T: PartialOrd + Display + Copy>(
        &mut self,
        key: &str,
        value: T,
        limits: &RangeInclusive<T>,
    ) -> T {
        if !limits.contains(&value) {
            self.refuse(key, value, format!("must be {} to {}", limits.start(), limits.end()));
        }
        value
    }

    fn counting(&mut self, raw: &RawCounting) -> CountingRules {
        let mut half_life_ms = [0; Relation::COUNT];
        for relation in Relation::ALL {
            let key = format!("counting.half_life.{}", relation.name());
            half_life_ms[relation.index()] = self.within(&key, raw.half_life.of(relation), &HALF_LIFE).0;
        }
        if raw.row_max != 0 && !ROW.contains(&raw.row_max) {
            let reason = format!("must be {} to {}, or 0 for rows without a bound", ROW.start(), ROW.end());
            self.refuse("counting.row_max", raw.row_max, reason);
        }
        let rules = CountingRules {
            session_gap_ms: self.within("counting.session_gap", raw.session_gap, &HORIZON).0,
            session_longest_ms: self.within("counting.session_longest", raw.session_longest, &SESSION).0,
            sessions_open: self.within("counting.sessions_open", raw.sessions_open, &OPEN),
            session_max_items: self.within("counting.session_max_items", raw.session_max_items, &REMEMBERED),
            pair_window: self.within("counting.pair_window", raw.pair_window, &REMEMBERED),
            recent_max: self.within("counting.recent_max", raw.recent_max, &REMEMBERED),
            view_to_order_ms: self.within("counting.view_to_order", raw.view_to_order, &HORIZON).0,
            cart_gap_ms: self.within("counting.cart_gap", raw.cart_gap, &HORIZON).0,
            cart_max: self.within("counting.cart_max", raw.cart_max, &REMEMBERED),
            basket_max: self.within("counting.basket_max", raw.basket_max, &BASKET),
            repeat_horizon_ms: self.within("counting.repeat_horizon", raw.repeat_horizon, &HORIZON).0,
            purchases_max: self.within("counting.purchases_max", raw.purchases_max, &PURCHASES),
            also_max: self.within("counting.also_max", raw.also_max, &REMEMBERED),
            also_horizon_ms: self.within("counting.also_horizon", raw.also_horizon, &HORIZON).0,
            order_open_ms: self.within("counting.order_open", raw.order_open, &HORIZON).0,
            orders_max: self.within("counting.orders_max", raw.orders_max, &OPEN),
            together_orders: self.within("counting.together_orders", raw.together_orders, &TOGETHER),
            dedup_ids: self.within("counting.dedup_ids", raw.dedup_ids, &DEDUP_IDS),
            forget_after_ms: self.within("counting.forget_after", raw.forget_after, &HORIZON).0,
            forget_customer_after_ms: self
                .within("counting.forget_customer_after", raw.forget_customer_after, &HORIZON)
                .0
                .max(raw.forget_after.0),
            half_life_ms,
            row_max: (raw.row_max != 0).then_some(raw.row_max),
            min_weight_millionths: self.within("counting.min_weight", raw.min_weight, &MIN_WEIGHT).0,
        };
        if self.problems.is_empty() {
            self.memory(raw); // values beyond their limits would only be refused twice
        }
        rules
    }

    /// What is counted on must be remembered for as long.
    fn memory(&mut self, raw: &RawCounting) {
        if raw.also_max > raw.purchases_max {
            let reason = format!(
                "is more than counting.purchases_max = {}: no more can be paired than is remembered",
                raw.purchases_max
            );
            self.refuse("counting.also_max", raw.also_max, reason);
        }
        for (key, horizon) in [
            ("counting.session_gap", raw.session_gap),
            ("counting.session_longest", raw.session_longest),
            ("counting.order_open", raw.order_open),
            ("counting.view_to_order", raw.view_to_order),
            ("counting.cart_gap", raw.cart_gap),
            ("counting.repeat_horizon", raw.repeat_horizon),
            ("counting.also_horizon", raw.also_horizon),
        ] {
            if raw.forget_after < horizon {
                let reason = format!(
                    "is shorter than {key} = {horizon} ({}): a user would be forgotten while still counted on",
                    self.layer(key)
                );
                self.refuse("counting.forget_after", raw.forget_after, reason);
            }
        }
    }

    fn intake(&mut self, raw: &RawIntake) -> IntakeSettings {
        let secret = raw.user_secret.0.as_str();
        let parsed = UserSecret::parse(secret);
        if !secret.is_empty() && parsed.is_none() {
            self.refuse("intake.user_secret", &raw.user_secret, UserSecret::EXPECTED.to_owned());
        }
        let file = raw.user_secret_file.as_str();
        if !secret.is_empty() && !file.is_empty() {
            let reason = format!("intake.user_secret is set too ({}): set one", self.layer("intake.user_secret"));
            self.refuse("intake.user_secret_file", file, reason);
        }
        IntakeSettings {
            max_ahead_ms: self.within("intake.max_ahead", raw.max_ahead, &SHORT).0,
            earliest_time: raw.earliest_time.0,
            max_jump_ms: raw.max_jump.0.map(|jump| self.within("intake.max_jump", jump, &JUMP).0),
            align_ms: self.within("intake.align", raw.align, &HORIZON).0,
            merge_buffer_bytes: self.within("intake.merge_buffer", raw.merge_buffer, &MERGE_BUFFER).0,
            history_ms: self.within("intake.history", raw.history, &HORIZON).0,
            user_secret: parsed.unwrap_or_default(),
            user_secret_file: (!file.is_empty()).then(|| PathBuf::from(file)),
        }
    }

    fn lists(&mut self, raw: &RawSettings, counting: &CountingRules) -> [ListRules; ListName::COUNT] {
        let lists = ListName::ALL.map(|list| match raw.lists.of(list) {
            Some(own) => self.list(list, own, counting.row_max),
            None => self.placement(list, &raw.placements),
        });
        self.parts_are_on(&lists);
        for rules in &lists {
            let whole = Duration(counting.half_life(rules.relation));
            if let Some(recent) =
                rules.recent_half_life_ms().map(Duration).filter(|recent| rules.enabled && *recent >= whole)
            {
                let reason = format!("is not shorter than counting.half_life.{} = {whole}", rules.relation.name());
                self.refuse(&format!("lists.{}.recent_half_life", rules.list.name()), recent, reason);
            }
        }
        lists
    }

    fn list(&mut self, list: ListName, raw: &RawList, row_max: Option<usize>) -> ListRules {
        let key = |name: &str| format!("lists.{}.{name}", list.name());
        let defaults = ListRules::of_list(list);
        let length = self.within(&key("length"), raw.length, &LENGTH);
        let reserve = self.within(&key("reserve"), raw.reserve, &RESERVE);
        let is_of_row = |row_max: &usize| !list.is_shop_wide() && length.saturating_add(reserve) > *row_max;
        if let Some(row_max) = row_max.filter(is_of_row) {
            let reason = format!("with {reserve} in reserve is more than a row holds (counting.row_max = {row_max})");
            self.refuse(&key("length"), length, reason);
        }
        let min_llr_root = raw.min_llr_root.map_or(defaults.min_llr_root, |threshold| threshold.0);
        if let Some(llr_root) = min_llr_root.filter(|llr_root| !LLR_ROOT.contains(llr_root)) {
            let reason = format!("must be {} to {}, or \"off\"", LLR_ROOT.start(), LLR_ROOT.end());
            self.refuse(&key("min_llr_root"), llr_root, reason);
        }
        let specificity = raw.specificity.unwrap_or(defaults.specificity);
        ListRules {
            list,
            relation: raw.by.map_or(defaults.relation, By::relation),
            enabled: raw.enabled,
            measure: raw.measure.unwrap_or(defaults.measure),
            specificity: self.within(&key("specificity"), specificity, &SPECIFICITY),
            min_support: self.within(&key("min_support"), raw.min_support, &SUPPORT),
            min_llr_root,
            lift_above_one: raw.lift_above_one.unwrap_or(defaults.lift_above_one),
            length,
            reserve,
            shown: self.shown(&key, raw, &defaults.shown),
            kind: self.kind(&key, raw, defaults.kind),
            fill: raw.fill.as_ref().map_or_else(|| defaults.fill.clone(), |fill| fill.0.clone()),
            category_max: (raw.category_max > 0).then_some(raw.category_max),
            brand_max: (raw.brand_max > 0).then_some(raw.brand_max),
            exposure_max: self.exposure(&key("exposure_max"), raw.exposure_max),
        }
    }

    fn exposure(&mut self, key: &str, raw: Option<Threshold>) -> Option<f64> {
        let share = raw.and_then(|share| share.0);
        if let Some(share) = share.filter(|share| !EXPOSURE.contains(share)) {
            let reason = format!("must be {} to {}, or \"off\"", EXPOSURE.start(), EXPOSURE.end());
            self.refuse(key, share, reason);
        }
        share
    }

    fn shown(&mut self, key: &dyn Fn(&str) -> String, raw: &RawList, defaults: &ShownRules) -> ShownRules {
        let share = |set: Option<Threshold>, default| set.map_or(default, |set| set.0);
        let prices = [
            ("price_at_least", share(raw.price_at_least, defaults.price_at_least)),
            ("price_at_most", share(raw.price_at_most, defaults.price_at_most)),
        ];
        for (name, share) in prices {
            if let Some(share) = share.filter(|share| !PRICE_SHARE.contains(share)) {
                let reason = format!("must be {} to {}, or \"off\"", PRICE_SHARE.start(), PRICE_SHARE.end());
                self.refuse(&key(name), share, reason);
            }
        }
        if let [(_, Some(least)), (name, Some(most))] = prices
            && least > most
        {
            let reason = format!("is less than {} = {least}: nothing would be shown", key("price_at_least"));
            self.refuse(&key(name), most, reason);
        }
        ShownRules {
            in_stock: raw.in_stock,
            category: raw.category.unwrap_or(defaults.category),
            beside: raw.category_beside.as_ref().map_or_else(|| defaults.beside.clone(), |rules| rules.0.clone()),
            brand: raw.brand.unwrap_or(defaults.brand),
            price_at_least: prices[0].1,
            price_at_most: prices[1].1,
            relations: raw.relations.as_ref().map_or_else(|| defaults.relations.clone(), |kinds| kinds.0.clone()),
        }
    }

    /// What only lists of this kind go by.
    fn kind(&mut self, key: &impl Fn(&str) -> String, raw: &RawList, defaults: KindRules) -> KindRules {
        match defaults {
            KindRules::Pairs | KindRules::Placement { .. } => defaults,
            KindRules::Alternatives { min_orders, needs_price } => KindRules::Alternatives {
                min_orders: self.within(&key("min_orders"), raw.min_orders.unwrap_or(min_orders), &SUPPORT),
                needs_price,
            },
            KindRules::Complements { viewed_more } => {
                let viewed_more = raw.viewed_more.unwrap_or(viewed_more);
                KindRules::Complements { viewed_more: self.within(&key("viewed_more"), viewed_more, &SHARE) }
            }
            KindRules::ShopWide { categories, order } => {
                let categories = raw.categories.unwrap_or(categories);
                let mut time = |name: &str, set: Option<Duration>, default_ms, limits| {
                    self.within(&key(name), set.unwrap_or(Duration(default_ms)), limits).0
                };
                let order = match order {
                    ShopOrder::Most => ShopOrder::Most,
                    ShopOrder::Rising { recent_half_life_ms } => ShopOrder::Rising {
                        recent_half_life_ms: time(
                            "recent_half_life",
                            raw.recent_half_life,
                            recent_half_life_ms,
                            &HALF_LIFE,
                        ),
                    },
                    ShopOrder::Newest { within_ms } => {
                        ShopOrder::Newest { within_ms: time("within", raw.within, within_ms, &HORIZON) }
                    }
                };
                KindRules::ShopWide { categories, order }
            }
        }
    }

    fn publish(&mut self, raw: &RawSettings) -> PublishRules {
        let (raw, tells_facts) = (&raw.publish, raw.output.facts);
        PublishRules {
            min_score_step_milli: self.within("publish.min_score_step", raw.min_score_step, &SCORE_STEP).0,
            min_interval_ms: self.within("publish.min_interval", raw.min_interval, &SHORT).0,
            sweep_ms: self.within("publish.sweep", raw.sweep, &PERIOD).0,
            rest_after_ms: self.within("publish.rest_after", raw.rest_after, &PERIOD).0,
            total_step_milli: self.within("publish.total_step", raw.total_step, &TOTAL_STEP).0,
            tells_facts,
        }
    }

    fn logs(&mut self, raw: &RawSettings) -> LogsSettings {
        let raw = &raw.logs;
        LogsSettings {
            events_partitions: self.partitions("logs.events_partitions", raw.events_partitions),
            pairs_partitions: self.partitions("logs.pairs_partitions", raw.pairs_partitions),
            block_records: self.within("logs.block_records", raw.block_records, &BLOCK_RECORDS),
            block_bytes: self.block_bytes(raw.block_bytes).0,
            gap_wait_ms: self.within("logs.gap_wait", raw.gap_wait, &GAP_WAIT).0,
        }
    }

    fn block_bytes(&mut self, bytes: Bytes) -> Bytes {
        if !BLOCK_BYTES.contains(&bytes) {
            let record = Bytes(MESSAGE_BYTES_MAX as u64);
            let reason = format!(
                "must be {} to {}: with an order of {LINES_MAX} lines on top, a block has to fit in a record of {record}",
                BLOCK_BYTES.start(),
                BLOCK_BYTES.end()
            );
            self.refuse("logs.block_bytes", bytes, reason);
        }
        bytes
    }

    fn partitions(&mut self, key: &str, count: u32) -> u32 {
        if !PARTITIONS.contains(&count) {
            let (least, most) = (PARTITIONS.start(), PARTITIONS.end());
            let reason = "every partition of events writes to every one of pairs, so the work grows with their product";
            self.refuse(key, count, format!("must be {least} to {most}: {reason}"));
        }
        count
    }

    fn sources(&mut self, tables: &[toml::Table], prefix: &str) -> Vec<SourceSettings> {
        let layer = self.layer("source");
        let mut names = BTreeSet::new();
        let mut sources = Vec::with_capacity(tables.len());
        for (index, table) in tables.iter().enumerate() {
            let (source, mut reasons) = source::read(table);
            if !source.name.is_empty() && !names.insert(source.name.clone()) {
                reasons.push("an earlier source has the same name".to_owned());
            }
            reasons.extend(Self::source_topic(&source, &sources, prefix));
            let setting = match source.name.as_str() {
                "" => format!("source number {}", index + 1),
                name => format!("source {name:?}"),
            };
            let problem = |reason| Problem::Limit { setting: setting.clone(), layer: layer.clone(), reason };
            self.problems.extend(reasons.into_iter().map(problem));
            sources.push(source);
        }
        sources
    }
}
