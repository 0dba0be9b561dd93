//! Records of a source or of a file, and what each becomes. User ids show as fingerprints, unless they were asked for: what is
//! on a screen is soon in a ticket.

use super::sources::EventFile;
use crate::config::Settings;
use crate::event::{Action, OrderStep, Spot, UserKeys};
use crate::intake::{
    Admitted, Form, Intake, Learned, Mapping, Now, Plans, Reason, Record, Reject, SchemaId, TimeRules,
};
use crate::kafka::registry::{Registry, RegistryError};
use crate::watch::now_ms;
use anyhow::Context as _;
use std::sync::Arc;

/// Items of an order that are shown.
const ITEMS_SHOWN: usize = 5;
/// Most records that are shown of a source or a file.
const SAMPLE_MAX: usize = 10_000;

/// How many records a sample has, as an argument says it.
pub(super) fn count(text: &str) -> Result<usize, String> {
    let count = text.parse::<usize>().ok().filter(|count| (1..=SAMPLE_MAX).contains(count));
    count.ok_or_else(|| format!("must be 1 to {SAMPLE_MAX}"))
}

/// A sample, and what it became so far.
pub(super) struct Tried {
    /// One line a record, or a value that its transform gave.
    pub(super) lines: Vec<String>,
    pub(super) events: usize,
    pub(super) rejects: usize,
    pub(super) first_reject: Option<String>,
    intake: Intake,
    mapping: Arc<Mapping>,
    plans: Plans,
    shows_users: bool,
    skips: usize,
    records: usize,
    filtered: usize,
    missing: usize,
}

impl Tried {
    /// Nothing yet, of records that read as `mapping` says.
    pub(super) fn new(settings: &Settings, mapping: Arc<Mapping>, shows_users: bool) -> Self {
        let rules = &settings.intake;
        let times = TimeRules { max_ahead_ms: rules.max_ahead_ms, earliest_time_ms: rules.earliest_time.0 };
        Self {
            lines: Vec::new(),
            events: 0,
            rejects: 0,
            first_reject: None,
            intake: Intake::new(times, UserKeys::new(rules.user_secret.bytes()), settings.logs.events_partitions),
            mapping,
            plans: Plans::default(),
            shows_users,
            skips: 0,
            records: 0,
            filtered: 0,
            missing: 0,
        }
    }

    /// The first `count` records of a file, as they stand in it.
    ///
    /// # Errors
    /// When it cannot be read so far.
    pub(super) fn of_file(
        settings: &Settings,
        file: &EventFile,
        count: usize,
        shows_users: bool,
    ) -> anyhow::Result<Self> {
        let mut tried = Self::new(settings, Arc::clone(&file.input.mapping), shows_users);
        let mut records = file.open(&Arc::default())?;
        let topic = records.name().to_owned();
        while tried.records < count
            && let Some(found) = records.next()?
        {
            let record = Record { topic: &topic, value: Some(found.bytes), ..Record::default() };
            tried.record(&format!("{topic}{}", found.place), &record, None)?;
        }
        Ok(tried)
    }

