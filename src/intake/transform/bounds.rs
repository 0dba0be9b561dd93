//! What a program may take: steps, stack, and the length of the texts and arrays that it puts together.
//!
//! jq has no loops but calls: whatever goes on for long calls a function again, or passes on one more value of an array, of `..`, of
//! `range` or of a comma. At each of these places the program's syntax tree gets a step, in the libraries' definitions too; a sum and a text
//! that is put together cost steps by their length. The steps of a record are counted, and where none is left the run is halted, which no
//! `try` catches. A call that is not the last thing its caller does takes stack: a step looks how much.
//!
//! The names of these places start with `!`, which no program can write.
//! Arrays and objects that are put around a value again and again nest no deeper than their drop, which calls itself, has stack for.
//! Not bounded: what one call of a library's function costs on a value of the size that steps allow.

use super::value::of_json;
use super::{Num, Val};
use crate::limits::{TRANSFORM_DEPTH_MAX, TRANSFORM_STACK_BYTES_MAX};
use jaq_core::box_iter::box_once;
use jaq_core::data::HasLut;
use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::native::{Fun, bome, v};
use jaq_core::ops::Math;
use jaq_core::path::{Part, Path};
use jaq_core::{Ctx, DataT, Error, Exn, Lut, Native, ValR, ValX};
use std::cell::Cell;
use std::collections::BTreeSet;

const STEP: &str = "!step";
const TEXT: &str = "!text";
const NESTED: &str = "!nested";
const ADD: &str = "!add";
const MULTIPLY: &str = "!multiply";
const VALUE: &str = "$!value";

/// Bytes of a text, or entries of an array, that are put together in one step.
const LENGTH_A_STEP: usize = 64;

/// Programs over JSON values that are metered.
pub(super) struct Bounded;

impl DataT for Bounded {
    type V<'a> = Val;
    type Data<'a> = Running<'a>;
}

/// A run.
#[derive(Clone)]
pub(super) struct Running<'a> {
    pub lut: &'a Lut<Bounded>,
    pub meter: &'a Meter,
}

impl<'a> HasLut<'a, Bounded> for Running<'a> {
    fn lut(&self) -> &'a Lut<Bounded> {
        self.lut
    }
}

/// Why a run was halted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exhausted {
    Steps,
    Stack,
    Depth,
}

impl Exhausted {
    pub fn of_code(code: i32) -> Option<Self> {
        [Self::Steps, Self::Stack, Self::Depth].into_iter().find(|known| known.code() == code)
    }

    fn code(self) -> i32 {
        self as i32
    }
}

/// What a run has left.
pub(super) struct Meter {
    steps: Cell<usize>,
    /// Where the stack was when it began.
    stack: usize,
}

/// About where the stack ends now.
#[inline(never)]
fn stack_address() -> usize {
    let here = 0_u8;
    std::ptr::from_ref(std::hint::black_box(&here)).addr()
}

impl Meter {
    pub fn start(steps: usize) -> Self {
        Self { steps: Cell::new(steps), stack: stack_address() }
    }

    fn take(&self, steps: usize) -> Result<(), Exhausted> {
        let left = self.steps.get().checked_sub(steps).ok_or(Exhausted::Steps)?;
        self.steps.set(left);
        if self.stack.abs_diff(stack_address()) > TRANSFORM_STACK_BYTES_MAX { Err(Exhausted::Stack) } else { Ok(()) }
    }
}

fn take<'a>(context: &Ctx<'a, Bounded>, steps: usize) -> Result<(), Exn<'a, Val>> {
    context.data().meter.take(steps).map_err(|exhausted| Exn::halt(exhausted.code()))
}

fn length(value: &Val) -> usize {
    match value {
        Val::TStr(bytes) | Val::BStr(bytes) => bytes.len(),
        Val::Arr(values) => values.len(),
        Val::Obj(fields) => fields.len(),
        Val::Null | Val::Bool(_) | Val::Num(_) => 0,
    }
}

