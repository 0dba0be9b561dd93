//! The client of a schema registry against one on loopback: what it asks, and what it makes of every kind of answer.

#![allow(clippy::unwrap_used, clippy::panic)] // tests

#[path = "support/registry.rs"]
mod registry;

use apache_avro::Schema;
use apache_avro::schema_compatibility::SchemaCompatibility;
use registry::{Access, Fault, TestRegistry};
use samenloop::config::{RegistrySettings, Secret};
use samenloop::kafka::lists::publish_schemas;
use samenloop::kafka::registry::{Registry, RegistryError};
use samenloop::publish::codec::{LIST_KEY_SCHEMA, LIST_VALUE_SCHEMA};
use serde_json::json;
use std::time::{Duration, Instant};

const TEXT: &str = r#"{"type":"record","name":"shop.Click","fields":[{"name":"sku","type":"string"}]}"#;

fn settings(url: &str) -> RegistrySettings {
    RegistrySettings { url: Some(url.to_owned()), register: true, ..RegistrySettings::default() }
}

fn client(settings: &RegistrySettings) -> Registry {
    Registry::new(settings).unwrap().unwrap()
}

fn paths(registry: &TestRegistry) -> Vec<String> {
    registry.requests().iter().map(|request| format!("{} {}", request.method, request.path)).collect()
}

#[test]
fn a_schema_is_asked_for_once() {
    let registry = TestRegistry::start();
    let id = registry.register("clicks-value", TEXT);
    let client = client(&settings(&format!("{}/", registry.url())));
    for _ in 0..3 {
        assert_eq!(&*client.schema(id).unwrap(), TEXT);
    }
    assert_eq!(paths(&registry), [format!("GET /schemas/ids/{id}")]);
}

#[test]
fn an_unknown_id_is_asked_for_again() {
    let registry = TestRegistry::start();
    let client = client(&settings(&registry.url()));
    for _ in 0..2 {
        let error = client.schema(1).unwrap_err();
        assert!(matches!(error, RegistryError::NotFound { .. }) && !error.is_transient(), "{error}");
        assert!(error.to_string().contains("does not know schema 1"), "{error}");
    }
    registry.register("late", TEXT);
    assert_eq!(&*client.schema(1).unwrap(), TEXT);
}

#[test]
fn a_registry_that_is_ill_is_no_reason_to_reject() {
    let registry = TestRegistry::start();
    let id = registry.register("clicks-value", TEXT);
    let client = client(&settings(&registry.url()));
    for (fault, said) in [
        (Fault::Status(500), "answered 500"),
        (Fault::Status(503), "answered 503"),
        (Fault::Status(429), "answered 429"),
        (Fault::Status(401), "registry.user"),
        (Fault::Status(403), "Give this user the right"),
        (Fault::Status(400), "answered 400"),
        (Fault::Elsewhere, "not as a registry does"),
        (Fault::Drop, "does not answer"),
        (Fault::Cut, "does not answer"),
        (Fault::Nonsense, "answered what is not schema"),
    ] {
        registry.set_fault(Some(fault));
        let error = client.schema(id).unwrap_err();
        assert!(error.is_transient(), "{fault:?}: {error:?}");
        assert!(error.to_string().contains(said), "{fault:?}: {error}");
        assert!(error.to_string().contains(&registry.url()), "{fault:?}: {error}");
        assert!(client.ping().is_err(), "{fault:?}");
    }
    registry.set_fault(None);
    client.ping().unwrap();
    assert_eq!(&*client.schema(id).unwrap(), TEXT);
}

