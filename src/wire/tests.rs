//! The bytes of blocks: golden, round trips, and damage.

use super::*;
use crate::event::{Currency, EventKey, EventTime, EventType, LinkKey, Money, UserKey};
use crate::items::{ItemId, Items};
use crate::position::{NextOffset, Position, Span};
use crate::relation::{Bought, Change, Delta, OrdersBefore, Relation};
use proptest::prelude::*;

mod writers;

fn at(offset: u64, index: u32) -> Position {
    Position { offset: NextOffset(offset), index }
}

fn head(source: &str, from: Position) -> SectionHead {
    SectionHead {
        source: SourcePartition::new(source, 3),
        span: Span { from, to: from },
        highest: Some(EventTime(1_700_000_000_000)),
        lag: Lag::Behind,
        arrived_ms: Some(1_700_000_000_500),
        checksum: Some(0xABCD_EF01),
    }
}

fn named() -> (Items, Vec<ItemId>) {
    let mut items = Items::default();
    let (main, b2b) = (items.shop("main"), items.shop("b2b"));
    let ids = vec![items.item(main, "sku-1"), items.item(main, "\u{e9}-\u{4ef6}"), items.item(b2b, "sku-1")];
    (items, ids)
}

fn events_block() -> Vec<u8> {
    let (items, ids) = named();
    let mut writer = EventsWriter::default();
    let place = writer.open(head("shop", at(40, 0)));
    let (u, v) = (UserKey(7), UserKey(u128::MAX));
    let time = EventTime(1_700_000_000_000);
    writer.push(
        place,
        &EventToWrite::plain(at(40, 0), (u, EventKey(1)), time, EventType::View, (&ids[..1], &items)),
        &items,
    );
    writer.push(
        place,
        &EventToWrite::plain(at(41, 2), (v, EventKey(2)), EventTime(time.0 - 5), EventType::Cart, (&ids[2..], &items)),
        &items,
    );
    writer.push(
        place,
        &EventToWrite::plain(at(300, 0), (u, EventKey(3)), time, EventType::Order, (&ids, &items)),
        &items,
    );
    let entry = |item, position, source| EntryToWrite { item, position, source };
    let shown = ShownToWrite {
        list: Some("also-bought"),
        placement: None,
        about: Some(u64::MAX),
        is_sampled: true,
        entries: vec![
            entry(7, Some(1), Some("counted")),
            entry(8, None, None),
            entry(9, Some(u32::MAX), Some("manual")),
        ],
    };
    let mut more =
        |offset, event_type: EventType, link: Option<&str>, version: Option<i64>, items: &[ItemId], names: &Items| {
            let (link, shop) = (link.map(LinkKey::of), names.shop_of(ids[2]));
            let (position, key) = (at(offset, 0), EventKey(offset));
            let money = Money { currency: Currency(*b"EUR"), amounts: vec![Some(1999); items.len()] };
            let money = version.is_some_and(|version| version > 0).then_some(&money);
            let shown = (items.is_empty() && event_type.is_of_lists()).then_some(&shown);
            let event =
                EventToWrite { position, user: u, key, time, event_type, link, version, shop, items, money, shown };
            writer.push(place, &event, names);
        };
    more(301, EventType::View, Some("session"), None, &ids[..1], &items);
    more(302, EventType::Order, Some("order"), Some(i64::MIN), &ids, &items);
    more(303, EventType::Add, Some("order"), Some(i64::MAX), &ids[..1], &items);
    more(304, EventType::Return, Some("order"), None, &ids[..2], &items);
    more(305, EventType::Cancel, Some("order"), Some(0), &[], &items);
    more(306, EventType::Erase, None, None, &[], &items);
    more(307, EventType::Impression, None, None, &[], &items);
    more(308, EventType::Click, None, None, &[], &items);
    writer.head(place).span.to = at(309, 0);
    let mut other = head("carts", at(0, 0));
    (other.highest, other.lag, other.arrived_ms, other.checksum) = (None, Lag::History, None, None);
    writer.open(other);
    writer.finish(300, &items)
}

