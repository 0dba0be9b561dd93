//! The command line as a process: help, settings, exit codes, streams.

#![allow(clippy::unwrap_used)] // tests

use std::fs;
use std::io::pipe;
use std::process::{Command, Output};

const COMMANDS: [&str; 7] = ["demo", "replay", "evaluate", "inspect", "check", "rebuild", "config"];
const SECRET: &str = "000102030405060708090a0b0c0d0e0f";

/// The program, with none of the settings of whoever runs the tests.
fn samenloop(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_samenloop"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SAMENLOOP_")) {
        command.env_remove(name);
    }
    command.args(arguments);
    command
}

struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn end(command: &mut Command) -> Ended {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let ended = Ended { code: status.code(), stdout: text(stdout), stderr: text(stderr) };
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    ended
}

#[test]
fn every_command_has_help_with_an_example_and_all_exit_codes_are_told() {
    for command in COMMANDS {
        let help = end(&mut samenloop(&[command, "--help"]));
        assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""), "{command}");
        let (_, examples) =
            help.stdout.split_once("Examples:").unwrap_or_else(|| unreachable!("{command} has no example"));
        assert!(examples.contains(command), "{command}: {examples}");
    }
    let help = end(&mut samenloop(&["--help"]));
    assert!(help.stdout.contains("0 done, 1 failed, 2 wrong usage or settings, 3 done but some records were rejected"));
    for command in COMMANDS {
        assert!(help.stdout.contains(&format!("\n  {command} ")), "{command} is not in {}", help.stdout);
    }
}

#[test]
fn the_examples_in_the_help_can_be_parsed() {
    let mut seen = 0;
    for command in ["", "demo", "replay", "evaluate", "inspect", "check", "rebuild"] {
        let arguments: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let help = end(&mut samenloop(&arguments)).stdout;
        let (_, examples) = help.split_once("Examples:").unwrap();
        for line in examples.lines().filter_map(|line| line.split_once("samenloop ")) {
            // With --help at the end, everything before it is still checked, and nothing runs.
            let arguments: Vec<&str> =
                line.1.split(" > ").next().unwrap().split_whitespace().chain(["--help"]).collect();
            assert_eq!(end(&mut samenloop(&arguments)).code, Some(0), "samenloop {}", arguments.join(" "));
            seen += 1;
        }
    }
    assert!(seen >= 16, "only {seen} examples");
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_was_meant() {
    for (arguments, expected) in [
        (&[][..], "Usage: samenloop"),
        (&["replya", "x.jsonl"], "a similar subcommand exists: 'replay'"),
        (&["replay"], "FILE>..."),
        (&["replay", "x.jsonl", "--list", "y"], "a similar argument exists: '--lists'"),
        (&["config", "--set", "counting.session_gap"], "write it as KEY=VALUE"),
        (&["evaluate", "x.jsonl", "--split", "1.5"], "must be between 0 and 1"),
        (&["evaluate", "x.jsonl", "--measures", "score,cosin"], "unknown variant `cosin`, expected one of `score`"),
        (&["inspect", "x", "--list", "bought"], "bought-after-viewing"),
        (&["demo", "--without", "taste"], "possible values: support, llr, lift, chance, bulk, repeat, session"),
        (
            &["config", "--set", "counting.sesion_gap=1m"],
            "error: flag --set: unknown setting counting.sesion_gap; did you mean counting.session_gap?",
        ),
        (&["config", "--log-level", "loud"], "error: flag --log-level: log.level: unknown variant `loud`"),
        (
            &["replay", "x.jsonl", "--partitions", "0"],
            "error: logs.events_partitions = 0 (flag --partitions): must be 1 to 256",
        ),
        (
            &["replay", "x.jsonl", "--block-records", "0"],
            "error: logs.block_records = 0 (flag --block-records): must be",
        ),
        (&["demo", "--listen", "9180"], "error: http.listen = 9180 (flag --listen): must be a host and a port"),
        (&["config", "--config", "no/such.toml"], "error: no/such.toml: cannot be read\n  caused by: No such file"),
    ] {
        let ended = end(&mut samenloop(arguments));
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(ended.stderr.contains(expected), "{arguments:?}: {}\nexpected {expected}", ended.stderr);
    }
}

#[test]
fn an_unknown_key_is_refused_from_every_layer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.toml");
    fs::write(&path, "[publish]\nswep = \"1h\"\n").unwrap();
    let ended = end(samenloop(&["config", "--set", "publish.swoop=1h"])
        .env("SAMENLOOP_CONFIG", &path)
        .env("SAMENLOOP_PUBLISH__SWEEEP", "1h"));
    assert_eq!(ended.code, Some(2));
    let lines: Vec<&str> = ended.stderr.lines().collect();
    assert_eq!(lines.len(), 3, "{}", ended.stderr);
    assert!(lines.iter().all(|line| line.starts_with("error: ")));
    assert!(lines[0].contains("shop.toml: unknown setting publish.swep; did you mean publish.sweep?"), "{}", lines[0]);
    assert!(lines[1].ends_with("did you mean SAMENLOOP_PUBLISH__SWEEP?"), "{}", lines[1]);
    assert!(lines[2].ends_with("did you mean publish.sweep?"), "{}", lines[2]);
}

