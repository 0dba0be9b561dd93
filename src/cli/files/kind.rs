//! What a file is, by its first bytes, and what to do with one that is no file of records.
//!
//! Absent: reading on. Names of files decide nothing.

use super::rows::likely_delimiter;
use serde_json::error::Category;

/// How a file of JSON is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// A record a line.
    Lines,
    /// The elements of one array.
    Elements,
    /// Documents over several lines each, one behind the other.
    Documents,
}

/// Signatures of files that hold no text, with their names and what makes records of them.
const SIGNATURES: [(&[u8], &str, &str); 12] = [
    (b"PAR1", "a Parquet file", "duckdb -c \"COPY (FROM 'FILE') TO '/dev/stdout' (FORMAT json)\" | samenloop replay -"),
    (b"Obj\x01", "an Avro container file", "avro-tools tojson FILE | samenloop replay -"),
    (b"ORC", "an ORC file", "orc-contents FILE | samenloop replay -"),
    (b"BZh", "packed by bzip2", "bzip2 -dc FILE | samenloop replay -"),
    (b"\xFD7zXZ\x00", "packed by xz", "xz -dc FILE | samenloop replay -"),
    (b"\x04\x22\x4D\x18", "packed by lz4", "lz4 -dc FILE | samenloop replay -"),
    (b"7z\xBC\xAF\x27\x1C", "a 7-Zip archive", "7z x -so FILE | samenloop replay -"),
    (b"\xD0\xCF\x11\xE0", "an Excel workbook (.xls)", "save it as CSV in UTF-8, and set format = \"csv\""),
    (b"SQLite format 3\x00", "an SQLite database", "sqlite3 -json FILE \"SELECT …\", and set records = \"\""),
    (b"%PDF", "a PDF document", "ask for the data behind it"),
    (b"<?xml", "an XML document", "make JSON lines of it, as in: xq -c '.orders.order[]' FILE | samenloop replay -"),
    (b"<!DOCTYPE", "a web page", "was the download refused, or does it need a login?"),
];

/// What to do with a file that cannot be read as it is; `None` when it may be.
pub(super) fn refusal(start: &[u8], name: &str) -> Option<String> {
    if start.starts_with(b"PK\x03\x04") {
        let is_workbook = [&b"[Content_Types].xml"[..], b"xl/"]
            .iter()
            .any(|part| start.windows(part.len()).any(|window| window == *part));
        return Some(match is_workbook {
            true => "is an Excel workbook (.xlsx): save it as CSV in UTF-8, and set format = \"csv\"".to_owned(),
            false => format!("is a zip archive: unzip -p {name} | samenloop replay -"),
        });
    }
    let trimmed = start.trim_ascii_start();
    let known =
        SIGNATURES.iter().find(|(signature, _, _)| start.starts_with(signature) || trimmed.starts_with(signature));
    if let Some((_, what, remedy)) = known {
        return Some(format!("is {what}: {}", remedy.replace("FILE", name)));
    }
    let (even, odd) = start
        .chunks_exact(2)
        .fold((0, 0), |(even, odd), pair| (even + usize::from(pair[0] == 0), odd + usize::from(pair[1] == 0)));
    let pairs = start.len() / 2;
    match (even * 4 > pairs * 3, odd * 4 > pairs * 3) {
        (false, true) => Some("is UTF-16 without a byte order mark: set encoding = \"utf-16le\"".to_owned()),
        (true, false) => Some("is UTF-16 without a byte order mark: set encoding = \"utf-16be\"".to_owned()),
        (true, true) => Some("holds nothing but zeros: was it cut off while it was written?".to_owned()),
        (false, false) => None,
    }
}

/// How JSON is laid out, or what to do with a file of something else. `is_whole`: `start` is all there is of the file.
pub(super) fn layout(start: &[u8], is_whole: bool) -> Result<Layout, String> {
    let text = start.trim_ascii_start();
    let (line, rest) = match text.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&text[..end], Some(&text[end..])),
        None => (text, None),
    };
    // The error of a text that is good but has no end yet.
    let is_cut = |text: &[u8]| {
        serde_json::from_slice::<serde::de::IgnoredAny>(text).is_err_and(|error| error.classify() == Category::Eof)
    };
    match line.first() {
        Some(b'{') if rest.is_some() && is_cut(line) && is_document(text, is_whole) => Ok(Layout::Documents),
        Some(b'[') => {
            let follows = rest.is_some_and(|rest| !rest.trim_ascii().is_empty());
            let is_lines = follows && serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok();
            Ok(if is_lines { Layout::Lines } else { Layout::Elements })
        }
        Some(b'{') => Ok(Layout::Lines),
        _ => table(start).map_or(Ok(Layout::Lines), Err),
    }
}

