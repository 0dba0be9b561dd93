//! What is left of an events log that has lost its start, and the beginnings from which that is counted.

use super::super::{assembly, run};
use crate::config::Settings;
use crate::drive::{Beginnings, KeptPartition, Plan, Snapshots, SystemClocks, Vigil, Wake};
use crate::drive::{Clocks as _, LogFailure};
use crate::kafka::{KafkaTransport, client};
use crate::memory::{Held, Sizes};
use crate::publish::codec::ListCodec;
use crate::stage::{BeginningError, Clocked};
use crate::watch::health::{HEARTBEAT_AGE_MAX, Health};
use std::sync::Arc;

/// Where counting can begin, and how that is kept.
pub(super) struct KeptEvents {
    plan: Plan,
    snapshots: Snapshots,
    beginnings: Beginnings,
}

/// What there is to count, or why it cannot be counted.
pub(super) type FoundKept = Result<Vec<KeptPartition>, String>;

impl KeptEvents {
    /// Reads all that the events log still holds. `partitions`: of events and of pairs, once it is rebuilt.
    pub(super) fn find(settings: &Settings, partitions: (u32, u32)) -> anyhow::Result<(Option<Self>, FoundKept)> {
        let health = Health::new(1, HEARTBEAT_AGE_MAX);
        let vigil = Arc::new(Vigil::new("rebuild", Arc::default(), &health));
        let what = "where it begins now is kept beside snapshots, and snapshots.url is not set: set it";
        let without = || Ok((None, Err(what.to_owned())));
        if settings.snapshots.url.is_none() {
            return without();
        }
        let Some(snapshots) = run::snapshots(settings, &vigil)? else { return without() };
        let plan = plan(settings, partitions)?;
        let client = client::base(&settings.kafka, settings.log.level)?;
        let buffers = (Sizes::default(), Arc::<Held>::default());
        let names = run::names(settings, client, run::SourceTopics::new(), buffers);
        let transport = KafkaTransport::new(Arc::new(names), Arc::clone(&vigil), Wake::default());
        let beginnings = match Beginnings::find(&plan, &snapshots, &transport, &vigil, |_| ()) {
            Ok(beginnings) => beginnings,
            Err(error) => return Ok((None, Err(why_not(error)?))),
        };
        if !beginnings.is_of(&plan) {
            let what = "it was written with another intake.user_secret, or another number of partitions: set that back";
            return Ok((None, Err(what.to_owned())));
        }
        let kept = beginnings.partitions.clone();
        Ok((Some(Self { plan, snapshots, beginnings }), Ok(kept)))
    }

    /// Stores where counting begins. Gives the names of what holds it.
    pub(super) fn store(&self) -> anyhow::Result<Vec<String>> {
        let now_ms = SystemClocks::default().now().wall_ms;
        Ok(self.beginnings.store(&self.plan, &self.snapshots, now_ms)?)
    }
}

/// Why the kept records cannot be counted alone, where that is the reason.
fn why_not(error: anyhow::Error) -> anyhow::Result<String> {
    match (error.downcast_ref::<BeginningError>(), error.downcast_ref::<LogFailure>()) {
        (Some(why), _) => Ok(why.to_string()),
        (None, Some(LogFailure { may_pass: true, .. })) => Ok(format!("{error:#}: run the same again")),
        (None, _) => Err(error),
    }
}

/// What states depend on: no source is read.
fn plan(settings: &Settings, (events_partitions, pairs_partitions): (u32, u32)) -> anyhow::Result<Plan> {
    let mut counted = settings.clone();
    counted.logs.events_partitions = events_partitions;
    counted.logs.pairs_partitions = pairs_partitions;
    Ok(Plan {
        setup: assembly::setup(&counted, Clocked::Wall, None),
        events_partitions,
        pairs_partitions,
        sources: Vec::new(),
        align_ms: settings.intake.align_ms,
        gap_wait_ms: settings.logs.gap_wait_ms,
        sizes: Sizes::default(),
        codec: ListCodec::json()?,
        snapshots: None,
        feed: None,
        schemas: None,
    })
}
