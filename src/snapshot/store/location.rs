//! What a URL means.

use super::StoreError;
use super::error::Masks;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use std::fs;
use std::io;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use url::Url;

/// Schemes of the stores that need the feature `cloud`.
const CLOUD: &[&str] = &["s3", "s3a", "gs", "az", "adl", "azure", "abfs", "abfss"];
/// Variables that set up their clients. All others are somebody else's: a client would take `TOKEN` for its own.
const VARIABLES: &[&str] = &["AWS_", "GOOGLE_", "AZURE_"];

const EXPECTED: &str = "expected a folder, as in file:///var/lib/samenloop/snapshots, or s3://bucket/prefix, gs://bucket/prefix, \
                        az://container/prefix";

/// Objects, what stands before every name, the folder if it is one, and what messages must not hold.
pub(super) type Opened = (Arc<dyn ObjectStore>, Path, Option<PathBuf>, Masks);

/// Where a store is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Location {
    Folder(PathBuf),
    Memory,
    /// Of one of the schemes of [`CLOUD`].
    Cloud(Url),
}

impl Location {
    pub(super) fn parse(text: &str) -> Result<Self, StoreError> {
        let text = text.trim();
        let wrong = |reason: &str| Err(StoreError::Url { reason: format!("{reason}; {EXPECTED}") });
        if text.is_empty() {
            return wrong("it is empty");
        }
        if text == "memory:" || text == "memory:///" {
            return Ok(Self::Memory);
        }
        if !text.contains("://") && !text.starts_with("file:") {
            return Ok(Self::Folder(PathBuf::from(text)));
        }
        // What the parser says is not repeated: it may quote the URL.
        let Ok(url) = Url::parse(text) else { return wrong("it is no URL") };
        if url.query().is_some() || url.fragment().is_some() || url.password().is_some() {
            return wrong(
                "it must hold neither a password nor a query: credentials and options come from the environment",
            );
        }
        match url.scheme() {
            "file" => match (url.host_str(), url.to_file_path()) {
                (None | Some(""), Ok(path)) => Ok(Self::Folder(path)),
                _ => wrong("file: takes an absolute path, with three slashes"),
            },
            scheme if !CLOUD.contains(&scheme) => wrong("its scheme is of no store"),
            _ if url.host_str().is_none_or(str::is_empty) => wrong("it names no bucket"),
            _ => Ok(Self::Cloud(url)),
        }
    }

    pub(super) fn open(self) -> Result<Opened, StoreError> {
        match self {
            Self::Memory => Ok((Arc::new(InMemory::new()), Path::default(), None, Masks::default())),
            Self::Folder(folder) => open_folder(&folder),
            Self::Cloud(url) if cfg!(feature = "cloud") => open_cloud(&url),
            Self::Cloud(url) => Err(StoreError::Feature { scheme: url.scheme().to_owned() }),
        }
    }
}

/// The folder, made when it is missing. Written files and their names are on the disk before a write is acknowledged.
fn open_folder(folder: &FilePath) -> Result<Opened, StoreError> {
    let shown = folder.display().to_string();
    let absolute = make(folder).and_then(|()| fs::canonicalize(folder));
    let absolute = absolute.map_err(|error| StoreError::of_io(&shown, &error))?;
    let objects = LocalFileSystem::new_with_prefix(&absolute)
        .map_err(|error| StoreError::of_store(&shown, &error, &Masks::default()))?
        .with_fsync(true);
    Ok((Arc::new(objects), Path::default(), Some(absolute), Masks::default()))
}

/// Makes a folder and those above it, each safely in the one above.
fn make(folder: &FilePath) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = folder.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(FilePath::new("."));
    if above != folder {
        make(above)?;
    }
    match fs::create_dir(folder) {
        // Somebody else was first.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
        made => made?,
    }
    if cfg!(unix) { fs::File::open(above)?.sync_all() } else { Ok(()) }
}

fn open_cloud(url: &Url) -> Result<Opened, StoreError> {
    // Names and values that are not UTF-8 are nobody's.
    let variables =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let ours = |name: &str| VARIABLES.iter().any(|prefix| name.to_ascii_uppercase().starts_with(prefix));
    let variables: Vec<(String, String)> = variables.filter(|(name, _)| ours(name)).collect();
    let masks = Masks::of(variables.iter());
    let place = format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default());
    let opened = object_store::parse_url_opts(url, variables);
    let (objects, prefix) = opened.map_err(|error| StoreError::of_store(&place, &error, &masks))?;
    Ok((Arc::from(objects), prefix, None, masks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_or_is_refused_with_what_would_be_right() {
        let folder = |path: &str| Location::Folder(PathBuf::from(path));
        for (text, expected) in [
            ("file:///var/lib/x", folder("/var/lib/x")),
            ("file:///with%20space", folder("/with space")),
            ("/var/lib/x", folder("/var/lib/x")),
            ("snapshots", folder("snapshots")),
            ("memory:", Location::Memory),
            ("s3://bucket/a/b", Location::Cloud(Url::parse("s3://bucket/a/b").unwrap())),
            ("az://container@account/a", Location::Cloud(Url::parse("az://container@account/a").unwrap())),
        ] {
            assert_eq!(Location::parse(text).unwrap(), expected, "{text}");
        }
        for (text, expected) in [
            ("", "it is empty"),
            ("s3://", "names no bucket"),
            ("s3:///a", "names no bucket"),
            ("ftp://h/hidden", "scheme is of no store"),
            ("https://h/hidden", "scheme is of no store"),
            ("file://relative/hidden", "three slashes"),
            ("s3://user:hidden@bucket/a", "neither a password nor a query"),
            ("s3://bucket/a?token=hidden", "come from the environment"),
            ("s3://[hidden/a", "it is no URL"),
        ] {
            let error = Location::parse(text).unwrap_err();
            assert!(!error.is_transient(), "{error}");
            let error = error.to_string();
            assert!(error.contains(expected) && error.contains("expected a folder"), "{text}: {error}");
            assert!(!error.contains("hidden"), "{error}");
        }
    }

    #[test]
    #[cfg(not(feature = "cloud"))]
    fn a_cloud_without_its_feature_is_told_with_the_feature() {
        for scheme in CLOUD {
            let error = Location::parse(&format!("{scheme}://bucket/a")).unwrap().open().map(|_| ()).unwrap_err();
            assert!(error.to_string().contains("--features cloud") && error.to_string().contains(scheme), "{error}");
        }
    }
}
