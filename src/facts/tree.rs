//! Categories and makers, interned.

use super::catalogue::CategoryId;
use crate::memory::of_vec;
use std::collections::HashMap;

/// How many levels of a way of categories are told apart. What is deeper belongs to the last of them.
pub const CATEGORY_DEPTH_MAX: usize = 16;

struct Node {
    parent: Option<CategoryId>,
    name: Box<str>,
}

/// All categories, as trees.
#[derive(Default)]
pub(super) struct Categories {
    nodes: Vec<Node>,
    by_name: HashMap<(Option<CategoryId>, Box<str>), CategoryId>,
    name_bytes: usize,
}

impl Categories {
    /// The number of a way, new or known; none of an empty one.
    pub(super) fn intern(&mut self, way: &[&str]) -> Option<CategoryId> {
        let mut at = None;
        for &name in way.iter().take(CATEGORY_DEPTH_MAX) {
            let known = self.by_name.get(&(at, Box::from(name))).copied();
            at = Some(known.unwrap_or_else(|| self.add(at, name)));
        }
        at
    }

    fn add(&mut self, parent: Option<CategoryId>, name: &str) -> CategoryId {
        let id = CategoryId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX)); // each takes far more than a byte
        self.nodes.push(Node { parent, name: Box::from(name) });
        self.by_name.insert((parent, Box::from(name)), id);
        self.name_bytes += 2 * name.len();
        id
    }

    /// The category of a way, if any item has been in it or below.
    pub(super) fn find(&self, way: &[Box<str>]) -> Option<CategoryId> {
        way.iter().try_fold(None, |at, name| self.by_name.get(&(at, name.clone())).copied().map(Some)).flatten()
    }

    /// The names of a way, from the widest to the narrowest.
    pub(super) fn way(&self, id: CategoryId) -> Vec<Box<str>> {
        let mut names = Vec::new();
        let mut at = Some(id);
        while let Some(node) = at.and_then(|id| self.nodes.get(id.0 as usize)) {
            names.push(node.name.clone());
            at = node.parent;
        }
        names.reverse();
        names
    }

    /// The category around one, the next wider one.
    pub(super) fn parent(&self, id: CategoryId) -> Option<CategoryId> {
        self.nodes.get(id.0 as usize)?.parent
    }

    /// Whether one is the other, or around it.
    pub(super) fn are_one_way(&self, one: CategoryId, other: CategoryId) -> bool {
        let is_within = |inner: CategoryId, outer: CategoryId| {
            std::iter::successors(Some(inner), |&id| self.parent(id)).any(|id| id == outer)
        };
        is_within(one, other) || is_within(other, one)
    }

    pub(super) fn bytes(&self) -> usize {
        const ENTRY: usize = size_of::<(Option<CategoryId>, Box<str>)>() + size_of::<CategoryId>() + 1;
        of_vec(&self.nodes) + self.by_name.capacity() * ENTRY + self.name_bytes
    }
}

/// Names by number, from 1: 0 stands for none.
#[derive(Default)]
pub(super) struct Names {
    by_name: HashMap<Box<str>, u32>,
    bytes: usize,
}

impl Names {
    pub(super) fn intern(&mut self, name: Option<&str>) -> u32 {
        let Some(name) = name.filter(|name| !name.is_empty()) else { return 0 };
        if let Some(&known) = self.by_name.get(name) {
            return known;
        }
        let id = u32::try_from(self.by_name.len() + 1).unwrap_or(u32::MAX); // each takes far more than a byte
        self.by_name.insert(Box::from(name), id);
        self.bytes += name.len() + size_of::<(Box<str>, u32)>() + 1;
        id
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
