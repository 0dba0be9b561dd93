//! What a source's jq program costs: the same records by pointers, through `.`, and through a program that makes each anew.
//!
//! ```sh
//! cargo bench --bench transform
//! ```
//!
//! Rounds alternate, and of each way the fastest round counts: the ratios hold on a busy machine too.

#![allow(clippy::print_stdout, missing_docs)]

use samenloop::event::UserKeys;
use samenloop::intake::{
    Intake, MappingSpec, Now, OneOrMore, OriginSpec, Plans, Record, TimeOriginSpec, TimeRules, TypeSpec,
};
use std::error::Error;
use std::time::{Duration, Instant};

/// As the program has it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const RECORDS: usize = 20_000;
const ROUNDS: usize = 15;
/// An order after so many views.
const VIEWS: usize = 9;
const LINES: usize = 8;

const PROGRAM: &str = r#"
{type: .kind, user: .who.id, ts: .at, item: .sku, order_id: .number, lines: [.rows[]? | select(.parent == null) | {item: .sku}]}"#;

fn main() -> Result<(), Box<dyn Error>> {
    let records: Vec<String> = (0..RECORDS).map(record).collect();
    let by_pointers = pointers();
    let through_identity = MappingSpec { transform: Some(".".to_owned()), ..by_pointers.clone() };
    let anew = MappingSpec { transform: Some(PROGRAM.to_owned()), ..MappingSpec::default() };
    let ways = [("pointers", by_pointers), ("transform = \".\"", through_identity), ("a program", anew)];
    let mut fastest = [Duration::MAX; 3];
    let mut events = [0; 3];
    for _ in 0..ROUNDS {
        for (way, (_, spec)) in ways.iter().enumerate() {
            let started = Instant::now();
            events[way] = read(spec, &records)?;
            fastest[way] = fastest[way].min(started.elapsed());
        }
    }
    let bytes: usize = records.iter().map(String::len).sum();
    println!(
        "{RECORDS} records of {} bytes on average, one in {} an order of {LINES} lines\n",
        bytes / RECORDS,
        VIEWS + 1
    );
    println!("{:16} {:>8} {:>12} {:>8}", "way", "events", "ns a record", "ratio");
    for (way, (name, _)) in ways.iter().enumerate() {
        let each = fastest[way].as_nanos() / RECORDS as u128;
        let ratio = fastest[way].as_secs_f64() / fastest[0].as_secs_f64();
        println!("{name:16} {:>8} {each:>12} {ratio:>8.1}", events[way]);
    }
    Ok(())
}

fn record(number: usize) -> String {
    let user = number % 977;
    let at = 1_700_000_000_000 + number;
    let head = format!(
        r#"{{"kind":"KIND","who":{{"id":"u{user}","email":"u{user}@shop.example"}},"at":{at},"page":"/p/{number}""#
    );
    if number % (VIEWS + 1) < VIEWS {
        return format!("{},\"sku\":\"sku-{}\"}}", head.replace("KIND", "view"), number % 5_003);
    }
    let line =
        |line: usize| format!(r#"{{"sku":"sku-{}","qty":1,"price":9.95,"parent":null}}"#, (number + line) % 5_003);
    let lines: Vec<String> = (0..LINES).map(line).collect();
    format!("{},\"number\":\"o{number}\",\"rows\":[{}]}}", head.replace("KIND", "order"), lines.join(","))
}

fn pointers() -> MappingSpec {
    let field = |pointer: &str| OneOrMore(vec![OriginSpec::Field(pointer.to_owned())]);
    let event_type = TypeSpec::Read {
        from: field("/kind"),
        values: ["view", "order"].map(|name| (name.to_owned(), name.to_owned())).into(),
        other: "reject".to_owned(),
    };
    let mut spec = MappingSpec { event_type, ..MappingSpec::default() };
    spec.fields.user = field("/who/id");
    if let Some(TimeOriginSpec::Read(at, _)) = spec.fields.time.0.first_mut() {
        *at = OriginSpec::Field("/at".to_owned());
    }
    spec.fields.item = field("/sku");
    spec.fields.order_id = field("/number");
    "/rows".clone_into(&mut spec.fields.lines);
    spec.fields.line_item = OneOrMore(vec![OriginSpec::Field("/sku".to_owned())]);
    spec
}

fn read(spec: &MappingSpec, records: &[String]) -> Result<usize, Box<dyn Error>> {
    let mapping = spec.compile()?;
    let intake = Intake::new(TimeRules::default(), UserKeys::new([0; 16]), 4);
    let plans = Plans::default();
    let mut events = 0;
    for json in records {
        let record = Record { value: Some(json.as_bytes()), ..Record::default() };
        if mapping.transforms() {
            for output in &mapping.transform(&plans, &record)? {
                events +=
                    usize::from(intake.admit_output(&mapping, &plans, &record, output, Now::default())?.is_some());
            }
        } else {
            events += usize::from(intake.admit_record(&mapping, &plans, &record, Now::default())?.is_some());
        }
    }
    Ok(events)
}