fn changes(ids: &[ItemId], items: &Items, mut each: impl FnMut(bool, Change<'_>)) {
    for is_taken_back in [false, true] {
        changes_of_a_sign(ids, items, |change| each(is_taken_back, change));
    }
}

fn changes_of_a_sign(ids: &[ItemId], items: &Items, mut each: impl FnMut(Change<'_>)) {
    let shop = items.shop_of(ids[2]);
    let bought = [Bought { item: ids[0], repeats: 0 }, Bought { item: ids[1], repeats: 300 }];
    each(Change::Context { shop, relation: Relation::CartedTogether });
    each(Change::Star { relation: Relation::ViewedTogether, centre: ids[0], neighbours: &ids[1..] });
    each(Change::Star { relation: Relation::CartedTogether, centre: ids[0], neighbours: &[] });
    each(Change::StarBack { relation: Relation::ViewedTogether, centre: ids[1], neighbours: &[(ids[0], 20)] });
    each(Change::Basket { items: &bought, before: &[], settled: 0 });
    each(Change::Cross { relation: Relation::ViewedThenBought, anchors: &ids[..2], settled: false, others: &bought });
    each(Change::Cross { relation: Relation::AlsoBought, anchors: &[], settled: false, others: &bought[..1] });
    each(Change::Basket { items: &bought, before: &[OrdersBefore(u128::MAX), OrdersBefore(1 << 64)], settled: 0 });
    each(Change::Basket { items: &bought, before: &[], settled: 1 });
    each(Change::Cross { relation: Relation::AlsoBought, anchors: &ids[..2], settled: true, others: &bought[..1] });
}

fn pairs_block() -> Vec<u8> {
    let (items, ids) = named();
    let mut writer = PairsWriter::default();
    writer.open(head("events", at(7, 1)));
    let mut index = 1;
    changes(&ids, &items, |is_taken_back, change| {
        let time = EventTime(1_700_000_000_000 + i64::from(index));
        writer.push(at(7, index), &Delta { time, change, is_taken_back }, &items);
        index += 1;
    });
    writer.finish(301, &items)
}

fn opening() -> Opening {
    let origin = |name: &str, offset| Origin { source: SourcePartition::new(name, 0), first: Some(at(offset, 0)) };
    Opening {
        log_id: 1 << 100,
        input_log_id: 7,
        store_id: 0,
        identity: 99,
        generation: 302,
        origins: vec![
            origin("a", 0),
            Origin { source: SourcePartition::new("not read yet", 3), first: None },
            origin("b", 1 << 40),
        ],
    }
}

#[test]
fn an_events_block_reads_as_it_was_written() {
    let bytes = events_block();
    let block = EventsBlock::decode(&bytes).unwrap();
    assert_eq!((block.sections.len(), block.entries.len(), block.users.len()), (2, 11, 2));
    let first = &block.sections[0];
    assert_eq!(first.head.source, SourcePartition::new("shop", 3));
    assert_eq!(first.head.span, Span { from: at(40, 0), to: at(309, 0) });
    assert_eq!((first.head.lag, first.head.highest), (Lag::Behind, Some(EventTime(1_700_000_000_000))));
    assert_eq!((first.head.arrived_ms, first.head.checksum), (Some(1_700_000_000_500), Some(0xABCD_EF01)));
    let second = &block.sections[1];
    assert_eq!((second.head.highest, second.head.lag, second.head.checksum), (None, Lag::History, None));
    assert_eq!(block.generation, 300);
    assert_eq!(second.entries, 11..11, "a section without entries is a mark");
    let positions: Vec<_> = block.entries.iter().map(|entry| entry.position).collect();
    assert_eq!(positions[..4], [at(40, 0), at(41, 2), at(300, 0), at(301, 0)]);
    assert_eq!(block.entries[1].time, EventTime(1_699_999_999_995));
    assert_eq!(block.entries[2].items, EventItems::Lines(0..3));
    let name = |number: u32| block.items[number as usize];
    let lines: Vec<_> =
        block.lines[..3].iter().map(|&number| (block.shops[name(number).0 as usize], name(number).1)).collect();
    assert_eq!(lines, [("main", "sku-1"), ("main", "\u{e9}-\u{4ef6}"), ("b2b", "sku-1")]);
    assert_eq!(block.users[block.entries[1].user as usize], UserKey(u128::MAX));
    let told = |entry: &EventEntry| (entry.event_type, entry.link, entry.version, entry.items.clone());
    let order = Some(LinkKey::of("order"));
    assert_eq!(
        block.entries[3..].iter().map(told).collect::<Vec<_>>(),
        [
            (EventType::View, Some(LinkKey::of("session")), None, EventItems::One(0)),
            (EventType::Order, order, Some(i64::MIN), EventItems::Lines(3..6)),
            (EventType::Add, order, Some(i64::MAX), EventItems::Lines(6..7)),
            (EventType::Return, order, None, EventItems::Lines(7..9)),
            (EventType::Cancel, order, Some(0), EventItems::None(1)),
            (EventType::Erase, None, None, EventItems::None(1)),
            (EventType::Impression, None, None, EventItems::Shown(0, 1)),
            (EventType::Click, None, None, EventItems::Shown(1, 1)),
        ]
    );
    let money: Vec<_> = block.entries.iter().filter_map(|entry| entry.money.clone()).collect();
    assert_eq!((money, block.amounts.clone()), (vec![(Currency(*b"EUR"), 0..1)], vec![Some(1999)]));
    assert_eq!(block.labels, ["also-bought", "counted", "manual"]);
    let shown = &block.shown[1];
    assert_eq!((shown.list, shown.placement, shown.about, shown.is_sampled), (Some(0), None, Some(u64::MAX), true));
    let entries: Vec<_> =
        block.shown_entries[shown.entries.clone()].iter().map(|e| (e.item, e.position, e.source)).collect();
    assert_eq!(entries, [(7, Some(1), Some(1)), (8, None, None), (9, Some(u32::MAX), Some(2))]);
}

#[test]
fn a_pairs_block_gives_the_deltas_that_were_put_in() {
    let (bytes, (items, ids)) = (pairs_block(), named());
    let block = PairsBlock::decode(&bytes).unwrap();
    let mut table = Items::default();
    table.shop("elsewhere first"); // numbers differ from the writer's, names do not
    let (mut names, mut scratch) = (Translation::default(), DeltaScratch::default());
    names.fill(&block.shops, &block.items, &mut table);
    let spelled = |items: &Items, change: &Change<'_>| {
        let mut text = format!("{change:?}");
        for id in items.ids() {
            text =
                text.replace(&format!("{id:?}"), &format!("{}/{}", items.shop_name(items.shop_of(id)), items.name(id)));
        }
        text.replace(&format!("{:?}", items.find_shop("b2b").unwrap()), "b2b")
    };
    let mut want = Vec::new();
    changes(&ids, &items, |is_taken_back, change| want.push((is_taken_back, spelled(&items, &change))));
    let got: Vec<_> = block
        .entries
        .iter()
        .map(|entry| {
            block.with_delta(entry, &names, &mut scratch, |delta| (delta.is_taken_back, spelled(&table, &delta.change)))
        })
        .collect();
    assert_eq!(got, want);
    assert_eq!((block.sections[0].head.span.to, block.generation), (at(7, 21), 301));
}

/// The bytes of format 4. A change here is another format: give it another version, and keep reading this one.
#[test]
fn the_bytes_of_format_4_are_these() {
    let hash = |bytes: &[u8]| (bytes.len(), xxhash_rust::xxh3::xxh3_64(bytes));
    assert_eq!(
        [hash(&events_block()), hash(&pairs_block()), hash(&opening().encode())],
        [(457, 6_726_884_249_907_933_805), (316, 12_314_346_619_206_847_040), (103, 6_707_866_328_097_099_096)]
    );
    assert_eq!(&events_block()[..4], b"slE\x04");
}

#[test]
fn a_founding_mark_reads_as_it_was_written_and_damaged_it_is_refused() {
    let mark = founding(u128::MAX - 5);
    assert_eq!((kind_of(&mark).unwrap(), founded(&mark).unwrap()), (Kind::Founding, u128::MAX - 5));
    assert_eq!(section_ends(&mark).unwrap(), [], "it covers nothing");
    for byte in 0..mark.len() {
        let mut damaged = mark.clone();
        damaged[byte] ^= 0x40;
        assert!(founded(&damaged).is_err(), "byte {byte}");
    }
    assert!(founded(&mark[..mark.len() - 1]).is_err());
    assert!(founded(&opening().encode()).is_err(), "another kind");
}

#[test]
fn an_opening_mark_reads_as_it_was_written() {
    assert_eq!(Opening::decode(&opening().encode()), Ok(opening()));
}

#[test]
fn section_ends_are_what_a_restarting_writer_must_know() {
    let read = |position| Checkpoint { position, checksum: Some(0xABCD_EF01) };
    let end = |source: &str, number, from, checkpoint, standing| SectionEnd {
        source: SourcePartition::new(source, number),
        from,
        checkpoint,
        standing,
    };
    let ends = section_ends(&events_block()).unwrap();
    let of_shop = end("shop", 3, Some(at(40, 0)), read(at(309, 0)), Some((300, Lag::Behind)));
    assert_eq!(
        ends,
        [of_shop, end("carts", 3, Some(at(0, 0)), Checkpoint::origin(at(0, 0)), Some((300, Lag::History)))]
    );
    let of_events = end("events", 3, Some(at(7, 1)), read(at(7, 21)), Some((301, Lag::Behind)));
    assert_eq!(section_ends(&pairs_block()).unwrap(), [of_events]);
    let origin = end("b", 0, None, Checkpoint::origin(at(1 << 40, 0)), None);
    assert_eq!(section_ends(&opening().encode()).unwrap()[1], origin);
}

#[test]
fn blocks_are_told_apart_by_their_checksums_and_what_is_no_block_has_none() {
    let of = |block: &[u8]| checksum_of_block(block).unwrap();
    let blocks = [events_block(), pairs_block(), opening().encode(), founding(1), founding(2)];
    let distinct: std::collections::BTreeSet<u32> = blocks.iter().map(|block| of(block)).collect();
    assert_eq!(distinct.len(), blocks.len());
    assert_eq!(of(&events_block()), of(&events_block()));
    let body = xxhash_rust::xxh3::xxh3_64(&events_block()[12..]);
    assert_eq!(u64::from(of(&events_block())), body & u64::from(u32::MAX), "a part of what the frame checks");
    assert!(checksum_of_block(b"slE").is_err());
}

#[test]
fn every_lag_reads_as_it_was_written() {
    for lag in [Lag::Live, Lag::Behind, Lag::History, Lag::Waiting] {
        let mut writer = EventsWriter::default();
        writer.open(SectionHead { lag, ..head("shop", at(1, 0)) });
        let bytes = writer.finish(0, &Items::default());
        assert_eq!(EventsBlock::decode(&bytes).unwrap().sections[0].head.lag, lag);
        assert_eq!(lag.is_behind(), matches!(lag, Lag::Behind | Lag::History));
    }
}

#[test]
fn any_one_changed_byte_is_noticed() {
    for block in [events_block(), pairs_block(), opening().encode()] {
        for place in 0..block.len() {
            for flip in [1, 0x80] {
                let mut damaged = block.clone();
                damaged[place] ^= flip;
                assert!(section_ends(&damaged).is_err(), "byte {place} flipped by {flip:#x}");
            }
        }
        for length in 0..block.len() {
            assert!(section_ends(&block[..length]).is_err(), "cut at {length}");
        }
    }
}

#[test]
fn errors_say_what_is_wrong() {
    let mut newer = events_block();
    newer[3] = 9;
    assert_eq!(kind_of(&newer), Err(WireError::Version { found: 9 }));
    assert!(matches!(EventsBlock::decode(&pairs_block()), Err(WireError::Kind { found: 'P', .. })));
    assert!(matches!(kind_of(b"{\"a\":1}....."), Err(WireError::Magic { .. })));
    let mut damaged = pairs_block();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    assert!(matches!(PairsBlock::decode(&damaged), Err(WireError::Checksum { .. })));
}

/// A frame with a right checksum around any body: what the checksum cannot catch.
fn framed(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut block = vec![b's', b'l', kind, 4];
    block.extend_from_slice(&xxhash_rust::xxh3::xxh3_64(body).to_le_bytes());
    block.extend_from_slice(body);
    block
}

/// What is wrong with a body, whose checksum is right.
fn refusal(kind: u8, body: &[u8]) -> Option<&'static str> {
    match section_ends(&framed(kind, body)) {
        Ok(_) => None,
        Err(WireError::Malformed { what, .. }) => Some(what),
        Err(other) => panic!("{other}"),
    }
}

