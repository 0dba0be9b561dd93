//! `samenloop rebuild`: counts anew, under the same names: what is in the way is deleted, on request only, after saying what.
//!
//! The pairs log goes first and is made last, so that whatever is left when it breaks off in between is refused by `run`, and running
//! it again ends it. Absent: counting itself, which is the next `run`'s.

use super::run::scope;
use super::{Outcome, Sets, output};
use crate::config::Settings;
use crate::kafka::Member;
use crate::kafka::admin::Admin;
use crate::kafka::client;
use crate::kafka::topics::{TopicKind, TopicNames};
use crate::position::NextOffset;
use crate::snapshot::SnapshotStore;
use crate::wire::Anew;
use clap::Args;
use kept::KeptEvents;
use plan::{Held, Kept, Plan, SourceHeld};
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

mod kept;
mod plan;

const HELP: &str = "\
Says what it would delete and what can be counted again, and does nothing without --yes. Stop all instances first. The \
lists topic stays: subscribers are told of what really changes, once everything has been counted again.

Where the events log has lost its start, as behind snapshots, --from-events is refused: counts would become lower. With \
--since-kept what is left of it is counted, and nothing else; it is shown from where on that is.

Exit codes: 0 done, or shown; 1 refused, or failed: run it again.

Examples:
  samenloop --config shop.toml rebuild
  samenloop --config shop.toml rebuild --yes
  samenloop --config shop.toml rebuild --from-events --yes
  samenloop --config shop.toml rebuild --from-events --since-kept --yes";

