//! Facts on topics: read whole before anything is counted, followed from then on, read again after a restart.

use crate::house::views;
use crate::kafka::{self, Sent, wait_until};
use crate::service::House;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);
const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const COMPACTED: &[(&str, &str)] = &[("cleanup.policy", "compact")];

fn said(key: &str, value: &str, partition: i32) -> Sent {
    Sent::of(key, value).to(partition)
}

fn taken_away(key: &str, partition: i32) -> Sent {
    Sent { value: None, ..Sent::of(key, "").to(partition) }
}

#[test]
fn facts_are_complete_before_an_event_is_counted_and_a_restart_knows_them_again() {
    let mut house = House::new("facts");
    let bootstrap = house.broker.bootstrap();
    let [catalogue, stock] = ["catalogue", "stock"].map(|name| {
        let topic = house.broker.topic(name);
        kafka::create_topic(bootstrap, &topic, 2, COMPACTED);
        topic
    });
    // Of the five items that are viewed, one is a variant of another, and one is no product.
    kafka::produce(
        bootstrap,
        &catalogue,
        [
            said("main/i1", r#"{"item":"i1","parent":"i0"}"#, 0),
            said("main/i2", r#"{"item":"i2","countable":false}"#, 1),
            said("main/i9", r#"{"item":"i9","name":"gone soon"}"#, 1),
            taken_away("main/i9", 1),
            said("main/i8", r#"{"item":"i8","price":"7,50"}"#, 0),
        ],
    );
    let out: Vec<Sent> = (0..2000)
        .map(|number| said(&format!("main/s{number}"), &format!(r#"{{"item":"s{number}","quantity":0}}"#), number % 2))
        .collect();
    kafka::produce(bootstrap, &stock, out);
    let topic = house.source("shop", 2, &[], "");
    kafka::produce(bootstrap, &topic, views(200));
    house.more = format!("[facts.catalogue]\ntopic = \"{catalogue}\"\n[facts.stock]\ntopic = \"{stock}\"\n");
    house.create_topics();
    let mut instance = house.start("first");
    house.wait_rest(&mut [&mut instance]);
    assert_eq!(house.event_entries().sum(), 160, "a fifth of the views are of no product");
    let items = |instance: &crate::service::Instance| instance.metrics().sum("samenloop_facts_items");
    // Two in the catalogue, the parent of one of them, and what is out of stock.
    wait_until("all facts are shown", SOON, || (items(&instance) == 2003.0).then_some(()));
    let refused = instance.metrics().sum_where("samenloop_facts_refused_total", "reason=\"bad_number\"");
    assert_eq!(refused, 1.0);
    wait_until("the bad fact is kept", SOON, || {
        let rejects = kafka::read_all(bootstrap, &house.own("rejects"));
        (rejects.len() == 1 && rejects[0].key.as_deref() == Some(b"main/i8".as_slice())).then_some(())
    });
    let keys: Vec<String> = house.list_records().into_iter().map(|(key, _)| key).collect();
    assert!(keys.iter().any(|key| key.ends_with("/i0")), "{keys:?}");
    assert!(!keys.iter().any(|key| key.ends_with("/i1") || key.ends_with("/i2")), "{keys:?}");

    kafka::produce(bootstrap, &stock, (0..1000).map(|number| taken_away(&format!("main/s{number}"), number % 2)));
    wait_until("what is taken away is gone", SOON, || (items(&instance) == 1003.0).then_some(()));
    instance.stop();
    let before = house.ends("events");
    let mut instance = house.start("again");
    house.wait_rest(&mut [&mut instance]);
    wait_until("all facts are known again", SOON, || (items(&instance) == 1003.0).then_some(()));
    assert_eq!(house.event_entries().sum(), 160, "nothing is counted again: {before:?}");
    instance.stop();
}

#[test]
fn a_topic_of_facts_that_is_not_there_is_waited_for_and_readiness_says_so() {
    let mut house = House::new("nofacts");
    let bootstrap = house.broker.bootstrap();
    let topic = house.source("shop", 1, &[], "");
    kafka::produce(bootstrap, &topic, views(20));
    let stock = house.broker.topic("stock");
    house.more = format!("[facts.stock]\ntopic = \"{stock}\"\n");
    house.create_topics();
    let mut instance = house.start_alone("waits");
    wait_until("it says what it waits for", SOON, || {
        let (status, body) = instance.get("/readyz");
        (status == 503 && body.contains("waiting for facts about items")).then_some(())
    });
    assert_eq!(house.event_entries().sum(), 0);
    kafka::create_topic(bootstrap, &stock, 1, COMPACTED);
    house.wait_rest(&mut [&mut instance]);
    assert_eq!(house.event_entries().sum(), 20);
    instance.stop();
}

#[test]
fn the_topic_of_verdicts_is_made_and_one_that_is_not_compacted_is_warned_of() {
    let mut house = House::new("verdicts");
    let bootstrap = house.broker.bootstrap();
    house.source("shop", 1, &[], "");
    let (stock, verdicts) = (house.broker.topic("stock"), house.own("verdicts"));
    kafka::create_topic(bootstrap, &stock, 2, &[("cleanup.policy", "delete")]);
    kafka::produce(
        bootstrap,
        &stock,
        [said("main/a", r#"{"item":"a","quantity":"?"}"#, 0), said("main/b", r#"{"item":"b","quantity":1}"#, 1)],
    );
    house.more = format!("[facts.stock]\ntopic = \"{stock}\"\n[facts.verdicts]\ntopic = \"{verdicts}\"\n");
    let made = house.command(&["topics", "--create"]);
    assert_eq!(made.code, Some(0), "{}{}", made.stdout, made.stderr);
    assert!(made.stdout.contains(&format!("{verdicts}: made")), "{}", made.stdout);
    assert!(kafka::topics(bootstrap).contains(&verdicts));
    let shown = house.command(&["topics"]);
    let mend = format!("--entity-name {stock} --alter --add-config cleanup.policy=compact");
    assert!(
        shown.stdout.contains("cleanup.policy is delete, wanted is compact") && shown.stdout.contains(&mend),
        "{}",
        shown.stdout
    );
    assert_eq!(
        shown.stdout.matches("cleanup.policy is").count(),
        1,
        "the topic of verdicts is compacted: {}",
        shown.stdout
    );
    let checked = house.command(&["check"]);
    let mapped = checked.stdout.lines().find(|line| line.contains("mapping of facts.stock")).unwrap_or_default();
    assert!(
        mapped.starts_with("warning ") && mapped.contains("1 facts can be used, 1 are refused; the first is"),
        "{}",
        checked.stdout
    );
}

#[test]
fn a_verdict_over_http_takes_an_entry_off_its_list_and_its_deletion_brings_it_back() {
    let mut house = House::new("overhttp");
    let bootstrap = house.broker.bootstrap();
    let topic = house.source("shop", 1, &[], "");
    kafka::produce(bootstrap, &topic, views(200));
    let verdicts = house.own("verdicts");
    house.more = format!("[facts.verdicts]\ntopic = \"{verdicts}\"\n");
    let token = house.folder.write("token", format!("{TOKEN}\n"));
    house.output = format!("token_file = \"{token}\"\n{}", house.output);
    let made = house.command(&["topics", "--create"]);
    assert_eq!(made.code, Some(0), "{}{}", made.stdout, made.stderr);
    let mut instances = ["first", "second"].map(|name| house.start(name));
    let [first, second] = &mut instances;
    house.wait_rest(&mut [first, second]);
    let lists = house.lists();
    let (key, list) = lists.iter().find(|(key, _)| key.starts_with("main/viewed-together/")).expect("a list");
    let anchor = key.strip_prefix("main/viewed-together/").unwrap();
    let other = list["entries"][0]["item"].as_str().expect("an entry").to_owned();
    let shown = || {
        house
            .lists()
            .get(key)
            .is_some_and(|list| list["entries"].to_string().contains(&format!("\"item\":\"{other}\"")))
    };
    assert!(shown());
    let body = format!(r#"{{"list":"*","anchor":"{anchor}","other":"{other}","ruling":"reject","who":"ann"}}"#);
    // Whichever instance has the list: every one takes verdicts.
    for instance in &instances {
        for wrong in [None, Some("0123456789abcdef0123456789abcdeF")] {
            let (status, said) = instance.ask("PUT", "/v1/verdicts", wrong, &body);
            assert!(status == 401 && said.contains("unauthorized"), "{status} {said}");
        }
        let (status, said) = instance.ask("PUT", "/v1/verdicts", Some(TOKEN), r#"{"list":"*","ruling":"reject"}"#);
        assert!(status == 400 && said.contains("missing_field"), "{status} {said}");
        assert!(shown(), "nothing of that has been written");
        let (status, said) = instance.ask("PUT", "/v1/verdicts", Some(TOKEN), &body);
        assert_eq!(status, 200, "{said}");
        wait_until("it leaves the list", SOON, || (!shown()).then_some(()));
        let query = format!("/v1/verdicts?anchor={anchor}&other={other}");
        wait_until("every instance knows it", SOON, || {
            let known = |instance: &crate::service::Instance| instance.ask("GET", &query, Some(TOKEN), "").1;
            instances.iter().all(|instance| known(instance).contains("\"who\":\"ann\"")).then_some(())
        });
        let query = format!("/v1/verdicts?list=*&anchor={anchor}&other={other}");
        let (status, said) = instance.ask("DELETE", &query, Some(TOKEN), "");
        assert_eq!(status, 200, "{said}");
        wait_until("it comes back", SOON, || shown().then_some(()));
    }
    let records = kafka::read_all(bootstrap, &verdicts);
    let of_key = format!("main/*/{anchor}/{other}");
    assert!(
        records.iter().all(|record| record.key.as_deref() == Some(of_key.as_bytes())),
        "one key, as its readers take it apart"
    );
    for instance in instances {
        assert!(!instance.log().contains(TOKEN), "the token is in the log");
        instance.stop();
    }
}