#[test]
fn flags_win_over_the_environment_over_the_file_over_the_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.toml");
    fs::write(&path, "[counting]\nsession_gap = \"10m\"\n[publish]\nsweep = \"10m\"\n[log]\nlevel = \"warn\"\n")
        .unwrap();
    let other = folder.path().join("other.toml");
    fs::write(&other, "[counting]\nsession_gap = \"55m\"\n").unwrap();
    let shown = |extra: &[&str], variables: &[(&str, &str)]| {
        let mut command = samenloop(&["config"]);
        command.args(extra).env("SAMENLOOP_CONFIG", &path).envs(variables.iter().copied());
        let ended = end(&mut command);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let wanted = ["session_gap", "sweep", "level"].map(|key| {
            let line = ended.stdout.lines().find(|line| line.starts_with(&format!("{key} = "))).unwrap();
            line.split_once(" = ").unwrap().1.trim_matches('"').to_owned()
        });
        wanted.join(" ")
    };
    let environment = [("SAMENLOOP_COUNTING__SESSION_GAP", "20m"), ("SAMENLOOP_LOG__LEVEL", "error")];
    assert_eq!(shown(&[], &[]), "10m 10m warn");
    assert_eq!(shown(&[], &environment), "20m 10m error");
    assert_eq!(shown(&["--set", "counting.session_gap=25m", "--log-level", "debug"], &environment), "25m 10m debug");
    assert_eq!(
        shown(&["--log-level", "debug", "--set", "log.level=trace"], &environment),
        "20m 10m debug",
        "the named flag"
    );
    assert_eq!(shown(&["--quiet"], &[]), "10m 10m error");
    assert_eq!(
        shown(&["--config", other.to_str().unwrap()], &[]),
        "55m 1h info",
        "the flag names the file, not the variable"
    );
}

#[test]
fn sets_before_and_after_the_command_all_count() {
    let ended = end(&mut samenloop(&[
        "--set",
        "counting.row_max=17",
        "--set",
        "counting.cart_max=7",
        "config",
        "--set",
        "counting.cart_max=9",
        "--set",
        "publish.sweep=2h",
    ]));
    for line in ["row_max = 17", "cart_max = 9", "sweep = \"2h\""] {
        assert!(ended.stdout.lines().any(|shown| shown == line), "{line} is not in {}", ended.stdout);
    }
}

