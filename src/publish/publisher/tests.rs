//! What is news, and what stands on the lists log.

use super::*;
use crate::event::EventTime;
use crate::rank::{Day, Figures};

const LIST: ListNumber = ListNumber(0);

fn list(entries: &[(u32, u32)], shown: usize) -> List {
    let mut list = List::blank();
    list.as_of = EventTime(1);
    list.shown = shown;
    for &(item, score_milli) in entries {
        let figures = Figures::new(1.0, 2.0, 3.0, 4.0);
        let item = ItemId(item);
        let entry = Entry {
            item,
            score_milli,
            rank_milli: 0,
            support: 1,
            figures,
            llr_root: 0.0,
            last_seen: Day(1),
            label: Label::default(),
        };
        list.entries.push(entry);
    }
    list
}

fn shown(entries: &[(u32, u32)]) -> impl ExactSizeIterator<Item = Shown> {
    entries.iter().map(|&(item, score_milli)| Shown::new(ItemId(item), score_milli, Label::default()))
}

fn at(epoch: u64, sequence: u64) -> Stamp {
    Stamp { epoch, sequence }
}

/// Price and stock of what is shown.
fn costs(price: f64) -> Shelved {
    Shelved::of([crate::publish::Told { price: Some(price), ..Default::default() }].into_iter())
}

#[test]
fn another_price_alone_is_news_for_the_sweep_and_goes_out_with_whatever_else_is() {
    let mut publisher = Publisher::new(50);
    let mut offer = |score, price, is_swept| publisher.offer(LIST, &list(&[(1, score)], 1), costs(price), is_swept);
    assert_eq!(offer(100, 1.0, false), News::List(at(0, 1)));
    assert_eq!(offer(100, 2.0, false), News::Suppressed, "not yet");
    assert_eq!(offer(100, 1.0, true), News::Suppressed, "it went back, and nobody knew");
    assert_eq!(offer(100, 2.0, true), News::List(at(0, 2)));
    assert_eq!(offer(100, 2.0, true), News::Suppressed);
    assert_eq!(offer(200, 3.0, false), News::List(at(0, 3)), "a score is news, and tells the price");
    assert_eq!(offer(200, 3.0, true), News::Suppressed);
    let mut gone = |is_swept| publisher.offer(LIST, &list(&[], 0), Shelved::default(), is_swept);
    assert_eq!([gone(true), gone(true)], [News::Tombstone(at(0, 4)), News::Nothing]);
}

#[test]
fn what_a_predecessor_told_of_prices_is_no_news() {
    let mut publisher = Publisher::new(0);
    publisher.restore_entries(LIST, Some(at(3, 1)), shown(&[(1, 100)]), (1, costs(1.0)));
    publisher.restore(ListNumber(1), Some(at(3, 2)), shown(&[(1, 100)]));
    publisher.claim(8);
    let same = list(&[(1, 100)], 1);
    assert_eq!(publisher.offer(LIST, &same, costs(1.0), true), News::Suppressed);
    assert_eq!(publisher.offer(ListNumber(1), &same, Shelved::default(), true), News::Suppressed);
    assert_eq!(publisher.offer(LIST, &same, costs(2.0), true), News::List(at(8, 1)));
    assert_eq!(publisher.offer(LIST, &same, Shelved::default(), true), News::List(at(8, 2)), "it is told no more");
}

#[test]
fn what_landed_in_an_epoch_before_says_nothing_of_what_is_to_land() {
    let mut publisher = Publisher::new(0);
    publisher.claim(1);
    assert!(publisher.landed(ListNumber(1), Some(at(1, 5))), "somebody's, of the same epoch");
    publisher.claim(2);
    assert_eq!(publisher.offer(LIST, &list(&[(1, 100)], 1), Shelved::default(), false), News::List(at(2, 1)));
    assert!(!publisher.landed(LIST, Some(at(1, 9))), "ours is still to land, and stands last then");
    assert!(!publisher.landed(LIST, Some(at(2, 1))) && !publisher.is_stale(LIST));
    assert!(publisher.landed(LIST, Some(at(1, 10))), "behind ours");
}

#[test]
fn a_record_whose_stamp_nobody_gave_is_nobodys() {
    let mut publisher = Publisher::new(0);
    assert_eq!(
        (publisher.offer(LIST, &list(&[], 0), Shelved::default(), false), publisher.stamp(LIST)),
        (News::Nothing, None)
    );
    assert!(!publisher.is_stale(LIST) && !publisher.is_stale(ListNumber(9)), "of one that nobody knows, nothing is");
    assert!(publisher.landed(LIST, Some(at(0, 0))) && publisher.is_stale(LIST));
    assert_eq!(
        publisher.offer(LIST, &list(&[], 0), Shelved::default(), false),
        News::Tombstone(at(0, 1)),
        "it is buried"
    );
    assert!(!publisher.landed(LIST, None), "its tombstone is still to land");
}

