//! No bytes from outside make a decoder allocate much more than they are: a record that claims 2^31 entries makes no gigabyte.
//!
//! What is measured is the sum of all that a decoder asks the allocator for, let go of again or not, C libraries included: no single
//! allocation, and no peak, is more.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::cast_possible_truncation)] // tests

#[path = "support/decoders.rs"]
mod decoders;
#[path = "support/recount.rs"]
mod recount;
#[path = "support/rig.rs"]
mod rig;
#[path = "support/shop.rs"]
mod shop;

use decoders::{DECODERS, Decoder};
use shop::Random;
use tikv_jemalloc_ctl::thread;

/// Also of what is in C: `malloc` is this one's.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Bytes of a record that must not make a large allocation, whatever it claims.
const SHORT_BYTES: usize = 100;

/// Bytes that `decode` allocates on this thread.
fn allocated_by(decode: impl FnOnce()) -> usize {
    let allocated = thread::allocatedp::read().unwrap();
    let before = allocated.get();
    decode();
    usize::try_from(allocated.get() - before).unwrap()
}

/// Numbers that claim much, as the formats write them: varints, zigzag, fixed ones of both orders.
const CLAIMS: [&[u8]; 12] = [
    &[0xFF, 0xFF, 0xFF, 0xFF, 0x0F],
    &[0xFE, 0xFF, 0xFF, 0xFF, 0x0F],
    &[0xFF, 0xFF, 0xFF, 0xFF, 0x07],
    &[0x80, 0x80, 0x80, 0x80, 0x08],
    &[0x80, 0x80, 0x80, 0x80, 0x10],
    &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
    &[0xFF, 0xFF, 0xFF, 0x7F],
    &[0xC0, 0x9A, 0x0C],
    &[0xFF, 0xFF, 0xFF, 0x01],
    &[0x00, 0x00, 0x00, 0x80],
    &[0x7F, 0xFF, 0xFF, 0xFF],
    b"9999999999999999999",
];

/// `seed`, with something about it wrong.
fn mutated(seed: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len() as u64 + 1) as usize;
        let end = (at + random.below(12) as usize).min(bytes.len());
        match random.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 => bytes.truncate(at),
            2 => drop(bytes.splice(at..end, CLAIMS[random.below(CLAIMS.len() as u64) as usize].iter().copied())),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            _ => drop(bytes.splice(at..at, CLAIMS[random.below(CLAIMS.len() as u64) as usize].iter().copied())),
        }
    }
    bytes
}

fn check(decoder: &Decoder, bytes: &[u8], most: &mut (usize, Vec<u8>)) {
    let Decoder { name, decode, .. } = decoder;
    let allocated = allocated_by(|| {
        decode(bytes);
    });
    let limit = decoder.limit(bytes.len());
    assert!(allocated <= limit, "{name}: {allocated} bytes for {}, at most {limit}: {bytes:02x?}", bytes.len());
    if allocated > most.0 {
        *most = (allocated, bytes.to_vec());
    }
}

#[test]
fn no_decoder_allocates_by_what_bytes_claim() {
    let rounds = shop::seeds(40);
    // The server's thread is its own; what a request may take there is in serve's tests.
    for decoder in DECODERS.iter().filter(|decoder| decoder.name != "http") {
        let seeds = (decoder.seeds)();
        assert!(!seeds.is_empty());
        // What is made once and kept is not of any input.
        let bad: Vec<String> =
            seeds.iter().filter(|seed| !(decoder.decode)(seed)).map(|seed| seed.escape_ascii().to_string()).collect();
        assert!(bad.is_empty(), "{}: {bad:#?}", decoder.name);
        let (mut short, mut any) = ((0, Vec::new()), (0, Vec::new()));
        for seed in &seeds {
            check(decoder, seed, &mut any);
            let start = &seed[..seed.len().min(SHORT_BYTES)];
            // Each of the claims at each place of what is short.
            for at in 0..start.len() {
                for claim in CLAIMS {
                    let mut bytes = [&start[..at], claim, &start[at + 1..]].concat();
                    bytes.truncate(SHORT_BYTES);
                    check(decoder, &bytes, &mut short);
                }
            }
            for &round in &rounds {
                check(decoder, &mutated(seed, &mut Random::new(round)), &mut any);
            }
        }
        println!("{}: at most {} bytes for {SHORT_BYTES}, {} for {}", decoder.name, short.0, any.0, any.1.len());
    }
}