    /// Adds the record at `place`. Schemas that it names are asked of `registry`.
    ///
    /// # Errors
    /// When a schema cannot be had.
    pub(super) fn record(
        &mut self,
        place: &str,
        record: &Record<'_>,
        registry: Option<&Registry>,
    ) -> anyhow::Result<()> {
        let mapping = Arc::clone(&self.mapping);
        while let Some(id) = mapping.missing_schema(&self.plans, record) {
            learn(mapping.form(), &mut self.plans, id, registry)?;
        }
        let now = Now { clock_ms: Some(now_ms()), read_to: None };
        self.records += 1;
        if !mapping.transforms() || record.value.is_none() {
            let admitted = self.intake.admit_record(&mapping, &self.plans, record, now);
            let became = Became::of(admitted, self.shows_users);
            self.add(place, became);
            return Ok(());
        }
        match mapping.transform(&self.plans, record) {
            Err(reject) => self.add(place, Became::Reject(reject)),
            Ok(outputs) if outputs.is_empty() => {
                self.filtered += 1;
                self.lines.push(format!("{place}  nothing, by transform"));
            }
            Ok(outputs) => {
                for (index, output) in outputs.iter().enumerate() {
                    let admitted = self.intake.admit_output(&mapping, &self.plans, record, output, now);
                    let became = Became::of(admitted, self.shows_users);
                    self.add(&format!("{place}.{index}"), became);
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, place: &str, became: Became) {
        let became = match became {
            Became::Event(event) => {
                self.events += 1;
                event
            }
            Became::Skip => {
                self.skips += 1;
                "skip".to_owned()
            }
            Became::Reject(reject) => {
                self.rejects += 1;
                self.missing += usize::from(reject.reason == Reason::MissingField);
                self.first_reject.get_or_insert_with(|| reject.to_string());
                format!("reject {reject}")
            }
        };
        self.lines.push(format!("{place}  {became}"));
    }

    /// Whether a record was refused for a field that is nowhere in it.
    pub(super) fn misses_fields(&self) -> bool {
        self.missing > 0
    }

    /// Of how many records how many became what. `which`: the newest, or the first.
    pub(super) fn summary(&self, which: &str) -> String {
        let Self { records, events, rejects, skips, filtered, .. } = self;
        let filtered = if *filtered > 0 { format!(", {filtered} passed over by transform") } else { String::new() };
        let of = if self.mapping.transforms() { "of what the" } else { "of the" };
        let give = if self.mapping.transforms() { " give" } else { "" };
        format!("{of} {records} {which} records{give} {events} are events, {rejects} rejects, {skips} skips{filtered}")
    }
}

/// What a record, or a value that its transform gave, became.
enum Became {
    Event(String),
    Skip,
    Reject(Reject),
}

impl Became {
    fn of(admitted: Result<Option<Admitted<'_>>, Reject>, shows_users: bool) -> Self {
        match admitted {
            Ok(Some(admitted)) => Self::Event(event(&admitted, shows_users)),
            Ok(None) => Self::Skip,
            Err(reject) => Self::Reject(reject),
        }
    }
}

/// Asks the registry for a schema.
pub(super) fn learn(form: &Form, plans: &mut Plans, id: SchemaId, registry: Option<&Registry>) -> anyhow::Result<()> {
    let registry = registry.with_context(|| {
        format!("its records name schema {}, and no registry is configured: set registry.url, or schema_file", id.0)
    })?;
    match registry.schema(id.0) {
        Ok(text) => form.learn(plans, id, Learned::Schema(&text)),
        Err(RegistryError::NotFound { .. } | RegistryError::NotAvro { .. }) => form.learn(plans, id, Learned::NotFound),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

fn event(admitted: &Admitted<'_>, shows_users: bool) -> String {
    let event = &admitted.event;
    let user = if shows_users { format!("{:?}", event.user) } else { format!("{:032x}", admitted.user.0) };
    let time = jiff::Timestamp::from_millisecond(event.time.0).map(|time| time.to_string()).unwrap_or_default();
    let corrected = if admitted.skewed { " (corrected: it was in the future)" } else { "" };
    let what = match &event.action {
        Action::View { item, session: None } => format!("view of {item:?}"),
        Action::View { item, session: Some(session) } => format!("view of {item:?} in session {session:?}"),
        Action::Cart { item } => format!("cart with {item:?}"),
        Action::Order { step: OrderStep::Cancel, order_id, .. } => format!("cancel of order {order_id:?}"),
        Action::Order { step, order_id, items, .. } => {
            let shown: Vec<String> = items.iter().take(ITEMS_SHOWN).map(|item| format!("{item:?}")).collect();
            let rest = items.len().saturating_sub(ITEMS_SHOWN);
            let rest = if rest > 0 { format!(" and {rest} more") } else { String::new() };
            let step = match step {
                OrderStep::Add => "add to ",
                OrderStep::Return => "return from ",
                OrderStep::State | OrderStep::Cancel => "",
            };
            format!("{step}order {order_id:?} of {}{rest}", shown.join(", "))
        }
        Action::Erase => "erasure".to_owned(),
        Action::Impression { spot, entries } => {
            let shown = entries.iter().take(ITEMS_SHOWN);
            let shown: Vec<String> =
                shown.map(|entry| format!("{:?} at {}", entry.item, entry.position.unwrap_or(0))).collect();
            let rest = entries.len().saturating_sub(ITEMS_SHOWN);
            let rest = if rest > 0 { format!(" and {rest} more") } else { String::new() };
            format!("impression of {}: {}{rest}", place(spot), shown.join(", "))
        }
        Action::Click { spot, entry } => {
            let position = entry.position.map(|position| format!(" at {position}")).unwrap_or_default();
            format!("click of {:?}{position} in {}", entry.item, place(spot))
        }
        Action::Unread(event_type) => format!("{}, passed over as clicks.enabled is false", event_type.name()),
    };
    format!("{what} at {time}{corrected} by user {user} in shop {:?}", event.shop)
}

/// Where something was shown.
fn place(spot: &Spot<'_>) -> String {
    let named = [("list", &spot.list), ("placement", &spot.placement), ("about", &spot.about)];
    let named = named.into_iter().filter_map(|(what, name)| Some(format!("{what} {:?}", name.as_deref()?)));
    named.collect::<Vec<_>>().join(", ")
}
