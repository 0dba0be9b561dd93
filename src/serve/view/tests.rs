//! What the view holds is what went out, whoever published it and whatever comes late.

use super::*;
use crate::facts::Shelf;
use crate::items::{Items, fingerprint};
use crate::list_key::ListKey;
use crate::rank::{Entry, Figures, List, score_milli};
use proptest::prelude::*;

/// A list about `item` that shows `others`, as a stage publishes it.
fn list(items: &mut Items, item: &str, others: &[(&str, f64, u32)], shown: usize) -> List {
    let shop = items.shop("main");
    let about = About::Item(items.item(shop, item));
    let mut list = List::empty(ListKey { shop, list: ListName::ALL[1], about });
    (list.as_of, list.shown) = (EventTime(77), shown);
    for &(other, pair, support) in others {
        let figures = Figures::new(pair, 1_234.567_891, 99.9, 1e7 / 3.0);
        let (score_milli, llr_root) = (score_milli(figures.score()), figures.llr_root());
        let (item, last_seen) = (items.item(shop, other), Day(19_844));
        list.entries.push(Entry {
            item,
            score_milli,
            rank_milli: 1,
            support,
            figures,
            llr_root,
            last_seen,
            label: Label::default(),
        });
    }
    list
}

fn publication<'a>(list: &'a List, items: &'a Items, stamp: (u64, u64)) -> Publication<'a> {
    let stamp = Stamp { epoch: stamp.0, sequence: stamp.1 };
    Publication { partition: Partition(0), list, shelves: &[], items, stamp, since_ms: None, waited_ms: None }
}

/// What stands beside entries: each kind of what can be told.
fn shelves(count: usize) -> Vec<Shelf> {
    let currency = |name: &str| Some(name.into());
    let kinds = [
        Shelf { price: Some(12.9), currency: currency("EUR"), stock: Some(Stock::In) },
        Shelf::default(),
        Shelf { price: None, currency: None, stock: Some(Stock::Low) },
        Shelf { price: Some(0.1), currency: None, stock: None },
        Shelf { price: Some(1e9), currency: currency("\"é\""), stock: Some(Stock::Out) },
    ];
    kinds.into_iter().cycle().take(count).collect()
}

fn json(publication: &Publication<'_>) -> Vec<u8> {
    let mut json = Vec::new();
    publication.write_json(&mut json);
    json
}

