//! One sans-IO machine that drives any stage.
