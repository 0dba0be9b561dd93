//! What intake has seen of each source, whichever partitions it reads of it.

use crate::findings::{Profile, Source};
use crate::intake::Reason;
use std::sync::Arc;

/// A source, as far as this instance has read it.
#[derive(Debug)]
pub struct Seen {
    /// Its name.
    pub source: Arc<str>,
    /// Its accepted events.
    pub profile: Box<Profile>,
    /// All its records.
    pub records: u64,
    /// Those refused, by [`Reason::index`].
    pub rejects: [u64; Reason::ALL.len()],
}

impl Seen {
    fn new(source: Arc<str>) -> Self {
        Self { source, profile: Box::default(), records: 0, rejects: [0; Reason::ALL.len()] }
    }

    /// The same, called `name`, to be weighed.
    #[must_use]
    pub fn called<'a>(&'a self, name: &'a str) -> Source<'a> {
        let most = Reason::ALL.iter().max_by_key(|reason| self.rejects[reason.index()]);
        let reason = most.filter(|reason| self.rejects[reason.index()] > 0).map(|reason| reason.name());
        let rejected = self.rejects.iter().sum();
        Source { name, profile: &self.profile, records: self.records, rejected, reason }
    }
}

/// The number among `seen` of `source`, which is added where it is new.
pub(super) fn number_of(seen: &mut Vec<Seen>, source: &Arc<str>) -> usize {
    let known = seen.iter().position(|seen| seen.source == *source);
    known.unwrap_or_else(|| {
        seen.push(Seen::new(Arc::clone(source)));
        seen.len() - 1
    })
}
