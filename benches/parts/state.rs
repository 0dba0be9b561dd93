//! What is held in memory and what goes between: names, windows, blocks, rows, lists, snapshots, for a catalogue of one size.

use super::draw::Draw;
use super::table::{Way, compare};
use dashmap::DashMap;
use samenloop::event::{EventKey, EventTime, UserKey};
use samenloop::facts::{Shelf, Stock};
use samenloop::items::{ItemId, Items, ShopId};
use samenloop::limits::LIST_ENTRIES_MAX;
use samenloop::position::{NextOffset, Partition, Position, SourcePartition, Span};
use samenloop::publish::codec::ListCodec;
use samenloop::publish::{Publication, Stamp};
use samenloop::rank::{List, Ranker};
use samenloop::relation::{Change, Delta, Relation};
use samenloop::rows::{Rows, is_of_rows};
use samenloop::rules::{CountingRules, ListRules};
use samenloop::saved::{Saving, frames};
use samenloop::windows::{Action, Input, Windows};
use samenloop::wire::{DeltaScratch, Lag, PairsBlock, PairsWriter, SectionHead, Translation};
use std::collections::HashMap;
use std::error::Error;
use std::hash::{BuildHasherDefault, Hasher};
use std::hint::black_box;

const VIEWS: usize = 1_000_000;
/// Zipf's exponent.
const SKEW: f64 = 1.05;
/// Views that a visitor has in the mean.
const VIEWS_EACH: usize = 6;
/// How far the views of a visitor are spread among those of others.
const VISITORS_AT_ONCE: usize = 1_000;
const BLOCK_STARS: usize = 4_096;
/// Lists that are ranked.
const LISTS: usize = 50_000;
const PORTION_BYTES: usize = 256 << 10;
const NAMES: u8 = 200;
const SHOP: &str = "main";
const RELATION: Relation = Relation::ViewedTogether;
const START_MS: i64 = 1_700_000_000_000;

/// An item that was new to a session, and what it met.
struct Star {
    time: EventTime,
    centre: ItemId,
    met: Vec<ItemId>,
    /// Whether its session counts from here on.
    begins: bool,
}

struct View {
    user: UserKey,
    time: EventTime,
    item: ItemId,
}

/// All measurements with so many items.
pub fn of(items: usize) -> Result<(), Box<dyn Error>> {
    let rules = CountingRules::default();
    let mut rows = Rows::new(&rules, Partition(0), 1);
    let shop = rows.items_mut().shop(SHOP);
    let names: Vec<String> = (0..items).map(|number| format!("sku-{number:08}")).collect();
    let ids: Vec<ItemId> = names.iter().map(|name| rows.items_mut().item(shop, name)).collect();
    let drawn: Vec<usize> = {
        let mut draw = Draw::new();
        // Popular items are not the first ones of the catalogue.
        let scatter = |rank: usize| rank.wrapping_mul(0x9E37_79B1) % items;
        (0..VIEWS).map(|_| scatter(draw.zipf_of(items, SKEW))).collect()
    };
    look_up(&mut rows, shop, &names, &drawn);
    let views = views(&ids, &drawn);
    let stars = windows(&rules, shop, &views);
    // What has been updated twice as often as measured is no fresh table.
    blocks(&stars, &mut rows)?;
    updates(&rules, &stars, &mut rows, items);
    lists(&stars, &mut rows)?;
    snapshots(&rules, &mut rows)
}

fn look_up(rows: &mut Rows, shop: ShopId, names: &[String], drawn: &[usize]) {
    let known: HashMap<&str, u32> = names.iter().zip(0..).map(|(name, number)| (name.as_str(), number)).collect();
    // As they come: the bytes of a record, read in order.
    let wanted: Vec<&str> = drawn.iter().map(|&number| names[number].as_str()).collect();
    let table = std::cell::RefCell::new(rows);
    let ways: Vec<Way<'_>> = vec![
        (
            "those of a block at once",
            Box::new(|| {
                let mut rows = table.borrow_mut();
                let mut ids = Vec::new();
                for block in wanted.chunks(256) {
                    let entries: Vec<(u32, &str)> = block.iter().map(|name| (0, *name)).collect();
                    ids.clear();
                    rows.items_mut().items(&[shop], &entries, &mut ids);
                    black_box(&ids);
                }
            }),
        ),
        (
            "one by one",
            Box::new(|| {
                let mut rows = table.borrow_mut();
                for name in &wanted {
                    black_box(rows.items_mut().item(shop, name));
                }
            }),
        ),
        (
            "HashMap<&str, u32>",
            Box::new(|| {
                for name in &wanted {
                    black_box(known.get(name));
                }
            }),
        ),
    ];
    compare("an item by its name", drawn.len(), ways);
}

