//! `samenloop check` of facts: what the settings' files hold, and whether the topics are there.

use super::{Report, Verdict};
use crate::cli::facts::{FactsRead, known};
use crate::config::Settings;
use crate::kafka::admin::Inspection;
use std::io::Write;

/// Reads the files that facts come from, a line each.
pub(super) fn files(report: &mut Report<impl Write>, settings: &Settings) -> anyhow::Result<()> {
    let read = match known(settings) {
        Ok(Some(read)) => read.files,
        Ok(None) => return Ok(()),
        Err(error) => return report.line(Verdict::Wrong, "facts", &format!("{error:#}")),
    };
    for FactsRead { topic, path, records, refused, first } in read {
        let probe = format!("facts.{} file {path}", topic.name());
        let first = first.map(|first| format!("; the first is {first}")).unwrap_or_default();
        let verdict = match (records, refused) {
            (0, _) => Verdict::Warning,
            (_, 0) => Verdict::Ok,
            (records, refused) if refused >= records => Verdict::Wrong,
            _ => Verdict::Warning,
        };
        report.line(verdict, &probe, &format!("{records} records, {refused} facts refused{first}"))?;
    }
    Ok(())
}

/// Whether the topics of facts are there, and compacted.
pub(super) fn topics(report: &mut Report<impl Write>, inspection: &Inspection) -> anyhow::Result<()> {
    for topic in &inspection.facts {
        let probe = format!("topic {}", topic.name);
        let verdict = if topic.partitions.is_some() { Verdict::Ok } else { Verdict::Warning };
        report.line(verdict, &probe, &topic.says())?;
        if let Some(warning) = &topic.warning {
            report.line(Verdict::Warning, &probe, warning)?;
        }
    }
    Ok(())
}