#[test]
fn only_what_differs_is_published() {
    let mut publisher = Publisher::new(1000);
    let mut offer =
        |entries: &[(u32, u32)], shown: usize| publisher.offer(LIST, &list(entries, shown), Shelved::default(), false);
    let (a, b, c, d) = (1, 2, 3, 4);
    assert_eq!(offer(&[], 0), News::Nothing, "empty, and never published");
    assert_eq!(offer(&[(a, 9000), (b, 8000), (c, 100)], 2), News::List(at(0, 1)));
    assert_eq!(offer(&[(a, 9000), (b, 8000), (c, 100)], 2), News::Suppressed, "the same");
    assert_eq!(offer(&[(a, 9000), (b, 8000), (d, 5000)], 2), News::Suppressed, "only the reserve");
    assert_eq!(offer(&[(a, 9600), (b, 7400)], 2), News::Suppressed, "small steps");
    assert_eq!(offer(&[(a, 10_000), (b, 7000)], 2), News::Suppressed, "a whole step from what was published");
    assert_eq!(offer(&[(a, 10_001), (b, 7000)], 2), News::List(at(0, 2)), "more than a step");
    assert_eq!(offer(&[(a, 9002), (b, 7000)], 2), News::Suppressed, "measured from the last one");
    assert_eq!(offer(&[(b, 7000), (a, 7000)], 2), News::List(at(0, 3)), "order");
    assert_eq!(offer(&[(b, 7000), (c, 7000)], 2), News::List(at(0, 4)), "membership");
    assert_eq!(offer(&[(b, 7000), (c, 7000)], 1), News::List(at(0, 5)), "length");
    assert_eq!(offer(&[], 0), News::Tombstone(at(0, 6)));
    assert_eq!(offer(&[], 0), News::Nothing, "buried once");
    assert_eq!(offer(&[(b, 7000)], 1), News::List(at(0, 7)), "it came back");
    assert_eq!(publisher.stamp(LIST), Some(at(0, 7)));
    assert_eq!(publisher.stamp(ListNumber(1)), None);
}

#[test]
fn what_is_in_reserve_is_kept_where_it_is_wanted_and_a_label_is_news() {
    let mut publisher = Publisher::new(1000).keeping_reserve(true);
    let reserve = |publisher: &Publisher| publisher.reserve(LIST).iter().map(|told| told.item.0).collect::<Vec<_>>();
    assert_eq!(
        publisher.offer(LIST, &list(&[(1, 100), (2, 90), (3, 80)], 1), Shelved::default(), false),
        News::List(at(0, 1))
    );
    assert_eq!(reserve(&publisher), [2, 3]);
    assert_eq!(publisher.offer(LIST, &list(&[(1, 100), (4, 90)], 1), Shelved::default(), false), News::Suppressed);
    assert_eq!(reserve(&publisher), [2, 3], "what subscribers have");
    publisher.renew(LIST);
    assert_eq!(publisher.offer(LIST, &list(&[(1, 100), (4, 90)], 1), Shelved::default(), false), News::List(at(0, 2)));
    assert_eq!(reserve(&publisher), [4]);
    let mut approved = list(&[(1, 100)], 1);
    approved.entries[0].label.verdict = Some(crate::rank::Said::Approved);
    assert_eq!(publisher.offer(LIST, &approved, Shelved::default(), false), News::List(at(0, 3)));
    assert_eq!(publisher.offer(LIST, &list(&[(5, 100)], 0), Shelved::default(), false), News::Tombstone(at(0, 4)));
    publisher.renew(LIST);
    assert_eq!(
        (reserve(&publisher), publisher.offer(LIST, &list(&[], 0), Shelved::default(), false)),
        (vec![], News::Nothing)
    );
    publisher.restore_entries(LIST, Some(at(1, 1)), shown(&[(1, 100), (2, 90)]), (1, Shelved::default()));
    assert_eq!(reserve(&publisher), [2]);
    let mut without = Publisher::new(1000);
    without.offer(LIST, &list(&[(1, 100), (2, 90)], 1), Shelved::default(), false);
    without.restore_entries(ListNumber(1), Some(at(1, 1)), shown(&[(1, 100), (2, 90)]), (1, Shelved::default()));
    assert_eq!((without.reserve(LIST), without.reserve(ListNumber(1))), (&[][..], &[][..]));
}

#[test]
fn a_restarted_owner_goes_on_from_its_own_records() {
    let mut publisher = Publisher::new(0);
    publisher.restore(LIST, Some(at(3, 1)), shown(&[(1, 43_849), (2, 20_654)]));
    publisher.restore(ListNumber(2), Some(at(3, 2)), shown(&[]));
    publisher.claim(8);
    assert_eq!(
        publisher.offer(LIST, &list(&[(1, 43_849), (2, 20_654)], 2), Shelved::default(), false),
        News::Suppressed
    );
    assert_eq!(publisher.stamp(LIST), Some(at(3, 1)));
    assert_eq!(
        publisher.offer(LIST, &list(&[(1, 43_849), (2, 20_655)], 2), Shelved::default(), false),
        News::List(at(8, 1))
    );
    assert_eq!(
        publisher.offer(ListNumber(2), &list(&[], 0), Shelved::default(), false),
        News::Nothing,
        "subscribers know of the tombstone"
    );
}

