//! What is asked of the cache.

use super::link::{CacheError, Link, sorted};
use crate::config::{CacheUrl, WarmSettings};
use crate::warm::script::{OPEN, WRITE, Written, read_held, write_arguments};
use crate::warm::{Batch, Held, Names};
use redis::{Cmd, Connection, ConnectionLike as _, FromRedisValue, RedisError, Value, cmd};

/// Keys that are asked for at once when the cache is walked over.
const WALK_KEYS: usize = 512;

/// A cache, and the connection to it, if there is one now.
pub struct Cache {
    link: Link,
    names: Names,
    lives_ms: Option<i64>,
    connected: Option<Connected>,
}

struct Connected {
    connection: Connection,
    /// What the scripts are called there.
    write: String,
    open: String,
}

/// How far a batch got.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// What became of each chunk that was written: the first ones, in their order.
    pub(super) written: Vec<Written>,
    /// Why the next one was not.
    pub(super) stopped: Option<Stopped>,
}

/// Why a chunk was not written.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The cache is another, or elsewhere.
    Elsewhere,
    /// It did not take it.
    Failed(CacheError),
}

impl Cache {
    /// The cache of the settings, for lists of `topic`. Nothing is sent yet.
    ///
    /// # Errors
    /// When it cannot be reached by this build, or the settings contradict themselves.
    pub fn new(url: &CacheUrl, settings: &WarmSettings, topic: &str) -> Result<Self, CacheError> {
        let link = Link::new(url, settings)?;
        let names = Names::new(&settings.key_prefix, topic);
        Ok(Self { link, names, lives_ms: settings.lives_ms, connected: None })
    }

    /// How far the cache is. Where there is no such cache, or with `may_take` one of other settings, it is a new one called `id` from now on.
    ///
    /// # Errors
    /// When it does not answer, or refuses.
    pub fn open(&mut self, id: &str, settings: &str, may_take: bool) -> Result<Held, CacheError> {
        let may_take = if may_take { "1" } else { "0" };
        let fields = self.ask_open(&[id, settings, may_take])?;
        read_held(&fields).ok_or_else(|| CacheError::Refused("it keeps nothing that it is given".to_owned()))
    }

    /// How far it is, if anybody has filled it.
    ///
    /// # Errors
    /// When it does not answer, or refuses.
    pub fn look(&mut self) -> Result<Option<Held>, CacheError> {
        Ok(read_held(&self.ask_open(&[])?))
    }

    fn ask_open(&mut self, arguments: &[&str]) -> Result<Vec<String>, CacheError> {
        let marker = self.names.marker().to_owned();
        self.with(|connected| {
            cmd("EVALSHA").arg(&connected.open).arg(1).arg(marker).arg(arguments).query(&mut connected.connection)
        })
    }

    /// Writes a batch, in one round trip, to the cache that is as `held` says. `held` moves on with what was written.
    pub(super) fn write(&mut self, batch: &Batch, held: &mut Held) -> Sent {
        let mut sent = Sent::default();
        let answers = match self.answers(batch, held) {
            Ok(answers) => answers,
            Err(error) => {
                sent.stopped = Some(Stopped::Failed(error));
                return sent;
            }
        };
        for (chunk, answer) in batch.chunks().zip(answers) {
            let answer = match answer {
                Value::ServerError(error) => Err(RedisError::from(error)),
                answer => Vec::<u64>::from_redis_value(answer).map_err(RedisError::from),
            };
            match answer.as_deref() {
                Ok(&[1, set, deleted, older]) => {
                    sent.written.push(Written { set, deleted, older });
                    held.places.extend(&chunk.to);
                }
                Ok(_) => {
                    sent.stopped = Some(Stopped::Elsewhere);
                    break;
                }
                Err(error) => {
                    sent.stopped = Some(Stopped::Failed(self.failed(error)));
                    break;
                }
            }
        }
        sent
    }

    fn answers(&mut self, batch: &Batch, held: &Held) -> Result<Vec<Value>, CacheError> {
        let (names, lives_ms) = (self.names.clone(), self.lives_ms);
        self.with(|connected| {
            let (mut packed, mut count, mut held) = (Vec::new(), 0, held.clone());
            for chunk in batch.chunks() {
                let [keys, arguments] = write_arguments(chunk, &names, &held, lives_ms);
                let mut command = Cmd::with_capacity(3 + keys.len() + arguments.len(), 0);
                command.arg("EVALSHA").arg(&connected.write).arg(keys.len());
                for text in keys.iter().chain(&arguments) {
                    command.arg(&**text);
                }
                command.write_packed_command(&mut packed);
                held.places.extend(&chunk.to);
                count += 1;
            }
            connected.connection.req_packed_commands(&packed, 0, count)
        })
    }

    /// The values of `keys`.
    ///
    /// # Errors
    /// When it does not answer, or refuses.
    pub fn values(&mut self, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>, CacheError> {
        let names: Vec<String> = keys.iter().map(|key| self.names.value(key)).collect();
        self.with(|connected| cmd("MGET").arg(&names).query(&mut connected.connection))
    }

    /// Lists whose stamps the cache holds: some of them, and where to go on; 0 is the start, and the end. One may come twice.
    ///
    /// # Errors
    /// When it does not answer, or refuses.
    pub fn stamps(&mut self, cursor: u64) -> Result<(u64, Vec<String>), CacheError> {
        let names = self.names.clone();
        let (next, found): (u64, Vec<String>) = self.with(|connected| {
            let mut scan = cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(names.stamps()).arg("COUNT").arg(WALK_KEYS);
            scan.query(&mut connected.connection)
        })?;
        Ok((next, found.iter().filter_map(|name| names.list(name)).map(str::to_owned).collect()))
    }

    /// Asks something, of a new connection where there is none. Whatever fails ends the connection.
    fn with<T>(&mut self, ask: impl FnOnce(&mut Connected) -> Result<T, RedisError>) -> Result<T, CacheError> {
        if self.connected.is_none() {
            self.connected = Some(connected(&mut self.link)?);
        }
        let Some(connected) = &mut self.connected else { return Err(CacheError::Refused("no connection".to_owned())) };
        ask(connected).map_err(|error| self.failed(&error))
    }

    fn failed(&mut self, error: &RedisError) -> CacheError {
        // Another one may be the master now; and a server that has forgotten its scripts is told them again.
        self.connected = None;
        sorted(error)
    }
}

fn connected(link: &mut Link) -> Result<Connected, CacheError> {
    let mut connection = link.connect()?;
    let mut load = |script: &str| -> Result<String, CacheError> {
        cmd("SCRIPT").arg("LOAD").arg(script).query(&mut connection).map_err(|error| sorted(&error))
    };
    let (write, open) = (load(WRITE)?, load(OPEN)?);
    Ok(Connected { connection, write, open })
}
