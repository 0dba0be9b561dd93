"""Mutations made by rule, for tests/mutations --made: what a slip of the hand would do, in every function of a file.

Each change is one of a few kinds: a comparison, an operator or a method is another one, a condition is always or never so, a number is one more, a
statement is missing. Which of them no test can tell from the code is said in `EQUIVALENT`, with the reason; all others must be noticed.
"""

import re

from mutants import Mutant

# (what is looked for, what stands there instead). `rustfmt` puts spaces around binary operators and nowhere else.
SWAPS = [
    (" < ", " <= "), (" <= ", " < "), (" > ", " >= "), (" >= ", " > "), (" == ", " != "), (" != ", " == "),
    (" && ", " || "), (" || ", " && "), (" + ", " - "), (" - ", " + "), (" * ", " / "), (" / ", " * "), (" % ", " / "),
    (" += ", " -= "), (" -= ", " += "), (" |= ", " &= "), (" &= ", " |= "), (" << ", " >> "), (" >> ", " << "),
    (".min(", ".max("), (".max(", ".min("), (".any(", ".all("), (".all(", ".any("), (".is_some(", ".is_none("),
    (".is_none(", ".is_some("), (".is_some_and(", ".is_none_or("), (".is_none_or(", ".is_some_and("), (".first(", ".last("),
    (".last(", ".first("), ("saturating_add(", "saturating_sub("), ("saturating_sub(", "saturating_add("), (".rev()", ""), (".after()", ""),
    ("get_or_insert(", "insert("), (".take()", ""), ("..=", ".."), ("Some(true)", "Some(false)"), ("Some(false)", "Some(true)"),
    (".then_with(", ".max("), ("true", "false"), ("false", "true"), ("total_cmp(", "partial_cmp("),
]  # fmt: skip
WORD = re.compile(r"\w")
NOT = re.compile(r"(?<![\w=!])!(?=[\w(])")
NUMBER = re.compile(r"(?<![\w.])(\d+)(?:_u32|_i32|_u64|_i64|_usize)?(?![\w.]*\w)")
CONDITION = re.compile(r"(?:\bif|\bwhile) (?!let\b)(?P<condition>[^{}]+?) (?:\{|=>)")
STATEMENT = re.compile(r"^ *(?!let |return|use |const |static |}|//|\)|\]|assert|\.|debug_assert)[^ ].*;$")
# What stands in these says nothing that a test should hold on to.
QUIET = re.compile(r"^\s*(?://|#\[|assert|debug_assert|use |tracing::)|\bunwrap_or\(u32::MAX\)")

