//! The largest block there can be, from the limits of what it is made of; checked when this is compiled.
//!
//! A writer's `bytes()` is never less than what its block will have. A block is closed when that reaches `block_bytes`: so
//! the largest holds a byte less than this, the largest event (or delta) there is, and, of events, a section for every
//! source partition, which are added as it is closed.

use super::frame::HEADER_BYTES;
use super::varint::{VARINT_BYTES_MAX, WIDE_BYTES_MAX};
use crate::limits::{
    AMOUNT_MAX, BASKET_MAX, BLOCK_BYTES_MAX, ID_BYTES_MAX, LINES_MAX, RECORD_BYTES_MAX, REMEMBERED_MAX,
    SHOWN_ENTRIES_MAX, SOURCE_PARTITIONS_MAX,
};

/// Of a user.
pub(super) const USER_BYTES: usize = 16;
/// Of a record that was read.
const CHECKSUM_BYTES: usize = 4;
/// Of a number below 2^32: partitions, references into dictionaries, distances, repeats.
const SMALL_BYTES_MAX: usize = 5;
/// Of how many things follow: memory holds fewer than 2^63.
pub(super) const COUNT_BYTES_MAX: usize = 9;
/// Of a name: its length takes two bytes.
const NAME_BYTES_MAX: usize = 2 + ID_BYTES_MAX;
/// Offset and index.
const POSITION_BYTES_MAX: usize = VARINT_BYTES_MAX + SMALL_BYTES_MAX;
/// What a section takes besides the name of its source and its entries: partition, flags, two positions, two times, checksum, count.
pub(super) const HEAD_BYTES_MAX: usize =
    SMALL_BYTES_MAX + 1 + 2 * POSITION_BYTES_MAX + 2 * VARINT_BYTES_MAX + CHECKSUM_BYTES + COUNT_BYTES_MAX;
const SECTION_BYTES_MAX: usize = NAME_BYTES_MAX + HEAD_BYTES_MAX;
/// What an item takes in the dictionary, the number of its shop included, and where it is named.
const ITEM_BYTES_MAX: usize = SMALL_BYTES_MAX + NAME_BYTES_MAX + SMALL_BYTES_MAX;
/// What every entry starts with: position, time.
const PLACE_BYTES_MAX: usize = POSITION_BYTES_MAX + VARINT_BYTES_MAX;

/// What a line of an order costs: no more than [`AMOUNT_MAX`].
pub(super) const AMOUNT_BYTES_MAX: usize = 6;
const _: () = assert!(AMOUNT_MAX < 1 << (7 * AMOUNT_BYTES_MAX));

/// An order of the most lines, each another item: type, user, key, number, version, its shop, its currency.
const EVENT_BYTES_MAX: usize = PLACE_BYTES_MAX
    + 1
    + (USER_BYTES + SMALL_BYTES_MAX)
    + 2 * 8
    + VARINT_BYTES_MAX
    + NAME_BYTES_MAX
    + COUNT_BYTES_MAX
    + 3
    + LINES_MAX * (ITEM_BYTES_MAX + AMOUNT_BYTES_MAX);

/// An impression is smaller: fingerprints and numbers of labels, each of which is another one at worst.
const _: () = assert!(
    (SHOWN_ENTRIES_MAX + 2) * (NAME_BYTES_MAX + 18) + 64 <= LINES_MAX * ITEM_BYTES_MAX,
    "an impression is smaller than an order"
);

/// What an order says besides, of its items that were bought together before, is less than an order across memory names.
const _: () = assert!(BASKET_MAX * WIDE_BYTES_MAX <= REMEMBERED_MAX * ITEM_BYTES_MAX);

/// The largest order that is not bulk, across all that is remembered of its user; each item with a number of its own.
const DELTA_BYTES_MAX: usize = PLACE_BYTES_MAX
    + 1
    + NAME_BYTES_MAX
    + 2 * COUNT_BYTES_MAX
    + (REMEMBERED_MAX + BASKET_MAX) * (ITEM_BYTES_MAX + SMALL_BYTES_MAX);

