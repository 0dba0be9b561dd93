//! Blocks of events on their own: what each partition is told of each source, and when a block is full.

use super::*;
use crate::event::{EventKey, EventType, UserKey};
use crate::items::ItemId;
use crate::position::NextOffset;
use crate::stage::Effect;
use crate::wire::EventsBlock;

const LIVE: Progress = Progress { highest: None, lag: Lag::Live };
const BEHIND: Progress = Progress { highest: None, lag: Lag::Behind };
const ONLY: Partition = Partition(0);

/// What a block says of a source: number of the source, span, record, how it stands, when it arrived, positions of events.
type Said = (u32, u64, Checkpoint, Progress, Option<i64>, Vec<u64>);

/// Two sources, and how far each has been read.
struct Sources {
    names: [SourcePartition; 2],
    read: [u64; 2],
    progress: [Progress; 2],
    has_origin: [bool; 2],
}

impl Sources {
    fn place(&self, input: usize) -> Place<'_> {
        Place {
            source: &self.names[input],
            checkpoint: checkpoint(self.read[input]),
            progress: self.progress[input],
            has_origin: self.has_origin[input],
        }
    }
}

struct Bench {
    sections: Sections,
    items: Items,
    sources: Sources,
}

impl Bench {
    fn new(outputs: u32, limits: BlockLimits) -> Self {
        let names = [0, 1].map(|n| SourcePartition::new("shop", n));
        let sources = Sources { names, read: [0; 2], progress: [LIVE; 2], has_origin: [true; 2] };
        Self { sections: Sections::new(2, outputs, limits), items: Items::default(), sources }
    }

    fn item(&mut self, name: &str) -> ItemId {
        let shop = self.items.shop("s");
        self.items.item(shop, name)
    }

    /// Reads the next record of `input`, an event for `output`; says whether the block is full.
    fn event(&mut self, output: u32, input: usize, arrived_ms: Option<i64>) -> bool {
        let item = self.item("a");
        let position = Position::start_of(NextOffset(self.sources.read[input]));
        let of = (UserKey(1), EventKey(2));
        let items = (&[item][..], &self.items);
        let event = EventToWrite::plain(position, of, EventTime(3), EventType::View, items);
        let entry = Entry { event, arrived_ms };
        let place = self.sources.place(input);
        let is_full = self.sections.push(Partition(output), input, &place, &entry, &self.items);
        self.sources.read[input] += 1;
        is_full
    }

    /// Whether there is no room for an event of `item`.
    fn is_full_for(&self, item: ItemId) -> bool {
        let items = [item];
        self.sections.is_full_for(ONLY, &plain(&items, &self.items), &self.items)
    }

    fn flush(&mut self, output: usize) -> Vec<Said> {
        let mut effects: Vec<Effect> = Vec::new();
        let mut places = (0..2).map(|input| self.sources.place(input));
        self.sections.flush(output, &mut places, 9, &self.items, &mut effects);
        effects.iter().flat_map(|effect| said(effect, output)).collect()
    }

    fn mark(&mut self, output: usize, news: News) -> Vec<Said> {
        self.sections.mark(output, news, &mut (0..2).map(|input| self.sources.place(input)));
        self.flush(output)
    }
}

fn checkpoint(read: u64) -> Checkpoint {
    let checksum = u32::try_from(read).ok().filter(|read| *read > 0).map(|read| 1_000 + read);
    Checkpoint { position: Position::start_of(NextOffset(read)), checksum }
}

fn said(effect: &Effect, output: usize) -> Vec<Said> {
    let Effect::Append { log: Log::Events, partition, block } = effect else { panic!("{effect:?}") };
    assert_eq!(partition.index(), output);
    let block = EventsBlock::decode(block).unwrap();
    assert_eq!(block.generation, 9);
    let section = |section: &crate::wire::Section| {
        let head = &section.head;
        let positions = block.entries[section.entries.clone()].iter().map(|entry| entry.position.offset.0).collect();
        let progress = Progress { highest: head.highest, lag: head.lag };
        (head.source.partition.0, head.span.from.offset.0, head.checkpoint(), progress, head.arrived_ms, positions)
    };
    block.sections.iter().map(section).collect()
}