#[test]
fn the_settings_in_force_can_be_printed_and_used_and_hide_the_secret() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, format!("{SECRET}\n")).unwrap();
    let in_file = end(samenloop(&["config"]).env("SAMENLOOP_INTAKE__USER_SECRET_FILE", &secret));
    let in_variable = end(samenloop(&["config"]).env("SAMENLOOP_INTAKE__USER_SECRET", SECRET));
    for shown in [&in_file, &in_variable] {
        assert_eq!(shown.code, Some(0), "{}", shown.stderr);
        assert!(shown.stdout.contains("user_secret = \"***\""), "{}", shown.stdout);
        assert!(!shown.stdout.contains(SECRET) && !shown.stderr.contains(SECRET));
    }
    fs::write(&secret, "5ec4e75ec4e7").unwrap();
    let wrong = end(samenloop(&["config"]).env("SAMENLOOP_INTAKE__USER_SECRET_FILE", &secret));
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.contains("32 hexadecimal digits") && !wrong.stderr.contains("5ec4e7"), "{}", wrong.stderr);

    let printed = folder.path().join("printed.toml");
    fs::write(&printed, end(&mut samenloop(&["config", "--set", "counting.row_max=64"])).stdout).unwrap();
    let again = end(&mut samenloop(&["config", "--config", printed.to_str().unwrap()]));
    assert_eq!(again.stdout, fs::read_to_string(&printed).unwrap(), "{}", again.stderr);
    let annotated = end(&mut samenloop(&["config", "--defaults"])).stdout;
    assert_eq!(annotated, fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/samenloop.toml")).unwrap());
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let ended = end(samenloop(&["config"]).stdout(writer));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn no_line_of_the_help_breaks_too_early_or_too_late() {
    for width in [80, 100] {
        let commands = COMMANDS.each_ref().map(std::slice::from_ref);
        for command in [&["--help"][..]].into_iter().chain(commands) {
            let help = end(samenloop(command).arg("--help").env("COLUMNS", width.to_string())).stdout;
            let lines: Vec<&str> = help.lines().collect();
            let long = lines.iter().find(|line| line.chars().count() > width);
            assert_eq!(long, None, "{command:?} at {width}");
            let epilogue = lines.iter().rposition(|line| line.starts_with("  -")).unwrap();
            for pair in lines[epilogue..].windows(2).filter(|pair| !pair[0].starts_with(' ')) {
                let next = pair[1].split(' ').next().unwrap().chars().count();
                let is_full = pair[0].chars().count() + 1 + next > width;
                assert!(is_full || next == 0 || pair[0] == "Examples:" || pair[0].is_empty(), "{pair:?} at {width}");
            }
        }
    }
}

#[test]
fn logs_as_json_are_json_alone_rejects_and_errors_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let file = path.to_str().unwrap();
    let view = r#"{"event_id":"1","type":"view","user":"u","ts":1700000000000,"item":"a"}"#;
    fs::write(&path, format!("{view}\n{}{{}}\n", "oops\n".repeat(120))).unwrap();
    let json = |arguments: &[&str], code| -> Vec<serde_json::Value> {
        let ended = end(samenloop(arguments).args(["--log-format", "json"]));
        assert_eq!(ended.code, Some(code), "{arguments:?}: {}", ended.stderr);
        let line = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| unreachable!("{arguments:?}: {line}"));
        ended.stderr.lines().map(line).collect()
    };
    for (arguments, code, told) in [
        (&["replay", file][..], 3, 100),
        (&["inspect", "a", file], 3, 10),
        (&["evaluate", file], 1, 100), // a single view is nothing to split
    ] {
        let lines = json(arguments, code);
        let rejects: Vec<_> = lines.iter().filter(|line| line["file"].is_string()).collect();
        assert_eq!(rejects.len(), told, "{arguments:?}");
        for (field, expected) in [
            ("level", "WARN".into()),
            ("line", 2.into()),
            ("reason", "bad_json".into()),
            ("file", rejects[0]["file"].clone()),
        ] {
            assert_eq!(rejects[0][field], expected, "{arguments:?} {field}");
        }
        assert!(rejects[0]["message"].as_str().unwrap().contains("JSON"), "{}", rejects[0]);
        assert!(lines.iter().any(|line| line["more"] == 121 - told), "{arguments:?}");
    }
    let lines = json(&["replay", file], 3);
    let summary = lines.iter().find(|line| line["message"] == "replayed").unwrap();
    for (field, expected) in
        [("accepted", 1), ("duplicate", 0), ("late", 0), ("overlong", 0), ("bulk", 0), ("rejected", 121)]
    {
        assert_eq!(summary[field], expected, "{field} of {summary}");
    }
    let by_reason: Vec<_> = lines.iter().filter(|line| line["message"] == "rejected").collect();
    assert_eq!(by_reason.iter().map(|line| line["records"].as_u64().unwrap()).sum::<u64>(), 121);
    let lines = json(&["replay", "no-such-file.jsonl"], 1);
    assert!(lines.len() == 1 && lines[0]["level"] == "ERROR", "{lines:?}");
}
