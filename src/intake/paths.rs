//! The wanted paths of a mapping as a tree: what a format's reader walks along with a record.
//!
//! Invariants: nodes stand in preorder, so a node's descendants are the range behind it; node 0 is the record itself.
//! A step is a name or, in an array, an index (RFC 6901 leaves open which). The node of the order's lines has an
//! `each` node, where the paths within a line start; a field that points at one line by its index shares that line's
//! node, so both see it.
//! Absent: what the paths are for.

use super::clean::Clean;
use super::value::Value;

/// The tree of wanted paths.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    nodes: Vec<Node>,
}

/// A place in the tree.
#[derive(Clone, Debug)]
pub(super) struct Node {
    step: Box<str>,
    index: Option<usize>,
    /// Nodes one step further.
    pub children: Vec<usize>,
    /// First node that is no descendant.
    pub end: usize,
    /// Set at the order's lines: the node of a line that has none of its own.
    pub each: Option<usize>,
    /// Set at a line: the places of its item, in the order of preference.
    pub line_items: Vec<LineItem>,
    /// Set at a line where more of it is wanted: the places of that.
    pub line_fields: Option<LineNodes>,
}

/// How much more may be wanted of a line: position, source, price and quantity, in this order.
pub(super) const LINE_FIELDS: usize = 4;

/// The places of these in a line.
pub(super) type LineNodes = [usize; LINE_FIELDS];

/// A place of the item within a line.
#[derive(Clone, Debug)]
pub(super) struct LineItem {
    pub node: usize,
    pub clean: Option<Clean>,
}

impl LineItem {
    /// The item that `value`, which stands there, is.
    pub fn cleaned<'a>(&self, value: &Value<'a>) -> Value<'a> {
        match &self.clean {
            None => value.clone(),
            Some(clean) => clean.apply(value.clone()),
        }
    }
}

impl Node {
    /// All places of a line that are wanted.
    pub fn line_nodes(&self) -> impl Iterator<Item = usize> {
        let items = self.line_items.iter().map(|item| item.node);
        items.chain(self.line_fields.into_iter().flatten())
    }
}

impl Paths {
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn node(&self, node: usize) -> &Node {
        &self.nodes[node]
    }

    /// The name or index that leads to `node`.
    pub fn step(&self, node: usize) -> &str {
        &self.nodes[node].step
    }

    /// The index that leads to `node` in an array, if its step can be one.
    pub fn index(&self, node: usize) -> Option<usize> {
        self.nodes[node].index
    }

    /// The child of `node` called `name`.
    pub fn named(&self, node: usize, name: &str) -> Option<usize> {
        self.nodes[node].children.iter().copied().find(|&child| &*self.nodes[child].step == name)
    }

    /// The child of `node` for the element at `index` of an array.
    pub fn indexed(&self, node: usize, index: usize) -> Option<usize> {
        self.nodes[node].children.iter().copied().find(|&child| self.nodes[child].index == Some(index))
    }

    /// The nodes from the record to `node`, both included.
    pub fn way_to(&self, node: usize) -> Vec<usize> {
        let mut way = vec![0];
        let mut at = 0;
        while at != node {
            let below = self.nodes[at].children.iter().copied().chain(self.nodes[at].each);
            let Some(next) = below.into_iter().find(|&next| (next..self.nodes[next].end).contains(&node)) else {
                break;
            };
            way.push(next);
            at = next;
        }
        way
    }

    /// The pointer to `node` on a way; a line of the order shows as `/*`.
    pub fn pointer(&self, way: &[usize], node: usize) -> String {
        let mut pointer = String::new();
        let nodes = way.iter().skip(1).take_while(|&&on| on <= node);
        for (&on, &above) in nodes.zip(way) {
            let is_line = self.nodes[above].each == Some(on);
            let step = if is_line { "*" } else { &self.nodes[on].step };
            pointer.push('/');
            pointer.push_str(&step.replace('~', "~0").replace('/', "~1"));
        }
        pointer
    }

    /// The node at the end of `steps` from `start`.
    pub fn find(&self, start: usize, steps: &[String]) -> Option<usize> {
        steps.iter().try_fold(start, |node, step| self.named(node, step))
    }
}

/// A tree of paths that still grows.
#[derive(Default)]
pub(super) struct Draft {
    step: String,
    children: Vec<Draft>,
    each: Option<Box<Draft>>,
}

impl Draft {
    /// Adds a path.
    pub fn insert(&mut self, steps: &[String]) -> &mut Self {
        let Some((step, rest)) = steps.split_first() else { return self };
        let known = self.children.iter().position(|child| child.step == *step);
        let place = known.unwrap_or_else(|| {
            self.children.push(Self { step: step.clone(), ..Self::default() });
            self.children.len() - 1
        });
        self.children[place].insert(rest)
    }

