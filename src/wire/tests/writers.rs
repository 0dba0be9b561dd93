//! What writers and readers keep between blocks, what they say of sizes, and the small marks.

use super::*;

const BASKET: Relation = Relation::BoughtTogether;

/// A head that says as little as one can.
fn bare(source: &str) -> SectionHead {
    SectionHead { highest: None, arrived_ms: None, checksum: None, ..head(source, at(0, 0)) }
}

fn totals_head() -> TotalsHead {
    let read = Checkpoint::origin(at(9, 0));
    TotalsHead { partition: crate::position::Partition(3), epoch: 5, sequence: 6, read, landmarks: [0, 1, 2, 3, 4] }
}

fn view(writer: &mut EventsWriter, place: usize, n: u64, user: u128, item: ItemId, items: &Items) {
    writer.push(
        place,
        &EventToWrite::plain(at(n, 0), (UserKey(user), EventKey(n)), EventTime(0), EventType::View, (&[item], items)),
        items,
    );
}

fn star(n: u64, centre: ItemId, writer: &mut PairsWriter, items: &Items) {
    let change = Change::Star { relation: Relation::ViewedTogether, centre, neighbours: &[] };
    writer.push(at(n, 0), &Delta::counted(EventTime(0), change), items);
}

#[test]
fn the_second_block_of_a_writer_is_as_a_fresh_ones() {
    let (items, ids) = named();
    let events = |writer: &mut EventsWriter, ids: &[ItemId]| {
        let place = writer.open(head("shop", at(0, 0)));
        (0..).zip(ids).for_each(|(n, &id)| view(writer, place, n, u128::from(n % 2), id, &items));
        assert!(!writer.is_empty() && writer.entries() == ids.len());
        let block = writer.finish(1, &items);
        assert!(writer.is_empty() && writer.entries() == 0);
        block
    };
    let mut writer = EventsWriter::default();
    events(&mut writer, &[ids[2], ids[0], ids[1]]);
    assert_eq!(events(&mut writer, &ids[..2]), events(&mut EventsWriter::default(), &ids[..2]));
    let pairs = |writer: &mut PairsWriter, ids: &[ItemId]| {
        writer.open(head("events", at(0, 0)));
        (0..).zip(ids).for_each(|(n, &id)| star(n, id, writer, &items));
        assert!(!writer.is_empty() && writer.entries() == ids.len());
        let block = writer.finish(1, &items);
        assert!(writer.is_empty() && writer.head().is_none());
        block
    };
    let mut writer = PairsWriter::default();
    pairs(&mut writer, &[ids[2], ids[0], ids[1]]);
    assert_eq!(pairs(&mut writer, &ids[..2]), pairs(&mut PairsWriter::default(), &ids[..2]));
    let totals = |writer: &mut TotalsWriter, ids: &[ItemId]| {
        assert!(writer.is_empty());
        for &id in ids {
            let entry = TotalEntry { relation: BASKET, of: TotalOf::Item(id), support: 1, weight: 2.0 };
            writer.push(&entry, &items);
            assert!(!writer.is_empty());
        }
        writer.finish(&totals_head(), &items)
    };
    let mut writer = TotalsWriter::default();
    totals(&mut writer, &[ids[2], ids[0], ids[1]]);
    assert_eq!(totals(&mut writer, &ids[..2]), totals(&mut TotalsWriter::default(), &ids[..2]));
}

#[test]
fn a_block_of_pairs_has_one_section_the_one_that_was_opened_last() {
    let mut writer = PairsWriter::default();
    writer.open(head("events", at(1, 0)));
    writer.open(head("events", at(2, 0)));
    let block = writer.finish(0, &Items::default());
    let block = PairsBlock::decode(&block).unwrap();
    assert_eq!(block.sections.iter().map(|section| section.head.span.from).collect::<Vec<_>>(), [at(2, 0)]);
}

