//! Which sections are new, what is missing, and where to go on.

use super::*;

fn at(offset: u64, index: u32) -> Position {
    Position { offset: NextOffset(offset), index }
}

fn opened() -> (Ledger, SourcePartition) {
    let (mut ledger, source) = (Ledger::default(), SourcePartition::new("events", 1));
    ledger.open(&source, at(5, 0));
    (ledger, source)
}

#[test]
fn a_chaining_section_is_applied_from_where_the_ledger_stands() {
    let (mut ledger, source) = opened();
    let span = Span { from: at(5, 0), to: at(9, 2) };
    assert_eq!(ledger.check(&source, span), Ok(Verdict::Apply { from: at(5, 0) }));
    ledger.advance(&source, span.to);
    assert_eq!(ledger.check(&source, span), Ok(Verdict::Duplicate), "sent again");
    let mark = Span { from: at(9, 2), to: at(9, 2) };
    assert_eq!(ledger.check(&source, mark), Ok(Verdict::Apply { from: at(9, 2) }), "nothing in it, but it is heard");
    let overlapping = Span { from: at(7, 0), to: at(12, 0) };
    assert_eq!(ledger.check(&source, overlapping), Ok(Verdict::Apply { from: at(9, 2) }));
    let old = Span { from: at(5, 0), to: at(9, 1) };
    assert_eq!(ledger.check(&source, old), Ok(Verdict::Duplicate));
}

#[test]
fn what_stands_behind_a_gap_is_skipped_and_the_gap_is_closed_when_all_of_that_has_come_again() {
    let (mut ledger, source) = opened();
    let span = |from, to| Span { from: at(from, 0), to: at(to, 0) };
    let other = SourcePartition::new("events", 2);
    ledger.open(&other, at(0, 0));
    for (offset, beyond) in [(70, Span { from: at(5, 1), to: at(7, 0) }), (71, span(7, 9)), (75, span(9, 9))] {
        assert_eq!(ledger.check(&source, beyond), Ok(Verdict::Beyond));
        ledger.skip(&source, beyond, NextOffset(offset));
    }
    let gap = |offset, expected, found| Gap { source: &source, at: NextOffset(offset), expected, found };
    let began = gap(70, at(5, 0), Skipped::From(at(5, 1)));
    assert_eq!(ledger.gaps().collect::<Vec<_>>(), [began], "where it began, and of this source alone");
    assert_eq!(ledger.next(&source), Some(at(5, 0)), "nothing was applied");
    assert_eq!(ledger.check(&other, span(0, 3)), Ok(Verdict::Apply { from: at(0, 0) }), "others go on");
    // Sent again, cut otherwise.
    for to in [at(5, 1), at(6, 0), at(8, 3)] {
        assert!(matches!(ledger.check(&source, Span { from: at(5, 0), to }), Ok(Verdict::Apply { .. })));
        ledger.advance(&source, to);
        let left = gap(71, to, Skipped::UpTo(at(9, 0)));
        assert_eq!(ledger.gaps().collect::<Vec<_>>(), [left], "some of what was skipped is still to come");
    }
    // Something else is lost meanwhile: that is where it stands now.
    ledger.skip(&source, span(10, 12), NextOffset(80));
    let now = gap(80, at(8, 3), Skipped::From(at(10, 0)));
    assert_eq!(ledger.gaps().collect::<Vec<_>>(), [now]);
    ledger.advance(&source, at(9, 0));
    let now = gap(80, at(9, 0), Skipped::From(at(10, 0)));
    assert_eq!(ledger.gaps().collect::<Vec<_>>(), [now]);
    ledger.advance(&source, at(12, 0));
    assert_eq!(ledger.gaps().next(), None);
}

#[test]
fn a_refusal_is_true_whatever_has_been_sent_again() {
    let (mut ledger, source) = opened();
    ledger.skip(&source, Span { from: at(5, 1), to: at(9, 0) }, NextOffset(70));
    let refusal = |ledger: &Ledger| {
        let Gap { source, expected, found, .. } = ledger.gaps().next().unwrap();
        LedgerError::Gap { source_partition: source.clone(), expected, found }.to_string()
    };
    let said = refusal(&ledger);
    assert!(said.starts_with("section from events-1 starts at 5.1, next expected 5.0: "), "{said}");
    ledger.advance(&source, at(8, 3));
    let said = refusal(&ledger);
    assert!(said.starts_with("section from events-1 was skipped up to 9.0, next expected 8.3: "), "{said}");
}

