//! Where sources begin.
