//! How much of the shop is shown, and how fast.
//!
//! Simulated time starts in the past and moves with the customers. It never runs ahead of the clock: an event from the
//! future would be corrected.

use super::DemoArgs;
use crate::rules::DAY_MS;
use samenloop_shop::ShopSettings;
use std::time::{Duration, Instant};

/// How many events make a good first impression: twelve weeks of the shop.
pub(super) const HISTORY_EVENTS: u64 = 300_000;
/// How many events a second follow while someone looks on: slow enough to read.
const LIVE_EVENTS_PER_SECOND: u64 = 200;
/// Simulated time kept for what follows: about two hours of looking on. Then the shop goes on in real time.
const LIVE_MS: i64 = 400 * DAY_MS;
/// Where written events start: the same seed gives the same file at any time. 2025-01-01.
const WRITTEN_FROM_MS: i64 = 1_735_689_600_000;

/// What is shown.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) shop: ShopSettings,
    /// `None`: until someone stops it.
    pub(super) events: Option<u64>,
    pace: Pace,
}

/// How fast.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// So many events come as fast as they can be counted.
    at_full_speed: u64,
    /// Then so many a second.
    per_second: u64,
}

impl Plan {
    /// What the arguments ask for. Without a number of events it goes on as long as someone is looking.
    pub(super) fn new(args: &DemoArgs, someone_looks: bool, now_ms: i64) -> Self {
        let events = args.events.or((!someone_looks).then_some(HISTORY_EVENTS));
        let sized_for = events.unwrap_or(HISTORY_EVENTS);
        let mut shop = shop_of(args, 0, sized_for);
        let span_ms = shop.span_ms(sized_for);
        // The span is an estimate: a margin, so that the end does not lie in the future.
        let margin_ms = span_ms / 16 + DAY_MS + if events.is_some() { 0 } else { LIVE_MS };
        let start_ms = now_ms.saturating_sub(span_ms).saturating_sub(margin_ms);
        shop.start_ms = args.start.unwrap_or(start_ms / START_MS * START_MS).max(EARLIEST_MS);
        let pace = match (args.rate, events) {
            (Some(rate), _) => Pace { at_full_speed: 0, per_second: rate },
            (None, Some(_)) => Pace { at_full_speed: u64::MAX, per_second: 0 },
            (None, None) => Pace { at_full_speed: HISTORY_EVENTS, per_second: LIVE_EVENTS_PER_SECOND },
        };
        Self { seed: args.seed, shop, events, pace }
    }

    /// The same shop, to be written to a file.
    pub(super) fn written(args: &DemoArgs) -> Self {
        let events = args.events.unwrap_or(HISTORY_EVENTS);
        let pace = Pace { at_full_speed: u64::MAX, per_second: 0 };
        Self {
            seed: args.seed,
            shop: shop_of(args, args.start.unwrap_or(WRITTEN_FROM_MS), events),
            events: Some(events),
            pace,
        }
    }

    pub(super) fn throttle(&self) -> Throttle {
        Throttle { pace: self.pace, slow_from: None }
    }
}

/// Simulated time starts at a multiple of this: within a week, a seed is the same shop.
const START_MS: i64 = 7 * DAY_MS;
/// Events before the year 2000 are refused.
const EARLIEST_MS: i64 = 946_684_800_000 + DAY_MS;

fn shop_of(args: &DemoArgs, start_ms: i64, events: u64) -> ShopSettings {
    if args.views_only { ShopSettings::views_only(start_ms) } else { ShopSettings::of_events(start_ms, events) }
}

/// Holds the shop back.
pub(super) struct Throttle {
    pace: Pace,
    /// Since when, and from which event on, the pace is slow.
    slow_from: Option<(Instant, u64)>,
}

impl Throttle {
    /// How many events may come now, after `fed` have.
    pub(super) fn room(&mut self, fed: u64, now: Instant) -> u64 {
        if fed < self.pace.at_full_speed {
            return self.pace.at_full_speed - fed;
        }
        let (since, from) = *self.slow_from.get_or_insert((now, fed));
        let due = now.duration_since(since).as_micros().saturating_mul(u128::from(self.pace.per_second));
        let due = u64::try_from(due / Duration::from_secs(1).as_micros()).unwrap_or(u64::MAX);
        from.saturating_add(due).saturating_sub(fed)
    }

    /// Whether some of the events, and not all, come at full speed.
    pub(super) fn has_full_speed(&self) -> bool {
        (1..u64::MAX).contains(&self.pace.at_full_speed)
    }

    /// Whether events come as fast as they can be counted.
    pub(super) fn is_full_speed(&self, fed: u64) -> bool {
        fed < self.pace.at_full_speed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use samenloop_shop::Shop;

    const NOW_MS: i64 = 1_780_000_000_000;

    fn args() -> DemoArgs {
        DemoArgs { seed: 1, ..DemoArgs::default() }
    }

    #[test]
    fn simulated_time_ends_near_the_clock_and_not_behind_it() {
        for events in [2_000, 40_000, 300_000] {
            let plan = Plan::new(&DemoArgs { events: Some(events), ..args() }, true, NOW_MS);
            let mut shop = Shop::new(1, &plan.shop);
            for _ in 0..events {
                shop.next_record();
            }
            let (ahead_ms, span_ms) = (shop.now_ms() - NOW_MS, shop.now_ms() - plan.shop.start_ms);
            assert!(ahead_ms < 0, "{events} events end {ahead_ms} ms behind the clock");
            assert!(
                -ahead_ms < span_ms / 8 + 2 * DAY_MS + START_MS,
                "{events} events end {ahead_ms} ms from the clock"
            );
        }
    }

    #[test]
    fn without_anyone_looking_it_ends() {
        assert_eq!(Plan::new(&args(), true, NOW_MS).events, None);
        assert_eq!(Plan::new(&args(), false, NOW_MS).events, Some(HISTORY_EVENTS));
    }

    #[test]
    fn the_past_comes_at_full_speed_and_what_follows_can_be_read() {
        let now = Instant::now();
        let mut throttle = Plan::new(&args(), true, NOW_MS).throttle();
        assert_eq!(throttle.room(0, now), HISTORY_EVENTS);
        assert!(throttle.is_full_speed(HISTORY_EVENTS - 1) && !throttle.is_full_speed(HISTORY_EVENTS));
        assert_eq!(throttle.room(HISTORY_EVENTS, now), 0);
        let later = now + Duration::from_millis(1500);
        assert_eq!(throttle.room(HISTORY_EVENTS + 10, later), 290);

        let mut throttle = Plan::new(&DemoArgs { rate: Some(1000), ..args() }, false, NOW_MS).throttle();
        assert_eq!(throttle.room(0, now), 0);
        assert_eq!(throttle.room(0, later), 1500);
    }
}