proptest! {
    #[test]
    fn what_is_rendered_is_what_went_out_also_after_a_restart(
        others in prop::collection::vec((r#"[a-z"é\\]{1,9}"#, 1e-9..1e3_f64, any::<u32>()), 1..16),
        shown in 1..16_usize,
        tells: bool,
    ) {
        let mut items = Items::default();
        (0..7).for_each(|n| { let shop = items.shop("other"); items.item(shop, &format!("x{n}")); });
        let others: Vec<(&str, f64, u32)> = others.iter().map(|(name, pair, n)| (name.as_str(), *pair, *n)).collect();
        let list = list(&mut items, "a/b", &others, shown.min(others.len()));
        let shelves = if tells { shelves(others.len()) } else { Vec::new() };
        let publication = Publication { shelves: &shelves, ..publication(&list, &items, (3, 9)) };
        let sent = json(&publication);
        let view = Arc::new(ListView::default());
        ViewWriter::new(Arc::clone(&view)).publish(&publication, EventTime(5));
        let served = view.get("main", "also-bought", "a/b").unwrap();
        prop_assert_eq!(String::from_utf8_lossy(&served.record), String::from_utf8_lossy(&sent));
        prop_assert_eq!(served.at, EventTime(5));
        prop_assert_eq!(sent.windows(8).any(|text| text == b"\"price\":"), tells);
        let restarted = ListView::default();
        restarted.restore(&serde_json::from_slice(&sent).unwrap(), EventTime(6));
        prop_assert_eq!(&restarted.get("main", "also-bought", "a/b").unwrap().record[..], &sent[..]);
    }
}

/// Also where a worker ends in the middle: what took its place reads for itself.
#[test]
fn the_view_is_loading_while_anybody_has_older_lists_to_read() {
    let view = Arc::<ListView>::default();
    let (first, second) = (view.load(), view.load());
    drop(first);
    assert!(view.is_loading());
    drop(second);
    assert!(!view.is_loading());
}

#[test]
fn a_tombstone_that_is_read_back_withdraws_the_list_before_it_and_no_older_one_comes_back() {
    let mut items = Items::default();
    let shows = list(&mut items, "a", &[("b", 9.0, 3)], 1);
    let [first, second] = [1, 2].map(|sequence| json(&publication(&shows, &items, (3, sequence))));
    let first: ListRecord<'_> = serde_json::from_slice(&first).unwrap();
    let second: ListRecord<'_> = serde_json::from_slice(&second).unwrap();
    let withdrawn = ListRecord { tombstone: true, entries: Vec::new(), ..second };
    let view = ListView::default();
    view.restore(&first, EventTime(1));
    assert_eq!(view.len(), 1);
    view.restore(&withdrawn, EventTime(2));
    assert!(view.is_empty() && view.get("main", "also-bought", "a").is_none());
    view.restore(&first, EventTime(1));
    assert!(view.is_empty(), "an older one");
}

#[test]
fn an_older_record_never_replaces_a_newer_one_nor_a_tombstone() {
    let mut items = Items::default();
    let old = list(&mut items, "a", &[("b", 3.0, 3)], 1);
    let new = list(&mut items, "a", &[("c", 3.0, 3)], 1);
    let gone = list(&mut items, "a", &[], 0);
    let view = Arc::new(ListView::default());
    let mut writer = ViewWriter::new(Arc::clone(&view));
    let mut put = |list: &List, stamp| {
        writer.publish(&publication(list, &items, stamp), EventTime(1));
        view.get("main", "also-bought", "a").map(|published| published.record.to_vec())
    };
    assert_eq!(put(&new, (2, 1)), Some(json(&publication(&new, &items, (2, 1)))));
    assert_eq!(put(&old, (1, 99)), Some(json(&publication(&new, &items, (2, 1)))), "late");
    assert_eq!(put(&old, (2, 2)), Some(json(&publication(&old, &items, (2, 2)))));
    assert_eq!(put(&gone, (3, 1)), None);
    assert_eq!(put(&new, (2, 3)), None, "late, behind the tombstone");
    assert_eq!((view.len(), view.is_empty()), (0, true));
    assert_eq!(put(&new, (3, 2)), Some(json(&publication(&new, &items, (3, 2)))));
    assert_eq!(view.len(), 1);
    assert_eq!(view.get("main", "also-bought", "b"), None, "an item, but no list");
    assert_eq!(view.get("main", "best-sellers", "a"), None);
}

#[test]
fn what_another_instance_owns_now_is_served_no_more() {
    let mut items = Items::default();
    let view = Arc::new(ListView::default());
    let mut writer = ViewWriter::new(Arc::clone(&view));
    for item in 0..50 {
        let list = list(&mut items, &format!("a/{item}"), &[("b", 3.0, 3)], 1);
        writer.publish(&publication(&list, &items, (0, 1)), EventTime(1));
    }
    let (all, gone) = (view.bytes(), spread(fingerprint("main", "a/7"), 3));
    view.remove_partition(gone, 3);
    assert_eq!(view.get("main", "also-bought", "a/7"), None);
    for item in 0..50 {
        let item = format!("a/{item}");
        let is_there = view.get("main", "also-bought", &item).is_some();
        assert_eq!(is_there, spread(fingerprint("main", &item), 3) != gone, "{item}");
    }
    assert!(view.len() > 10 && view.len() < 50 && view.bytes() < all);
    (0..3).for_each(|partition| view.remove_partition(Partition(partition), 3));
    assert_eq!((view.len(), view.packed_bytes.load(Ordering::Relaxed)), (0, 0));
}

#[test]
fn a_list_of_fifteen_is_held_in_about_450_bytes_and_with_prices_in_about_700() {
    let each = |shelves: &[Shelf]| {
        let mut items = Items::default();
        let names: Vec<String> = (0..15).map(|n| format!("b{n}")).collect();
        let others: Vec<(&str, f64, u32)> = names.iter().map(|name| (name.as_str(), 3.0, 300)).collect();
        let view = Arc::new(ListView::default());
        let mut writer = ViewWriter::new(Arc::clone(&view));
        for item in 0..1_000 {
            let list = list(&mut items, &format!("a{item}"), &others, 10);
            writer.publish(&Publication { shelves, ..publication(&list, &items, (0, 1)) }, EventTime(1));
        }
        (view.bytes() - view.names.bytes() as u64) / 1_000
    };
    let priced = Shelf { price: Some(12.9), currency: Some("EUR".into()), stock: Some(Stock::In) };
    let sizes =
        [each(&[]), each(&[const { Shelf { price: None, currency: None, stock: None } }; 15]), each(&vec![priced; 15])];
    assert!((380..460).contains(&sizes[0]) && sizes[1] == sizes[0], "{sizes:?}");
    assert!((650..760).contains(&sizes[2]), "{sizes:?}");
}
