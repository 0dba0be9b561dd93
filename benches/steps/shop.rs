//! The pairs log of a shop whose every item has a list: blocks of stars around items that are looked at together.

use samenloop::event::EventTime;
use samenloop::items::{ItemId, Items, fingerprint, spread};
use samenloop::position::{NextOffset, Partition, Position, SourcePartition, Span};
use samenloop::relation::{Change, Delta, Relation};
use samenloop::wire::{Lag, Opening, Origin, PairsWriter, SectionHead};

/// The identity that the log is written under: nothing is counted by rules here that would have to be another's.
pub const IDENTITY: u64 = 1;
/// What a star's item meets; so a list has about twice as many candidates.
const NEIGHBOURS: usize = 5;
/// Stars of a block: about 200 KiB.
const BLOCK_STARS: usize = 4_096;
const SHOP: &str = "main";
const RELATION: Relation = Relation::ViewedTogether;

/// Where the blocks of one partition come from: a partition of the events log of the same number.
struct Writer {
    writer: PairsWriter,
    source: SourcePartition,
    next: Position,
}

/// The shop, and what is written of it.
pub struct Shop {
    items: Items,
    all: Vec<ItemId>,
    owners: Vec<Partition>,
    shop_owner: Partition,
    writers: Vec<Writer>,
    random: u64,
}

impl Shop {
    pub fn new(count: usize, partitions: u32) -> Self {
        let mut items = Items::default();
        let shop = items.shop(SHOP);
        let names = (0..count).map(|number| format!("sku-{number}"));
        let (all, owners) =
            names.map(|name| (items.item(shop, &name), spread(fingerprint(SHOP, &name), partitions))).unzip();
        let writer = |partition| Writer {
            writer: PairsWriter::default(),
            source: SourcePartition::new("events", partition),
            next: Position::start_of(NextOffset(1)),
        };
        let writers = (0..partitions).map(writer).collect();
        let shop_owner = spread(fingerprint(SHOP, ""), partitions);
        Self { items, all, owners, shop_owner, writers, random: 0x9E37_79B9_7F4A_7C15 }
    }

    /// The opening mark of a partition of the pairs log.
    pub fn opening(&self, partition: Partition) -> Vec<u8> {
        let source = self.writers[partition.index()].source.clone();
        let origins = vec![Origin { source, first: Some(Position::start_of(NextOffset(1))) }];
        Opening { log_id: 1, input_log_id: 1, store_id: 0, identity: IDENTITY, generation: 1, origins }.encode()
    }

    /// Blocks with a star around every item once.
    pub fn every_item(&mut self, time: EventTime, history: bool, mut give: impl FnMut(Partition, Vec<u8>)) {
        for from in (0..self.all.len()).step_by(BLOCK_STARS) {
            let to = (from + BLOCK_STARS).min(self.all.len());
            for number in from..to {
                self.star(number, time, history);
            }
            self.finish(&mut give);
        }
    }

    /// Blocks with stars around `stars` items, at random.
    pub fn some_items(&mut self, stars: usize, time: EventTime, mut give: impl FnMut(Partition, Vec<u8>)) {
        for _ in 0..stars {
            let number = self.draw();
            self.star(number, time, false);
        }
        self.finish(&mut give);
    }

    /// Blocks that hold nothing but how far the log has come: history is over.
    pub fn marks(&mut self, time: EventTime, mut give: impl FnMut(Partition, Vec<u8>)) {
        for partition in 0..self.writers.len() {
            self.open(partition, time, false);
        }
        self.finish(&mut give);
    }

    fn draw(&mut self) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random % self.all.len() as u64).unwrap_or_default()
    }

    fn star(&mut self, number: usize, time: EventTime, history: bool) {
        let mut neighbours = [0; NEIGHBOURS];
        for place in 0..NEIGHBOURS {
            neighbours[place] = loop {
                let drawn = self.draw();
                if drawn != number && !neighbours[..place].contains(&drawn) {
                    break drawn;
                }
            };
        }
        let (relation, centre, owner) = (RELATION, self.all[number], self.owners[number]);
        let ids = neighbours.map(|neighbour| self.all[neighbour]);
        let contexts = Change::Context { shop: self.items.shop_of(centre), relation };
        self.push(self.shop_owner.index(), time, history, contexts);
        self.push(owner.index(), time, history, Change::Star { relation, centre, neighbours: &ids });
        for other in (0..self.writers.len()).filter(|&other| other != owner.index()) {
            let theirs: Vec<(ItemId, u32)> = (1..)
                .zip(neighbours)
                .filter(|&(_, neighbour)| self.owners[neighbour].index() == other)
                .map(|(distance, neighbour)| (self.all[neighbour], distance))
                .collect();
            if !theirs.is_empty() {
                self.push(other, time, history, Change::StarBack { relation, centre, neighbours: &theirs });
            }
        }
    }

    fn open(&mut self, partition: usize, time: EventTime, history: bool) {
        let Writer { writer, source, next } = &mut self.writers[partition];
        if writer.is_empty() {
            let span = Span { from: *next, to: *next };
            let head = SectionHead {
                source: source.clone(),
                span,
                highest: Some(time),
                lag: if history { Lag::History } else { Lag::Live },
                arrived_ms: Some(time.0),
                checksum: None,
            };
            writer.open(head);
        }
    }

    fn push(&mut self, partition: usize, time: EventTime, history: bool, change: Change<'_>) {
        self.open(partition, time, history);
        let Writer { writer, next, .. } = &mut self.writers[partition];
        writer.push(*next, &Delta::counted(time, change), &self.items);
        *next = Position::start_of(next.offset.after());
    }

    fn finish(&mut self, give: &mut impl FnMut(Partition, Vec<u8>)) {
        for (partition, Writer { writer, next, .. }) in (0..).map(Partition).zip(&mut self.writers) {
            if let Some(head) = writer.head() {
                head.span.to = *next;
            }
            if !writer.is_empty() {
                give(partition, writer.finish(1, &self.items));
            }
        }
    }
}
