//! The channels on their own: who gets which part of a delta, at which position, and what is said of it beside.

use super::*;
use crate::event::EventTime;
use crate::items::ShopId;
use crate::relation::Relation;
use crate::stage::{BlockLimits, Effect};
use crate::wire::{DeltaScratch, Kind, Lag, Opening, PairsBlock, Translation, kind_of};

const RELATION: Relation = Relation::ViewedTogether;
const BEHIND: Progress = Progress { highest: None, lag: Lag::Behind };
const LIVE: Progress = Progress { highest: Some(EventTime(70)), lag: Lag::Live };
const PARTITIONS: u32 = 3;

/// A block as a reader sees it.
#[derive(Debug, PartialEq)]
struct Told {
    output: u32,
    generation: u64,
    from: Position,
    to: Checkpoint,
    progress: Progress,
    arrived_ms: Option<i64>,
    entries: Vec<(Position, String)>,
}

struct Bench {
    outbox: Outbox,
    items: Items,
    shop: ShopId,
    effects: Vec<Effect>,
}

impl Bench {
    fn new(partitions: u32, limits: BlockLimits) -> Self {
        let mut items = Items::default();
        let shop = items.shop("s");
        let outbox = Outbox::new(SourcePartition::new("events", 0), partitions, limits);
        Self { outbox, items, shop, effects: Vec::new() }
    }

    fn item(&mut self, name: &str) -> ItemId {
        self.items.item(self.shop, name)
    }

    /// An item that partition `output` owns: another for each `number`.
    fn item_of(&mut self, output: u32, number: usize) -> ItemId {
        let owned = |n: &u32| spread(fingerprint("s", &n.to_string()), PARTITIONS) == Partition(output);
        let name = (0..).filter(owned).nth(number).unwrap().to_string();
        self.item(&name)
    }

    fn read(&mut self, offset: u64) {
        self.outbox.start_record(NextOffset(offset), checksum(offset)).unwrap();
    }

    fn put(&mut self, change: Change<'_>) {
        let delta = Delta::counted(EventTime(50), change);
        self.outbox.put(&delta, LIVE, &self.items, &mut self.effects);
    }

    /// A view of an item that met nothing: goes to its owner alone.
    fn view(&mut self, centre: ItemId) {
        self.put(Change::Star { relation: RELATION, centre, neighbours: &[] });
    }

    fn mark(&mut self, news: News, progress: Progress) -> Vec<Told> {
        self.outbox.mark(news, progress, &self.items, &mut self.effects);
        self.told()
    }

    fn flush(&mut self) -> Vec<Told> {
        self.outbox.flush(LIVE, &self.items, &mut self.effects);
        self.told()
    }

    fn told(&mut self) -> Vec<Told> {
        self.effects.drain(..).map(told).collect()
    }
}

fn told(effect: Effect) -> Told {
    let Effect::Append { log: Log::Pairs, partition, block } = effect else { panic!("{effect:?}") };
    let block = PairsBlock::decode(&block).unwrap();
    let [section] = &block.sections[..] else { panic!("{} sections", block.sections.len()) };
    assert_eq!(section.head.source, SourcePartition::new("events", 0));
    let (mut items, mut names, mut scratch) = (Items::default(), Translation::default(), DeltaScratch::default());
    names.fill(&block.shops, &block.items, &mut items);
    let mut entries = Vec::new();
    for entry in &block.entries {
        assert_eq!(entry.time, EventTime(50));
        let text = block.with_delta(entry, &names, &mut scratch, |delta| text(&delta.change, &items));
        entries.push((entry.position, text));
    }
    let head = &section.head;
    let progress = Progress { highest: head.highest, lag: head.lag };
    let (output, generation, arrived_ms) = (partition.0, block.generation, head.arrived_ms);
    Told { output, generation, from: head.span.from, to: head.checkpoint(), progress, arrived_ms, entries }
}

