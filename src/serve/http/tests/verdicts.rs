//! Verdicts: who may, what is told apart, and what waits.

use super::*;
use crate::facts::{Facts, Ruling, Verdict, VerdictKey};
use crate::serve::verdicts::{
    VERDICT_BYTES_MAX, VERDICTS_WAITING_MAX, VerdictFault, VerdictJob, VerdictPlace, VerdictSaid, WrittenVerdict,
    verdict_queue,
};

const TOKEN: &str = "0123456789abcdef";
const PUT: &str = r#"{"list":"*","anchor":"a","other":"b","ruling":"reject"}"#;

fn shop(limits: Limits) -> (Shop, Arc<VerdictDesk>) {
    let health = Arc::new(Health::new(1, HEARTBEAT_AGE_MAX));
    let (view, desk) = (Arc::default(), VerdictDesk::new(TOKEN).unwrap());
    let mut state = state(Arc::clone(&view), Arc::clone(&health), queries(0).0, limits);
    state.verdicts = Some(Arc::clone(&desk));
    let server = Server::start(LISTEN_TEST, state).unwrap();
    (Shop { server: Some(server), view, health, workers: Vec::new() }, desk)
}

fn open(desk: &VerdictDesk) -> (Arc<Facts>, Receiver<VerdictJob>) {
    let (facts, (jobs, queue)) = (Arc::new(Facts::new(1 << 20)), verdict_queue());
    facts.complete();
    desk.open(VerdictPlace { facts: Some(Arc::clone(&facts)), writer: Ok(jobs) });
    (facts, queue)
}

/// Sends with the header `authorization` as it is given.
fn send(shop: &Shop, method: &str, query: &str, authorization: &str, body: &str) -> Answer {
    shop.send(&format!(
        "{method} /v1/verdicts{query} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{authorization}content-length: {}\r\n\r\n{body}",
        body.len()
    ))
}

fn known(shop: &Shop, method: &str, query: &str, body: &str) -> Answer {
    send(shop, method, query, &format!("authorization: Bearer {TOKEN}\r\n"), body)
}

#[test]
fn nobody_reads_or_writes_verdicts_without_the_token() {
    let without = Shop::simple();
    for (method, body) in [("GET", ""), ("PUT", PUT), ("DELETE", "")] {
        known(&without, method, "", body).is_error(403, "verdicts_off");
    }
    let (shop, desk) = shop(Limits::default());
    let (_facts, queue) = open(&desk);
    let close = [&TOKEN[1..], &TOKEN[..15], &format!("{TOKEN}0"), "1123456789abcdef", "0123456789abcdeF", ""];
    let close = close.map(|token| format!("authorization: Bearer {token}\r\n"));
    let others = ["".to_owned(), format!("authorization: Basic {TOKEN}\r\n"), format!("authorization: {TOKEN}\r\n")];
    for authorization in close.iter().chain(&others) {
        for (method, query, body) in
            [("GET", "?anchor=a", ""), ("PUT", "", PUT), ("DELETE", "?list=*&anchor=a&other=b", "")]
        {
            let answer = send(&shop, method, query, authorization, body);
            let said = answer.is_error(401, "unauthorized");
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
            assert!(!said["message"].as_str().unwrap().contains(TOKEN));
        }
    }
    assert!(queue.try_recv().is_err(), "nothing has been asked to be written");
    let lower = format!("Authorization: bearer {TOKEN}\r\n");
    assert_eq!(send(&shop, "GET", "?anchor=a", &lower, "").status, 200);
}

