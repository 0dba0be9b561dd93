//! The store: where snapshots are kept.
//!
//! An object is called `{scope}/{stage}-{partition}/{offset}.snapshot`, numbers with zeros in front, so that names sort
//! as offsets do; the scope is what the topics of our logs are called after. Beside them lies `store-id`, made once, by which a snapshot is told from one of another store.
//!
//! Calls block: workers are plain threads. The requests run on one thread of the store's own (`worker`). Requests to the cloud are
//! tried again for a while by the client itself; what comes out as an error after that is sorted by [`StoreError::is_transient`].
//!
//! Invariants: an object appears under its name whole, in place of its forerunner if there was one, or not at all; a
//! reader that meets such a change stops. Memory: two pieces of [`READ_BYTES`] for each [`Reading`], two of [`PART_BYTES`] for
//! each [`Writing`]. No message holds a credential, or the query of a URL. Absent: when snapshots are taken, which one may be used.

mod error;
mod location;
mod names;
mod reading;
mod worker;
mod writing;
#[cfg(test)]
mod tests;

pub use error::StoreError;
pub use names::Found;
pub use reading::Reading;
pub use writing::Writing;

use super::{FormatError, Head, Reader};
use error::Masks;
use location::Location;
use object_store::path::Path;
use object_store::{GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use std::cmp::Reverse;
use std::fmt;
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use worker::Worker;

/// Bytes that are fetched at once. One piece is fetched while the one before it is read.
pub const READ_BYTES: u64 = 8 << 20;
/// Bytes that are fetched at once where only the head is wanted.
pub const HEAD_READ_BYTES: u64 = 64 << 10;
/// Bytes of a part of an object that is written. Stores of the S3 kind want at least 5 MiB, all the same, and at most 10,000 of them.
pub const PART_BYTES: usize = 8 << 20;
/// A temporary file in a folder that nobody has written to for this long is of a process that is gone.
pub const ABANDONED_AFTER: Duration = Duration::from_secs(3600);

const ID_NAME: &str = "store-id";
const ID_TEXT: &str = "samenloop snapshot store ";

/// A folder or a bucket that holds snapshots. Clones are the same store.
#[derive(Clone)]
pub struct SnapshotStore {
    inner: Arc<Inner>,
}

struct Inner {
    objects: Arc<dyn ObjectStore>,
    /// Before every name.
    prefix: Path,
    /// Where the files are, if it is a folder.
    folder: Option<PathBuf>,
    masks: Masks,
    worker: Worker,
    id: OnceLock<u128>,
}

/// A snapshot whose every checksum is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What it is of.
    pub head: Head,
    /// Number of chunks.
    pub chunks: u64,
    /// Bytes of its state, before compression.
    pub raw_bytes: u64,
}

impl SnapshotStore {
    /// The store at `url`: `file:///path` or a plain path (the folder is made when it is missing), `memory:` (gone with the last
    /// clone, for tests), or, in builds with the feature `cloud`, `s3://bucket/prefix`, `gs://bucket/prefix` and
    /// `az://container/prefix`, with region, endpoint and credentials from the environment (`AWS_…`, `GOOGLE_…`, `AZURE_…`).
    /// Nothing is asked of a cloud yet: [`SnapshotStore::id`] is the first request.
    ///
    /// # Errors
    /// [`StoreError::Url`], [`StoreError::Feature`]; of a folder, that it cannot be made.
    pub fn open(url: &str) -> Result<Self, StoreError> {
        let worker = Worker::start()?;
        let guard = worker.enter();
        let opened = Location::parse(url)?.open();
        drop(guard);
        let (objects, prefix, folder, masks) = opened?;
        Ok(Self { inner: Arc::new(Inner { objects, prefix, folder, masks, worker, id: OnceLock::new() }) })
    }