fn text(change: &Change<'_>, items: &Items) -> String {
    let name = |item: &ItemId| items.name(*item).to_owned();
    let bought = |all: &[Bought]| all.iter().map(|b| (name(&b.item), b.repeats)).collect::<Vec<_>>();
    match change {
        Change::Context { shop, .. } => format!("context {}", items.shop_name(*shop)),
        Change::Star { centre, neighbours, .. } => {
            format!("star {} {:?}", name(centre), neighbours.iter().map(name).collect::<Vec<_>>())
        }
        Change::StarBack { centre, neighbours, .. } => {
            format!("back {} {:?}", name(centre), neighbours.iter().map(|(i, d)| (name(i), *d)).collect::<Vec<_>>())
        }
        Change::Basket { items, .. } => format!("basket {:?}", bought(items)),
        Change::Cross { anchors, others, .. } => {
            format!("cross {:?} {:?}", anchors.iter().map(name).collect::<Vec<_>>(), bought(others))
        }
    }
}

fn checksum(offset: u64) -> u32 {
    1_000 + u32::try_from(offset).unwrap()
}

fn at(offset: u64, index: u32) -> Position {
    Position { offset: NextOffset(offset), index }
}

/// A checkpoint, with the checksum of the record at `record`.
fn checkpoint(offset: u64, index: u32, record: u64) -> Checkpoint {
    Checkpoint { position: at(offset, index), checksum: Some(checksum(record)) }
}

/// Where each block starts and ends, and where its entries stand.
fn places(all: &[Told]) -> Vec<(u32, Position, Checkpoint, Vec<Position>)> {
    all.iter().map(|told| (told.output, told.from, told.to, told.entries.iter().map(|e| e.0).collect())).collect()
}

fn texts(all: Vec<Told>) -> Vec<(u32, Vec<String>)> {
    all.into_iter().map(|told| (told.output, told.entries.into_iter().map(|entry| entry.1).collect())).collect()
}

#[test]
fn positions_count_what_of_a_record_went_to_a_partition_and_sections_chain() {
    let mut bench = Bench::new(PARTITIONS, BlockLimits::default());
    let (zero, one) = (bench.item_of(0, 0), bench.item_of(1, 0));
    bench.read(3);
    for item in [zero, one, zero] {
        bench.view(item);
    }
    bench.outbox.end_record();
    bench.read(4);
    bench.view(one);
    let first = bench.flush();
    let want = [
        // Of record 4 nothing has gone to partition 0: its checkpoint is that of record 3.
        (0, at(0, 0), checkpoint(4, 0, 3), vec![at(3, 0), at(3, 1)]),
        (1, at(0, 0), checkpoint(4, 1, 4), vec![at(3, 0), at(4, 0)]),
    ];
    assert_eq!(places(&first), want);
    bench.view(zero);
    bench.view(one);
    bench.outbox.end_record();
    let want = [(0, at(4, 0), checkpoint(5, 0, 4), vec![at(4, 0)]), (1, at(4, 1), checkpoint(5, 0, 4), vec![at(4, 1)])];
    assert_eq!(places(&bench.flush()), want);
    assert_eq!((bench.outbox.deltas, bench.outbox.muted), (6, 0));
    assert_eq!(bench.flush(), [], "nothing is sent twice");
}

#[test]
fn what_a_partition_holds_is_muted_up_to_its_checkpoint_and_not_one_delta_more() {
    for held in [0, 1, 2, 3] {
        let mut bench = Bench::new(1, BlockLimits::default());
        let (events, others) = (SourcePartition::new("events", 0), SourcePartition::new("events", 1));
        bench.outbox.restore(0, &events, checkpoint(7, held, if held > 0 { 7 } else { 6 }));
        bench.outbox.restore(0, &events, checkpoint(5, 1, 5)); // an older block of its
        bench.outbox.restore(0, &others, checkpoint(99, 0, 98));
        bench.outbox.start(NextOffset(6), Some(NextOffset(8))).unwrap();
        let item = bench.item("a");
        for offset in 6..8 {
            bench.read(offset);
            (0..3).for_each(|_| bench.view(item));
            bench.outbox.end_record();
        }
        let want: Vec<Position> = (held..3).map(|index| at(7, index)).collect();
        let told = bench.mark(News::All, LIVE);
        assert_eq!(places(&told), [(0, at(7, held), checkpoint(8, 0, 7), want)], "held up to {held} of record 7");
        assert_eq!((bench.outbox.deltas, bench.outbox.muted), (u64::from(3 - held), u64::from(3 + held)));
    }
}

