//! Every decoder of bytes from outside, by name: what it reads, and inputs made by the program's own encoders.
//!
//! `tests/allocations.rs` holds them against a limit of memory, `fuzz/` against inputs that a fuzzer makes up. A checksum keeps both
//! from what is behind it: where a format has one, the input is what the checksum is over, and it is put around here.

#![allow(dead_code)] // each of the two uses a part of it

use super::recount::Event;
use super::rig::{Heard, Shape, default_rules, line, naive_rules};
use super::shop;
use apache_avro::writer::datum::GenericDatumWriter;
use samenloop::cli::records_in;
use samenloop::config::{FileForm, Layers, Settings};
use samenloop::drive::{Clocks as _, Kept, MemoryLog, Pipeline, Plan, SetClocks, Snapshots, Topic, plan};
use samenloop::event::UserKeys;
use samenloop::intake::{Format, Intake, Learned, Mapping, MappingSpec, Now, Plans, Record, SchemaId, TimeRules};
use samenloop::items::Items;
use samenloop::list_key::ListName;
use samenloop::position::{NextOffset, Partition};
use samenloop::publish::codec::{LIST_KEY_SCHEMA, LIST_VALUE_SCHEMA, ListCodec, ListHeaders, SchemaFailure};
use samenloop::saved::{frames, whole};
use samenloop::serve::http::{Limits, Server, State};
use samenloop::serve::query::queries;
use samenloop::serve::view::ListView;
use samenloop::snapshot::{Encoder, Head, Reader, SnapshotStore};
use samenloop::stage::{Kept as _, Log, PartitionFacts, RowsWork, WindowsWork};
use samenloop::watch::health::{HEARTBEAT_AGE_MAX, Health};
use samenloop::watch::metrics::Metrics;
use samenloop::wire::{
    Anew, DeltaScratch, EventsBlock, Opening, PairsBlock, TotalsBlock, Translation, claim, claimed, founded, kind_of,
    section_ends,
};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// A decoder of bytes from outside.
pub struct Decoder {
    pub name: &'static str,
    /// Valid inputs.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Reads an input; whether it was good.
    pub decode: fn(&[u8]) -> bool,
    /// Bytes that it may allocate in all for any input, however short, besides what each byte of it may cost.
    pub allocated_max: usize,
}

/// What most decoders may allocate for an input of no bytes: their tables and messages.
const SMALL_BYTES: usize = 64 << 10;
/// What a byte of input may cost any decoder, all that it lets go of again included.
pub const ALLOCATED_PER_BYTE_MAX: usize = 1 << 10;

pub static DECODERS: [Decoder; 16] = [
    Decoder { name: "json", seeds: json_seeds, decode: |bytes| admit(&json().mappings, bytes), ..PLAIN },
    Decoder { name: "transform", seeds: transform_seeds, decode: |bytes| admit(&json().transforms, bytes), ..PLAIN },
    Decoder { name: "avro", seeds: avro_seeds, decode: |bytes| admit(&avro().mappings, bytes), ..PLAIN },
    Decoder {
        name: "avro_whole",
        seeds: avro_seeds,
        decode: |bytes| admit(&avro().transforms, bytes),
        // An array may claim elements that have no bytes, up to `intake`'s limit of them.
        allocated_max: 8 << 20,
    },
    Decoder { name: "avro_schema", seeds: schema_seeds, decode: schema, allocated_max: 1 << 20 },
    // A packed file may ask for a window of 128 MiB, as zstd itself allows it.
    Decoder { name: "files", seeds: file_seeds, decode: file, allocated_max: 132 << 20 },
    Decoder { name: "blocks", seeds: block_seeds, decode: block, ..PLAIN },
    // What zstd needs for unpacking.
    Decoder { name: "snapshot", seeds: || kept().snapshots.clone(), decode: snapshot, allocated_max: 1 << 20 },
    Decoder { name: "snapshot_head", seeds: head_seeds, decode: snapshot_head, allocated_max: 1 << 20 },
    // A chunk may be of 32 MiB, however well that is packed.
    Decoder { name: "snapshot_chunk", seeds: chunk_seeds, decode: snapshot_chunk, allocated_max: 34 << 20 },
    Decoder { name: "windows_state", seeds: || kept().windows.clone(), decode: windows_state, ..STATE },
    Decoder { name: "rows_state", seeds: || kept().rows.clone(), decode: rows_state, ..STATE },
    // The settings' own defaults, as tables.
    Decoder { name: "settings", seeds: settings_seeds, decode: settings, allocated_max: 4 << 20 },
    // Of an older release's, the Avro library allocates 4 MiB for a text or a list's entries that are claimed.
    Decoder { name: "lists", seeds: list_seeds, decode: list, allocated_max: 9 << 20 },
    Decoder { name: "headers", seeds: header_seeds, decode: headers, ..PLAIN },
    Decoder { name: "http", seeds: http_seeds, decode: http, ..PLAIN },
];