    /// The store's id, a random number: made by whoever asks first, also when several do at once. Asked for once; later calls
    /// give what the first one got.
    ///
    /// # Errors
    /// [`StoreError::NoId`] when something else stands in its place; what keeps it from being read or written.
    pub fn id(&self) -> Result<u128, StoreError> {
        if let Some(id) = self.inner.id.get() {
            return Ok(*id);
        }
        let id = match self.read_id() {
            Err(StoreError::Missing { .. }) => self.make_id(rand::random::<u128>().max(1))?,
            found => found?,
        };
        Ok(*self.inner.id.get_or_init(|| id))
    }

    /// Sees to it that the store still has the id that it was asked for first: of one that was emptied meanwhile it is written again, or
    /// what is kept there from now on would pass for another store's.
    ///
    /// # Errors
    /// [`StoreError::Exchanged`] when it has another one; what keeps it from being read or written.
    pub fn keep_id(&self) -> Result<(), StoreError> {
        let known = self.id()?;
        let id = match self.read_id() {
            Err(StoreError::Missing { .. }) => self.make_id(known)?,
            found => found?,
        };
        if id == known { Ok(()) } else { Err(StoreError::Exchanged { object: ID_NAME.to_owned() }) }
    }

    /// Sees to it that the store still has the id that it was asked for first. What says nothing of snapshots any more may be a folder that
    /// is not mounted.
    ///
    /// # Errors
    /// [`StoreError::Exchanged`] when it has another one or none; what keeps it from being read.
    pub fn check_id(&self) -> Result<(), StoreError> {
        let known = self.id()?;
        match self.read_id() {
            Ok(id) if id == known => Ok(()),
            Ok(_) | Err(StoreError::Missing { .. }) => Err(StoreError::Exchanged { object: ID_NAME.to_owned() }),
            Err(error) => Err(error),
        }
    }

