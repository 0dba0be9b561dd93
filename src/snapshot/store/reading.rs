//! An object, piece by piece.

use super::{SnapshotStore, StoreError, piece, worker};
use bytes::{Buf, Bytes};
use object_store::GetOptions;
use object_store::path::Path;
use std::io::{self, Read};
use std::sync::Arc;

/// The bytes of an object, fetched in ranges. All are of one object: when another takes its place, reading fails, as transient.
pub struct Reading {
    store: SnapshotStore,
    name: String,
    path: Path,
    size: u64,
    e_tag: Option<String>,
    piece_bytes: u64,
    /// Whether the next piece is fetched while this one is read.
    ahead: bool,
    /// Where the next piece begins that has not been asked for.
    pub(super) next: u64,
    pub(super) asked: Option<worker::Pending<object_store::Result<Bytes>>>,
    /// What has come and has not been read.
    piece: Bytes,
}

impl Reading {
    pub(super) fn open(store: &SnapshotStore, name: &str, piece_bytes: u64, ahead: bool) -> Result<Self, StoreError> {
        let path = store.path(name)?;
        let (objects, asked) = (Arc::clone(&store.inner.objects), path.clone());
        let options = GetOptions { head: true, ..GetOptions::default() };
        let meta = store.run(name, async move { Ok(objects.get_opts(&asked, options).await?.meta) })?;
        let (size, e_tag) = (meta.size, meta.e_tag);
        let (store, name) = (store.clone(), name.to_owned());
        Ok(Self { store, name, path, size, e_tag, piece_bytes, ahead, next: 0, asked: None, piece: Bytes::new() })
    }

    /// Bytes of the object.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    fn ask(&mut self) {
        if self.next >= self.size {
            return;
        }
        let range = self.next..self.size.min(self.next + self.piece_bytes);
        self.next = range.end;
        let expected = range.end - range.start;
        let (objects, path) = (Arc::clone(&self.store.inner.objects), self.path.clone());
        let options = piece(range, self.e_tag.clone());
        self.asked = Some(self.store.begin(async move {
            let bytes = objects.get_opts(&path, options).await?.bytes().await?;
            if bytes.len() as u64 != expected {
                let source = format!("it gave {} bytes of {expected}", bytes.len()).into();
                return Err(object_store::Error::Generic { store: "the store", source });
            }
            Ok(bytes)
        }));
    }

    /// The next piece, waited for.
    fn advance(&mut self) -> Result<bool, StoreError> {
        self.piece = Bytes::new();
        if self.asked.is_none() {
            self.ask();
        }
        let Some(asked) = self.asked.take() else { return Ok(false) };
        let bytes = asked.wait(&self.store, &self.name).inspect_err(|_| self.next = self.size)?;
        self.piece = bytes;
        if self.ahead {
            self.ask();
        }
        Ok(true)
    }
}

impl Read for Reading {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        while self.piece.is_empty() {
            if !self.advance().map_err(io::Error::other)? {
                return Ok(0);
            }
        }
        let count = self.piece.len().min(into.len());
        self.piece.copy_to_slice(&mut into[..count]);
        Ok(count)
    }
}