const PLAIN: Decoder = Decoder { name: "", seeds: Vec::new, decode: |_| false, allocated_max: SMALL_BYTES };
/// The tables of an empty stage.
const STATE: Decoder = Decoder { allocated_max: 1 << 20, ..PLAIN };

impl Decoder {
    /// The most that an input of so many bytes may make it allocate, in all.
    pub fn limit(&self, bytes: usize) -> usize {
        self.allocated_max + ALLOCATED_PER_BYTE_MAX * bytes
    }
}

// Records of sources.

/// Mappings that between them read every kind of field in every way.
const SETTINGS: &str = r#"
[[source]]
name = "plain"
topic = "plain"

[[source]]
name = "web"
topic = "web"
type = { field = "/meta/kind", values = { seen = "view", basket = "cart", bought = "order", gone = "erase", more = "add", back = "return", off = "cancel", ping = "skip" } }
[source.fields]
shop = ["/meta/site", { constant = "main" }]
user = [{ field = "/who/id", missing = [0, "undefined", true], trim = true }, { header = "visitor" }, { key = "/user" }]
time = [{ field = "/at", format = "dd-mm-yyyy HH:MM", zone = "Europe/Amsterdam" }, { field = "/ts", unit = "us" }, { record = "timestamp" }]
id = [{ key = "/id" }, "/id"]
item = ["/what/0/sku", "/a~1b/~0c"]
session = "/meta/visit"
order_id = "/no"
version = "/version"
lines = "/rows"
line_item = ["/product/sku", { field = "/sku", missing = ["-"] }]
line_without_item = "skip"
user_missing = "anonymous"
missing = ["null", ""]
trim = true

[[source]]
name = "erp"
topic = "erp"
type = "order"
[source.fields]
time = { field = "/day", unit = "iso8601", zone = "America/New_York", day = "start" }
lines = "/items"
line_item = ""
user = { key = "" }
version = "/stamp"

[[source]]
name = "made"
topic = "made"
transform = """
  if type == "array" then .[] else . end
  | . as $all
  | (.rows // [$all])[]?
  | {type: ($all.type // "view"), user: ($all.user // $key // "u" | tostring), ts: ($all.ts // $timestamp),
     item: (.item // .sku // "x" | tostring), lines: ($all.lines // []), shop: ($headers.shop // "main")}
"""
"#;

/// Mappings, each with what it knows of schemas.
type Mappings = Vec<(Mapping, Plans)>;

struct Mapped {
    mappings: Mappings,
    transforms: Mappings,
}

fn json() -> &'static Mapped {
    static MAPPED: OnceLock<Mapped> = OnceLock::new();
    MAPPED.get_or_init(|| {
        let all = loaded(SETTINGS).expect("good settings").sources;
        let compiled = all.iter().map(|source| source.mapping.compile().expect("a good mapping"));
        let (transforms, mappings) =
            compiled.map(|mapping| (mapping, Plans::default())).partition(|of| of.0.transforms());
        Mapped { mappings, transforms }
    })
}

/// An input is a key and a value: the first byte is how long the key is, unless it is none that could be.
fn admit(mappings: &Mappings, bytes: &[u8]) -> bool {
    let intake = Intake::new(TimeRules::default(), UserKeys::new([7; 16]), 3);
    let (key, value) = match bytes.split_first() {
        Some((&length, rest)) if usize::from(length) < rest.len() && length < 32 => {
            let (key, value) = rest.split_at(usize::from(length));
            (Some(key), value)
        }
        _ => (None, bytes),
    };
    let headers: &[(&str, &[u8])] = &[("visitor", b"v1"), ("shop", b"main"), ("odd", b"\xff")];
    let record =
        Record { topic: "web", key, value: Some(value), timestamp_ms: Some(NOW_MS), headers, ..Record::default() };
    let mut is_good = false;
    for (mapping, plans) in mappings {
        let now = Now { clock_ms: Some(NOW_MS), read_to: None };
        intake.admit_each(mapping, plans, &record, now, |admitted| {
            is_good |= matches!(admitted, Ok(Some(_)));
            if let Err(reject) = admitted {
                assert!(reject.message.len() < 4096, "a reject repeats what it refuses: {}", reject.message.len());
            }
        });
    }
    is_good
}

