//! A house that has been lived in, and what came to it.

use crate::kafka::{self, Sent};
use crate::service::House;

pub fn views(count: usize) -> impl Iterator<Item = Sent> {
    (0..count).map(|number| {
        let ts = 1_700_000_000_000_i64 + i64::try_from(number).unwrap();
        let view = format!(r#"{{"type":"view","user":"u{}","ts":{ts},"item":"i{}"}}"#, number % 7, number % 5);
        Sent::of("k", view).to(0)
    })
}

/// A house whose logs hold 200 events, and whose instance has ended; and its source's topic.
pub fn lived_in(purpose: &str) -> (House, String) {
    let mut house = House::new(purpose);
    let topic = house.source("shop", 1, &[], "");
    kafka::produce(house.broker.bootstrap(), &topic, views(200));
    house.create_topics();
    let mut instance = house.start("before");
    house.wait_rest(&mut [&mut instance]);
    instance.stop();
    (house, topic)
}
