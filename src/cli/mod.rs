//! The command line: arguments → settings → one command → exit code.
//!
//! Each command is a file of its own: its arguments, the settings that its flags stand for, and `run`. Exit codes: 0 done,
//! 1 failed, 2 wrong usage or settings, 3 done but some records were rejected. Results go to stdout through
//! [`output::stdout`], everything else to stderr. A reader that closes stdout early ends the program quietly.
//! Absent: progress bars without a terminal, colours in pipes, panics.

mod apart;
mod ask;
mod assembly;
mod check;
mod config;
mod demo;
mod evaluate;
mod exposure;
mod facts;
mod fields;
mod files;
mod findings;
mod inspect;
mod memory;
pub mod output;
mod rebuild;
mod replay;
mod report;
mod review;
mod run;
mod sample;
mod serving;
mod settings;
mod signals;
mod sources;
pub mod telemetry;
mod topics;
mod warm;

use crate::config::{ConfigError, FileForm, Flag, LogFormat};
use crate::intake::Format;
use clap::{Args, Parser, Subcommand};
use files::{FileFormat, RecordFile};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

const HELP: &str = "\
Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 3 done but some records were rejected, or what was compared differs.

Examples:
  samenloop demo
  samenloop replay events.jsonl --lists lists.jsonl
  samenloop --config shop.toml --set counting.session_gap=20m config";

/// Turns view, cart and order events into lists of related products.
#[derive(Debug, Parser)]
#[command(name = "samenloop", version, after_help = HELP, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(flatten)]
    sets: Sets,
    #[command(subcommand)]
    command: Command,
}

/// The heading of the options that every command has.
const SETTINGS_HEADING: &str = "Settings and logging";

/// Flags that every command has.
#[derive(Debug, Args)]
struct Globals {
    /// Settings file, TOML [default: the one that SAMENLOOP_CONFIG names, if any]
    #[arg(help_heading = SETTINGS_HEADING, long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// off, error, warn, info, debug or trace
    #[arg(help_heading = SETTINGS_HEADING, long, global = true, value_name = "LEVEL")]
    log_level: Option<String>,
    /// text or json
    #[arg(help_heading = SETTINGS_HEADING, long, global = true, value_name = "FORMAT")]
    log_format: Option<String>,
    /// Only errors on stderr, no progress
    #[arg(help_heading = SETTINGS_HEADING, long, short, global = true, conflicts_with = "log_level")]
    quiet: bool,
}

/// `--set`, before and after the command: a global flag would forget the ones before it.
#[derive(Debug, Default, Args)]
pub(crate) struct Sets {
    /// Set one setting, as in counting.session_gap=20m; may be repeated
    #[arg(help_heading = SETTINGS_HEADING, long = "set", value_name = "KEY=VALUE", value_parser = settings::key_and_value)]
    set: Vec<(String, String)>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A simulated shop, its lists live on the screen; needs nothing
    Demo(demo::DemoArgs),
    /// The service: topics of events to a topic of lists
    Run(run::RunArgs),
    /// A shop's Redis or Valkey, kept equal to the lists
    Warm(warm::WarmArgs),
    /// Files of events to lists, changes or counts
    Replay(replay::ReplayArgs),
    /// How good the lists are, by a split in time
    Evaluate(evaluate::EvaluateArgs),
    /// The row behind a list: every candidate, and the gate it failed
    Inspect(inspect::InspectArgs),
    /// The entries of lists that a person should look at first, and why
    Review(review::ReviewArgs),
    /// How a shop's lists stand: a page, and JSON
    Report(report::ReportArgs),
    /// Whether a run could: settings, brokers, registry, topics, mappings; of files: what they become, what will disappoint
    Check(check::CheckArgs),
    /// The topics that samenloop needs, shown or made
    Topics(topics::TopicsArgs),
    /// Counting anew under the same names: what it would delete, shown or done
    Rebuild(rebuild::RebuildArgs),
    /// The settings in force
    Config(config::ConfigArgs),
}

/// How a command ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything was used.
    Done,
    /// Everything was read; some records were rejected.
    DoneWithRejects,
}

/// The command line asks for something that cannot be: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Parses the arguments, runs the command, and says how it ended.
#[must_use]
pub fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => {
            let mut format = LogFormat::Text;
            let result = run(cli, &mut format);
            exit_code(result, format)
        }
        Err(message) => {
            let _ = message.print(); // to a closed stdout: nobody reads it
            u8::try_from(message.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
        }
    }
}

/// Reads a file of records to its end, as `replay` and `check` do, and gives how many there are: for whoever proves that any bytes at
/// all are read or refused.
///
/// # Errors
/// When it is no file of such records.
pub fn records_in(path: &Path, format: Format, form: &FileForm) -> anyhow::Result<u64> {
    let format = FileFormat { format, form: form.clone() };
    let mut file = RecordFile::open(path, &format, &Arc::default())?;
    let mut records = 0;
    while file.next()?.is_some() {
        records += 1;
    }
    Ok(records)
}

