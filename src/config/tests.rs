//! Layers, messages and limits, from the outside.

use super::*;
use crate::intake::TypeSpec;
use crate::limits::ID_BYTES_MAX;
use crate::relation::Relation;
use std::collections::BTreeSet;

mod facts;
mod kafka;
mod memory;
mod placements;

fn file(text: &str) -> Layers {
    Layers { file: Some(("shop.toml".to_owned(), text.to_owned())), ..Layers::default() }
}

fn variables(pairs: &[(&str, &str)]) -> Layers {
    let environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Layers { environment, ..Layers::default() }
}

fn set(key: &str, value: &str) -> Flag {
    Flag { flag: "--set", key: key.to_owned(), value: value.to_owned() }
}

fn flags(pairs: &[(&str, &str)]) -> Layers {
    Layers { flags: pairs.iter().map(|(key, value)| set(key, value)).collect(), ..Layers::default() }
}

#[track_caller]
fn refused(layers: &Layers) -> String {
    Settings::load(layers).unwrap_err().to_string()
}

#[test]
fn the_annotated_file_gives_exactly_the_defaults_and_names_every_key() {
    assert_eq!(Settings::load(&file(ANNOTATED)).unwrap(), Settings::default());
    let known = toml::Table::try_from(raw::RawSettings::default()).unwrap();
    let shown: toml::Table = ANNOTATED.parse().unwrap();
    assert_eq!(keys::keys_of(&shown), keys::keys_of(&known));
    // Values are as they would be printed, so that `samenloop config` and the file can be compared.
    let printed: toml::Table = Settings::default().to_toml().unwrap().parse().unwrap();
    let view_to_order = |table: &toml::Table| table["counting"]["view_to_order"].clone();
    assert_eq!((view_to_order(&shown), view_to_order(&printed)), ("24h".into(), "1d".into()));
    assert_eq!(shown["lists"], printed["lists"]);
    assert_eq!(shown["placements"], printed["placements"]);
}

#[test]
fn nothing_set_gives_the_defaults() {
    assert_eq!(Settings::load(&Layers::default()).unwrap(), Settings::default());
}

#[test]
fn flags_win_over_the_environment_and_the_environment_over_the_file() {
    let mut layers =
        file("[counting]\nsession_gap = \"10m\"\ncart_gap = \"10m\"\nview_to_order = \"10m\"\nrow_max = 64");
    layers.environment = variables(&[
        ("SAMENLOOP_COUNTING__CART_GAP", "20m"),
        ("SAMENLOOP_COUNTING__VIEW_TO_ORDER", "20m"),
        ("SAMENLOOP_LISTS__BOUGHT_AFTER_VIEWING__MIN_LLR_ROOT", "off"),
        ("SAMENLOOP_COUNTING__HALF_LIFE__ALSO_BOUGHT", "7d"),
        ("SAMENLOOP_LISTS__VIEWED_TOGETHER__MIN_LLR_ROOT", "1.5"),
    ])
    .environment;
    layers.flags = vec![set("counting.view_to_order", "25m"), set("counting.view_to_order", "30m")];
    let settings = Settings::load(&layers).unwrap();
    let counting = &settings.counting;
    let minutes = [counting.session_gap_ms, counting.cart_gap_ms, counting.view_to_order_ms].map(|ms| ms / 60_000);
    assert_eq!(minutes, [10, 20, 30], "file, environment, last flag");
    assert_eq!(counting.row_max, Some(64));
    assert_eq!(counting.half_life(Relation::AlsoBought), 7 * DAY_MS);
    let viewing = settings.list("bought-after-viewing").unwrap();
    assert_eq!((viewing.min_llr_root, viewing.specificity, viewing.min_support), (None, 0.25, 3), "the rest stays");
    assert_eq!(
        settings.list("viewed-together").unwrap().min_llr_root,
        Some(1.5),
        "a number, where the default is a text"
    );
    assert_eq!(counting.basket_max, 100, "what no layer sets is the default");
}