# (file, what the line holds, the change, why nothing can tell). Of several alike in a line the first, or that of a number (#2); all
# changes of a line: "*".
EQUIVALENT = [
    ("src/windows/basket.rs", "basket_max.saturating_add(1)", "1 → 2", "room for one more"),
    ("src/windows/basket.rs", "places.unwrap_or(0)", "0 → 1", "stopped before by the assertion"),
    ("src/windows/basket.rs", "(product >> 32)", ">> → <<", "slower: all start at one slot"),
    ("src/windows/basket.rs", "lines.len().min(basket_max", ".min( → .max(", "a larger table"),
    ("src/windows/merge.rs", "if source.bounding {", "source.bounding → true", "a bound of one that holds nothing up is passed over"),
    ("src/windows/mod.rs", "if *key == input.key && is_click && rules.dedup_ids > 0", "0 → 1", "the longer way finds it, too, and remembers more"),
    ("src/windows/purchases.rs", "self.bought.reserve_exact(", "*", "room that is made in advance"),
    ("src/windows/visitors.rs", "hand: 0, held:", "0 → 1", "the first is looked at a round later"),
    ("src/windows/visitors.rs", "if self.chunks.last().is_some_and(Vec::is_empty) {", ".is_some_and( → .is_none_or(", "of no chunk there is none to drop"),
    ("src/windows/visitors.rs", "(hash >> 32) as usize % SHARDS", ">> → <<", "all in one shard: slower"),
    ("src/wire/block.rs", "let count = reader.count(2)?;", "2 → 3", "of each source a section follows"),
    ("src/wire/block.rs", "let count = reader.count(3)?;", "3 → 4", "no entry is that short"),
    ("src/wire/dictionary.rs", "const NUMBERS: usize = 4 * 5;", "4 → 5", "room for a few bytes more"),
    ("src/wire/dictionary.rs", "const NUMBERS: usize = 2 * 5;", "2 → 3", "room for a few bytes more"),
    ("src/wire/dictionary.rs", "self.name_bytes = 0;", "0 → 1", "room for a byte more"),
    ("src/wire/dictionary.rs", "const NUMBERS: usize = 4 * 5;", "5 → 6", "room for a few bytes more"),
    ("src/wire/dictionary.rs", "const NUMBERS: usize = 2 * 5;", "5 → 6", "room for a few bytes more"),
    ("src/wire/dictionary.rs", "let count = reader.count(1)?;", "1 → 2", "sections follow"),
    ("src/wire/dictionary.rs", "let count = reader.count(2)?;", "2 → 3", "no item has an empty name"),
    ("src/wire/events.rs", "event_items.first()", ".first( → .last(", "all lines of an order are of one shop"),
    ("src/wire/events.rs", "reader.count(16)?", "16 → 17", "of each user at least one event follows"),
    ("src/wire/events.rs", "const ENTRY: usize = 64;", "64 → 65", "room for a byte more"),
    ("src/wire/events.rs", "event_items.first().map_or(0,", "0 → 1", "no event is without an item"),
    ("src/wire/events.rs", "HEADER_BYTES + VARINT_BYTES_MAX + self.dictionary", "+ → -", "the bounds of counts leave room for that"),
    ("src/wire/frame.rs", "Vec::with_capacity(1024)", "*", "room that is made in advance"),
    ("src/wire/frame.rs", "block.extend_from_slice(&[0; 8]);", "0 → 1", "`seal` writes over it"),
    ("src/wire/frame.rs", "let mut low = [0; 4];", "0 → 1", "written over"),
    ("src/wire/frame.rs", "let mut said = [0; 8];", "0 → 1", "written over"),
    ("src/wire/pairs.rs", "const ENTRY: usize = 64;", "64 → 65", "room for a byte more"),
    ("src/wire/pairs.rs", "const NUMBER: usize = 5;", "5 → 6", "room for a few bytes more"),
    ("src/wire/pairs.rs", "let shop = if sum == 0 {", "0 → 1 #2", "room for a byte more"),
    ("src/wire/pairs.rs", "sum + shop + NUMBER", "+ → - #2", "what an item costs at most has room for that"),
    ("src/wire/totals.rs", "let mut landmarks = [0; Relation::COUNT];", "0 → 1", "all are read into it"),
    ("src/wire/varint.rs", "(value | 1).leading_zeros()", "1 → 2", "one byte holds both"),
    ("src/rows/counts.rs", "kind: CountKind::Contexts, relation: 0, number: 0, key: 0", "0 → 1 #3", "contexts have no pairs to start among"),
    ("src/rows/counts.rs", "pairs.keys.len() > portion.steps_left", "> → >=", "a portion ends a row earlier"),
    ("src/rows/row.rs", "head.place = self.slabs.take(0);", "0 → 1", "a larger block to start with"),
    ("src/rows/row.rs", "for head in self.heads[relation.index()].iter().filter(|head| head.length > 0)", "> → >=", "a row of nothing has no weights to shrink"),
    ("src/rows/slab.rs", "std::iter::successors(Some(512)", "512 → 513", "blocks of other sizes"),
    ("src/rank/list.rs", "Self::empty(ListKey { shop: ShopId(0)", "*", "a blank list gets its key when it is ranked into"),
    ("src/rank/measure.rs", "if a <= 0.0 {", "<= → <", "0 / 0 is no number, and of that and 0 the larger is 0"),
    ("src/rank/measure.rs", "if a <= 0.0 {", "a <= 0.0 → false", "0 / 0 is no number, and of that and 0 the larger is 0"),
    ("src/rank/measure.rs", "u32::try_from(thousandths(score)).unwrap_or(0)", "0 → 1", "a score is at most 100,000"),
    ("src/rank/measure.rs", "(value - exponent).abs() < 1e-12", "< → <=", "no setting is off by exactly that"),
    ("src/rank/measure.rs", "values.first().map_or(0,", "*", "there is one value"),
    ("src/rank/ranker.rs", "while list.entries.len() < wanted", "< → <=", "one round more, which ends at its first candidate"),
    ("src/rank/ranker.rs", "if self.rules.min_llr_root.is_some() {", "self.rules.min_llr_root.is_some() → true", "roots that `complete` would add are there already"),
    ("src/rank/ranker.rs", "if neighbour.support < self.rules.min_support {", "neighbour.support < self.rules.min_support → false", "the gate looks again; this only saves a look-up"),
    ("src/rank/ranker.rs", "Candidate { rank_milli: 0, index }", "0 → 1", "its value is set once all are collected"),
    ("src/rank/ranker.rs", "if best < candidates.len() {", "< → <=", "saves a partial sort of what is sorted as a whole"),
    ("src/rank/ranker.rs", "if best < candidates.len() {", "best < candidates.len() → true", "saves a partial sort of what is sorted as a whole"),
    ("src/rank/ranker.rs", "if equals.len() > 1 {", "> → >=", "saves ordering one"),
    ("src/rank/ranker.rs", "if equals.len() > 1 {", "equals.len() > 1 → true", "saves ordering one"),
    ("src/rank/ranker.rs", "if candidates[index].rank_milli == rank_milli {", "candidates[index].rank_milli == rank_milli → true", "more is sorted than is needed"),
    ("src/publish/codec/datum.rs", "write_long(length.unwrap_or(0), out);", "0 → 1", "stopped before by the assertion"),
    ("src/publish/figures.rs", "list.entries.first().map(|entry| entry.figures)", "*", "the figures looked at are the same in all entries"),
    ("src/publish/figures.rs", "let first = record.entries.first();", "*", "the figures looked at are the same in all entries"),
    ("src/publish/json.rs", "byte >= b' '", ">= → >", "the slower way writes the same"),
    ("src/publish/lists.rs", "places.resize(index + 1, UNMET);", "1 → 2", "room for one more"),
    ("src/publish/number.rs", "if size < POWERS_OF_TEN[DECIMALS_MAX] {", "< → <=", "10^15 reads the same both ways"),
    ("src/publish/number.rs", "while decimals > 1", "> → >=", "a whole number gets its point and 0 below"),
    ("src/publish/number.rs", "let decimals = if whole > 0 {", "0 → 1", "both ways give the same for one digit before the point"),
    ("src/publish/number.rs", "size * power < 1.0", "< → <=", "a power of ten is written the same with a digit more"),
    ("src/publish/publisher.rs", "Some(stamp) if stamp == known", "stamp == known → false", "what is sent twice says the same"),
    ("src/publish/publisher.rs", "self.published.resize(list.index() + 1,", "1 → 2", "room for one more"),
    ("src/publish/publisher.rs", "if published.shown.len() == shown.len() {", "published.shown.len() == shown.len() → false", "saves an allocation"),
    ("src/stage/checkpoints.rs", "self.ahead.first_key_value().is_none_or", ".is_none_or( → .is_some_and(", "saves a checksum of what is not compared"),
    ("src/stage/checkpoints.rs", "self.ahead.first_key_value().is_none_or", "self.ahead.first_key_value().is_none_or(|(&record, _)| record > offset) → false", "saves a checksum of what is not compared"),
    ("src/stage/intake/reading.rs", "next: NextOffset(0),", "0 → 1", "`opened` sets it before anything is read"),
    ("src/stage/intake.rs", "reading.checksum = if next == expected {", "next == expected → true", "who is not there yet says nothing, and has read a record once it is"),
    ("src/stage/lag.rs", "self.is_history.see(self.history_ms", ".is_some_and( → .is_none_or(", "without a history nobody asks"),
    ("src/stage/mod.rs", "until: None, opened: false, reached: false };", "false → true #2", "before it is opened nothing asks whether it is reached"),
    ("src/stage/mod.rs", "has_read: false, read_at_ms: None", "false → true", "the first look at the clock marks anyhow"),
    ("src/stage/outbox.rs", "sent: Checkpoint::default(), told: None, index: 0", "0 → 1", "a record sets it to 0 before it is looked at"),
    ("src/stage/outbox.rs", "within: false,", "false → true", "at the start of record 0, before anything of it: the same place"),
    ("src/stage/outbox.rs", "generation: 0,", "0 → 1", "`open` sets it before anything is written"),
    ("src/stage/outbox.rs", "if self.channels.len() == 1 {", "self.channels.len() == 1 → false", "a short cut: all belongs to the only one anyhow"),
    ("src/stage/outbox.rs", "self.split = split;", "*", "keeps the room for the next delta; each clears it before use"),
    ("src/stage/rows/silence.rs", "if !self.history.contains(source) {", "!self.history.contains(source) → true", "saves a copy of the name"),
    ("src/stage/rows/totals.rs", "            epoch: 0,", "0 → 1", "`claim` sets it before anything is told"),
    ("src/stage/rows/totals.rs", "            sequence: 0,", "0 → 1", "`claim` sets it before anything is told"),
    ("src/stage/rows/totals.rs", "self.telling.updates = updates;", "*", "keeps the room for the next"),
    ("src/stage/rows/totals.rs", "self.heard.resize(partition.index() + 1, (0, 0));", "1 → 2", "room for one more"),
    ("src/stage/windows.rs", "if block.sections.len() == 1 && self.merge.bytes()", "> → >=", "bounds what is held while a large block is read; what goes, and in which order, is the same"),
    ("src/stage/windows.rs", "if block.sections.len() == 1 && self.merge.bytes()", "block.sections.len() == 1 && self.merge.bytes() > MERGE_RELEASE_BYTES → false", "bounds what is held while a large block is read; what goes, and in which order, is the same"),
    ("src/stage/windows.rs", "            self.release(effects);", "*", "bounds what is held while a large block is read; what goes, and in which order, is the same"),
    ("src/stage/windows.rs", "Lag::Waiting if !self.given_up", "!self.given_up.contains(&head.source) → true", "saves a copy of the name"),
    ("src/stage/windows.rs", "lines.first() else", "*", "all lines of an order are of one shop"),
]