/// Runs the command. `format` is set once logging in it has started.
fn run(cli: Cli, format: &mut LogFormat) -> anyhow::Result<Outcome> {
    let mut flags = cli.sets.settings();
    flags.extend(cli.command.sets().settings());
    flags.extend(cli.globals.settings()); // a flag with a name of its own wins over --set
    flags.extend(cli.command.settings());
    let variants = cli.command.variants();
    let against = variants.map(|set| {
        let set = set.iter().map(|(key, value)| settings::flag("--against", key, value));
        let flags = flags.iter().cloned().chain(set).collect();
        settings::load(cli.globals.config.clone(), flags).map(|(settings, _)| settings)
    });
    let against = against.collect::<anyhow::Result<Vec<_>>>()?;
    let (settings, ignored) = settings::load(cli.globals.config, flags)?;
    telemetry::start(settings.log, matches!(cli.command, Command::Run(_) | Command::Warm(_)))?;
    for variable in ignored {
        tracing::warn!(
            variable,
            "is no setting, and is passed over: it names no section, as SAMENLOOP_LOG__LEVEL does"
        );
    }
    *format = settings.log.format;
    match cli.command {
        Command::Demo(args) => demo::run(args, settings),
        Command::Run(args) => run::run(args, settings),
        Command::Warm(args) => warm::run(args, settings),
        Command::Replay(args) => replay::run(args, settings),
        Command::Evaluate(args) => evaluate::run(args, settings, against),
        Command::Inspect(args) => inspect::run(args, settings),
        Command::Review(args) => review::run(args, settings),
        Command::Report(args) => report::run(args, settings),
        Command::Check(args) => check::run(args, settings),
        Command::Topics(args) => topics::run(args, settings),
        Command::Rebuild(args) => rebuild::run(args, settings),
        Command::Config(args) => config::run(args, settings),
    }
}

impl Sets {
    fn settings(&self) -> Vec<Flag> {
        self.set.iter().map(|(key, value)| settings::flag("--set", key, value)).collect()
    }
}

impl Globals {
    fn settings(&self) -> Vec<Flag> {
        let mut flags = Vec::new();
        flags.extend(self.log_level.as_ref().map(|level| settings::flag("--log-level", "log.level", level)));
        flags.extend(self.log_format.as_ref().map(|format| settings::flag("--log-format", "log.format", format)));
        flags.extend(self.quiet.then(|| settings::flag("--quiet", "log.level", "error")));
        flags
    }
}

impl Command {
    fn sets(&self) -> &Sets {
        match self {
            Self::Demo(args) => &args.sets,
            Self::Run(args) => &args.sets,
            Self::Warm(args) => &args.sets,
            Self::Replay(args) => &args.sets,
            Self::Evaluate(args) => &args.sets,
            Self::Inspect(args) => &args.sets,
            Self::Review(args) => &args.sets,
            Self::Report(args) => &args.sets,
            Self::Check(args) => &args.sets,
            Self::Topics(args) => &args.sets,
            Self::Rebuild(args) => &args.sets,
            Self::Config(args) => &args.sets,
        }
    }

    /// Settings beside those in force, each a list of what differs.
    fn variants(&self) -> impl Iterator<Item = &[(String, String)]> {
        let variants = if let Self::Evaluate(args) = self { &args.against[..] } else { &[] };
        variants.iter().map(|variant| &variant.set[..])
    }

    /// The settings that flags of the command stand for.
    fn settings(&self) -> Vec<Flag> {
        match self {
            Self::Demo(args) => args.settings(),
            Self::Run(_) | Self::Warm(_) | Self::Rebuild(_) => Vec::new(),
            Self::Replay(args) => args.settings(),
            Self::Evaluate(_)
            | Self::Inspect(_)
            | Self::Review(_)
            | Self::Report(_)
            | Self::Check(_)
            | Self::Topics(_)
            | Self::Config(_) => Vec::new(),
        }
    }
}

fn exit_code(result: anyhow::Result<Outcome>, format: LogFormat) -> ExitCode {
    match result {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::DoneWithRejects) => ExitCode::from(3),
        Err(error) if output::is_closed(&error) => ExitCode::SUCCESS,
        Err(error) => {
            match format {
                LogFormat::Text => {
                    let _ = std::io::stderr().lock().write_all(explain(&error).as_bytes());
                }
                LogFormat::Json => tracing::error!("{error:#}"),
            }
            let usage = error.is::<UsageError>() || error.is::<ConfigError>();
            ExitCode::from(if usage { 2 } else { 1 })
        }
    }
}

/// An error with its causes, one line each.
fn explain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for (depth, cause) in error.chain().enumerate() {
        let label = if depth == 0 { "error" } else { "  caused by" };
        for line in cause.to_string().lines() {
            text.push_str(&format!("{label}: {line}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;
    use clap::CommandFactory as _;
    use std::io;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn each_way_to_end_has_its_exit_code() {
        let broken = || anyhow::Error::from(io::Error::from(io::ErrorKind::BrokenPipe));
        let usage = || anyhow::Error::from(UsageError("two clocks".to_owned()));
        let cases = [
            (Ok(Outcome::Done), 0),
            (Ok(Outcome::DoneWithRejects), 3),
            (Err(anyhow::anyhow!("no")), 1),
            (Err(usage()), 2),
            (Err(usage().context("while reading")), 2),
            (Err(anyhow::anyhow!("no such file").context(UsageError("no settings".to_owned()))), 2),
            (Err(broken()), 1), // of a socket or a file: not our stdout
        ];
        for (result, expected) in cases {
            let shown = format!("{result:?}");
            assert_eq!(exit_code(result, LogFormat::Text), ExitCode::from(expected), "{shown}");
        }
    }

    #[test]
    fn an_error_is_told_with_its_causes_one_line_each() {
        let failed: Result<(), _> = Err(io::Error::other("disk full"));
        let error = failed.context("lists.jsonl: not written").unwrap_err();
        assert_eq!(explain(&error), "error: lists.jsonl: not written\n  caused by: disk full\n");
        assert_eq!(explain(&anyhow::anyhow!("one\ntwo")), "error: one\nerror: two\n");
    }
}
