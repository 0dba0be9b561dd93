//! Over real sockets on loopback, with worker threads that answer as told.

use super::*;
use crate::event::EventTime;
use crate::list_key::ListName;
use crate::position::{Partition, SourcePartition};
use crate::publish::parse_key;
use crate::serve::counts::{CountsFrom, CountsPortion, Moved, NextCounts, Rest};
use crate::serve::query::{Query, Reply, RowAnswer, queries};
use crate::serve::review::{ReviewEntry, ToReview};
use crate::watch::health::{HEARTBEAT_AGE_MAX, PartitionState, StageName};
use crate::watch::metrics::check_text_format;
use crate::watch::waits::{Outside, TopicStanding};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::mpsc::Receiver;
use std::time::Instant;

mod clicks;
mod counts;
mod hostile;
mod recommendations;
mod review;
mod verdicts;

const PATIENCE: Duration = Duration::from_secs(20);
const LISTEN_TEST: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A server with its workers. The workers end when the server and its state are gone.
struct Shop {
    server: Option<Server>,
    view: Arc<ListView>,
    health: Arc<Health>,
    workers: Vec<JoinHandle<()>>,
}

impl Shop {
    /// Each worker answers every query with its function.
    fn open(partitions: u32, limits: Limits, workers: Vec<fn(Query)>) -> Self {
        let (queries, receivers) = queries(workers.len());
        let workers = receivers
            .into_iter()
            .zip(workers)
            .map(|(receiver, answer)| thread::spawn(move || receiver.iter().for_each(answer)));
        Self::with_queries(partitions, limits, queries, workers.collect())
    }

    fn with_queries(partitions: u32, limits: Limits, queries: Queries, workers: Vec<JoinHandle<()>>) -> Self {
        Self::with_health(limits, Arc::new(Health::new(partitions, HEARTBEAT_AGE_MAX)), queries, workers)
    }

    fn with_health(limits: Limits, health: Arc<Health>, queries: Queries, workers: Vec<JoinHandle<()>>) -> Self {
        let view = Arc::default();
        let state = state(Arc::clone(&view), Arc::clone(&health), queries, limits);
        let server = Server::start(LISTEN_TEST, state).unwrap();
        Self { server: Some(server), view, health, workers }
    }

    /// One worker that knows the item `known`, one partition, live.
    fn simple() -> Self {
        let shop = Self::open(1, Limits::default(), vec![knows]);
        shop.health.set(StageName::Rows, Partition(0), PartitionState::Live);
        shop
    }

    fn address(&self) -> SocketAddr {
        self.server.as_ref().unwrap().address()
    }

    fn get(&self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"))
    }

    /// Sends a request as it is, so that no client tidies the path.
    fn send(&self, request: &str) -> Answer {
        let mut stream = connect(self.address());
        // A refused request may be answered and closed before all of it is sent.
        let _refused_early = stream.write_all(request.as_bytes());
        let mut bytes = Vec::new();
        if let Err(error) = stream.read_to_end(&mut bytes) {
            assert!(error.kind() == ErrorKind::ConnectionReset && !bytes.is_empty(), "{error}");
        }
        Answer::parse(&bytes)
    }

    /// A counts request by an ordinary client, which knows chunked bodies.
    fn counts(&self, query: &str) -> (u16, Result<String, ureq::Error>) {
        let agent = ureq::Agent::new_with_config(ureq::config::Config::builder().http_status_as_error(false).build());
        let mut response = agent.get(format!("http://{}/v1/counts{query}", self.address())).call().unwrap();
        let status = response.status().as_u16();
        (status, response.body_mut().with_config().limit(1 << 30).read_to_string())
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        drop(self.server.take());
        for worker in self.workers.drain(..) {
            assert!(worker.join().is_ok() || thread::panicking());
        }
    }
}

struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| line.split_once(": ").unwrap()).map(|(name, value)| (name.into(), value.into()));
        Self { status, headers: headers.collect(), body: body.to_owned() }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    #[track_caller]
    fn is_error(&self, status: u16, code: &str) -> Value {
        let json = self.json();
        assert_eq!((self.status, json["error"].as_str()), (status, Some(code)), "{}", self.body);
        assert!(json["message"].as_str().unwrap().len() > 15, "{}", self.body);
        json
    }
}

