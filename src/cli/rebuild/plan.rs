//! What a rebuild would delete, what can be counted again, and why it may not be done. No IO but the text.

use super::kept::FoundKept;
use crate::config::Start;
use crate::drive::KeptPartition;
use crate::kafka::topics::TopicKind;
use crate::kafka::{Extent, Member};
use crate::position::NextOffset;
use std::io::{self, Write};

/// What there is, and what is to become of it.
pub(super) struct Plan {
    /// The events log stays, and is what is counted.
    pub(super) from_events: bool,
    /// Where the events log has lost its start, what is left of it is counted.
    pub(super) since_kept: bool,
    /// What that is, or why it cannot be counted; `None` where that was not looked at.
    pub(super) kept: Option<FoundKept>,
    /// The lists go too.
    pub(super) with_lists: bool,
    /// Partitions of events and of pairs, by the settings.
    pub(super) partitions: (u32, u32),
    /// samenloop's own topics.
    pub(super) topics: Vec<Held>,
    pub(super) sources: Vec<SourceHeld>,
    /// `None` where there is no store.
    pub(super) snapshots: Option<Kept>,
    /// Who is still in the groups.
    pub(super) members: Vec<Member>,
}

/// One of samenloop's own topics.
pub(super) struct Held {
    pub(super) kind: TopicKind,
    pub(super) name: String,
    /// `None`: it is not there.
    pub(super) extent: Option<Extent>,
}

/// The topic of a source.
pub(super) struct SourceHeld {
    pub(super) name: String,
    pub(super) topic: String,
    /// `None`: it is not there.
    pub(super) extent: Option<Extent>,
    pub(super) start: Start,
}

/// Snapshots that there are.
pub(super) struct Kept {
    /// Where, as it may be shown.
    pub(super) url: String,
    pub(super) count: usize,
    pub(super) bytes: u64,
}

impl Plan {
    /// The topics that go, of those that are there.
    pub(super) fn deleted(&self) -> impl Iterator<Item = &Held> {
        self.topics.iter().filter(|held| held.extent.is_some() && self.goes(held.kind))
    }

    fn goes(&self, kind: TopicKind) -> bool {
        match kind {
            TopicKind::Events => !self.from_events,
            TopicKind::Pairs | TopicKind::Totals => true,
            TopicKind::Lists => self.with_lists,
            TopicKind::Rejects => false,
        }
    }

    fn extent(&self, kind: TopicKind) -> Option<&Extent> {
        self.topics.iter().find(|held| held.kind == kind)?.extent.as_ref()
    }

    /// How many records the events log holds that is to be counted and has lost its start; `None` where it has not, or where nothing can be done
    /// anyhow.
    pub(super) fn headless(&self) -> Option<u64> {
        let events = self.counted_events().filter(|events| events.lost() > 0)?;
        self.members.is_empty().then(|| events.records())
    }

    /// Partitions of events and pairs once it is done.
    pub(super) fn partitions_after(&self) -> (u32, u32) {
        let (events, pairs) = self.partitions;
        let kept = self.counted_events().map(|held| held.bounds.len());
        (kept.and_then(|count| u32::try_from(count).ok()).unwrap_or(events), pairs)
    }

    /// The events log, if it is what is counted.
    fn counted_events(&self) -> Option<&Extent> {
        self.extent(TopicKind::Events).filter(|_| self.from_events)
    }

    /// Where each partition of events ends, if they stay.
    pub(super) fn events_ends(&self) -> Option<Vec<NextOffset>> {
        Some(self.counted_events()?.bounds.iter().map(|&(_, high)| NextOffset(high)).collect())
    }

