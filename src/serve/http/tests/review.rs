//! The queue of what a person should look at, over sockets.

use super::*;

/// What a worker of partition 0 knows: 250 entries of the shop `main`.
pub(super) fn known(shop: &str, count: usize) -> ToReview {
    let total = if shop == "main" { 250 } else { 0 };
    let entry = |n: usize| ReviewEntry {
        shop: shop.to_owned(),
        list: "bought-together".to_owned(),
        anchor: format!("a{n:03}"),
        other: "b".to_owned(),
        anchor_name: None,
        other_name: Some("a <b>".to_owned()),
        place: 1,
        need: 6,
        shown: 4.0,
        reasons: Vec::new(),
        support: 3,
        weight: 3.0,
        anchor_weight: 9.0,
        score: 10.0,
        last_seen: "2026-01-01".to_owned(),
    };
    ToReview {
        partitions: vec![0],
        without_queue: if shop == "late" { vec![0] } else { Vec::new() },
        is_met: shop != "typo",
        total,
        entries: (0..total.min(count)).map(entry).collect(),
        ..ToReview::default()
    }
}

#[test]
fn pages_are_of_one_queue_and_bounded() {
    let shop = Shop::open(
        9,
        Limits::default(),
        vec![knows, |query| match query {
            Query::Review { reply, .. } => {
                reply.send(ToReview { partitions: vec![7], waiting: vec![7], ..ToReview::default() })
            }
            other => panic!("{other:?}"),
        }],
    );
    let page = |query: &str| {
        let answer = shop.get(&format!("/v1/review{query}"));
        assert_eq!((answer.status, answer.headers["cache-control"].as_str()), (200, "no-store"), "{}", answer.body);
        let json = answer.json();
        let anchors =
            json["entries"].as_array().unwrap().iter().map(|entry| entry["anchor"].as_str().unwrap().to_owned());
        (anchors.collect::<Vec<_>>(), json)
    };
    let (first, json) = page("");
    assert_eq!((first.len(), first[0].as_str(), first[49].as_str()), (50, "a000", "a049"));
    assert_eq!((json["total"].as_u64(), json["of"].as_u64()), (Some(250), Some(9)));
    assert_eq!((json["partitions"].to_string(), json["waiting"].to_string()), ("[0,7]".to_owned(), "[7]".to_owned()));
    assert_eq!(json["entries"][0]["other_name"], "a <b>");
    assert!(json["entries"][0].get("anchor_name").is_none());
    assert_eq!(page("?from=200&limit=100").0.len(), 50);
    assert_eq!(page("?from=10&limit=3").0, ["a010", "a011", "a012"]);
    assert_eq!(page("?from=999&limit=1").0.len() + page("?shop=other").0.len(), 0);
    for query in
        ["?limit=0", "?limit=101", "?from=951", "?from=18446744073709551615", "?from=-1", "?limit=1&limit=2", "?x=1"]
    {
        shop.get(&format!("/v1/review{query}")).is_error(400, "bad_query");
    }
}

#[test]
fn a_shop_without_a_queue_is_told_from_one_with_nothing_to_review_and_from_none() {
    let shop = Shop::open(1, Limits::default(), vec![knows]);
    let queue = |name: &str| {
        let json = shop.get(&format!("/v1/review?shop={name}")).json();
        (json["queue"].to_string(), json["without_queue"].to_string(), json["shops_max"].to_string())
    };
    let expected = |queue: &str, without: &str| (format!("{queue:?}"), without.to_owned(), "64".to_owned());
    assert_eq!((queue("other"), queue("late")), (expected("kept", "[]"), expected("none", "[0]")));
    shop.get("/v1/review?shop=typo").is_error(404, "no_such_shop");
    // Who has not looked at everything cannot say so.
    let waiting: Vec<fn(Query)> = vec![|query| match query {
        Query::Review { reply, .. } => {
            reply.send(ToReview { partitions: vec![0], waiting: vec![0], ..ToReview::default() })
        }
        other => panic!("{other:?}"),
    }];
    assert_eq!(Shop::open(1, Limits::default(), waiting).get("/v1/review?shop=typo").status, 200);
}

#[test]
fn a_worker_that_does_not_answer_leaves_no_page() {
    let shop = Shop::open(1, Limits::default(), vec![knows, drop]);
    shop.get("/v1/review").is_error(503, "stopped");
}
