//! Whether a command would write over what it reads, or twice into one file: asked before anything is opened.

use super::UsageError;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::path::{Path, PathBuf};

/// Refuses an output that is the same file as an input or another output. Each output comes with its flag.
pub(super) fn check(inputs: &[&Path], outputs: &[(&str, &Path)]) -> Result<(), UsageError> {
    for (n, (flag, output)) in outputs.iter().enumerate() {
        let shown = output.display();
        if !is_stdio(output) && inputs.iter().any(|input| !is_stdio(input) && is_same(input, output)) {
            return Err(UsageError(format!("{flag} {shown}: is read as input; write to another file")));
        }
        if let Some((other, _)) = outputs[..n].iter().find(|(_, other)| is_same(other, output)) {
            return Err(UsageError(format!("{flag} {shown}: {other} goes there too; give each a file of its own")));
        }
    }
    Ok(())
}

fn is_stdio(path: &Path) -> bool {
    path == Path::new("-")
}

/// Whether both are one regular file, by whatever name; of what does not exist yet, whether it would be. Devices and
/// pipes may be shared: nothing in them is lost.
fn is_same(one: &Path, other: &Path) -> bool {
    if is_stdio(one) || is_stdio(other) {
        return one == other;
    }
    match (one.metadata(), other.metadata()) {
        (Ok(a), Ok(b)) => a.is_file() && b.is_file() && (is_one_inode(&a, &b) || place(one) == place(other)),
        (Err(_), Err(_)) => place(one) == place(other),
        _ => false,
    }
}

#[cfg(unix)]
fn is_one_inode(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn is_one_inode(_: &Metadata, _: &Metadata) -> bool {
    false
}

/// The path without links, `.` and `..`; of a file that does not exist, by its folder.
fn place(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| {
        let folder = path.parent().filter(|folder| *folder != OsStr::new("")).unwrap_or(Path::new("."));
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        folder.join(path.file_name().unwrap_or_default())
    })
}
