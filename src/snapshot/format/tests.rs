//! The bytes: what goes in comes out, and nothing else comes out.

use super::*;
use crate::snapshot::Head;
use proptest::prelude::*;
use std::io::Read;

fn head() -> Head {
    Head {
        stage: "rows".to_owned(),
        partition: 3,
        log_id: u128::MAX / 3,
        store_id: 7,
        identity: u64::MAX,
        partitions: (4, 8),
        offset: 1 << 40,
        checksum: Some(0xDEAD_BEEF),
        epoch: Some(12),
        origin: 1 << 30,
        inputs: vec![("totals".to_owned(), 1, 99), ("lists".to_owned(), 3, 0)],
        facts: vec![0, 255, 128],
        written_at_ms: -1,
        written_by: "made-up-1".to_owned(),
        state_format: 2,
    }
}

fn encoded(head: &Head, chunks: &[&[u8]]) -> Vec<u8> {
    let (mut encoder, mut out) = Encoder::head(head).unwrap();
    for chunk in chunks {
        encoder.chunk(chunk, &mut out).unwrap();
    }
    encoder.finish(&mut out);
    out
}

fn small() -> Vec<u8> {
    encoded(&head(), &[&[b'a'; 100], b"short", b""])
}

/// Head and chunks, when the whole is whole.
fn decoded(bytes: impl Read) -> Result<(Head, Vec<Vec<u8>>), FormatError> {
    let (head, mut reader) = Reader::open(bytes)?;
    let (mut chunks, mut chunk) = (Vec::new(), Vec::new());
    while reader.next_chunk(&mut chunk)?.is_some() {
        chunks.push(chunk.clone());
    }
    assert!(reader.next_chunk(&mut chunk).unwrap().is_none(), "whole stays whole");
    Ok((head, chunks))
}

#[test]
fn a_snapshot_comes_back_chunk_by_chunk() {
    let noise: Vec<u8> =
        (0..100_000_u64).flat_map(|n| xxhash_rust::xxh3::xxh3_64(&n.to_le_bytes()).to_le_bytes()).collect();
    let chunks: [&[u8]; 4] = [b"", &[7; 300_000], &noise, b"x"];
    let bytes = encoded(&head(), &chunks);
    assert!(bytes.len() < noise.len() + 1000, "noise is stored as it is, repetition packed");
    let (found, got) = decoded(&bytes[..]).unwrap();
    assert_eq!(found, head());
    assert_eq!(got, chunks);
    assert_eq!(decoded(&encoded(&head(), &[])[..]).unwrap().1, Vec::<Vec<u8>>::new());
}

#[test]
fn every_cut_is_torn() {
    let whole = small();
    for length in 0..whole.len() {
        match decoded(&whole[..length]) {
            Err(FormatError::Torn { bytes, .. }) => assert_eq!(bytes, length as u64),
            other => panic!("cut at {length}: {other:?}"),
        }
    }
}

#[test]
fn no_flipped_bit_is_taken_for_whole() {
    let whole = small();
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let error = decoded(&bytes[..]).expect_err("a flipped bit");
        assert!(error.is_of_the_object(), "bit {bit}: {error}");
    }
}