const NOW_MS: i64 = 1_700_000_000_000;

fn events() -> Vec<Event> {
    shop::events(3, 60, &shop::Shape::of(&naive_rules(&default_rules())))
}

/// With a key of four bytes, which is JSON.
fn keyed(value: impl AsRef<[u8]>) -> Vec<u8> {
    [&b"\x04\"u1\""[..], value.as_ref()].concat()
}

fn json_seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = events().iter().take(24).map(|event| keyed(line(event))).collect();
    seeds.extend(
        [
            r#"{"meta":{"kind":"bought","site":"s","visit":"v"},"who":{"id":" 12 "},"at":"01-02-2024 13:45","no":17,"version":3,
                "rows":[{"product":{"sku":"a"}},{"sku":"b"},{"sku":"-"}]}"#,
            r#"{"meta":{"kind":"seen"},"who":{"id":"undefined"},"ts":1700000000000000,"what":[{"sku":12}],"a/b":{"~c":"x"}}"#,
            r#"{"day":"2024-02-29","items":["a","b",7],"stamp":9223372036854775807,"order_id":"o"}"#,
            r#"{"day":"2024-02-29T10:00:00.123456789+02:00","items":["a"],"n":[[[[1e308,-0.0,"\ud83d\ude00"]]]]}"#,
        ]
        .map(keyed),
    );
    seeds
}

fn transform_seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = events().iter().take(12).map(|event| keyed(line(event))).collect();
    seeds.push(keyed(
        r#"[{"type":"view","user":"u","ts":1700000000000,"item":"a"},{"rows":[{"sku":"b"},{"sku":1.50}]}]"#,
    ));
    seeds
}

// Avro.

/// A schema with every kind of type; read by the order's mapping.
const WIDE_SCHEMA: &str = r#"{"type":"record","name":"Wide","namespace":"made.up","fields":[
  {"name":"type","type":{"type":"enum","name":"Kind","symbols":["view","cart","order"]}},
  {"name":"user","type":["null","string",{"type":"fixed","name":"Uuid","size":16,"logicalType":"uuid"}]},
  {"name":"ts","type":{"type":"long","logicalType":"timestamp-micros"}},
  {"name":"item","type":["null","string"]},
  {"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":30,"scale":4}},
  {"name":"tree","type":["null",{"type":"record","name":"Tree","fields":[
     {"name":"left","type":["null","Tree"]},{"name":"right","type":["null","Tree"]}]}]},
  {"name":"nothing","type":{"type":"array","items":"null"}},
  {"name":"empty","type":{"type":"array","items":{"type":"record","name":"Empty","fields":[]}}},
  {"name":"facts","type":{"type":"map","values":["null","double","boolean",{"type":"array","items":"float"}]}},
  {"name":"lines","type":{"type":"array","items":{"type":"record","name":"Line","fields":[
     {"name":"item","type":"string"},{"name":"quantity","type":["null","int"]}]}}}]}"#;

/// A schema whose values have no bytes, however deep they are.
fn deep_schema() -> String {
    let mut inner = r#"{"type":"record","name":"R0","fields":[{"name":"x","type":"null"}]}"#.to_owned();
    for depth in 1..40 {
        inner = format!(r#"{{"type":"record","name":"R{depth}","fields":[{{"name":"x","type":{inner}}}]}}"#);
    }
    format!(
        r#"{{"type":"record","name":"Deep","fields":[
          {{"name":"type","type":{{"type":"enum","name":"Kind","symbols":["view"]}}}},{{"name":"user","type":"string"}},
          {{"name":"ts","type":"long"}},{{"name":"item","type":"string"}},{{"name":"deep","type":{{"type":"array","items":{inner}}}}}]}}"#
    )
}

fn avro() -> &'static Mapped {
    static MAPPED: OnceLock<Mapped> = OnceLock::new();
    MAPPED.get_or_init(|| {
        let spec = MappingSpec { format: Format::Avro, key_format: Format::Avro, ..MappingSpec::default() };
        let transform = Some(".ts |= (if . > 100000000000000 then . / 1000 | floor else . end) | ., (.lines[]? | {type: \"view\", user: \"u\", ts: 1, item: .item})".to_owned());
        let learned = |spec: MappingSpec| {
            let (mapping, mut plans) = (spec.compile().expect("a good mapping"), Plans::default());
            for (id, schema) in (0..).zip(avro_schemas()) {
                mapping.learn(&mut plans, SchemaId(id), Learned::Schema(&schema));
            }
            vec![(mapping, plans)]
        };
        Mapped { mappings: learned(spec.clone()), transforms: learned(MappingSpec { transform, ..spec }) }
    })
}

