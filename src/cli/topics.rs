//! `samenloop topics`: samenloop's own topics, what each needs, what is there, what differs; and the making of those that
//! are missing. The sources' topics are shown and left alone.

use super::{Outcome, Sets, output};
use crate::config::Settings;
use crate::kafka::admin::{Admin, Inspection};
use crate::kafka::topics::{LogPartitions, Severity, TopicKind, TopicReport};
use clap::Args;
use std::io::Write;

const HELP: &str = "\
Nothing is ever deleted or altered: what differs is shown with the command that mends it.
Exit codes: 0 samenloop can run on these topics, 1 it cannot.

Examples:
  samenloop --config shop.toml topics
  samenloop --config shop.toml topics --create --dry-run
  samenloop --config shop.toml topics --create";

/// Shows the topics that samenloop needs, or makes those that are missing.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct TopicsArgs {
    #[command(flatten)]
    pub(super) sets: Sets,
    /// Make the topics that are missing, with the settings they need
    #[arg(long)]
    create: bool,
    /// Ask the brokers whether they would make them, and make none
    #[arg(long, requires = "create")]
    dry_run: bool,
}

pub(super) fn run(args: TopicsArgs, settings: Settings) -> anyhow::Result<Outcome> {
    let admin = Admin::new(&settings)?;
    let mut inspection = admin.inspect(&settings)?;
    let mut out = output::stdout();
    let mut faults = 0;
    if args.create {
        let asked = admin.create(&settings, &inspection, args.dry_run)?;
        let all_made = asked.iter().all(|made| made.fault.is_none());
        for made in asked {
            faults += usize::from(made.fault.is_some());
            match made.fault {
                Some(fault) => writeln!(out, "{}: not made: {fault}", made.name)?,
                None if args.dry_run => writeln!(out, "{}: would be made", made.name)?,
                None => writeln!(out, "{}: made", made.name)?,
            }
        }
        for (name, fault) in admin.create_facts(&settings, &inspection.facts, args.dry_run)? {
            faults += usize::from(fault.is_some());
            match fault {
                Some(fault) => writeln!(out, "{name}: not made: {fault}")?,
                None if args.dry_run => writeln!(out, "{name}: would be made")?,
                None => writeln!(out, "{name}: made")?,
            }
        }
        if !args.dry_run {
            inspection = if all_made { admin.inspect_made(&settings)? } else { admin.inspect(&settings)? };
        }
        writeln!(out)?;
    }
    table(&mut out, &inspection, &settings)?;
    out.flush()?;
    let missing = inspection.own.iter().filter(|report| report.found.is_none()).count();
    // A dry run that the brokers agree with has nothing missing that could not be made.
    let unusable = if args.dry_run { faults } else { missing };
    let wrong = inspection.own.iter().filter(|report| report.severity() == Some(Severity::Error)).count();
    match unusable + wrong {
        0 => Ok(Outcome::Done),
        count if !args.create && wrong == 0 => {
            anyhow::bail!("{count} topics are missing: `samenloop topics --create` makes them")
        }
        count => anyhow::bail!("{count} topics cannot be used as they are: see above"),
    }
}

fn table(out: &mut impl Write, inspection: &Inspection, settings: &Settings) -> std::io::Result<()> {
    let found =
        |kind| inspection.own.iter().find(|report| report.kind == kind).and_then(|report| report.found.as_ref());
    let partitions = |kind, set| found(kind).map_or(set, |found| found.partitions);
    let logs = LogPartitions {
        events: partitions(TopicKind::Events, settings.logs.events_partitions),
        pairs: partitions(TopicKind::Pairs, settings.logs.pairs_partitions),
    };
    let sources = inspection.sources.iter().map(|source| source.topic.len());
    let facts = inspection.facts.iter().map(|report| report.name.len());
    let width = inspection.own.iter().map(|report| report.name.len()).chain(sources).chain(facts).max().unwrap_or(0);
    for report in &inspection.own {
        let state = state(report, logs);
        writeln!(out, "{:width$}  {state}", report.name)?;
        for difference in &report.differences {
            let label = if difference.severity == Severity::Error { "error" } else { "warning" };
            let (setting, why) = (&difference.setting, difference.why);
            writeln!(out, "  {label}: {setting} is {}, wanted is {}: {why}", difference.found, difference.wanted)?;
            writeln!(out, "    {}", difference.command)?;
        }
    }
    for source in &inspection.sources {
        let name = &source.source;
        match (source.partitions, &source.nearest) {
            (Some(count), _) => writeln!(out, "{:width$}  {count} partitions, of source {name}", source.topic)?,
            (None, Some(near)) => {
                writeln!(out, "{:width$}  missing, of source {name}; there is a topic {near}", source.topic)?;
            }
            (None, None) => writeln!(out, "{:width$}  missing, of source {name}", source.topic)?,
        }
    }
    for report in &inspection.facts {
        writeln!(out, "{:width$}  {}", report.name, report.says())?;
        if let Some(warning) = &report.warning {
            writeln!(out, "  warning: {warning}")?;
        }
    }
    Ok(())
}

/// What is there, or what will be.
fn state(report: &TopicReport, logs: LogPartitions) -> String {
    let Some(found) = &report.found else {
        let wanted = report.kind.settings(None).into_iter().map(|(name, value)| format!("{name}={value}"));
        let wanted: Vec<String> = wanted.collect();
        let partitions = report.kind.partitions(logs);
        return format!("missing; needs {partitions} partitions, {}", wanted.join(" "));
    };
    let word = match report.severity() {
        None => "right",
        Some(Severity::Warning) => "usable",
        Some(Severity::Error) => "wrong",
    };
    format!("{word}; {} partitions, {} copies", found.partitions, found.replicas)
}
