//! Events blocks: what intake gives to windows.

use super::block::{
    Section, SectionHead, SectionWriter, bytes_max, read_sections, read_sources, write_sections, write_sources,
};
use super::dictionary::{self, Dictionary};
use super::frame::{HEADER_BYTES, Kind, WireError, body, seal, start};
use super::shown::{EntryAsRead, Labels, ShownAsRead, ShownToWrite, read_money, write_money};
use super::size::{AMOUNT_BYTES_MAX, COUNT_BYTES_MAX, USER_BYTES};
use super::varint::{Reader, VARINT_BYTES_MAX, put, put_count, put_signed};
use crate::event::{Currency, EventKey, EventTime, EventType, LinkKey, Money, UserKey};
use crate::items::{ItemId, Items, ShopId};
use crate::memory::{allocated, of_vec};
use crate::position::Position;
use hashbrown::HashMap;
use std::num::NonZeroU64;
use std::ops::Range;

/// An event's first byte is its type's place here, plus what follows of it.
const TYPES: [EventType; 9] = [
    EventType::View,
    EventType::Cart,
    EventType::Order,
    EventType::Add,
    EventType::Return,
    EventType::Cancel,
    EventType::Erase,
    EventType::Impression,
    EventType::Click,
];
const HAS_LINK: u8 = 0x10;
const HAS_VERSION: u8 = 0x20;
const HAS_MONEY: u8 = 0x40;

/// An event as it is written; what it is about is in the numbers of a table of items.
#[derive(Clone, Copy, Debug)]
pub struct EventToWrite<'a> {
    /// Where it stands in its source partition.
    pub position: Position,
    /// Whose it is.
    pub user: UserKey,
    /// What tells it from a re-sent one.
    pub key: EventKey,
    /// When it happened.
    pub time: EventTime,
    /// What kind it is.
    pub event_type: EventType,
    /// The session of a view, the order of a record of it.
    pub link: Option<LinkKey>,
    /// Of a record of an order, if it has one.
    pub version: Option<i64>,
    /// The shop, which only an event without items tells.
    pub shop: ShopId,
    /// One of a view or an addition to the cart, those of the lines of an order, none of any other.
    pub items: &'a [ItemId],
    /// What the lines of an order cost, where that is read.
    pub money: Option<&'a Money>,
    /// Of an impression or a click, where and which entries.
    pub shown: Option<&'a ShownToWrite<'a>>,
}

#[cfg(test)]
impl<'a> EventToWrite<'a> {
    /// One that belongs to no session or order.
    pub(crate) fn plain(
        position: Position,
        (user, key): (UserKey, EventKey),
        time: EventTime,
        event_type: EventType,
        (event_items, items): (&'a [ItemId], &Items),
    ) -> Self {
        let shop = items.shop_of(event_items[0]);
        Self {
            position,
            user,
            key,
            time,
            event_type,
            link: None,
            version: None,
            shop,
            items: event_items,
            money: None,
            shown: None,
        }
    }
}

/// Collects events of any number of source partitions into blocks for one partition of the events log.
#[derive(Default)]
pub struct EventsWriter {
    dictionary: Dictionary,
    labels: Labels,
    users: Vec<UserKey>,
    user_numbers: HashMap<UserKey, u32>,
    sections: Vec<SectionWriter>,
}

impl EventsWriter {
    /// Opens a section; its `span.to` may be moved until the block is finished. Returns its place in the block.
    pub fn open(&mut self, head: SectionHead) -> usize {
        self.sections.push(SectionWriter::new(head));
        self.sections.len() - 1
    }

    /// The head of the section at `place`.
    pub fn head(&mut self, place: usize) -> &mut SectionHead {
        &mut self.sections[place].head
    }

