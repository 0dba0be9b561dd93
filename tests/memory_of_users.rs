//! What users cost in memory, and that the program knows it. A process of its own: it looks at how large that is.

#![allow(clippy::unwrap_used, clippy::print_stderr)] // tests
#![cfg(target_os = "linux")]

use samenloop::event::{EventKey, EventTime, UserKey};
use samenloop::items::{ItemId, Items, ShopId};
use samenloop::rules::CountingRules;
use samenloop::windows::{Action, Input, Windows};

const MINUTE_MS: i64 = 60_000;

/// Bytes of this process that are in memory.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

struct Crowd {
    windows: Windows,
    shop: ShopId,
    items: Vec<ItemId>,
    events: u64,
}

impl Crowd {
    fn new() -> Self {
        let mut items = Items::default();
        let shop = items.shop("main");
        let items = (0..100).map(|n| items.item(shop, &format!("i{n}"))).collect();
        Self { windows: Windows::new(&CountingRules::default()), shop, items, events: 0 }
    }

    fn event(&mut self, user: u64, at: i64, action: Action<'_>) {
        self.events += 1;
        let spread = |n: u64, by: u64| n.wrapping_add(1).wrapping_mul(by);
        let (high, low) = (spread(user, 0x9E37_79B9_7F4A_7C15), spread(user, 0xD1B5_4A32_D192_ED03));
        let input = Input {
            user: UserKey(u128::from(high) << 64 | u128::from(low)),
            key: EventKey(self.events),
            time: EventTime(1_700_000_000_000 + at),
            shop: self.shop,
            action,
        };
        self.windows.apply(&input, &mut |_| {});
    }

    fn view(&mut self, user: u64, at: i64) {
        let item = self.items[usize::try_from((user + self.events) % 100).unwrap()];
        self.event(user, at, Action::View(item));
    }

    fn order(&mut self, user: u64, at: i64, lines: usize) {
        let from = usize::try_from(user % 80).unwrap();
        let lines = self.items[from..from + lines].to_vec();
        self.event(user, at, Action::Order(&lines));
    }
}

/// Bytes a user, as told and as the process grew. The table of users has room for up to a chunk more, and its index for more.
fn cost(users: u64, history: impl Fn(&mut Crowd, u64)) -> (f64, f64) {
    let before = resident();
    let mut crowd = Crowd::new();
    (0..users).for_each(|user| history(&mut crowd, user));
    let grown = resident() - before;
    assert_eq!(crowd.windows.visitors() as u64, users);
    let told = crowd.windows.bytes();
    eprintln!("{told:?}");
    std::mem::forget(crowd); // what comes next must not find its memory free
    (told.total() as f64 / users as f64, grown as f64 / users as f64)
}

#[test]
fn a_user_costs_what_is_told_and_one_who_views_once_costs_little() {
    let one_view = cost(400_000, |crowd, user| crowd.view(user, 0));
    let session = cost(100_000, |crowd, user| (0..5).for_each(|n| crowd.view(user, n * MINUTE_MS)));
    let customer = cost(100_000, |crowd, user| {
        (0..5).for_each(|n| crowd.view(user, n * MINUTE_MS));
        crowd.order(user, 6 * MINUTE_MS, 3);
        crowd.order(user, 60 * MINUTE_MS, 5);
    });
    let cases = [("one view", one_view, 64.0), ("a session of five", session, 400.0), ("a customer", customer, 600.0)];
    for (name, (told, grown), most) in cases {
        println!("{name}: {told:.0} bytes a user as told, {grown:.0} as the process grew");
        assert!(grown <= most, "{name}: {grown} bytes a user, at most {most} are wanted");
        assert!((told / grown - 1.0).abs() < 0.15, "{name}: {told} bytes a user as told, {grown} as the process grew");
    }
}
