//! The thread that owns the shop and the pipeline: events in, ticks, a picture now and then, and the end.
//!
//! Everything it hands to the screen goes through a channel of one place; a slow terminal makes pictures rarer, never the
//! worker slower. What it holds is bounded by the shop: each batch is counted before the next is made.

use super::backroom::{Account, Backroom};
use super::gates::Gate;
use super::live::{Frame, ProductView};
use super::picture::{delay, judge, product_view, products_to_show, rejects, sentence, tallies};
use super::plan::{Plan, Throttle};
use super::sink::DemoSink;
use super::summary::{Summary, WithAll};
use crate::cli::assembly;
use crate::config::Settings;
use crate::drive::{MemoryLog, Pipeline};
use crate::intake::{MappingSpec, Record};
use crate::position::{NextOffset, Partition, SourcePartition};
use crate::relation::Relation;
use crate::stage::{Clocked, IntakeInput};
use crate::watch::now_ms;
use samenloop_shop::Catalogue;
use samenloop_shop::Shop;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

/// Events between two looks at the clock.
const BATCH_EVENTS: u64 = 256;
/// How often the stages are told the time, and what they hold is sent on.
const TICK: Duration = Duration::from_millis(20);
/// How often a picture is made.
const PICTURE: Duration = Duration::from_millis(200);
/// Pictures by which the rate is measured.
const RATE_PICTURES: usize = 10;
/// Simulated time may come this close to the clock.
const AHEAD_MARGIN_MS: i64 = 3_600_000;
/// The end waits for `min_interval` at most this long; after that the clock is told to be later.
const SETTLE_MAX: Duration = Duration::from_secs(2);

/// Name of the shop's source.
const SOURCE: &str = "shop";

/// What the worker has to show.
pub(super) enum Picture {
    /// While it goes on.
    Frame(Box<Frame>),
    /// At the end, once.
    Summary(Box<Summary>),
}

/// How the demonstration goes.
pub(super) struct Show {
    pub(super) plan: Plan,
    pub(super) without: Vec<Gate>,
    /// Whether the endpoint outlives the summary.
    pub(super) stay: bool,
    /// Where the endpoint is.
    pub(super) url: Option<String>,
    /// Whether frames are wanted.
    pub(super) frames: bool,
}

pub(super) struct Worker<'a> {
    pub(super) show: Show,
    pub(super) settings: &'a Settings,
    /// None where the shop says nothing of its products.
    pub(super) backroom: Option<Backroom>,
    pub(super) pipeline: Pipeline<DemoSink>,
    pub(super) screen: SyncSender<Picture>,
    pub(super) stop: &'a AtomicBool,
}

/// A pipeline for the shop, open.
pub(super) fn open(settings: &Settings, backroom: Option<&Backroom>) -> anyhow::Result<Pipeline<DemoSink>> {
    let source = SourcePartition { source: Arc::from(SOURCE), partition: Partition(0) };
    let input = IntakeInput { source, mapping: Arc::new(MappingSpec::default().compile()?) };
    let setup = assembly::setup(settings, Clocked::Wall, backroom.map(Backroom::facts));
    let (logs, align_ms) = (settings.logs, settings.intake.align_ms);
    let log = MemoryLog::new(logs.events_partitions, logs.pairs_partitions);
    let mut pipeline = Pipeline::open(setup, vec![input], align_ms, log, DemoSink::new())?;
    backroom.iter().for_each(|backroom| backroom.brief(&mut pipeline.sink()));
    pipeline.clock(now_ms())?; // nothing is there yet: all of it is live
    Ok(pipeline)
}

/// How far the worker has come.
struct Progress {
    fed: u64,
    started: Instant,
    /// Events that came at full speed, and how long they took.
    measured: (u64, Duration),
    next_tick: Instant,
    next_picture: Instant,
    /// Times and events of the last pictures.
    pictures: VecDeque<(Instant, u64)>,
}