fn avro_schemas() -> [String; 4] {
    let [view, order] = ["view", "order"].map(|name| {
        std::fs::read_to_string(format!("{}/schemas/{name}.avsc", root())).expect("a schema of the repository")
    });
    [view, order, WIDE_SCHEMA.to_owned(), deep_schema()]
}

/// The repository, also for the crate in `fuzz/`.
fn root() -> &'static str {
    let own = env!("CARGO_MANIFEST_DIR");
    own.strip_suffix("/fuzz").unwrap_or(own)
}

fn in_wire_format(id: u32, datum: &[u8]) -> Vec<u8> {
    keyless([&[0][..], &id.to_be_bytes(), datum].concat())
}

/// With an empty key before it.
fn keyless(value: Vec<u8>) -> Vec<u8> {
    [vec![0], value].concat()
}

/// Of a schema; fields that are missing have their defaults.
fn datum(schema: &str, json: serde_json::Value) -> Vec<u8> {
    let schema = apache_avro::Schema::parse_str(schema).expect("a good schema");
    let value = apache_avro::types::Value::try_from(json).expect("a value");
    let value = value.resolve(&schema).expect("a value of the schema");
    GenericDatumWriter::builder(&schema).build().and_then(|writer| writer.write_value_to_vec(value)).expect("data")
}

fn avro_seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let schemas = avro_schemas();
    let datum = |schema: usize, json: serde_json::Value| datum(&schemas[schema], json);
    let view = serde_json::json!({ "type": "view", "shop": "s", "user": "u", "ts": NOW_MS, "item": "a", "event_id": "e", "session": null });
    seeds.push(in_wire_format(0, &datum(0, view)));
    let order = serde_json::json!({ "type": "order", "shop": "s", "user": "u", "ts": NOW_MS, "event_id": null, "order_id": "o",
        "version": 3, "lines": [{ "item": "a", "quantity": 1.0, "unit_price": null }, { "item": "b", "quantity": null, "unit_price": 2.5 }] });
    seeds.push(in_wire_format(1, &datum(1, order)));
    let wide = [
        &[4, 2, 2, b'u'][..], // an order, of a user by name
        &[0x80, 0x80, 0xF2, 0x81, 0x83, 0x89, 0x85, 0x06],
        &[0, 4, 0x12, 0x34],                // no item, a price
        &[2, 2, 0, 0, 0],                   // a tree of two
        &[6, 0, 8, 0],                      // three nulls, four empty records
        &[2, 2, b'a', 4, 1, 0],             // a fact
        &[4, 2, b'a', 0, 2, b'b', 2, 6, 0], // two lines
    ];
    seeds.push(in_wire_format(2, &wide.concat()));
    let deep = [&[0, 2, b'u'][..], &[0x80, 0xA0, 0xAB, 0xFE, 0xF9, 0x62], &[2, b'a', 20, 0]];
    seeds.push(in_wire_format(3, &deep.concat()));
    seeds
}

fn schema_seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = avro_schemas()[..3].iter().map(|text| text.clone().into_bytes()).collect();
    seeds.push(br#"["null",{"type":"array","items":"int"}]"#.to_vec());
    seeds
}

/// A schema as a registry gives it, and a datum by it that is mostly ones.
fn schema(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let mapping = &avro().mappings[0].0;
    let mut plans = Plans::default();
    mapping.learn(&mut plans, SchemaId(1), Learned::Schema(text));
    let datum = [&[0, 0, 0, 0, 1][..], &[2; 64], &[0; 64]].concat();
    let record = Record { value: Some(&datum), ..Record::default() };
    let _rejected = mapping.decode(&plans, &record);
    mapping.clone().with_schemas(None, Some(text)).is_ok()
}

// Files.

