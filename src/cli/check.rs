//! `samenloop check`: probes, one by one, of all that a run needs, or of what files hold and become. Nothing is written anywhere.

mod facts;
mod files;
mod holding;

use super::{Outcome, Sets, assembly, fields, memory, output, sample};
use crate::config::{OutputFormat, Settings, SourceSettings};
use crate::intake::{Format, Record};
use crate::kafka::admin::{Admin, Inspection};
use crate::kafka::probe::{self, Taken, Writing};
use crate::kafka::registry::Registry;
use crate::kafka::topics::Severity;
use clap::Args;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

const HELP: &str = "\
Each probe is a line: ok, warning or wrong, and what to do. Nothing is written: reading joins no \
group and commits nothing, and writing is tried with a record that the brokers must refuse. With files no broker \
is asked: they are counted, as replay does it, and what they hold, the lists that they give, and what will \
disappoint is told. Exit codes: 0 samenloop can run, or each file can be used, 1 it cannot, 2 wrong settings, \
3 something is warned of, with --strict.

Examples:
  samenloop --config shop.toml check
  samenloop --config shop.toml check --sample 10
  samenloop --config shop.toml check orders.csv --sample 5
  samenloop --config shop.toml check clicks=clicks.jsonl.gz sales=sales.jsonl --strict";

/// Records of each source that mappings are tried on when none are shown.
const SAMPLE_DEFAULT: usize = 10;

/// Tries all that a run needs, and tells what is wrong and what to do.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(super) sets: Sets,
    /// Files to look into, without brokers: JSON lines, a JSON array or CSV, plain, .gz or .zst; - is stdin
    #[arg(value_name = "[SOURCE=]FILE")]
    files: Vec<PathBuf>,
    /// Show this many of the newest records of each source, or of the first of each file, with the event or the reject that
    /// each becomes
    #[arg(long, value_name = "N", value_parser = sample::count)]
    sample: Option<usize>,
    /// Show user ids in the sample, not their fingerprints
    #[arg(long, requires = "sample")]
    show_users: bool,
    /// Exit with 3 where something is warned of
    #[arg(long)]
    strict: bool,
}

/// How a probe ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Ok,
    Warning,
    Wrong,
}

/// The lines so far.
struct Report<W> {
    out: W,
    warnings: usize,
    wrong: usize,
}

impl<W: Write> Report<W> {
    /// One probe: its name, how it ended, what was seen or what is wrong, and what to do.
    fn line(&mut self, verdict: Verdict, probe: &str, text: &str) -> anyhow::Result<()> {
        let word = match verdict {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Wrong => "wrong",
        };
        self.wrong += usize::from(verdict == Verdict::Wrong);
        self.warnings += usize::from(verdict == Verdict::Warning);
        writeln!(self.out, "{word:<8} {probe}: {text}")?;
        Ok(self.out.flush()?)
    }
}

pub(super) fn run(args: CheckArgs, settings: Settings) -> anyhow::Result<Outcome> {
    let mut report = Report { out: output::stdout(), warnings: 0, wrong: 0 };
    report.line(Verdict::Ok, "settings", "every key is known, every value within its limits")?;
    facts::files(&mut report, &settings)?;
    if args.files.is_empty() {
        service(&mut report, &args, &settings)?;
    } else {
        files::check(&mut report, &args, &settings)?;
    }
    match report.wrong {
        0 if args.strict && report.warnings > 0 => Ok(Outcome::DoneWithRejects),
        0 => Ok(Outcome::Done),
        1 => anyhow::bail!("1 probe is wrong: see above"),
        wrong => anyhow::bail!("{wrong} probes are wrong: see above"),
    }
}

/// Whether a run could.
fn service(report: &mut Report<impl Write>, args: &CheckArgs, settings: &Settings) -> anyhow::Result<()> {
    registry(report, settings)?;
    match Admin::new(settings).and_then(|admin| Ok((admin.inspect(settings)?, admin))) {
        Ok((inspection, admin)) => {
            let many =
                if inspection.brokers == 1 { "1 broker".to_owned() } else { format!("{} brokers", inspection.brokers) };
            report.line(Verdict::Ok, "brokers", &format!("metadata of {many}"))?;
            topics(report, settings, &inspection, &admin)?;
            facts::topics(report, args, settings, &inspection)?;
            writing(report, settings, &inspection)?;
            budget(report, settings, &inspection)?;
            sources(report, args, settings, &inspection)
        }
        Err(error) => {
            let what_to_do = "Check kafka.bootstrap.servers, and that the brokers run and can be reached from here";
            report.line(Verdict::Wrong, "brokers", &format!("{error}. {what_to_do}"))
        }
    }
}