    /// Why it may not be done.
    pub(super) fn refusals(&self) -> Vec<String> {
        let mut refusals = Vec::new();
        if !self.members.is_empty() {
            let who: Vec<String> =
                self.members.iter().map(|member| format!("{} ({})", member.client, member.group)).collect();
            refusals.push(format!(
                "instances are still at work: stop all of them first (one that was killed is counted until its session.timeout.ms is \
                 over): {}",
                who.join(", ")
            ));
        }
        if self.from_events {
            match self.extent(TopicKind::Events) {
                None => refusals.push("there is no events log to count from: leave --from-events out".to_owned()),
                Some(events) if events.lost() > 0 => refusals.extend(self.headless_refusal(events.lost())),
                Some(_) => {}
            }
        }
        let lists = self.extent(TopicKind::Lists).map_or(0, |lists| lists.bounds.len());
        let (_, pairs) = self.partitions;
        if lists != 0 && lists != pairs as usize && !self.with_lists {
            refusals.push(format!(
                "lists has {lists} partitions, logs.pairs_partitions is {pairs}, and they must be as many: set it back, or let the lists go \
                 too, with --lists: their subscribers then find an empty topic, and start anew"
            ));
        }
        refusals
    }

    /// Why what is left of an events log that has lost so many records is not counted.
    fn headless_refusal(&self, lost: u64) -> Option<String> {
        let what =
            format!("the events log has lost its first {lost} records (it was trimmed behind snapshots, or by hand)");
        let sources = "Leave --from-events out, and the sources are counted";
        match &self.kept {
            Some(Err(why)) => Some(format!("{what}, and what is left cannot be counted alone: {why}. {sources}")),
            _ if !self.since_kept => Some(format!(
                "{what}: counted from what is left, counts become lower than they are, and lists shorter. If that is what you want, say so by \
                 --since-kept. {sources}"
            )),
            _ => None,
        }
    }

    /// All of it, for people.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let (events, pairs) = self.partitions_after();
        let from = match self.counted_events() {
            Some(events) if events.lost() > 0 => "what the events log still holds",
            _ if self.from_events => "the events log",
            _ => "the sources",
        };
        writeln!(out, "Counts anew from {from}, with {events} partitions of events and {pairs} of pairs.\n")?;
        let width = self.topics.iter().map(|held| held.name.len());
        let width = width.chain(self.sources.iter().map(|source| source.topic.len())).max().unwrap_or(0);
        for Held { kind, name, extent } in &self.topics {
            let what = match (self.goes(*kind), extent) {
                (_, None) => "is not there, and is made".to_owned(),
                (true, Some(held)) => format!("is deleted and made anew; it holds {} records", held.records()),
                (false, Some(held)) => format!("stays, with {} records", held.records()),
            };
            writeln!(out, "{name:width$}  {what}")?;
        }
        match &self.snapshots {
            None => writeln!(out, "snapshots: snapshots.url is not set, so none are deleted")?,
            Some(Kept { url, count, bytes }) => {
                writeln!(out, "snapshots: {count} are deleted, {bytes} bytes, in {url}")?;
            }
        }
        if !self.from_events {
            writeln!(out)?;
            for source in &self.sources {
                source.write(width, out)?;
            }
        }
        if let Some(Ok(kept)) = &self.kept {
            writeln!(
                out,
                "\nThe events log has lost its start. What was counted from older events will not be in the counts: they become lower, and \
                 lists that rest on them shorter or empty. Counted is"
            )?;
            kept.iter().try_for_each(|of| write_kept(of, out))?;
        }
        match self.members.len() {
            0 => writeln!(out, "\nNo instance is at work."),
            count => writeln!(out, "\n{count} members are in the groups of these settings."),
        }
    }
}

/// What is counted of a partition of events.
fn write_kept(kept: &KeptPartition, out: &mut impl Write) -> io::Result<()> {
    let KeptPartition { partition, low, high, events, earliest, written_from_ms } = kept;
    write!(out, "  events-{}  ", partition.0)?;
    match low.0 {
        0 => write!(out, "all of it")?,
        lost => write!(out, "from offset {} on, without the {lost} records before it", low.0)?,
    }
    write!(out, ": {} records, {events} events", low.lag(*high))?;
    if let Some(earliest) = earliest {
        write!(out, ", the earliest of {}", time(earliest.0))?;
    }
    match written_from_ms {
        Some(ms) => writeln!(out, ", written since {}", time(*ms)),
        None => writeln!(out),
    }
}

