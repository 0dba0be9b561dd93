//! Pages of several workers.

use super::*;

fn entry(need: u8, shown: f64, anchor: &str) -> ReviewEntry {
    ReviewEntry {
        shop: "main".to_owned(),
        list: "bought-together".to_owned(),
        anchor: anchor.to_owned(),
        other: "b".to_owned(),
        anchor_name: None,
        other_name: None,
        place: 1,
        need,
        shown,
        reasons: Vec::new(),
        support: 3,
        weight: 3.0,
        anchor_weight: 9.0,
        score: 10.0,
        last_seen: "2026-01-01".to_owned(),
    }
}

#[test]
fn what_workers_say_is_in_one_order_whoever_answers_first() {
    let of = |partition, total, entries: &[ReviewEntry]| ToReview {
        partitions: vec![partition],
        waiting: if partition == 2 { vec![2] } else { Vec::new() },
        without_queue: if partition == 1 { vec![1] } else { Vec::new() },
        is_met: partition == 0,
        total,
        entries: entries.to_vec(),
    };
    let answers = [
        of(2, 1, &[entry(6, 5.0, "d")]),
        of(0, 30, &[entry(6, 7.0, "a"), entry(3, 900.0, "b")]),
        of(1, 2, &[entry(6, 5.0, "c"), entry(1, 1.0, "e")]),
    ];
    let joined = |order: [usize; 3], count| {
        let mut all = ToReview::default();
        order.iter().for_each(|&answer| all.join(answers[answer].clone(), count));
        all
    };
    let all = joined([0, 1, 2], 4);
    let anchors: Vec<&str> = all.entries.iter().map(|entry| entry.anchor.as_str()).collect();
    assert_eq!(anchors, ["a", "c", "d", "b"], "need, then how often it is shown, then by name");
    assert_eq!((all.total, all.partitions.as_slice(), all.waiting.as_slice()), (33, &[0, 1, 2][..], &[2][..]));
    assert_eq!((all.without_queue.as_slice(), all.queue(), all.is_met), (&[1][..], "partial", true));
    assert_eq!(joined([2, 1, 0], 4), all);
    assert_eq!(joined([1, 0, 2], 2).entries, all.entries[..2], "a shorter page is the beginning of a longer one");
}