const EVENTS_BLOCK_BYTES_MAX: usize = BLOCK_BYTES_MAX + EVENT_BYTES_MAX + SOURCE_PARTITIONS_MAX * SECTION_BYTES_MAX;
const PAIRS_BLOCK_BYTES_MAX: usize = BLOCK_BYTES_MAX + DELTA_BYTES_MAX + SECTION_BYTES_MAX;
/// Three ids, the identity, the writer's number, and every source partition with where it starts.
const OPENING_BYTES_MAX: usize = HEADER_BYTES
    + 3 * 16
    + 8
    + VARINT_BYTES_MAX
    + COUNT_BYTES_MAX
    + SOURCE_PARTITIONS_MAX * (NAME_BYTES_MAX + SMALL_BYTES_MAX + 1 + POSITION_BYTES_MAX);

const _: () = assert!(EVENTS_BLOCK_BYTES_MAX <= RECORD_BYTES_MAX, "a block of events must fit in a record");
const _: () = assert!(PAIRS_BLOCK_BYTES_MAX <= RECORD_BYTES_MAX, "a block of pairs must fit in a record");
const _: () = assert!(OPENING_BYTES_MAX <= RECORD_BYTES_MAX, "an opening mark must fit in a record");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Currency, EventKey, EventTime, EventType, Money, UserKey};
    use crate::items::{ItemId, Items};
    use crate::position::{NextOffset, Position, SourcePartition, Span};
    use crate::relation::{Bought, Change, Delta, Relation};
    use crate::wire::{
        EventToWrite, EventsBlock, EventsWriter, Lag, Opening, Origin, PairsBlock, PairsWriter, SectionHead,
    };

    /// Another name of the greatest length for each number.
    fn name(number: u32) -> String {
        format!("{number:0width$}", width = ID_BYTES_MAX)
    }

    fn far(index: u32) -> Position {
        Position { offset: NextOffset(u64::MAX - 1), index }
    }

    fn head(source: u32) -> SectionHead {
        SectionHead {
            source: SourcePartition::new(&name(source), u32::MAX),
            span: Span { from: far(0), to: far(u32::MAX) },
            highest: Some(EventTime(i64::MIN)),
            lag: Lag::History,
            arrived_ms: Some(i64::MIN),
            checksum: Some(u32::MAX),
        }
    }

    /// As far from 0, and from each other, as times can be.
    fn time(n: u32) -> EventTime {
        EventTime(if n.is_multiple_of(2) { i64::MIN / 2 } else { i64::MAX / 2 })
    }

    #[test]
    fn the_largest_block_of_events_fits_in_a_record() {
        let (mut items, mut writer) = (Items::default(), EventsWriter::default());
        let place = writer.open(head(0));
        let (mut n, mut before) = (0, 0);
        // Up to the size at which it is closed, each event as large as a view can be for its number: all in it is new.
        while writer.bytes() < BLOCK_BYTES_MAX {
            before = writer.bytes();
            let shop = items.shop(&name(n));
            let item = items.item(shop, &name(n));
            let user = UserKey(u128::from(n));
            writer.push(
                place,
                &EventToWrite::plain(far(n), (user, EventKey(0)), time(n), EventType::View, (&[item], &items)),
                &items,
            );
            n += 1;
        }
        assert!(BLOCK_BYTES_MAX - before < 1000, "filled to the brim: {before}");
        // What was there just before it was full, and then an order of the most lines.
        let shop = items.shop(&name(n));
        let lines: Vec<ItemId> = (0..).map(|line| items.item(shop, &name(line))).take(LINES_MAX).collect();
        let user = UserKey(u128::MAX);
        let money = Money { currency: Currency(*b"EUR"), amounts: vec![Some(AMOUNT_MAX); LINES_MAX] };
        writer.push(
            place,
            &EventToWrite {
                money: Some(&money),
                ..EventToWrite::plain(
                    far(u32::MAX - 1),
                    (user, EventKey(u64::MAX)),
                    time(n),
                    EventType::Order,
                    (&lines, &items),
                )
            },
            &items,
        );
        (1..u32::try_from(SOURCE_PARTITIONS_MAX).unwrap()).for_each(|source| {
            writer.open(head(source));
        });
        let (told, block) = (writer.bytes(), writer.finish(u64::MAX, &items));
        assert!(block.len() <= told, "{} bytes, told were {told}", block.len());
        assert!(told <= EVENTS_BLOCK_BYTES_MAX + 1000 && block.len() <= RECORD_BYTES_MAX, "{told}");
        assert!(block.len() > RECORD_BYTES_MAX / 100 * 90, "the limits are no wider than they have to be");
        let read = EventsBlock::decode(&block).unwrap();
        assert_eq!((read.sections.len(), read.lines.len()), (SOURCE_PARTITIONS_MAX, LINES_MAX));
    }

    #[test]
    fn the_largest_block_of_pairs_fits_in_a_record() {
        let (mut items, mut writer) = (Items::default(), PairsWriter::default());
        writer.open(head(0));
        let mut n = 0;
        while writer.bytes() < BLOCK_BYTES_MAX {
            let shop = items.shop(&name(n));
            let change = Change::Context { shop, relation: Relation::CartedTogether };
            writer.push(far(n), &Delta::counted(time(n), change), &items);
            n += 1;
        }
        let shop = items.shop(&name(n));
        let anchors: Vec<ItemId> = (0..).map(|item| items.item(shop, &name(item))).take(REMEMBERED_MAX).collect();
        let bought = |item: u32| Bought { item: items.item(shop, &name(1_000_000 + item)), repeats: u32::MAX };
        let others: Vec<Bought> = (0..).map(bought).take(BASKET_MAX).collect();
        let relation = Relation::ViewedThenBought;
        let change = Change::Cross { relation, anchors: &anchors, settled: false, others: &others };
        writer.push(far(u32::MAX - 1), &Delta::counted(time(n), change), &items);
        let (told, block) = (writer.bytes(), writer.finish(u64::MAX, &items));
        assert!(block.len() <= told && told <= PAIRS_BLOCK_BYTES_MAX + 1000, "{} bytes, told were {told}", block.len());
        assert!(told - block.len() < 64 + BLOCK_BYTES_MAX / 100, "{told} told, {} there", block.len());
        assert_eq!(PairsBlock::decode(&block).unwrap().entries.len(), n as usize + 1);
    }

    #[test]
    fn the_largest_opening_mark_fits_in_a_record() {
        let sources = (0..u32::try_from(SOURCE_PARTITIONS_MAX).unwrap()).map(|n| SourcePartition::new(&name(n), n));
        let origins = sources.map(|source| Origin { source, first: Some(far(u32::MAX)) }).collect();
        let (log_id, identity) = (u128::MAX, u64::MAX);
        let mark = Opening { log_id, input_log_id: log_id, store_id: log_id, identity, generation: identity, origins };
        assert!((OPENING_BYTES_MAX / 2..=OPENING_BYTES_MAX).contains(&mark.encode().len()));
    }

    #[test]
    fn what_is_told_is_what_will_be_there_for_names_of_any_length() {
        let (mut items, mut writer) = (Items::default(), EventsWriter::default());
        let place = writer.open(SectionHead {
            source: SourcePartition::new("s", 0),
            span: Span { from: Position::default(), to: Position::default() },
            ..head(0)
        });
        for n in 0..3000_u32 {
            // Short and long names, of shops too: a shop of each item.
            let length = n as usize * 7 % ID_BYTES_MAX;
            let shop = items.shop(&format!("{n:0length$}"));
            let item = items.item(shop, &name(n)[length..]);
            let position = Position::start_of(NextOffset(u64::from(n) + 1));
            writer.push(
                place,
                &EventToWrite::plain(
                    position,
                    (UserKey(u128::from(n / 3)), EventKey(0)),
                    time(n),
                    EventType::Cart,
                    (&[item], &items),
                ),
                &items,
            );
        }
        let (told, block) = (writer.bytes(), writer.finish(u64::MAX, &items));
        assert!((block.len()..block.len() + 128).contains(&told), "{} bytes, told were {told}", block.len());
    }
}