def changes(line):
    """(column, old, new) of every change of a line of code."""
    for old, new in SWAPS:
        at = line.find(old)
        while at >= 0:
            ends = WORD.match(old[0]) and at and WORD.match(line[at - 1]) or WORD.match(old[-1]) and WORD.match(line[at + len(old) : at + len(old) + 1])
            is_closure = old == " || " and (line[:at].endswith(("=", ",", "(")))
            if not ends and not is_closure:
                yield at, old, new
            at = line.find(old, at + 1)
    for found in NOT.finditer(line):
        yield found.start(), "!", ""
    for found in NUMBER.finditer(line):
        yield found.start(1), found[1], str(int(found[1]) + 1)
    for found in CONDITION.finditer(line):
        for new in ("true", "false"):
            if found["condition"] not in ("true", "false") and not (found[0].startswith("while") and new == "true"):
                yield found.start("condition"), found["condition"], new
    if STATEMENT.match(line):
        yield len(line) - len(line.lstrip()), line.strip(), ""


def is_text(line, at, blanked):
    """Whether column `at` lies in a text or a comment: `blanked` is the line without these."""
    return blanked[at : at + 1] == "\0" and line[at] != "\0"


def unique(lines, number, last, code):
    """(first, behind): the lines that, from the break before them to the one behind, stand nowhere else; none behind `last`."""
    behind = number + 1
    while code.count(text_of(lines, number, behind)) > 1 and behind <= last:
        behind += 1
    first = number
    while code.count(text_of(lines, first, behind)) > 1 and first > 1:
        first -= 1
    return first, behind