    /// Adds an event to the section at `place`; moves the section's end behind it. `items` holds the names.
    pub fn push(&mut self, place: usize, event: &EventToWrite<'_>, items: &Items) {
        let next = u32::try_from(self.users.len()).unwrap_or(u32::MAX);
        let user = *self.user_numbers.entry(event.user).or_insert_with(|| {
            self.users.push(event.user);
            next
        });
        let section = &mut self.sections[place];
        section.place(event.position, event.time);
        section.head.span.to = section.head.span.to.max(event.position.after());
        let out = &mut section.bytes;
        let has = |is_there: bool, flag: u8| if is_there { flag } else { 0 };
        out.push(
            number_of(event.event_type)
                | has(event.link.is_some(), HAS_LINK)
                | has(event.version.is_some(), HAS_VERSION)
                | has(event.money.is_some(), HAS_MONEY),
        );
        put(out, u64::from(user));
        out.extend_from_slice(&event.key.0.to_le_bytes());
        if let Some(link) = event.link {
            out.extend_from_slice(&link.0.get().to_le_bytes());
        }
        if let Some(version) = event.version {
            put_signed(out, version);
        }
        match shape(event.event_type) {
            Shape::One => {}
            Shape::Lines => put_count(out, event.items.len()),
            Shape::None => put(out, self.dictionary.shop(event.shop, items)),
            Shape::Shown => {
                put(out, self.dictionary.shop(event.shop, items));
                if let Some(shown) = event.shown {
                    shown.write(&mut self.labels, out);
                }
            }
        }
        for &item in event.items {
            put(&mut self.sections[place].bytes, self.dictionary.item(item, items));
        }
        if let Some(money) = event.money {
            write_money(money, &mut self.sections[place].bytes);
        }
    }

    /// Bytes held.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.dictionary.held_bytes()
            + self.labels.held_bytes()
            + of_vec(&self.users)
            + allocated(self.user_numbers.allocation_size())
            + self.sections.iter().map(|section| of_vec(&section.bytes)).sum::<usize>()
    }

    /// About how many bytes an event adds to a block at most.
    #[must_use]
    pub fn entry_bytes_max(event: &EventToWrite<'_>, items: &Items) -> usize {
        const ENTRY: usize = 96; // place, time, type, user, key, link, version and count
        ENTRY
            + dictionary::shop_bytes_max(event.shop, items)
            + event.items.iter().map(|&item| dictionary::item_bytes_max(item, items)).sum::<usize>()
            + event.money.map_or(0, |money| money.amounts.len() * AMOUNT_BYTES_MAX + 16)
            + event.shown.map_or(0, ShownToWrite::bytes_max)
    }

    /// How many bytes the block would have, or a few more, never fewer.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let users = COUNT_BYTES_MAX + USER_BYTES * self.users.len();
        HEADER_BYTES
            + VARINT_BYTES_MAX
            + self.dictionary.bytes_max()
            + self.labels.bytes_max()
            + users
            + bytes_max(&self.sections)
    }

    /// How many events the block holds.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.sections.iter().map(|s| s.entries).sum()
    }

    /// Whether the block would hold nothing at all, not even a mark.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sections.is_empty()
    }

    /// The block, by a writer of `generation`, and a fresh start.
    pub fn finish(&mut self, generation: u64, items: &Items) -> Vec<u8> {
        let mut block = start(Kind::Events);
        put(&mut block, generation);
        write_sources(&self.sections, &mut block);
        self.dictionary.write(items, &mut block);
        self.labels.write(&mut block);
        put_count(&mut block, self.users.len());
        for user in &self.users {
            block.extend_from_slice(&user.0.to_le_bytes());
        }
        write_sections(&self.sections, &mut block);
        self.dictionary.clear();
        self.labels.clear();
        self.users.clear();
        self.user_numbers.clear();
        self.sections.clear();
        seal(block)
    }
}

/// What follows of an event's items.
enum Shape {
    One,
    Lines,
    /// The shop instead.
    None,
    /// The shop, a list and its entries.
    Shown,
}

fn shape(event_type: EventType) -> Shape {
    match event_type {
        EventType::View | EventType::Cart => Shape::One,
        EventType::Order | EventType::Add | EventType::Return => Shape::Lines,
        EventType::Cancel | EventType::Erase => Shape::None,
        EventType::Impression | EventType::Click => Shape::Shown,
    }
}

fn number_of(event_type: EventType) -> u8 {
    let place = TYPES.iter().position(|&known| known == event_type);
    place.and_then(|place| u8::try_from(place).ok()).unwrap_or(u8::MAX) // all are there: see the tests
}

/// The items of an event, by their numbers in the block's dictionary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventItems {
    /// Of a view or an addition to the cart.
    One(u32),
    /// Of the lines of an order: places in [`EventsBlock::lines`].
    Lines(Range<usize>),
    /// None; the number of the shop.
    None(u32),
    /// Entries of a list: its place in [`EventsBlock::shown`], and the number of the shop.
    Shown(usize, u32),
}