#[test]
fn an_input_that_is_not_the_one_that_was_read_is_refused() {
    let restored = || {
        let mut bench = Bench::new(2, BlockLimits::default());
        bench.outbox.restore(1, &SourcePartition::new("events", 0), checkpoint(7, 2, 7));
        bench
    };
    assert!(restored().outbox.start(NextOffset(0), Some(NextOffset(7))).is_err(), "it ends before");
    let mut bench = restored();
    bench.outbox.start(NextOffset(7), Some(NextOffset(8))).unwrap();
    let error = bench.outbox.start_record(NextOffset(7), 1).unwrap_err();
    assert!(error.to_string().starts_with("events-0 at offset 7: it was read up to 7.2"), "{error}");
}

#[test]
fn each_partition_gets_what_its_items_need() {
    let mut bench = Bench::new(PARTITIONS, BlockLimits::default());
    let [a, b, c, d, e] =
        [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)].map(|(output, number)| bench.item_of(output, number));
    let names = [a, b, c, d, e].map(|item| bench.items.name(item).to_owned());
    let [a_name, b_name, c_name, d_name, e_name] = &names;
    let bought = |item, repeats| Bought { item, repeats };
    bench.read(0);
    bench.put(Change::Star { relation: RELATION, centre: a, neighbours: &[c, b, e, d] });
    let want = [
        (0, vec![format!("star {a_name} {:?}", [c_name, b_name, e_name, d_name])]),
        (1, vec![format!("back {a_name} {:?}", [(c_name, 1), (d_name, 4)])]),
        (2, vec![format!("back {a_name} {:?}", [(e_name, 3)])]),
    ];
    assert_eq!(texts(bench.flush()), want, "neighbours keep their distances");
    bench.put(Change::Basket { items: &[bought(a, 0), bought(c, 2), bought(b, 1)], before: &[], settled: 0 });
    let whole = format!("basket {:?}", [(a_name, 0), (c_name, 2), (b_name, 1)]);
    assert_eq!(texts(bench.flush()), [(0, vec![whole.clone()]), (1, vec![whole])], "once to each, and whole");
    bench.put(Change::Basket { items: &[bought(e, 0)], before: &[], settled: 0 });
    assert_eq!(texts(bench.flush()), [(2, vec![format!("basket {:?}", [(e_name, 0)])])]);
    bench.put(Change::Cross {
        relation: RELATION,
        anchors: &[a, b],
        settled: false,
        others: &[bought(d, 3), bought(b, 0)],
    });
    let want = [
        (0, vec![format!("cross {:?} {:?}", [a_name, b_name], [(d_name, 3), (b_name, 0)])]),
        (1, vec![format!("cross {:?} {:?}", [""; 0], [(d_name, 3)])]),
    ];
    assert_eq!(texts(bench.flush()), want, "who owns no anchor gets the totals of its own items");
    let other = bench.items.shop("another");
    for (shop, name) in [(bench.shop, "s"), (other, "another")] {
        bench.put(Change::Context { shop, relation: RELATION });
        let owner = spread(fingerprint(name, ""), PARTITIONS);
        assert_eq!(texts(bench.flush()), [(owner.0, vec![format!("context {name}")])]);
    }
}

#[test]
fn of_two_partitions_the_second_gets_what_it_owns() {
    let mut bench = Bench::new(2, BlockLimits::default());
    let items: Vec<ItemId> = (0..8).map(|n| bench.item(&n.to_string())).collect();
    bench.read(0);
    items.iter().for_each(|&item| bench.view(item));
    let owned = |output: u32| {
        let is_owned = |n: &u32| spread(fingerprint("s", &n.to_string()), 2) == Partition(output);
        (output, (0..8).filter(is_owned).map(|n| format!("star {n} []")).collect::<Vec<_>>())
    };
    assert!(!owned(0).1.is_empty() && !owned(1).1.is_empty());
    assert_eq!(texts(bench.flush()), [owned(0), owned(1)]);
}

