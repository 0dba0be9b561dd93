//! What the files hold, read once before anything is counted: every order as it stands at last and every view, by the mappings
//! and the rules of intake, in the order of their times.
//!
//! Held in memory: about 80 bytes an event, and 4 a line of an order.

use crate::cli::files::FileRecord;
use crate::cli::output::RejectNotes;
use crate::cli::sources::{EventFile, is_out_of_order};
use crate::config::LogFormat;
use crate::event::{Action, EventTime, LinkKey, OrderStep, UserKey};
use crate::facts::Facts;
use crate::findings::{At, Finding, Kind, Profile, Source, find};
use crate::intake::{Admitted, Intake, Now, Plans, Record};
use crate::items::{ItemId, Items};
use crate::position::{NextOffset, Partition};
use crate::stage::{Disorder, counted};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// How many rejects are told one by one; the rest is only counted.
const REJECTS_TOLD_MAX: u64 = 100;

/// Where an event stands: number of the file, number of the line, both from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Line {
    pub(super) input: usize,
    pub(super) number: u64,
}

/// An order.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) line: Line,
    pub(super) time: EventTime,
    pub(super) user: UserKey,
    /// Its distinct items, in the order of its lines.
    pub(super) items: Vec<ItemId>,
    /// Where it changed.
    pub(super) changes: Vec<Line>,
}

impl Order {
    /// Takes in a later record of it.
    fn change(&mut self, line: Line, step: OrderStep, items: &[ItemId]) {
        self.changes.push(line);
        match step {
            OrderStep::State => self.items = items.to_vec(),
            OrderStep::Add => {
                for item in items {
                    if !self.items.contains(item) {
                        self.items.push(*item);
                    }
                }
            }
            OrderStep::Return => self.items.retain(|item| !items.contains(item)),
            OrderStep::Cancel => self.items.clear(),
        }
    }
}

/// A view.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub(super) line: Line,
    pub(super) time: EventTime,
    pub(super) user: UserKey,
    pub(super) item: ItemId,
}

/// All orders and views of the files, re-sent ones once.
#[derive(Default)]
pub(super) struct History {
    /// Names: the numbers of all items here and in lists.
    pub(super) items: Items,
    /// By time, then as they stand in the files.
    pub(super) orders: Vec<Order>,
    /// The same.
    pub(super) views: Vec<View>,
    /// Lines that could not be used; told on stderr.
    pub(super) rejected: u64,
    /// What will disappoint.
    pub(super) findings: Vec<Finding>,
    /// Numbers of the files that hold times that jump.
    pub(super) with_jumps: Vec<usize>,
    /// Numbers of the files that are not in the order of time.
    pub(super) out_of_order: Vec<usize>,
}

impl History {
    /// Reads `files`; `clock_ms` is what future times are corrected by. Items count as `facts` say. Rejects are told in `format`.
    pub(super) fn read(
        files: &[EventFile],
        intake: &Intake,
        facts: Option<&Facts>,
        clock_ms: i64,
        format: LogFormat,
    ) -> anyhow::Result<Self> {
        let mut history = Self::default();
        let mut notes = RejectNotes::new(format, REJECTS_TOLD_MAX);
        let (mut seen, mut numbers) = (HashSet::new(), HashMap::new());
        // Files hold JSON, which needs none.
        let plans = Plans::default();
        let mut profiles: Vec<(String, Profile, u64, u64)> = Vec::new();
        for (input, file) in files.iter().enumerate() {
            let mut lines = file.reader(&Arc::new(AtomicU64::new(0)))?;
            let topic = file.path.display().to_string();
            let (mut read_to, mut disorder) = (None, Disorder::default());
            let (mut profile, mut records, mut before, rejected) = (Profile::default(), 0, None, notes.rejected());
            while let Some((FileRecord { number, place, bytes }, around)) = lines.next()? {
                records += 1;
                if around.is_some() && history.with_jumps.last() != Some(&input) {
                    history.with_jumps.push(input);
                }
                let record = Record { topic: &topic, value: Some(bytes), around, ..Record::default() };
                let now = Now { clock_ms: Some(clock_ms), read_to };
                intake.admit_each(&file.input.mapping, &plans, &record, now, |taken| {
                    let time = match &taken {
                        Ok(admitted) => admitted.as_ref().map(|admitted| admitted.event.time),
                        Err(reject) => reject.time,
                    };
                    if let Some(time) = time {
                        disorder.meet(time, read_to);
                        read_to = read_to.max(Some(time));
                    }
                    let taken = taken.map(|admitted| by_facts(facts, admitted?));
                    if let Ok(Some(Admitted { event, user, .. })) = &taken {
                        let at = At { partition: Partition(0), record: NextOffset(number) };
                        profile.observe(event, *user, at, before.replace(event.time));
                    }
                    match taken {
                        Ok(Some(admitted)) if seen.insert((admitted.user, admitted.event.key)) => {
                            history.add(Line { input, number }, &admitted, &mut numbers);
                        }
                        Ok(_) => {}
                        Err(reject) => notes.note(&topic, place, &reject),
                    }
                });
            }
            profiles.push((topic, profile, records, notes.rejected() - rejected));
            if is_out_of_order(disorder) {
                history.out_of_order.push(input);
            }
        }
        let places: Vec<_> = files.iter().map(|file| |at: At| file.shown(at.record)).collect();
        let sources = profiles.iter().zip(&places).map(|((name, profile, records, rejected), place)| {
            let (records, rejected) = (*records, *rejected);
            Source { name, profile, records, rejected, reason: None, place }
        });
        history.findings = find(&sources.collect::<Vec<_>>(), None);
        // They are sorted before they are counted.
        history.findings.retain(|finding| finding.kind != Kind::Backwards || history.out_of_order.is_empty());
        notes.note_more();
        history.rejected = notes.rejected();
        history.orders.retain(|order| !order.items.is_empty());
        history.orders.sort_by_key(|order| order.time);
        history.views.sort_by_key(|view| view.time);
        Ok(history)
    }

    /// `numbers`: the place of each order that has a number. Records that are older than what they would change are taken as they come.
    fn add(&mut self, line: Line, admitted: &Admitted<'_>, numbers: &mut HashMap<(UserKey, LinkKey), usize>) {
        let Admitted { event, user, .. } = admitted;
        let (time, user) = (event.time, *user);
        let shop = self.items.shop(&event.shop);
        match &event.action {
            Action::View { item, .. } => {
                let item = self.items.item(shop, item);
                self.views.push(View { line, time, user, item });
            }
            Action::Order { step, order_id, items: names, .. } => {
                let mut seen = HashSet::new();
                let ids = names.iter().map(|name| self.items.item(shop, name));
                let items: Vec<ItemId> = ids.filter(|&item| seen.insert(item)).collect();
                let number = (!order_id.is_empty()).then(|| (user, LinkKey::of(order_id)));
                if let Some(&place) = number.and_then(|number| numbers.get(&number)) {
                    self.orders[place].change(line, *step, &items);
                } else if matches!(step, OrderStep::State | OrderStep::Add) {
                    numbers.extend(number.map(|number| (number, self.orders.len())));
                    self.orders.push(Order { line, time, user, items, changes: Vec::new() });
                }
            }
            _ => {}
        }
    }
}

/// The event as it counts; none where it holds no product.
fn by_facts<'a>(facts: Option<&Facts>, admitted: Admitted<'a>) -> Option<Admitted<'a>> {
    let Some(facts) = facts else { return Some(admitted) };
    let event = counted(facts, &admitted.event)?.into_owned();
    Some(Admitted { event, ..admitted })
}