/// One event as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventEntry {
    /// Where it stands in its source partition.
    pub position: Position,
    /// When it happened.
    pub time: EventTime,
    /// Number of the user in [`EventsBlock::users`].
    pub user: u32,
    /// What tells it from a re-sent one.
    pub key: EventKey,
    /// What kind it is.
    pub event_type: EventType,
    /// The session of a view, the order of a record of it.
    pub link: Option<LinkKey>,
    /// Of a record of an order, if it has one.
    pub version: Option<i64>,
    /// What it is about.
    pub items: EventItems,
    /// What the lines of an order cost: places in [`EventsBlock::amounts`].
    pub money: Option<(Currency, Range<usize>)>,
}

/// An events block as read. Names borrow from the record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventsBlock<'a> {
    /// Number of its writer.
    pub generation: u64,
    /// Shop names.
    pub shops: Vec<&'a str>,
    /// Items: number of the shop, name.
    pub items: Vec<(u32, &'a str)>,
    /// Users.
    pub users: Vec<UserKey>,
    /// One section a source partition.
    pub sections: Vec<Section>,
    /// The entries of all sections, in their order.
    pub entries: Vec<EventEntry>,
    /// Items of orders.
    pub lines: Vec<u32>,
    /// What lines of orders cost, in thousandths.
    pub amounts: Vec<Option<u64>>,
    /// Names of lists, placements and sources of entries.
    pub labels: Vec<&'a str>,
    /// Where entries were shown or clicked.
    pub shown: Vec<ShownAsRead>,
    /// Which.
    pub shown_entries: Vec<EntryAsRead>,
}

impl<'a> EventsBlock<'a> {
    /// Reads a block.
    ///
    /// # Errors
    /// When the bytes are no whole events block.
    pub fn decode(block: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body(block, Kind::Events)?);
        let generation = reader.number()?;
        let sources = read_sources(&mut reader)?;
        let (shops, items) = dictionary::read(&mut reader)?;
        let labels = Labels::read(&mut reader)?;
        let user_count = reader.count(16)?;
        let mut users = Vec::with_capacity(user_count);
        for _ in 0..user_count {
            users.push(UserKey(u128::from_le_bytes(reader.fixed()?)));
        }
        let (mut entries, mut lines, mut amounts) = (Vec::new(), Vec::new(), Vec::new());
        let (mut shown, mut shown_entries) = (Vec::new(), Vec::new());
        let sections = read_sections(&mut reader, sources, |reader, position, time| {
            let head = reader.byte()?;
            let known = TYPES.get(usize::from(head & !(HAS_LINK | HAS_VERSION | HAS_MONEY)));
            let event_type = *known.ok_or_else(|| reader.error("unknown event type"))?;
            let user = reader.reference(user_count)?;
            let key = EventKey(u64::from_le_bytes(reader.fixed()?));
            let mut link = None;
            if head & HAS_LINK != 0 {
                let number = NonZeroU64::new(u64::from_le_bytes(reader.fixed()?));
                link = Some(LinkKey(number.ok_or_else(|| reader.error("session or order 0"))?));
            }
            let version = if head & HAS_VERSION != 0 { Some(reader.signed()?) } else { None };
            let event_items = match shape(event_type) {
                Shape::One => EventItems::One(reader.reference(items.len())?),
                Shape::Lines => {
                    let from = lines.len();
                    for _ in 0..reader.count(1)? {
                        lines.push(reader.reference(items.len())?);
                    }
                    if lines.len() == from {
                        return Err(reader.error("order without lines"));
                    }
                    EventItems::Lines(from..lines.len())
                }
                Shape::None => EventItems::None(reader.reference(shops.len())?),
                Shape::Shown => {
                    let shop = reader.reference(shops.len())?;
                    shown.push(ShownAsRead::read(reader, labels.len(), &mut shown_entries)?);
                    EventItems::Shown(shown.len() - 1, shop)
                }
            };
            let money = match &event_items {
                EventItems::Lines(range) if head & HAS_MONEY != 0 => {
                    Some(read_money(reader, range.len(), &mut amounts)?)
                }
                _ if head & HAS_MONEY != 0 => return Err(reader.error("money of what is no order")),
                _ => None,
            };
            let items = event_items;
            entries.push(EventEntry { position, time, user, key, event_type, link, version, items, money });
            Ok(())
        })?;
        if !reader.is_at_end() {
            return Err(reader.error("bytes after the end"));
        }
        Ok(Self { generation, shops, items, users, sections, entries, lines, amounts, labels, shown, shown_entries })
    }
}
