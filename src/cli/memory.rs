//! What the process may take of the memory: how much there is, and what the settings make of it.

use super::UsageError;
use crate::config::Settings;
use crate::kafka::admin::Inspection;
use crate::kafka::topics::{LogPartitions, partitions_or_refuse};
use crate::limits::BUDGET_BYTES;
use crate::memory::{Budget, Demand, Unfit};
use std::fs;
use std::path::{Path, PathBuf};

/// Where groups of processes have their limits.
const CGROUPS: &str = "/sys/fs/cgroup";

/// Of a machine's memory so many parts of four, where no container has less: others run on it too.
const QUARTERS: u64 = 3;

/// What there is, and who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Found {
    bytes: u64,
    whence: &'static str,
}

/// The budget, and where it comes from; `None` where nothing says how much there is.
pub(super) fn deal(settings: &Settings, inspection: &Inspection) -> anyhow::Result<Option<(Budget, &'static str)>> {
    let Some(Found { bytes, whence }) = found(settings) else { return Ok(None) };
    let partitions = partitions_or_refuse(&inspection.own)?;
    let sources = inspection.sources.iter().filter_map(|source| source.partitions).map(u64::from).sum();
    match Budget::deal(bytes, &demand(settings, (inspection.sources.len() as u64, sources), partitions)) {
        Ok(budget) => Ok(Some((budget, whence))),
        Err(unfit) => Err(refusal(&unfit, whence)),
    }
}

fn refusal(unfit: &Unfit, whence: &str) -> anyhow::Error {
    UsageError(format!("{unfit}\n(memory.budget comes from {whence}.)")).into()
}

/// What these settings ask for, with so many topics of sources, and partitions of all of them.
fn demand(settings: &Settings, sources: (u64, u64), partitions: LogPartitions) -> Demand {
    let workers = settings.workers;
    let topics = settings.facts.sources.iter().filter(|source| source.topic.is_some()).count();
    Demand {
        workers: [workers.intake, workers.windows, workers.rows].map(|count| count as u64),
        sources,
        facts_topics: topics as u64,
        facts_bytes: (!settings.facts.sources.is_empty()).then_some(settings.facts.memory_bytes),
        partitions: (u64::from(partitions.events), u64::from(partitions.pairs)),
        merge_bytes: settings.intake.merge_buffer_bytes,
        block_bytes: settings.logs.block_bytes,
        has_snapshots: settings.snapshots.url.is_some(),
        has_http: settings.http.enabled,
        cores: std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64),
        fixed: settings.kafka.fixed(),
    }
}

fn found(settings: &Settings) -> Option<Found> {
    let set = settings.memory.budget_bytes.map(|bytes| Found { bytes, whence: "the settings" });
    set.or_else(|| {
        let group = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let machine = fs::read_to_string("/proc/meminfo").ok();
        given(&group, Path::new(CGROUPS), machine.as_deref())
    })
}

/// What is given without a word in the settings: by the nearest limit of a container, or by the machine.
fn given(group: &str, root: &Path, machine: Option<&str>) -> Option<Found> {
    let machine = machine.and_then(total);
    let limit = limits_of(group, root)
        .into_iter()
        .filter_map(|file| fs::read_to_string(file).ok()?.trim().parse::<u64>().ok())
        .min();
    // A limit beyond what there is is none: the first version of cgroups has such a number where none is set.
    let limit = limit.filter(|&limit| machine.is_none_or(|machine| limit < machine));
    let found = match (limit, machine) {
        (Some(bytes), _) => Some(Found { bytes, whence: "the limit of the container (cgroup)" }),
        (None, Some(bytes)) => {
            Some(Found { bytes: bytes / 4 * QUARTERS, whence: "three quarters of the machine's memory" })
        }
        (None, None) => None,
    };
    found.map(|found| Found { bytes: found.bytes.min(*BUDGET_BYTES.end()), ..found })
}

/// The files that may hold a limit: of the process's own group, and of all that it is in. In a container the group that it is told
/// may be one outside, which it does not see: then the root is its own.
fn limits_of(group: &str, root: &Path) -> Vec<PathBuf> {
    let mut files = vec![root.join("memory.max"), root.join("memory/memory.limit_in_bytes")];
    for line in group.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else { continue };
        let (base, file) = match controllers {
            "" => (root.to_owned(), "memory.max"),
            controllers if controllers.split(',').any(|name| name == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let own = base.join(path.trim_start_matches('/'));
        files.extend(own.ancestors().take_while(|folder| folder.starts_with(&base)).map(|folder| folder.join(file)));
    }
    files
}

/// `MemTotal`, in bytes.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests;