fn registry(report: &mut Report<impl Write>, settings: &Settings) -> anyhow::Result<()> {
    let needed = settings.output.format == OutputFormat::Avro;
    let names_schemas =
        |source: &&SourceSettings| source.mapping.format == Format::Avro && source.schema_file.is_none();
    let avro_source = settings.sources.iter().find(names_schemas);
    match Registry::new(&settings.registry) {
        Ok(Some(registry)) => match registry.ping() {
            Ok(()) => report.line(Verdict::Ok, "registry", "answers"),
            Err(error) => report.line(Verdict::Wrong, "registry", &error.to_string()),
        },
        Ok(None) if avro_source.is_some() => {
            let name = avro_source.map_or("", |source| &source.name);
            let text = format!(
                "source {name} is read as Avro and has no schema_file, so its records name schemas of a registry: set \
                 registry.url, or schema_file"
            );
            report.line(Verdict::Wrong, "registry", &text)
        }
        Ok(None) if needed => {
            let text = "output.format = avro needs a schema registry: set registry.url, or output.format = json";
            report.line(Verdict::Wrong, "registry", text)
        }
        Ok(None) => report.line(Verdict::Ok, "registry", "none is configured, and none is needed for lists as JSON"),
        Err(error) => report.line(Verdict::Wrong, "registry", &format!("{error:#}")),
    }
}

fn topics(
    report: &mut Report<impl Write>,
    settings: &Settings,
    inspection: &Inspection,
    admin: &Admin,
) -> anyhow::Result<()> {
    for topic in &inspection.own {
        let probe = format!("topic {}", topic.name);
        match &topic.found {
            None => {
                let text = "is not there, or not shown to this user. `samenloop topics --create` makes it";
                report.line(Verdict::Wrong, &probe, text)?;
            }
            Some(found) if topic.differences.is_empty() => {
                let text =
                    format!("{} partitions, {} copies, settings as they should be", found.partitions, found.replicas);
                report.line(Verdict::Ok, &probe, &text)?;
            }
            Some(_) => {}
        }
        for difference in &topic.differences {
            let wrong = difference.severity == Severity::Error;
            report.line(if wrong { Verdict::Wrong } else { Verdict::Warning }, &probe, &difference.to_string())?;
        }
    }
    if inspection.own.iter().all(|topic| topic.found.is_some()) {
        return Ok(()); // none to make: the right to is not needed
    }
    match admin.may_create(settings, inspection)? {
        None => report.line(Verdict::Ok, "making topics", "the brokers would make what is missing"),
        Some(fault) => report.line(Verdict::Warning, "making topics", &fault),
    }
}

/// What a run may take of the memory here, where it is to run.
fn budget(report: &mut Report<impl Write>, settings: &Settings, inspection: &Inspection) -> anyhow::Result<()> {
    if inspection.own.iter().any(|topic| topic.found.is_none()) {
        return Ok(()); // how many partitions there will be is not known; the topics have their lines
    }
    match memory::deal(settings, inspection) {
        Ok(Some((budget, whence))) => {
            report.line(Verdict::Ok, "memory", &format!("{budget}\n  the budget comes from {whence}"))
        }
        Ok(None) => report.line(Verdict::Warning, "memory", "nothing says how much there is: set memory.budget"),
        Err(error) => report.line(Verdict::Wrong, "memory", &error.to_string()),
    }
}

/// Tries to write to each of samenloop's topics, with a record that must be refused.
fn writing(report: &mut Report<impl Write>, settings: &Settings, inspection: &Inspection) -> anyhow::Result<()> {
    for topic in &inspection.own {
        let Some(found) = &topic.found else { continue };
        let probe = format!("writing to {}", topic.name);
        match probe::write(settings, &topic.name, found) {
            Ok(Writing::Allowed) => report.line(Verdict::Ok, &probe, "allowed")?,
            Ok(Writing::NotTried) => {
                let text =
                    "not tried: these brokers would take any record (message.timestamp.after.max.ms is not bounded)";
                report.line(Verdict::Ok, &probe, text)?;
            }
            Ok(Writing::Refused(error)) => {
                let text = format!("{error}. This user needs the rights Write and Describe on the topic");
                report.line(Verdict::Wrong, &probe, &text)?;
            }
            Ok(Writing::Appended(offset)) => {
                let text = format!(
                    "the brokers took an empty record that Kafka refuses, at offset {offset} of partition 0: \
                     these brokers cannot be probed so; make the topic again before samenloop runs"
                );
                report.line(Verdict::Wrong, &probe, &text)?;
            }
            Err(error) => report.line(Verdict::Wrong, &probe, &error.to_string())?,
        }
    }
    Ok(())
}