#[test]
fn a_reader_takes_nothing_over_from_one_delta_or_block_to_the_next() {
    let (items, ids) = named();
    let (mut names, mut scratch, mut table) = (Translation::default(), DeltaScratch::default(), Items::default());
    for ids in [[ids[0], ids[1]], [ids[2], ids[1]]] {
        let mut writer = PairsWriter::default();
        writer.open(bare("events"));
        let bought = ids.map(|item| Bought { item, repeats: 7 });
        let others = [(ids[0], 3), (ids[1], 4)];
        let relation = Relation::ViewedTogether;
        let changes = [
            Change::StarBack { relation, centre: ids[0], neighbours: &others },
            Change::StarBack { relation, centre: ids[1], neighbours: &others[..1] },
            Change::Cross { relation: Relation::AlsoBought, anchors: &ids, settled: false, others: &bought },
            Change::Star { relation, centre: ids[1], neighbours: &ids[..1] },
            Change::Basket { items: &bought, before: &[], settled: 0 },
        ];
        for (n, change) in (0..).zip(changes) {
            writer.push(at(n, 0), &Delta::counted(EventTime(0), change), &items);
        }
        // Nothing follows its last entry but what that needs.
        let bytes = writer.finish(0, &items);
        let block = PairsBlock::decode(&bytes).unwrap();
        names.fill(&block.shops, &block.items, &mut table);
        assert_eq!((names.shops.len(), names.items.len()), (block.shops.len(), block.items.len()));
        let name =
            |items: &Items, item: ItemId| format!("{}/{}", items.shop_name(items.shop_of(item)), items.name(item));
        let spelled = |items: &Items, change: &Change<'_>| {
            ids.iter().fold(format!("{change:?}"), |text, &id| {
                let there = if std::ptr::eq(items, &table) { find(&table, &name(&self::items(), id)) } else { id };
                text.replace(&format!("{there:?}"), &name(&self::items(), id))
            })
        };
        let got: Vec<_> = block
            .entries
            .iter()
            .map(|entry| block.with_delta(entry, &names, &mut scratch, |delta| spelled(&table, &delta.change)))
            .collect();
        assert_eq!(got, changes.iter().map(|change| spelled(&items, change)).collect::<Vec<_>>());
    }
}

fn items() -> Items {
    named().0
}

fn find(table: &Items, name: &str) -> ItemId {
    let (shop, item) = name.split_once('/').unwrap();
    table.find_item(shop, item).unwrap()
}

/// Names of any length, each of a shop of its own.
fn long_names() -> (Items, Vec<ItemId>) {
    let mut items = Items::default();
    let lengths = [1, 20, 90, 127, 128, crate::limits::ID_BYTES_MAX];
    let names = lengths.into_iter().flat_map(|shop| lengths.map(|item| (shop, item)));
    let ids = names.map(|(shop, item)| {
        let shop = items.shop(&format!("{item:0shop$}"));
        items.item(shop, &"x".repeat(item))
    });
    let ids = ids.collect();
    (items, ids)
}

#[test]
fn an_entry_adds_no_more_bytes_than_was_told_and_a_block_has_no_more() {
    let (items, ids) = long_names();
    for &id in &ids {
        let (mut events, mut pairs) = (EventsWriter::default(), PairsWriter::default());
        let place = events.open(bare("s"));
        pairs.open(bare("s"));
        for n in 0..3 {
            let about = [id];
            let event = EventToWrite::plain(
                Position::default(),
                (UserKey(1), EventKey(2)),
                EventTime(3),
                EventType::View,
                (&about, &items),
            );
            let (before, most) = (events.bytes(), EventsWriter::entry_bytes_max(&event, &items));
            view(&mut events, place, n, u128::from(n), id, &items);
            assert!(events.bytes() - before <= most, "{} bytes, told were {most}", events.bytes() - before);
        }
        let bought = [Bought { item: id, repeats: 1 }];
        let (relation, shop) = (Relation::ViewedTogether, items.shop_of(id));
        let changes = [
            Change::Context { shop, relation },
            Change::Star { relation, centre: id, neighbours: &[id] },
            Change::StarBack { relation, centre: id, neighbours: &[(id, 1)] },
            Change::Basket { items: &bought, before: &[], settled: 0 },
            Change::Cross { relation, anchors: &[id], settled: false, others: &bought },
        ];
        for (n, change) in (0..).zip(changes) {
            let delta = Delta::counted(EventTime(0), change);
            let most = PairsWriter::entry_bytes_max(&delta, &items);
            assert!(most <= PairsWriter::entry_bytes_bound(&delta), "{most}: {change:?}");
            let mut alone = PairsWriter::default();
            alone.open(bare("s"));
            for writer in [&mut pairs, &mut alone] {
                let before = writer.bytes();
                writer.push(at(n, 0), &delta, &items);
                let added = writer.bytes() - before;
                assert!(added <= most, "{added} bytes, told were {most}: {change:?}");
            }
        }
        let (told, block) = (events.bytes(), events.finish(0, &items));
        assert!((block.len()..block.len() + 128).contains(&told), "{} bytes, told were {told}", block.len());
        let (told, block) = (pairs.bytes(), pairs.finish(0, &items));
        assert!((block.len()..block.len() + 128).contains(&told), "{} bytes, told were {told}", block.len());
    }
}

