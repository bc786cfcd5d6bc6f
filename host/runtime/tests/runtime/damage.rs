//! Bytes that are no snapshot, no longer one, or never were one: refused, without a panic and within bounds.
//!
//! `PARTY_SEED=42` tries only that seed, `PARTY_LONG=1` a hundred times as many.

use party_runtime::restore::RestoreError;
use party_runtime::snapshot::{DecodeError, Snapshot};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::fuzz::{Trying, seeds};
use crate::guests::logging;
use crate::room::{TestRoom, block_on, load, small_limits};

const MEMORY_BYTES_MAX: u64 = 4 << 20;
const HEADER_BYTES: usize = 46;

/// A guest whose memory and globals change in many places.
fn guest() -> Vec<u8> {
    let guest = logging().item("(global $n (mut i64) (i64.const 0)) (memory $second 1)").on(
        "on-message",
        "(global.set $n (i64.add (global.get $n) (local.get $event)))
         (i64.store (i32.const 3000) (global.get $n))
         (i64.store (i32.const 9000) (local.get $event))
         (memory.fill (i32.const 100000) (i32.const 97) (local.get $bytes))
         (i32.store $second (i32.const 64) (local.get $bytes))
         (i32.const 1024)",
    );
    guest.build()
}

fn snapshot() -> Snapshot {
    let mut room = TestRoom::with_limits(&guest(), small_limits());
    block_on(async {
        let client = room.connect().await;
        room.end_of(client, &"x".repeat(1_000)).await;
    });
    room.capture().unwrap()
}

fn decode(bytes: &[u8]) -> Result<Snapshot, DecodeError> {
    Snapshot::decode(bytes, MEMORY_BYTES_MAX)
}

/// A snapshot that somebody else has written, with a right checksum.
fn forged(packing: u8, layout_key: [u8; 32], body_bytes: u64, body: &[u8]) -> Vec<u8> {
    let mut bytes = b"PtyS\x01".to_vec();
    bytes.push(packing);
    bytes.extend_from_slice(&layout_key);
    bytes.extend_from_slice(&body_bytes.to_le_bytes());
    bytes.extend_from_slice(body);
    sealed(bytes)
}

fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    bytes
}

fn plain(body: &[u8]) -> Result<Snapshot, DecodeError> {
    decode(&forged(0, [7; 32], body.len() as u64, body))
}

fn malformed(body: &[u8], expected: &str) {
    assert_eq!(plain(body), Err(DecodeError::Malformed(expected_text(expected))), "{body:?}");
}

fn expected_text(expected: &str) -> &'static str {
    const TEXTS: [&str; 7] = [
        "a number has no end",
        "there are fewer items than it says",
        "a memory is too large",
        "two runs are one",
        "a run is empty or not inside of its memory",
        "there are fewer bytes than it says",
        "something follows its end",
    ];
    TEXTS.into_iter().find(|text| *text == expected).expect("it is one of the texts")
}

#[test]
fn the_bytes_of_the_format_are_what_the_page_says() {
    // docs/snapshot-format.md: one memory of two pages with two runs, and a global.
    let body = [1, 2, 2, 0x90, 0x4e, 3, 8, 1, 1, 5, 0xac, 2, b'a', b'b', b'c', b'd'];
    let bytes = forged(0, [7; 32], 16, &body);
    let snapshot = decode(&bytes).unwrap();
    assert_eq!((snapshot.layout_key().0, snapshot.memory_bytes()), ([7; 32], 2 << 16));
    assert_eq!(snapshot.delta_bytes(), 4);
    assert_eq!(snapshot.encode().unwrap(), bytes, "short bodies are not packed");
}

#[test]
fn every_cut_and_every_flipped_bit_is_found() {
    let whole = snapshot().encode().unwrap();
    assert!(decode(&whole).is_ok());
    for length in 0..whole.len() {
        assert!(decode(&whole[..length]).is_err(), "cut to {length} bytes");
    }
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let error = decode(&flipped).expect_err("a bit is another");
        match bit / 8 {
            0..4 => assert_eq!(error, DecodeError::NotASnapshot),
            4 => assert!(
                matches!(error, DecodeError::NewerFormat { .. } | DecodeError::NotASnapshot),
                "{error}"
            ),
            _ => assert!(
                matches!(error, DecodeError::Checksum { .. } | DecodeError::TooLarge { .. }),
                "{error}"
            ),
        }
    }
}

#[test]
fn other_bytes_are_no_snapshot() {
    for bytes in
        [&b""[..], b"PtyS", &[0; 200], b"SQLite format 3\0 and so on, and so on, and so on, and so on"]
    {
        assert_eq!(decode(bytes), Err(DecodeError::NotASnapshot));
    }
}

#[test]
fn a_newer_format_is_named() {
    let mut bytes = snapshot().encode().unwrap();
    bytes[4] = 2;
    let error = decode(&bytes).unwrap_err();
    assert_eq!(error, DecodeError::NewerFormat { found: 2, known: 1 });
    assert_eq!(error.to_string(), "the snapshot has format 2; this host knows formats up to 1");
}