impl Worker<'_> {
    /// Runs to the end.
    pub(super) fn run(mut self) -> anyhow::Result<()> {
        let mut shop = Shop::new(self.show.plan.seed, &self.show.plan.shop);
        let nothing_bought = self.show.plan.shop.views_only || self.bought_is_off();
        let products = if nothing_bought { Vec::new() } else { products_to_show(shop.catalogue()) };
        let progress = self.feed(&mut shop, &products)?;
        let stopped = self.show.plan.events.is_some_and(|events| progress.fed < events);
        let account = self.close(&shop)?;
        tracing::debug!(sent = ?shop.sent(), "what the shop sent");
        let verdict = judge(shop.catalogue(), self.pipeline.view());
        let with_all = if self.show.without.is_empty() { None } else { self.with_every_gate(progress.fed)? };
        let summary = Summary {
            seed: self.show.plan.seed,
            without: self.show.without.iter().map(|gate| gate.name()).collect(),
            stopped,
            simulated_ms: (self.show.plan.shop.start_ms, shop.now_ms()),
            measured_events: progress.measured.0,
            seconds: progress.measured.1.as_secs_f64(),
            tallies: tallies(&self.pipeline, progress.fed),
            rejects: rejects(&self.pipeline),
            delay: delay(&self.pipeline.delay()),
            min_interval_ms: self.settings.publish.min_interval_ms as f64,
            bought_is_off: self.bought_is_off(),
            verdict,
            account,
            with_all,
            examples: self.product_views(&products, shop.catalogue()),
            url: self.show.url.clone().filter(|_| self.show.stay),
        };
        if self.screen.send(Picture::Summary(Box::new(summary))).is_ok() && self.show.stay {
            while !self.stop.load(Ordering::Relaxed) {
                self.pipeline.wait(Instant::now() + TICK);
            }
        }
        Ok(())
    }

    fn bought_is_off(&self) -> bool {
        !self.settings.lists[Relation::BoughtTogether.index()].enabled
    }

    fn product_views(&self, products: &[String], catalogue: &Catalogue) -> Vec<ProductView> {
        products.iter().map(|id| product_view(id, catalogue, self.pipeline.view())).collect()
    }

    /// Feeds the shop's events until there are enough, or someone stops it.
    fn feed(&mut self, shop: &mut Shop, products: &[String]) -> anyhow::Result<Progress> {
        let (wanted, started) = (self.show.plan.events.unwrap_or(u64::MAX), Instant::now());
        let mut throttle = self.show.plan.throttle();
        let mut progress = Progress {
            fed: 0,
            started,
            measured: (0, Duration::ZERO),
            next_tick: started + TICK,
            next_picture: started,
            pictures: VecDeque::new(),
        };
        while progress.fed < wanted && !self.stop.load(Ordering::Relaxed) {
            let now = Instant::now();
            if now >= progress.next_tick {
                progress.next_tick = now + TICK;
                self.tick()?;
                self.picture(shop, products, &mut progress);
            }
            let room = throttle.room(progress.fed, now).min(wanted - progress.fed).min(BATCH_EVENTS);
            let room = if self.is_ahead(shop) { 0 } else { room };
            if room == 0 {
                self.tick()?; // nothing is at hand
                self.pipeline.wait(progress.next_tick);
                continue;
            }
            self.batch(shop, &mut progress, room)?;
            self.measure(&mut progress, &throttle, wanted)?;
        }
        if progress.measured.0 == 0 {
            self.pipeline.flush()?;
            progress.measured = (progress.fed, progress.started.elapsed());
        }
        Ok(progress)
    }

    fn batch(&mut self, shop: &mut Shop, progress: &mut Progress, events: u64) -> anyhow::Result<()> {
        let arrived_ms = now_ms();
        self.pipeline.wall_clock(arrived_ms);
        for _ in 0..events {
            let event = shop.next_record();
            let record = Record {
                topic: SOURCE,
                key: Some(event.key),
                value: event.value,
                timestamp_ms: Some(arrived_ms),
                headers: &[],
                around: None,
            };
            self.pipeline.feed(0, NextOffset(progress.fed), &record)?;
            progress.fed += 1;
            if let Some(backroom) = &mut self.backroom {
                backroom.come_to(shop, &self.pipeline)?;
            }
        }
        self.pipeline.take_in()
    }

    /// Notes how long the events at full speed took, once they are through.
    fn measure(&mut self, progress: &mut Progress, throttle: &Throttle, wanted: u64) -> anyhow::Result<()> {
        if progress.measured.0 == 0
            && progress.fed < wanted
            && progress.fed > 0
            && !throttle.is_full_speed(progress.fed)
            && throttle.has_full_speed()
        {
            self.pipeline.flush()?;
            progress.measured = (progress.fed, progress.started.elapsed());
        }
        Ok(())
    }

    /// Whether simulated time has caught up with the clock. Where the number of events is given, it may: what little runs
    /// over is set back, and counted.
    fn is_ahead(&self, shop: &Shop) -> bool {
        self.show.plan.events.is_none() && shop.now_ms() > now_ms().saturating_sub(AHEAD_MARGIN_MS)
    }

    fn tick(&mut self) -> anyhow::Result<()> {
        self.pipeline.clock(now_ms())?;
        self.pipeline.look();
        Ok(())
    }

    fn picture(&mut self, shop: &Shop, products: &[String], progress: &mut Progress) {
        let now = Instant::now();
        if !self.show.frames || now < progress.next_picture {
            return;
        }
        progress.next_picture = now + PICTURE;
        progress.pictures.push_back((now, progress.fed));
        if progress.pictures.len() > RATE_PICTURES {
            progress.pictures.pop_front();
        }
        let since = progress.pictures.front().copied().unwrap_or((progress.started, 0));
        let (since, from) = if progress.pictures.len() == 1 { (progress.started, 0) } else { since };
        let seconds = now.duration_since(since).as_secs_f64().max(1e-3);
        let catalogue = shop.catalogue();
        let frame = Frame {
            seed: self.show.plan.seed,
            without: self.show.without.iter().map(|gate| gate.name()).collect(),
            simulated_ms: shop.now_ms(),
            events_wanted: self.show.plan.events,
            events_per_second: (progress.fed - from) as f64 / seconds,
            tallies: tallies(&self.pipeline, progress.fed),
            delay: delay(&self.pipeline.sink().lately()),
            url: self.show.url.clone(),
            products: self.product_views(products, catalogue),
            bought_is_off: self.bought_is_off(),
            changes: self.pipeline.sink().changes().map(|change| sentence(change, catalogue)).collect(),
        };
        let _screen_is_busy = self.screen.try_send(Picture::Frame(Box::new(frame)));
    }

    /// Brings all lists to rest, then once more with everything in stock: so they can be judged by what has been planted.
    fn close(&mut self, shop: &Shop) -> anyhow::Result<Option<Account>> {
        self.settle()?;
        let Some(backroom) = &mut self.backroom else { return Ok(None) };
        backroom.deliver(shop, &self.pipeline)?;
        self.settle()?;
        Ok(self.backroom.as_ref().map(|backroom| backroom.account(shop, &self.pipeline)))
    }

    /// Brings all lists to rest: what was held back by `min_interval` comes out too.
    fn settle(&mut self) -> anyhow::Result<()> {
        self.tick()?;
        self.pipeline.rest()?;
        let interval_ms = self.settings.publish.min_interval_ms.max(0);
        let interval = Duration::from_millis(interval_ms.unsigned_abs());
        let deadline = Instant::now() + interval.min(SETTLE_MAX) + TICK;
        while Instant::now() < deadline {
            self.pipeline.wait(Instant::now() + TICK);
            self.pipeline.clock(now_ms())?;
        }
        let later_ms = if interval > SETTLE_MAX { interval_ms } else { 0 };
        self.pipeline.clock(now_ms().saturating_add(later_ms))?;
        self.pipeline.look();
        Ok(())
    }

    /// The same events with every gate on, in silence; `None` when someone stops that too.
    fn with_every_gate(&mut self, events: u64) -> anyhow::Result<Option<WithAll>> {
        let mut settings = self.settings.clone();
        self.show.without.iter().for_each(|gate| gate.on(&mut settings));
        let mut backroom = Backroom::open(&self.show.plan, &settings)?;
        let mut pipeline = open(&settings, backroom.as_ref())?;
        let mut shop = Shop::new(self.show.plan.seed, &self.show.plan.shop);
        let now_ms = now_ms();
        for n in 0..events {
            if n.is_multiple_of(BATCH_EVENTS) {
                self.pipeline.wait(Instant::now());
                if self.stop.load(Ordering::Relaxed) && self.show.plan.events.is_some() {
                    return Ok(None);
                }
            }
            let event = shop.next_record();
            let (key, value) = (Some(event.key), event.value);
            let record = Record { topic: SOURCE, key, value, timestamp_ms: Some(now_ms), headers: &[], around: None };
            pipeline.feed(0, NextOffset(n), &record)?;
            if let Some(backroom) = &mut backroom {
                backroom.come_to(&shop, &pipeline)?;
            }
        }
        let interval_ms = settings.publish.min_interval_ms.max(0).saturating_add(1);
        for time in 1..=2 {
            pipeline.rest()?;
            pipeline.clock(now_ms.saturating_add(interval_ms.saturating_mul(time)))?;
            if let Some(backroom) = &mut backroom {
                backroom.deliver(&shop, &pipeline)?; // for the second time: then nothing is left
            }
        }
        let sold_out = pipeline.sink().ledger.seen().sold_out;
        Ok(Some(WithAll { verdict: judge(shop.catalogue(), pipeline.view()), sold_out }))
    }
}