#[test]
fn bytes_held_count_names_users_and_entries() {
    const N: u32 = 1024; // what grows by doubling has just this room
    let n = N as usize;
    let mut items = Items::default();
    let ids: Vec<ItemId> = (0..N)
        .map(|number| {
            let shop = items.shop(&number.to_string());
            items.item(shop, "a")
        })
        .collect();
    let events = |item: &dyn Fn(usize) -> ItemId, users: u128, count: usize| {
        let mut writer = EventsWriter::default();
        let place = writer.open(bare("s"));
        (0..count).for_each(|n| view(&mut writer, place, n as u64, n as u128 % users, item(n), &items));
        writer.held_bytes()
    };
    let pairs = |item: &dyn Fn(usize) -> ItemId, count: usize| {
        let mut writer = PairsWriter::default();
        writer.open(bare("s"));
        (0..count).for_each(|n| star(n as u64, item(n), &mut writer, &items));
        writer.held_bytes()
    };
    let totals = |item: &dyn Fn(usize) -> ItemId, count: usize| {
        let mut writer = TotalsWriter::default();
        for n in 0..count {
            writer.push(&TotalEntry { relation: BASKET, of: TotalOf::Item(item(n)), support: 1, weight: 1.0 }, &items);
        }
        writer.held_bytes()
    };
    let (same, each) = (|_| ids[0], |n: usize| ids[n]);
    let (one, many) = (events(&same, 1, 1), events(&same, 1, n));
    assert!(many - one >= 12 * n, "{} bytes of {n} events", many - one);
    let of_users = events(&same, u128::from(N), n) - many;
    assert!(of_users >= (16 + 32) * n, "{of_users} bytes of {n} users, twice each");
    let names = 2 * (8 + 4) * n; // stamp and number, of items and of shops
    for (what, some, more) in [
        ("events", many, events(&each, 1, n)),
        ("pairs", pairs(&same, n), pairs(&each, n)),
        ("totals", totals(&same, n), totals(&each, n)),
    ] {
        assert!(more - some >= names - 100, "{} bytes of {n} names in {what}", more - some);
    }
    assert!(pairs(&same, n) - pairs(&same, 1) >= 4 * n && totals(&same, n) - totals(&same, 1) >= 11 * n);
    assert_eq!((EventsWriter::default().held_bytes(), PairsWriter::default().held_bytes()), (0, 0));
}

#[test]
fn a_claim_reads_as_it_was_written_and_damaged_it_is_refused() {
    let partition = crate::position::Partition(300);
    let block = claim(u128::MAX - 5, partition, 1 << 50);
    let read = (kind_of(&block).unwrap(), claimed(&block).unwrap());
    assert_eq!(read, (Kind::Claim, (u128::MAX - 5, partition, 1 << 50)));
    assert_eq!(section_ends(&block).unwrap(), [], "it covers nothing");
    for byte in 0..block.len() {
        let mut damaged = block.clone();
        damaged[byte] ^= 0x40;
        assert!(claimed(&damaged).is_err(), "byte {byte}");
    }
    assert!(claimed(&founding(1)).is_err(), "another kind");
}

