//! Whether a cache is equal to the topic: all of the topic is read once, then the cache is asked for each list, and walked over for others.

use super::link::CacheError;
use super::store::Cache;
use super::understood::understood;
use crate::drive::{Follower, Message, Next, SchemaSource, StopAsked, Vigil};
use crate::intake::Record;
use crate::position::{NextOffset, Partition};
use crate::warm::{Compared, Made, Newest, Reading};
use crate::watch::waits::Outside;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Lists that are asked for at once.
const ASKED: usize = 256;
/// How long a poll waits.
const POLL: Duration = Duration::from_millis(100);
/// How long until whoever does not answer is asked again.
const AGAIN: Duration = Duration::from_millis(500);

/// Holds the cache against what the topic holds now. Lists that change while this goes on are left out. Gives too how many records could
/// not be read.
///
/// # Errors
/// When brokers or cache refuse, or there are too many lists.
pub fn verify<F: Follower>(
    follower: &F,
    cache: &mut Cache,
    reading: &Reading,
    schemas: Option<&Arc<dyn SchemaSource>>,
    vigil: &Vigil,
) -> anyhow::Result<(Compared, u64)> {
    let (mut newest, mut unreadable) = (Newest::default(), 0);
    let Some(count) = follower.partitions()? else { anyhow::bail!("the lists topic is not there") };
    let mut from = BTreeMap::new();
    for partition in (0..count).map(Partition) {
        from.insert(partition, follower.bounds(partition)?.low);
    }
    let until = ends(follower, from.keys())?;
    read(follower, &from, &until, vigil, |record| {
        match understood(reading, schemas, vigil, record)? {
            Ok(Made::Change(change)) => newest.take(&change)?,
            Ok(Made::Unselected) => {}
            Err(_) => unreadable += 1,
        }
        Ok(())
    })?;
    let expected: Vec<&str> = newest.expected().collect();
    let mut found = Vec::new();
    for keys in expected.chunks(ASKED) {
        for (key, value) in keys.iter().zip(values(cache, vigil, keys)?) {
            found.push(((*key).to_owned(), newest.hold_against(key, value.as_deref())));
        }
    }
    let mut cursor = 0;
    let mut others = BTreeSet::new();
    loop {
        let (next, keys) = patiently(vigil, || cache.stamps(cursor))?;
        let keys: Vec<&str> = keys.iter().map(String::as_str).filter(|key| !newest.is_expected(key)).collect();
        for (key, value) in keys.iter().zip(values(cache, vigil, &keys)?) {
            // A walk may come by twice.
            if value.is_some() && others.insert((*key).to_owned()) {
                found.push(((*key).to_owned(), newest.hold_against(key, value.as_deref())));
            }
        }
        cursor = next;
        if cursor == 0 {
            break;
        }
    }
    let later = ends(follower, from.keys())?;
    read(follower, &until, &later, vigil, |record| {
        if let Ok(Made::Change(change)) = understood(reading, schemas, vigil, record)? {
            newest.take_later(&change.key);
        }
        Ok(())
    })?;
    let mut compared = Compared::default();
    let told = found.iter().filter(|(key, _)| !newest.has_changed(key));
    told.for_each(|(key, found)| compared.note(key, *found));
    Ok((compared, unreadable))
}

type Places = BTreeMap<Partition, NextOffset>;

fn ends<'p>(follower: &impl Follower, partitions: impl Iterator<Item = &'p Partition>) -> anyhow::Result<Places> {
    partitions.map(|&partition| Ok((partition, follower.bounds(partition)?.high))).collect()
}

/// Reads every record between two places of each partition.
fn read<F: Follower>(
    follower: &F,
    from: &Places,
    to: &Places,
    vigil: &Vigil,
    mut each: impl FnMut(&Record<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let is_left = |partition: &Partition, at: NextOffset| to.get(partition).is_some_and(|&to| at < to);
    let mut left: Places = from.iter().filter(|(it, at)| is_left(it, **at)).map(|(it, at)| (*it, *at)).collect();
    follower.assign(&left.iter().map(|(partition, at)| (*partition, *at)).collect::<Vec<_>>())?;
    while !left.is_empty() {
        vigil.beat();
        if vigil.is_stopping() {
            return Err(StopAsked.into());
        }
        match follower.poll(POLL)? {
            Next::Nothing => {}
            Next::End(partition) => drop(left.remove(&partition)),
            Next::Record(message) => {
                let Some((partition, offset)) = message.place() else { continue };
                if !left.contains_key(&partition) || !is_left(&partition, offset) {
                    left.remove(&partition);
                    continue;
                }
                let mut headers = Vec::new();
                message.headers(&mut headers);
                each(&Record {
                    topic: message.topic(),
                    key: message.key(),
                    value: message.value(),
                    timestamp_ms: message.timestamp_ms(),
                    headers: &headers,
                    around: None,
                })?;
                if !is_left(&partition, offset.after()) {
                    left.remove(&partition);
                }
            }
        }
    }
    follower.assign(&[])
}

fn values(cache: &mut Cache, vigil: &Vigil, keys: &[&str]) -> anyhow::Result<Vec<Option<Vec<u8>>>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    patiently(vigil, || cache.values(keys))
}

fn patiently<T>(vigil: &Vigil, mut ask: impl FnMut() -> Result<T, CacheError>) -> anyhow::Result<T> {
    loop {
        match ask() {
            Ok(answer) => {
                vigil.note_answer_of(Outside::Cache);
                return Ok(answer);
            }
            Err(CacheError::Away { what, .. }) => {
                vigil.wait_for(Outside::Cache, &what)?;
                thread::sleep(AGAIN);
            }
            Err(error) => return Err(error.into()),
        }
    }
}