/// The first byte says how the file is written.
fn file(bytes: &[u8]) -> bool {
    let Some((&how, bytes)) = bytes.split_first() else { return false };
    let form = FileForm::default();
    let (format, form) = match how % 6 {
        0 => (Format::Json, form),
        1 => (Format::Json, FileForm { records: Some("/value".to_owned()), ..form }),
        2 => (Format::Csv, form),
        3 => (Format::Csv, FileForm { delimiter: Some(b';'), encoding: Some("latin1".to_owned()), ..form }),
        4 => (
            Format::Csv,
            FileForm { quote: samenloop::config::Quote::Nothing, header: samenloop::config::Header::Numbers, ..form },
        ),
        _ => (Format::Tsv, form),
    };
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(bytes).expect("room on the disk");
    records_in(file.path(), format, &form).is_ok_and(|records| records > 0)
}

fn file_seeds() -> Vec<Vec<u8>> {
    let lines = b"{\"a\":1}\n{\"b\":[2,\"x\"]}\n".to_vec();
    let table = b"Order;Item name\r\n1;\"a;\nb\"\r\n2;\"say \"\"x\"\"\";\r\n".to_vec();
    let tabs = b"a\tb\n1,5\t2\n".to_vec();
    let utf16: Vec<u8> = "\u{FEFF}a,b\n1,2\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let packed = zstd::encode_all(&lines[..], 1).expect("packed");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&table).expect("packed");
    let gzip = gzip.finish().expect("packed");
    let page = br#"{"@x": [{"no": "]"}], "value": [ {"i":"}\""} , 2,"x",[3], true], "next": {"value": [9]}}"#.to_vec();
    let of = |how: u8, text: &Vec<u8>| [&[how][..], text].concat();
    vec![
        of(0, &lines),
        of(1, &page),
        of(2, &table),
        of(3, &table),
        of(4, &table),
        of(5, &tabs),
        of(2, &utf16),
        of(0, &packed),
        of(2, &gzip),
    ]
}

// Blocks of internal logs.

const BLOCK_HEADER_BYTES: usize = 12;

/// The input is kind, version and body; magic and checksum are put around it.
fn block(bytes: &[u8]) -> bool {
    let Some((head, body)) = bytes.split_at_checked(2) else { return false };
    let block = [b"sl", head, &xxh3_64(body).to_le_bytes()[..], body].concat();
    let mut is_good = kind_of(&block).is_ok();
    let ends = section_ends(&block);
    is_good &= ends.is_ok();
    let mut facts = PartitionFacts::default();
    let _refused = facts.record(Log::Events, Partition(0), NextOffset(0), &block);
    let _others = (founded(&block), claimed(&block), Anew::decode(&block), Opening::decode(&block));
    let _totals = TotalsBlock::decode(&block);
    let _events = EventsBlock::decode(&block);
    if let Ok(block) = PairsBlock::decode(&block) {
        let (mut items, mut names, mut scratch) = (Items::default(), Translation::default(), DeltaScratch::default());
        names.fill(&block.shops, &block.items, &mut items);
        for entry in &block.entries {
            block.with_delta(entry, &names, &mut scratch, |_| ());
        }
    }
    is_good
}

fn block_seeds() -> Vec<Vec<u8>> {
    let bare = |block: &Vec<u8>| [&block[2..4], &block[BLOCK_HEADER_BYTES..]].concat();
    let mut seeds: Vec<Vec<u8>> = kept().blocks.iter().map(bare).collect();
    let anew = Anew { epochs_from: 1 << 50, read_to: [0, 7, u64::MAX].map(NextOffset).to_vec() };
    seeds.push(bare(&anew.encode()));
    seeds.push(bare(&claim(1 << 100, Partition(3), 9)));
    seeds
}

// Snapshots and states.

/// What a small shop's pipeline has written.
struct Written {
    /// A few blocks of each kind.
    blocks: Vec<Vec<u8>>,
    snapshots: Vec<Vec<u8>>,
    /// Frames of states.
    windows: Vec<Vec<u8>>,
    rows: Vec<Vec<u8>>,
    lists: Vec<(Vec<u8>, Vec<u8>)>,
    plan: Arc<Plan>,
}

fn kept() -> &'static Written {
    static WRITTEN: OnceLock<Written> = OnceLock::new();
    WRITTEN.get_or_init(write)
}