#[test]
fn a_registry_that_is_slow_is_waited_for_and_one_that_is_silent_is_not() {
    let registry = TestRegistry::start();
    let id = registry.register("clicks-value", TEXT);
    let client = client(&settings(&registry.url()));
    registry.set_fault(Some(Fault::Silent));
    let began = Instant::now();
    let error = client.schema(id).unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("in time"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    registry.set_fault(Some(Fault::Slow(Duration::from_millis(300))));
    assert_eq!(&*client.schema(id).unwrap(), TEXT);
}

#[test]
fn a_registry_that_is_not_there_passes_too() {
    let gone = TestRegistry::start().url();
    let error = client(&settings(&gone)).schema(1).unwrap_err();
    assert!(matches!(&error, RegistryError::Unavailable { url, .. } if *url == gone), "{error}");
}

#[test]
fn of_several_urls_the_first_that_answers_counts_and_is_kept() {
    let (ill, well) = (TestRegistry::start(), TestRegistry::start());
    let id = well.register("clicks-value", TEXT);
    ill.set_fault(Some(Fault::Status(500)));
    let client = client(&settings(&format!("{} , {}/", ill.url(), well.url())));
    assert_eq!(&*client.schema(id).unwrap(), TEXT);
    client.ping().unwrap();
    assert_eq!((ill.requests().len(), well.requests().len()), (1, 2));
    // What a registry does not know is its answer: no other is asked.
    assert!(matches!(client.schema(77), Err(RegistryError::NotFound { .. })));
    assert_eq!((ill.requests().len(), well.requests().len()), (1, 3));
}

#[test]
fn who_asks_is_said_and_never_shown() {
    let basic = || Access::Basic { user: "ada".to_owned(), password: "s3cret:/ä".to_owned() };
    let mut cases = Vec::new();
    let registry = TestRegistry::start_with(0, basic());
    let host = registry.url().replace("http://", "");
    let by_name = RegistrySettings {
        user: Some("ada".to_owned()),
        password: Secret::new("s3cret:/ä".to_owned()),
        ..settings(&registry.url())
    };
    cases.push((by_name.clone(), true));
    cases.push((settings(&format!("http://ada:s3cret%3A%2F%C3%A4@{host}")), true));
    cases.push((RegistrySettings { password: Secret::new("s3cret".to_owned()), ..by_name }, false));
    cases.push((settings(&format!("http://ada:s3cret@{host}/")), false));
    let by_token = TestRegistry::start_with(0, Access::Bearer("s3cret.token".to_owned()));
    let token = |text: &str| RegistrySettings { token: Secret::new(text.to_owned()), ..settings(&by_token.url()) };
    cases.push((token("s3cret.token"), true));
    cases.push((token("s3cret.other"), false));
    for (settings, lets_in) in cases {
        let client = client(&settings);
        match client.ping() {
            Ok(()) => assert!(lets_in, "{settings:?}"),
            Err(error) => {
                assert!(!lets_in && matches!(error, RegistryError::Refused { status: 401, .. }), "{error:?}");
                assert!(error.is_transient() && !format!("{error} {error:?} {client:?}").contains("s3cret"), "{error}");
            }
        }
    }
    drop(registry);
    let gone = client(&settings(&format!("http://ada:s3cret@{host}"))).ping().unwrap_err();
    assert!(!format!("{gone} {gone:?}").contains("s3cret"), "{gone:?}");
}

#[test]
fn a_url_that_cannot_be_one_is_refused_without_being_repeated() {
    assert!(Registry::new(&RegistrySettings::default()).unwrap().is_none());
    for url in [
        "127.0.0.1:8081",
        "ftp://u:s3cret@host",
        "http://",
        "http://u:s3cret@/x",
        "http://h/?key=s3cret",
        " , ",
        "http://a b",
    ] {
        let error = format!("{:?}", Registry::new(&settings(url)).unwrap_err());
        assert!(error.starts_with("registry.url") && !error.contains("s3cret"), "{url}: {error}");
    }
    let both = RegistrySettings {
        user: Some("ada".to_owned()),
        token: Secret::new("s3cret".to_owned()),
        ..settings("http://host:8081")
    };
    assert!(Registry::new(&both).unwrap_err().to_string().contains("keep one of them"));
    let broken = RegistrySettings { token: Secret::new("s3\ncret".to_owned()), ..settings("http://host:8081") };
    assert!(Registry::new(&broken).unwrap_err().to_string().contains("control character"));
    if cfg!(not(feature = "tls")) {
        let error = Registry::new(&settings("https://u:s3cret@host/registry/")).unwrap_err().to_string();
        assert!(error.contains("https://host/registry needs TLS") && error.contains("--features tls"), "{error}");
    } else {
        assert!(Registry::new(&settings("https://host/registry/")).is_ok());
    }
}

#[test]
fn a_path_before_the_registrys_own_is_kept() {
    let registry = TestRegistry::start();
    let error = client(&settings(&format!("{}/apis/ccompat/v7/", registry.url()))).ping().unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert_eq!(paths(&registry), ["GET /apis/ccompat/v7/subjects"]);
}

#[test]
fn what_a_schema_refers_to_is_put_in_where_it_is_first_named() {
    let registry = TestRegistry::start();
    let price = json!({
        "schema": r#"{"type":"record","name":"Price","namespace":"money","fields":[{"name":"cents","type":"long"},{"name":"unit","type":"Unit"}]}"#,
        "references": [{ "name": "money.Unit", "subject": "unit", "version": 1 }],
    });
    registry.register_full("money/price", price);
    registry.register("unit", r#"{"type":"enum","name":"Unit","namespace":"money","symbols":["EUR","USD"]}"#);
    registry.register("bare", r#"{"type":"fixed","name":"Bare","size":2}"#);
    let order = json!({
        "schema": r#"{"type":"record","name":"Order","namespace":"shop","fields":[
            {"name":"total","type":["null","money.Price"],"default":null,"doc":"not a money.Price"},
            {"name":"lines","type":{"type":"array","items":{"type":"record","name":"Line","fields":[
                {"name":"price","type":"money.Price"},{"name":"before","type":{"type":"map","values":"Line"}},{"name":"unit","type":"money.Unit"}]}}},
            {"name":"Bare","type":"Bare"}]}"#,
        "references": [
            { "name": "money.Price", "subject": "money/price", "version": 1 },
            { "name": "money.Unit", "subject": "unit", "version": 1 },
            { "name": "Bare", "subject": "bare", "version": 1 },
        ],
    });
    let id = registry.register_full("orders-value", order);
    let client = client(&settings(&registry.url()));
    let text = client.schema(id).unwrap();
    let schema = Schema::parse_str(&text).unwrap();
    let canonical = schema.canonical_form();
    for name in [r#""name":"money.Price""#, r#""name":"money.Unit""#, r#""name":"shop.Line""#, r#""name":"Bare""#] {
        assert_eq!(canonical.matches(&format!("{name},\"type\":\"")).count(), 1, "{name} in {canonical}");
    }
    assert!(text.contains("not a money.Price"));
    assert_eq!(&*client.schema(id).unwrap(), &*text);
    let asked = paths(&registry);
    assert_eq!(asked.len(), 4, "{asked:?}");
    assert!(asked.contains(&"GET /subjects/money%2Fprice/versions/1".to_owned()), "{asked:?}");
}

#[test]
fn a_reference_that_leads_nowhere_is_not_found() {
    let registry = TestRegistry::start();
    let refers =
        |subject: &str| json!({ "schema": TEXT, "references": [{ "name": "x", "subject": subject, "version": 1 }] });
    let id = registry.register_full("a", refers("gone"));
    let error = client(&settings(&registry.url())).schema(id).unwrap_err();
    assert!(matches!(error, RegistryError::NotFound { .. }) && error.to_string().contains("subject gone"), "{error}");
    // One that leads to itself ends.
    let id = registry.register_full("b", refers("b"));
    assert!(client(&settings(&registry.url())).schema(id).is_ok());
}

#[test]
fn a_schema_that_is_not_avro_says_so_and_does_not_pass() {
    let registry = TestRegistry::start();
    let id = registry.register_full("p", json!({ "schema": "syntax = \"proto3\";", "schemaType": "PROTOBUF" }));
    let avro = registry.register_full("q", json!({ "schema": TEXT, "schemaType": "AVRO" }));
    let client = client(&settings(&registry.url()));
    let error = client.schema(id).unwrap_err();
    assert!(matches!(error, RegistryError::NotAvro { .. }) && !error.is_transient(), "{error}");
    assert!(error.to_string().contains("PROTOBUF"), "{error}");
    assert_eq!(&*client.schema(avro).unwrap(), TEXT);
}

#[test]
fn our_schemas_are_registered_under_the_topics_subjects() {
    let registry = TestRegistry::start();
    let settings = settings(&registry.url());
    let client = client(&settings);
    publish_schemas(&client, &settings, "samenloop.lists").unwrap();
    publish_schemas(&client, &settings, "samenloop.lists").unwrap();
    assert_eq!(registry.latest("samenloop.lists-key").as_deref(), Some(LIST_KEY_SCHEMA));
    assert_eq!(registry.latest("samenloop.lists-value").as_deref(), Some(LIST_VALUE_SCHEMA));
    assert_eq!(client.lookup("samenloop.lists-value", LIST_VALUE_SCHEMA).unwrap(), Some(2));
    assert_eq!(client.lookup("samenloop.lists-value", LIST_KEY_SCHEMA).unwrap(), None);
    assert_eq!(client.lookup("another/subject", LIST_KEY_SCHEMA).unwrap(), None);
}

/// The schema of values when its entries had so many fields: a release for each.
fn value_schema_of(fields: usize) -> Schema {
    let mut schema: serde_json::Value = serde_json::from_str(LIST_VALUE_SCHEMA).unwrap();
    let entry = &mut schema["fields"][3]["type"]["items"];
    assert_eq!(entry["name"], "ListEntry");
    entry["fields"].as_array_mut().unwrap().truncate(fields);
    Schema::parse_str(&schema.to_string()).unwrap()
}

/// What a registry that is set to FULL_TRANSITIVE asks of a new schema: each reads what each has written.
#[test]
fn every_schema_of_values_reads_what_any_other_has_written() {
    let releases = [12, 14, 15, 18].map(value_schema_of);
    assert_eq!(releases[3], Schema::parse_str(LIST_VALUE_SCHEMA).unwrap(), "the newest has no more");
    for (writer, reader) in releases.iter().flat_map(|writer| releases.iter().map(move |reader| (writer, reader))) {
        SchemaCompatibility::can_read(writer, reader).unwrap();
    }
}

#[test]
fn where_registering_is_not_allowed_it_is_said_what_to_do() {
    let registry = TestRegistry::start();
    let may_not = RegistrySettings { register: false, ..settings(&registry.url()) };
    let client = client(&may_not);
    let error = format!("{:#}", publish_schemas(&client, &may_not, "l").err().unwrap());
    assert!(
        error.contains("l-key") && error.contains("list-key.avsc") && error.contains("registry.register"),
        "{error}"
    );
    registry.register("l-key", LIST_KEY_SCHEMA);
    registry.register("l-value", LIST_VALUE_SCHEMA);
    publish_schemas(&client, &may_not, "l").unwrap();
    assert!(registry.requests().iter().all(|request| !request.path.ends_with("/versions")), "nothing was registered");

    for (status, said) in
        [(403, "registry.register = false"), (409, "a fault of the test"), (422, "a fault of the test")]
    {
        registry.set_fault(Some(Fault::Status(status)));
        let error = publish_schemas(&client, &settings(&registry.url()), "l").err().unwrap();
        assert!(format!("{error:#}").contains(said), "{error:#}");
        let cause = error.downcast_ref::<RegistryError>().unwrap();
        assert_eq!(matches!(cause, RegistryError::Incompatible { .. }), status != 403, "{cause}");
        assert_eq!(cause.is_transient(), status == 403, "{cause}");
    }
}