/// The pointer to the first array of objects in the document that `start` begins with: a page of an API holds its records
/// there. Names with `~` or `/` in them have none.
pub(super) fn page(start: &[u8]) -> Option<String> {
    let (mut depth, mut in_text, mut escaped, mut text_from) = (0_usize, false, false, 0);
    let mut name: Option<&[u8]> = None;
    for (at, &byte) in start.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' if in_text => {
                in_text = false;
                if depth == 1 {
                    name = Some(&start[text_from..at]);
                }
            }
            b'"' => (in_text, text_from) = (true, at + 1),
            _ if in_text => {}
            b'[' if depth == 0 => return None,
            b'[' if depth == 1 && start[at + 1..].trim_ascii_start().starts_with(b"{") => {
                let name = str::from_utf8(name?).ok().filter(|name| !name.contains(['~', '/', '\\']))?;
                return Some(format!("/{name}"));
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// Whether `text` starts with a whole value, or, where there is more of it, one that has no end yet.
fn is_document(text: &[u8], is_whole: bool) -> bool {
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<serde::de::IgnoredAny>();
    match values.next() {
        Some(Ok(_)) => true,
        Some(Err(error)) => error.is_eof() && !is_whole,
        None => false,
    }
}

/// What to do with a file that looks like a table.
fn table(start: &[u8]) -> Option<String> {
    let delimiter = likely_delimiter(start);
    let count = |line: &[u8]| line.iter().filter(|byte| **byte == delimiter).count();
    let mut lines = start.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end).filter(|line| !line.is_empty());
    let header = lines.next()?;
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"\" _-./()%#".contains(byte) || !byte.is_ascii();
    let is_header = count(header) > 0 && header.iter().all(|byte| *byte == delimiter || is_name(byte));
    let row = lines.next().filter(|row| count(row) >= count(header) && !row.starts_with(b"{"));
    if !is_header || row.is_none() {
        return None;
    }
    let shown: String = String::from_utf8_lossy(header).chars().take(120).collect();
    let what = match delimiter {
        b'\t' => "tab-separated values: set format = \"tsv\"",
        _ => "a table (CSV): set format = \"csv\"",
    };
    Some(format!(
        "holds {what} for its source, and map its columns by their names, such as item = \"/sku\"; its first line is {shown}"
    ))
}

/// What to do with JSON where rows are expected.
pub(super) fn is_json(start: &[u8]) -> bool {
    let line = start.trim_ascii_start().split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.starts_with(b"{") && serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_other_kinds_are_recognised_and_named_with_what_to_do() {
        for (start, part) in [
            (&b"PK\x03\x04\x14\x00\x06\x00[Content_Types].xml"[..], "an Excel workbook (.xlsx)"),
            (b"PK\x03\x04\x14\x00\x00\x00orders.json", "a zip archive: unzip -p data.bin"),
            (b"PAR1\x15\x04", "a Parquet file: duckdb"),
            (b"\xD0\xCF\x11\xE0\xA1", "an Excel workbook (.xls)"),
            (b"\xFD7zXZ\x00", "packed by xz: xz -dc data.bin"),
            (b"\n<?xml version", "an XML document"),
            (b"{\0\"\0a\0\"\0", "set encoding = \"utf-16le\""),
            (b"\0{\0\"\0a\0\"", "set encoding = \"utf-16be\""),
        ] {
            let told = refusal(start, "data.bin").unwrap();
            assert!(told.contains(part), "{told}");
        }
        for start in [&b"{\"a\":1}\n"[..], b"", b"x", b"Order;Item\n1;2"] {
            assert_eq!(refusal(start, "f"), None);
        }
    }

    #[test]
    fn a_page_is_known_by_its_array_of_objects() {
        for (text, expected) in [
            ("{\"@odata.context\":\"[{\",\"count\":2,\"value\":[ {\"a\":1}]}", Some("/value")),
            ("{\n  \"meta\": {\"x\": [{}]},\n  \"orders\": [\n    {\"id\"", Some("/orders")),
            ("{\"a\":[1,2]}", None),
            ("{\"a/b\":[{}]}", None),
            ("[{\"a\":1}]", None),
            ("", None),
        ] {
            assert_eq!(page(text.as_bytes()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn the_layout_of_json_is_seen_and_a_table_is_named() {
        for (text, expected) in [
            ("{\"a\":1}\n{\"a\":2}\n", Layout::Lines),
            ("{\"a\":1}", Layout::Lines),
            ("{\"a\":\nbroken", Layout::Lines), // a reject, not a document
            ("{\n  \"a\": 1\n}\n{\n  \"a\": 2\n}\n", Layout::Documents),
            ("[{\"a\":1},{\"a\":2}]", Layout::Elements),
            ("[\n  {\"a\":1},\n  {\"a\":2}\n]", Layout::Elements),
            ("[{\"a\":1}]\n[{\"a\":2}]\n", Layout::Lines),
            ("garbage\nmore of it\n", Layout::Lines),
            ("{\"a\":1,\"b\n\n\n", Layout::Lines),
        ] {
            assert_eq!(layout(text.as_bytes(), true), Ok(expected), "{text}");
        }
        for (text, part) in [
            ("order;item;date\n1;a;b\n", "set format = \"csv\""),
            ("\"order\",\"item\"\n1,2\n", "its first line is \"order\",\"item\""),
            ("order\titem\n1\t2\n", "set format = \"tsv\""),
        ] {
            let told = layout(text.as_bytes(), true).unwrap_err();
            assert!(told.contains(part), "{told}");
        }
    }
}