#[test]
fn what_says_that_it_is_larger_than_allowed_is_refused_before_it_is_unpacked() {
    let body = vec![0; 100];
    let huge = forged(1, [7; 32], u64::MAX, &body);
    assert!(matches!(decode(&huge), Err(DecodeError::TooLarge { bytes: u64::MAX, .. })));
    // Within the bound, but more than so few bytes can be.
    let bomb = forged(1, [7; 32], MEMORY_BYTES_MAX, &body);
    assert_eq!(decode(&bomb), Err(DecodeError::Malformed("its length cannot be right")));
    // More bytes than a snapshot of so little memory can have.
    let long = vec![0; (MEMORY_BYTES_MAX + (64 << 10)) as usize];
    assert!(matches!(decode(&long), Err(DecodeError::TooLarge { .. })));
    // More memory than a room may have, in few bytes: 65 pages, no run, no global.
    let bytes_max = MEMORY_BYTES_MAX;
    assert_eq!(plain(&[1, 65, 0, 0]), Err(DecodeError::TooLarge { bytes: 65 << 16, bytes_max }));
    assert!(plain(&[1, 64, 0, 0]).is_ok());
}

#[test]
fn bodies_that_nobody_wrote_are_refused() {
    malformed(&[], "a number has no end");
    malformed(&[0x80], "a number has no end");
    malformed(&[1, 0x80, 0, 0, 0], "a number has no end");
    malformed(&[200, 1, 0, 0], "there are fewer items than it says");
    malformed(&[1, 1, 100, 0, 0], "there are fewer items than it says");
    malformed(&[1, 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0], "a memory is too large");
    malformed(&[1, 1, 2, 0, 1, 7, 1, 0, b'a', b'b'], "two runs are one");
    malformed(&[1, 1, 1, 0, 0, 0], "a run is empty or not inside of its memory");
    malformed(&[1, 1, 1, 0xff, 0xff, 3, 2, 0, b'a', b'b'], "a run is empty or not inside of its memory");
    malformed(&[1, 0, 1, 0, 1, 0, b'a'], "a run is empty or not inside of its memory");
    malformed(&[1, 1, 1, 0, 2, 0, b'a'], "there are fewer bytes than it says");
    malformed(&[1, 1, 1, 0, 2, 0, b'a', b'b', b'c'], "something follows its end");
    let body = [1, 1, 0, 0];
    let wrong_length = decode(&forged(0, [7; 32], 5, &body));
    assert_eq!(wrong_length, Err(DecodeError::Malformed("its length cannot be right")));
    let unknown = decode(&forged(9, [7; 32], 4, &body));
    assert_eq!(unknown, Err(DecodeError::Malformed("it is packed in an unknown way")));
    let not_packed = decode(&forged(1, [7; 32], 40, &body));
    assert_eq!(not_packed, Err(DecodeError::Malformed("it cannot be unpacked")));
}

#[test]
fn a_snapshot_with_the_right_key_and_another_shape_is_refused() {
    let component = load(&guest(), small_limits());
    let key = component.layout_key().unwrap().0;
    let restore = |body: &[u8]| {
        let snapshot = decode(&forged(0, key, body.len() as u64, body)).unwrap();
        block_on(component.restore(&snapshot)).err()
    };
    assert_eq!(restore(&[2, 2, 0, 1, 0, 0]), None);
    assert_eq!(restore(&[1, 2, 0, 0]), Some(RestoreError::Misfit("it has another number of memories")));
    let misfit = restore(&[2, 2, 0, 1, 0, 1, 100, 0]);
    assert_eq!(misfit, Some(RestoreError::Misfit("it has a global that the component has not")));
    let misfit = restore(&[2, 1, 0, 1, 0, 0]);
    assert_eq!(misfit, Some(RestoreError::Misfit("a memory is smaller than a fresh instance's")));
}

#[test]
fn growth_beyond_a_memory_s_own_maximum_is_refused() {
    let component = load(&logging().item("(memory $second 1 2)").build(), small_limits());
    let key = component.layout_key().unwrap().0;
    let restore = |pages: u8| {
        let body = [2, 2, 0, pages, 0, 0];
        let snapshot = decode(&forged(0, key, 6, &body)).unwrap();
        block_on(component.restore(&snapshot)).err()
    };
    assert_eq!(restore(2), None);
    assert_eq!(restore(3), Some(RestoreError::Growth { pages: 3 }));
}

#[test]
fn random_damage_with_a_right_checksum_never_panics() {
    let whole = snapshot().encode().unwrap();
    let component = load(&guest(), small_limits());
    let (mut refused, mut misread) = (0, 0);
    for seed in seeds(400) {
        let _trying = Trying(seed);
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let mut bytes = whole[..whole.len() - 4].to_vec();
        for _ in 0..1 + rng.next_u32() % 4 {
            let at = HEADER_BYTES - 8 + rng.next_u32() as usize % (bytes.len() - HEADER_BYTES + 8);
            bytes[at] = rng.next_u32() as u8;
        }
        match decode(&sealed(bytes)) {
            Err(_) => refused += 1,
            Ok(snapshot) => {
                misread += 1;
                assert!(snapshot.memory_bytes() <= MEMORY_BYTES_MAX);
                // Contents that are wrong are the guest's to trip over; they stay inside of its memory.
                let _ = block_on(component.restore(&snapshot));
            }
        }
    }
    println!("{refused} were refused, {misread} were read");
}