#[test]
fn alone_a_partition_gets_every_delta_as_it_is() {
    let mut bench = Bench::new(1, BlockLimits::default());
    let (a, b) = (bench.item("a"), bench.item("b"));
    bench.read(0);
    bench.put(Change::Star { relation: RELATION, centre: a, neighbours: &[b] });
    bench.put(Change::Context { shop: bench.shop, relation: RELATION });
    assert_eq!(texts(bench.flush()), [(0, vec![format!("star a {:?}", ["b"]), "context s".to_owned()])]);
}

#[test]
fn a_full_block_leaves_at_once_and_the_next_goes_on_where_it_ends() {
    let mut bench = Bench::new(1, BlockLimits { entries_max: 2, ..BlockLimits::default() });
    let item = bench.item("a");
    bench.read(9);
    bench.view(item);
    assert_eq!(bench.told(), []);
    bench.view(item);
    let want = [(0, at(0, 0), checkpoint(9, 2, 9), vec![at(9, 0), at(9, 1)])];
    assert_eq!(places(&bench.told()), want, "the second fills it");
    bench.view(item);
    assert_eq!(places(&bench.flush()), [(0, at(9, 2), checkpoint(9, 3, 9), vec![at(9, 2)])]);
}

#[test]
fn a_block_is_sent_before_an_entry_that_might_take_it_past_its_limit() {
    let sent_at = |bytes_max: usize| {
        let mut bench = Bench::new(1, BlockLimits { bytes_max, ..BlockLimits::default() });
        bench.read(9);
        let items: Vec<ItemId> = (0..3).map(|n| bench.item(&format!("{n:0>100}"))).collect();
        items.iter().map(|&item| (bench.view(item), bench.told().len()).1).collect::<Vec<_>>()
    };
    // What the writer says of a block of one such entry, and of what another adds.
    let mut bench = Bench::new(1, BlockLimits::default());
    bench.read(9);
    let item = bench.item(&"0".repeat(100));
    bench.view(item);
    let one = bench.outbox.channels[0].writer.bytes();
    let change = Change::Star { relation: RELATION, centre: item, neighbours: &[] };
    let more = PairsWriter::entry_bytes_max(&Delta::counted(EventTime(50), change), &bench.items);
    assert_eq!(sent_at(one + more), [0, 0, 1], "it fits");
    assert_eq!(sent_at(one + more - 1), [0, 1, 1], "it might not");
    assert_eq!(sent_at(one), [1, 1, 1], "full");
    assert_eq!(sent_at(1), [1, 1, 1], "one entry always fits");
}

#[test]
fn a_mark_tells_what_is_news_and_nothing_else() {
    let mut bench = Bench::new(2, BlockLimits::default());
    let lag_only = |all: Vec<Told>| all.iter().map(|told| (told.output, told.progress.lag)).collect::<Vec<_>>();
    assert_eq!(lag_only(bench.mark(News::Lag, BEHIND)), [(0, Lag::Behind), (1, Lag::Behind)], "the first word");
    for news in [News::Lag, News::All] {
        assert_eq!(bench.mark(news, BEHIND), [], "it is known");
    }
    bench.read(0);
    bench.outbox.end_record();
    assert_eq!(bench.mark(News::Lag, BEHIND), [], "how far it is, is no news of lag");
    let marked = bench.mark(News::All, BEHIND);
    assert_eq!(places(&marked), [0, 1].map(|output| (output, at(0, 0), checkpoint(1, 0, 0), vec![])));
    let further = Progress { highest: Some(EventTime(9)), ..BEHIND };
    assert_eq!(bench.mark(News::Lag, further), [], "nor is a time");
    assert_eq!(bench.mark(News::All, further).len(), 2);
    assert_eq!(bench.mark(News::All, further), []);
    bench.outbox.tell_again();
    assert_eq!(bench.mark(News::Lag, further).len(), 2, "after a while all of it");
    assert_eq!(lag_only(bench.mark(News::Lag, LIVE)), [(0, Lag::Live), (1, Lag::Live)]);
}

