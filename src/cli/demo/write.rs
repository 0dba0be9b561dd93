//! `demo --write`: the shop's events as JSON lines, as fast as a disk takes them.

use super::DemoArgs;
use super::plan::Plan;
use crate::cli::output::stdout;
use anyhow::Context as _;
use samenloop_shop::Shop;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

const BUFFER_BYTES: usize = 1 << 20;

/// Writes so many events; a null value has no line, and is none.
pub(super) fn run(args: &DemoArgs, path: &Path) -> anyhow::Result<()> {
    let context = || format!("{}: the events could not be written", path.display());
    let plan = Plan::written(args);
    let mut shop = Shop::new(plan.seed, &plan.shop);
    let events = plan.events.unwrap_or_default();
    if path == Path::new("-") {
        return write(&mut shop, events, &mut stdout()).with_context(context);
    }
    let file = File::create(path).with_context(|| format!("{}: cannot be written", path.display()))?;
    write(&mut shop, events, &mut BufWriter::with_capacity(BUFFER_BYTES, file)).with_context(context)
}

fn write(shop: &mut Shop, events: u64, out: &mut impl Write) -> std::io::Result<()> {
    let mut written = 0;
    while written < events {
        if let Some(value) = shop.next_record().value {
            out.write_all(value)?;
            out.write_all(b"\n")?;
            written += 1;
        }
    }
    out.flush()
}
