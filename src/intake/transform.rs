//! A source's jq program: of one record it makes none, one or several values, and each is read by the mapping's fields.
//!
//! The language is that of jq, as the `jaq` crates run it. A program is compiled once. It sees the record as its input, and `$key`,
//! `$headers`, `$topic`, `$timestamp`.
//!
//! Invariants: what a program gives depends on the record alone: there is no clock, no environment, no other input, and nothing
//! that it does is seen outside. A run ends: its steps, the stack it takes and its outputs are bounded (see `bounds`). A run that
//! fails gives nothing, so a record counts with all of its values or with none. Numbers keep their digits.
//! Absent: what the values mean (see `decode`), and how a record is written (see `value` and `avro`).

mod bounds;
mod message;
mod value;

use self::bounds::{Bounded, Exhausted, Meter, Running, metered_def, natives};
use super::json::is_json;
use super::mapping::MappingError;
use super::paths::Paths;
use super::value::Found;
use crate::limits::{TRANSFORM_BYTES_MAX, TRANSFORM_DEPTH_MAX, TRANSFORM_OUTPUTS_MAX};
use jaq_core::load::lex::Lexer;
use jaq_core::load::parse::{Def, Parser};
use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Exn, Filter, Vars};
pub(super) use jaq_json::{Num, Val};
use std::fmt;
use std::sync::Arc;
pub(super) use value::{of_json, text_or_bytes};

/// What a program knows besides its input, in the order in which it is given.
const VARIABLES: [&str; 4] = ["$key", "$headers", "$topic", "$timestamp"];

/// The name under which the program itself is compiled.
const PROGRAM: &str = "samenloop_transform";

/// Native functions of the libraries that a program has not: the world outside, the machine's zone, the end of the process;
/// and those that `bounds` puts others in place of.
const LEFT_OUT: [&str; 9] =
    ["env", "now", "localtime", "strflocaltime", "halt", "debug_empty", "stderr_empty", "range", "fromjson"];

/// The same, of their definitions.
const DEFINITIONS_LEFT_OUT: [&str; 4] = ["debug", "stderr", "halt", "halt_error"];

/// What of jq does not exist here, on purpose: an error says so.
const REFUSED: [&str; 15] = [
    "now",
    "env",
    "input",
    "inputs",
    "input_filename",
    "input_line_number",
    "debug",
    "stderr",
    "halt",
    "halt_error",
    "localtime",
    "strflocaltime",
    "get_search_list",
    "$ENV",
    "$__prog_args",
];

/// Definitions of jq that the libraries do not have.
const MORE_DEFINITIONS: &str = r"
def IN(s): any(s == .; .);
def IN(source; s): any(source == s; .);
def INDEX(stream; f): reduce stream as $row ({}; .[$row | f | tostring] = $row);
def INDEX(f): INDEX(.[]; f);
def toarray: if isarray then . else [.] end;
def trimstr($text): ltrimstr($text) | rtrimstr($text);
";

/// A program, compiled.
#[derive(Clone)]
pub(super) struct Transform {
    program: Arc<Program>,
}

struct Program {
    text: String,
    filter: Filter<Bounded>,
}

impl fmt::Debug for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Transform").field(&self.program.text).finish()
    }
}

/// A value that a program gave for a record: to be read by the mapping's fields.
#[derive(Clone, Debug)]
pub struct Output(Val);

impl Output {
    /// As it would be written.
    #[cfg(test)]
    pub(super) fn to_json(&self) -> String {
        self.0.to_string()
    }

    /// As bytes: a text as it is, anything else as JSON; none for `null`.
    ///
    /// # Errors
    /// When it is none that JSON can write, as of a number without end.
    pub(super) fn into_bytes(self) -> Result<Option<Vec<u8>>, String> {
        match self.0 {
            Val::Null => Ok(None),
            Val::TStr(text) => Ok(Some(text.to_vec())),
            value => {
                let written = value.to_string().into_bytes();
                let fault = |what| format!("it gives what JSON cannot write: {what}");
                is_json(&written).map_err(fault)?;
                Ok(Some(written))
            }
        }
    }