def text_of(lines, first, behind):
    return "\n" + "".join(line + "\n" for line in lines[first:behind])


def made(file, code, bodies, blanked):
    """All mutations of a file. `bodies`: where its functions are, in characters. `blanked`: code with texts and comments as NULs."""
    lines, blanks = code.split("\n"), blanked.split("\n")
    start = 0
    for number, line in enumerate(lines):
        begin, start = start, start + len(line) + 1
        around = [body for body in bodies if body[0] < begin and start <= body[1]]
        if QUIET.search(line) or not around:
            continue
        last = code.count("\n", 0, max(around)[1]) - 1
        first, behind = unique(lines, number, last, code)
        counts = {}
        for at, old, new in changes(line):
            if is_text(line, at, blanks[number]):
                continue
            broken = [*lines[first:number], line[:at] + new + line[at + len(old) :], *lines[number + 1 : behind]]
            change = f"{old.strip()} → {new.strip() or 'nothing'}"
            counts[change] = counts.get(change, 0) + 1
            numbered = change if counts[change] == 1 else f"{change} #{counts[change]}"
            name = f"{file.removeprefix('src/')}:{number + 1}:{at + 1} {change}"
            texts = (text_of(lines, first, behind), text_of(broken, 0, len(broken)))
            yield Mutant(name, file, *texts, line.strip(), reason(file, line, numbered), True)


def reason(file, line, change):
    for at, holds, what, why in EQUIVALENT:
        if at == file and holds in line and what in ("*", change):
            return why
    return ""


def stale(texts):
    """What is said to be equivalent in code that is not there."""
    return [known for known in EQUIVALENT if known[0] in texts and known[1] not in texts[known[0]]]