#[test]
fn what_is_wrong_is_told_apart() {
    let whole = small();
    for other in [VERSION - 1, VERSION + 1] {
        let mut of_other = whole.clone();
        of_other[8..10].copy_from_slice(&other.to_le_bytes());
        let error = decoded(&of_other[..]).unwrap_err();
        assert!(matches!(error, FormatError::OtherFormat { found, known: VERSION } if found == other), "{error}");
    }
    assert!(matches!(decoded(&b"PK\x03\x04 something else"[..]), Err(FormatError::NotOurs)));
    let longer = [&whole[..], b"\0"].concat();
    assert!(matches!(decoded(&longer[..]), Err(FormatError::Damaged { .. })));
    // Chunks that are right, but left out, put twice, or of another snapshot.
    let (first, second): (&[u8], &[u8]) = (b"first chunk", b"other chunk");
    let both = encoded(&head(), &[first, second]);
    let chunk = 20 + first.len();
    let start = both.len() - 28 - 2 * chunk;
    let (head_bytes, rest) = both.split_at(start);
    let (one, rest) = rest.split_at(chunk);
    let (two, footer) = rest.split_at(chunk);
    decoded(&[head_bytes, one, two, footer].concat()[..]).unwrap();
    let foreign = encoded(&Head { offset: 5, ..head() }, &[first, second]);
    let foreign_head = &foreign[..foreign.len() - 28 - 2 * chunk];
    for parts in [
        [head_bytes, two, one, footer].concat(),
        [head_bytes, one, footer].concat(),
        [head_bytes, one, one, footer].concat(),
        [head_bytes, one, two, two, footer].concat(),
        [foreign_head, one, two, footer].concat(),
    ] {
        assert!(matches!(decoded(&parts[..]), Err(FormatError::Damaged { .. })));
    }
}

#[test]
fn after_an_error_nothing_more_is_given_out() {
    let mut bytes = small();
    let at = bytes.len() - 28 - 20 - 25 - 1; // in the first chunk's bytes
    bytes[at] ^= 1;
    let (_, mut reader) = Reader::open(&bytes[..]).unwrap();
    let mut chunk = b"before".to_vec();
    assert!(reader.next_chunk(&mut chunk).is_err());
    assert!(chunk.is_empty());
    assert!(reader.next_chunk(&mut chunk).is_err());
}

#[test]
fn a_length_that_lies_allocates_nothing() {
    let whole = small();
    let chunk = whole.windows(4).position(|four| four == CHUNK).unwrap();
    for (place, length) in [
        (10, HEAD_BYTES_MAX),
        (10, HEAD_BYTES_MAX + 1),
        (10, u32::MAX as usize),
        (chunk + 4, CHUNK_BYTES_MAX),
        (chunk + 4, CHUNK_BYTES_MAX + 1),
        (chunk + 4, u32::MAX as usize),
    ] {
        let mut bytes = whole.clone();
        bytes[place..place + 4].copy_from_slice(&u32::try_from(length).unwrap().to_le_bytes());
        if place > 10 && length <= CHUNK_BYTES_MAX {
            bytes[place + 4..place + 8].copy_from_slice(&u32::try_from(length).unwrap().to_le_bytes());
        }
        // A head's bytes come by the same way as a chunk's.
        let error = Reader::open(&bytes[..]).err().unwrap_or_else(|| {
            let (_, mut reader) = Reader::open(&bytes[..]).unwrap();
            let mut chunk = Vec::new();
            let error = reader.next_chunk(&mut chunk).unwrap_err();
            assert!(chunk.capacity() == 0 && reader.stored.capacity() <= 1 << 16, "{length}");
            error
        });
        let beyond = matches!(error, FormatError::Damaged { what, .. } if what.contains("limit"));
        let within = matches!(error, FormatError::Torn { .. });
        assert!(
            beyond != within && beyond == (length != HEAD_BYTES_MAX && length != CHUNK_BYTES_MAX),
            "{length}: {error}"
        );
    }
}

#[test]
fn a_packed_chunk_that_would_unpack_to_more_is_refused() {
    let bomb = zstd::bulk::compress(&vec![0; 1 << 20], 1).unwrap();
    let (raw, stored) = (200_u32, u32::try_from(bomb.len()).unwrap());
    let (_, mut bytes) = Encoder::head(&head()).unwrap();
    let checksum = xxhash_rust::xxh3::xxh3_64_with_seed(&bomb, seed(raw, stored));
    bytes.extend_from_slice(&CHUNK);
    for part in [&raw.to_le_bytes()[..], &stored.to_le_bytes(), &checksum.to_le_bytes(), &bomb] {
        bytes.extend_from_slice(part);
    }
    assert!(matches!(decoded(&bytes[..]), Err(FormatError::Damaged { what, .. }) if what.contains("unpack")));
}