#[test]
fn a_source_without_opening_mark_and_a_backward_section_are_refused() {
    let (mut ledger, source) = opened();
    let other = SourcePartition::new("events", 2);
    assert!(matches!(ledger.check(&other, Span { from: at(0, 0), to: at(1, 0) }), Err(LedgerError::Unknown { .. })));
    assert!(matches!(ledger.check(&source, Span { from: at(5, 0), to: at(4, 0) }), Err(LedgerError::Backwards { .. })));
    ledger.open(&source, at(6, 0));
    assert_eq!(ledger.next(&source), Some(at(5, 0)), "the first origin counts");
}

#[test]
fn a_checkpoint_goes_on_only_on_the_input_that_was_read() {
    let made = |position| Checkpoint { position, checksum: Some(7) };
    let resume = |checkpoint: Checkpoint, low, high, found| {
        checkpoint.resume(NextOffset(low), NextOffset(high), found).map(|next| next.0)
    };
    let (whole, partly) = (made(at(5, 0)), made(at(5, 2)));
    assert_eq!((whole.record(), partly.record()), (Some(NextOffset(4)), Some(NextOffset(5))));
    assert_eq!(Checkpoint::default().record(), None);
    // What retention has taken cannot be compared, and need not be there.
    for (low, high, found) in [(0, 5, Some(7)), (0, 9, None), (5, 5, None), (5, 9, Some(7))] {
        assert_eq!(resume(whole, low, high, found), Ok(5), "{low} {high} {found:?}");
    }
    let is_cut = |error| matches!(error, Err(CheckpointError::EndsBefore { .. }));
    assert!(is_cut(resume(whole, 0, 4, None)) && is_cut(resume(partly, 0, 5, None)));
    assert_eq!(resume(partly, 0, 6, Some(7)), Ok(5));
    assert!(matches!(resume(whole, 6, 9, None), Err(CheckpointError::StartsBehind { .. })));
    let error = resume(whole, 0, 9, Some(8)).unwrap_err();
    assert_eq!(error, CheckpointError::OtherRecord { position: at(5, 0), expected: 7, found: 8 });
    assert!(error.to_string().contains("was 00000007; the record there now has 00000008"), "{error}");
    assert_eq!(resume(Checkpoint::origin(at(5, 0)), 0, 9, Some(8)), Ok(5), "nothing had been read");
}

#[test]
fn the_further_checkpoint_counts_and_at_one_place_the_one_that_knows_its_record() {
    let made = |offset, checksum| Checkpoint { position: at(offset, 0), checksum };
    assert_eq!(made(5, Some(1)).max(made(6, None)), made(6, None));
    assert_eq!(made(6, None).max(made(5, Some(1))), made(6, None));
    assert_eq!(made(5, Some(1)).max(made(5, None)), made(5, Some(1)));
    assert_eq!(made(5, None).max(made(5, Some(1))), made(5, Some(1)));
    assert_eq!(made(5, Some(1)).max(made(5, Some(2))), made(5, Some(2)), "the newer");
    assert_eq!(made(5, Some(1)).min(made(6, None)), made(5, Some(1)));
    assert_eq!(made(6, None).min(made(5, Some(1))), made(5, Some(1)));
    assert_eq!(made(5, Some(1)).min(made(5, None)), made(5, Some(1)));
    assert_eq!(made(5, None).min(made(5, Some(1))), made(5, Some(1)));
}

#[test]
fn places_follow_each_other_without_a_gap() {
    assert_eq!((NextOffset(4).after(), at(4, 2).after()), (NextOffset(5), at(4, 3)));
    assert_eq!(Position::start_of(NextOffset(4)), at(4, 0));
    assert!(at(4, 0) < at(4, 1) && at(4, 9) < at(5, 0));
    assert_eq!([3, 5, 9].map(|next| NextOffset(next).lag(NextOffset(5))), [2, 0, 0]);
    assert_eq!(NextOffset(u64::MAX).after(), NextOffset(u64::MAX));
    assert_eq!(at(1, u32::MAX).after(), at(1, u32::MAX));
}

#[test]
fn a_checkpoint_is_of_the_record_of_which_it_covers_the_last_part() {
    let made = |offset, index| Checkpoint { position: at(offset, index), checksum: Some(7) };
    for (checkpoint, record, end) in [(made(5, 0), 4, 5), (made(5, 1), 5, 6), (made(5, 2), 5, 6), (made(0, 1), 0, 1)] {
        assert_eq!((checkpoint.record(), checkpoint.end()), (Some(NextOffset(record)), NextOffset(end)));
    }
}

#[test]
fn a_ledger_never_moves_backwards() {
    let (mut ledger, source) = opened();
    ledger.advance(&source, at(9, 0));
    ledger.advance(&source, at(7, 3));
    assert_eq!(ledger.next(&source), Some(at(9, 0)));
}