/// Counts anew under the same names: shows what that deletes, or does it.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct RebuildArgs {
    #[command(flatten)]
    pub(super) sets: Sets,
    /// Keep the events log and count from it, as after other counting rules; by default, from the sources
    #[arg(long)]
    from_events: bool,
    /// Where the events log has lost its start, count what is left of it: what was counted from older events is not in the counts then
    #[arg(long, requires = "from_events")]
    since_kept: bool,
    /// Delete the lists too; their subscribers start anew
    #[arg(long)]
    lists: bool,
    /// Do it
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(args: RebuildArgs, settings: Settings) -> anyhow::Result<Outcome> {
    let admin = Admin::new(&settings)?;
    let store = settings.snapshots.url.as_deref().map(SnapshotStore::open).transpose()?;
    let plan = plan(&args, &settings, &admin, store.as_ref())?;
    let mut out = output::stdout();
    let (kept, plan) = look_at_kept(plan, &settings, &mut out)?;
    plan.write(&mut out)?;
    let refusals = plan.refusals();
    if !refusals.is_empty() {
        out.flush()?;
        anyhow::bail!("nothing was changed:\n{}", refusals.join("\n"));
    }
    if args.yes {
        carry_out(&plan, &settings, &admin, store.as_ref().zip(Some(kept.as_ref())), &mut out)?;
    } else {
        writeln!(out, "\nNothing was changed. With --yes it is done.")?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}

/// What there is, and what is to become of it.
fn plan(args: &RebuildArgs, settings: &Settings, admin: &Admin, store: Option<&SnapshotStore>) -> anyhow::Result<Plan> {
    let inspection = admin.inspect(settings)?;
    let mut topics = Vec::new();
    for report in &inspection.own {
        let found = report.found.as_ref();
        let extent = found.map(|found| admin.extent(&report.name, found.partitions)).transpose()?;
        topics.push(Held { kind: report.kind, name: report.name.clone(), extent });
    }
    let mut sources = Vec::new();
    for source in &inspection.sources {
        let extent = source.partitions.map(|count| admin.extent(&source.topic, count)).transpose()?;
        let of_settings = settings.sources.iter().find(|set| set.name == source.source);
        let start = of_settings.map(|set| set.start).unwrap_or_default();
        sources.push(SourceHeld { name: source.source.clone(), topic: source.topic.clone(), extent, start });
    }
    let snapshots = match store {
        Some(store) => {
            let (count, bytes) = store.count(scope(settings))?;
            Some(Kept { url: settings.snapshots.shown_url(), count, bytes })
        }
        None => None,
    };
    Ok(Plan {
        from_events: args.from_events,
        since_kept: args.since_kept,
        kept: None,
        with_lists: args.lists,
        partitions: (settings.logs.events_partitions, settings.logs.pairs_partitions),
        topics,
        sources,
        snapshots,
        members: members(settings, admin)?,
    })
}

/// Where the events log is what is counted and has lost its start: what is left of it, and from where on that can be counted.
fn look_at_kept(
    mut plan: Plan,
    settings: &Settings,
    out: &mut impl Write,
) -> anyhow::Result<(Option<KeptEvents>, Plan)> {
    let Some(records) = plan.headless() else { return Ok((None, plan)) };
    writeln!(out, "Reading the {records} records that the events log still holds.\n")?;
    out.flush()?;
    let (kept, found) = KeptEvents::find(settings, plan.partitions_after())?;
    plan.kept = Some(found);
    Ok((kept, plan))
}

/// Who is in the groups of these settings.
fn members(settings: &Settings, admin: &Admin) -> anyhow::Result<Vec<Member>> {
    let of_sources = settings.sources.iter().filter(|source| source.topic.is_some());
    let of_sources = of_sources.map(|source| format!("intake.{}", source.name));
    let names = of_sources.chain(["windows", "rows"].map(str::to_owned));
    let groups: Vec<String> = names.map(|name| format!("{}{name}", settings.topics.prefix)).collect();
    Ok(admin.members(&groups)?)
}

fn carry_out(
    plan: &Plan,
    settings: &Settings,
    admin: &Admin,
    store: Option<(&SnapshotStore, Option<&KeptEvents>)>,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let names = TopicNames::new(&settings.topics);
    let pairs = names.name(TopicKind::Pairs);
    let (first, rest): (Vec<String>, Vec<String>) =
        plan.deleted().map(|held| held.name.clone()).partition(|name| *name == pairs);
    let mut say = |line: String| -> std::io::Result<()> {
        writeln!(out, "{line}")?;
        out.flush()
    };
    say(String::new())?;
    // Without pairs nothing runs: from here to the end, whatever breaks off leaves what is refused.
    admin.delete(&first)?;
    if let Some((store, kept)) = store {
        // Before the others go: they may know of what is kept what nothing else says, and these know it then.
        let stay = kept.map_or(Ok(Vec::new()), KeptEvents::store)?;
        let count = store.remove_all_but(scope(settings), &stay)?;
        say(format!("snapshots: {count} removed"))?;
    }
    admin.delete(&rest)?;
    for name in first.iter().chain(&rest) {
        say(format!("{name}: deleted"))?;
    }
    let all_but_pairs: Vec<TopicKind> = TopicKind::ALL.into_iter().filter(|kind| *kind != TopicKind::Pairs).collect();
    let (events, pairs_partitions) = plan.partitions_after();
    for kinds in [&all_but_pairs[..], &[TopicKind::Pairs]] {
        let made = admin.create_some(settings, &admin.inspect(settings)?, kinds, false)?;
        for made in made {
            match made.fault {
                Some(fault) => anyhow::bail!("{}: not made: {fault}. Run the same again", made.name),
                None => say(format!("{}: made", made.name))?,
            }
        }
        if kinds.contains(&TopicKind::Totals) {
            let read_to = plan.events_ends().unwrap_or_else(|| vec![NextOffset(0); events as usize]);
            let mark = Anew { epochs_from: epochs_from(), read_to };
            let client = client::base(&settings.kafka, settings.log.level)?;
            admin.mark_anew(&client, &names.name(TopicKind::Totals), pairs_partitions, &mark)?;
        }
    }
    admin.inspect_made(settings)?;
    say("Done: `samenloop run` counts anew.".to_owned())?;
    Ok(())
}

/// Above all epochs that there can be: those are offsets, and microseconds go faster than records of a totals log. Later ones are
/// above earlier ones.
fn epochs_from() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
