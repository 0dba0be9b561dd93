//! Sizes that have to fit each other. A block or a list that is larger than a record may be stops whoever writes it, and
//! again after a restart: so what may be set and what may be admitted is chosen such that none can come about.
//!
//! The bytes of blocks, and the proof that they fit, are in `wire::size`: it knows the format.

/// `max.message.bytes` of samenloop's own topics: what the brokers take of one batch.
pub const MESSAGE_BYTES_MAX: usize = 32 << 20;

/// What goes around a value: the batch's head (61 bytes), the record's own, its key and headers. A batch that a codec would
/// make larger goes out unpacked.
pub const AROUND_BYTES_MAX: usize = 64 << 10;

/// `message.max.bytes` of samenloop's producers: a record with its key and headers. What is left is for the batch's head.
pub const PRODUCED_BYTES_MAX: usize = MESSAGE_BYTES_MAX - (4 << 10);

/// The largest value of a record that samenloop writes.
pub const RECORD_BYTES_MAX: usize = MESSAGE_BYTES_MAX - AROUND_BYTES_MAX;

/// Longest shop, user, item, order or event id, and name of a source, in bytes of UTF-8.
pub const ID_BYTES_MAX: usize = 256;

/// Most bytes that are kept of an item's name; the rest is cut.
pub const NAME_BYTES_MAX: usize = 512;

/// How long a gap in an internal log may stay open, in ms, unless the settings say otherwise: whoever wrote it may have crashed, and sends
/// what is missing once it, or another, has started again.
pub const GAP_WAIT_MS: i64 = 60_000;
/// The longest that a gap may be set to stay open, in ms: what is behind it is not counted meanwhile.
pub const GAP_WAIT_MS_MAX: i64 = 3_600_000;

/// Most bytes that are kept of a maker's name, a category's name and the name of whoever gave a verdict; the rest is cut.
pub const LABEL_BYTES_MAX: usize = 256;

/// Most bytes that are kept of what is said for a verdict; the rest is cut.
pub const WHY_BYTES_MAX: usize = 1024;

/// Longest link to an item's page or picture, in bytes; a longer one is left out, as half of it leads nowhere.
pub const LINK_BYTES_MAX: usize = 2048;

/// Most parts of a bundle that are kept.
pub const PARTS_MAX: usize = 64;

/// Least and most by which a verdict may multiply a rank value.
pub const BOOST: std::ops::RangeInclusive<f64> = 0.5..=2.0;

/// Most bytes of held events at which a state of windows is kept: they are saved at once, in a few milliseconds.
pub const KEPT_MERGE_BYTES_MAX: usize = 4 << 20;

/// Most bytes that changed before their turn while a state is being kept, and which wait for the snapshot store: more, and that snapshot is
/// given up. One state is kept at a time by a worker. A small `memory.budget` lowers it.
pub const EARLY_BYTES_MAX: usize = 256 << 20;

/// Bytes of records that may wait of one source partition before it is paused. A small `memory.budget` lowers it.
pub const WAITING_BYTES_MAX: usize = 4 << 20;

/// Bytes that may wait for the brokers, of one worker, before it waits itself. A small `memory.budget` lowers it, but not below
/// [`APPENDED_BYTES_MIN`].
pub const APPENDED_BYTES_MAX: usize = 128 << 20;

/// The same of rejects, of one worker of intake.
pub const REJECTED_BYTES_MAX: usize = 64 << 20;

/// The largest record must fit in a queue that is empty, or it would wait for ever. librdkafka counts in kB.
pub const APPENDED_BYTES_MIN: usize = MESSAGE_BYTES_MAX + (1 << 20);

/// Bytes fetched ahead of what is taken, of all partitions of one reader together (and one fetch more).
pub const FETCHED_AHEAD_BYTES_MAX: usize = 2 << 20;
/// With less, a backlog would be read by fits and starts.
pub const FETCHED_AHEAD_BYTES_MIN: usize = 512 << 10;

/// Bytes that a broker gives at once, of all partitions of one reader together; a record that is larger comes all the same.
pub const FETCHED_BYTES_MAX: usize = 16 << 20;
/// librdkafka takes no less.
pub const FETCHED_BYTES_MIN: usize = 1 << 20;

