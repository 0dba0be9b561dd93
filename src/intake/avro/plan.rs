//! What is wanted of the values of one writer schema: compiled once, followed for every value.
//!
//! A step of a wanted path is looked for among a record's fields by name, then by the aliases that the writer's fields
//! have. With a reader's schema it first names a field of that; this is then looked for in the writer's by its name,
//! its aliases, and the aliases of the writer's fields, and where nothing is found its default stands in. (`apache-avro`
//! 0.22 ignores a reader's aliases, and would give the default though the value is there.)
//!
//! Invariants: a read has a node; what has none is skipped by its type alone. A plan is as large as its schema times the
//! wanted paths at most, however the types name each other.
//! Absent: bytes (see `read`).

use super::schema::{Field, Record, Schema, Type, TypeId};
use crate::intake::paths::Paths;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Number of a read within its plan.
pub(super) type ReadId = usize;

/// How the values of one writer schema are read.
#[derive(Clone, Debug)]
pub(in crate::intake) struct Plan {
    pub(super) schema: Arc<Schema>,
    pub(super) reads: Vec<Read>,
    pub(super) top: ReadId,
}

impl Plan {
    /// About the bytes held.
    pub(in crate::intake) fn bytes(&self) -> usize {
        crate::memory::of_vec(&self.reads) + self.schema.bytes()
    }
}

/// How a written value becomes what stands at a node.
#[derive(Clone, Debug)]
pub(super) struct Read {
    pub node: usize,
    pub kind: Kind,
}

/// What is read.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// A scalar of this type.
    Scalar(TypeId),
    /// The same node, whichever branch is written.
    Union(Vec<ReadId>),
    Record {
        of: TypeId,
        /// By field, the reads of it: mostly none (then it is skipped) or one; several where paths meet by aliases.
        parts: Vec<Vec<ReadId>>,
        /// What is not written.
        defaults: Vec<Default>,
    },
    Array {
        element: TypeId,
        indexed: Vec<(usize, ReadId)>,
        /// Reads the order's lines that have no node of their own.
        each: Option<ReadId>,
    },
    Map {
        value: TypeId,
        named: Vec<(Box<str>, ReadId)>,
    },
}

/// A reader's default, and the plan by which it is read.
#[derive(Clone, Debug)]
pub(super) struct Default {
    pub bytes: Box<[u8]>,
    pub plan: Plan,
}

impl Plan {
    /// How values of `writer` are read for `paths`, where the steps name fields of `reader` if there is one.
    pub fn new(writer: Arc<Schema>, reader: Option<&Arc<Schema>>, paths: &Paths) -> Self {
        let (of, seen_as) = (writer.top, reader.map(|reader| reader.top));
        Self::of(writer, of, reader, seen_as, paths, 0)
    }

    fn of(
        writer: Arc<Schema>,
        of: TypeId,
        reader: Option<&Arc<Schema>>,
        seen_as: Option<TypeId>,
        paths: &Paths,
        node: usize,
    ) -> Self {
        let mut compiler = Compiler { writer: &writer, reader, paths, reads: Vec::new(), known: BTreeMap::default() };
        let top = compiler.read(of, seen_as, node);
        Self { reads: compiler.reads, schema: writer, top }
    }
}

struct Compiler<'s> {
    writer: &'s Schema,
    reader: Option<&'s Arc<Schema>>,
    paths: &'s Paths,
    reads: Vec<Read>,
    known: BTreeMap<(TypeId, Option<TypeId>, usize), ReadId>,
}

