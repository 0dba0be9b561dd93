//! Lists as they stand when all has come to rest.

#![allow(dead_code)] // each test that includes this file uses a part of it

use super::rig::Rig;
use samenloop::list_key::ListName;
use samenloop::serve::explain_row;
use samenloop::serve::query::RowAnswer;
use serde_json::Value;
use std::collections::BTreeMap;

/// Names of shown and reserved entries.
pub fn names(list: &Value) -> Vec<String> {
    let parts = ["entries", "reserve"].map(|part| list[part].as_array().unwrap().clone());
    parts.concat().iter().map(|entry| entry["item"].as_str().unwrap().to_owned()).collect()
}

/// What subscribers hold: the last record of every key, shown entries.
pub fn held(rig: &mut Rig) -> BTreeMap<String, Vec<String>> {
    let mut held = BTreeMap::new();
    for list in &rig.pipeline.sink().lists {
        let shown = list.shown().into_iter().map(|(item, _)| item).collect::<Vec<_>>();
        if list.tombstone {
            held.remove(&list.key)
        } else {
            held.insert(list.key.clone(), shown)
        };
    }
    held
}

/// What is told of a list, candidate by candidate.
pub fn explained(rig: &Rig, key: &str) -> Value {
    let [shop, list, item] = key.splitn(3, '/').collect::<Vec<_>>().try_into().unwrap();
    match explain_row(&rig.pipeline.asked(), shop, ListName::find(list).unwrap(), item, usize::MAX) {
        RowAnswer::Found(row) => serde_json::from_str(&row).unwrap(),
        answer => panic!("{key}: {answer:?}"),
    }
}

/// What is told of every list is what it shows and has in reserve, in this order, with sources and lists; and why the others do not stand there.
fn assert_explained(rig: &Rig, all: &BTreeMap<String, Value>, context: &str) {
    for (key, record) in all {
        let row = explained(rig, key);
        let candidates = row["candidates"].as_array().unwrap();
        for (part, kind) in [("entries", "shown"), ("reserve", "reserve")] {
            let entry = |place: u64, entry: &Value, source: &str| {
                (place, entry["item"].clone(), source.to_owned(), entry["list"].clone(), entry["support"].clone())
            };
            let told = candidates.iter().filter_map(|told| Some((told["place"].get(kind)?.as_u64().unwrap(), told)));
            let told: Vec<_> =
                told.map(|(place, told)| entry(place, told, told["source"].as_str().unwrap_or("counted"))).collect();
            let wanted = (1..).zip(record[part].as_array().unwrap());
            let wanted: Vec<_> =
                wanted.map(|(place, own)| entry(place, own, own["source"].as_str().unwrap())).collect();
            assert_eq!(told, wanted, "{context}: {key}, {part}");
        }
        for told in candidates {
            assert_eq!(told["place"].is_null(), !told["gate"].is_null(), "{context}: {key}: {told}");
            assert!(told["displaced"].is_null() || told["place"].get("reserve").is_some(), "{context}: {key}: {told}");
        }
        let notes = row["notes"].to_string();
        assert!(!notes.contains("subscribers have other") && !notes.contains("is off"), "{context}: {key}: {notes}");
    }
}

/// The lists as they stand at rest. What subscribers hold must be what they show, and what is told of them.
pub fn come_to_rest(rig: &mut Rig, mut now_ms: i64, context: &str) -> BTreeMap<String, Value> {
    rig.end().unwrap();
    for _ in 0..3 {
        rig.rest().unwrap();
        now_ms += 20_000;
        rig.clock(now_ms).unwrap();
    }
    let live = held(rig);
    let all = rig.final_lists();
    let shown = |list: &Value| names(&serde_json::json!({ "entries": list["entries"], "reserve": [] }));
    let wanted: BTreeMap<_, _> = all.iter().map(|(key, list)| (key.clone(), shown(list))).collect();
    let differs = |key: &&String| live.get(*key) != wanted.get(*key);
    let both = |key: &String| (key.clone(), live.get(key).cloned(), wanted.get(key).cloned());
    let differ: Vec<_> = wanted.keys().chain(live.keys()).filter(differs).map(both).collect();
    assert!(differ.is_empty(), "{context}: what was published, and what stands: {differ:?}");
    assert_explained(rig, &all, context);
    all
}
