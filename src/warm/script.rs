//! What runs in the cache: one script that writes a chunk, and one that says how far the cache is.
//!
//! Stamps are kept beside the values, under keys of their own, as decimal texts of one length: so that their order is that of texts (Lua's
//! numbers hold 53 bits), a shop reads a value by a plain GET, and the stamp of a deleted list can run out by itself.

use super::{Chunk, Held, Names};
use crate::limits::WARM_TOMBSTONE_MS;
use crate::position::{NextOffset, Partition};
use crate::publish::Stamp;
use std::borrow::Cow;

/// Writes a chunk: nothing unless the cache is the one that is meant, and as far as is meant.
///
/// Keys: the marker, then of each change value and stamp. Arguments: the cache's id; how many partitions, and of each its number, where the
/// cache must be (empty: nowhere) and will be; how long a value lives in ms (0: for ever), and the stamp of a deleted list; then of each
/// change its stamp, `1` or `0` for a value or none, and the value. Gives 1, and how many changes set a value, deleted one, and came too
/// late; or 0 where the cache is another, or elsewhere.
pub const WRITE: &str = r"
local marker = KEYS[1]
if redis.call('HGET', marker, 'id') ~= ARGV[1] then return {0} end
local partitions = tonumber(ARGV[2])
local at = 3
for _ = 1, partitions do
  if (redis.call('HGET', marker, ARGV[at]) or '') ~= ARGV[at + 1] then return {0} end
  at = at + 3
end
local lives, stays = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
at = at + 2
local set, deleted, late = 0, 0, 0
for key = 2, #KEYS, 2 do
  local stamp = ARGV[at]
  local known = redis.call('GET', KEYS[key + 1])
  if known and known > stamp then
    late = late + 1
  elseif ARGV[at + 1] == '0' then
    redis.call('DEL', KEYS[key])
    redis.call('SET', KEYS[key + 1], stamp, 'PX', stays)
    deleted = deleted + 1
  elseif lives > 0 then
    redis.call('SET', KEYS[key], ARGV[at + 2], 'PX', lives)
    redis.call('SET', KEYS[key + 1], stamp, 'PX', lives + stays)
    set = set + 1
  else
    redis.call('SET', KEYS[key], ARGV[at + 2])
    redis.call('SET', KEYS[key + 1], stamp)
    set = set + 1
  end
  at = at + 3
end
at = 3
for _ = 1, partitions do
  redis.call('HSET', marker, ARGV[at], ARGV[at + 2])
  at = at + 3
end
return {1, set, deleted, late}
";

/// Says how far the cache is. With three arguments, an id, settings and `1` or `0`: where there is none, or where there is one of other
/// settings and the last is `1`, it is a new one with this id. Key: the marker. Gives all of its fields and values.
pub const OPEN: &str = r"
local marker = KEYS[1]
if ARGV[1] then
  local settings = redis.call('HGET', marker, 'settings')
  if not settings or (settings ~= ARGV[2] and ARGV[3] == '1') then
    redis.call('DEL', marker)
    redis.call('HSET', marker, 'id', ARGV[1], 'settings', ARGV[2])
  end
end
return redis.call('HGETALL', marker)
";

/// What became of a chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Lists that were set.
    pub set: u64,
    /// Lists that were deleted, or were not there.
    pub deleted: u64,
    /// Changes that were older than what the cache knew.
    pub older: u64,
}

/// A stamp as it is kept.
#[must_use]
pub fn stamp_text(stamp: Stamp) -> String {
    format!("{:020}{:020}", stamp.epoch, stamp.sequence)
}

/// A stamp as it was kept.
#[must_use]
pub fn read_stamp(text: &str) -> Option<Stamp> {
    let (epoch, sequence) = text.split_at_checked(20)?;
    Some(Stamp { epoch: epoch.parse().ok()?, sequence: sequence.parse().ok()? })
}

/// A key or an argument.
pub type Word<'c> = Cow<'c, [u8]>;

/// Keys and arguments of [`WRITE`] for a chunk, all keys first. `held` is what the cache is taken to be.
#[must_use]
pub fn write_arguments<'c>(
    chunk: &'c Chunk,
    names: &Names,
    held: &'c Held,
    lives_ms: Option<i64>,
) -> [Vec<Word<'c>>; 2] {
    let text = |text: String| Cow::Owned(text.into_bytes());
    let number = |number: u64| Cow::Owned(number.to_string().into_bytes());
    let mut keys = vec![text(names.marker().to_owned())];
    let mut arguments = vec![Cow::Borrowed(held.id.as_bytes()), number(chunk.to.len() as u64)];
    for (partition, to) in &chunk.to {
        let place = held.places.get(partition).map_or(Cow::Borrowed(&b""[..]), |place| number(place.0));
        arguments.extend([number(u64::from(partition.0)), place, number(to.0)]);
    }
    let lives_ms = lives_ms.and_then(|lives_ms| u64::try_from(lives_ms).ok());
    arguments.extend([number(lives_ms.unwrap_or(0)), number(WARM_TOMBSTONE_MS)]);
    for change in &chunk.changes {
        keys.extend([text(names.value(&change.key)), text(names.stamp(&change.key))]);
        let value = change.value.as_deref();
        let is_there: &[u8] = if value.is_some() { b"1" } else { b"0" };
        arguments.extend([text(stamp_text(change.stamp)), Cow::Borrowed(is_there)]);
        arguments.push(Cow::Borrowed(value.unwrap_or_default()));
    }
    [keys, arguments]
}

/// What [`OPEN`] gave: names and texts in turn. `None` where there is no such cache.
#[must_use]
pub fn read_held(fields: &[String]) -> Option<Held> {
    let mut held = Held::default();
    for pair in fields.chunks_exact(2) {
        match (pair[0].as_str(), &pair[1]) {
            ("id", id) => held.id.clone_from(id),
            ("settings", settings) => held.settings.clone_from(settings),
            (partition, place) => {
                let place = partition.parse().ok().zip(place.parse().ok());
                held.places.extend(place.map(|(partition, place)| (Partition(partition), NextOffset(place))));
            }
        }
    }
    (!held.id.is_empty()).then_some(held)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_in_the_order_of_their_texts() {
        let stamps = [(0, 0), (0, 9), (0, 10), (9, u64::MAX), (10, 0), (u64::MAX, 1)];
        let stamps = stamps.map(|(epoch, sequence)| Stamp { epoch, sequence });
        let texts = stamps.map(stamp_text);
        assert!(texts.is_sorted(), "{texts:?}");
        assert_eq!(texts.each_ref().map(|text| read_stamp(text)), stamps.map(Some));
        assert_eq!((read_stamp("12"), read_stamp(&"x".repeat(40))), (None, None));
    }

    #[test]
    fn what_a_cache_says_of_itself_is_read() {
        let fields = ["id", "a1", "settings", "1-x", "0", "7", "12", "8"].map(str::to_owned);
        let held = read_held(&fields).unwrap();
        assert_eq!((&*held.id, &*held.settings), ("a1", "1-x"));
        assert_eq!(
            held.places.into_iter().collect::<Vec<_>>(),
            [(Partition(0), NextOffset(7)), (Partition(12), NextOffset(8))]
        );
        assert_eq!(read_held(&[]), None);
    }
}
