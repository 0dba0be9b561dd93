//! What the shop says of its products: as facts, and in the ledger that lists are checked by.
//!
//! Both are told between two calls of the pipeline, so no list is ranked while they differ.

use super::ledger::Seen;
use super::live::Delay;
use super::picture;
use super::plan::Plan;
use super::sink::DemoSink;
use crate::config::Settings;
use crate::drive::Pipeline;
use crate::event::SHOP_DEFAULT;
use crate::facts::{Catalogue as Said, Facts, Kind, RelationKey, RelationTerms, Ruling, Stock, Verdict, VerdictKey};
use crate::list_key::ListName;
use crate::relation::Relation;
use crate::serve::review::{ReviewEntry, to_review};
use crate::watch::now_ms;
use samenloop_shop::{Curation, Shop, StockChange, Stockroom};
use std::sync::Arc;

/// Who gives the verdicts.
const EDITOR: &str = "the shop's editor";
const CURRENCY: &str = "EUR";

/// What facts did to lists, for the summary.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Account {
    /// What the ledger saw.
    pub seen: Seen,
    /// From when products ran out to the lists without them.
    pub delay: Option<Delay>,
    /// Pairs that are rejected.
    pub rejected: u64,
    /// Pinned entries: those that stand first, of how many.
    pub pinned: [u64; 2],
    /// Relations kept by hand: those that are shown, of how many.
    pub by_hand: [u64; 2],
    /// Pairs of vouchers that are over: those among the first [`REVIEW_TOP`] entries to review, of how many.
    pub nonsense: [u64; 2],
    /// Entries to review.
    pub to_review: u64,
}

/// So many entries to review are its top.
pub const REVIEW_TOP: usize = 20;

/// The stock, the facts and what people say.
pub(super) struct Backroom {
    stock: Stockroom,
    facts: Arc<Facts>,
    curation: Curation,
}

impl Backroom {
    /// Of the shop of a plan, everything in stock; none of one that speed is measured with.
    pub(super) fn open(plan: &Plan, settings: &Settings) -> anyhow::Result<Option<Self>> {
        if plan.shop.views_only {
            return Ok(None);
        }
        let shop = Shop::new(plan.seed, &plan.shop);
        let catalogue = shop.catalogue();
        let facts = Facts::new(usize::try_from(settings.facts.memory_bytes).unwrap_or(usize::MAX));
        for product in catalogue.products() {
            let category = [catalogue.department_name(product), catalogue.family_name(product)];
            let category = category.into_iter().flatten().collect();
            let (name, price) = (Some(product.name.as_str()), Some(f64::from(product.cents) / 100.0));
            let said = Said { category, name, price, currency: Some(CURRENCY), ..Said::default() };
            facts.set_catalogue(SHOP_DEFAULT, &product.id, Some(&said))?;
        }
        let curation = Curation::of(catalogue);
        say(&facts, &curation)?;
        facts.come_to(now_ms());
        facts.complete();
        let stock = Stockroom::new(plan.seed, plan.shop.start_ms);
        Ok(Some(Self { stock, facts: Arc::new(facts), curation }))
    }

    pub(super) fn facts(&self) -> Arc<Facts> {
        Arc::clone(&self.facts)
    }

    /// Tells the ledger what may not be shown.
    pub(super) fn brief(&self, sink: &mut DemoSink) {
        sink.ledger.reject(&self.curation.rejected);
    }

    /// Simulated time is that of the shop: what runs out until then, and what comes.
    pub(super) fn come_to(&mut self, shop: &Shop, pipeline: &Pipeline<DemoSink>) -> anyhow::Result<()> {
        let catalogue = shop.catalogue();
        while let Some(change) = self.stock.next_change(shop.now_ms(), catalogue) {
            let id = &catalogue.product(change.item).id;
            let ledger = &mut pipeline.sink().ledger;
            if change.is_out {
                ledger.run_out(id)
            } else {
                ledger.come_back(id)
            }
            self.tell(id, change)?;
        }
        Ok(())
    }

    /// At rest: all that has run out comes.
    pub(super) fn deliver(&mut self, shop: &Shop, pipeline: &Pipeline<DemoSink>) -> anyhow::Result<()> {
        pipeline.sink().ledger.close();
        while let Some(change) = self.stock.deliver() {
            self.tell(&shop.catalogue().product(change.item).id, change)?;
        }
        Ok(())
    }

    fn tell(&self, id: &str, change: StockChange) -> anyhow::Result<()> {
        let stock = if change.is_out { Stock::Out } else { Stock::In };
        Ok(self.facts.set_stock(SHOP_DEFAULT, id, Some(stock))?)
    }

    /// How it stands, at rest, with everything there.
    pub(super) fn account(&self, shop: &Shop, pipeline: &Pipeline<DemoSink>) -> Account {
        let sink = pipeline.sink();
        let review = to_review(&pipeline.asked(), SHOP_DEFAULT, REVIEW_TOP);
        let nonsense = shop.nonsense();
        let is_of =
            |pair: &[String; 2], entry: &ReviewEntry| pair.contains(&entry.anchor) && pair.contains(&entry.other);
        let is_to_review = |pair: &&[String; 2]| review.entries.iter().any(|entry| is_of(pair, entry));
        let bought = |anchor: &str| sink.ledger.shown(Relation::BoughtTogether.list_name(), anchor);
        let Curation { rejected, pinned, by_hand } = &self.curation;
        let is_first = |[anchor, other]: &&[String; 2]| bought(anchor).first() == Some(other);
        let is_shown = |[anchor, other]: &&[String; 2]| bought(anchor).contains(other);
        let of = |pairs: &[[String; 2]], kept: usize| [kept as u64, pairs.len() as u64];
        Account {
            seen: sink.ledger.seen(),
            delay: picture::delay(sink.ledger.delay()),
            rejected: rejected.len() as u64,
            pinned: of(pinned, pinned.iter().filter(is_first).count()),
            by_hand: of(by_hand, by_hand.iter().filter(is_shown).count()),
            nonsense: of(&nonsense, nonsense.iter().filter(is_to_review).count()),
            to_review: review.total as u64,
        }
    }
}

/// Verdicts and relations.
fn say(facts: &Facts, curation: &Curation) -> anyhow::Result<()> {
    let verdict = |ruling: Ruling, why: &str| Verdict {
        list: None,
        other: Box::default(),
        fingerprint: 0,
        ruling,
        who: Box::from(EDITOR),
        when_ms: now_ms(),
        why: Box::from(why),
        until_ms: None,
    };
    for [one, other] in &curation.rejected {
        for (anchor, other) in [(one, other), (other, one)] {
            let key = VerdictKey { list: None, anchor: Some(anchor), other };
            facts.set_verdict(SHOP_DEFAULT, key, Some(verdict(Ruling::Reject, "not beside each other")))?;
        }
    }
    let bought = ListName::of(Relation::BoughtTogether);
    for [anchor, other] in &curation.pinned {
        let key = VerdictKey { list: Some(bought), anchor: Some(anchor), other };
        facts.set_verdict(SHOP_DEFAULT, key, Some(verdict(Ruling::Pin(1), "needed with it")))?;
    }
    for [anchor, other] in &curation.by_hand {
        let key = RelationKey { anchor, other, kind: Kind::Complement };
        facts.set_relation(SHOP_DEFAULT, key, Some(&RelationTerms::default()))?;
    }
    Ok(())
}
