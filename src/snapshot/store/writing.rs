//! An object that is being written.

use super::{PART_BYTES, SnapshotStore, StoreError, worker};
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStoreExt, PutPayload};
use std::sync::Arc;
use std::time::Duration;

/// How long dropping an unpublished object waits for its parts to be removed.
const DROP_WAIT: Duration = Duration::from_secs(5);

/// A snapshot that is being written. Nothing of it is visible before [`Writing::publish`] has said so. Dropped, it is abandoned.
///
/// After an error it is abandoned: every later call fails. Whoever tries again begins anew.
pub struct Writing {
    store: SnapshotStore,
    name: String,
    path: Path,
    /// What has not been sent: less than a part.
    buffer: Vec<u8>,
    /// From the first full part on.
    upload: Option<Box<dyn MultipartUpload>>,
    /// The part that is being sent.
    sent: Option<worker::Pending<object_store::Result<()>>>,
    bytes: u64,
    has_failed: bool,
}

impl Writing {
    pub(super) fn new(store: SnapshotStore, name: String, path: Path) -> Self {
        Self { store, name, path, buffer: Vec::new(), upload: None, sent: None, bytes: 0, has_failed: false }
    }

    /// The name under which it will be found.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes put so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends bytes. Blocks while the store is slower than the caller: no more than two parts are held.
    ///
    /// # Errors
    /// When what was put before could not be stored. It is then abandoned.
    pub fn put(&mut self, mut bytes: &[u8]) -> Result<(), StoreError> {
        if self.has_failed {
            return Err(StoreError::Abandoned { object: self.name.clone() });
        }
        self.bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(PART_BYTES - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
            if self.buffer.len() == PART_BYTES {
                self.send().inspect_err(|_| self.undo(None))?;
            }
        }
        Ok(())
    }

    /// Makes it visible, whole and safely stored, in place of an earlier one of the same name. Gives its bytes.
    ///
    /// # Errors
    /// When it could not be stored; it is then abandoned. Where an answer of a cloud got lost it may be visible all the same: whole.
    pub fn publish(mut self) -> Result<u64, StoreError> {
        if self.has_failed {
            return Err(StoreError::Abandoned { object: self.name.clone() });
        }
        let published = self.complete();
        if published.is_err() {
            self.undo(None);
        }
        // Nothing is left for drop to undo.
        self.upload = None;
        published.map(|()| self.bytes)
    }

    /// Removes what has been stored of it. (Dropping it does so too, and waits for a few seconds only.)
    pub fn abandon(mut self) {
        self.undo(None);
    }

    fn send(&mut self) -> Result<(), StoreError> {
        self.sent()?;
        let upload = match &mut self.upload {
            Some(upload) => upload,
            none => {
                let (objects, path) = (Arc::clone(&self.store.inner.objects), self.path.clone());
                none.insert(self.store.run(&self.name, async move { objects.put_multipart(&path).await })?)
            }
        };
        let part = upload.put_part(PutPayload::from(std::mem::take(&mut self.buffer)));
        self.sent = Some(self.store.begin(part));
        Ok(())
    }

    /// Waits for the part that is being sent.
    fn sent(&mut self) -> Result<(), StoreError> {
        self.sent.take().map_or(Ok(()), |sent| sent.wait(&self.store, &self.name))
    }

    fn complete(&mut self) -> Result<(), StoreError> {
        if self.upload.is_some() && !self.buffer.is_empty() {
            self.send()?;
        }
        self.sent()?;
        let Some(mut upload) = self.upload.take() else {
            // Less than a part: one request.
            let (objects, path) = (Arc::clone(&self.store.inner.objects), self.path.clone());
            let payload = PutPayload::from(std::mem::take(&mut self.buffer));
            return self.store.run(&self.name, async move { objects.put(&path, payload).await.map(|_| ()) });
        };
        let (upload, completed) = self.store.run(&self.name, async move {
            let completed = upload.complete().await;
            Ok((upload, completed))
        })?;
        self.upload = Some(upload);
        completed.map(|_| ()).map_err(|error| self.store.error(&self.name, &error))
    }

    /// Removes the parts. Whether that worked is of no use to the caller: what is left is not visible.
    fn undo(&mut self, longest: Option<Duration>) {
        self.has_failed = true;
        self.buffer = Vec::new();
        // A part must not be written after the parts are removed.
        let sent = self.sent.take();
        let Some(mut upload) = self.upload.take() else { return };
        if let Some(sent) = sent {
            let _ = sent.done(longest);
        }
        let undoing = self.store.begin(async move { upload.abort().await });
        let _ = undoing.done(longest);
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if self.upload.is_some() {
            self.undo(Some(DROP_WAIT));
        }
    }
}
