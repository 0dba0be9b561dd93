//! What all fuzz targets do: one input to one decoder, and a look at what that has allocated.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

#[path = "../../tests/support/decoders.rs"]
pub mod decoders;
#[path = "../../tests/support/recount.rs"]
mod recount;
#[path = "../../tests/support/rig.rs"]
mod rig;
#[path = "../../tests/support/shop.rs"]
mod shop;

use tikv_jemalloc_ctl::thread;

/// As the program has it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Gives `bytes` to the decoder called `name`. Panics, as a fuzzer wants it, when the decoder does, or allocates too much.
pub fn run(name: &str, bytes: &[u8]) {
    let decoder = decoders::by_name(name);
    if std::mem::take(&mut *IS_FIRST.lock().unwrap()) {
        // What is made once and kept is not of any input.
        (decoder.seeds)().iter().for_each(|seed| drop((decoder.decode)(seed)));
    }
    let allocated = thread::allocatedp::read().unwrap();
    let before = allocated.get();
    (decoder.decode)(bytes);
    let (allocated, limit) = (allocated.get() - before, decoder.limit(bytes.len()));
    assert!(allocated <= limit as u64, "{name}: {allocated} bytes allocated for {}, at most {limit}", bytes.len());
}

static IS_FIRST: std::sync::Mutex<bool> = std::sync::Mutex::new(true);
