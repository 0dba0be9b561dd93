//! Deltas → rows: decayed co-occurrence counts per item and relation, and their totals.
