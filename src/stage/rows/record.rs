//! What the inputs of rows bring.

use crate::publish::{ListRecord, Stamp};

/// A record of one of the inputs.
#[derive(Clone, Copy, Debug)]
pub enum RowsRecord<'a> {
    /// Of pairs and totals: a block.
    Block(&'a [u8]),
    /// Of lists: what has landed.
    List(Landed<'a>),
}

/// A record of the lists log as it has landed, whoever wrote it.
#[derive(Clone, Copy, Debug)]
pub struct Landed<'a> {
    /// The shop of its key.
    pub shop: &'a str,
    /// The list of its key.
    pub list: &'a str,
    /// The item of its key.
    pub item: &'a str,
    /// Who published it, and as which record; none where nobody says so.
    pub stamp: Option<Stamp>,
    /// What it says.
    pub value: LandedValue<'a>,
}

/// What a record of the lists log says.
#[derive(Clone, Copy, Debug)]
pub enum LandedValue<'a> {
    /// There is no such list any more.
    Tombstone,
    /// A list, not decoded: nobody wants to know ([`super::RowsWork::wants_lists`]).
    Undecoded,
    /// A list.
    List(&'a ListRecord<'a>),
}

impl<'a> Landed<'a> {
    /// What has landed, all of it decoded.
    #[must_use]
    pub fn of(record: &'a ListRecord<'a>, stamp: Option<Stamp>) -> Self {
        let value = if record.tombstone { LandedValue::Tombstone } else { LandedValue::List(record) };
        Self { shop: &record.shop, list: &record.list, item: &record.item, stamp, value }
    }
}