/// What a process that holds nothing takes.
pub const PROGRAM_BYTES: u64 = 64 << 20;

/// Least and most `memory.budget`.
pub const BUDGET_BYTES: std::ops::RangeInclusive<u64> = 256 << 20..=1 << 44;

/// Most lines of one order; more is a mistake of the producer, not an order.
pub const LINES_MAX: usize = 100_000;

/// Longest jq program of a source, in bytes.
pub const TRANSFORM_BYTES_MAX: usize = 64 << 10;

/// Most values that a source's jq program may give for one record.
pub const TRANSFORM_OUTPUTS_MAX: usize = 10_000;

/// Most steps of a source's jq program for one record: see `intake::transform`. An order of [`LINES_MAX`] lines takes a few for each.
pub const TRANSFORM_STEPS_MAX: usize = 2_000_000;

/// Deepest nesting of what a source's jq program builds; of a record it is 127.
pub const TRANSFORM_DEPTH_MAX: usize = 1000;

/// Most stack that a source's jq program may take, of the 2 MiB that a thread has.
pub const TRANSFORM_STACK_BYTES_MAX: usize = 768 << 10;

/// Lists that one run of `warm`'s script writes, at most, and about how many bytes: the cache answers nobody meanwhile.
pub const WARM_SCRIPT_RECORDS_MAX: usize = 64;
/// The same, in bytes of keys and values.
pub const WARM_SCRIPT_BYTES_MAX: usize = 512 << 10;

/// Records, changes or not, that `warm` has on their way to the cache at once, at most.
pub const WARM_BATCH_RECORDS_MAX: usize = 2048;
/// The same, in bytes of keys and values; the list that reaches it is in it too.
pub const WARM_BATCH_BYTES_MAX: usize = 8 << 20;
/// Records without a change between two places that a cache notes.
pub const WARM_SKIPPED_MAX: usize = 1024;

/// How long the stamp of a deleted list stays in a cache, in ms: 7 days. An older record of it that comes later than that would be taken.
pub const WARM_TOMBSTONE_MS: u64 = 7 * 86_400_000;

/// Lists that `warm --verify` holds against a cache at most: some 120 bytes each.
pub const WARM_VERIFY_LISTS_MAX: usize = 100_000_000;
/// Keys that it shows of each kind of difference.
pub const WARM_EXAMPLES_MAX: usize = 10;

/// Largest `logs.block_bytes`: at this size a block is closed. The event that reaches it is in it too, and so is a section for
/// every source partition.
pub const BLOCK_BYTES_MAX: usize = 4 << 20;

/// Most partitions of all sources together: each may have a section in a block.
pub const SOURCE_PARTITIONS_MAX: usize = 4096;

/// Largest `counting.basket_max`. What an order means for the counts names each of its items; a larger one is bulk and
/// means nothing.
pub const BASKET_MAX: usize = 10_000;

/// Most items that a session, a cart or a user's memory may hold, where an event is paired with each of them.
pub const REMEMBERED_MAX: usize = 1000;

/// Largest `counting.together_orders`: a bit for each of them, and for the order itself, stands with every item that a user has bought.
pub const TOGETHER_ORDERS_MAX: u32 = 64;

/// Largest `counting.orders_max` and `counting.sessions_open`: they are searched one after the other.
pub const OPEN_MAX: usize = 1000;

/// Most entries of one impression.
pub const SHOWN_ENTRIES_MAX: usize = 1000;

/// The last place of a list that can be shown.
pub const SHOWN_POSITION_MAX: u32 = 100_000;

/// Most names of lists and placements in `clicks.lists`.
pub const CLICK_LISTS_MAX: usize = 256;

/// Most shops, lists and placements that are told apart in what is shown and clicked, by partition of the events log.
pub const CLICK_SPOTS_MAX: usize = 1024;

/// Most cells of these: by places and sources too.
pub const CLICK_CELLS_MAX: usize = 8192;

