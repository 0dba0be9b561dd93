//! What is said of a topic, by what was found.

use super::*;

const CLUSTER: Cluster<'_> = Cluster { brokers: 3, pairs: 4, block_bytes: 1 << 20, bootstrap: "b:9092" };

/// A topic as samenloop makes it, with three copies.
fn right(kind: TopicKind) -> Found {
    let settings = kind.settings(Some(3)).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let logs = LogPartitions { events: 2, pairs: 4 };
    Found { partitions: kind.partitions(logs), replicas: 3, settings, ..Found::default() }
}

fn with(kind: TopicKind, setting: &str, value: &str) -> Found {
    let mut found = right(kind);
    found.settings.insert(setting.to_owned(), value.to_owned());
    found
}

fn report(kind: TopicKind, found: Option<Found>) -> TopicReport {
    TopicReport::new(kind, format!("shop.{}", kind.name()), found, &CLUSTER)
}

#[test]
fn a_topic_as_it_is_made_is_right() {
    for kind in TopicKind::ALL {
        assert_eq!(report(kind, Some(right(kind))).differences, [], "{kind:?}");
    }
    let reports = TopicKind::ALL.map(|kind| report(kind, Some(right(kind))));
    assert_eq!(partitions_or_refuse(&reports), Ok(LogPartitions { events: 2, pairs: 4 }));
}

#[test]
fn what_would_lose_counts_is_an_error_and_the_rest_a_warning() {
    use Severity::{Error, Warning};
    use TopicKind::{Events, Lists, Pairs, Rejects, Totals};
    for (kind, setting, value, expected) in [
        (Events, "cleanup.policy", "compact", Some(Error)),
        (Pairs, "cleanup.policy", "compact,delete", Some(Error)),
        (Events, "retention.ms", "604800000", Some(Error)),
        (Pairs, "retention.bytes", "1073741824", Some(Error)),
        (Totals, "cleanup.policy", "compact", Some(Error)),
        (Totals, "retention.ms", "604800000", Some(Error)),
        (Lists, "cleanup.policy", "delete", Some(Error)),
        (Lists, "delete.retention.ms", "86400000", Some(Warning)),
        (Lists, "delete.retention.ms", "604800001", None),
        (Lists, "segment.bytes", "1073741824", None),
        (Rejects, "cleanup.policy", "compact", Some(Warning)),
        (Rejects, "retention.ms", "1000", None),
        (Events, "max.message.bytes", "1048588", Some(Error)),
        (Pairs, "max.message.bytes", "1114111", Some(Error)),
        (Pairs, "max.message.bytes", "1114112", Some(Warning)),
        (Lists, "max.message.bytes", "1048588", Some(Warning)),
        (Events, "max.message.bytes", "33554431", Some(Warning)),
        (Events, "max.message.bytes", "33554432", None),
        (Events, "max.message.bytes", "67108864", None),
        (Pairs, "compression.type", "gzip", Some(Warning)),
        (Lists, "message.timestamp.type", "LogAppendTime", Some(Warning)),
        (Events, "min.insync.replicas", "1", Some(Warning)),
        (Events, "min.insync.replicas", "3", None),
        (Events, "min.insync.replicas", "4", Some(Error)),
    ] {
        let report = report(kind, Some(with(kind, setting, value)));
        assert_eq!(report.severity(), expected, "{kind:?} {setting}={value}: {:?}", report.differences);
        let named = report.differences.iter().all(|it| it.setting == setting && it.found == value);
        assert!(named && report.differences.len() <= 1, "{:?}", report.differences);
    }
}

#[test]
fn a_difference_tells_what_it_costs_and_the_command_that_mends_it() {
    let report = report(TopicKind::Events, Some(with(TopicKind::Events, "retention.ms", "604800000")));
    assert_eq!(
        report.differences[0].to_string(),
        "retention.ms is 604800000, wanted is -1: the log is the state: what is deleted from it was never counted. \
         To mend it: kafka-configs.sh --bootstrap-server b:9092 --entity-type topics --entity-name shop.events \
         --alter --add-config retention.ms=-1"
    );
}

#[test]
fn totals_and_lists_have_as_many_partitions_as_pairs_and_events_its_own() {
    for (kind, partitions, command) in [
        (TopicKind::Lists, 3, "--alter --topic shop.lists --partitions 4"),
        (TopicKind::Totals, 5, "--delete --topic shop.totals"),
    ] {
        let report = report(kind, Some(Found { partitions, ..right(kind) }));
        let [difference] = &report.differences[..] else { panic!("{:?}", report.differences) };
        assert_eq!((difference.severity, difference.setting.as_str()), (Severity::Error, "partitions"));
        assert!(difference.command.contains(command), "{}", difference.command);
    }
    for kind in [TopicKind::Events, TopicKind::Rejects] {
        assert_eq!(report(kind, Some(Found { partitions: 7, ..right(kind) })).differences, []);
    }
}

#[test]
fn one_copy_is_told_where_there_could_be_two_and_needs_no_two_in_sync() {
    let mut found = right(TopicKind::Events);
    found.replicas = 1;
    found.settings.insert("min.insync.replicas".to_owned(), "1".to_owned());
    let alone = Cluster { brokers: 1, ..CLUSTER };
    let on = |cluster| TopicReport::new(TopicKind::Events, "e".to_owned(), Some(found.clone()), cluster).differences;
    assert_eq!(on(&alone), []);
    assert_eq!(on(&CLUSTER).iter().map(|it| it.setting.as_str()).collect::<Vec<_>>(), ["replication"]);
}

#[test]
fn settings_that_are_not_shown_are_a_warning_and_not_taken_for_wrong() {
    let report = report(TopicKind::Pairs, Some(Found { settings: BTreeMap::new(), ..right(TopicKind::Pairs) }));
    assert_eq!((report.severity(), report.differences.len()), (Some(Severity::Warning), 1));
    assert!(report.differences[0].command.contains("--operation DescribeConfigs --topic shop.pairs"));
}

#[test]
fn a_run_is_refused_with_all_that_is_missing_and_all_that_loses_counts() {
    let mut reports = TopicKind::ALL.map(|kind| report(kind, Some(right(kind))));
    reports[0] = report(TopicKind::Events, None);
    reports[1] = report(TopicKind::Pairs, Some(with(TopicKind::Pairs, "cleanup.policy", "compact")));
    reports[4] = report(TopicKind::Rejects, Some(with(TopicKind::Rejects, "cleanup.policy", "compact")));
    let refused = partitions_or_refuse(&reports).unwrap_err();
    assert_eq!(refused.faults.len(), 2, "{refused}");
    assert!(refused.faults[0].starts_with("topic shop.events is not there"), "{refused}");
    assert!(refused.faults[1].starts_with("topic shop.pairs: cleanup.policy is compact"), "{refused}");
}