fn views(ids: &[ItemId], drawn: &[usize]) -> Vec<View> {
    let mut draw = Draw::new();
    let mut users: Vec<u64> = (0..VISITORS_AT_ONCE as u64).collect();
    let mut next = VISITORS_AT_ONCE as u64;
    let mut all = Vec::with_capacity(drawn.len());
    for (number, &item) in (0..).zip(drawn) {
        let place = draw.below(users.len());
        if draw.below(VIEWS_EACH) == 0 {
            users[place] = next;
            next += 1;
        }
        let user =
            UserKey(u128::from(users[place].wrapping_mul(0x9E37_79B9_7F4A_7C15)) << 32 | u128::from(users[place]));
        // A session lasts: a millisecond between two views of the shop.
        all.push(View { user, time: EventTime(START_MS + number), item: ids[item] });
    }
    all
}

fn windows(rules: &CountingRules, shop: ShopId, views: &[View]) -> Vec<Star> {
    let feed = |sink: &mut dyn FnMut(Delta<'_>)| {
        let mut windows = Windows::new(rules);
        for (number, view) in (0..).zip(views) {
            let action = Action::View { item: view.item, session: None };
            let input = Input { user: view.user, key: EventKey(number), time: view.time, shop, action };
            windows.apply(&input, &mut |delta| sink(delta));
        }
        windows
    };
    let (mut stars, mut begins) = (Vec::new(), false);
    let held = feed(&mut |delta| match delta.change {
        Change::Context { relation: RELATION, .. } => begins = true,
        Change::Star { relation: RELATION, centre, neighbours } => {
            let begins = std::mem::take(&mut begins);
            stars.push(Star { time: delta.time, centre, met: neighbours.to_vec(), begins });
        }
        _ => {}
    });
    let met: usize = stars.iter().map(|star| star.met.len()).sum();
    let ways: Vec<Way<'_>> = vec![
        (
            "windows",
            Box::new(|| {
                feed(&mut |delta| {
                    black_box(&delta);
                });
            }),
        ),
        (
            "HashMap of users, a Vec each",
            Box::new(|| {
                let mut seen: HashMap<u128, Vec<ItemId>> = HashMap::new();
                for view in views {
                    let last = seen.entry(view.user.0).or_default();
                    if !last.contains(&view.item) {
                        black_box(&*last);
                        if last.len() == 20 {
                            last.remove(0);
                        }
                        last.push(view.item);
                    }
                }
            }),
        ),
    ];
    compare(&format!("a view, {:.1} pairs each way", met as f64 / views.len() as f64), views.len(), ways);
    println!("    {} visitors, {} bytes each", held.visitors(), held.bytes().total() / held.visitors().max(1));
    stars
}

fn pairs_of(stars: &[Star]) -> usize {
    stars.iter().map(|star| 2 * star.met.len()).sum()
}

fn count(star: &Star, rows: &mut Rows, shop: ShopId, touched: &mut Vec<(Relation, ItemId)>) {
    if star.begins {
        rows.apply(&Delta::counted(star.time, Change::Context { shop, relation: RELATION }), touched);
    }
    rows.apply(&delta(star), touched);
    touched.clear();
}

fn delta(star: &Star) -> Delta<'_> {
    Delta::counted(star.time, Change::Star { relation: RELATION, centre: star.centre, neighbours: &star.met })
}

fn written(stars: &[Star], items: &Items) -> Vec<Vec<u8>> {
    let mut writer = PairsWriter::default();
    let mut blocks = Vec::new();
    let mut next = Position::start_of(NextOffset(0));
    for stars in stars.chunks(BLOCK_STARS) {
        let source = SourcePartition::new("events", 0);
        let span = Span { from: next, to: next };
        let (highest, lag) = (stars.last().map(|star| star.time), Lag::Live);
        writer.open(SectionHead { source, span, highest, lag, arrived_ms: None, checksum: None });
        for star in stars {
            writer.push(next, &delta(star), items);
            next = Position::start_of(next.offset.after());
        }
        blocks.push(writer.finish(1, items));
    }
    blocks
}

