//! The screen of the demo, drawn from made-up frames.

use super::backroom::Account;
use super::ledger::Seen;
use super::live::{Delay, EntryView, Frame, Live, ProductView, Tallies, change_text, render};
use super::summary::{self, Summary, WithAll};
use super::typeset::{Line, Tone, date_time, grouped, milliseconds, percent, rounded};
use console::{Term, measure_text_width, strip_ansi_codes};
use samenloop_shop::Verdict;

fn product(name: &str, other: &str) -> ProductView {
    let entry = |score, customers| EntryView { name: other.to_owned(), score, customers, lift: 4.13 };
    ProductView { id: "1000013".to_owned(), name: name.to_owned(), entries: vec![entry(34.9, 120), entry(8.0, 1)] }
}

fn frame() -> Frame {
    Frame {
        seed: 7,
        simulated_ms: 1_750_000_000_000,
        events_wanted: Some(300_000),
        events_per_second: 182_345.6,
        tallies: Tallies {
            events: 123_456,
            views: 98_765,
            carts: 14_321,
            orders: 5_120,
            set_aside: vec![("rejects".to_owned(), 312), ("duplicates".to_owned(), 1_020)],
            published: 12_345,
            suppressed: 98_765,
        },
        delay: Some(Delay { p50_ms: 3.12, p99_ms: 18.0 }),
        url: Some("http://127.0.0.1:8080".to_owned()),
        products: vec![product("Holter cordless drill 18 V", "Vekto drill bit set HSS 19 pc")],
        changes: vec![change_text("bought-together", "Holter jigsaw 500 W", &["Brandal jigsaw blade set wood 5 pc"])],
        ..Frame::default()
    }
}

