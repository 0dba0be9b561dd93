//! The machine itself, around a work that only notes what it is told.

use super::*;

/// Notes every call, and fails when it is told to.
#[derive(Default)]
struct Noting {
    calls: Vec<String>,
    is_busy: bool,
    fails: bool,
}

impl Noting {
    fn note(&mut self, call: String) -> Result<(), StageError> {
        self.calls.push(call);
        if self.fails { Err(StageError::Stopped) } else { Ok(()) }
    }
}

impl Work for Noting {
    type Input = SourceInput;
    type Record<'a> = &'a str;

    fn inherit(&mut self, inherited: &Inherited<'_>) -> Result<(), StageError> {
        self.note(format!("inherited {inherited:?}"))
    }

    fn claimed(&mut self, epoch: u64) {
        self.calls.push(format!("claimed {epoch}"));
    }

    fn opened(&mut self, input: SourceInput, next: NextOffset, until: Option<NextOffset>) -> Result<(), StageError> {
        self.note(format!("opened {} {} {:?}", input.0, next.0, until.map(|until| until.0)))
    }

    fn open(&mut self, _effects: &mut dyn Effects) {
        self.calls.push("open".into());
    }

    fn record(
        &mut self,
        input: SourceInput,
        offset: NextOffset,
        record: &&str,
        _effects: &mut dyn Effects,
    ) -> Result<(), StageError> {
        self.note(format!("record {} {} {record}", input.0, offset.0))
    }

    fn reached(&mut self, input: SourceInput, _effects: &mut dyn Effects) {
        self.calls.push(format!("reached {}", input.0));
    }

    fn live(&mut self, _effects: &mut dyn Effects) -> Result<(), StageError> {
        self.note("live".into())
    }

    fn clock(&mut self, clock: Clock, _effects: &mut dyn Effects) -> Result<(), StageError> {
        self.note(format!("clock {}", clock.monotonic_ms))
    }

    fn is_busy(&self) -> bool {
        self.is_busy
    }

    fn go_on(&mut self, _effects: &mut dyn Effects) {
        self.calls.push("go on".into());
    }

    fn at_end(&mut self, input: SourceInput, _effects: &mut dyn Effects) {
        self.calls.push(format!("at end {}", input.0));
    }

    fn waits(&mut self, input: SourceInput, _effects: &mut dyn Effects) {
        self.calls.push(format!("waits {}", input.0));
    }

    fn flush(&mut self, _effects: &mut dyn Effects) {
        self.calls.push("flush".into());
    }

    fn mark(&mut self, _effects: &mut dyn Effects) {
        self.calls.push("mark".into());
    }

    fn rest(&mut self, _effects: &mut dyn Effects) {
        self.calls.push("rest".into());
    }
}

const A: SourceInput = SourceInput(0);
const B: SourceInput = SourceInput(1);

struct Bench(Stage<Noting>);

impl Bench {
    fn new() -> Self {
        Self(Stage::new(Noting::default(), [A, B]))
    }

    /// One that is live, with nothing read.
    fn live() -> Self {
        let mut bench = Self::new();
        assert_eq!((bench.0.next(A), bench.0.next(B)), (NextOffset(0), NextOffset(0)));
        assert_eq!(bench.open(A, 0, Some(0)), "opened 0 0 Some(0)", "nothing is reached before all is open");
        assert_eq!(bench.open(B, 0, Some(0)), "opened 1 0 Some(0), open, reached 0, reached 1, live");
        assert_eq!(*bench.0.phase(), Phase::Live);
        bench
    }

    /// What the work is told when the stage is told this.
    fn tell(&mut self, fact: Fact<'_, Noting>) -> String {
        self.0.handle(fact, &mut Vec::<Effect>::new()).unwrap();
        std::mem::take(&mut self.0.work_mut().calls).join(", ")
    }