#[test]
fn a_verdict_is_answered_when_it_is_written() {
    let (shop, desk) = shop(Limits::default());
    known(&shop, "PUT", "", PUT).is_error(503, "not_ready");
    let (_facts, queue) = open(&desk);
    let writer = thread::spawn(move || {
        let ids = ["main", "*", "a", "b"].map(str::to_owned);
        let mut answers = vec![
            Ok(WrittenVerdict { ids: ids.clone(), partition: 0, offset: 7 }),
            Ok(WrittenVerdict { ids, partition: 0, offset: 8 }),
            Err(VerdictFault::Bad { reason: "bad_number", message: "factor: 9 is too much".to_owned() }),
            Err(VerdictFault::Full("facts take more than facts.memory allows".to_owned())),
            Err(VerdictFault::NotWritten("broker away".to_owned())),
            Err(VerdictFault::Stopped),
        ]
        .into_iter();
        let mut said = Vec::new();
        for answer in answers.by_ref() {
            let VerdictJob { said: asked, reply } = queue.recv().unwrap();
            said.push(asked);
            reply.send(answer).unwrap();
        }
        said
    });
    let written = known(&shop, "PUT", "", PUT);
    assert_eq!(written.status, 200, "{}", written.body);
    assert_eq!(written.body, r#"{"anchor":"a","list":"*","offset":7,"other":"b","partition":0,"shop":"main"}"#);
    assert_eq!(known(&shop, "DELETE", "?list=*&anchor=a%2F1&other=b+c", "").json()["offset"], 8);
    let bad = known(&shop, "PUT", "", PUT).is_error(400, "bad_verdict");
    assert_eq!(bad["reason"], "bad_number");
    let full = known(&shop, "PUT", "", PUT).is_error(507, "no_room");
    assert!(full["message"].as_str().unwrap().starts_with("not written: "), "{full}");
    let away = known(&shop, "PUT", "", PUT);
    away.is_error(503, "not_written");
    assert!(away.headers.contains_key("retry-after"));
    known(&shop, "PUT", "", PUT).is_error(503, "stopped");
    let said = writer.join().unwrap();
    assert_eq!(said[0], VerdictSaid::Put(PUT.into()));
    assert_eq!(said[1], VerdictSaid::TakeBack(["main", "*", "a/1", "b c"].map(str::to_owned)));
    known(&shop, "PUT", "", PUT).is_error(503, "stopped");
}

#[test]
fn what_is_too_much_or_too_slow_is_told_apart_and_reaches_no_writer() {
    let limits = Limits { head: Duration::from_millis(300), answer: Duration::from_millis(300), ..Limits::default() };
    let (shop, desk) = shop(limits);
    let (_facts, queue) = open(&desk);
    let long = "x".repeat(VERDICT_BYTES_MAX + 1);
    known(&shop, "PUT", "", &long).is_error(413, "body_too_large");
    let slow = format!(
        "PUT /v1/verdicts HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: 9\r\n\r\n{{"
    );
    shop.send(&slow).is_error(408, "body_too_slow");
    for query in ["", "?list=*&anchor=a", "?list=*&anchor=a&other=b&other=c", "?list=*&anchor=a&other=b&x=1"] {
        known(&shop, "DELETE", query, "").is_error(400, "bad_query");
    }
    for query in ["", "?anchor=*", "?shop=main", "?list=*&anchor=a"] {
        known(&shop, "GET", query, "").is_error(400, "bad_query");
    }
    known(&shop, "DELETE", "?list=*&anchor=a&other=b", "x").is_error(413, "body_not_allowed");
    let post = known(&shop, "POST", "", "");
    post.is_error(405, "method_not_allowed");
    assert_eq!(post.headers["allow"], "GET, HEAD, PUT, DELETE");
    assert!(queue.try_recv().is_err());
    // Nobody writes: the queue fills up, and who waits gives up.
    for _ in 0..VERDICTS_WAITING_MAX {
        known(&shop, "DELETE", "?list=*&anchor=a&other=b", "").is_error(503, "not_written");
    }
    known(&shop, "PUT", "", PUT).is_error(503, "busy");
    assert!(queue.try_iter().all(|job| job.reply.is_closed()));
}

#[test]
fn what_is_known_can_be_put_again_and_a_shop_without_a_topic_is_told_what_to_set() {
    let (shop, desk) = shop(Limits::default());
    let (facts, _queue) = open(&desk);
    let verdict = |ruling, until_ms| Verdict {
        list: None,
        other: "".into(),
        fingerprint: 0,
        ruling,
        who: "ann".into(),
        when_ms: 5,
        why: "".into(),
        until_ms,
    };
    let key = |anchor, other| VerdictKey { list: None, anchor, other };
    facts.set_verdict("main", key(Some("a"), "b"), Some(verdict(Ruling::Pin(3), Some(9)))).unwrap();
    facts.set_verdict("main", key(Some("a"), "c"), Some(verdict(Ruling::Boost(1.5), None))).unwrap();
    facts.set_verdict("main", key(None, "b"), Some(verdict(Ruling::Reject, None))).unwrap();
    facts.set_verdict("be", key(Some("a"), "b"), Some(verdict(Ruling::Approve, None))).unwrap();
    let pin = r#"{"anchor":"a","list":"*","other":"b","position":3,"ruling":"pin","shop":"main","until":9,"when":5,"who":"ann"}"#;
    let boost =
        r#"{"anchor":"a","factor":1.5,"list":"*","other":"c","ruling":"boost","shop":"main","when":5,"who":"ann"}"#;
    let reject = r#"{"anchor":"*","list":"*","other":"b","ruling":"reject","shop":"main","when":5,"who":"ann"}"#;
    let approve = r#"{"anchor":"a","list":"*","other":"b","ruling":"approve","shop":"be","when":5,"who":"ann"}"#;
    for (query, expected) in [
        ("?anchor=a", vec![pin, boost]),
        ("?anchor=a&other=b", vec![pin, reject]),
        ("?other=b", vec![reject]),
        ("?anchor=*&other=b", vec![reject]),
        ("?shop=be&anchor=a", vec![approve]),
        ("?anchor=z&other=z", vec![]),
    ] {
        let answer = known(&shop, "GET", query, "");
        assert_eq!(
            (answer.status, answer.body),
            (200, format!(r#"{{"verdicts":[{}]}}"#, expected.join(","))),
            "{query}"
        );
    }
    let (shop, desk) = self::shop(Limits::default());
    desk.open(VerdictPlace { facts: None, writer: Err("set facts.verdicts.topic".to_owned()) });
    for (method, query, body) in [("PUT", "", PUT), ("GET", "?anchor=a", "")] {
        let said = known(&shop, method, query, body).is_error(409, "no_verdicts_topic");
        assert_eq!(said["message"], "set facts.verdicts.topic");
    }
}