fn text(lines: &[Line]) -> String {
    lines.iter().map(Line::plain).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_screen_says_what_is_going_on() {
    let screen = text(&render(&frame(), 120));
    for part in [
        "samenloop demo  seed 7",
        "2025-06-15 15:06",
        "█████████░░░░░░░░░░░░░░░ 41 % of 300,000 · 182,346 events/s",
        "views 98,765 · carts 14,321 · orders 5,120",
        "rejects 312 · duplicates 1,020",
        "published 12,345 · suppressed 98,765",
        "event to list p50 3.1 ms, p99 18 ms",
        "Bought together with Holter cordless drill 18 V  1000013",
        "  34.9  Vekto drill bit set HSS 19 pc  of 100",
        "of 100 orders with it, at least 34 also hold this; 120 customers; 4.1× chance",
        "at least 8 also hold this; 1 customer; 4.1× chance",
        "  bought-together of Holter jigsaw 500 W: Brandal jigsaw blade set wood 5 pc",
    ] {
        assert!(screen.contains(part), "no {part:?} in\n{screen}");
    }
}

#[test]
fn no_line_is_wider_than_the_terminal_whatever_it_holds() {
    let odd = [
        ("plain", "plain"),
        (
            "電動ドリル 18 V 電動ドリル 18 V 電動ドリル",
            "ドリルビットセット 19本組 ドリルビットセット 19本組 ドリルビット",
        ),
        ("e\u{301}clair cafe\u{301} \u{1F600}\u{1F468}\u{200D}\u{1F469}", "\u{200B}\u{FE0F}x"),
        ("\x1b[31mred\x1b[0m\n\r\t\u{7}", "a\u{9b}31mb"),
        ("", ""),
    ];
    for (name, other) in odd {
        let mut frame = frame();
        frame.products = vec![product(name, other); 9];
        frame.changes = vec![change_text("viewed-together", name, &[other, other]); 9];
        frame.without = vec![name.to_owned()];
        let summary = Summary { examples: frame.products.clone(), url: None, ..Summary::default() };
        for width in (1..160).chain([1_000]) {
            let screen = render(&frame, width);
            assert!(screen.len() <= 30, "{} lines", screen.len());
            let end = summary::render(&summary, width);
            let end = end.iter().filter(|line| !line.plain().starts_with("  samenloop ")); // commands stay whole
            for line in screen.iter().chain(end) {
                assert!(line.width() <= width, "{} > {width}: {:?}", line.width(), line.plain());
                assert_eq!(measure_text_width(&line.plain()), line.width());
                assert!(!line.plain().chars().any(char::is_control), "{:?}", line.plain());
                assert_eq!(strip_ansi_codes(&line.coloured()), line.plain(), "colour adds nothing else");
            }
        }
    }
}

#[test]
fn reasons_get_shorter_where_there_is_less_room() {
    let cases = [
        (120, "of 100 orders with it"),
        (79, "  ≥ 34 of 100; 120 customers; 4.1× chance"),
        (60, "  120 customers; 4.1×"),
    ];
    for (width, expected) in cases {
        let screen = text(&render(&frame(), width));
        assert!(screen.contains(expected), "no {expected:?} in {width}:\n{screen}");
        assert!(screen.contains("Vekto drill bit set HSS"), "names stay\n{screen}");
    }
}

#[test]
fn a_line_that_is_cut_says_so_and_one_that_fits_is_left_alone() {
    let line = || Line::of(Tone::Strong, "abc").then(Tone::Plain, "def");
    let cases = [(6, "abcdef"), (7, "abcdef"), (5, "abcd…"), (4, "abc…"), (3, "ab…"), (1, "…"), (0, "")];
    for (width, expected) in cases {
        assert_eq!(line().cut(width).plain(), expected, "{width}");
    }
    assert_eq!(Line::of(Tone::Plain, "電電電").cut(4).plain(), "電…");
    assert_eq!(line().coloured(), "\x1b[1mabc\x1b[0mdef");
}

#[test]
fn a_line_is_wrapped_behind_dots_or_between_words() {
    let line = |text: &str| Line::of(Tone::Faint, "label ").then(Tone::Plain, text);
    for (text, width, expected) in [
        ("a 1 · b 2 · c 3", 22, &["label a 1 · b 2 · c 3"][..]),
        ("a 1 · b 2 · c 3", 19, &["label a 1 · b 2 ·", "      c 3"]),
        ("one two three", 14, &["label one two", "      three"]),
        ("one unreasonable two", 14, &["label one", "      unreaso…", "      two"]),
        ("", 3, &["la…"]),
    ] {
        let lines: Vec<String> = line(text).wrap(width, 6).iter().map(Line::plain).collect();
        assert_eq!(lines, expected, "{text:?} at {width}");
    }
}

#[test]
fn the_screen_says_when_the_list_is_off() {
    let screen = text(&render(&Frame { products: Vec::new(), bought_is_off: true, ..frame() }, 80));
    assert!(screen.contains("the bought-together list is off") && !screen.contains("customers"), "{screen}");
}

#[test]
fn an_empty_frame_and_an_empty_list_are_drawn_too() {
    let empty = ProductView { id: "1".to_owned(), name: "new".to_owned(), entries: Vec::new() };
    let screen = text(&render(&Frame { products: vec![empty], ..Frame::default() }, 80));
    assert!(screen.contains("nothing yet") && screen.contains("1970-01-01 00:00"), "{screen}");
    assert!(!screen.contains("set aside") && !screen.contains("endpoint"));
}

#[test]
fn numbers_are_for_people() {
    assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    assert_eq!([0.4, 99_999.5, f64::NAN].map(rounded), ["0", "100,000", "NaN"]);
    let times = [0.123, 3.12, 42.0, 1_500.0, 90_000.0].map(milliseconds);
    assert_eq!(times, ["0.12 ms", "3.1 ms", "42 ms", "1.5 s", "1.5 min"]);
    assert_eq!([(0, 0), (1, 1_000), (1, 2)].map(|(part, whole)| percent(part, whole)), ["0 %", "0.1 %", "50 %"]);
    assert_eq!(date_time(i64::MAX), "?");
}

#[test]
fn the_summary_tells_what_was_found_and_what_got_in() {
    let verdict = Verdict {
        planted: 111,
        found_in_top: 110,
        entries: 10_505,
        wrong: [6, 0, 20, 0],
        bought_entries: 2_505,
        by_chance: 162,
    };
    let summary = Summary {
        seed: 7,
        measured_events: 300_000,
        min_interval_ms: 1000.0,
        seconds: 2.5,
        simulated_ms: (1_750_000_000_000, 1_757_000_000_000),
        tallies: Tallies { events: 300_000, ..frame().tallies },
        rejects: vec![("not json".to_owned(), 12)],
        delay: frame().delay,
        bought_is_off: false,
        verdict,
        account: Some(Account {
            seen: Seen { ran_out: 170, came_back: 1, sold_out: 1_020, rejected: 0 },
            delay: Some(Delay { p50_ms: 21.0, p99_ms: 512.0 }),
            rejected: 6,
            pinned: [2, 3],
            by_hand: [5, 5],
            nonsense: [5, 6],
            to_review: 1_000,
        }),
        with_all: Some(WithAll { verdict: Verdict { found_in_top: 111, ..Verdict::default() }, sold_out: 0 }),
        without: vec!["support".to_owned()],
        examples: frame().products,
        url: frame().url,
        stopped: true,
    };
    let shown = text(&summary::render(&summary, 100));
    for part in [
        "seed 7, stopped early  without support",
        "300,000 in 2.5 s: 120,000 events/s",
        "2025-06-15 15:06 to 2025-09-04",
        "not json 12",
        "event to list p50 3.1 ms, p99 18 ms  a list goes out at most once in 1.0 s",
        "110 of 111 planted ones are in the top 4",
        "26 of 10,505 entries: substitutes 6 · bulk orders 0 · crawler 20 · one customer 0",
        "162 of 2,505 bought-together entries (6.5 %) join unrelated products",
        "sold out    1,020 entries published of what had run out: stock ran out 170 times and came back 1\n",
        "rejected    0 entries published of 6 rejected pairs",
        "by hand     2 of 3 pinned entries stand first · 5 of 5 relations are shown",
        "review      5 of 6 planted nonsense pairs are in the top 20 of 1,000 entries to review",
        "26 more wrong entries, 162 more entries by chance, 1 fewer complement found, 1,020 more\n",
        "with every rule on 0 are wrong, 0 by chance, 111 complements found, 0 sold out",
        "curl http://127.0.0.1:8080/v1/lists/main/bought-together/1000013",
        "samenloop replay events.jsonl",
    ] {
        assert!(shown.contains(part), "no {part:?} in\n{shown}");
    }
    assert!(!shown.contains("stock-out to list"), "what leaves lists leaves them for another reason\n{shown}");
    let sold_out = |sold_out| {
        let account = summary.account.map(|account| Account { seen: Seen { sold_out, ..account.seen }, ..account });
        text(&summary::render(&Summary { account, ..summary.clone() }, 100))
    };
    assert!(sold_out(0).contains("\n            stock-out to list p50 21 ms, p99 512 ms\n"), "{}", sold_out(0));
    let narrow = text(&summary::render(&summary, 79));
    assert!(!narrow.contains('…'), "wrapped, not cut\n{narrow}");
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let figures = |text: &str| words(text.split_once("Lists go by").unwrap().0);
    assert_eq!(figures(&narrow), figures(&shown), "nothing is lost");
    assert!(narrow.contains("bulk orders 0 · crawler 20 ·\n            one customer 0\n"), "{narrow}");
    let off = text(&summary::render(&Summary { bought_is_off: true, examples: Vec::new(), ..summary.clone() }, 100));
    assert!(off.contains("complements not judged: the bought-together list is off"), "{off}");
    assert!(!off.contains("join unrelated") && !off.contains("complements found") && !off.contains("planted"), "{off}");
    let calm = text(&summary::render(
        &Summary { without: Vec::new(), url: None, with_all: None, stopped: false, ..summary },
        100,
    ));
    assert!(!calm.contains("every rule on") && !calm.contains("curl") && !calm.contains("stopped"));
}

#[test]
fn nothing_is_drawn_where_there_is_no_terminal() {
    let pipe = Term::read_write_pair(tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    assert!(Live::new(pipe).is_none());
}

#[test]
#[ignore = "for eyes, in a terminal: cargo test --lib demo::screen -- --ignored --nocapture"]
fn the_live_view_in_a_terminal() {
    let Some(mut live) = Live::new(Term::buffered_stdout()) else { return };
    let mut frame = frame();
    frame.products = vec![product("Holter cordless drill 18 V", "電動ドリル ビットセット"); 3];
    for step in 0..10 {
        frame.tallies.events += 1_000 * step;
        live.draw(&frame).unwrap();
    }
    live.finish().unwrap();
    println!(
        "{}",
        text(&summary::render(&Summary { examples: frame.products, url: frame.url, ..Summary::default() }, 100))
    );
}
