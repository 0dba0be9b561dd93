//! Log lines on stderr, as text or JSON.
//!
//! What is logged holds no user id: behind intake only fingerprints exist, and those appear at `debug` and below.
//! Other crates' lines are shown from `warn` up.

use crate::config::{LogFormat, LogLevel, LogSettings};
use std::io::{self, IsTerminal as _};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts logging. Once per process. What the driver of the stages does is news of a service; of a command on files, whose logs
/// are in memory, it is a detail.
///
/// # Errors
/// When it was started before.
pub fn start(log: LogSettings, is_service: bool) -> anyhow::Result<()> {
    let level = filter(log.level);
    let is_detail = !is_service && level == LevelFilter::INFO;
    let of_driver = if is_detail { LevelFilter::WARN } else { level };
    let targets = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("samenloop", level)
        .with_target("samenloop::drive", of_driver);
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let lines = match log.format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).with_target(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(targets)).try_init()?;
    Ok(())
}

/// Whether progress may be shown: a person is watching, and asked neither for quiet nor for lines that a program reads.
#[must_use]
pub fn shows_progress(log: LogSettings) -> bool {
    log.format == LogFormat::Text && io::stderr().is_terminal() && filter(log.level) >= LevelFilter::INFO
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}