fn write() -> Written {
    let shape = Shape { partitions: 2, block_entries: 8, ..Shape::new(&default_rules()) };
    let log = shape.log();
    let clocks = Arc::new(SetClocks::default());
    clocks.set(NOW_MS);
    let store = SnapshotStore::open("memory:").expect("a store");
    let store_id = store.id().expect("an id");
    let (scope, instance) = ("seeds".into(), "one".into());
    let kept = Snapshots {
        store: store.clone(),
        scope,
        store_id,
        interval_ms: 5_000,
        keep: 100,
        keep_events_ms: None,
        instance,
        is_inline: true,
    };
    let inputs = shape.inputs();
    let mut made = plan(shape.setup(), &inputs, i64::MAX, &log).expect("a plan");
    Arc::get_mut(&mut made).expect("its own").snapshots = Some(kept);
    let opened =
        Pipeline::open_instance(0, Arc::clone(&made), inputs, log.clone(), Arc::clone(&clocks), Heard::default());
    let mut pipeline = opened.expect("opened");
    for events in events().chunks(20) {
        for event in events {
            let kept = Kept { value: Some(line(event).into_bytes()), ..Kept::default() };
            log.with(&Topic::Source("shop".into()), Partition(0), |held| held.push(kept));
        }
        for _ in 0..10 {
            clocks.set(clocks.now().wall_ms + 1_000);
            pipeline.flush().expect("no error");
        }
    }
    let mut snapshots = Vec::new();
    let [windows, rows] = ["windows", "rows"].map(|stage| {
        let newest = store.newest("seeds", stage, 0).expect("a list").remove(0);
        let mut bytes = Vec::new();
        store.read(&newest.name).expect("there").read_to_end(&mut bytes).expect("read");
        let state = chunks_of(&bytes).expect("a whole snapshot").concat();
        snapshots.push(bytes);
        vec![state]
    });
    Written { blocks: blocks_of(&log), snapshots, windows, rows, lists: lists_of(&log), plan: made }
}

/// The first few of each kind, of those that differ most in length.
fn blocks_of(log: &MemoryLog) -> Vec<Vec<u8>> {
    let mut by_kind: BTreeMap<u8, BTreeSet<Vec<u8>>> = BTreeMap::new();
    for topic in [Log::Events, Log::Pairs, Log::Totals].map(Topic::Log) {
        for partition in 0..log.partitions(&topic) {
            log.with(&topic, Partition(partition), |held| {
                for block in held.records().iter().filter_map(|(_, kept)| kept.value.clone()) {
                    by_kind.entry(block[2]).or_default().insert(block);
                }
            });
        }
    }
    let few = |blocks: BTreeSet<Vec<u8>>| {
        let mut blocks: Vec<Vec<u8>> = blocks.into_iter().collect();
        blocks.sort_by_key(Vec::len);
        let step = blocks.len().div_ceil(6);
        blocks.into_iter().rev().step_by(step)
    };
    by_kind.into_values().flat_map(few).collect()
}

fn lists_of(log: &MemoryLog) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut lists = Vec::new();
    log.with(&Topic::Log(Log::Lists), Partition(0), |held| {
        for (_, kept) in held.records() {
            lists.push((kept.key.clone().unwrap_or_default(), kept.value.clone().unwrap_or_default()));
        }
    });
    lists.truncate(6);
    lists
}

fn chunks_of(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (_, mut reader) = Reader::open(bytes).ok()?;
    let (mut chunks, mut chunk) = (Vec::new(), Vec::new());
    while reader.next_chunk(&mut chunk).ok()?.is_some() {
        chunks.push(chunk.clone());
    }
    Some(chunks)
}

fn snapshot(bytes: &[u8]) -> bool {
    chunks_of(bytes).is_some()
}

/// The input is the head's body.
fn snapshot_head(body: &[u8]) -> bool {
    let Ok(length) = u32::try_from(body.len()) else { return false };
    // Magic and format as they are now: with another format nothing behind it would be read.
    let start = &kept().snapshots[0][..10];
    let bytes = [start, &length.to_le_bytes(), body, &xxh3_64(body).to_le_bytes()].concat();
    let Ok((head, _)) = Reader::open(&bytes[..]) else { return false };
    whole::<PartitionFacts>(&head.facts, "facts").is_ok()
}

fn head_seeds() -> Vec<Vec<u8>> {
    let length = |bytes: &[u8]| u32::from_le_bytes(bytes[10..14].try_into().expect("four bytes")) as usize;
    kept().snapshots.iter().map(|bytes| bytes[14..14 + length(bytes)].to_vec()).collect()
}

