//! A state in which nothing has been counted, in the midst of a log whose start is gone.

use super::*;
use crate::saved::{Saving, frames};
use crate::stage::{Beginning, Headless, Kept as _, KeptRecords, PartitionFacts, beginnings};

const LOW: u64 = 5;

fn work() -> WindowsWork {
    let limits = BlockLimits { entries_max: 1, ..BlockLimits::default() };
    WindowsWork::new(Partition(0), 1, &CountingRules::default(), 7, 8, UNBOUNDED, limits)
}

/// The opening mark that is gone.
fn opening() -> Opening {
    Opening { log_id: 12, input_log_id: 0, store_id: 0, identity: 7, generation: 1, origins: Vec::new() }
}

fn beginning(blocks: &[Vec<u8>]) -> Beginning {
    let mut kept = KeptRecords::default();
    for (offset, block) in (LOW..).zip(blocks) {
        kept.record(Partition(0), NextOffset(offset), block).unwrap();
    }
    let known = Some(PartitionFacts::begun(NextOffset(LOW), &opening(), BTreeMap::new()));
    beginnings(&[Headless { partition: Partition(0), low: NextOffset(LOW), kept, known }]).unwrap().remove(0)
}

/// A stage on what is left of a log, by way of a snapshot; and its first opening mark.
fn begun(blocks: &[Vec<u8>]) -> (Bench, Opening) {
    let (mut first, mut raw) = (work(), Vec::new());
    first.begin(&beginning(blocks));
    first.begin_save();
    while first.save(1 << 20, &mut raw) == Saving::More {}
    let mut second = work();
    for frame in frames(&raw) {
        let (kind, body) = frame.unwrap();
        second.load(kind, body).unwrap();
    }
    second.loaded().unwrap();
    assert_eq!((second.origin(), second.read_to().checksum), (NextOffset(LOW), None));
    let stage = Stage::new(second, [EventsInput]);
    let gone = (0..LOW).map(|_| Vec::new()).collect();
    let mut bench = Bench { stage, items: Items::default(), users: 0, log: gone, openings: 0 };
    let mut effects: Vec<Effect> = Vec::new();
    for fact in [
        Fact::Inherited(Inherited::NewLogId(21)),
        Fact::Opened { input: EventsInput, next: NextOffset(LOW), until: None },
    ] {
        bench.stage.handle(fact, &mut effects).unwrap();
    }
    let [Effect::Append { block, .. }] = &effects[..] else { panic!("{effects:?}") };
    let mark = Opening::decode(block).unwrap();
    (bench, mark)
}

fn blocks(spoken: &[Spoken<'_>]) -> Vec<Vec<u8>> {
    let mut writer = Bench::restoring(UNBOUNDED, BlockLimits::default());
    spoken.iter().map(|spoken| writer.events(3, std::slice::from_ref(spoken), EventType::View, &["i"])).collect()
}

#[test]
fn pairs_begin_where_the_log_does_and_nothing_is_owed_of_what_lies_before() {
    let kept = blocks(&[
        Spoken { span: (40, 42), highest: Some(9), views: &[(40, 8), (41, 9)], ..NOTHING },
        Spoken { span: (42, 43), highest: Some(10), views: &[(42, 10)], ..NOTHING },
    ]);
    let (mut bench, mark) = begun(&kept);
    let at = |offset| Position::start_of(NextOffset(offset));
    let origins = vec![Origin { source: SourcePartition::new(Log::Events.name(), 0), first: Some(at(LOW)) }];
    assert_eq!((mark.log_id, mark.input_log_id, mark.origins), (21, 12, origins));
    let said: Vec<Said> = kept.into_iter().flat_map(|block| bench.record(block)).collect();
    let marked = bench.mark();
    assert_eq!(said.iter().chain(&marked).next().unwrap().from, at(LOW));
    assert_eq!(marked.last().unwrap().to.position, at(LOW + 2));
    assert_eq!(bench.released(), 3, "sections chain from the first that is kept");
}

#[test]
fn how_a_source_stood_is_what_it_says_first() {
    let spoken = |lag| {
        let a = Spoken { span: (40, 41), highest: Some(8), views: &[(40, 8)], ..NOTHING };
        let b = Spoken { source: "b", span: (7, 8), highest: Some(5), views: &[(7, 5)], lag };
        blocks(&[a, b])
    };
    for (lag, waits, stands) in [
        (Lag::Live, false, Lag::Live),
        (Lag::Waiting, false, Lag::Live),
        (Lag::Behind, true, Lag::Behind),
        (Lag::History, true, Lag::History),
    ] {
        let (mut bench, _) = begun(&spoken(lag));
        bench.record(spoken(lag).remove(0));
        assert_eq!(bench.released(), u64::from(!waits), "{lag:?}");
        assert_eq!(bench.stands().1, stands, "{lag:?}");
        assert_eq!(bench.given_up(), if lag == Lag::Waiting { vec!["b-0"] } else { vec![] }, "{lag:?}");
    }
}

/// It is not begun behind what was read of it.
#[test]
fn a_state_with_an_impossible_beginning_is_refused() {
    let mut kept = work();
    kept.begin(&beginning(&blocks(&[Spoken { span: (40, 40), ..NOTHING }])));
    kept.outbox.began_at(NextOffset(LOW + 1));
    let mut raw = Vec::new();
    kept.begin_save();
    while kept.save(1 << 20, &mut raw) == Saving::More {}
    let mut loading = work();
    let refused = frames(&raw).try_for_each(|frame| frame.and_then(|(kind, body)| loading.load(kind, body)));
    assert!(refused.unwrap_err().to_string().contains("begun behind what was read"));
}