#[test]
fn an_anew_mark_reads_as_it_was_written_and_damaged_it_is_refused() {
    let read_to = [0, 7, u64::MAX].map(NextOffset).to_vec();
    let mark = Anew { epochs_from: 1 << 50, read_to };
    let block = mark.encode();
    assert_eq!((kind_of(&block).unwrap(), Anew::decode(&block).unwrap()), (Kind::Anew, mark));
    assert_eq!(section_ends(&block).unwrap(), [], "it covers nothing");
    for byte in 0..block.len() {
        let mut damaged = block.clone();
        damaged[byte] ^= 0x40;
        assert!(Anew::decode(&damaged).is_err(), "byte {byte}");
    }
    let promises_much = framed(b'A', &[0, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F]);
    assert!(matches!(Anew::decode(&promises_much), Err(WireError::Malformed { .. })));
}

#[test]
fn bytes_after_the_end_of_a_mark_or_of_totals_are_refused() {
    let totals = TotalsWriter::default().finish(&totals_head(), &Items::default());
    for block in
        [claim(1, crate::position::Partition(2), 0), Anew::default().encode(), founding(1), totals, opening().encode()]
    {
        let read = |block: &[u8]| match kind_of(block).unwrap() {
            Kind::Claim => claimed(block).map(drop),
            Kind::Anew => Anew::decode(block).map(drop),
            Kind::Founding => founded(block).map(drop),
            _ => section_ends(block).map(drop),
        };
        assert_eq!(read(&block), Ok(()));
        let longer = framed(block[2], &[&block[12..], &[0]].concat());
        assert!(matches!(read(&longer), Err(WireError::Malformed { what: "bytes after the end", .. })));
    }
}

#[test]
fn totals_of_unknown_flags_are_refused() {
    let block = TotalsWriter::default().finish(&totals_head(), &Items::default());
    let mut body = block[12..].to_vec();
    assert_eq!(body[..4], [3, 5, 6, 0], "partition, epoch, sequence, flags");
    body[3] = 2;
    let read = section_ends(&framed(block[2], &body));
    assert!(matches!(read, Err(WireError::Malformed { what: "unknown flags", .. })), "{read:?}");
}

#[test]
fn a_translation_holds_a_place_for_each_name() {
    let mut names = Translation::default();
    let shops: Vec<String> = (0..1024).map(|n| n.to_string()).collect();
    let shops: Vec<&str> = shops.iter().map(String::as_str).collect();
    names.fill(&shops, &[(0, "a"), (1, "a")], &mut Items::default());
    let few = names.held_bytes();
    assert!((4096..9000).contains(&few), "{few} bytes of shops");
    names.fill(&shops, &(0..1024).map(|shop| (shop, "a")).collect::<Vec<_>>(), &mut Items::default());
    assert!(names.held_bytes() >= few + 4000, "{} with items", names.held_bytes());
}

#[test]
fn nothing_need_follow_the_last_line_of_the_last_order() {
    let (items, ids) = named();
    let mut writer = EventsWriter::default();
    let place = writer.open(bare("shop"));
    writer.push(
        place,
        &EventToWrite::plain(at(0, 0), (UserKey(1), EventKey(1)), EventTime(0), EventType::Order, (&ids, &items)),
        &items,
    );
    assert_eq!(EventsBlock::decode(&writer.finish(0, &items)).unwrap().lines.len(), 3);
    assert_eq!(kind_of(&framed(b'E', &[])), Ok(Kind::Events), "a header alone says what it is of");
    for (block, found) in [(&b"{\"a\":1}....."[..], &b"{\""[..]), (b"s", b"s"), (b"", b"")] {
        assert_eq!(kind_of(block), Err(WireError::Magic { found: found.to_vec() }));
    }
}

#[test]
fn an_opening_mark_of_the_shortest_origins_is_read() {
    let origin = || Origin { source: SourcePartition::new("", 0), first: None };
    let opening = Opening { origins: std::iter::repeat_with(origin).take(40).collect(), ..opening() };
    assert_eq!(Opening::decode(&opening.encode()), Ok(opening));
}