fn state(view: Arc<ListView>, health: Arc<Health>, queries: Queries, limits: Limits) -> State {
    let metrics = Arc::new(Metrics::new().unwrap());
    let lists = vec![ListName::ALL[0], ListName::ALL[2], ListName::BEST_SELLERS];
    let rules = ListName::ALL.into_iter().map(ListRules::of_list).collect();
    let recommending = Arc::new(Recommending { rules, ..Recommending::default() });
    State { view, health, queries, metrics, lists, recommending, verdicts: None, limits }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[track_caller]
fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        thread::yield_now();
    }
}

/// A worker's answer: it knows the item `known` and holds a count in each of two portions.
fn knows(query: Query) {
    match query {
        Query::Row { shop, list, item, reply } if item == "known" => {
            reply.send(RowAnswer::Found(format!(r#"{{"shop":"{shop}","list":"{}"}}"#, list.name())));
        }
        Query::Row { item, reply, .. } if item == "variant" => reply.send(RowAnswer::CountsAs("known".to_owned())),
        Query::Row { reply, .. } => reply.send(RowAnswer::NoSuchItem),
        Query::Review { shop, count, reply } => reply.send(review::known(&shop, count)),
        Query::Clicks { reply, .. } => reply.send(clicks::known(3)),
        Query::Counts { from: CountsFrom::Start { as_of }, reply } => {
            let as_of = as_of.map_or(0, |time| time.0);
            let text = format!("pair\tmain\tr\ta\tb\t1\t{as_of}\n");
            reply.send(Ok(CountsPortion { text: text.into(), rest: Rest::Next(NextCounts::numbered(1)) }));
        }
        Query::Counts { reply, .. } => {
            let rest = Rest::Tallies(BTreeMap::from([("accepted", 3)]));
            reply.send(Ok(CountsPortion { text: "pair\tmain\tr\ta\tc\t1\t1\n".into(), rest }));
        }
    }
}

/// It has no row of the item, and one count.
fn knows_nothing(query: Query) {
    match query {
        Query::Row { reply, .. } => reply.send(RowAnswer::NotHere),
        Query::Review { reply, .. } => reply.send(ToReview { partitions: vec![7], ..ToReview::default() }),
        Query::Clicks { reply, .. } => reply.send(clicks::known(5)),
        Query::Counts { reply, .. } => {
            let rest = Rest::Tallies(BTreeMap::from([("accepted", 4), ("late", 1)]));
            reply.send(Ok(CountsPortion { text: "pair\tmain\tr\tA\tb\t1\t1\n".into(), rest }));
        }
    }
}

/// Publishes a list under `key` and returns its body.
fn put(shop: &Shop, key: &str, sequence: u64, at: i64) -> String {
    let (shop_name, list, item) = parse_key(key).unwrap();
    let entry = r#"{"item":"b","score":24.832,"support":4,"weight":33.3,"anchor_weight":100.0,"other_weight":33.3,"contexts":1000000.0,"confidence":0.333,"lift":10000.0,"llr_root":25.0197,"source":"counted","last_seen":"2024-05-01"}"#;
    let item = serde_json::to_string(item).unwrap();
    let body = format!(
        r#"{{"shop":"{shop_name}","list":"{list}","item":{item},"entries":[{entry}],"reserve":[],"as_of":1,"epoch":1,"sequence":{sequence}}}"#
    );
    shop.view.restore(&serde_json::from_str(&body).unwrap(), EventTime(at));
    body
}

#[test]
fn every_route_answers() {
    let shop = Shop::simple();
    let body = put(&shop, "main/bought-together/sku-1", 2, 77);
    let list = shop.get("/v1/lists/main/bought-together/sku-1");
    assert_eq!((list.status, &*list.body), (200, &*body));
    let header = |name: &str| list.headers[name].clone();
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header("cache-control"), "no-cache");
    assert_eq!(header("samenloop-published-ms"), "77");
    let row = shop.get("/v1/rows/main/carted-together/known");
    assert_eq!((row.status, &*row.body), (200, r#"{"shop":"main","list":"carted-together"}"#));
    assert_eq!(shop.get("/livez").json()["live"], true);
    assert_eq!(shop.get("/readyz").json()["ready"], true);
    let (status, counts) = shop.counts("?as_of=1234");
    let expected = "pair\tmain\tr\ta\tb\t1\t1234\npair\tmain\tr\ta\tc\t1\t1\ntally\t*\taccepted\t*\t*\t3\t0\n";
    assert_eq!((status, &*counts.unwrap()), (200, expected));
    let head = shop.send("HEAD /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert_eq!((head.status, &*head.body), (200, ""));
}

#[test]
fn a_list_that_did_not_change_is_not_sent_again() {
    let shop = Shop::simple();
    put(&shop, "main/bought-together/a", 1, 1);
    let tag = shop.get("/v1/lists/main/bought-together/a").headers["etag"].clone();
    let ask_with = |held: &str| {
        let path = "/v1/lists/main/bought-together/a";
        shop.send(&format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nif-none-match: {held}\r\n\r\n"))
    };
    let ask = || ask_with(&tag);
    let same = ask();
    assert_eq!((same.status, &*same.body, &same.headers["etag"]), (304, "", &tag));
    let two_headers = format!("\"x\"\r\nif-none-match: {tag}");
    for held in ["*", &format!("W/{tag}"), &format!("W/\"x\", {tag}"), &format!("{tag},W/\"y\""), &two_headers] {
        assert_eq!(ask_with(held).status, 304, "{held}");
    }
    for held in ["W/\"x\", \"y\"", "", tag.trim_matches('"'), "\"*\""] {
        assert_eq!(ask_with(held).status, 200, "{held}");
    }
    let body = put(&shop, "main/bought-together/a", 2, 2);
    let changed = ask();
    assert_eq!((changed.status, &*changed.body), (200, &*body));
}

#[test]
fn an_item_may_have_any_name() {
    let shop = Shop::simple();
    let cases = [
        ("a/b", "a/b"),
        ("a%2Fb", "a/b"),
        ("/a", "/a"),
        ("a/", "a/"),
        ("a//b", "a//b"),
        (".", "."),
        ("..", ".."),
        ("a/../b", "a/../b"),
        ("%2e%2E/x", "../x"),
        ("sku%20one", "sku one"),
        ("a+b", "a+b"),
        ("a%2Bb", "a+b"),
        ("100%25", "100%"),
        ("caf%C3%A9-%E4%BB%B6", "caf\u{e9}-\u{4ef6}"),
        ("%3Fq%23f%26", "?q#f&"),
        ("%22%5C%00%0A", "\"\\\0\n"),
        ("*", "*"),
        ("a;b:c@d,e", "a;b:c@d,e"),
    ];
    for (path, item) in cases {
        let body = put(&shop, &format!("main/viewed-together/{item}"), 1, 1);
        let answer = shop.get(&format!("/v1/lists/main/viewed-together/{path}"));
        assert_eq!((answer.status, &*answer.body), (200, &*body), "{path}");
        shop.get(&format!("/v1/rows/main/viewed-together/{path}")).is_error(404, "no_such_item");
    }
}

#[test]
fn what_is_not_there_is_told_apart() {
    let shop = Shop::simple();
    let unseen = shop.get("/v1/lists/main/bought-together/un%22seen").is_error(404, "no_such_item");
    assert!(unseen["message"].as_str().unwrap().contains(r#"un\"seen"#), "{unseen}");
    shop.get("/v1/rows/main/bought-together/unseen").is_error(404, "no_such_item");
    let variant = shop.get("/v1/rows/main/bought-together/variant").is_error(404, "no_such_item");
    assert_eq!(variant["message"], r#"item "variant" is a variant and counts as "known": ask for that one"#);
    let gated = shop.get("/v1/lists/main/bought-together/known").is_error(404, "no_list");
    assert_eq!(gated["row"], "/v1/rows/main/bought-together/known");
    let unknown = shop.get("/v1/lists/main/bought_together/known").is_error(404, "no_such_list");
    assert!(unknown["message"].as_str().unwrap().contains("bought-together, viewed-together"), "{unknown}");
    shop.get("/v1/lists/main/also-bought/known").is_error(404, "no_such_list");
    assert_eq!(shop.get("/v1/rows/main/also-bought/known").status, 200, "its list is off, its row is not");
    shop.get("/v1/rows/main/nonsense/known").is_error(404, "no_such_list");
    put(&shop, "main/bought-together/bought-together/x", 1, 1);
    shop.get("/v1/lists/main%2Fbought-together/bought-together/x").is_error(404, "no_such_item");
}

#[test]
fn the_row_that_a_missing_list_points_at_can_be_followed() {
    fn has_all(query: Query) {
        if let Query::Row { item, reply, .. } = query {
            reply.send(RowAnswer::Found(item));
        }
    }
    let shop = Shop::open(1, Limits::default(), vec![has_all]);
    shop.health.set(StageName::Rows, Partition(0), PartitionState::Live);
    for path in ["a/b", "..%2F.", "%C3%A9%20%25"] {
        let gated = shop.get(&format!("/v1/lists/main/bought-together/{path}")).is_error(404, "no_list");
        let direct = shop.get(&format!("/v1/rows/main/bought-together/{path}"));
        assert_eq!(shop.get(gated["row"].as_str().unwrap()).body, direct.body);
    }
}

#[test]
fn an_item_of_another_instance_is_not_unknown() {
    let shop = Shop::open(7, Limits::default(), vec![knows_nothing, knows]);
    let (mine, _) = shop.health.owner("main", "known");
    let gone = shop.get("/v1/lists/main/bought-together/known").is_error(421, "not_here");
    assert_eq!(gone["partition"], mine.0);
    shop.get("/v1/rows/main/bought-together/known").is_error(421, "not_here");
    shop.health.set(StageName::Rows, mine, PartitionState::Live);
    shop.get("/v1/lists/main/bought-together/known").is_error(404, "no_list");
    // Lists about a shop are where the shop is, whatever they are about.
    let (of_shop, _) = shop.health.owner("main", "");
    assert_ne!(of_shop, mine, "or it proves nothing");
    let about = ["*", "category:a%252Fb/c"];
    for path in about {
        shop.get(&format!("/v1/lists/main/best-sellers/{path}")).is_error(421, "not_here");
    }
    shop.health.set(StageName::Rows, of_shop, PartitionState::Live);
    for path in about {
        let none = shop.get(&format!("/v1/lists/main/best-sellers/{path}")).is_error(404, "no_list");
        assert_eq!(none.get("row"), None);
    }
    let body = put(&shop, "main/best-sellers/category:a%2Fb/c", 1, 1);
    assert_eq!(shop.get("/v1/lists/main/best-sellers/category:a%252Fb/c").body, body);
    shop.get("/v1/rows/main/best-sellers/*").is_error(404, "no_list"); // by the worker that owns the shop
    shop.get("/v1/rows/main/no-list/*").is_error(404, "no_such_list");
    let elsewhere = (0..).map(|n| n.to_string()).find(|item| shop.health.owner("main", item).0 != mine).unwrap();
    shop.get(&format!("/v1/lists/main/bought-together/{elsewhere}")).is_error(421, "not_here");
}

#[test]
fn a_worker_that_does_not_have_the_partition_after_all_says_not_here() {
    let shop = Shop::open(1, Limits::default(), vec![knows_nothing]);
    shop.health.set(StageName::Rows, Partition(0), PartitionState::Live);
    shop.get("/v1/rows/main/bought-together/x").is_error(421, "not_here");
}

#[test]
fn while_a_partition_replays_unknown_means_nothing() {
    let shop = Shop::open(1, Limits::default(), vec![knows]);
    for state in [PartitionState::Restoring, PartitionState::CatchingUp { records_left: 5, gaps: 0 }] {
        shop.health.set(StageName::Rows, Partition(0), state);
        let answer = shop.get("/v1/lists/main/bought-together/known");
        assert_eq!(answer.is_error(503, "not_ready")["partition"], 0);
        assert_eq!(answer.headers["retry-after"], "5");
        shop.get("/v1/rows/main/bought-together/unseen").is_error(503, "not_ready");
        assert_eq!(shop.get("/v1/rows/main/bought-together/known").status, 200, "what is there can be seen");
    }
    put(&shop, "main/bought-together/known", 1, 1);
    assert_eq!(shop.get("/v1/lists/main/bought-together/known").status, 200);
}

#[test]
fn readiness_follows_the_partitions() {
    let shop = Shop::open(2, Limits::default(), vec![knows]);
    shop.get("/readyz").is_error(503, "not_ready");
    shop.health.set(StageName::Windows, Partition(0), PartitionState::Live);
    shop.health.set(StageName::Rows, Partition(1), PartitionState::CatchingUp { records_left: 12, gaps: 0 });
    let waiting = shop.get("/readyz").is_error(503, "not_ready");
    let expected = serde_json::json!([{
        "stage": "rows", "partition": 1, "state": "catching_up", "records_left": 12,
    }]);
    assert_eq!(waiting["waiting"], expected);
    shop.health.set(StageName::Rows, Partition(1), PartitionState::Live);
    let ready = shop.get("/readyz");
    assert_eq!((ready.status, &ready.json()["partitions"]), (200, &Value::from(2)));
    shop.health.set(StageName::Rows, Partition(1), PartitionState::Draining);
    assert_eq!(shop.get("/readyz").status, 503);
}

#[test]
fn a_stage_that_has_read_all_and_lacks_something_says_so() {
    let shop = Shop::simple();
    let stand = |records_left, gaps| {
        shop.health.set(StageName::Rows, Partition(0), PartitionState::CatchingUp { records_left, gaps });
        let answer = shop.get("/readyz").is_error(503, "not_ready");
        (answer["waiting"][0]["gaps"].clone(), answer["message"].to_string().contains("rows-0 has read all there is"))
    };
    assert_eq!(stand(0, 2), (Value::from(2), true));
    assert_eq!(stand(7, 2), (Value::from(2), false), "it may still come");
    assert_eq!(stand(0, 0), (Value::Null, false));
}

#[test]
fn who_waits_for_something_outside_is_named_and_does_not_make_an_instance_unready() {
    let shop = Shop::simple();
    assert_eq!(shop.get("/readyz").json()["waits"], serde_json::json!([]));
    let brokers = shop.health.waits().worker("rows-0");
    let registry = shop.health.waits().source(&SourcePartition::new("club", 2));
    brokers.begin(Outside::Brokers);
    brokers.begin(Outside::Store);
    registry.begin("its schema registry");
    let ready = shop.get("/readyz");
    let mut waits = ready.json()["waits"].clone();
    for wait in waits.as_array_mut().unwrap() {
        assert!(wait.as_object_mut().unwrap().remove("seconds").unwrap().is_u64());
    }
    let expected = serde_json::json!([
        { "who": "rows-0", "for": "the brokers" },
        { "who": "rows-0", "for": "the snapshot store" },
        { "who": "club-2", "for": "its schema registry" },
    ]);
    assert_eq!((ready.status, waits), (200, expected));
    assert_eq!(shop.get("/livez").status, 200, "who waits is alive");
    shop.health.set(StageName::Rows, Partition(0), PartitionState::Restoring);
    let message = shop.get("/readyz").is_error(503, "not_ready")["message"].to_string();
    for part in ["1 of 1 partitions are not live", "rows-0 has been waiting for the brokers for", "club-2 has been"] {
        assert!(message.contains(part), "{part} not in {message}");
    }
}

#[test]
fn an_instance_is_not_ready_while_a_partition_of_a_source_has_no_reader() {
    let shop = Shop::simple();
    let topic =
        |unread: &[u32]| TopicStanding { partitions: 6, unread: unread.iter().copied().map(Partition).collect() };
    shop.health.waits().set_topic("shop", topic(&[4, 5]));
    let answer = shop.get("/readyz").is_error(503, "not_ready");
    assert_eq!(answer["unread"], serde_json::json!([{ "source": "shop", "partitions": [4, 5] }]));
    assert_eq!(answer["message"], "2 of 6 partitions of source shop have no reader yet");
    let metrics = shop.get("/metrics").body;
    for line in [
        "samenloop_ready 0",
        r#"samenloop_source_partitions{source="shop"} 6"#,
        r#"samenloop_source_partitions_unread{source="shop"} 2"#,
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} not in {metrics}");
    }
    shop.health.waits().set_topic("shop", topic(&[]));
    assert_eq!(shop.get("/readyz").status, 200);
}

#[test]
fn liveness_follows_the_heartbeats() {
    let health = Arc::new(Health::new(1, Duration::from_millis(300)));
    let shop = Shop::with_health(Limits::default(), Arc::clone(&health), queries(0).0, Vec::new());
    let heartbeat = health.heartbeat("rows-0");
    wait_for("a stale heartbeat", || shop.get("/livez").status == 503);
    let message = shop.get("/livez").is_error(503, "not_live")["message"].to_string();
    assert!(message.contains("rows-0") && message.contains("300 ms are allowed"), "{message}");
    wait_for("a fresh heartbeat", || {
        heartbeat.beat();
        shop.get("/livez").status == 200
    });
}

#[test]
fn metrics_are_valid_and_count_the_requests() {
    let shop = Shop::simple();
    put(&shop, "main/bought-together/a", 1, 1);
    shop.get("/v1/lists/main/bought-together/a");
    shop.get("/v1/lists/main/bought-together/b");
    shop.get("/secret/user-4711");
    let answer = shop.get("/metrics");
    assert_eq!(answer.headers["content-type"], "text/plain; version=0.0.4");
    check_text_format(&answer.body);
    for line in [
        r#"samenloop_http_requests_total{route="/v1/lists",status="200"} 1"#,
        r#"samenloop_http_requests_total{route="/v1/lists",status="404"} 1"#,
        r#"samenloop_http_requests_total{route="other",status="404"} 1"#,
        "samenloop_view_lists 1",
    ] {
        assert!(answer.body.lines().any(|found| found == line), "{line} not in {}", answer.body);
    }
    assert!(!answer.body.contains("4711"));
}

#[test]
fn an_address_that_is_taken_is_an_error() {
    let shop = Shop::simple();
    let state = state(Arc::default(), Arc::clone(&shop.health), queries(0).0, Limits::default());
    assert_eq!(Server::start(shop.address(), state).unwrap_err().kind(), ErrorKind::AddrInUse);
}

#[test]
fn the_docs_name_every_code_and_the_limits() {
    let docs = include_str!("../../../docs/http.md");
    let answers = include_str!("answer.rs");
    let status = |line: &str| line.split(", \"").nth(1).and_then(|rest| rest.split('"').next()).map(str::to_owned);
    let mut codes: Vec<String> =
        answers.lines().filter(|line| line.contains("(StatusCode::")).filter_map(status).collect();
    codes.push("not_live".to_owned());
    assert!(codes.len() > 15, "{codes:?}");
    for code in codes {
        assert!(docs.contains(&format!("| `{code}` |")), "{code} is not in docs/http.md");
    }
    let limits = Limits::default();
    let seconds = [limits.head, limits.silence, limits.answer, limits.counts].map(|limit| limit.as_secs());
    assert_eq!(seconds, [10, 60, 30, 1800]);
    assert_eq!((limits.connections, URI_BYTES_MAX, HEADER_BYTES_MAX), (256, 4096, 16 << 10));
    assert_eq!((REQUESTS_MAX, SCRAPES_MAX, COUNTS_MAX), (64, 4, 2));
    assert!(limits.connections > REQUESTS_MAX + SCRAPES_MAX + COUNTS_MAX, "some connection can always make room");
    assert_eq!((crate::rows::LINES_MAX, crate::serve::CANDIDATES_MAX), (4096, 1024));
    let listen: SocketAddr = crate::config::HttpSettings::default().listen.parse().unwrap();
    assert!(listen.ip().is_loopback() && docs.contains(&format!("answers on `{listen}`")));
    assert_eq!((HEARTBEAT_AGE_MAX.as_secs(), crate::serve::query::QUERIES_MAX), (60, 64));
    let verdicts = (crate::serve::verdicts::VERDICT_BYTES_MAX, crate::serve::verdicts::VERDICTS_WAITING_MAX);
    assert_eq!(verdicts, (16 << 10, 32));
}