/// The input is a chunk's raw length and what is stored of it.
fn snapshot_chunk(bytes: &[u8]) -> bool {
    let Some((raw, stored)) = bytes.split_first_chunk::<4>() else { return false };
    let Ok(length) = u32::try_from(stored.len()) else { return false };
    let seed = (u64::from(u32::from_le_bytes(*raw)) << 32) | u64::from(length);
    let (_, head) = Encoder::head(&chunk_head()).expect("a head");
    let checksum = xxh3_64_with_seed(stored, seed).to_le_bytes();
    let bytes = [&head[..], b"chnk", raw, &length.to_le_bytes(), &checksum, stored].concat();
    let (_, mut reader) = Reader::open(&bytes[..]).expect("a good head");
    reader.next_chunk(&mut Vec::new()).is_ok()
}

fn chunk_head() -> Head {
    Head {
        stage: "rows".to_owned(),
        partition: 0,
        log_id: 1,
        store_id: 1,
        identity: 1,
        partitions: (1, 1),
        offset: 1,
        checksum: None,
        epoch: None,
        origin: 0,
        inputs: Vec::new(),
        facts: Vec::new(),
        written_at_ms: 0,
        written_by: String::new(),
        state_format: 1,
    }
}

fn chunk_seeds() -> Vec<Vec<u8>> {
    let states = [&kept().windows[0][..], &kept().rows[0], &[7; 40], &[7; 5_000]];
    let packed = states.iter().map(|state| zstd::bulk::compress(state, 1).expect("packed"));
    packed.zip(states).map(|(packed, raw)| [&(raw.len() as u32).to_le_bytes()[..], &packed].concat()).collect()
}

fn windows_state(bytes: &[u8]) -> bool {
    let plan = &kept().plan;
    let (setup, identities) = (&plan.setup, plan.identities());
    let (counting, room) = (&setup.counting, setup.merge_bytes_max);
    let mut work = WindowsWork::new(Partition(0), 2, counting, identities.events, identities.pairs, room, setup.limits);
    let loaded = frames(bytes).try_for_each(|frame| frame.and_then(|(kind, body)| work.load(kind, body)));
    loaded.and_then(|()| work.loaded()).is_ok()
}

fn rows_state(bytes: &[u8]) -> bool {
    let plan = &kept().plan;
    let (setup, identities) = (&plan.setup, plan.identities());
    let mut work = RowsWork::new(Partition(0), 2, &setup.counting, identities.pairs, &setup.rows);
    let loaded = frames(bytes).try_for_each(|frame| frame.and_then(|(kind, body)| work.load(kind, body)));
    loaded.and_then(|()| work.loaded()).is_ok()
}

// Settings.

fn loaded(text: &str) -> Option<Settings> {
    let file = Some(("made-up.toml".to_owned(), text.to_owned()));
    Settings::load(&Layers { file, ..Layers::default() }).ok()
}