/// A time, in ms since 1970.
fn time(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map(|time| time.to_string()).unwrap_or_else(|_| format!("{ms} ms"))
}

impl SourceHeld {
    fn write(&self, width: usize, out: &mut impl Write) -> io::Result<()> {
        let Self { name, topic, extent, start } = self;
        let Some(held) = extent else { return writeln!(out, "{topic:width$}  is not there, of source {name}") };
        let records = held.records();
        if *start == Start::Latest {
            let what = "start = \"latest\": nothing of them is counted, only what comes from now on";
            return writeln!(out, "{topic:width$}  of source {name}: holds {records} records; warning: {what}");
        }
        writeln!(out, "{topic:width$}  of source {name}: {records} records can be counted again")?;
        if held.lost() > 0 {
            let what = "are gone (retention): what they held cannot be counted again";
            writeln!(out, "  warning: the {} records before them {what}", held.lost())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventTime;
    use crate::position::Partition;

    fn held(kind: TopicKind, bounds: &[(u64, u64)]) -> Held {
        let extent = (!bounds.is_empty()).then(|| Extent { bounds: bounds.to_vec() });
        Held { kind, name: format!("shop.{}", kind.name()), extent }
    }

    fn source(bounds: &[(u64, u64)], start: Start) -> SourceHeld {
        let extent = (!bounds.is_empty()).then(|| Extent { bounds: bounds.to_vec() });
        SourceHeld { name: "web".to_owned(), topic: "clicks".to_owned(), extent, start }
    }

    fn plan() -> Plan {
        Plan {
            from_events: false,
            since_kept: false,
            kept: None,
            with_lists: false,
            partitions: (1, 2),
            topics: vec![
                held(TopicKind::Events, &[(0, 10)]),
                held(TopicKind::Pairs, &[(4, 9), (0, 3)]),
                held(TopicKind::Totals, &[]),
                held(TopicKind::Lists, &[(0, 5), (0, 0)]),
                held(TopicKind::Rejects, &[(0, 1)]),
            ],
            sources: vec![source(&[(7, 20), (0, 2)], Start::Earliest)],
            snapshots: Some(Kept { url: "s3://***@b/x".to_owned(), count: 3, bytes: 99 }),
            members: Vec::new(),
        }
    }

    fn text(plan: &Plan) -> String {
        let mut out = Vec::new();
        plan.write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn gone(plan: &Plan) -> Vec<TopicKind> {
        plan.deleted().map(|held| held.kind).collect()
    }

    #[test]
    fn a_rebuild_from_the_sources_says_what_goes_what_stays_and_what_is_lost() {
        let plan = plan();
        assert_eq!(
            text(&plan),
            "Counts anew from the sources, with 1 partitions of events and 2 of pairs.\n\n\
             shop.events   is deleted and made anew; it holds 10 records\n\
             shop.pairs    is deleted and made anew; it holds 8 records\n\
             shop.totals   is not there, and is made\n\
             shop.lists    stays, with 5 records\n\
             shop.rejects  stays, with 1 records\n\
             snapshots: 3 are deleted, 99 bytes, in s3://***@b/x\n\n\
             clicks        of source web: 15 records can be counted again\n  \
             warning: the 7 records before them are gone (retention): what they held cannot be counted again\n\n\
             No instance is at work.\n"
        );
        assert_eq!(gone(&plan), [TopicKind::Events, TopicKind::Pairs]);
        assert_eq!((plan.refusals(), plan.events_ends(), plan.partitions_after()), (vec![], None, (1, 2)));
        let latest = Plan { sources: vec![source(&[(0, 2)], Start::Latest), source(&[], Start::Earliest)], ..plan };
        assert!(
            text(&latest).contains("nothing of them is counted")
                && text(&latest).contains("clicks        is not there")
        );
    }

    #[test]
    fn from_events_the_events_log_stays_with_its_partitions_and_the_sources_are_not_asked() {
        let plan = Plan { from_events: true, partitions: (5, 2), snapshots: None, ..plan() };
        assert_eq!(gone(&plan), [TopicKind::Pairs]);
        assert_eq!((plan.events_ends(), plan.partitions_after()), (Some(vec![NextOffset(10)]), (1, 2)));
        let text = text(&plan);
        assert!(
            text.contains("shop.events   stays, with 10 records") && text.contains("snapshots.url is not set"),
            "{text}"
        );
        assert!(
            text.starts_with("Counts anew from the events log, with 1 partitions") && !text.contains("clicks "),
            "{text}"
        );
        assert_eq!(plan.refusals(), Vec::<String>::new());
    }

    #[test]
    fn an_events_log_that_has_lost_its_start_is_counted_from_where_it_begins_and_that_is_said() {
        let kept = |partition: u32, (low, high): (u64, u64), events, earliest: Option<i64>| KeptPartition {
            partition: Partition(partition),
            low: NextOffset(low),
            high: NextOffset(high),
            events,
            earliest: earliest.map(EventTime),
            written_from_ms: earliest.map(|ms| ms + 1_000),
        };
        let kept = vec![kept(0, (3, 10), 40, Some(1_700_000_000_000)), kept(1, (0, 4), 0, None)];
        let topics = vec![held(TopicKind::Events, &[(3, 10), (0, 4)])];
        let plan = Plan { from_events: true, since_kept: true, kept: Some(Ok(kept)), topics, ..plan() };
        assert_eq!((plan.headless(), plan.refusals()), (Some(11), vec![]));
        let text = text(&plan);
        for part in [
            "Counts anew from what the events log still holds, with 2 partitions",
            "What was counted from older events will not be in the counts: they become lower, and lists that rest on them shorter",
            "\n  events-0  from offset 3 on, without the 3 records before it: 7 records, 40 events, the earliest of \
             2023-11-14T22:13:20Z, written since 2023-11-14T22:13:21Z\n  events-1  all of it: 4 records, 0 events\n",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        let whole = Plan { kept: None, topics: vec![held(TopicKind::Events, &[(0, 10)])], ..plan };
        assert_eq!((whole.headless(), whole.refusals()), (None, vec![]), "nothing is lost");
    }

    #[test]
    fn what_would_count_wrong_or_under_somebodys_hands_is_refused() {
        let refused = |plan: Plan, part: &str| {
            let refusals = plan.refusals();
            assert!(refusals.len() == 1 && refusals[0].contains(part), "{part}: {refusals:?}");
        };
        let member = Member { group: "shop.rows".to_owned(), client: "samenloop at /10.0.0.1".to_owned() };
        refused(Plan { members: vec![member], ..plan() }, "samenloop at /10.0.0.1 (shop.rows)");
        let trimmed =
            || Plan { from_events: true, topics: vec![held(TopicKind::Events, &[(3, 10), (0, 4)])], ..plan() };
        refused(trimmed(), "lost its first 3 records");
        refused(trimmed(), "If that is what you want, say so by --since-kept");
        let gap = || Some(Err("nothing says which log it is".to_owned()));
        for since_kept in [false, true] {
            let what = "cannot be counted alone: nothing says which log it is. Leave --from-events out";
            refused(Plan { kept: gap(), since_kept, ..trimmed() }, what);
        }
        refused(Plan { from_events: true, topics: Vec::new(), ..plan() }, "no events log to count from");
        refused(Plan { partitions: (1, 3), ..plan() }, "lists has 2 partitions, logs.pairs_partitions is 3");
        let with_lists = Plan { partitions: (1, 3), with_lists: true, ..plan() };
        assert_eq!(with_lists.refusals(), Vec::<String>::new());
        assert_eq!(gone(&with_lists), [TopicKind::Events, TopicKind::Pairs, TopicKind::Lists]);
    }
}
