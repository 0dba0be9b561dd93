//! `[kafka]` and what else a run on Kafka needs.

use super::*;

fn properties(layers: &Layers) -> Vec<(String, String)> {
    Settings::load(layers).unwrap().kafka.properties.into_iter().collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn a_property_is_the_same_in_quotes_and_in_nested_tables() {
    let expected = pairs(&[
        ("bootstrap.servers", "a:1,b:2"),
        ("linger.ms", "0.5"),
        ("sasl.mechanism", "PLAIN"),
        ("socket.keepalive.enable", "true"),
        ("socket.timeout.ms", "9000"),
    ]);
    for text in [
        "[kafka]\n\"bootstrap.servers\" = \"a:1,b:2\"\n\"linger.ms\" = 0.5\n\"sasl.mechanism\" = \"PLAIN\"\n\
         \"socket.keepalive.enable\" = true\n\"socket.timeout.ms\" = 9000",
        "[kafka]\nbootstrap.servers = \"a:1,b:2\"\nlinger.ms = 0.5\nsasl.mechanism = \"PLAIN\"\n\
         socket.keepalive.enable = true\nsocket.timeout.ms = 9000",
        "kafka.bootstrap.servers = \"a:1,b:2\"\n[kafka.linger]\nms = 0.5\n[kafka.sasl]\nmechanism = \"PLAIN\"\n\
         [kafka.socket]\n\"keepalive.enable\" = true\ntimeout = { ms = 9000 }",
    ] {
        assert_eq!(properties(&file(text)), expected, "{text}");
    }
    assert_eq!(properties(&Layers::default()), pairs(&[("bootstrap.servers", "127.0.0.1:9092")]));
}

#[test]
fn a_property_comes_from_the_uppermost_layer_however_each_writes_it() {
    let mut layers = file("[kafka]\nsasl.username = \"file\"\nsasl.password = \"file\"\n\"client.id\" = \"file\"");
    layers.environment = variables(&[
        ("SAMENLOOP_KAFKA__SASL_USERNAME", "environment"),
        ("SAMENLOOP_KAFKA__SASL_PASSWORD", "12=34"),
        ("SAMENLOOP_KAFKA__BOOTSTRAP_SERVERS", "b:2"),
    ])
    .environment;
    layers.flags = vec![set("kafka.sasl.username", "flag")];
    assert_eq!(
        properties(&layers),
        pairs(&[
            ("bootstrap.servers", "b:2"),
            ("client.id", "file"),
            ("sasl.password", "12=34"),
            ("sasl.username", "flag")
        ])
    );
}

#[test]
fn a_property_that_samenloop_owns_is_refused_with_its_own_reason() {
    for (name, reason) in [
        ("acks", "acknowledgements from all in-sync replicas"),
        ("transactional.id", "exactly once without transactions"),
        ("group.id", "named after topics.prefix"),
        ("auto.offset.reset", "`start` of its [[source]]"),
        ("message.max.bytes", "the largest block"),
        ("delivery.timeout.ms", "leaves a hole in a log"),
        ("metadata.broker.list", "set that"),
        ("log_level", "set log.level"),
    ] {
        let refusal = refused(&file(&format!("[kafka]\n{name} = \"x-5ec4e7\"")));
        let start = format!("kafka.{name} (file shop.toml): is set by samenloop: ");
        assert!(refusal.starts_with(&start) && refusal.contains(reason), "{refusal}");
        assert!(!refusal.contains("5ec4e7") && refusal.lines().count() == 1, "{refusal}");
    }
    let refusal = refused(&variables(&[("SAMENLOOP_KAFKA__ISOLATION_LEVEL", "x")]));
    assert!(refusal.starts_with("kafka.isolation.level (environment variable SAMENLOOP_KAFKA__ISOLATION_LEVEL): "));
}

#[test]
fn a_property_that_librdkafka_lacks_is_refused_with_the_nearest_in_the_spelling_of_its_layer() {
    for (layers, expected) in [
        (
            file("[kafka]\nsasl.pasword = \"5ec4e7\""),
            "file shop.toml: librdkafka has no property kafka.sasl.pasword; did you mean kafka.sasl.password?",
        ),
        (
            variables(&[("SAMENLOOP_KAFKA__SASL_PASSWRD", "5ec4e7")]),
            "environment variable SAMENLOOP_KAFKA__SASL_PASSWRD: librdkafka has no property kafka.sasl.passwrd; \
             did you mean SAMENLOOP_KAFKA__SASL_PASSWORD?",
        ),
        (flags(&[("kafka.colour", "red")]), "flag --set: librdkafka has no property kafka.colour"),
    ] {
        assert_eq!(refused(&layers), expected);
    }
}

#[test]
fn a_value_that_is_no_property_is_refused_and_not_repeated() {
    for (text, expected) in [
        ("[kafka]\nsasl.password = [\"5ec4e7\"]", "kafka.sasl.password must be a text, a number, true or false"),
        ("[kafka]\n\"client.id\" = \"5ec4e7\"\nclient.id = \"5ec4e7\"", "kafka.client.id is there twice"),
        ("[kafka]\nbootstrap.servers = \" \"", "kafka.bootstrap.servers (file shop.toml): must name a broker"),
        ("kafka = \"5ec4e7\"", "file shop.toml: line 1: "),
    ] {
        let refusal = refused(&file(text));
        assert!(refusal.contains(expected) && refusal.lines().count() == 1, "{refusal}");
    }
}

#[test]
fn secrets_of_brokers_and_registry_print_as_stars_which_are_no_secrets() {
    let text = "[kafka]\nsasl.password = \"5ec4e7\"\nssl.key.pem = \"5ec4e7\"\nsasl.username = \"shop\"\n\
                [registry]\nurl = \"http://r\"\nuser = \"shop\"\npassword = \"5ec4e7\"";
    let settings = Settings::load(&file(text)).unwrap();
    let printed = settings.to_toml().unwrap();
    assert!(!format!("{printed}{settings:?}").contains("5ec4e7"), "{printed}");
    assert!(printed.contains("\"sasl.username\" = \"shop\"") && printed.contains("\"sasl.password\" = \"***\""));
    assert_eq!(settings.registry.password.reveal(), "5ec4e7");
    let refusal = refused(&file(&printed));
    assert_eq!(refusal.matches("write the secret itself").count(), 3, "{refusal}");
    assert!(refused(&file("[registry]\ntoken = 5647")).ends_with("a secret is a text in quotes"));
}

#[test]
fn a_registry_has_an_address_without_a_login_in_it_and_one_way_to_log_in() {
    let registry = |text: &str| file(&format!("[registry]\n{text}"));
    let url = |text: &str| Settings::load(&registry(text)).unwrap().registry.url;
    assert_eq!(url("url = \"https://r.example:8081/api/\"").as_deref(), Some("https://r.example:8081/api"));
    assert_eq!(url("url = \"\""), None);
    for (text, expected) in [
        ("url = \"r.example:8081\"", "registry.url (file shop.toml): must begin with http:// or https://"),
        ("url = \"http://me:5ec4e7@r\"", "must not hold a name and a password"),
        ("url = \"http://r,http://me:5ec4e7@s\"", "must not hold a name and a password"),
        ("url = \"http://r?key=5ec4e7\"", "without a query"),
        ("token = \"5ec4e7\"\nuser = \"5ec4e7\"", "set a name and a password, or a token"),
        ("password = \"5ec4e7\"", "needs a registry.user"),
        ("user = \"a:5ec4e7\"", "must not hold a colon"),
    ] {
        let refusal = refused(&registry(text));
        assert!(refusal.contains(expected) && !refusal.contains("5ec4e7"), "{refusal}");
        assert_eq!(refusal.lines().count(), 1, "{refusal}");
    }
}

#[test]
fn what_a_run_needs_prints_and_loads_to_the_same() {
    let text = "[kafka]\nbootstrap.servers = \"a:1\"\nsecurity.protocol = \"SASL_PLAINTEXT\"\n\
                [topics]\nprefix = \"shop-7_\"\nreplication = 3\n\
                [registry]\nurl = \"http://r\"\nregister = false\n[output]\nformat = \"json\"\n\
                [workers]\nintake = 2\nwindows = 3\nrows = 64\n\
                [[source]]\nname = \"web\"\ntopic = \"clicks\"\nstart = \"latest\"\ntype = \"view\"\n\
                fields = { item = \"/sku\" }";
    let settings = Settings::load(&file(text)).unwrap();
    assert_eq!(Settings::load(&file(&settings.to_toml().unwrap())).unwrap(), settings);
    assert_eq!((settings.topics.replication, settings.sources[0].start), (Some(3), Start::Latest));
    let workers = WorkersSettings { intake: 2, windows: 3, rows: 64 };
    assert_eq!((settings.output.format, settings.workers), (OutputFormat::Json, workers));
}

#[test]
fn a_source_reads_a_topic_that_is_not_samenloops_and_no_other_reads() {
    let source = |name: &str, rest: &str| {
        format!("[[source]]\nname = \"{name}\"\ntype = \"view\"\nfields = {{ item = \"/sku\" }}\n{rest}\n")
    };
    let twice = source("a", "topic = \"t\"") + &source("b", "topic = \"t\"");
    for (text, expected) in [
        (source("a", "topic = \"t\"\nstart = \"now\""), "start must be \"earliest\" or \"latest\""),
        (source("a", "file = \"f\"\nstart = \"latest\""), "start is of use with a topic only"),
        (source("a", "topic = \"click stream\""), "topic \"click stream\" is no topic's name"),
        (source("a", "topic = \"samenloop.lists\""), "is one of samenloop's own"),
        (twice, "topic t is read by source \"a\" already"),
    ] {
        let refusal = refused(&file(&text));
        assert!(refusal.contains(expected) && refusal.lines().count() == 1, "{refusal}");
    }
    assert_eq!(Settings::load(&file(&source("a", "topic = \"samenloop.clicks\""))).unwrap().sources.len(), 1);
}
