//! One list for several items, over sockets: of one instance, and of three that know each other.

use super::*;
use crate::facts::{Facts, Stock};
use crate::items::{fingerprint, spread};
use std::net::TcpListener;
use std::sync::OnceLock;

const PARTITIONS: u32 = 3;

/// An instance that has `partition`, and knows the others as `peers`.
fn instance(partition: u32, peers: Vec<String>, facts: Option<Arc<Facts>>) -> Shop {
    let (queries, receivers) = queries(1);
    let workers = receivers.into_iter().map(|receiver| thread::spawn(move || receiver.iter().for_each(knows)));
    let health = Arc::new(Health::new(PARTITIONS, HEARTBEAT_AGE_MAX));
    health.set(StageName::Rows, Partition(partition), PartitionState::Live);
    let view = Arc::default();
    let mut state = state(Arc::clone(&view), Arc::clone(&health), queries, Limits::default());
    let known = OnceLock::new();
    facts.into_iter().for_each(|facts| known.set(facts).unwrap());
    let rules = state.recommending.rules.clone();
    state.recommending = Arc::new(Recommending { rules, facts: known, peers });
    let server = Server::start(LISTEN_TEST, state).unwrap();
    Shop { server: Some(server), view, health, workers: workers.collect() }
}

/// An item of a partition.
fn item_of(partition: u32, not: &str) -> String {
    let mut names = (0..).map(|n| format!("sku-{n}")).filter(|name| name != not);
    names.find(|name| spread(fingerprint("main", name), PARTITIONS) == Partition(partition)).unwrap()
}

/// Publishes a list that shows `others`, each counted so often.
fn show(shop: &Shop, list: &str, item: &str, others: &[(&str, f64)]) {
    let entry = |&(other, weight): &(&str, f64)| {
        serde_json::json!({"item": other, "score": weight / 2.0, "support": 9, "weight": weight, "anchor_weight": 100.0, "other_weight": 100.0,
            "contexts": 1e4, "confidence": 0.3, "lift": 30.0, "llr_root": 9.0, "source": "counted", "last_seen": "2026-05-01"})
    };
    let entries: Vec<Value> = others.iter().map(entry).collect();
    let body = serde_json::json!({"shop": "main", "list": list, "item": item, "entries": entries, "reserve": [], "as_of": 1, "epoch": 1,
        "sequence": 1});
    shop.view.restore(&serde_json::from_str(&body.to_string()).unwrap(), EventTime(1));
}

fn items(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let json = answer.json();
    json["entries"].as_array().unwrap().iter().map(|entry| entry["item"].as_str().unwrap().to_owned()).collect()
}

fn without(answer: &Answer) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    answer.json()["without"]
        .as_array()
        .unwrap()
        .iter()
        .map(|known| (text(&known["item"]), text(&known["why"])))
        .collect()
}

#[test]
fn lists_of_one_instance_are_combined_and_every_entry_says_why() {
    let [one, other] = [item_of(0, ""), item_of(0, &item_of(0, ""))];
    let facts = Arc::new(Facts::new(1 << 20));
    facts.set_stock("main", "gone", Some(Stock::Out)).unwrap();
    facts.complete();
    let shop = instance(0, Vec::new(), Some(Arc::clone(&facts)));
    show(&shop, "bought-together", &one, &[("x", 40.0), ("gone", 35.0), ("y", 20.0)]);
    show(&shop, "bought-together", &other, &[("z", 45.0), ("y", 30.0), (&one, 25.0)]);
    let answer = shop.get(&format!("/v1/recommendations?items={one},{other},never-met"));
    assert_eq!(items(&answer), ["z", "x", "y"]);
    let json = answer.json();
    assert_eq!((json["list"].as_str(), json["combine"].as_str()), (Some("bought-together"), Some("basket")));
    let reasons: Vec<_> =
        json["entries"][2]["because"].as_array().unwrap().iter().map(|why| why["item"].as_str().unwrap()).collect();
    assert_eq!(reasons, [&other, &one]);
    assert_eq!(answer.headers["cache-control"], "no-store");
    // The third item is of some partition: here it has no list, elsewhere nobody can say.
    let why = without(&answer)["never-met"].clone();
    let is_here = spread(fingerprint("main", "never-met"), PARTITIONS) == Partition(0);
    assert_eq!(
        (why.as_str(), json["partial"].as_bool()),
        (if is_here { "no_list" } else { "not_here" }, Some(!is_here))
    );
    facts.set_stock("main", "z", Some(Stock::Out)).unwrap();
    let query = format!("/v1/recommendations?item={one}&item={other}&exclude=y&limit=1");
    assert_eq!(items(&shop.get(&query)), ["x"], "sold out since the list was published");
    shop.get("/v1/recommendations?limit=0").is_error(400, "bad_query");
    shop.get("/v1/recommendations?list=upsell").is_error(404, "no_such_list");
}