#[test]
fn relations_are_an_array_or_a_text_with_commas() {
    use crate::relation::Kind;
    let relations =
        |layers: &Layers| Settings::load(layers).unwrap().list("also-bought").unwrap().shown.relations.clone();
    assert_eq!(relations(&Layers::default()), []);
    let wanted = [Kind::Upsell, Kind::Accessory];
    assert_eq!(relations(&file("[lists.also-bought]\nrelations = [\"upsell\", \"accessory\"]")), wanted);
    assert_eq!(relations(&flags(&[("lists.also-bought.relations", "upsell, accessory,upsell")])), wanted);
    assert_eq!(relations(&variables(&[("SAMENLOOP_LISTS__ALSO_BOUGHT__RELATIONS", "upsell,accessory")])), wanted);
    let none = flags(&[("lists.bought-together.relations", "")]);
    assert_eq!(Settings::load(&none).unwrap().list("bought-together").unwrap().shown.relations, []);
    for wrong in ["never", "friend", "upsell;accessory"] {
        let refusal = refused(&flags(&[("lists.also-bought.relations", wrong)]));
        assert!(refusal.contains("complement, alternative, accessory, upsell"), "{refusal}");
    }
    let prices = [("lists.also-bought.price_at_least", "1.5"), ("lists.also-bought.price_at_most", "1.2")];
    assert!(refused(&flags(&prices)).contains("nothing would be shown"));
    let settings = Settings::load(&flags(&[("lists.also-bought.category", "other")])).unwrap();
    assert_eq!(settings.list("also-bought").unwrap().shown.category, crate::rules::Alike::Other);
}

#[test]
fn an_unknown_key_is_refused_with_its_layer_and_the_nearest_one() {
    for (layers, expected) in [
        (
            file("[counting]\nsesion_gap = \"30m\""),
            "file shop.toml: unknown setting counting.sesion_gap; did you mean counting.session_gap?",
        ),
        (file("[countng]\nrow_max = 16"), "file shop.toml: unknown setting countng; did you mean counting?"),
        (
            file("[lists.bought-togethr]\nlength = 3"),
            "file shop.toml: unknown setting lists.bought-togethr; did you mean lists.bought-together?",
        ),
        (
            file("[intake]\nsession_gap = \"30m\""),
            "file shop.toml: unknown setting intake.session_gap; did you mean counting.session_gap?",
        ),
        (
            variables(&[("SAMENLOOP_COUNTING__SESSION_GAPP", "1m")]),
            "environment variable SAMENLOOP_COUNTING__SESSION_GAPP: unknown setting counting.session_gapp; \
             did you mean SAMENLOOP_COUNTING__SESSION_GAP?",
        ),
        (
            variables(&[("SAMENLOOP_COUNTING_SESSION_GAP", "1m")]),
            "environment variable SAMENLOOP_COUNTING_SESSION_GAP: unknown setting counting_session_gap; \
             did you mean SAMENLOOP_COUNTING__SESSION_GAP?",
        ),
        (
            flags(&[("lists.bought-together.lenght", "3")]),
            "flag --set: unknown setting lists.bought-together.lenght; did you mean lists.bought-together.length?",
        ),
        (
            flags(&[("counting", "3")]),
            "flag --set: unknown setting counting; `samenloop config --defaults` shows all settings",
        ),
        (
            flags(&[("colour", "red")]),
            "flag --set: unknown setting colour; `samenloop config --defaults` shows all settings",
        ),
    ] {
        assert_eq!(refused(&layers), expected);
    }
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let mut layers = file("[counting]\nsesion_gap = \"30m\"\nrowmax = 3");
    layers.flags = vec![set("log.level", "loud")];
    let refusal = refused(&layers);
    assert_eq!(refusal.lines().count(), 3, "{refusal}");
    assert!(refusal.ends_with(
        "flag --set: log.level: unknown variant `loud`, expected one of `off`, `error`, `warn`, `info`, `debug`, `trace`"
    ));
}

