//! A jq program on its own: of one JSON value it makes none, one or several, as bytes. What a source's `transform` is, for whoever has no
//! events to make of what comes out.

use super::Record;
use super::transform::{Num, Transform, Val, of_json, text_or_bytes};
use crate::limits::TRANSFORM_STEPS_MAX;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A program, compiled.
#[derive(Clone, Debug)]
pub struct Program(Transform);

impl Program {
    /// The program that `text` is.
    ///
    /// # Errors
    /// What is wrong with it, where.
    pub fn compile(text: &str) -> Result<Self, String> {
        Transform::compile(text).map(Self).map_err(|error| error.message)
    }

    /// What it gives for `json`, the value of `record`: a text as it is, anything else as JSON. `null` counts as nothing. It sees `key`
    /// in place of the record's own.
    ///
    /// # Errors
    /// What is wrong with the value, or why the program fails on it, without what stands in the record.
    pub fn run(&self, json: &[u8], key: &str, record: &Record<'_>) -> Result<Vec<Vec<u8>>, String> {
        let input = of_json(json)?;
        let text = |bytes: &[u8]| text_or_bytes(bytes);
        let headers = record.headers.iter().map(|&(name, bytes)| (text(name.as_bytes()), text(bytes)));
        let timestamp = record.timestamp_ms.map_or(Val::Null, |time_ms| Val::Num(Num::from_integral(time_ms)));
        let variables = [text(key.as_bytes()), Val::obj(headers.collect()), text(record.topic.as_bytes()), timestamp];
        // What the libraries do not expect of a record must not end the process.
        let run = catch_unwind(AssertUnwindSafe(|| self.0.run(TRANSFORM_STEPS_MAX, input, variables)));
        let outputs = run.unwrap_or_else(|_| Err("the program cannot be run on this record".to_owned()))?;
        outputs.into_iter().filter_map(|output| output.into_bytes().transpose()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(program: &str, json: &str) -> Result<Vec<String>, String> {
        let record = Record { topic: "lists", timestamp_ms: Some(7), ..Record::default() };
        let given = Program::compile(program).unwrap().run(json.as_bytes(), "a/b/c", &record)?;
        Ok(given.into_iter().map(|bytes| String::from_utf8(bytes).unwrap()).collect())
    }

    #[test]
    fn a_text_is_given_as_it_is_and_anything_else_as_json() {
        let list = r#"{"entries":[{"item":"a\"é"},{"item":"b"}],"n":0.10}"#;
        assert_eq!(run(r#"[.entries[].item] | join(",")"#, list).unwrap(), ["a\"é,b"]);
        assert_eq!(run("[.entries[].item]", list).unwrap(), [r#"["a\"é","b"]"#]);
        assert_eq!(
            run("{k: $key, t: $topic, at: $timestamp, n}", list).unwrap(),
            [r#"{"k":"a/b/c","t":"lists","at":7,"n":0.10}"#]
        );
        assert_eq!(run("null, empty, 1, 2", list).unwrap(), ["1", "2"]);
    }

    #[test]
    fn what_is_no_json_is_not_given_out_and_a_failing_program_says_so() {
        assert!(run("nan", "{}").unwrap_err().contains("JSON"), "{:?}", run("nan", "{}"));
        assert!(run("[infinite]", "{}").unwrap_err().contains("JSON"));
        assert!(run(r#"error("no")"#, "{}").unwrap_err().contains("no"));
        assert!(run(".", "{").is_err());
        assert!(Program::compile(".a |").unwrap_err().contains("line 1"));
    }
}