fn plain<'a>(event_items: &'a [ItemId], items: &'a Items) -> EventToWrite<'a> {
    let of = (UserKey(1), EventKey(2));
    EventToWrite::plain(Position::default(), of, EventTime(3), EventType::View, (event_items, items))
}

#[test]
fn sections_chain_on_every_partition_and_cover_what_was_read() {
    let mut bench = Bench::new(2, BlockLimits::default());
    for output in [0, 1, 0] {
        bench.event(output, 0, None);
    }
    bench.event(0, 1, None);
    let later = Progress { highest: Some(EventTime(7)), ..BEHIND };
    bench.sources.progress[1] = later;
    let want = [(0, 0, checkpoint(3), LIVE, None, vec![0, 2]), (1, 0, checkpoint(1), later, None, vec![0])];
    assert_eq!(bench.flush(0), want, "as things stand when it is sent");
    bench.sources.progress[1] = LIVE;
    assert_eq!(bench.flush(0), [], "nothing is sent twice");
    bench.event(0, 0, None);
    assert_eq!(bench.flush(0), [(0, 3, checkpoint(4), LIVE, None, vec![3])], "on from where it ended");
    assert_eq!(bench.flush(1), [(0, 0, checkpoint(4), LIVE, None, vec![1])], "the others have not moved");
    assert_eq!(bench.sections.sent(0).collect::<Vec<_>>(), [checkpoint(4); 2]);
    assert_eq!(bench.sections.sent(1).collect::<Vec<_>>(), [checkpoint(1), Checkpoint::default()]);
}

#[test]
fn what_a_partition_holds_of_a_source_is_known_up_to_its_furthest_checkpoint() {
    let mut bench = Bench::new(2, BlockLimits::default());
    bench.sections.restore(1, 0, checkpoint(5));
    bench.sections.restore(1, 0, checkpoint(4));
    let holds =
        |output, input, offset| bench.sections.holds(Partition(output), input, Position::start_of(NextOffset(offset)));
    assert!(holds(1, 0, 4) && !holds(1, 0, 5));
    assert!(!holds(0, 0, 0) && !holds(1, 1, 0), "of another partition or source nothing is known");
    bench.sources.read = [5, 0];
    bench.event(1, 0, None);
    assert_eq!(bench.flush(1), [(0, 5, checkpoint(6), LIVE, None, vec![5])]);
}

#[test]
fn a_source_that_is_read_again_says_nothing_until_it_is_where_its_predecessor_was() {
    let mut bench = Bench::new(1, BlockLimits::default());
    bench.sections.restore(0, 0, checkpoint(2));
    bench.sources.progress[0] = BEHIND;
    let other = [(1, 0, checkpoint(0), LIVE, None, vec![])];
    bench.sources.read[0] = 1;
    assert_eq!(bench.mark(0, News::Lag), other);
    assert_eq!(bench.mark(0, News::All), []);
    bench.sources.read[0] = 2;
    assert_eq!(bench.mark(0, News::All), [(0, 2, checkpoint(2), BEHIND, None, vec![])]);
    let mut bench = Bench::new(1, BlockLimits::default());
    (bench.sources.has_origin[0], bench.sources.read[0]) = (false, 7);
    assert_eq!(bench.mark(0, News::All), other, "nor one of which the log knows no start");
}

#[test]
fn a_mark_tells_what_is_news_and_nothing_else() {
    let mut bench = Bench::new(1, BlockLimits::default());
    let empty = |source, from, to, progress| (source, from, checkpoint(to), progress, None, vec![]);
    assert_eq!(bench.mark(0, News::Lag), [empty(0, 0, 0, LIVE), empty(1, 0, 0, LIVE)], "the first word");
    assert_eq!((bench.mark(0, News::Lag), bench.mark(0, News::All)), (vec![], vec![]), "it is known");
    bench.sources.read[1] = 1;
    assert_eq!(bench.mark(0, News::Lag), [], "how far it is, is no news of lag");
    assert_eq!(bench.mark(0, News::All), [empty(1, 0, 1, LIVE)]);
    let later = Progress { highest: Some(EventTime(9)), ..LIVE };
    bench.sources.progress[0] = later;
    assert_eq!(bench.mark(0, News::Lag), [], "nor is a time");
    assert_eq!(bench.mark(0, News::All), [empty(0, 0, 0, later)]);
    bench.sources.progress[1] = BEHIND;
    assert_eq!(bench.mark(0, News::Lag), [empty(1, 1, 1, BEHIND)]);
    bench.sections.tell_again();
    assert_eq!(bench.mark(0, News::Lag), [empty(0, 0, 0, later), empty(1, 1, 1, BEHIND)], "after a while all of it");
}

