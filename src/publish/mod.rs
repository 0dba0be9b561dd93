//! List → output record, only when it differs from the last one.