    fn open(&mut self, input: SourceInput, next: u64, until: Option<u64>) -> String {
        self.tell(Fact::Opened { input, next: NextOffset(next), until: until.map(NextOffset) })
    }

    fn record(&mut self, input: SourceInput, offset: u64) -> String {
        self.tell(Fact::Record { input, offset: NextOffset(offset), record: "r" })
    }

    fn clock(&mut self, now_ms: i64) -> String {
        self.tell(Fact::Clock(Clock::at(now_ms)))
    }

    fn is_marked_at(&mut self, now_ms: i64) -> bool {
        let called = self.clock(now_ms);
        assert!(called.starts_with(&format!("clock {now_ms}")));
        called.ends_with(", mark")
    }
}

#[test]
fn it_opens_once_all_inputs_are_open_and_is_live_once_all_have_reached_their_ends() {
    let mut bench = Bench::new();
    assert_eq!(bench.tell(Fact::Inherited(Inherited::NewLogId(3))), "inherited NewLogId(3)");
    assert_eq!(bench.tell(Fact::Claimed { epoch: 7 }), "claimed 7");
    assert_eq!(bench.open(A, 5, Some(7)), "opened 0 5 Some(7)");
    assert_eq!(*bench.0.phase(), Phase::Restoring);
    assert_eq!(bench.open(B, 2, Some(2)), "opened 1 2 Some(2), open, reached 1", "which had nothing to catch up with");
    assert_eq!((bench.0.next(A), bench.0.next(B)), (NextOffset(5), NextOffset(2)));
    assert_eq!(bench.record(A, 5), "record 0 5 r");
    assert_eq!(*bench.0.phase(), Phase::CatchingUp);
    assert_eq!(bench.record(A, 6), "record 0 6 r, reached 0, live");
    assert_eq!((bench.0.phase(), bench.0.next(A)), (&Phase::Live, NextOffset(7)));
    assert_eq!(bench.record(A, 7), "record 0 7 r", "once only");
    // An input that is given anew is opened anew.
    assert_eq!(bench.open(A, 3, Some(4)), "opened 0 3 Some(4)");
    assert_eq!(bench.record(A, 3), "record 0 3 r, reached 0", "it was live before");
    assert_eq!(bench.open(B, 9, Some(9)), "opened 1 9 Some(9), reached 1");
}

#[test]
#[should_panic(expected = "inputs are given in the order of their indices")]
fn inputs_stand_at_their_indices() {
    drop(Stage::new(Noting::default(), [A, SourceInput(2)]));
}

#[test]
fn an_input_whose_end_shows_only_in_the_reading_has_reached_it_when_that_is_told() {
    let mut bench = Bench::new();
    bench.open(A, 0, None);
    bench.open(B, 0, Some(0));
    assert_eq!(bench.record(A, 0), "record 0 0 r");
    assert_eq!(bench.tell(Fact::Ended { input: A }), "at end 0, reached 0, live");
    assert_eq!(bench.tell(Fact::Ended { input: A }), "at end 0", "once only");
    assert_eq!(bench.tell(Fact::Waits { input: B }), "waits 1");
}

#[test]
fn a_record_that_is_given_again_is_passed_over_and_offsets_may_skip() {
    let mut bench = Bench::live();
    assert_eq!(bench.record(A, 4), "record 0 4 r");
    for offset in 0..=4 {
        assert_eq!(bench.record(A, offset), "");
    }
    assert_eq!(bench.record(A, 5), "record 0 5 r");
    assert_eq!(bench.record(B, 0), "record 1 0 r", "each input has offsets of its own");
}

