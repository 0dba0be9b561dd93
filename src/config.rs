//! Settings: raw → checked.