fn blocks(stars: &[Star], rows: &mut Rows) -> Result<(), Box<dyn Error>> {
    let pairs = pairs_of(stars);
    let blocks = written(stars, rows.items());
    let bytes: usize = blocks.iter().map(Vec::len).sum();
    let table = std::cell::RefCell::new(rows);
    let ways: Vec<Way<'_>> = vec![
        (
            "a block",
            Box::new(|| {
                black_box(written(stars, table.borrow().items()));
            }),
        ),
        (
            "two names and a weight, copied",
            Box::new(|| {
                let rows = table.borrow();
                let mut out: Vec<u8> = Vec::new();
                for star in stars {
                    for &other in &star.met {
                        for (a, b) in [(star.centre, other), (other, star.centre)] {
                            out.extend_from_slice(rows.items().name(a).as_bytes());
                            out.extend_from_slice(rows.items().name(b).as_bytes());
                            out.extend_from_slice(&1.0_f32.to_le_bytes());
                        }
                    }
                }
                black_box(&out);
            }),
        ),
    ];
    compare("a directed pair, written", pairs, ways);
    println!("    {:.2} bytes a directed pair", bytes as f64 / pairs as f64);
    let ways: Vec<Way<'_>> = vec![(
        "a block",
        Box::new(|| {
            let mut rows = table.borrow_mut();
            let (mut names, mut scratch) = (Translation::default(), DeltaScratch::default());
            for block in &blocks {
                let read = PairsBlock::decode(block).expect("a block");
                names.fill(&read.shops, &read.items, rows.items_mut());
                for entry in &read.entries {
                    read.with_delta(entry, &names, &mut scratch, |delta| {
                        black_box(delta);
                    });
                }
            }
        }),
    )];
    compare("a directed pair, read and translated", pairs, ways);
    Ok(())
}

/// A multiplication: about as fast as a hash can be.
#[derive(Default)]
struct Multiply(u64);

impl Hasher for Multiply {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(26);
    }
}

fn each_pair(stars: &[Star], mut give: impl FnMut(u64)) {
    for star in stars {
        for &other in &star.met {
            give(u64::from(star.centre.0) << 32 | u64::from(other.0));
            give(u64::from(other.0) << 32 | u64::from(star.centre.0));
        }
    }
}

fn updates(rules: &CountingRules, stars: &[Star], rows: &mut Rows, items: usize) {
    let pairs = pairs_of(stars);
    let mut touched = Vec::new();
    let shop = rows.items_mut().shop(SHOP);
    for star in stars {
        count(star, rows, shop, &mut touched);
    }
    let (held, bytes) = (rows.stats().pairs, rows.stats().bytes);
    let mut nested: HashMap<u32, HashMap<u32, f32>> = HashMap::new();
    let mut fast: HashMap<u64, f32, BuildHasherDefault<Multiply>> = HashMap::default();
    let shared: DashMap<u64, f32> = DashMap::new();
    // As many bytes as rows take, in lines of a cache.
    let mut lines: Vec<[u64; 8]> = vec![[0; 8]; bytes / 64];
    let mut draw = Draw::new();
    let places: Vec<usize> = (0..pairs).map(|_| draw.below(lines.len())).collect();
    let ways: Vec<Way<'_>> = vec![
        (
            "rows",
            Box::new(|| {
                for star in stars {
                    count(star, rows, shop, &mut touched);
                }
            }),
        ),
        (
            "a bare line of as many bytes",
            Box::new(|| {
                for &place in &places {
                    lines[place][0] += 1;
                }
            }),
        ),
        (
            "HashMap<(item, item), f32>, ×",
            Box::new(|| {
                each_pair(stars, |pair| *fast.entry(pair).or_default() += 1.0);
            }),
        ),
        (
            "HashMap of HashMaps",
            Box::new(|| {
                each_pair(stars, |pair| {
                    let (anchor, other) = ((pair >> 32) as u32, pair as u32);
                    *nested.entry(anchor).or_default().entry(other).or_default() += 1.0;
                });
            }),
        ),
        (
            "DashMap<(item, item), f32>",
            Box::new(|| {
                each_pair(stars, |pair| *shared.entry(pair).or_default() += 1.0);
            }),
        ),
    ];
    compare("a directed pair, counted", pairs, ways);
    println!(
        "    {held} pairs of {items} items held, {:.1} bytes a pair, at most {} a row",
        bytes as f64 / held as f64,
        rules.row_max.unwrap_or_default()
    );
}