impl Compiler<'_> {
    /// The read of a value written as `of`, and seen as a type of the reader's, for `node`. It ends: a type holds itself
    /// only by way of a step, and every step leads to a node further down.
    fn read(&mut self, of: TypeId, seen_as: Option<TypeId>, node: usize) -> ReadId {
        let seen_as = seen_as.and_then(|seen_as| self.branch_seen(of, seen_as));
        if let Some(&known) = self.known.get(&(of, seen_as, node)) {
            return known;
        }
        let kind = match self.writer.of(of) {
            Type::Scalar(_) => Kind::Scalar(of),
            Type::Union(branches) => {
                Kind::Union(branches.iter().map(|&branch| self.read(branch, seen_as, node)).collect())
            }
            Type::Record(record) => self.record(of, record, seen_as, node),
            &Type::Array(element) => {
                let seen_as = self.inner_seen(seen_as);
                let (paths, each) = (self.paths, self.paths.node(node).each);
                let indexed = paths.node(node).children.iter().filter_map(|&child| Some((paths.index(child)?, child)));
                Kind::Array {
                    element,
                    indexed: indexed.map(|(index, child)| (index, self.read(element, seen_as, child))).collect(),
                    each: each.map(|each| self.read(element, seen_as, each)),
                }
            }
            &Type::Map(value) => {
                let seen_as = self.inner_seen(seen_as);
                let (paths, children) = (self.paths, &self.paths.node(node).children);
                let named = children.iter().map(|&child| (paths.step(child).into(), self.read(value, seen_as, child)));
                Kind::Map { value, named: named.collect() }
            }
        };
        self.reads.push(Read { node, kind });
        self.known.insert((of, seen_as, node), self.reads.len() - 1);
        self.reads.len() - 1
    }

    fn record(&mut self, of: TypeId, record: &Record, seen_as: Option<TypeId>, node: usize) -> Kind {
        let mut parts = vec![Vec::new(); record.fields.len()];
        let mut defaults = Vec::new();
        for &child in &self.paths.node(node).children {
            let seen = self.field_seen(seen_as, self.paths.step(child));
            match place_written(record, seen, self.paths.step(child)) {
                Some(place) => {
                    let seen_as = seen.map(|field| field.of);
                    parts[place].push(self.read(record.fields[place].of, seen_as, child));
                }
                None => defaults.extend(seen.and_then(|field| self.default(field, child))),
            }
        }
        Kind::Record { of, parts, defaults }
    }

    fn default(&self, field: &Field, node: usize) -> Option<Default> {
        let (reader, bytes) = (Arc::clone(self.reader?), field.default.clone()?);
        Some(Default { bytes, plan: Plan::of(reader, field.of, None, None, self.paths, node) })
    }
}

impl<'s> Compiler<'s> {
    /// The field of the reader's record that a step names: by its name, or else by an alias.
    fn field_seen(&self, seen_as: Option<TypeId>, step: &str) -> Option<&'s Field> {
        let Type::Record(record) = self.reader?.of(seen_as?) else { return None };
        let named = record.fields.iter().find(|field| &*field.name == step);
        named.or_else(|| record.fields.iter().find(|field| field.has_alias(step)))
    }

    /// What the reader's schema has inside an array or a map.
    fn inner_seen(&self, seen_as: Option<TypeId>) -> Option<TypeId> {
        match self.reader?.of(seen_as?) {
            Type::Array(inner) | Type::Map(inner) => Some(*inner),
            _ => None,
        }
    }

    /// The reader's type for what is written as `of`: of a union the branch of that kind, and of several records the
    /// one of that name. `None` where only the writer's names can count.
    fn branch_seen(&self, of: TypeId, seen_as: TypeId) -> Option<TypeId> {
        let (reader, written) = (self.reader?, self.writer.of(of));
        let branches = match reader.of(seen_as) {
            // Its branches are looked at one by one.
            _ if matches!(written, Type::Union(_)) => return Some(seen_as),
            Type::Union(branches) => &branches[..],
            _ => &[seen_as],
        };
        let alike = |branch: &TypeId| {
            matches!(
                (reader.of(*branch), written),
                (Type::Record(_), Type::Record(_)) | (Type::Array(_), Type::Array(_)) | (Type::Map(_), Type::Map(_))
            )
        };
        let alike: Vec<TypeId> = branches.iter().copied().filter(alike).collect();
        let namesake = alike.iter().copied().find(|&branch| match (reader.of(branch), written) {
            (Type::Record(seen), Type::Record(written)) => {
                seen.name == written.name || seen.aliases.contains(&written.name)
            }
            _ => false,
        });
        namesake.or(if let [only] = alike[..] { Some(only) } else { None })
    }
}

/// Where a record holds what `step` names.
fn place_written(record: &Record, seen: Option<&Field>, step: &str) -> Option<usize> {
    let fields = &record.fields;
    let name = seen.map_or(step, |seen| &*seen.name);
    let by_name = || fields.iter().position(|field| &*field.name == name);
    let by_seen_alias = || fields.iter().position(|field| seen.is_some_and(|seen| seen.has_alias(&field.name)));
    let by_written_alias = || fields.iter().position(|field| field.has_alias(name));
    by_name().or_else(by_seen_alias).or_else(by_written_alias)
}
