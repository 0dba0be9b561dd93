//! The internal logs' bytes.
