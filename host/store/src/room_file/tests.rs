//! What a file of a room survives, and what it is refused for.

use bytes::Bytes;
use party_core::address::RoomAddress;
use party_core::commit::{Alarm, ComponentDigest};
use party_core::ids::{CommitSeq, Timestamp};

use super::{RoomFile, RoomFileError, RoomFileMemory};

fn file() -> RoomFile {
    RoomFile {
        address: RoomAddress::new("project", "main", "lobby").unwrap(),
        written_at: Timestamp(1_700_000_000_000),
        seq: CommitSeq(42),
        alarm: Some(Alarm { at: Timestamp(1_700_000_100_000), attempts: 2 }),
        ids_reserved: 1 << 21,
        memory: Some(RoomFileMemory {
            component: ComponentDigest([7; 32]),
            component_bytes: Bytes::from_static(b"\0asm component"),
            checkpoint: Bytes::from_static(b"PHCP and so on"),
        }),
        entries: [("a", "1"), ("b", ""), ("c", "three")]
            .map(|(key, value)| (key.into(), value.into()))
            .into(),
    }
}

fn written(file: &RoomFile) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.write(&mut bytes).unwrap();
    bytes
}

fn read(bytes: &[u8]) -> Result<RoomFile, RoomFileError> {
    RoomFile::read(&mut &bytes[..])
}

#[test]
fn what_is_written_is_read() {
    let whole = file();
    assert_eq!(read(&written(&whole)).unwrap(), whole);
    let bare = RoomFile { alarm: None, memory: None, entries: Default::default(), ..file() };
    assert_eq!(read(&written(&bare)).unwrap(), bare);
    // More than one part of keys and values.
    let value = Bytes::from(vec![b'x'; 100 << 10]);
    let many = (0..40).map(|key| (Bytes::from(format!("{key:04}")), value.clone())).collect();
    let large = RoomFile { entries: many, ..file() };
    assert_eq!(read(&written(&large)).unwrap(), large);
}

#[test]
fn a_file_that_is_cut_anywhere_is_refused() {
    let bytes = written(&file());
    for end in 0..bytes.len() {
        let error = read(&bytes[..end]).unwrap_err();
        let expected = if end < 4 { "this is no file of a room" } else { "the file is cut short" };
        assert!(error.to_string().starts_with(expected), "cut at {end}: {error}");
    }
    let longer = [bytes.as_slice(), b"x"].concat();
    assert!(matches!(read(&longer), Err(RoomFileError::Longer)));
}

#[test]
fn every_flipped_bit_is_found() {
    let bytes = written(&file());
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(read(&flipped).is_err(), "bit {bit} was flipped unnoticed");
    }
}

/// A file of these parts, whose checksums are right.
fn of_parts(parts: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut bytes = b"PHRF\x01\x00".to_vec();
    for (name, part) in parts {
        bytes.extend_from_slice(*name);
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part);
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    }
    bytes
}

fn room_part() -> Vec<u8> {
    let bytes = written(&file());
    let length = u64::from_le_bytes(bytes[10..18].try_into().unwrap()) as usize;
    bytes[18..18 + length].to_vec()
}

#[test]
fn parts_that_are_whole_but_make_no_room_are_refused() {
    let room = room_part();
    let entry =
        |key: &str| [&(key.len() as u32).to_le_bytes(), key.as_bytes(), &1u32.to_le_bytes(), b"v"].concat();
    let end = |count: u64, bytes: u64| [count.to_le_bytes(), bytes.to_le_bytes()].concat();
    let refused = |parts: &[(&[u8; 4], &[u8])], expected: &str| {
        let error = read(&of_parts(parts)).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected:?} is not in {error:?}");
    };
    assert!(read(&of_parts(&[(b"ROOM", &room), (b"ENDS", &end(0, 0))])).is_ok());
    refused(&[(b"ENDS", &end(0, 0))], "part ENDS where none is allowed");
    refused(&[(b"ROOM", &room), (b"ROOM", &room)], "part ROOM where none is allowed");
    refused(&[(b"ROOM", &room), (b"\xff\0\0\0", b"")], "part \\xff");
    refused(&[(b"ROOM", &room[1..]), (b"ENDS", &end(0, 0))], "is not possible");
    refused(&[(b"ROOM", &room), (b"CODE", &[0; 40]), (b"ENDS", &end(0, 0))], "memory is not possible");
    refused(&[(b"ROOM", &room), (b"CODE", &[0; 31]), (b"MEMO", b"")], "length of a part");
    refused(&[(b"ROOM", &room), (b"KEYS", &entry("a")), (b"ENDS", &end(2, 4))], "number of keys");
    let backwards = [entry("b"), entry("a")].concat();
    refused(&[(b"ROOM", &room), (b"KEYS", &backwards), (b"ENDS", &end(2, 4))], "order of keys");
    let twice = [entry("a"), entry("a")].concat();
    refused(&[(b"ROOM", &room), (b"KEYS", &twice), (b"ENDS", &end(2, 4))], "order of keys");
    refused(&[(b"ROOM", &room), (b"KEYS", &u32::MAX.to_le_bytes()), (b"ENDS", &end(1, 4))], "key is not");
}

#[test]
fn what_a_length_announces_is_neither_believed_nor_allocated() {
    let mut bytes = of_parts(&[(b"ROOM", &room_part())]);
    bytes.extend_from_slice(b"MEMO");
    bytes.extend_from_slice(&u64::MAX.to_le_bytes());
    assert!(matches!(read(&bytes), Err(RoomFileError::TooLarge { .. })));
    let at = bytes.len() - 8;
    bytes[at..].copy_from_slice(&(200u64 << 20).to_le_bytes());
    assert!(matches!(read(&bytes), Err(RoomFileError::Cut)), "200 MiB are within the bound and do not come");
}

#[test]
fn a_newer_format_and_other_files_are_told_apart() {
    assert!(matches!(read(b"PHRF\x02\0"), Err(RoomFileError::Format { found: 2 })));
    for other in [&b""[..], b"PHR", b"\0asm\x01\0\0\0", b"PK\x03\x04"] {
        assert!(matches!(read(other), Err(RoomFileError::NotARoom)));
    }
}
