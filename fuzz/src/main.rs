//! One input to the decoder that `SAMENLOOP_FUZZ` names, and a look at what that has allocated.

#![no_main]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

#[path = "../../tests/support/decoders.rs"]
mod decoders;
#[path = "../../tests/support/recount.rs"]
mod recount;
#[path = "../../tests/support/rig.rs"]
mod rig;
#[path = "../../tests/support/shop.rs"]
mod shop;

use decoders::{DECODERS, Decoder};
use std::path::PathBuf;
use std::sync::OnceLock;
use tikv_jemalloc_ctl::thread;

/// As the program has it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Names the decoder.
const DECODER_VARIABLE: &str = "SAMENLOOP_FUZZ";
/// Names the folder that the decoder's seeds are written to, if any.
const SEEDS_VARIABLE: &str = "SAMENLOOP_FUZZ_SEEDS";

fn decoder() -> &'static Decoder {
    static DECODER: OnceLock<&Decoder> = OnceLock::new();
    DECODER.get_or_init(|| {
        let name = std::env::var(DECODER_VARIABLE).expect("SAMENLOOP_FUZZ names a decoder");
        let decoder = DECODERS.iter().find(|decoder| decoder.name == name).expect("a decoder of this name");
        let folder = std::env::var_os(SEEDS_VARIABLE).map(PathBuf::from);
        for (number, seed) in (decoder.seeds)().into_iter().enumerate() {
            // What is made once and kept is not of any input.
            (decoder.decode)(&seed);
            if let Some(folder) = &folder {
                std::fs::write(folder.join(format!("seed-{number:03}")), seed).unwrap();
            }
        }
        decoder
    })
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let decoder = decoder();
    let allocated = thread::allocatedp::read().unwrap();
    let before = allocated.get();
    (decoder.decode)(bytes);
    let (allocated, limit, name) = (allocated.get() - before, decoder.limit(bytes.len()), decoder.name);
    assert!(allocated <= limit as u64, "{name}: {allocated} bytes allocated for {}, at most {limit}", bytes.len());
});