/// Whether what a program puts around a value, again and again, is too much: looked at by the first or last that is nested itself.
fn is_deep(value: &Val) -> bool {
    const LOOKED_AT_MAX: usize = 8;
    let is_nested = |value: &&Val| matches!(value, Val::Arr(_) | Val::Obj(_));
    let mut next = Some(value);
    for _ in 0..TRANSFORM_DEPTH_MAX {
        next = match next {
            Some(Val::Arr(values)) => {
                let last = values.last().filter(is_nested);
                last.or_else(|| values.iter().take(LOOKED_AT_MAX).find(is_nested))
            }
            Some(Val::Obj(fields)) => {
                let last = fields.last().map(|(_, value)| value).filter(is_nested);
                last.or_else(|| fields.values().take(LOOKED_AT_MAX).find(is_nested))
            }
            _ => return false,
        };
    }
    next.is_some()
}

/// The functions that [`metered_def`] programs call, and those that stand in place of the libraries'.
pub(super) fn natives() -> impl Iterator<Item = Fun<Bounded>> {
    let step = Native::<Bounded>::new(|cv| box_once(take(&cv.0, 1).map(|()| cv.1)))
        .with_paths(|cv| box_once(take(&cv.0, 1).map(|()| cv.1)))
        .with_update(|cv, update| match take(&cv.0, 1) {
            Ok(()) => update(cv.1),
            Err(halted) => box_once(Err(halted)),
        });
    let text = Native::<Bounded>::new(|cv| box_once(take(&cv.0, 1 + length(&cv.1) / LENGTH_A_STEP).map(|()| cv.1)));
    let nested = Native::<Bounded>::new(|cv| {
        let depth = if is_deep(&cv.1) { Err(Exn::halt(Exhausted::Depth.code())) } else { Ok(()) };
        box_once(depth.map(|()| cv.1))
    });
    let add = Native::<Bounded>::new(|mut cv| {
        let (right, left) = (cv.0.pop_var(), cv.0.pop_var());
        box_once(add(&cv.0, left, right))
    });
    let multiply = Native::<Bounded>::new(|mut cv| {
        let (right, left) = (cv.0.pop_var(), cv.0.pop_var());
        box_once(multiply(&cv.0, left, right))
    });
    let range = Native::<Bounded>::new(|mut cv| {
        let (by, to, from) = (cv.0.pop_var(), cv.0.pop_var(), cv.0.pop_var());
        Box::new(Range { context: cv.0, next: Some(from), to, by })
    });
    let from_json = Native::<Bounded>::new(|cv| bome(from_json(&cv.1)));
    [
        (STEP, v(0), step),
        (TEXT, v(0), text),
        (NESTED, v(0), nested),
        (ADD, v(2), add),
        (MULTIPLY, v(2), multiply),
        ("range", v(3), range),
        ("fromjson", v(0), from_json),
    ]
    .into_iter()
}

/// What is added to the longer one costs: an array that grows by an entry is not paid for anew each time.
fn add<'a>(context: &Ctx<'a, Bounded>, left: Val, right: Val) -> ValX<'a, Val> {
    take(context, 1 + length(&left).min(length(&right)) / LENGTH_A_STEP)?;
    Ok((left + right)?)
}

fn multiply<'a>(context: &Ctx<'a, Bounded>, left: Val, right: Val) -> ValX<'a, Val> {
    let repeated = |text: &Val, times: &Num| {
        length(text).saturating_mul(times.as_isize().map_or(usize::MAX, |times| times.max(0).unsigned_abs()))
    };
    let length = match (&left, &right) {
        (text @ (Val::TStr(_) | Val::BStr(_)), Val::Num(times))
        | (Val::Num(times), text @ (Val::TStr(_) | Val::BStr(_))) => repeated(text, times),
        _ => 0,
    };
    take(context, 1 + length / LENGTH_A_STEP)?;
    Ok((left * right)?)
}

/// From a number to another.
struct Range<'a> {
    context: Ctx<'a, Bounded>,
    next: Option<Val>,
    to: Val,
    by: Val,
}

impl<'a> Iterator for Range<'a> {
    type Item = ValX<'a, Val>;