#[test]
fn a_value_of_the_wrong_kind_is_refused_where_it_stands() {
    for (layers, expected) in [
        (
            file("[counting]\n\nsession_gap = 30"),
            "file shop.toml: line 3: counting.session_gap: 30 is not a length of time; write a whole number",
        ),
        (
            file("[counting]\nrow_max = \"many\""),
            "file shop.toml: line 2: counting.row_max: invalid type: string \"many\", expected usize",
        ),
        (
            file("[counting]\nrow_max = -1"),
            "file shop.toml: line 2: counting.row_max: invalid value: integer `-1`, expected usize",
        ),
        (file("[counting\n"), "file shop.toml: line 1: "),
        (file("[http]\nenabled = true\nenabled = false"), "file shop.toml: line 3: duplicate key"),
        (
            variables(&[("SAMENLOOP_COUNTING__SESSION_GAP", "soon")]),
            "environment variable SAMENLOOP_COUNTING__SESSION_GAP: counting.session_gap: \"soon\" is not a length of time",
        ),
        (flags(&[("http.enabled", "perhaps")]), "flag --set: http.enabled: invalid type: string \"perhaps\""),
        (flags(&[("publish.min_score_step", "0.0001")]), "flag --set: publish.min_score_step: 0.0001 is not a number"),
    ] {
        let refusal = refused(&layers);
        assert!(refusal.starts_with(expected) && refusal.lines().count() == 1, "{refusal}\nexpected {expected}");
    }
}

#[test]
fn every_limit_refuses_what_is_beyond_it() {
    for (key, value) in [
        ("counting.session_gap", "0s"),
        ("counting.session_gap", "3651d"),
        ("counting.session_longest", "31d"),
        ("counting.sessions_open", "0"),
        ("counting.session_max_items", "0"),
        ("counting.pair_window", "0"),
        ("counting.recent_max", "1001"),
        ("counting.view_to_order", "0s"),
        ("counting.cart_gap", "0s"),
        ("counting.cart_max", "0"),
        ("counting.basket_max", "0"),
        ("counting.repeat_horizon", "0s"),
        ("counting.purchases_max", "0"),
        ("counting.also_max", "0"),
        ("counting.also_horizon", "0s"),
        ("counting.order_open", "0s"),
        ("counting.orders_max", "1001"),
        ("counting.together_orders", "65"),
        ("counting.dedup_ids", "0"),
        ("counting.forget_after", "0s"),
        ("counting.row_max", "15"),
        ("counting.row_max", "65537"),
        ("counting.min_weight", "1.000001"),
        ("counting.half_life.bought_together", "0s"),
        ("counting.half_life.carted_together", "59s"),
        ("intake.max_ahead", "25h"),
        ("intake.align", "0s"),
        ("intake.max_jump", "0s"),
        ("intake.merge_buffer", "1KiB"),
        ("intake.history", "0s"),
        ("intake.user_secret", "cafe"),
        ("intake.user_secret", "00000000000000000000000000000000"),
        ("lists.bought-together.specificity", "2.1"),
        ("lists.also-bought.specificity", "-0.1"),
        ("lists.also-bought.specificity", "nan"),
        ("lists.viewed-together.min_support", "0"),
        ("lists.viewed-together.min_llr_root", "-1"),
        ("lists.viewed-together.min_llr_root", "nan"),
        ("lists.carted-together.length", "0"),
        ("lists.bought-after-viewing.reserve", "1001"),
        ("lists.bought-together.price_at_most", "-1"),
        ("lists.bought-together.price_at_least", "nan"),
        ("publish.min_score_step", "100.001"),
        ("publish.min_interval", "25h"),
        ("publish.sweep", "0s"),
        ("publish.rest_after", "0s"),
        ("publish.total_step", "1.001"),
        ("http.listen", "127.0.0.1"),
        ("http.listen", ":9180"),
        ("http.listen", "localhost:99999"),
        ("logs.events_partitions", "0"),
        ("logs.pairs_partitions", "257"),
        ("logs.block_records", "0"),
        ("logs.block_bytes", "1B"),
        ("logs.block_bytes", "4097KiB"),
        ("logs.gap_wait", "61m"),
        ("topics.prefix", ""),
        ("topics.prefix", "."),
        ("topics.prefix", "shop/"),
        ("topics.replication", "33"),
        ("workers.intake", "0"),
        ("workers.windows", "65"),
        ("workers.rows", "0"),
    ] {
        let refusal = refused(&flags(&[(key, value)]));
        assert!(
            refusal.starts_with(&format!("{key} = ")) && refusal.contains("(flag --set): "),
            "{key}={value}: {refusal}"
        );
    }
    assert_eq!(
        refused(&flags(&[("counting.row_max", "15")])),
        "counting.row_max = 15 (flag --set): must be 16 to 65536, or 0 for rows without a bound"
    );
    assert_eq!(Settings::load(&flags(&[("counting.row_max", "0")])).unwrap().counting.row_max, None);
}