fn name(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    varint::put_count(&mut bytes, text.len());
    [bytes, text.to_vec()].concat()
}

/// Of generation 0: partition 0 of source "s", shop "m", its item "a"; then whatever follows.
fn after_names(rest: &[&[u8]]) -> Vec<u8> {
    [&[0, 1, 1, b's', 0, 1, 1, b'm', 1, 0, 1, b'a'][..], &rest.concat()].concat()
}

const USER: [u8; 17] = [1; 17]; // one of them
/// Of a section: no flags, from 0.0 to 1.0, one entry.
const ONE_ENTRY: [u8; 5] = [0, 0, 0, 1 << 1, 1];
/// An entry at the section's start, at time 0: a view by user 0, its key, item 0.
const VIEW: [u8; 13] = [0, 0, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9, 0];

#[test]
fn an_events_body_that_says_nothing_sensible_is_refused_with_what_is_wrong() {
    let of = |section: &[u8], entry: &[u8]| refusal(b'E', &after_names(&[&[0], &USER, section, entry]));
    let with = |place: usize, byte: u8| {
        let mut entry = VIEW;
        entry[place] = byte;
        of(&ONE_ENTRY, &entry)
    };
    assert_eq!(of(&ONE_ENTRY, &VIEW), None, "so far all is well");
    assert_eq!(of(&[32, 0, 0, 2, 1], &VIEW), Some("unknown section flags"));
    assert_eq!(of(&[0, 0, 5, 0, 0], &[]), Some("section runs backwards"));
    assert_eq!(with(0, 1 << 1), Some("entry behind its section's end"), "it stands at the end");
    assert_eq!(of(&[0, 0, 2, 2, 1], &VIEW), Some("entries run backwards"), "from 0.2 back to 0.0");
    assert_eq!(of(&[0, 0, 0, 2, 5], &VIEW), Some("count larger than the rest of the block"));
    assert_eq!(with(2, 9), Some("unknown event type"));
    assert_eq!(with(2, 128), Some("unknown event type"));
    assert_eq!(with(2, 64), Some("money of what is no order"));
    assert_eq!(with(3, 1), Some("reference outside its dictionary"), "one user, number 0");
    assert_eq!(with(12, 1), Some("reference outside its dictionary"), "one item, number 0");
    // A click: no list and no placement, of item 9, at no place, of no source.
    let click = |rest: &[u8]| of(&ONE_ENTRY, &[&[0, 0, 8, 0, 9, 9, 9, 9, 9, 9, 9, 9, 0][..], rest].concat());
    let entry = [9, 9, 9, 9, 9, 9, 9, 9, 0, 0];
    assert_eq!(click(&[&[0, 0, 0, 1][..], &entry].concat()), None);
    assert_eq!(click(&[&[4, 0, 0, 1][..], &entry].concat()), Some("unknown flags of a list"));
    assert_eq!(click(&[&[0, 1, 0, 1][..], &entry].concat()), Some("reference outside its dictionary"), "no label");
    assert_eq!(click(&[0, 0, 0, 0]), Some("a list without entries"));
    assert_eq!(click(&[&[0, 0, 0, 9][..], &entry].concat()), Some("count larger than the rest of the block"));
    // An order of one line, whose price follows.
    let order = |money: &[u8]| of(&ONE_ENTRY, &[&[0, 0, 66, 0, 9, 9, 9, 9, 9, 9, 9, 9, 1, 0][..], money].concat());
    assert_eq!(order(b"EUR\x05"), None);
    assert_eq!(order(b"eur\x05"), Some("no currency"));
    assert_eq!(order(&[b"EUR".as_slice(), &[0xFF; 8], &[1]].concat()), Some("an amount that is too large"));
    assert_eq!(with(2, 2), Some("order without lines"), "the last byte counts them");
    assert_eq!(of(&ONE_ENTRY, &[&VIEW[..], &[0]].concat()), Some("bytes after the end"));
    assert_eq!(refusal(b'E', &[0, 0, 0, 1, 1, 1, b'a', 0]), Some("reference outside its dictionary"), "no shop");
}