/// What a restored key is taken to show, and whether it is published again though nothing in it is news.
#[test]
fn the_highest_stamp_counts_and_what_stands_last_is_published_over() {
    type Shown<'l> = &'l [(u32, u32)];
    type Left<'l> = (Option<Stamp>, Shown<'l>);
    type Case<'l> = (&'l [Left<'l>], Shown<'l>, bool);
    let (old, new): (Shown<'_>, Shown<'_>) = (&[(1, 100)], &[(2, 200)]);
    let cases: &[Case<'_>] = &[
        (&[(Some(at(1, 5)), old), (Some(at(2, 1)), new)], new, false),
        (&[(Some(at(2, 1)), new), (Some(at(1, 5)), old)], new, true),
        (&[(Some(at(2, 1)), new), (Some(at(1, 5)), old), (Some(at(2, 1)), new)], new, false),
        (&[(Some(at(2, 1)), new), (Some(at(1, 5)), old), (Some(at(3, 1)), old)], old, false),
        (&[(Some(at(2, 1)), new), (None, old)], new, true),
        (&[(Some(at(2, 1)), new), (Some(at(1, 9)), &[])], new, true),
        (&[(Some(at(2, 1)), &[]), (Some(at(1, 9)), old)], &[], true),
        (&[(None, old)], &[], true),
        (&[(Some(at(9, 0)), old)], &[], true),
    ];
    for (left, holds, is_stale) in cases {
        let mut publisher = Publisher::new(1000);
        left.iter().for_each(|(stamp, entries)| publisher.restore(LIST, *stamp, shown(entries)));
        publisher.claim(10);
        assert_eq!(publisher.is_stale(LIST), *is_stale, "{left:?}");
        let same = list(holds, holds.len());
        let news = publisher.offer(LIST, &same, Shelved::default(), false);
        let expected = match (is_stale, holds.is_empty()) {
            (true, true) => News::Tombstone(at(10, 1)),
            (true, false) => News::List(at(10, 1)),
            (false, _) => News::Suppressed,
        };
        assert_eq!(news, expected, "{left:?}");
        assert!(!publisher.is_stale(LIST), "published over");
    }
}

#[test]
fn what_lands_over_the_newest_is_stale_unless_a_newer_one_is_still_to_land() {
    let mut publisher = Publisher::new(1000);
    publisher.claim(7);
    let first = publisher.offer(LIST, &list(&[(1, 100)], 1), Shelved::default(), false);
    assert_eq!(first, News::List(at(7, 1)));
    assert!(!publisher.landed(LIST, Some(at(3, 99))), "ours comes behind it");
    assert!(!publisher.landed(LIST, Some(at(7, 1))), "here it is");
    assert!(publisher.landed(LIST, Some(at(3, 100))), "late: now the old one stands last");
    assert_eq!(
        publisher.offer(LIST, &list(&[(1, 100)], 1), Shelved::default(), false),
        News::List(at(7, 2)),
        "no news, but published"
    );
    assert!(!publisher.landed(LIST, Some(at(3, 101))), "2 is to land");
    assert_eq!(publisher.offer(ListNumber(4), &list(&[(1, 100)], 1), Shelved::default(), false), News::List(at(7, 3)));
    assert!(!publisher.landed(LIST, Some(at(7, 2))));
    assert!(publisher.landed(LIST, None), "somebody without a stamp");
    assert!(!publisher.landed(LIST, Some(at(7, 2))), "sent twice: it stands last again");
    assert!(!publisher.landed(ListNumber(4), Some(at(7, 3))));
    assert!(publisher.landed(ListNumber(9), Some(at(3, 102))), "a key that this owner never had");
    assert_eq!(publisher.offer(ListNumber(9), &list(&[], 0), Shelved::default(), false), News::Tombstone(at(7, 4)));
    assert!(!publisher.landed(ListNumber(9), Some(at(7, 4))));
}

#[test]
fn an_older_one_of_ours_on_its_way_changes_nothing() {
    let mut publisher = Publisher::new(0);
    publisher.claim(7);
    publisher.offer(LIST, &list(&[(1, 100)], 1), Shelved::default(), false);
    publisher.offer(LIST, &list(&[(1, 200)], 1), Shelved::default(), false);
    assert!(!publisher.landed(LIST, Some(at(7, 1))));
    assert!(!publisher.landed(LIST, Some(at(7, 2))));
    assert!(!publisher.is_stale(LIST));
}

#[test]
fn bytes_are_those_of_what_is_held() {
    let mut publisher = Publisher::new(0);
    publisher.offer(LIST, &list(&[(1, 1), (2, 2)], 2), Shelved::default(), false);
    let two = publisher.bytes();
    publisher.offer(LIST, &list(&[(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)], 5), Shelved::default(), false);
    assert!(publisher.bytes() > two);
    publisher.offer(LIST, &list(&[], 0), Shelved::default(), false);
    assert_eq!(publisher.shown_bytes, 0);
}