    fn next(&mut self) -> Option<Self::Item> {
        let value = self.next.take()?;
        let zero = Val::from(0_isize);
        let goes_on = if self.by > zero {
            value < self.to
        } else if self.by < zero {
            value > self.to
        } else {
            value != self.to
        };
        if !goes_on {
            return None;
        }
        if let Err(halted) = take(&self.context, 1) {
            return Some(Err(halted));
        }
        match value.clone() + self.by.clone() {
            Ok(next) => {
                self.next = Some(next);
                Some(Ok(value))
            }
            Err(error) => Some(Err(error.into())),
        }
    }
}

/// Exactly one JSON value, nested no deeper than a record; also a number as people write it (`007`, `+1`).
fn from_json(value: &Val) -> ValR<Val> {
    const NUMBER_BYTES_MAX: usize = 64;
    let Val::TStr(bytes) = value else { return Err(Error::typ(value.clone(), "string")) };
    let looks_like_number =
        |bytes: &[u8]| bytes.first().is_some_and(|byte| byte.is_ascii_digit() || b"+-".contains(byte));
    match of_json(bytes) {
        Ok(read) => Ok(read),
        Err(what) => {
            let text = bytes.trim_ascii();
            let number = (text.len() <= NUMBER_BYTES_MAX
                && looks_like_number(text)
                && text.last().is_some_and(u8::is_ascii_digit))
            .then(|| jaq_json::read::parse_single_num(text))
            .flatten();
            number.map(Val::Num).ok_or_else(|| Error::str(format_args!("a text that is not JSON: {what}")))
        }
    }
}

/// A definition with its steps.
pub(super) fn metered_def(def: Def<&str>) -> Def<&str> {
    Metering::default().def(def)
}

/// Goes through a syntax tree, and notes whom it calls.
#[derive(Default)]
struct Metering<'s> {
    called: BTreeSet<&'s str>,
}

fn call<'s>(name: &'s str, arguments: Vec<Term<&'s str>>) -> Term<&'s str> {
    Term::Call(name, arguments)
}

fn pipe<'s>(left: Term<&'s str>, right: Term<&'s str>) -> Term<&'s str> {
    Term::BinOp(Box::new(left), BinaryOp::Pipe(None), Box::new(right))
}

