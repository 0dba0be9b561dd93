//! What facts cost in memory, and that the program knows it. A process of its own: it looks at how large that is.
//!
//! Prints the bytes of a fact: cargo test --release --test memory_of_facts -- --nocapture

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // tests

use samenloop::facts::{Facts, FactsTopic};
use samenloop::intake::{FactSpec, Plans, Record};

/// As the program has it: sizes are told by its classes.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const ITEMS: usize = 100_000;

/// Bytes of this process in pages that hold something.
fn held_now() -> usize {
    tikv_jemalloc_ctl::epoch::advance().unwrap();
    tikv_jemalloc_ctl::stats::active::read().unwrap()
}

/// A kind of fact, and the fact of an item.
type Case = (&'static str, FactsTopic, fn(usize) -> String);

#[test]
fn what_facts_take_is_what_they_are_said_to_take() {
    let cases: [Case; 4] = [
        ("stock", FactsTopic::Stock, |n| format!(r#"{{"item":"item-{n:08}","quantity":0}}"#)),
        ("catalogue: category, brand, price", FactsTopic::Catalogue, |n| {
            let (group, brand) = (n % 500, n % 200);
            format!(
                r#"{{"item":"item-{n:08}","category":["Shop","Group {group}"],"brand":"Brand {brand}","price":1.5,"currency":"EUR"}}"#
            )
        }),
        ("catalogue: the same with name, link and picture", FactsTopic::Catalogue, |n| {
            let link = format!("https://shop.example/products/item-{n:08}");
            format!(
                r#"{{"item":"item-{n:08}","category":["Shop"],"brand":"Brand","price":1.5,"currency":"EUR","name":"A thing for the house {n:08}","url":"{link}","image":"{link}.jpg"}}"#
            )
        }),
        ("a relation of each item", FactsTopic::Relations, |n| {
            format!(r#"{{"anchor":"item-{n:08}","other":"item-{:08}","kind":"accessory"}}"#, n + 1)
        }),
    ];
    for (name, topic, value) in cases {
        let (mapping, plans) = (FactSpec::new(topic).compile(None).unwrap(), Plans::default());
        let before = held_now();
        let facts = Facts::new(1 << 30);
        for number in 0..ITEMS {
            let value = value(number);
            let record = Record { value: Some(value.as_bytes()), ..Record::default() };
            mapping.decode(&plans, &record, |fact| fact.unwrap().tell(&facts).unwrap());
        }
        let (held, said) = (held_now().saturating_sub(before), facts.bytes());
        println!("{name}: {} bytes each, said to be {}", held / ITEMS, said / ITEMS);
        // Changes are remembered by a ring of their own, of half a megabyte.
        assert!(held < said * 2 + (4 << 20) && said < held * 2, "{name}: {held} bytes are held, {said} are said");
    }
}