#[test]
fn values_at_odds_with_each_other_are_refused() {
    for (pairs, expected) in [
        (
            &[("counting.forget_after", "100d")][..],
            "counting.forget_after = 100d (flag --set): is shorter than counting.repeat_horizon = 180d (default): \
             a user would be forgotten while still counted on",
        ),
        (
            &[("counting.purchases_max", "10")],
            "counting.also_max = 50 (default): is more than counting.purchases_max = 10: \
             no more can be paired than is remembered",
        ),
        (
            &[("counting.row_max", "16"), ("lists.also-bought.length", "12")],
            "lists.also-bought.length = 12 (flag --set): with 5 in reserve is more than a row holds \
             (counting.row_max = 16)",
        ),
        (
            &[("intake.user_secret", "000102030405060708090a0b0c0d0e0f"), ("intake.user_secret_file", "secret")],
            "intake.user_secret_file = secret (flag --set): intake.user_secret is set too (flag --set): set one",
        ),
    ] {
        assert_eq!(refused(&flags(pairs)), expected);
    }
}

#[test]
fn a_secret_is_taken_whole_and_never_shown() {
    // All digits: must not be taken for a number on its way.
    for hex in
        ["12345678901234567890123456789012", "000102030405060708090a0b0c0d0e0f", "1234567890123456789012345678e012"]
    {
        let settings = Settings::load(&variables(&[("SAMENLOOP_INTAKE__USER_SECRET", hex)])).unwrap();
        assert_eq!(settings.intake.user_secret.bytes(), u128::from_str_radix(hex, 16).unwrap().to_be_bytes());
        let shown = format!("{}{settings:?}", settings.to_toml().unwrap());
        assert!(shown.contains("user_secret = \"***\"") && !shown.contains(&hex[..8]), "{shown}");
        let mut from_file = Settings::default();
        from_file.intake.set_user_secret(&format!("{hex}\n")).unwrap();
        assert_eq!(from_file, settings);
    }
    for wrong in ["5ec4e75ec4e7", "zz0102030405060708090a0b0c0d0e0f", "+00102030405060708090a0b0c0d0e0f"] {
        let refusal = refused(&variables(&[("SAMENLOOP_INTAKE__USER_SECRET", wrong)]));
        assert!(refusal.contains("32 hexadecimal digits") && !refusal.contains(wrong), "{refusal}");
        let refusal = Settings::default().intake.set_user_secret(wrong).unwrap_err().to_string();
        assert!(refusal.contains("32 hexadecimal digits") && !refusal.contains(wrong), "{refusal}");
    }
    assert!(refused(&file("[intake]\nuser_secret = 1234567")).ends_with("a secret is a text in quotes"));
}