impl<'s> Metering<'s> {
    /// What calls itself, also from within, does a step each time.
    fn def(&mut self, def: Def<&'s str>) -> Def<&'s str> {
        let mut inner = Self::default();
        let body = inner.term(def.body);
        let is_recursive = inner.called.contains(def.name);
        self.called.append(&mut inner.called);
        Def { body: if is_recursive { pipe(call(STEP, Vec::new()), body) } else { body }, ..def }
    }

    fn boxed(&mut self, term: Term<&'s str>) -> Box<Term<&'s str>> {
        Box::new(self.term(term))
    }

    fn all(&mut self, terms: Vec<Term<&'s str>>) -> Vec<Term<&'s str>> {
        terms.into_iter().map(|term| self.term(term)).collect()
    }

    fn term(&mut self, term: Term<&'s str>) -> Term<&'s str> {
        match term {
            Term::Id | Term::Num(_) | Term::Break(_) | Term::Var(_) => term,
            Term::Recurse => pipe(Term::Recurse, call(STEP, Vec::new())),
            Term::Str(format, parts) => self.text(format, parts),
            Term::Arr(None) => term,
            Term::Arr(Some(inner)) => pipe(Term::Arr(Some(self.boxed(*inner))), call(NESTED, Vec::new())),
            Term::Obj(fields) => {
                let field = |(key, value): (Term<&'s str>, Option<Term<&'s str>>)| {
                    (self.term(key), value.map(|value| self.term(value)))
                };
                pipe(Term::Obj(fields.into_iter().map(field).collect()), call(NESTED, Vec::new()))
            }
            Term::Neg(inner) => Term::Neg(self.boxed(*inner)),
            Term::BinOp(left, operation, right) => self.operation(*left, operation, *right),
            Term::Label(name, inner) => Term::Label(name, self.boxed(*inner)),
            Term::Fold(name, source, pattern, arguments) => {
                Term::Fold(name, self.boxed(*source), self.pattern(pattern), self.all(arguments))
            }
            Term::TryCatch(inner, catch) => Term::TryCatch(self.boxed(*inner), catch.map(|catch| self.boxed(*catch))),
            Term::IfThenElse(cases, otherwise) => {
                let cases =
                    cases.into_iter().map(|(condition, then)| (self.term(condition), self.term(then))).collect();
                Term::IfThenElse(cases, otherwise.map(|otherwise| self.boxed(*otherwise)))
            }
            Term::Def(defs, inner) => {
                Term::Def(defs.into_iter().map(|def| self.def(def)).collect(), self.boxed(*inner))
            }
            Term::Call(name, arguments) => {
                self.called.insert(name);
                let called = call(name, self.all(arguments));
                // It grows a text that holds quotes or backslashes.
                if name == "tojson" { pipe(called, call(TEXT, Vec::new())) } else { called }
            }
            Term::Path(of, path) => self.path(*of, path),
        }
    }

    fn text(&mut self, format: Option<&'s str>, parts: Vec<StrPart<&'s str, Term<&'s str>>>) -> Term<&'s str> {
        let is_made = parts.iter().any(|part| matches!(part, StrPart::Term(_)));
        self.called.extend(format);
        let part = |part| match part {
            StrPart::Term(term) => StrPart::Term(self.term(term)),
            part => part,
        };
        let text = Term::Str(format, parts.into_iter().map(part).collect());
        if is_made { pipe(text, call(TEXT, Vec::new())) } else { text }
    }

    fn path(&mut self, of: Term<&'s str>, Path(parts): Path<Term<&'s str>>) -> Term<&'s str> {
        let is_wide = parts.iter().any(|(part, _)| matches!(part, Part::Range(None, None)));
        let of = self.term(of);
        let part = |(part, optional)| {
            let part = match part {
                Part::Index(index) => Part::Index(self.term(index)),
                Part::Range(from, to) => Part::Range(from.map(|from| self.term(from)), to.map(|to| self.term(to))),
            };
            (part, optional)
        };
        let path = Term::Path(Box::new(of), Path(parts.into_iter().map(part).collect()));
        if is_wide { pipe(path, call(STEP, Vec::new())) } else { path }
    }

    fn pattern(&mut self, pattern: Pattern<&'s str>) -> Pattern<&'s str> {
        match pattern {
            Pattern::Var(name) => Pattern::Var(name),
            Pattern::Arr(inner) => Pattern::Arr(inner.into_iter().map(|pattern| self.pattern(pattern)).collect()),
            Pattern::Obj(fields) => {
                Pattern::Obj(fields.into_iter().map(|(key, of)| (self.term(key), self.pattern(of))).collect())
            }
        }
    }

    fn operation(&mut self, left: Term<&'s str>, operation: BinaryOp<&'s str>, right: Term<&'s str>) -> Term<&'s str> {
        let (left, right) = (self.term(left), self.term(right));
        let binary = |left, operation, right| Term::BinOp(Box::new(left), operation, Box::new(right));
        match operation {
            BinaryOp::Math(Math::Add) => call(ADD, vec![left, right]),
            BinaryOp::Math(Math::Mul) => call(MULTIPLY, vec![left, right]),
            // `l += r` is `r as $x | l |= . + $x`
            BinaryOp::UpdateMath(math @ (Math::Add | Math::Mul)) => {
                let name = if math == Math::Add { ADD } else { MULTIPLY };
                let update = binary(left, BinaryOp::Update, call(name, vec![Term::Id, Term::Var(VALUE)]));
                binary(right, BinaryOp::Pipe(Some(Pattern::Var(VALUE))), update)
            }
            BinaryOp::Pipe(Some(pattern)) => {
                let pattern = self.pattern(pattern);
                binary(left, BinaryOp::Pipe(Some(pattern)), right)
            }
            BinaryOp::Comma => binary(left, BinaryOp::Comma, pipe(call(STEP, Vec::new()), right)),
            other => binary(left, other, right),
        }
    }
}
