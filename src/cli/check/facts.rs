//! `samenloop check` of facts: what the settings' files hold, and whether the topics are there.

use super::files::LOOKED_INTO;
use super::{CheckArgs, Report, SAMPLE_DEFAULT, Verdict, each_record, holding};
use crate::cli::facts::{FactsRead, Known, known, open};
use crate::cli::{assembly, fields, sample};
use crate::config::{FactsSourceSettings, Settings};
use crate::facts::{Facts, FactsTopic};
use crate::intake::Plans;
use crate::kafka::admin::Inspection;
use crate::kafka::probe::{self, Taken};
use crate::kafka::registry::Registry;
use std::io::Write;

/// Reads the files that facts come from, a line each, and what they hold.
pub(super) fn files(report: &mut Report<impl Write>, settings: &Settings) -> anyhow::Result<()> {
    if settings.facts.source(FactsTopic::Catalogue).is_none() {
        holding::no_catalogue(report, settings)?;
    }
    let Known { facts, files, .. } = match known(settings) {
        Ok(Some(known)) => known,
        Ok(None) => return Ok(()),
        Err(error) => return report.line(Verdict::Wrong, "facts", &format!("{error:#}")),
    };
    let census = facts.census();
    for FactsRead { topic, path, records, refused, first } in files {
        let probe = format!("facts.{} file {path}", topic.name());
        let first = first.map(|first| format!("; the first is {first}")).unwrap_or_default();
        let verdict = match (records, refused) {
            (0, _) => Verdict::Warning,
            (_, 0) => Verdict::Ok,
            (records, refused) if refused >= records => Verdict::Wrong,
            _ => Verdict::Warning,
        };
        let held = holding::held(topic, &census);
        report.line(verdict, &probe, &format!("{records} records, {refused} facts refused{first}; {held}"))?;
        let Some(source) = settings.facts.source(topic).filter(|_| topic == FactsTopic::Catalogue) else { continue };
        let there = there(&path, source)?;
        holding::catalogue(report, settings, source, &facts, ("", there.as_deref()))?;
    }
    Ok(())
}

/// The fields that the first records of a file have.
fn there(path: &str, source: &FactsSourceSettings) -> anyhow::Result<Option<String>> {
    let mut file = open(path, source)?;
    let mut values: Vec<Vec<u8>> = Vec::new();
    while values.len() < LOOKED_INTO
        && let Some(record) = file.next()?
    {
        values.push(record.bytes.to_vec());
    }
    Ok(fields::there(values.iter().map(Vec::as_slice)))
}

/// Whether the topics of facts are there, and compacted, and what their newest records become.
pub(super) fn topics(
    report: &mut Report<impl Write>,
    args: &CheckArgs,
    settings: &Settings,
    inspection: &Inspection,
) -> anyhow::Result<()> {
    for topic in &inspection.facts {
        let probe = format!("topic {}", topic.name);
        let verdict = if topic.partitions.is_some() { Verdict::Ok } else { Verdict::Warning };
        report.line(verdict, &probe, &topic.says())?;
        if let Some(warning) = &topic.warning {
            report.line(Verdict::Warning, &probe, warning)?;
        }
        let source = settings.facts.source(topic.topic);
        let (Some(partitions), Some(source)) = (topic.partitions, source) else { continue };
        match probe::newest(settings, &topic.name, partitions, args.sample.unwrap_or(SAMPLE_DEFAULT)) {
            Ok(taken) => mapped(report, settings, source, &taken)?,
            Err(error) => {
                let text = format!("{error}. This user needs the rights Describe and Read on topic {}", topic.name);
                report.line(Verdict::Wrong, &probe, &text)?;
            }
        }
    }
    Ok(())
}

/// What the newest records become by the mapping of their topic.
fn mapped(
    report: &mut Report<impl Write>,
    settings: &Settings,
    source: &FactsSourceSettings,
    taken: &Taken,
) -> anyhow::Result<()> {
    let probe = format!("mapping of facts.{}", source.kind().name());
    if taken.records.is_empty() {
        return report.line(Verdict::Warning, &probe, "not tried: the topic holds no records yet");
    }
    let registry = Registry::new(&settings.registry).ok().flatten(); // a faulty one has a line of its own
    match tried(settings, source, registry.as_ref(), taken) {
        Err(error) => report.line(Verdict::Wrong, &probe, &format!("{error:#}")),
        Ok(Sampled { facts, used, refused, first }) => {
            let verdict = match (used, refused) {
                (_, 0) => Verdict::Ok,
                (0, _) => Verdict::Wrong,
                _ => Verdict::Warning,
            };
            let first = first.map(|first| format!("; the first is {first}")).unwrap_or_default();
            let records = taken.records.len();
            let held = holding::held(source.kind(), &facts.census());
            let text = format!(
                "of the {records} newest records {used} facts can be used, {refused} are refused{first}; {held}"
            );
            report.line(verdict, &probe, &text)?;
            if source.kind() == FactsTopic::Catalogue {
                holding::catalogue(report, settings, source, &facts, (" of the newest records", None))?;
            }
            Ok(())
        }
    }
}

/// What a sample of a topic became.
struct Sampled {
    facts: Facts,
    used: usize,
    refused: usize,
    first: Option<String>,
}

/// How many facts can be used, how many are refused, and the first of these.
fn tried(
    settings: &Settings,
    source: &FactsSourceSettings,
    registry: Option<&Registry>,
    taken: &Taken,
) -> anyhow::Result<Sampled> {
    let mapping = assembly::fact_mapping(source, settings.facts.low_stock)?;
    let topic = source.topic.as_deref().unwrap_or_default();
    let mut plans = Plans::default();
    let mut sampled = Sampled { facts: Facts::new(usize::MAX), used: 0, refused: 0, first: None };
    each_record(topic, taken, |place, record| {
        while let Some(id) = mapping.form().missing_schema(&plans, record) {
            sample::learn(mapping.form(), &mut plans, id, registry)?;
        }
        mapping.decode(&plans, record, |decoded| match decoded {
            Ok(fact) => {
                sampled.used += 1;
                drop(fact.tell(&sampled.facts)); // a parent that cannot be depends on records that are not here
            }
            Err(reject) => {
                sampled.refused += 1;
                sampled.first.get_or_insert_with(|| format!("{place}: {reject}"));
            }
        });
        Ok(())
    })?;
    Ok(sampled)
}