#[test]
fn printed_settings_load_to_the_same() {
    let mut layers = flags(&[
        ("counting.session_gap", "90s"),
        ("counting.row_max", "0"),
        ("counting.min_weight", "0.123456"),
        ("lists.bought-together.min_llr_root", "off"),
        ("lists.bought-together.specificity", "1"),
        ("lists.also-bought.measure", "llr"),
        ("lists.also-bought.relations", "upsell"),
        ("lists.also-bought.price_at_most", "1.25"),
        ("lists.also-bought.brand", "same"),
        ("intake.earliest_time", "2010-05-01"),
        ("intake.max_jump", "off"),
        ("intake.merge_buffer", "3000000B"),
        ("log.format", "json"),
    ]);
    layers.file =
        file("[[source]]\nname = \"web\"\ntopic = \"clicks\"\ntype = \"view\"\nfields = { item = \"/sku\" }").file;
    let settings = Settings::load(&layers).unwrap();
    assert_eq!(Settings::load(&file(&settings.to_toml().unwrap())).unwrap(), settings);
    assert_ne!(settings, Settings::default());
}

#[test]
fn sources_have_a_name_of_their_own_and_one_place() {
    let text = "[[source]]\nname = \"web\"\nfile = \"a.jsonl\"\ntype = \"view\"\nfields = { item = \"/sku\" }";
    let sources = Settings::load(&file(text)).unwrap().sources;
    assert_eq!(
        (sources[0].name.as_str(), sources[0].file.as_deref(), &sources[0].topic),
        ("web", Some("a.jsonl"), &None)
    );
    let mapping = MappingSpec { event_type: TypeSpec::Fixed("view".to_owned()), ..MappingSpec::default() };
    assert_eq!((&sources[0].mapping.event_type, sources[0].mapping.format), (&mapping.event_type, mapping.format));
    assert_ne!(sources[0].mapping.fields.item, mapping.fields.item);
    for (text, expected) in [
        ("[[source]]\nfile = \"a\"", "source number 1 (file shop.toml): has no name"),
        ("[[source]]\nname = 3", "source number 1 (file shop.toml): name must be a text that is not empty"),
        (
            "[[source]]\nname = \"web\"\n[[source]]\nname = \"web\"",
            "source \"web\" (file shop.toml): an earlier source has the same name",
        ),
        (
            "[[source]]\nname = \"web\"\nfile = \"a\"\ntopic = \"b\"",
            "source \"web\" (file shop.toml): has both a file and a topic: set one",
        ),
        (
            "[[source]]\nname = \"web\"\nfile = \"a\"\nformat = \"avro\"",
            "source \"web\" (file shop.toml): has a file and format = \"avro\": files hold JSON or rows",
        ),
        (
            "[[source]]\nname = \"web\"\nreader_schema_file = \"a.avsc\"",
            "source \"web\" (file shop.toml): has a file of an Avro schema: set format = \"avro\", or leave the schema out",
        ),
        (
            "[[source]]\nname = \"web\"\nshema_file = \"a.avsc\"",
            "source \"web\" (file shop.toml): unknown setting shema_file; did you mean schema_file?",
        ),
    ] {
        assert_eq!(refused(&file(text)), expected);
    }
}

