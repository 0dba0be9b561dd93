//! Rust source as far as the architecture needs it: tokens, paths, test code. No parser: what it cannot tell apart it
//! takes for an arrow, so that it fails rather than misses.

/// A word, or one sign of punctuation.
#[derive(Clone, Debug)]
pub struct Token {
    pub line: usize,
    pub text: String,
    pub in_test: bool,
}

/// A path as it is written, groups taken apart: `use a::{b, c::d}` gives `a::b` and `a::c::d`.
pub struct Named {
    pub line: usize,
    pub segments: Vec<String>,
    pub is_use: bool,
}

/// First and last line of each run of test code.
pub fn spans(tokens: &[Token]) -> Vec<(usize, usize)> {
    let runs = tokens.chunk_by(|one, next| one.in_test == next.in_test);
    runs.filter(|run| run[0].in_test).map(|run| (run[0].line, run[run.len() - 1].line)).collect()
}

/// Words and signs, without comments, texts, characters and lifetimes.
pub fn tokens(text: &str) -> Vec<Token> {
    let letters: Vec<char> = text.chars().collect();
    let (mut at, mut line, mut found) = (0, 1, Vec::new());
    let word = |letter: char| letter.is_alphanumeric() || letter == '_';
    while at < letters.len() {
        let start = at;
        let next = letters.get(at + 1).copied().unwrap_or(' ');
        match letters[at] {
            '/' if next == '/' => {
                while at < letters.len() && letters[at] != '\n' {
                    at += 1
                }
            }
            '/' if next == '*' => at = end_of_comment(&letters, at),
            '"' => at = end_of_text(&letters, at, '"'),
            '\'' if next == '\\' || letters.get(at + 2) == Some(&'\'') => at = end_of_text(&letters, at, '\''),
            '\'' => at += 1,
            letter if word(letter) => {
                while at < letters.len() && word(letters[at]) {
                    at += 1;
                }
                let name: String = letters[start..at].iter().collect();
                let hashes = letters[at..].iter().take_while(|letter| **letter == '#').count();
                if matches!(name.as_str(), "r" | "br") && letters.get(at + hashes) == Some(&'"') {
                    at = end_of_raw_text(&letters, at + hashes + 1, hashes);
                } else {
                    found.push(Token { line, text: name, in_test: false });
                }
            }
            letter => {
                at += 1;
                if !letter.is_whitespace() {
                    found.push(Token { line, text: letter.to_string(), in_test: false });
                }
            }
        }
        line += letters[start..at].iter().filter(|letter| **letter == '\n').count();
    }
    found
}

fn end_of_comment(letters: &[char], from: usize) -> usize {
    let (mut at, mut depth) = (from, 0_usize);
    while at + 1 < letters.len() {
        match (letters[at], letters[at + 1]) {
            ('/', '*') => depth += 1,
            ('*', '/') => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    letters.len()
}

fn end_of_text(letters: &[char], from: usize, quote: char) -> usize {
    let mut at = from + 1;
    while at < letters.len() && letters[at] != quote {
        at += if letters[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(letters.len())
}

fn end_of_raw_text(letters: &[char], from: usize, hashes: usize) -> usize {
    let closes = |at: &usize| {
        letters[*at] == '"' && letters[at + 1..].iter().take(hashes).filter(|l| **l == '#').count() == hashes
    };
    (from..letters.len()).find(closes).map_or(letters.len(), |at| at + 1 + hashes)
}

/// Marks what `#[cfg(test)]` stands before: to the `;`, or the `}` that ends it.
pub fn mark_tests(tokens: &mut [Token]) {
    let attribute = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut at = 0;
    while at + attribute.len() <= tokens.len() {
        if !tokens[at..].iter().zip(attribute).all(|(token, expected)| token.text == expected) {
            at += 1;
            continue;
        }
        let (start, mut depth) = (at, 0_i32);
        at += attribute.len();
        while at < tokens.len() {
            let text = tokens[at].text.as_str();
            at += 1;
            match text {
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" => depth -= 1,
                _ => {}
            }
            if depth == 0 && (text == ";" || text == "}") {
                break;
            }
        }
        for token in &mut tokens[start..at] {
            token.in_test = true;
        }
    }
}

/// Every path in the code.
pub fn paths(tokens: &[Token]) -> Vec<Named> {
    let (mut at, mut found) = (0, Vec::new());
    while at < tokens.len() {
        let is_use = tokens[at].text == "use";
        if is_use {
            at += 1;
        }
        at = path(tokens, at, &[], is_use, &mut found).max(at + usize::from(!is_use));
    }
    found
}

/// Reads the path (or the tree of a `use`) at `at`; hands back where it ends.
fn path(tokens: &[Token], mut at: usize, before: &[String], is_use: bool, found: &mut Vec<Named>) -> usize {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let colons = |at: usize| text(at) == ":" && text(at + 1) == ":";
    if colons(at) {
        at += 2;
    }
    let mut segments = before.to_vec();
    let line = tokens.get(at).map_or(0, |token| token.line);
    loop {
        match text(at) {
            "{" if segments.len() > before.len() || is_use => {
                at += 1;
                while at < tokens.len() && text(at) != "}" {
                    let end = path(tokens, at, &segments, is_use, found);
                    at = if text(end) == "," { end + 1 } else { end.max(at + usize::from(end == at)) };
                }
                return at + 1;
            }
            "*" if is_use => segments.push("*".to_owned()),
            "self" if is_use && !segments.is_empty() => {}
            word if word.starts_with(|letter: char| letter.is_alphabetic() || letter == '_') => {
                segments.push(word.to_owned())
            }
            _ => break,
        }
        at += 1;
        if !colons(at) {
            break;
        }
        at += 2;
    }
    if segments.len() > before.len() || (is_use && !segments.is_empty()) {
        found.push(Named { line, segments, is_use });
    }
    if is_use && text(at) == "as" {
        at += 2;
    }
    at
}

/// Where the code gives up instead of handing an error back.
pub fn panics(tokens: &[Token]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for three in tokens.windows(3) {
        let [before, name, after] = [&three[0].text, &three[1].text, &three[2].text];
        let is_method = matches!(name.as_str(), "unwrap" | "expect") && (before == "." || before == ":");
        let is_macro = matches!(name.as_str(), "panic" | "todo" | "unimplemented") && after == "!";
        if is_method {
            found.push((three[1].line, name.clone()));
        } else if is_macro {
            found.push((three[1].line, format!("{name}!")));
        }
    }
    found
}