fn lists(stars: &[Star], rows: &mut Rows) -> Result<(), Box<dyn Error>> {
    let anchors: Vec<ItemId> = stars.iter().rev().take(LISTS).map(|star| star.centre).collect();
    let candidates: usize = anchors.iter().map(|&anchor| rows.row(RELATION, anchor).len()).sum();
    let mut ranker = Ranker::new(ListRules::of(RELATION));
    let mut ranked = List::blank();
    let wanted = ranker.rules().length + ranker.rules().reserve;
    let ways: Vec<Way<'_>> = vec![
        (
            "ranked, with all figures",
            Box::new(|| {
                for &anchor in &anchors {
                    ranker.rank_into(&rows.row(RELATION, anchor), &mut ranked);
                    black_box(&ranked);
                }
            }),
        ),
        (
            "all sorted by weight",
            Box::new(|| {
                for &anchor in &anchors {
                    let row = rows.row(RELATION, anchor);
                    let mut all: Vec<(f64, ItemId)> =
                        row.neighbours().map(|other| (other.weight, other.item)).collect();
                    all.sort_by(|a, b| b.0.total_cmp(&a.0));
                    all.truncate(wanted);
                    black_box(&all);
                }
            }),
        ),
    ];
    compare(
        &format!("a list of {wanted}, of {:.0} candidates", candidates as f64 / anchors.len() as f64),
        anchors.len(),
        ways,
    );
    let mut ranker = Ranker::new(ListRules::of(RELATION));
    let ranked: Vec<List> =
        anchors.iter().take(2_000).map(|&anchor| ranker.rank(&rows.row(RELATION, anchor))).collect();
    let (json, avro) = (ListCodec::json()?, ListCodec::avro(1, 2)?);
    let shelf = Shelf { price: Some(12.9), currency: Some("EUR".into()), stock: Some(Stock::In) };
    let shelves = vec![shelf; 2 * LIST_ENTRIES_MAX];
    let encode = |codec: &ListCodec, shelves: &[Shelf]| {
        let (mut key, mut value, mut bytes) = (Vec::new(), Vec::new(), 0);
        for (sequence, list) in (1..).zip(&ranked) {
            let stamp = Stamp { epoch: 1, sequence };
            let (partition, items) = (Partition(0), rows.items());
            key.clear();
            value.clear();
            let publication =
                Publication { partition, list, shelves, items, stamp, since_ms: Some(1), waited_ms: Some(1) };
            codec.encode(&publication, &mut key, &mut value);
            bytes += value.len();
        }
        bytes / ranked.len().max(1)
    };
    let parse = || {
        let (mut key, mut value) = (Vec::new(), Vec::new());
        let stamp = Stamp { epoch: 1, sequence: 1 };
        let mut written = Vec::new();
        for list in &ranked {
            key.clear();
            value.clear();
            let publication = Publication {
                partition: Partition(0),
                list,
                shelves: &[],
                items: rows.items(),
                stamp,
                since_ms: Some(1),
                waited_ms: Some(1),
            };
            json.encode(&publication, &mut key, &mut value);
            written.push(serde_json::from_slice::<serde_json::Value>(&value).unwrap_or_default());
        }
        written
    };
    let values = parse();
    let bytes = (encode(&json, &[]), encode(&avro, &[]));
    let priced = (encode(&json, &shelves), encode(&avro, &shelves));
    let ways: Vec<Way<'_>> = vec![
        (
            "as JSON",
            Box::new(|| {
                black_box(encode(&json, &[]));
            }),
        ),
        (
            "as Avro",
            Box::new(|| {
                black_box(encode(&avro, &[]));
            }),
        ),
        (
            "as JSON, with price and stock",
            Box::new(|| {
                black_box(encode(&json, &shelves));
            }),
        ),
        (
            "as Avro, with price and stock",
            Box::new(|| {
                black_box(encode(&avro, &shelves));
            }),
        ),
        (
            "serde_json, of a Value",
            Box::new(|| {
                for value in &values {
                    black_box(serde_json::to_vec(value).unwrap_or_default());
                }
            }),
        ),
    ];
    compare("a list, written", ranked.len(), ways);
    println!("    {} bytes as JSON, {} as Avro; with price and stock {} and {}", bytes.0, bytes.1, priced.0, priced.1);
    Ok(())
}

fn saved(rows: &mut Rows) -> Vec<u8> {
    let mut out = Vec::new();
    let mut names = rows.items().begin_save();
    while names.save(rows.items(), NAMES, &mut out) == Saving::More {}
    rows.begin_save();
    while rows.save(PORTION_BYTES, &mut out) == Saving::More {}
    rows.end_save();
    out
}

fn snapshots(rules: &CountingRules, rows: &mut Rows) -> Result<(), Box<dyn Error>> {
    let pairs = rows.stats().pairs;
    let bytes = saved(rows);
    let load = || -> Result<Rows, Box<dyn Error>> {
        let mut again = Rows::new(rules, Partition(0), 1);
        for frame in frames(&bytes) {
            let (kind, body) = frame?;
            if kind == NAMES {
                again.items_mut().load(body)?;
            } else if is_of_rows(kind) {
                again.load(kind, body)?;
            }
        }
        again.loaded()?;
        Ok(again)
    };
    if load()?.stats().pairs != pairs {
        return Err("a state that was loaded holds other pairs".into());
    }
    let ways: Vec<Way<'_>> = vec![
        (
            "saved",
            Box::new(|| {
                black_box(saved(rows));
            }),
        ),
        (
            "loaded",
            Box::new(|| {
                black_box(load().map(|rows| rows.stats().pairs).unwrap_or_default());
            }),
        ),
    ];
    compare("a pair held, with names", pairs, ways);
    println!("    {:.1} bytes a pair, before it is compressed", bytes.len() as f64 / pairs as f64);
    Ok(())
}