/// The first line is an environment variable, the rest a file.
fn settings(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let (variable, text) = text.split_once('\n').unwrap_or(("", text));
    let environment = variable.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    let file = Some(("made-up.toml".to_owned(), text.to_owned()));
    let layers = Layers { file, environment: environment.into_iter().collect(), ..Layers::default() };
    let _ignored = layers.ignored_variables();
    match Settings::load(&layers) {
        Ok(settings) => {
            for source in &settings.sources {
                assert!(source.mapping.compile().is_ok(), "what was accepted compiles");
            }
            let written = settings.to_toml().expect("what was accepted can be written");
            assert!(written.len() > 100);
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}

fn settings_seeds() -> Vec<Vec<u8>> {
    let annotated = samenloop::config::ANNOTATED;
    let text = |variable: &str, text: &str| format!("{variable}\n{text}").into_bytes();
    vec![
        text("SAMENLOOP_LOG__LEVEL=debug", SETTINGS),
        text("SAMENLOOP_KAFKA__SECURITY_PROTOCOL=ssl", "[kafka]\n\"bootstrap.servers\" = \"a:1\"\n"),
        text(
            "SAMENLOOP_COUNTING__SESSION_GAP=20m",
            "[counting]\nsession_gap = \"30m\"\nrow_max = 0\n[lists.bought-together]\nlength = 3\n",
        ),
        text("", &annotated[annotated.find("[snapshots]").unwrap_or(0)..]),
    ]
}

// Lists, read back.

fn list(bytes: &[u8]) -> bool {
    let Some((&how, rest)) = bytes.split_first() else { return false };
    let codec = if how & 1 == 0 { ListCodec::json() } else { ListCodec::avro(1, 2) }.expect("our own schemas");
    let is_tombstone = how & 2 != 0;
    let schema_of = |id: u32| match id {
        11 => Ok(LIST_KEY_SCHEMA.into()),
        12 => Ok(LIST_VALUE_SCHEMA.into()),
        13 => Ok(WIDE_SCHEMA.into()),
        _ => Err(SchemaFailure::NotFound("made up".to_owned())),
    };
    let value = (!is_tombstone).then_some(rest);
    codec.decode(rest, value, None, &schema_of).is_ok_and(|record| !record.shop.is_empty())
}

fn list_seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (key, value) in &kept().lists {
        seeds.push([&[2][..], key].concat());
        if !value.is_empty() {
            seeds.push([&[0][..], value].concat());
        }
    }
    let names = [2, b'm', 2, b'l', 2, b'i'];
    let entry = serde_json::json!({ "item": "x", "score": 1.5, "support": 4, "weight": 2.0, "anchor_weight": 3.0, "other_weight": 4.0,
        "contexts": 5.0, "confidence": 0.5, "lift": 1.25, "llr_root": 2.5, "source": "counted", "last_seen": 19_480 });
    let list = serde_json::json!({ "shop": "m", "list": "l", "item": "i", "entries": [entry], "reserve": [], "as_of": 77, "epoch": 3,
        "sequence": 9 });
    let datum = datum(LIST_VALUE_SCHEMA, list);
    for id in [2_u32, 12] {
        seeds.push([&[1, 0][..], &id.to_be_bytes(), &datum].concat());
    }
    for id in [1_u32, 11] {
        seeds.push([&[3, 0][..], &id.to_be_bytes(), &names].concat());
    }
    seeds
}

/// Names and texts of headers, each ended by a line's end.
fn headers(bytes: &[u8]) -> bool {
    let parts: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').collect();
    let pairs = parts.chunks(2).filter_map(|pair| Some((std::str::from_utf8(pair[0]).ok()?, pair.get(1).copied())));
    matches!(ListHeaders::read(pairs), Ok(Some(_)))
}

fn header_seeds() -> Vec<Vec<u8>> {
    vec![
        b"samenloop.epoch\n18446744073709551615\nsamenloop.sequence\n1\nsamenloop.since\n-5".to_vec(),
        b"samenloop.epoch\n3\nsamenloop.epoch\n4\nother\n\xff\nsamenloop.sequence\n0".to_vec(),
    ]
}

// HTTP.

/// A request as it comes over a socket.
fn http(request: &[u8]) -> bool {
    let mut stream = TcpStream::connect(server()).expect("it listens");
    let patience = Some(Duration::from_secs(10));
    stream.set_read_timeout(patience).and_then(|()| stream.set_write_timeout(patience)).expect("a socket");
    // It may be refused and closed before all of it is sent.
    let _refused_early = stream.write_all(request).and_then(|()| stream.shutdown(std::net::Shutdown::Write));
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert!(error.kind() == std::io::ErrorKind::ConnectionReset, "no answer: {error}");
    }
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."), "{}", String::from_utf8_lossy(&answer));
    answer.starts_with(b"HTTP/1.1 ") && !answer.starts_with(b"HTTP/1.1 400")
}

fn server() -> SocketAddr {
    static SERVER: OnceLock<(Server, SocketAddr)> = OnceLock::new();
    SERVER
        .get_or_init(|| {
            let (queries, receivers) = queries(1);
            // Nobody asks a worker for long: it is gone.
            drop(receivers);
            let metrics = Arc::new(Metrics::new().expect("metrics"));
            let health = Arc::new(Health::new(1, HEARTBEAT_AGE_MAX));
            let (view, lists) = (Arc::new(ListView::default()), ListName::ALL.to_vec());
            let state = State {
                view,
                health,
                queries,
                metrics,
                lists,
                recommending: Arc::default(),
                verdicts: None,
                limits: Limits::default(),
            };
            let server = Server::start((Ipv4Addr::LOCALHOST, 0).into(), state).expect("a free port");
            let address = server.address();
            (server, address)
        })
        .1
}

fn http_seeds() -> Vec<Vec<u8>> {
    let paths = [
        "/livez",
        "/metrics",
        "/readyz?x=1",
        "/v1/lists/main/bought-together/a%2Fb%20c",
        "/v1/rows/s%C3%A9/viewed-together/x/y?as_of=1",
        "/v1/counts?as_of=-9223372036854775808",
    ];
    let request = |path: &str| {
        format!("GET {path} HTTP/1.1\r\nhost: x\r\nif-none-match: W/\"a\", *\r\nconnection: close\r\n\r\n")
    };
    paths.iter().map(|path| request(path).into_bytes()).collect()
}
