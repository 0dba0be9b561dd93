//! Records of a source, and what each becomes. User ids show as fingerprints, unless they were asked for: what is on a
//! screen is soon in a ticket.

use crate::cli::assembly::mapping;
use crate::config::{Settings, SourceSettings};
use crate::event::{Action, OrderStep, UserKeys};
use crate::intake::{Admitted, Intake, Learned, Mapping, Now, Plans, Reason, Record, Reject, SchemaId, TimeRules};
use crate::kafka::probe::SourceRecord;
use crate::kafka::registry::{Registry, RegistryError};
use anyhow::Context as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// Items of an order that are shown.
const ITEMS_SHOWN: usize = 5;

/// What a sample became.
#[derive(Debug, Default)]
pub(super) struct Tried {
    /// One line a record, or a value that its transform gave.
    pub(super) lines: Vec<String>,
    pub(super) events: usize,
    pub(super) rejects: usize,
    pub(super) first_reject: Option<String>,
    skips: usize,
    records: usize,
    filtered: usize,
    transforms: bool,
    missing: usize,
}

impl Tried {
    pub(super) fn new(
        settings: &Settings,
        source: &SourceSettings,
        registry: Option<&Registry>,
        records: &[SourceRecord],
        show_users: bool,
    ) -> anyhow::Result<Self> {
        let mapping = mapping(source)?;
        let mut plans = Plans::default();
        let rules = &settings.intake;
        let times = TimeRules { max_ahead_ms: rules.max_ahead_ms, earliest_time_ms: rules.earliest_time.0 };
        let intake = Intake::new(times, UserKeys::new(rules.user_secret.bytes()), settings.logs.events_partitions);
        let clock = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        let now = Now { clock_ms: i64::try_from(clock).ok(), read_to: None };
        let topic = source.topic.as_deref().unwrap_or_default();
        let mut tried = Self { transforms: mapping.transforms(), ..Self::default() };
        for record in records {
            let headers: Vec<(&str, &[u8])> =
                record.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
            let taken = Record {
                topic,
                key: record.key.as_deref(),
                value: record.value.as_deref(),
                timestamp_ms: record.timestamp_ms,
                headers: &headers,
            };
            while let Some(id) = mapping.missing_schema(&plans, &taken) {
                learn(&mapping, &mut plans, id, registry)?;
            }
            let place = format!("{topic}-{}@{}", record.partition, record.offset);
            tried.records += 1;
            if !mapping.transforms() || taken.value.is_none() {
                tried.became(&place, intake.admit_record(&mapping, &plans, &taken, now), show_users);
                continue;
            }
            match mapping.transform(&plans, &taken) {
                Err(reject) => tried.became(&place, Err(reject), show_users),
                Ok(outputs) if outputs.is_empty() => {
                    tried.filtered += 1;
                    tried.lines.push(format!("{place}  nothing, by transform"));
                }
                Ok(outputs) => {
                    for (index, output) in outputs.iter().enumerate() {
                        let admitted = intake.admit_output(&mapping, &plans, &taken, output, now);
                        tried.became(&format!("{place}.{index}"), admitted, show_users);
                    }
                }
            }
        }
        Ok(tried)
    }

    fn became(&mut self, place: &str, admitted: Result<Option<Admitted<'_>>, Reject>, show_users: bool) {
        let became = match admitted {
            Ok(Some(admitted)) => {
                self.events += 1;
                event(&admitted, show_users)
            }
            Ok(None) => {
                self.skips += 1;
                "skip".to_owned()
            }
            Err(reject) => {
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

    pub(super) fn summary(&self) -> String {
        let Self { records, events, rejects, skips, filtered, .. } = self;
        let filtered = if *filtered > 0 { format!(", {filtered} passed over by transform") } else { String::new() };
        let of = if self.transforms {
            format!("of what the {records} newest records give")
        } else {
            format!("of the {records} newest records")
        };
        format!("{of} {events} are events, {rejects} rejects, {skips} skips{filtered}")
    }
}

/// Asks the registry for a schema.
fn learn(mapping: &Mapping, plans: &mut Plans, id: SchemaId, registry: Option<&Registry>) -> anyhow::Result<()> {
    let registry = registry.with_context(|| {
        format!("its records name schema {}, and no registry is configured: set registry.url, or schema_file", id.0)
    })?;
    match registry.schema(id.0) {
        Ok(text) => mapping.learn(plans, id, Learned::Schema(&text)),
        Err(RegistryError::NotFound { .. } | RegistryError::NotAvro { .. }) => {
            mapping.learn(plans, id, Learned::NotFound)
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

fn event(admitted: &Admitted<'_>, show_users: bool) -> String {
    let event = &admitted.event;
    let user = if show_users { format!("{:?}", event.user) } else { format!("{:032x}", admitted.user.0) };
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
    };
    format!("{what} at {time}{corrected} by user {user} in shop {:?}", event.shop)
}
