//! `samenloop topics` and `samenloop check` against a real broker: what is right, what is wrong, what to do.

use crate::broker::Broker;
use crate::kafka::{self, Sent};
use crate::registry::TestRegistry;
use std::process::{Command, Output};

const OWN: [&str; 5] = ["events", "pairs", "totals", "lists", "rejects"];

/// How a process ended.
struct Ended {
    code: i32,
    stdout: String,
    stderr: String,
}

/// Runs the program, with none of the settings of whoever runs the tests.
fn samenloop(arguments: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_samenloop"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SAMENLOOP_")) {
        command.env_remove(name);
    }
    let Output { status, stdout, stderr } = command.args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: status.code().unwrap(), stdout: text(stdout), stderr: text(stderr) }
}

/// Settings for a broker, under a prefix of their own, lists as JSON.
struct House {
    folder: tempfile::TempDir,
    broker: &'static Broker,
    prefix: String,
    clicks: String,
    more: String,
    item: &'static str,
    /// A line of the source's own.
    source: &'static str,
}

impl House {
    fn new() -> Self {
        let broker = Broker::shared();
        let (prefix, clicks) = (format!("{}.", broker.topic("house")), broker.topic("clicks"));
        let more = "[output]\nformat = \"json\"".to_owned();
        Self { folder: tempfile::tempdir().unwrap(), broker, prefix, clicks, more, item: "/sku", source: "" }
    }