#[test]
fn a_pairs_body_that_says_nothing_sensible_is_refused_with_what_is_wrong() {
    let of = |entry: &[u8]| refusal(b'P', &after_names(&[&ONE_ENTRY, entry]));
    assert_eq!(of(&[0, 0, 0, 0]), None, "a context of shop 0");
    assert_eq!(of(&[0, 0, 0, 1]), Some("reference outside its dictionary"));
    assert_eq!(of(&[0, 0, 7, 0]), Some("unknown relation"));
    assert_eq!(of(&[0, 0, 7 * 8, 0]), Some("unknown change"));
    assert_eq!(of(&[0, 0, 0x80 + 7, 0]), Some("unknown relation"), "taken back");
    assert_eq!(of(&[0, 0, 0x80, 0]), None);
    let again = |rest: &[u8]| of(&[&[0, 0, 5 * 8, 1, 0, 0], rest].concat());
    assert_eq!(again(&[1, 0]), None, "one item, which is settled");
    assert_eq!(again(&[2, 0]), Some("an order of other lengths"));
    assert_eq!(again(&[0, 2, 0, 0]), Some("an order of other lengths"));
    assert_eq!(again(&[&[0, 1][..], &[0xFF; 18], &[4]].concat()), Some("number over 128 bits"));
    assert_eq!(again(&[&[0, 1][..], &[0xFF; 18], &[0x83]].concat()), Some("number without end"));
    assert_eq!(of(&[0, 0, 8, 1, 0]), Some("reference outside its dictionary"), "a star around item 1");
    assert_eq!(of(&[0, 0, 8, 0, 1, 1]), Some("reference outside its dictionary"), "with item 1");
    assert_eq!(of(&[0, 0, 0, 0, 0]), Some("bytes after the end"));
}

