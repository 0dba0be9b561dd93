//! The `samenloop` command.

fn main() {}