    /// The snapshots of a partition, newest first, by their names: whether one is good is not looked at.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn newest(&self, scope: &str, stage: &str, partition: u32) -> Result<Vec<Found>, StoreError> {
        let folder = names::folder(scope, stage, partition)?;
        let (objects, path) = (Arc::clone(&self.inner.objects), self.path(&folder)?);
        let listed = self.run(&folder, async move { objects.list_with_delimiter(Some(&path)).await });
        let listed = match listed {
            Err(StoreError::Missing { .. }) => return Ok(Vec::new()),
            listed => listed?,
        };
        let found = listed.objects.iter().filter_map(|object| {
            let tag = object.e_tag.as_deref().unwrap_or_default();
            let version = format!("{} {tag} {}", object.size, object.last_modified.timestamp_millis());
            names::found(&folder, object.location.filename()?, version)
        });
        let mut found: Vec<Found> = found.collect();
        found.sort_by_key(|found| Reverse(found.offset));
        Ok(found)
    }

    /// The head of a snapshot. Fetches [`HEAD_READ_BYTES`] at a time, and no more than the head needs.
    ///
    /// # Errors
    /// [`StoreError::Format`] when it is none; when it cannot be read.
    pub fn head(&self, name: &str) -> Result<Head, StoreError> {
        let reading = Reading::open(self, name, HEAD_READ_BYTES, false)?;
        match Reader::open(reading) {
            Ok((head, _)) => Ok(head),
            Err(error) => Err(StoreError::of_format(name, error)),
        }
    }

    /// The bytes of a snapshot, for [`Reader`]. Errors in reading come as [`std::io::Error`] around a [`StoreError`];
    /// [`StoreError::of_format`] takes it out again.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn read(&self, name: &str) -> Result<Reading, StoreError> {
        Reading::open(self, name, READ_BYTES, true)
    }

    /// Begins a snapshot at `offset`. It takes the place of an earlier one at the same offset when it is published, not before.
    ///
    /// # Errors
    /// [`StoreError::Name`] for a stage that no object can be called after.
    pub fn write(&self, scope: &str, stage: &str, partition: u32, offset: u64) -> Result<Writing, StoreError> {
        let name = names::name(scope, stage, partition, offset)?;
        let path = self.path(&name)?;
        Ok(Writing::new(self.clone(), name, path))
    }

    /// Reads a snapshot back, to its end.
    ///
    /// # Errors
    /// [`StoreError::Format`] when it is damaged, torn or no snapshot; when it cannot be read.
    pub fn verify(&self, name: &str) -> Result<Verified, StoreError> {
        self.verify_telling(name, || ())
    }

    /// The same; `read` is called with every piece that has been read.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn verify_telling(&self, name: &str, mut read: impl FnMut()) -> Result<Verified, StoreError> {
        let bad = |error: FormatError| StoreError::of_format(name, error);
        let (head, mut reader) = Reader::open(self.read(name)?).map_err(bad)?;
        let mut chunk = Vec::new();
        while reader.next_chunk(&mut chunk).map_err(bad)?.is_some() {
            read();
        }
        let (chunks, raw_bytes) = reader.read_so_far();
        Ok(Verified { head, chunks, raw_bytes })
    }

    /// Removes a snapshot. One that is gone already is no error.
    ///
    /// # Errors
    /// When the store does not do it.
    pub fn remove(&self, name: &str) -> Result<(), StoreError> {
        let (objects, path) = (Arc::clone(&self.inner.objects), self.path(name)?);
        match self.run(name, async move { objects.delete(&path).await }) {
            Ok(()) | Err(StoreError::Missing { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Removes temporary files in a partition's folder that nobody has written to for [`ABANDONED_AFTER`]. (In a bucket, what a crash
    /// leaves of an upload is for a lifecycle rule of the bucket.)
    ///
    /// # Errors
    /// When the folder cannot be read, or a file not be removed.
    pub fn remove_abandoned(&self, scope: &str, stage: &str, partition: u32) -> Result<(), StoreError> {
        let Some(root) = &self.inner.folder else { return Ok(()) };
        let folder = names::folder(scope, stage, partition)?;
        let removed = names::remove_abandoned(&root.join(&folder), ABANDONED_AFTER);
        removed.map_err(|error| StoreError::of_io(&folder, &error))
    }

    /// How many snapshots there are of a scope, of all stages and partitions, and their bytes.
    ///
    /// # Errors
    /// [`StoreError::Name`] for what is no scope; when the store cannot be read.
    pub fn count(&self, scope: &str) -> Result<(usize, u64), StoreError> {
        let all = self.all(scope)?;
        Ok((all.len(), all.iter().map(|object| object.size).sum()))
    }

    /// Removes all snapshots of a scope, of all stages and partitions, but those of these names, and what a crash has left of them; nothing of
    /// other scopes, and not the store's id. Gives how many it removed.
    ///
    /// # Errors
    /// As [`count`](Self::count); when an object cannot be removed: some may have been by then.
    pub fn remove_all_but(&self, scope: &str, stays: &[String]) -> Result<usize, StoreError> {
        let stays = stays.iter().map(|name| self.path(name)).collect::<Result<Vec<_>, _>>()?;
        let mut all = self.all(scope)?;
        all.retain(|object| !stays.contains(&object.location));
        for object in &all {
            let (objects, path) = (Arc::clone(&self.inner.objects), object.location.clone());
            match self.run(object.location.as_ref(), async move { objects.delete(&path).await }) {
                Ok(()) | Err(StoreError::Missing { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        if let Some(root) = &self.inner.folder {
            names::remove_abandoned_of(&root.join(scope)).map_err(|error| StoreError::of_io(scope, &error))?;
        }
        Ok(all.len())
    }

    /// All snapshots of a scope.
    fn all(&self, scope: &str) -> Result<Vec<ObjectMeta>, StoreError> {
        names::check_scope(scope)?;
        let (objects, path) = (Arc::clone(&self.inner.objects), self.path(scope)?);
        let listed = self.run(scope, async move {
            let mut all = Vec::new();
            for folder in objects.list_with_delimiter(Some(&path)).await?.common_prefixes {
                all.extend(objects.list_with_delimiter(Some(&folder)).await?.objects);
            }
            Ok(all)
        });
        let mut listed: Vec<ObjectMeta> = match listed {
            Err(StoreError::Missing { .. }) => return Ok(Vec::new()),
            listed => listed?,
        };
        listed.retain(|object| object.location.filename().is_some_and(names::is_snapshot));
        Ok(listed)
    }

    fn read_id(&self) -> Result<u128, StoreError> {
        // No more than a good one has, whatever lies there.
        let mut bytes = Vec::new();
        let reading = Reading::open(self, ID_NAME, HEAD_READ_BYTES, false)?;
        reading.take(HEAD_READ_BYTES).read_to_end(&mut bytes).map_err(|error| StoreError::of_read(ID_NAME, error))?;
        let text = std::str::from_utf8(&bytes).unwrap_or_default().trim_end();
        let digits = text.strip_prefix(ID_TEXT).filter(|digits| digits.len() == 32);
        let id = digits.and_then(|digits| u128::from_str_radix(digits, 16).ok()).filter(|id| *id != 0);
        id.ok_or_else(|| StoreError::NoId { object: ID_NAME.to_owned() })
    }

    /// Puts this id where there is none. Whoever comes second takes the first one's.
    fn make_id(&self, id: u128) -> Result<u128, StoreError> {
        let text = format!("{ID_TEXT}{id:032x}\n");
        let (objects, path) = (Arc::clone(&self.inner.objects), self.path(ID_NAME)?);
        let options = PutOptions::from(PutMode::Create);
        let put = async move { Ok(objects.put_opts(&path, PutPayload::from(text.into_bytes()), options).await) };
        match self.run(ID_NAME, put)? {
            Ok(_) => Ok(id),
            // The second is what S3 says where two conditional writes meet, or one is sent again.
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => self.read_id(),
            Err(error) => Err(self.error(ID_NAME, &error)),
        }
    }

    fn path(&self, name: &str) -> Result<Path, StoreError> {
        let prefix = self.inner.prefix.as_ref();
        let full = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
        Path::parse(full).map_err(|error| StoreError::Name { name: name.to_owned(), reason: error.to_string() })
    }

    fn error(&self, object: &str, error: &object_store::Error) -> StoreError {
        StoreError::of_store(object, error, &self.inner.masks)
    }

    /// Runs a request to its end.
    fn run<T: Send + 'static>(
        &self,
        object: &str,
        request: impl Future<Output = object_store::Result<T>> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.begin(request).wait(self, object)
    }

    /// Begins a request, and does not wait for it.
    fn begin<T: Send + 'static>(
        &self,
        request: impl Future<Output = object_store::Result<T>> + Send + 'static,
    ) -> worker::Pending<object_store::Result<T>> {
        self.inner.worker.begin(request)
    }
}

impl<T> worker::Pending<object_store::Result<T>> {
    /// Waits for a request of `store` about `object`.
    fn wait(self, store: &SnapshotStore, object: &str) -> Result<T, StoreError> {
        let result = self.done(None).ok_or_else(|| StoreError::Stopped { object: object.to_owned() })?;
        result.map_err(|error| store.error(object, &error))
    }
}

impl fmt::Debug for SnapshotStore {
    /// What it is, without its URL.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.inner.folder.is_some() { "folder" } else { "objects" };
        write!(formatter, "SnapshotStore({kind}, {})", self.inner.prefix)
    }
}

/// A range of an object, as long as it is still the one with `e_tag`.
fn piece(range: std::ops::Range<u64>, e_tag: Option<String>) -> GetOptions {
    GetOptions { range: Some(range.into()), if_match: e_tag, ..GetOptions::default() }
}
