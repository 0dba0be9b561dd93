//! Where settings come from: the file, the environment and the flags are read here, `config` puts them together.

use super::UsageError;
use crate::config::{CONFIG_FILE_VARIABLE, Flag, Layers, Settings};
use anyhow::Context as _;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The settings in force: defaults, the file (or the one that the environment names), environment, flags; and the variables
/// that are passed over.
pub(super) fn load(file: Option<PathBuf>, flags: Vec<Flag>) -> anyhow::Result<(Settings, Vec<String>)> {
    let named = || std::env::var_os(CONFIG_FILE_VARIABLE).filter(|name| !name.is_empty()).map(PathBuf::from);
    let file = file.or_else(named);
    let layers = Layers {
        file: file.map(|path| read(&path).map(|text| (path.display().to_string(), text))).transpose()?,
        environment: environment(std::env::vars_os())?,
        flags,
    };
    let mut settings = Settings::load(&layers)?;
    if let Some(path) = settings.intake.user_secret_file.clone() {
        let text = read(&path)?;
        settings.intake.set_user_secret(&text).with_context(|| format!("{}: not a user secret", path.display()))?;
    }
    if let Some(path) = settings.http.token_file.clone() {
        let text = read(&path)?;
        settings.http.set_token(&text).with_context(|| format!("{}: not a token", path.display()))?;
    }
    if let Some(path) = settings.warm.password_file.clone() {
        let text = read(&path)?;
        settings.warm.set_password(&text).with_context(|| format!("{}: not a password", path.display()))?;
    }
    Ok((settings, layers.ignored_variables()))
}

/// Reads `KEY=VALUE`.
pub(super) fn key_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err("write it as KEY=VALUE, as in counting.session_gap=20m".to_owned()),
    }
}

/// One setting that a named flag stands for.
pub(super) fn flag(flag: &'static str, key: &str, value: impl ToString) -> Flag {
    Flag { flag, key: key.to_owned(), value: value.to_string() }
}

/// `--partitions N`: of both logs.
pub(super) fn partitions(count: u32) -> [Flag; 2] {
    ["logs.events_partitions", "logs.pairs_partitions"].map(|key| flag("--partitions", key, count))
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| UsageError(format!("{}: cannot be read", path.display())))
}

/// The variables that are ours, as text.
fn environment(all: impl Iterator<Item = (OsString, OsString)>) -> anyhow::Result<Vec<(String, String)>> {
    let ours = all.filter(|(name, _)| name.to_string_lossy().starts_with("SAMENLOOP_"));
    ours.map(|(name, value)| match (name.to_str(), value.to_str()) {
        (Some(name), Some(value)) => Ok((name.to_owned(), value.to_owned())),
        _ => Err(UsageError(format!("environment variable {}: is not UTF-8", name.display())).into()),
    })
    .collect()
}