/// Most sources of entries that are told apart.
pub const CLICK_SOURCES_MAX: usize = 32;

/// Most currencies of a cell.
pub const CLICK_CURRENCIES_MAX: usize = 8;

/// Most entries that a user is remembered to have been shown in a session; one who was shown more is a crawler.
pub const CLICK_ENTRIES_SEEN_MAX: usize = 500;

/// Most clicks of a user that are remembered within `counting.view_to_order`; one who clicks more is a crawler.
pub const CLICKS_OF_USER_MAX: usize = 100;

/// Most orders of a user whose credits are remembered, within the same.
pub const CLICK_ORDERS_MAX: usize = 16;

/// Most bytes of what users were shown lately, by partition of the events log, and as many of what they clicked and ordered.
pub const CLICK_MEMORY_BYTES_MAX: usize = 32 << 20;

/// Most that a line of an order may cost, in thousandths of its currency: more is a mistake.
pub const AMOUNT_MAX: u64 = 1_000_000_000_000;

/// Most entries that a list shows, and as many in reserve.
pub const LIST_ENTRIES_MAX: usize = 1000;

/// An entry of a list as JSON: a byte of its id takes up to six (`\u001f`), all else fits in as many as are left of this.
const ENTRY_BYTES_MAX: usize = 6 * ID_BYTES_MAX + 512;

/// The largest list: its entries; shop, item and the rest are no more than two of them.
const LIST_BYTES_MAX: usize = (2 * LIST_ENTRIES_MAX + 2) * ENTRY_BYTES_MAX;

const _: () = assert!(LIST_BYTES_MAX <= RECORD_BYTES_MAX, "a list must fit in a record");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventTime;
    use crate::facts::{CURRENCY_BYTES_MAX, Shelf, Stock};
    use crate::items::Items;
    use crate::list_key::{About, ListKey, ListName};
    use crate::publish::{ListRecord, Stamp};
    use crate::rank::{Day, Entry, Figures, Label, List, Said, Source};
    use crate::relation::{Kind, Relation};

    #[test]
    fn the_largest_list_fits_in_a_record() {
        let mut items = Items::default();
        let shop = items.shop(&"\u{1}".repeat(ID_BYTES_MAX));
        let item = items.item(shop, &"\u{1f}".repeat(ID_BYTES_MAX));
        // No number is written in more digits than these: 9 are significant, however small or large it is.
        let figures = Figures {
            pair: 1.234_567_89e-30,
            anchor: 1.234_567_89e-30,
            other: 1.234_567_89e30,
            contexts: 1.234_567_89e-300,
        };
        let entry = Entry {
            item,
            score_milli: u32::MAX,
            rank_milli: i64::MAX,
            support: u32::MAX,
            figures,
            llr_root: -1.234_56e-300,
            last_seen: Day(u16::MAX),
            label: Label {
                source: Source::Category,
                verdict: Some(Said::Approved),
                relation: Some(Kind::Alternative),
                list: Some(ListName::of(Relation::ViewedThenBought)),
            },
        };
        let list = ListName::of(Relation::ViewedThenBought);
        let key = ListKey { shop: items.shop_of(item), list, about: About::Item(item) };
        let entries = vec![entry; 2 * LIST_ENTRIES_MAX];
        let list = List { as_of: EventTime(i64::MIN), entries, shown: LIST_ENTRIES_MAX, ..List::empty(key) };
        let mut json = Vec::new();
        let currency = Some("\u{1f}".repeat(CURRENCY_BYTES_MAX).into());
        let shelf = Shelf { price: Some(1.234_567_890_123_456_7e-300), currency, stock: Some(Stock::Low) };
        let (stamp, shelves) = (Stamp { epoch: u64::MAX, sequence: u64::MAX }, vec![shelf; 2 * LIST_ENTRIES_MAX]);
        ListRecord::telling(&list, &items, stamp, &shelves).write_json(&mut json);
        assert!(json.len() <= LIST_BYTES_MAX, "{} bytes", json.len());
        assert!(json.len() > 2 * LIST_ENTRIES_MAX * 6 * ID_BYTES_MAX, "ids are written in full");
    }
}