#[test]
fn what_the_shop_sells_most_stands_behind_and_alone_where_nothing_is_given() {
    let shop = instance(0, Vec::new(), None);
    for partition in 0..PARTITIONS {
        shop.health.set(StageName::Rows, Partition(partition), PartitionState::Live);
    }
    show(&shop, "best-sellers", "*", &[("best", 90.0), ("x", 80.0)]);
    show(&shop, "bought-together", "a", &[("x", 40.0)]);
    assert_eq!(items(&shop.get("/v1/recommendations?items=a")), ["x", "best"]);
    assert_eq!(items(&shop.get("/v1/recommendations?items=a&fill=false")), ["x"]);
    assert_eq!(items(&shop.get("/v1/recommendations")), ["best", "x"]);
    assert_eq!(items(&shop.get("/v1/recommendations?list=best-sellers&items=best")), ["x"]);
    assert_eq!(items(&shop.get("/v1/recommendations?shop=unknown&items=a")), Vec::<String>::new());
}

#[test]
fn while_nothing_is_known_the_answer_is_an_error_and_part_of_it_is_said_to_be() {
    let shop = instance(0, Vec::new(), None);
    let [here, there] = [item_of(0, ""), item_of(1, "")];
    show(&shop, "bought-together", &here, &[("x", 40.0)]);
    let answer = shop.get(&format!("/v1/recommendations?items={here},{there}"));
    assert_eq!((items(&answer), answer.json()["partial"].as_bool()), (vec!["x".to_owned()], Some(true)));
    assert_eq!(without(&answer)[&there], "not_here");
    let error = shop.get(&format!("/v1/recommendations?items={there}")).is_error(421, "not_here");
    assert_eq!(error["partition"], 1);
    shop.health.set(StageName::Rows, Partition(1), PartitionState::Restoring);
    shop.get(&format!("/v1/recommendations?items={there}")).is_error(503, "not_ready");
}

#[test]
fn whichever_instance_is_asked_the_answer_is_the_same_and_follows_a_partition_that_moves() {
    let names: Vec<String> = (0..PARTITIONS).map(|partition| item_of(partition, "")).collect();
    let [b, c] = [1, 2].map(|partition| instance(partition, Vec::new(), None));
    // One of them is away: nothing listens there.
    let away = TcpListener::bind(LISTEN_TEST).unwrap().local_addr().unwrap();
    let peers = [away, b.address(), c.address()].map(|address| address.to_string()).to_vec();
    let a = instance(0, peers, None);
    for (shop, item, other) in [(&a, &names[0], "x"), (&b, &names[1], "y"), (&c, &names[2], "z")] {
        show(shop, "bought-together", item, &[(other, 40.0), ("common", 30.0)]);
    }
    let query = format!("/v1/recommendations?items={}&fill=false", names.join(","));
    for _ in 0..3 {
        let answer = a.get(&query);
        assert_eq!(items(&answer), ["common", "x", "y", "z"]);
        assert_eq!((without(&answer).len(), answer.json()["partial"].as_bool()), (0, Some(false)));
    }
    // The partition moves from one to the other: the first answer asks both.
    b.health.remove(StageName::Rows, Partition(1));
    b.view.remove_partition(Partition(1), PARTITIONS);
    c.health.set(StageName::Rows, Partition(1), PartitionState::Live);
    show(&c, "bought-together", &names[1], &[("moved", 50.0)]);
    assert_eq!(items(&a.get(&query)), ["moved", "common", "x", "z"].map(String::from), "50² before two times 30²");
    // Its owner is not live: said as that, not as nobody's.
    c.health.set(StageName::Rows, Partition(1), PartitionState::Restoring);
    c.view.remove_partition(Partition(1), PARTITIONS);
    let alone = format!("/v1/recommendations?items={}&fill=false", names[1]);
    assert_eq!(a.get(&alone).is_error(503, "not_ready")["partition"], 1);
    assert_eq!(without(&a.get(&query))[&names[1]], "not_ready");
    drop(c);
    let answer = a.get(&query);
    assert_eq!(items(&answer), ["x", "common"]);
    assert_eq!(answer.json()["partial"], true);
    assert_eq!(without(&answer).len(), 2);
}
