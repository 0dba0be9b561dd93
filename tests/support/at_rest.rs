//! Lists as they stand when all has come to rest.

#![allow(dead_code)] // each test that includes this file uses a part of it

use super::rig::Rig;
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

/// The lists as they stand at rest. What subscribers hold must be what they show.
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
    all
}