#[test]
fn a_mark_sends_what_was_collected_news_or_not_and_says_how_things_stand_now() {
    let mut bench = Bench::new(1, BlockLimits::default());
    bench.mark(News::All, LIVE);
    let item = bench.item("a");
    bench.read(0);
    bench.view(item);
    bench.outbox.end_record();
    let told = bench.mark(News::Lag, Progress { highest: Some(EventTime(80)), ..LIVE });
    assert_eq!(places(&told), [(0, at(0, 0), checkpoint(1, 0, 0), vec![at(0, 0)])]);
    assert_eq!(told[0].progress.highest, Some(EventTime(80)));
    assert_eq!(bench.mark(News::All, told[0].progress), [], "with it all has been told");
}

#[test]
fn what_is_read_again_says_nothing_before_it_is_where_its_predecessor_was() {
    let mut bench = Bench::new(1, BlockLimits::default());
    bench.outbox.restore(0, &SourcePartition::new("events", 0), checkpoint(2, 0, 1));
    bench.outbox.start(NextOffset(0), None).unwrap();
    bench.read(0);
    bench.outbox.end_record();
    assert_eq!(bench.mark(News::All, LIVE), []);
    bench.read(1);
    bench.outbox.end_record();
    let told = bench.mark(News::All, LIVE);
    assert_eq!(places(&told), [(0, at(2, 0), checkpoint(2, 0, 1), vec![])], "now how it stands");
}

#[test]
fn a_block_says_when_its_first_entry_arrived_and_a_mark_no_time() {
    let mut bench = Bench::new(1, BlockLimits::default());
    let item = bench.item("a");
    bench.read(0);
    for arrived_ms in [Some(30), Some(20), None] {
        bench.outbox.arrived(arrived_ms);
        bench.view(item);
    }
    assert_eq!(bench.flush()[0].arrived_ms, Some(30));
    bench.outbox.arrived(Some(40));
    bench.outbox.end_record();
    assert_eq!(bench.mark(News::All, LIVE)[0].arrived_ms, None);
}

#[test]
fn a_writer_introduces_itself_to_every_partition_and_signs_its_blocks() {
    let mut bench = Bench::new(2, BlockLimits::default());
    let mut authorship = Authorship::new(Log::Pairs, 7);
    authorship.settle(11);
    authorship.generation = 5;
    bench.outbox.open(&authorship, &mut bench.effects);
    let origin = Origin { source: SourcePartition::new("events", 0), first: Some(at(0, 0)) };
    assert_eq!(bench.effects.len(), 2);
    for (output, effect) in (0..).zip(bench.effects.drain(..)) {
        let Effect::Append { log: Log::Pairs, partition, block } = effect else { panic!("{effect:?}") };
        assert_eq!((partition, kind_of(&block).unwrap()), (Partition(output), Kind::Opening));
        let opening = Opening::decode(&block).unwrap();
        assert_eq!((opening.log_id, opening.identity, opening.generation), (11, 7, 5));
        assert_eq!(opening.origins, std::slice::from_ref(&origin));
    }
    let marked = bench.mark(News::All, LIVE);
    assert_eq!(marked.iter().map(|told| (told.output, told.generation)).collect::<Vec<_>>(), [(0, 5), (1, 5)]);
}

#[test]
fn bytes_held_are_those_of_blocks_under_construction_and_owners() {
    let mut bench = Bench::new(PARTITIONS, BlockLimits::default());
    assert_eq!(bench.outbox.held_bytes(), 0);
    bench.read(0);
    let items: Vec<ItemId> = (0..100).map(|n| bench.item(&n.to_string())).collect();
    bench.view(items[0]);
    let owners = 100 * size_of::<Partition>();
    let held = bench.outbox.held_bytes();
    assert!((owners..8 * owners).contains(&held), "{held} bytes, {owners} of owners");
    items.iter().for_each(|&item| bench.view(item));
    let more = bench.outbox.held_bytes() - held;
    assert!(more > 100 * 4, "{more} more for 100 deltas");
    bench.flush();
    let before = bench.outbox.held_bytes();
    for n in 0..100 {
        bench.items.shop(&n.to_string());
    }
    bench.view(items[0]);
    let more = bench.outbox.held_bytes() - before;
    assert!((owners..8 * owners).contains(&more), "{more} more for 100 shops");
}