fn sources(
    report: &mut Report<impl Write>,
    args: &CheckArgs,
    settings: &Settings,
    inspection: &Inspection,
) -> anyhow::Result<()> {
    if inspection.sources.is_empty() {
        let text = "no [[source]] with a topic is configured: there is nothing to count. See docs/mapping.md";
        return report.line(Verdict::Wrong, "sources", text);
    }
    if let Some(fault) = inspection.too_many_partitions() {
        report.line(Verdict::Wrong, "sources", &fault)?;
    }
    for topic in &inspection.sources {
        let probe = format!("source {}", topic.source);
        let Some(partitions) = topic.partitions else {
            let near = topic.nearest.as_ref().map(|near| format!("; there is {near}")).unwrap_or_default();
            let text = format!(
                "topic {} is not there, or not shown to this user{near}. Correct `topic`, make it, or give the right to \
                 Describe and Read",
                topic.topic
            );
            report.line(Verdict::Wrong, &probe, &text)?;
            continue;
        };
        match probe::newest(settings, &topic.topic, partitions, args.sample.unwrap_or(SAMPLE_DEFAULT)) {
            Ok(taken) => {
                fetched(report, &probe, &taken, partitions)?;
                let source = settings.sources.iter().find(|source| source.name == topic.source);
                if let Some(source) = source {
                    mapped(report, args, settings, source, &taken)?;
                }
            }
            Err(error) => {
                let text = format!("{error}. This user needs the rights Describe and Read on topic {}", topic.topic);
                report.line(Verdict::Wrong, &probe, &text)?;
            }
        }
    }
    Ok(())
}

fn fetched(report: &mut Report<impl Write>, probe: &str, taken: &Taken, partitions: u32) -> anyhow::Result<()> {
    if taken.silent.is_empty() {
        return report.line(Verdict::Ok, probe, &format!("all of {partitions} partitions can be read"));
    }
    let errors: String = taken.errors.iter().map(|error| format!("; {error}")).collect();
    let text =
        format!("partitions {:?} gave no answer{errors}. Are their brokers up, may this user Read?", taken.silent);
    report.line(Verdict::Wrong, probe, &text)
}

/// What the sample becomes by the source's mapping.
fn mapped(
    report: &mut Report<impl Write>,
    args: &CheckArgs,
    settings: &Settings,
    source: &SourceSettings,
    taken: &Taken,
) -> anyhow::Result<()> {
    let probe = format!("mapping of {}", source.name);
    if taken.records.is_empty() {
        return report.line(Verdict::Warning, &probe, "not tried: the topic holds no records yet");
    }
    let registry = Registry::new(&settings.registry).ok().flatten(); // a faulty one has a line of its own
    let tried = match tried(args, settings, source, registry.as_ref(), taken) {
        Ok(tried) => tried,
        Err(error) => return report.line(Verdict::Wrong, &probe, &format!("{error:#}")),
    };
    let summary = tried.summary("newest");
    if args.sample.is_some() {
        for line in &tried.lines {
            writeln!(report.out, "  {line}")?;
        }
    }
    let values = taken.records.iter().filter_map(|record| record.value.as_deref());
    let absent = fields::absent(&fields::wanted(&source.mapping), values);
    for field in &absent {
        // A field that only orders have is missed by nobody while there are no orders.
        let needed = tried.misses_fields() && field.required;
        report.line(if needed { Verdict::Wrong } else { Verdict::Warning }, &probe, &field.text)?;
    }
    let verdict = match (tried.events, tried.rejects) {
        (_, 0) => Verdict::Ok,
        (0, _) if !absent.iter().any(|field| field.required) => Verdict::Wrong,
        _ => Verdict::Warning,
    };
    let first = tried.first_reject.as_ref().map(|reject| format!("; the first reject is {reject}")).unwrap_or_default();
    report.line(verdict, &probe, &format!("{summary}{first}"))
}

fn tried(
    args: &CheckArgs,
    settings: &Settings,
    source: &SourceSettings,
    registry: Option<&Registry>,
    taken: &Taken,
) -> anyhow::Result<sample::Tried> {
    let mapping = assembly::mapping(source)?;
    let mut tried = sample::Tried::new(settings, Arc::new(mapping), args.show_users);
    let topic = source.topic.as_deref().unwrap_or_default();
    each_record(topic, taken, |place, record| tried.record(place, record, registry))?;
    Ok(tried)
}

/// Each record that was taken of a topic, with its place.
fn each_record(
    topic: &str,
    taken: &Taken,
    mut each: impl FnMut(&str, &Record<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    taken.records.iter().try_for_each(|record| {
        let headers: Vec<(&str, &[u8])> =
            record.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        let place = format!("{topic}-{}@{}", record.partition, record.offset);
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        each(&place, &Record { topic, key, value, timestamp_ms: record.timestamp_ms, headers: &headers, around: None })
    })
}