/// Whoever merges waits for the sources that are behind: how far they are goes with every block.
#[test]
fn a_block_tells_of_the_sources_that_are_behind_too() {
    let mut bench = Bench::new(1, BlockLimits::default());
    bench.sources.progress[1] = BEHIND;
    bench.event(0, 0, None);
    let first = (0, 0, checkpoint(1), LIVE, None, vec![0]);
    assert_eq!(bench.flush(0), [first, (1, 0, checkpoint(0), BEHIND, None, vec![])]);
    bench.event(0, 0, None);
    assert_eq!(bench.flush(0), [(0, 1, checkpoint(2), LIVE, None, vec![1])], "it is known");
    bench.sources.progress[1].highest = Some(EventTime(4));
    assert_eq!(bench.flush(0), [], "where there is no block, there is no mark");
    bench.event(0, 0, None);
    bench.sources.has_origin[1] = false;
    assert_eq!(bench.flush(0).len(), 1, "of whose start the log knows nothing, it is told nothing");
    bench.sources.has_origin[1] = true;
    bench.event(0, 0, None);
    let second = (1, 0, checkpoint(0), bench.sources.progress[1], None, vec![]);
    assert_eq!(bench.flush(0)[1..], [second]);
    bench.sources.progress[1].lag = Lag::Live;
    bench.event(0, 0, None);
    assert_eq!(bench.flush(0).len(), 1, "one that is at its end waits for its mark");
}

#[test]
fn a_section_arrived_with_the_first_of_its_events() {
    let mut bench = Bench::new(1, BlockLimits::default());
    for arrived_ms in [None, Some(30), Some(20), Some(40)] {
        bench.event(0, 0, arrived_ms);
    }
    bench.event(0, 1, None);
    let arrived = |all: Vec<Said>| all.into_iter().map(|said| said.4).collect::<Vec<_>>();
    assert_eq!(arrived(bench.flush(0)), [Some(20), None]);
    bench.event(0, 0, Some(50));
    assert_eq!(arrived(bench.flush(0)), [Some(50)]);
}

#[test]
fn a_block_is_full_at_its_limits_and_before_an_event_that_might_take_it_past() {
    let mut bench = Bench::new(2, BlockLimits { entries_max: 2, ..BlockLimits::default() });
    assert_eq!([0, 1, 0].map(|output| bench.event(output, 0, None)), [false, false, true]);
    let item = bench.item("a");
    let one = {
        let mut bench = Bench::new(1, BlockLimits::default());
        bench.event(0, 0, None);
        bench.sections.outputs[0].writer.bytes()
    };
    let more = EventsWriter::entry_bytes_max(&plain(&[item], &bench.items), &bench.items);
    for (bytes_max, is_full, is_full_for) in
        [(one + more, false, false), (one + more - 1, false, true), (one + 1, false, true), (one, true, true)]
    {
        let mut bench = Bench::new(1, BlockLimits { bytes_max, ..BlockLimits::default() });
        let item = bench.item("a");
        assert!(!bench.is_full_for(item), "one event always fits");
        assert_eq!(bench.event(0, 0, None), is_full, "{bytes_max} bytes");
        assert_eq!(bench.is_full_for(item), is_full_for, "{bytes_max} bytes");
    }
    let mut bench = Bench::new(1, BlockLimits { bytes_max: 1, ..BlockLimits::default() });
    let item = bench.item("a");
    assert!(!bench.is_full_for(item), "however large it is");
    let before = bench.sections.held_bytes();
    bench.event(0, 0, None);
    assert!(bench.sections.held_bytes() > before);
}