#[test]
fn an_opening_body_that_says_nothing_sensible_is_refused_with_what_is_wrong() {
    let of = |origin: &[u8]| refusal(b'O', &[&[0; 57][..], &[1, 1, b's', 0], origin].concat());
    assert_eq!((of(&[0]), of(&[1, 5, 0])), (None, None), "not known, and known");
    assert_eq!(of(&[2]), Some("an origin is known or not"));
    assert_eq!(of(&[0, 0]), Some("bytes after the end"));
}

#[test]
fn numbers_and_names_that_cannot_be_are_refused() {
    let number = |last: &[u8]| refusal(b'E', &[&[0][..], &[0xFF; 9], last].concat());
    assert_eq!(number(&[1]), Some("count larger than the rest of the block"), "64 bits");
    assert_eq!(number(&[2]), Some("number over 64 bits"));
    assert_eq!(number(&[0x81, 0]), Some("number without end"));
    let source = |text: &[u8]| refusal(b'E', &[&[0, 1][..], &name(text), &[0; 10]].concat());
    let longest = crate::limits::ID_BYTES_MAX;
    assert_eq!(source(&vec![b'x'; longest]), None);
    assert_eq!(source(&vec![b'x'; longest + 1]), Some("name too long"));
    assert_eq!(source(&[0xC3]), Some("name is not UTF-8"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_body_is_read_or_refused(kind in prop::sample::select(vec![b'E', b'P', b'O']), body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = section_ends(&framed(kind, &body));
    }

    #[test]
    fn a_damaged_body_is_read_or_refused(which in 0..3_usize, place in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let (kind, block) = vec![(b'E', events_block()), (b'P', pairs_block()), (b'O', opening().encode())].swap_remove(which);
        let mut body = block[12..].to_vec();
        let place = place.index(body.len());
        body[place] = byte;
        let _ = section_ends(&framed(kind, &body));
        body.truncate(cut.index(body.len()));
        let _ = section_ends(&framed(kind, &body));
    }

    #[test]
    fn entries_keep_their_places_and_times(steps in prop::collection::vec((0_u64..1 << 40, 0_u32..5, any::<i64>()), 0..50)) {
        let (items, ids) = named();
        let mut writer = EventsWriter::default();
        let place = writer.open(head("s", at(0, 0)));
        let (mut offset, mut want) = (0, Vec::new());
        for (step, index, time) in steps {
            offset += step + 1;
            want.push((at(offset, index), EventTime(time)));
            writer.push(place, &EventToWrite::plain(at(offset, index), (UserKey(1), EventKey(1)), EventTime(time), EventType::View, (&ids[..1], &items)), &items);
        }
        let bytes = writer.finish(0, &items);
        let block = EventsBlock::decode(&bytes).unwrap();
        let got: Vec<_> = block.entries.iter().map(|entry| (entry.position, entry.time)).collect();
        prop_assert_eq!(got, want);
    }
}