    /// The finished tree, where `lines` is the array of the order's lines, `items` the paths in a line, and `more` those by
    /// [`LINE_FIELDS`], if they are wanted.
    pub fn finish_with_lines(
        mut self,
        lines: &[String],
        items: &[(Vec<String>, Option<Clean>)],
        more: Option<&[Vec<String>; LINE_FIELDS]>,
    ) -> Paths {
        let at_lines = self.insert(lines);
        let mut each = Self::default();
        for path in items.iter().map(|(path, _)| path).chain(more.into_iter().flatten()) {
            each.insert(path);
            for child in at_lines.children.iter_mut().filter(|child| index_of(&child.step).is_some()) {
                child.insert(path);
            }
        }
        at_lines.each = Some(Box::new(each));
        let mut paths = self.finish();
        let Some(node) = paths.find(0, lines) else { return paths };
        let elements: Vec<usize> = paths.nodes[node].children.iter().copied().chain(paths.nodes[node].each).collect();
        for element in elements {
            let item = |(path, clean): &(Vec<String>, Option<Clean>)| {
                Some(LineItem { node: paths.find(element, path)?, clean: clean.clone() })
            };
            paths.nodes[element].line_items = items.iter().filter_map(item).collect();
            let nodes = |more: &[Vec<String>; LINE_FIELDS]| {
                more.each_ref().map(|path| paths.find(element, path).unwrap_or(element))
            };
            paths.nodes[element].line_fields = more.map(nodes);
        }
        paths
    }

    /// The finished tree.
    pub fn finish(self) -> Paths {
        let mut nodes = Vec::new();
        self.flatten(&mut nodes);
        Paths { nodes }
    }

    fn flatten(self, nodes: &mut Vec<Node>) -> usize {
        let place = nodes.len();
        let index = index_of(&self.step);
        let step = self.step.into_boxed_str();
        nodes.push(Node {
            step,
            index,
            children: Vec::new(),
            end: 0,
            each: None,
            line_items: Vec::new(),
            line_fields: None,
        });
        let children = self.children.into_iter().map(|child| child.flatten(nodes)).collect();
        let each = self.each.map(|each| each.flatten(nodes));
        let end = nodes.len();
        nodes[place].children = children;
        nodes[place].each = each;
        nodes[place].end = end;
        place
    }
}

/// The index that a step means in an array: digits without leading zeros (RFC 6901, section 4).
fn index_of(step: &str) -> Option<usize> {
    let plain = step == "0" || (!step.starts_with('0') && step.bytes().all(|byte| byte.is_ascii_digit()));
    if plain { step.parse().ok() } else { None }
}

/// The steps of a JSON pointer (RFC 6901).
///
/// # Errors
/// What is wrong with it.
pub fn steps(pointer: &str) -> Result<Vec<String>, String> {
    if pointer.is_empty() {
        return Ok(Vec::new());
    }
    if let Some(path) = pointer.strip_prefix("$.").or_else(|| pointer.strip_prefix('.')) {
        let path = path.replace('.', "/");
        return Err(format!("\"{pointer}\" is not a JSON pointer: write \"/{path}\""));
    }
    let Some(rest) = pointer.strip_prefix('/') else {
        return Err(format!("\"{pointer}\" is not a JSON pointer: write \"/{pointer}\" for the field of that name"));
    };
    let steps: Vec<String> = rest.split('/').map(unescape).collect::<Option<_>>().ok_or_else(|| {
        format!("\"{pointer}\" is not a JSON pointer: in a name write ~ as ~0 and / as ~1, nothing else follows a ~")
    })?;
    if steps.iter().any(|step| step == "*" || step == "**" || step.ends_with("[*]") || step.ends_with("[]")) {
        return Err(format!(
            "\"{pointer}\": a JSON pointer leads to one place, and has no sign for each element of an array. For the lines of an \
             order, lines is the pointer to the array and line_item the one within a line; the first element is /0; an event \
             for each element, or an element chosen by its content, is what transform is for"
        ));
    }
    if steps.len() > super::POINTER_STEPS_MAX {
        return Err(format!("\"{pointer}\" has {} steps, more than {}", steps.len(), super::POINTER_STEPS_MAX));
    }
    Ok(steps)
}

fn unescape(step: &str) -> Option<String> {
    let mut parts = step.split('~');
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (mark, rest) = part.split_at_checked(1)?;
        name.push(match mark {
            "0" => '~',
            "1" => '/',
            _ => return None,
        });
        name.push_str(rest);
    }
    Some(name)
}