    /// The values at `paths`.
    pub(super) fn found(&self, paths: &Paths) -> Found<'_> {
        value::found(&self.0, paths)
    }
}

impl Transform {
    /// The program that `text` is.
    ///
    /// # Errors
    /// What is wrong with it, where.
    pub fn compile(text: &str) -> Result<Self, MappingError> {
        Self::program(text).map_err(|message| MappingError { field: "transform", message })
    }

    fn program(text: &str) -> Result<Self, String> {
        if text.len() > TRANSFORM_BYTES_MAX {
            return Err(format!("{} bytes, more than {TRANSFORM_BYTES_MAX}", text.len()));
        }
        let tokens = Lexer::new(text).lex().map_err(|errors| message::of_lexer(text, &errors))?;
        let term = Parser::new(&tokens).parse(|parser| parser.term());
        let term = term.map_err(|errors| message::of_parser(text, &errors))?;
        let more = jaq_core::load::parse(MORE_DEFINITIONS, |parser| parser.defs()).unwrap_or_default();
        let definitions = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs()).chain(more);
        let mut definitions: Vec<Def<&str>> =
            definitions.filter(|def| !DEFINITIONS_LEFT_OUT.contains(&def.name)).map(|def| metered_def(def)).collect();
        definitions.push(metered_def(Def { name: PROGRAM, args: Vec::new(), body: term }));
        let arena = Arena::default();
        let loader = Loader::new(definitions);
        let modules = loader.load(&arena, File { code: PROGRAM, path: () });
        let modules = modules.map_err(|_| "it cannot be loaded".to_owned())?;
        let functions = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
        let functions = functions.filter(|(name, ..)| !LEFT_OUT.contains(name)).chain(natives());
        let compiler = Compiler::default().with_funs(functions).with_global_vars(VARIABLES);
        let filter = compiler.compile(modules).map_err(|errors| {
            let errors: Vec<_> = errors.into_iter().flat_map(|(_, errors)| errors).collect();
            message::of_compiler(text, &errors)
        })?;
        Ok(Self { program: Arc::new(Program { text: text.to_owned(), filter }) })
    }

    /// Whether the program reads the record's key.
    pub fn uses_key(&self) -> bool {
        self.program.text.contains(VARIABLES[0])
    }

    /// What the program gives for `input`, within so many steps.
    pub fn run(&self, steps: usize, input: Val, variables: [Val; VARIABLES.len()]) -> Result<Vec<Output>, String> {
        let Program { text, filter } = &*self.program;
        let meter = Meter::start(steps);
        let mut outputs = Vec::new();
        let running = Running { lut: &filter.lut, meter: &meter };
        let context = Ctx::<Bounded>::new(running, Vars::new(variables));
        for output in filter.id.run((context, input)) {
            if outputs.len() == TRANSFORM_OUTPUTS_MAX {
                return Err(format!(
                    "more than {TRANSFORM_OUTPUTS_MAX} values of one record; split it at its producer"
                ));
            }
            outputs.push(output.map(Output).map_err(|failure| failed(text, steps, failure))?);
        }
        Ok(outputs)
    }
}

/// What a run that failed says.
fn failed(text: &str, steps: usize, failure: Exn<'_, Val>) -> String {
    match failure.get_err() {
        Ok(error) => message::of_run(text, &error.to_string()),
        Err(other) => match other.get_halt().ok().and_then(Exhausted::of_code) {
            Some(Exhausted::Steps) => {
                format!("more than {steps} steps for one record: a loop without end, or a product of long lists")
            }
            Some(Exhausted::Depth) => format!("a value nested deeper than {TRANSFORM_DEPTH_MAX}"),
            Some(Exhausted::Stack) => {
                "calls itself too deeply: make the call the last thing that the function does".to_owned()
            }
            None => "break without its label".to_owned(),
        },
    }
}