    fn own(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn run_on(&self, bootstrap: &str, arguments: &[&str]) -> Ended {
        let text = format!(
            "[kafka]\nbootstrap.servers = \"{bootstrap}\"\n[topics]\nprefix = \"{}\"\n[logs]\nevents_partitions = 2\n\
             pairs_partitions = 3\n{}\n[[source]]\nname = \"web\"\ntopic = \"{}\"\ntype = \"view\"\n\
             fields = {{ user = \"/user\", item = \"{}\" }}\n{}",
            self.prefix, self.more, self.clicks, self.item, self.source
        );
        let file = self.folder.path().join("shop.toml");
        std::fs::write(&file, text).unwrap();
        samenloop(&[&["--config", file.to_str().unwrap()], arguments].concat())
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        self.run_on(self.broker.bootstrap(), arguments)
    }

    /// The source's topic with three good records, and samenloop's own topics.
    fn furnish(&self) {
        kafka::create_topic(self.broker.bootstrap(), &self.clicks, 2, &[]);
        self.send(["a", "b", "c"].map(|item| format!("{{\"user\":\"anna\",\"sku\":\"{item}\",\"ts\":1700000000000}}")));
        assert_eq!(self.run(&["topics", "--create"]).code, 0);
    }

    fn send<const N: usize>(&self, values: [String; N]) {
        let records = values.into_iter().enumerate().map(|(at, value)| Sent::of("k", value).to(i32::from(at % 2 == 1)));
        kafka::produce(self.broker.bootstrap(), &self.clicks, records);
    }

    fn ends(&self) -> Vec<Vec<i64>> {
        let topics = OWN.map(|name| self.own(name));
        topics.iter().map(|topic| kafka::end_offsets(self.broker.bootstrap(), topic)).collect()
    }
}

/// The lines that are wrong.
#[track_caller]
fn wrong(ended: &Ended) -> Vec<&str> {
    assert_eq!(ended.code, 1, "{}{}", ended.stdout, ended.stderr);
    ended.stdout.lines().filter(|line| line.starts_with("wrong")).collect()
}

#[test]
fn missing_topics_are_made_once_as_they_should_be_and_check_is_content() {
    let house = House::new();
    let shown = house.run(&["topics"]);
    assert_eq!(shown.code, 1, "{}", shown.stdout);
    assert_eq!(shown.stdout.matches("missing; needs ").count(), 5, "{}", shown.stdout);
    let dry = house.run(&["topics", "--create", "--dry-run"]);
    assert_eq!((dry.code, dry.stdout.matches(": would be made").count()), (0, 5), "{}{}", dry.stdout, dry.stderr);
    assert_eq!(house.run(&["topics"]).stdout, shown.stdout, "a dry run makes nothing");

    house.furnish();
    let shown = house.run(&["topics"]);
    assert_eq!((shown.code, shown.stdout.matches("right; ").count()), (0, 5), "{}", shown.stdout);
    assert!(
        shown.stdout.contains(&format!("{}   right; 3 partitions, 1 copies", house.own("totals"))),
        "{}",
        shown.stdout
    );
    assert!(!house.run(&["topics", "--create"]).stdout.contains(": made"), "all are there");

    let ended = house.run(&["check"]);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    assert_eq!(ended.stdout.matches(": allowed").count(), 5, "{}", ended.stdout);
    // The lines of the table of memory are indented.
    let verdicts: Vec<&str> = ended.stdout.lines().filter(|line| !line.starts_with("  ")).collect();
    assert!(verdicts.iter().all(|line| line.starts_with("ok")), "{}", ended.stdout);
    assert_eq!(house.ends(), [vec![0; 2], vec![0; 3], vec![0; 3], vec![0; 3], vec![0]], "a probe wrote");
    let group = house.own("check");
    assert_eq!(kafka::committed(house.broker.bootstrap(), &group, &house.clicks), [None; 2], "a probe committed");
}

#[test]
fn a_port_where_no_broker_is_is_told_with_what_the_client_met() {
    let house = House::new();
    let ended = house.run_on("127.0.0.1:1", &["check"]);
    let [line] = wrong(&ended)[..] else { panic!("{}", ended.stdout) };
    for part in ["brokers at 127.0.0.1:1", "Connection refused", "Check kafka.bootstrap.servers"] {
        assert!(line.contains(part), "{line}");
    }
    let ended = house.run_on("127.0.0.1:1", &["topics"]);
    assert!(ended.code == 1 && ended.stderr.contains("Connection refused"), "{}", ended.stderr);
}

#[test]
fn a_missing_topic_is_named_own_or_of_a_source() {
    let mut house = House::new();
    house.furnish();
    kafka::delete_topic(house.broker.bootstrap(), &house.own("lists"));
    let there = house.clicks.clone();
    house.clicks.pop();
    let ended = house.run(&["check"]);
    let lines = wrong(&ended);
    assert_eq!(lines.len(), 2, "{}", ended.stdout);
    assert!(lines[0].contains(&house.own("lists")) && lines[0].contains("`samenloop topics --create`"), "{}", lines[0]);
    assert!(lines[1].contains(&format!("topic {} is not there", house.clicks)), "{}", lines[1]);
    assert!(lines[1].contains(&format!("there is {}", there)) || lines[1].contains("there is clicks-"), "{}", lines[1]);
}

#[test]
fn a_topic_that_loses_counts_is_wrong_with_the_command_that_mends_it_and_is_not_altered() {
    let house = House::new();
    let events = house.own("events");
    kafka::create_topic(house.broker.bootstrap(), &events, 2, &[("cleanup.policy", "compact")]);
    house.furnish_with_one_wrong();
    for command in ["check", "topics"] {
        let ended = house.run(&[command]);
        assert_eq!(ended.code, 1, "{}", ended.stdout);
        for part in [
            "cleanup.policy is compact, wanted is delete".to_owned(),
            format!("--entity-name {events} --alter --add-config cleanup.policy=delete"),
            "retention.ms is 604800000, wanted is -1".to_owned(),
        ] {
            assert!(ended.stdout.contains(&part), "{part} in {}", ended.stdout);
        }
    }
}

impl House {
    fn furnish_with_one_wrong(&self) {
        kafka::create_topic(self.broker.bootstrap(), &self.clicks, 2, &[]);
        let ended = self.run(&["topics", "--create"]);
        assert_eq!((ended.code, ended.stdout.matches(": made").count()), (1, 4), "{}", ended.stdout);
    }
}

#[test]
fn a_registry_that_is_down_or_not_there_is_wrong_and_one_that_answers_is_not() {
    let mut house = House::new();
    house.furnish();
    house.more = "[registry]\nurl = \"http://127.0.0.1:1\"".to_owned();
    let ended = house.run(&["check"]);
    let [line] = wrong(&ended)[..] else { panic!("{}", ended.stdout) };
    assert!(line.starts_with("wrong    registry: ") && line.contains("Check registry.url"), "{line}");
    house.more.clear();
    let ended = house.run(&["check"]);
    let [line] = wrong(&ended)[..] else { panic!("{}", ended.stdout) };
    assert!(line.contains("set registry.url, or output.format = json"), "{line}");
    let registry = TestRegistry::start();
    house.more = format!("[registry]\nurl = \"{}\"", registry.url());
    let ended = house.run(&["check"]);
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    assert!(ended.stdout.contains("ok       registry: answers"), "{}", ended.stdout);
}

#[test]
fn a_field_that_is_in_no_record_is_named_with_those_that_are() {
    let mut house = House::new();
    house.furnish();
    house.item = "/skuu";
    let ended = house.run(&["check"]);
    let lines = wrong(&ended);
    assert!(
        lines[0].contains("item: /skuu is in none of 3 records; fields that are there: /sku, /ts, /user."),
        "{}",
        ended.stdout
    );
}

#[test]
fn a_sample_shows_what_each_record_becomes_and_users_only_when_asked() {
    let house = House::new();
    house.furnish();
    house.send(["{\"user\":\"anna\",\"sku\":\"d\"}".to_owned(), "{".to_owned()]);
    let ended = house.run(&["check", "--sample", "4"]);
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    let shown: Vec<&str> = ended.stdout.lines().filter(|line| line.starts_with("  ") && line.contains('@')).collect();
    assert_eq!(shown.len(), 4, "{}", ended.stdout);
    assert!(shown.iter().any(|line| line.contains("view of \"b\" at 2023-11-14T22:13:20Z by user ")), "{shown:?}");
    assert!(shown.iter().any(|line| line.contains("reject missing_field")), "{shown:?}");
    assert!(shown.iter().any(|line| line.contains("reject bad_json")), "{shown:?}");
    assert!(!ended.stdout.contains("anna"), "{}", ended.stdout);
    assert!(ended.stdout.contains("of the 4 newest records 2 are events, 2 rejects, 0 skips"), "{}", ended.stdout);
    let ended = house.run(&["check", "--sample", "4", "--show-users"]);
    assert!(ended.stdout.contains("by user \"anna\""), "{}", ended.stdout);
    assert_eq!(kafka::end_offsets(house.broker.bootstrap(), &house.clicks), [3, 2]);
}

#[test]
fn a_sample_shows_each_value_that_a_program_gives_and_what_it_passes_over() {
    let mut house = House::new();
    house.furnish();
    house.source = "transform = \".hits[]\"\n";
    let hits = "{\"user\":\"anna\",\"sku\":\"d\",\"ts\":1700000000000},{\"user\":\"anna\"}";
    house.send([format!("{{\"hits\":[{hits}]}}"), "{\"hits\":[]}".to_owned()]);
    let ended = house.run(&["check", "--sample", "5"]);
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    let shown = |text: &str| ended.stdout.lines().filter(|line| line.starts_with("  ") && line.contains(text)).count();
    assert_eq!(shown(".0  view of \"d\" at 2023-11-14T22:13:20Z"), 1, "{}", ended.stdout);
    assert_eq!(shown(".1  reject missing_field: "), 1, "{}", ended.stdout);
    assert_eq!(shown("  nothing, by transform"), 1, "{}", ended.stdout);
    assert_eq!(shown("reject transform: the program fails: "), 3, "{}", ended.stdout);
    let told = "of what the 5 newest records give 1 are events, 4 rejects, 0 skips, 1 passed over by transform";
    assert!(ended.stdout.contains(told), "{}", ended.stdout);
    house.source = "transform = \".hits[] | now\"\n";
    let refused = house.run(&["check"]);
    assert_eq!(refused.code, 2, "{}", refused.stdout);
    assert!(refused.stderr.contains("transform: line 1, column 11: filter now/0 is not defined"), "{}", refused.stderr);
}