#[test]
fn what_is_too_large_is_not_written() {
    let (mut encoder, mut out) = Encoder::head(&head()).unwrap();
    let before = out.len();
    let error = encoder.chunk(&vec![0; CHUNK_BYTES_MAX + 1], &mut out).unwrap_err();
    assert!(matches!(error, FormatError::TooLarge { what: "chunk", .. }) && out.len() == before, "{error}");
    encoder.chunk(&vec![0; CHUNK_BYTES_MAX], &mut out).unwrap();
    encoder.finish(&mut out);
    assert_eq!(decoded(&out[..]).unwrap().1[0].len(), CHUNK_BYTES_MAX);
    let large = Head { facts: vec![0; HEAD_BYTES_MAX], ..head() };
    assert!(matches!(Encoder::head(&large), Err(FormatError::TooLarge { what: "head", .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_chunks_come_back(chunks in prop::collection::vec(prop::collection::vec(0..3_u8, 0..300), 0..10), facts in prop::collection::vec(any::<u8>(), 0..50)) {
        let head = Head { facts, ..head() };
        let slices: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
        prop_assert_eq!(decoded(&encoded(&head, &slices)[..]).unwrap(), (head, chunks));
    }

    #[test]
    fn any_bytes_are_refused_without_a_panic(body in prop::collection::vec(any::<u8>(), 0..200), right_start in any::<bool>(), right_checksum in any::<bool>()) {
        let mut bytes = if right_start { [&MAGIC[..], &VERSION.to_le_bytes()].concat() } else { Vec::new() };
        if right_checksum {
            bytes.extend_from_slice(&u32::try_from(body.len()).unwrap().to_le_bytes());
        }
        bytes.extend_from_slice(&body);
        bytes.extend_from_slice(&xxhash_rust::xxh3::xxh3_64(&body).to_le_bytes());
        prop_assert!(decoded(&bytes[..]).is_err());
    }
}

#[test]
#[ignore = "prints what the levels of compression cost: run it by hand, with --release"]
fn what_packing_costs() {
    // Rows as they may be: ids of neighbours, ascending, with small counts and weights of every kind.
    let mut raw = Vec::new();
    let mut state = 1_u64;
    while raw.len() < 64 << 20 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        raw.extend_from_slice(&u32::try_from(state >> 44).unwrap().to_le_bytes());
        raw.extend_from_slice(&u32::try_from(1 + (state >> 40) % 7 * ((state >> 36) % 3)).unwrap().to_le_bytes());
        raw.extend_from_slice(&(1.0_f32 / (1 + (state >> 33) % 4096) as f32).to_le_bytes());
        raw.extend_from_slice(&[u8::try_from((state >> 30) % 4).unwrap(), 0, 0, 0]);
    }
    for level in [-5, 1, 3] {
        let start = std::time::Instant::now();
        let packed: Vec<Vec<u8>> =
            raw.chunks(1 << 20).map(|chunk| zstd::bulk::compress(chunk, level).unwrap()).collect();
        let took = start.elapsed().as_secs_f64();
        let start = std::time::Instant::now();
        packed.iter().for_each(|chunk| drop(zstd::bulk::decompress(chunk, 1 << 20).unwrap()));
        let back = start.elapsed().as_secs_f64();
        let size: usize = packed.iter().map(Vec::len).sum();
        let rate = |seconds: f64| raw.len() as f64 / seconds / 1e6;
        println!(
            "level {level}: {:.2} of the size, {:.0} MB/s in, {:.0} MB/s out",
            size as f64 / raw.len() as f64,
            rate(took),
            rate(back)
        );
    }
    let start = std::time::Instant::now();
    let sum: u64 = raw.chunks(1 << 20).map(xxhash_rust::xxh3::xxh3_64).fold(0, u64::wrapping_add);
    println!("checksum alone: {:.0} MB/s ({sum})", raw.len() as f64 / start.elapsed().as_secs_f64() / 1e6);
}
