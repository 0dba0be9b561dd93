//! What objects are called, and files that nobody finished.

use super::StoreError;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

const SUFFIX: &str = ".snapshot";
/// Digits of an offset: all that a u64 can have.
const OFFSET_DIGITS: usize = 20;
/// Longest name of a stage.
const STAGE_BYTES_MAX: usize = 64;
/// Longest scope: as long as a topic's name may be.
const SCOPE_BYTES_MAX: usize = 249;

/// A snapshot, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its name in the store.
    pub name: String,
    /// Next offset of the input: what its state holds ends before it.
    pub offset: u64,
    /// Changes with the object's bytes, as far as the store tells: size, tag and time.
    pub version: String,
}

/// Where the snapshots of a partition are.
pub(super) fn folder(scope: &str, stage: &str, partition: u32) -> Result<String, StoreError> {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if stage.is_empty() || stage.len() > STAGE_BYTES_MAX || !stage.bytes().all(legal) {
        let reason = "a stage's name is made of small letters and digits".to_owned();
        return Err(StoreError::Name { name: stage.to_owned(), reason });
    }
    check_scope(scope)?;
    Ok(format!("{scope}/{stage}-{partition:03}"))
}

/// Whether objects can be called after it.
pub(super) fn check_scope(scope: &str) -> Result<(), StoreError> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if scope.is_empty() || scope.starts_with('.') || scope.len() > SCOPE_BYTES_MAX || !scope.bytes().all(legal) {
        let reason = "a scope is made of what names of topics are made of, and does not begin with a dot".to_owned();
        return Err(StoreError::Name { name: scope.to_owned(), reason });
    }
    Ok(())
}

pub(super) fn name(scope: &str, stage: &str, partition: u32, offset: u64) -> Result<String, StoreError> {
    let folder = folder(scope, stage, partition)?;
    Ok(format!("{folder}/{offset:0OFFSET_DIGITS$}{SUFFIX}"))
}

/// Whether a file is called as snapshots are.
pub(super) fn is_snapshot(file: &str) -> bool {
    let digits = file.strip_suffix(SUFFIX);
    digits.is_some_and(|digits| digits.len() == OFFSET_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The snapshot in the file called `file`; `None` when it is something else.
pub(super) fn found(folder: &str, file: &str, version: String) -> Option<Found> {
    let digits = file.strip_suffix(SUFFIX).filter(|_| is_snapshot(file))?;
    Some(Found { name: format!("{folder}/{file}"), offset: digits.parse().ok()?, version })
}

/// Removes what a crash has left of files that were being written: `name.snapshot#1`. One that somebody still writes to is younger.
pub(super) fn remove_abandoned(folder: &Path, after: Duration) -> io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let now = SystemTime::now();
    for entry in entries {
        let entry = entry?;
        if !entry.file_name().to_str().is_some_and(is_temporary) {
            continue;
        }
        // Gone meanwhile, or of a clock that is ahead: not ours to judge.
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let age = modified.ok().and_then(|modified| now.duration_since(modified).ok());
        if age.is_some_and(|age| age >= after) {
            match std::fs::remove_file(entry.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Removes what was being written in any folder of a scope, however young: nobody writes there any more.
pub(super) fn remove_abandoned_of(scope: &Path) -> io::Result<()> {
    let entries = match std::fs::read_dir(scope) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            remove_abandoned(&path, Duration::ZERO)?;
        }
    }
    Ok(())
}

fn is_temporary(file: &str) -> bool {
    let number = file.split_once(SUFFIX).and_then(|(_, rest)| rest.strip_prefix('#'));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}