#[test]
fn a_source_that_is_written_otherwise_is_told_with_field_and_remedy() {
    let source = "[[source]]\nname = \"web\"\n[source.fields]\n";
    for (text, parts) in [
        ("[source]\nname = \"web\"".to_owned(), ["source is a list of sources: write [[source]]", ""]),
        ("source = \"web\"".to_owned(), ["source is a list of sources: write [[source]]", ""]),
        (
            "[[sources]]\nname = \"web\"".to_owned(),
            ["sources is not read; there is a list of sources: write [[source]]", ""],
        ),
        (
            format!("{source}lines = [\"/a\", \"/b\"]"),
            ["fields.lines: invalid type: sequence", "it is one JSON pointer, such as \"/lines\""],
        ),
        (
            format!("{source}line_item = {{ pointer = \"/a\" }}"),
            ["fields.line_item: expected a JSON pointer", "as a table it is { field = \"/sku\""],
        ),
        (
            format!("{source}shop = {{ const = \"b2b\" }}"),
            ["fields.shop: expected a JSON pointer", "unknown setting fields.shop.const; did you mean constant?"],
        ),
        (
            format!("{source}user = {{ feild = \"/a\" }}"),
            ["fields.user: expected a JSON pointer", "did you mean field?"],
        ),
        (
            format!("{source}time = {{ field = \"/a\", unit = \"sec\" }}"),
            ["fields.time: unit \"sec\" is none of s, ms", ""],
        ),
        (format!("{source}item = 7"), ["fields.item: invalid type: integer", ""]),
        ("[[source]]\nname = \"web\"\nformat = \"xlsx\"".to_owned(), ["format: unknown variant `xlsx`", "`csv`"]),
    ] {
        let told = refused(&file(&text));
        assert!(parts.iter().all(|part| told.contains(part)), "{text}\n{told}");
    }
}

#[test]
fn a_value_that_cannot_be_read_is_refused_with_line_and_setting() {
    for (text, told) in [
        (
            "[lists.bought-together]\nlength = 8\n[lists.complements]\nenabled = true\nbrand = \"none\"",
            "line 5: lists.complements.brand: unknown variant `none`, expected one of `any`, `same`, `other`",
        ),
        ("lists.upsell.category = \"else\"", "line 1: lists.upsell.category: unknown variant `else`"),
        (
            "[counting]\nsession_gap = \"30m\"\nbasket_max = \"many\"",
            "line 3: counting.basket_max: invalid type: string",
        ),
        ("[http]\nlisten = 9180", "line 2: http.listen: invalid type: integer"),
        ("[placements.home]\nparts = 3", "line 2: placements.home.parts: "),
    ] {
        let refusal = refused(&file(text));
        assert!(refusal.starts_with(&format!("file shop.toml: {told}")), "{text}: {refusal}");
    }
}

