//! Row → list: gates, score, order, explanations (design section 6).
//!
//! A candidate passes every gate or is out; those left are ordered by rank value, signed root LLR and item id; the first are
//! shown, the next held in reserve. Filter first, cut after.
//!
//! With facts, what is known of items (stock, category, price ...) and what people say (verdicts, relations kept by hand) decide what is
//! shown of what is counted: gates by facts are tried on those only that would have a place.
//!
//! Invariants: the order is total, so one row gives one list; every entry holds the figures that its score is made of;
//! [`explain`] and [`Ranker`] agree on every candidate.
//! Absent: state (a [`Ranker`] keeps scratch memory only), counting, and whether a list is worth publishing. Unlike counts, lists
//! use the platform's `ln`: two platforms may differ in the last bit of a root.

mod measure;
mod gate;
mod beside;
mod day;
mod label;
mod list;
mod told;
mod spread;
mod placing;
mod ranker;
mod by_facts;
mod fill;
mod exposure;
mod placement;
mod shop_wide;
mod explain;
mod explain_facts;
mod explain_published;

pub use beside::Beside;
pub use day::Day;
pub use explain::{ExplainedCandidate, ExplainedVerdict, Explanation, Place, explain, explain_beside};
pub use explain_published::Places;
pub use exposure::{Acceptance, Asking, LEADERS_MAX, Levels};
pub use fill::second;
pub use gate::Gate;
pub use label::{LABEL_BITS, Label, Said, Source};
pub use list::{Entry, List};
pub use measure::{Figures, Z, llr_root, rank_value, score_milli, wilson_interval, wilson_lower};
pub use placement::{Placed, is_rejected, place_together, turns_any_away};
pub use ranker::Ranker;
pub use shop_wide::{Best, ShopRanker, Standing};
pub use spread::spread_out;

#[cfg(test)]
mod facts_tests;
#[cfg(test)]
mod tests;
