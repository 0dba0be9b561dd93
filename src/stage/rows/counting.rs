//! Pairs blocks in, counted: each delta once, by the ledger. A delta marks its lists as due; ranking comes later.

use super::hits::Tested;
use super::{Clocked, RowsWork};
use crate::items::ItemId;
use crate::list_key::{About, Base, ListKey, ListName};
use crate::position::{Checkpoint, NextOffset, Position, Verdict};
use crate::relation::Relation;
use crate::stage::checkpoints::refused;
use crate::stage::effect::{Effects, StageError};
use crate::wire::{Kind, Lag, PairEntry, PairsBlock, SectionHead, checksum_of_block, founded, kind_of};

impl RowsWork {
    pub(super) fn pairs_record(
        &mut self,
        offset: NextOffset,
        record: &[u8],
        effects: &mut dyn Effects,
    ) -> Result<(), StageError> {
        self.identity.reads_on();
        let kind = kind_of(record).map_err(|error| self.identity.wire(offset, error))?;
        let checksum = checksum_of_block(record).map_err(|error| self.identity.wire(offset, error))?;
        self.checkpoints.pass(offset, || checksum).map_err(refused(&self.pairs, offset))?;
        self.last_input_ms = self.clock_ms;
        match kind {
            Kind::Opening => self.opening(offset, record)?,
            Kind::Founding => {
                let id = founded(record).map_err(|error| self.identity.wire(offset, error))?;
                self.identity.known.facts.founding(id);
            }
            _ => self.pairs_block(offset, record, effects)?,
        }
        self.read = Checkpoint { position: Position::start_of(offset.after()), checksum: Some(checksum) };
        Ok(())
    }

    fn opening(&mut self, offset: NextOffset, block: &[u8]) -> Result<(), StageError> {
        let opening = self.identity.check(offset, block)?;
        opening.origins.iter().for_each(|origin| self.identity.open(origin));
        Ok(())
    }

    fn pairs_block(&mut self, offset: NextOffset, bytes: &[u8], effects: &mut dyn Effects) -> Result<(), StageError> {
        let block = PairsBlock::decode(bytes).map_err(|error| self.identity.wire(offset, error))?;
        if let Some(wide) = &mut self.shop_wide {
            wide.met.mark(self.rows.items(), self.rows.now().0);
        }
        self.names.fill(&block.shops, &block.items, self.rows.items_mut());
        for section in &block.sections {
            let head = &section.head;
            let entries = &block.entries[section.entries.clone()];
            let verdict = self.identity.verdict(offset, head)?;
            self.identity.known.facts.section(block.generation, head);
            let Verdict::Apply { from } = verdict else {
                self.tally.ledger_duplicates += if verdict == Verdict::Beyond { 0 } else { entries.len() as u64 };
                continue;
            };
            let is_current = self.identity.is_current(block.generation, &head.source);
            if is_current && head.lag == Lag::History {
                self.silence.begin_history(&head.source); // from the first entry on; its end counts from the last
            }
            for entry in entries {
                if entry.position < from {
                    self.tally.ledger_duplicates += 1;
                } else {
                    self.apply(&block, entry, head, effects);
                }
            }
            self.close_section(head, is_current, effects);
            self.identity.known.ledger.advance(&head.source, head.span.to);
        }
        self.tell_when_many(effects);
        Ok(())
    }

    fn apply(&mut self, block: &PairsBlock<'_>, entry: &PairEntry, head: &SectionHead, effects: &mut dyn Effects) {
        self.moved = true;
        let arrived_ms = match self.clocked {
            Clocked::Events => {
                self.events_come_to(entry.time.0, effects);
                entry.time.0
            }
            Clocked::Wall => head.arrived_ms.unwrap_or(self.wall_ms),
        };
        let is_silent = self.silence.is_on();
        let Self { rows, touched, hits, lists, publisher, rankers, .. } = self;
        let is_on = |list: ListName| rankers.get(list).is_some();
        block.with_delta(entry, &self.names, &mut self.scratch, |delta| {
            if !is_silent {
                hits.test(delta, is_on, &mut Tested { rows: &mut *rows, lists, publisher });
            }
            rows.apply(delta, touched);
        });
        let mut touched = std::mem::take(&mut self.touched);
        for (relation, item) in touched.drain(..) {
            self.row_changed(relation, item, (!is_silent).then_some(arrived_ms));
        }
        self.touched = touched;
    }

    /// The lists that a row has a say in are due, where they are on; or, while all is silent, known.
    fn row_changed(&mut self, relation: Relation, item: ItemId, arrived_ms: Option<i64>) {
        let shop = self.rows.items().shop_of(item);
        for list in ListName::shown_by(relation) {
            let Base::Row { relation: own, .. } = list.base() else { continue };
            // Of a row that is not there the other one has nothing to say.
            if self.rankers.get(list).is_none() || (own != relation && self.rows.row(own, item).is_empty()) {
                continue;
            }
            let list = self.lists.meet(ListKey { shop, list, about: About::Item(item) });
            match arrived_ms {
                Some(arrived_ms) => self.due.mark(list, arrived_ms, self.clock_ms),
                None => self.due.know(list),
            }
        }
        if arrived_ms.is_some() {
            self.touch_shop_wide(Some(relation), item, arrived_ms);
        }
    }

    /// What a section says of its source once its entries have been applied.
    fn close_section(&mut self, head: &SectionHead, is_current: bool, effects: &mut dyn Effects) {
        if let Some(highest) = head.highest {
            if self.clocked == Clocked::Events {
                self.events_come_to(highest.0, effects);
            }
            self.moved |= highest > self.rows.now();
            self.rows.observe(highest);
        }
        let is_heard = |ends: bool| is_current && ends;
        let has_read_history = is_heard(head.lag != Lag::History) && self.silence.end_history(&head.source);
        let has_counted = is_heard(!head.lag.is_behind()) && self.silence.has_counted(head);
        if has_read_history || has_counted {
            self.end_history();
        }
    }
}
