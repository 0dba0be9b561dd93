//! Stages on their own, told what production tells them and nothing else.

#![allow(clippy::unwrap_used)] // tests

use samenloop::event::UserKeys;
use samenloop::intake::{Intake, MappingSpec, Record, TimeRules};
use samenloop::position::{NextOffset, SourcePartition};
use samenloop::stage::{BlockLimits, Clock, Effect, Fact, Inherited, IntakeInput, IntakeWork, SourceInput, Stage};
use samenloop::wire::{EventsBlock, Kind, SectionHead, kind_of};
use std::collections::BTreeMap;
use std::sync::Arc;

const NOW_MS: i64 = 1_700_000_000_000;
const SECOND_MS: i64 = 1_000;
const PARTITIONS: u32 = 3;
const INPUT: SourceInput = SourceInput(0);

/// Both clocks at once.
fn clock(now_ms: i64) -> Fact<'static, IntakeWork> {
    Fact::Clock(Clock { wall_ms: now_ms, monotonic_ms: now_ms })
}

/// An intake of one source partition, and what each partition of the log was told of it last.
struct IntakeRig {
    stage: Stage<IntakeWork>,
    effects: Vec<Effect>,
    told: BTreeMap<u32, SectionHead>,
    /// All that were appended.
    events: usize,
    next: NextOffset,
}

impl IntakeRig {
    fn open(until: NextOffset) -> Self {
        let mapping = Arc::new(MappingSpec::default().compile().unwrap());
        let input = IntakeInput { source: SourcePartition::new("shop", 0), mapping };
        let intake = Intake::new(TimeRules::default(), UserKeys::new([0; 16]), PARTITIONS);
        let work = IntakeWork::new(intake, vec![input], PARTITIONS, 0, None, BlockLimits::default());
        let (stage, next) = (Stage::new(work, [INPUT]), NextOffset(0));
        let mut rig = Self { stage, effects: Vec::new(), told: BTreeMap::new(), events: 0, next };
        rig.tell(Fact::Inherited(Inherited::NewLogId(1)));
        rig.tell(clock(NOW_MS));
        rig.tell(Fact::Opened { input: INPUT, next, until: Some(until) });
        rig
    }

    fn tell(&mut self, fact: Fact<'_, IntakeWork>) {
        self.stage.handle(fact, &mut self.effects).unwrap();
        for effect in self.effects.drain(..) {
            let Effect::Append { partition, block, .. } = effect else { continue };
            if kind_of(&block).unwrap() == Kind::Events {
                let block = EventsBlock::decode(&block).unwrap();
                self.events += block.entries.len();
                for section in block.sections {
                    self.told.insert(partition.0, section.head);
                }
            }
        }
    }

    /// A view that was put into the source at `put_ms`.
    fn view(&mut self, put_ms: i64) {
        self.view_at(self.next, put_ms);
        self.next = self.next.after();
    }

    fn view_at(&mut self, offset: NextOffset, put_ms: i64) {
        let value = format!(r#"{{"type":"view","user":"u{}","ts":{NOW_MS},"item":"a"}}"#, offset.0);
        let record = Record { value: Some(value.as_bytes()), timestamp_ms: Some(put_ms), ..Record::default() };
        self.tell(Fact::Record { input: INPUT, offset, record });
    }

    /// A second as a worker spends it.
    fn second(&mut self, now_ms: i64) {
        self.tell(clock(now_ms));
        self.tell(Fact::Send);
    }

    fn is_behind(&self) -> Vec<bool> {
        self.told.values().map(|head| head.lag.is_behind()).collect()
    }
}

#[test]
fn a_source_that_was_read_to_its_end_holds_nobody_up_though_its_last_records_were_old() {
    let mut rig = IntakeRig::open(NextOffset(0));
    let mut now_ms = NOW_MS;
    for _ in 0..120 {
        now_ms += SECOND_MS;
        rig.second(now_ms);
        rig.view(now_ms - 60 * SECOND_MS); // a mirror that is a minute late
    }
    rig.second(now_ms + SECOND_MS);
    assert_eq!(rig.is_behind(), [true; 3], "what is read is a minute old, for two minutes now");
    // The end is all that production says: a worker never tells its intake to flush.
    rig.tell(Fact::Ended { input: INPUT });
    for _ in 0..120 {
        now_ms += SECOND_MS;
        rig.second(now_ms);
    }
    assert_eq!(rig.is_behind(), [false; 3], "nothing is left that others could wait for");
}

#[test]
fn a_record_that_a_transport_gives_again_is_taken_once() {
    let mut rig = IntakeRig::open(NextOffset(0));
    rig.view(NOW_MS);
    rig.view(NOW_MS);
    rig.view_at(NextOffset(0), NOW_MS);
    rig.view_at(NextOffset(1), NOW_MS);
    rig.second(NOW_MS + SECOND_MS);
    rig.view_at(NextOffset(1), NOW_MS);
    rig.second(NOW_MS + 2 * SECOND_MS);
    assert_eq!(rig.events, 2, "before they were sent, and after");
    rig.view_at(NextOffset(7), NOW_MS);
    rig.second(NOW_MS + 3 * SECOND_MS);
    assert_eq!(rig.events, 3, "offsets may skip");
}

#[test]
fn an_event_arrived_when_its_record_says_unless_that_cannot_be() {
    for (put_ms, arrived_ms) in [
        (NOW_MS - SECOND_MS, NOW_MS - SECOND_MS),
        (NOW_MS + 60 * SECOND_MS, NOW_MS), // a clock that is ahead
        (0, NOW_MS),
        (-1, NOW_MS), // what Kafka calls no timestamp
    ] {
        let mut rig = IntakeRig::open(NextOffset(0));
        rig.view(put_ms);
        rig.second(NOW_MS);
        let arrived: Vec<_> = rig.told.values().filter_map(|head| head.arrived_ms).collect();
        assert_eq!(arrived, [arrived_ms], "put at {put_ms}");
    }
}