#[test]
fn how_a_file_is_written_is_read_written_out_and_checked() {
    let text = "[[source]]\nname = \"erp\"\nformat = \"csv\"\ndelimiter = \";\"\nquote = \"\"\nheader = [\"a\", \"b\"]\n\
                encoding = \"latin1\"\n[[source]]\nname = \"page\"\nrecords = \"/value\"\n[[source]]\nname = \"bare\"\n\
                format = \"tsv\"\nheader = false\n";
    let settings = Settings::load(&file(text)).unwrap();
    let form = &settings.sources[0].form;
    assert_eq!((form.delimiter, form.quote, form.encoding.as_deref()), (Some(b';'), Quote::Nothing, Some("latin1")));
    assert_eq!(form.header, Header::Names(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(settings.sources[1].form.records.as_deref(), Some("/value"));
    assert_eq!(Settings::load(&file(&settings.to_toml().unwrap())).unwrap(), settings);
    for (rest, part) in [
        ("delimiter = \";\"", "delimiter is for files of rows: set format = \"csv\""),
        ("format = \"csv\"\ndelimiter = \";;\"", "delimiter must be one character"),
        ("format = \"csv\"\nheader = \"no\"", "header must be true, false, or the names of the columns"),
        ("format = \"csv\"\nheader = [\"a\", \"a\"]", "each once"),
        ("format = \"csv\"\nrecords = \"/a\"", "records is for files of JSON"),
        ("format = \"csv\"\nencoding = \"utf-61\"", "encoding must be a known encoding"),
        ("records = \"value\"", "records must be a JSON pointer"),
        ("format = \"csv\"\ntopic = \"t\"", "which only files have"),
    ] {
        let told = refused(&file(&format!("[[source]]\nname = \"x\"\n{rest}")));
        assert!(told.contains(part), "{rest}\n{told}");
    }
}

#[test]
fn schema_files_of_a_source_are_read_and_written_out() {
    let text = "[[source]]\nname = \"web\"\ntopic = \"t\"\nformat = \"avro\"\nkey_format = \"avro\"\nschema_file = \"w.avsc\"\n\
                reader_schema_file = \"r.avsc\"";
    let settings = Settings::load(&file(text)).unwrap();
    let source = &settings.sources[0];
    assert_eq!(source.schema_file.as_deref(), Some("w.avsc"));
    assert_eq!(source.reader_schema_file.as_deref(), Some("r.avsc"));
    let again = Settings::load(&file(&settings.to_toml().unwrap())).unwrap();
    assert_eq!(again.sources, settings.sources);
}

#[test]
fn a_source_has_a_name_that_the_log_can_hold_and_a_line_can_show() {
    let load =
        |name: &str| file(&format!("[[source]]\nname = \"{name}\"\ntype = \"view\"\nfields = {{ item = \"/sku\" }}"));
    for name in ["n".repeat(ID_BYTES_MAX), "\u{e9}".repeat(ID_BYTES_MAX / 2), "web clicks, 2".to_owned()] {
        assert_eq!(Settings::load(&load(&name)).unwrap().sources[0].name, name);
    }
    for (name, expected) in [
        ("n".repeat(ID_BYTES_MAX + 1), "name has 257 bytes, at most 256 are allowed"),
        ("\u{e9}".repeat(ID_BYTES_MAX / 2 + 1), "name has 258 bytes, at most 256 are allowed"),
        ("a\\tb".to_owned(), "name must not hold a control character, such as a tab"),
        ("a\\nb".to_owned(), "name must not hold a control character, such as a tab"),
        ("a\\u0085b".to_owned(), "name must not hold a control character, such as a tab"),
    ] {
        let refusal = refused(&load(&name));
        assert!(refusal.ends_with(&format!("(file shop.toml): {expected}")), "{name}: {refusal}");
        assert_eq!(refusal.lines().count(), 1, "{refusal}");
    }
}

#[test]
fn a_mapping_that_cannot_be_right_is_refused_with_its_source() {
    for (line, expected) in [
        ("formt = \"json\"", "unknown setting formt; did you mean format?"),
        ("fields = { usr = \"/u\" }", "unknown setting fields.usr; did you mean fields.user?"),
        ("fields = { user = \"u\" }", "fields.user: "),
        ("type = \"visit\"", "type: "),
        ("format = \"xml\"", "format: unknown variant `xml`"),
    ] {
        let refusal = refused(&file(&format!("[[source]]\nname = \"web\"\n{line}")));
        assert!(refusal.starts_with(&format!("source \"web\" (file shop.toml): {expected}")), "{line}: {refusal}");
        assert_eq!(refusal.lines().count(), 1, "{refusal}");
    }
}

#[test]
fn the_examples_of_sources_can_be_loaded() {
    let (_, example) = ANNOTATED.split_once("# [[source]]").unwrap();
    let example = format!("[[source]]{}", example.replace("\n# ", "\n"));
    let example = Settings::load(&file(&example)).unwrap();
    assert_eq!((example.sources[0].name.as_str(), example.sources[0].mapping.fields.user.0.len()), ("shop", 2));
    let blocks = include_str!("../../docs/mapping.md").split("```toml\n").skip(1);
    let sources =
        blocks.filter(|block| block.starts_with("[[source]]")).map(|block| block.split("```").next().unwrap());
    let sources: Vec<usize> = sources.map(|text| Settings::load(&file(text)).unwrap().sources.len()).collect();
    assert!(sources.len() >= 3 && sources.iter().all(|count| *count >= 1), "{sources:?}");
}

#[test]
fn sources_cannot_be_set_by_the_environment() {
    assert!(refused(&variables(&[("SAMENLOOP_SOURCE__0__NAME", "web")])).contains("unknown setting source.0.name"));
}

#[test]
fn variables_that_are_no_settings_are_left_alone() {
    let settings = Settings::load(&variables(&[
        ("HOME", "/"),
        (CONFIG_FILE_VARIABLE, "shop.toml"),
        ("SAMENLOOP_SERVICE_HOST", "10.0.0.1"),
        ("SAMENLOOP_SERVICE_PORT_HTTP", "9180"),
        ("SAMENLOOP_ROWS_PORT", "tcp://10.0.0.1:9180"),
        ("SAMENLOOP_PORT_9180_TCP_ADDR", "10.0.0.1"),
    ]));
    assert_eq!(settings.unwrap(), Settings::default());
    assert!(refused(&variables(&[("SAMENLOOP_HTTP__PORT", "80")])).contains("unknown setting http.port"));
    let wrappers =
        variables(&[("SAMENLOOP_BIN", "/opt"), ("SAMENLOOP_IMAGE__TAG", "3"), ("SAMENLOOP_SERVICE_HOST", "h")]);
    assert_eq!(Settings::load(&wrappers).unwrap(), Settings::default());
    assert_eq!(wrappers.ignored_variables(), ["SAMENLOOP_BIN", "SAMENLOOP_IMAGE__TAG"]);
}

#[test]
fn every_key_can_be_set_by_the_environment_and_by_a_flag() {
    let defaults = toml::Table::try_from(raw::RawSettings::default()).unwrap();
    let mut names = BTreeSet::new();
    for key in keys::keys_of(&defaults) {
        if key.starts_with("kafka.") {
            continue; // properties have variables of another form: see tests/kafka.rs
        }
        let value = key.split('.').fold(toml::Value::Table(defaults.clone()), |at, level| at[level].clone());
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let name = format!("SAMENLOOP_{}", key.replace('.', "__").replace('-', "_").to_ascii_uppercase());
        assert_eq!(Settings::load(&variables(&[(&name, &text)])).unwrap(), Settings::default(), "{name}={text}");
        assert_eq!(Settings::load(&flags(&[(&key, &text)])).unwrap(), Settings::default(), "{key}={text}");
        assert!(names.insert(name), "two keys with one variable");
    }
    assert!(names.len() > 70, "{}", names.len());
}

#[test]
fn a_token_is_long_enough_and_never_shown() {
    let token = "0123456789012345";
    let settings = Settings::load(&variables(&[("SAMENLOOP_HTTP__TOKEN", token)])).unwrap();
    assert_eq!(settings.http.token.reveal(), token);
    let shown = format!("{}{settings:?}", settings.to_toml().unwrap());
    assert!(shown.contains("token = \"***\"") && !shown.contains(&token[..8]), "{shown}");
    let mut from_file = Settings::default();
    from_file.http.set_token(&format!("{token}\n")).unwrap();
    assert_eq!(from_file, settings);
    for wrong in ["5ec4e75ec4e75ec", "5ec4e7 5ec4e7 5ec4e7", "5ec4e75ec4e75ec4\u{e9}", &"5ec4e7".repeat(50)] {
        for refusal in [
            refused(&variables(&[("SAMENLOOP_HTTP__TOKEN", wrong)])),
            Settings::default().http.set_token(wrong).unwrap_err().to_string(),
        ] {
            assert!(refusal.contains("16 to 256") && !refusal.contains(wrong), "{refusal}");
        }
    }
    assert!(Settings::default().http.set_token("\n").is_err(), "an empty file is no token");
    assert!(refused(&file("[http]\ntoken = \"***\"")).contains("write the secret itself"));
    let both = refused(&file("[http]\ntoken = \"0123456789012345\"\ntoken_file = \"secret\""));
    assert!(both.contains("http.token is set too"), "{both}");
}