#[test]
fn only_a_stage_that_reads_goes_on_with_what_is_left_over() {
    let mut bench = Bench::new();
    bench.0.work_mut().is_busy = true;
    assert_eq!((bench.tell(Fact::Continue).as_str(), bench.0.is_busy()), ("", false), "nothing is open");
    let mut bench = Bench::live();
    assert_eq!((bench.tell(Fact::Continue).as_str(), bench.0.is_busy()), ("", false));
    bench.0.work_mut().is_busy = true;
    assert_eq!((bench.tell(Fact::Continue).as_str(), bench.0.is_busy()), ("go on", true));
    bench.tell(Fact::Drain);
    assert_eq!((bench.tell(Fact::Continue).as_str(), bench.0.is_busy()), ("", false), "it is let go of");
}

#[test]
fn what_is_in_hand_goes_out_when_it_is_told_to() {
    let mut bench = Bench::live();
    assert_eq!(bench.tell(Fact::Flush), "flush");
    assert_eq!(bench.tell(Fact::Send), "flush");
    assert_eq!(bench.tell(Fact::Rest), "mark, rest, flush");
    assert_eq!(bench.tell(Fact::Drain), "mark, flush");
    assert_eq!(*bench.0.phase(), Phase::Drained);
}

#[test]
fn marks_come_a_second_after_the_last_record_and_every_ten_seconds_and_not_before() {
    let mut bench = Bench::new();
    assert!(!bench.is_marked_at(0), "nothing is open");
    let mut bench = Bench::live();
    let ten = MARK_INTERVAL_MS;
    assert!(bench.is_marked_at(0));
    assert!(![1, ten - 1].map(|now_ms| bench.is_marked_at(now_ms)).contains(&true));
    assert!(bench.is_marked_at(ten) && !bench.is_marked_at(ten + 1));
    // Something is read, and nothing after it.
    bench.record(A, 0);
    let looked_ms = ten + 100;
    assert!(!bench.is_marked_at(looked_ms), "the first look after it");
    assert!(!bench.is_marked_at(looked_ms + QUIET_MARK_MS - 1));
    assert!(bench.is_marked_at(looked_ms + QUIET_MARK_MS), "it has been quiet for a second");
    assert!(!bench.is_marked_at(looked_ms + 5 * QUIET_MARK_MS), "and there is nothing to add");
    // As long as something is read, only every ten seconds.
    let marked_ms = looked_ms + QUIET_MARK_MS;
    let marks = (1..=2 * ten / 100).filter(|step| {
        bench.record(A, 1 + u64::try_from(*step).unwrap());
        bench.is_marked_at(marked_ms + 5 * QUIET_MARK_MS + 100 * step)
    });
    let at: Vec<i64> = marks.map(|step| 5 * QUIET_MARK_MS + 100 * step).collect();
    assert_eq!(at, [ten, 2 * ten]);
    bench.tell(Fact::Drain);
    assert!(!bench.is_marked_at(marked_ms + 9 * ten), "it is let go of");
}

#[test]
fn after_an_error_nothing_follows_from_anything() {
    let facts: [fn() -> Fact<'static, Noting>; 3] = [
        || Fact::Record { input: A, offset: NextOffset(3), record: "r" },
        || Fact::Clock(Clock::at(5)),
        || Fact::Inherited(Inherited::NewLogId(1)),
    ];
    for fact in facts {
        let mut bench = Bench::live();
        bench.0.work_mut().fails = true;
        assert!(bench.0.handle(fact(), &mut Vec::<Effect>::new()).is_err());
        assert_eq!((bench.0.phase(), bench.0.next(A)), (&Phase::Stopped, NextOffset(0)));
        let work = bench.0.work_mut();
        (work.fails, work.is_busy) = (false, true);
        work.calls.clear();
        for fact in [fact(), Fact::Flush, Fact::Drain] {
            assert!(matches!(bench.0.handle(fact, &mut Vec::<Effect>::new()), Err(StageError::Stopped)));
        }
        assert!(bench.0.work().calls.is_empty() && !bench.0.is_busy());
    }
}

#[test]
fn a_block_is_half_a_mebibyte() {
    let limits = BlockLimits::default();
    assert_eq!((limits.bytes_max, limits.entries_max), (1 << 19, 1 << 16));
}
