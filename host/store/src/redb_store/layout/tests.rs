//! The layout, byte by byte, and what is refused.

use crate::kept::CHECKPOINT_BYTES_MAX;
use crate::redb_store::layout::memory_rows::{
    Pointer, StoredComponent, StoredMemory, chunk_bytes, chunk_count, chunk_key, component_key,
    decode_component, decode_entry, encode_component, encode_entry, journal_number, parse_component_key,
    parse_number,
};
use crate::redb_store::layout::{
    RoomRow, State, StoredRecord, Tally, alarm_key, decode_format, decode_record, decode_state,
    encode_format, encode_record, encode_state, entry_key, open, parse_alarm_key, parse_prefix,
    parse_room_row, record_key, room_prefix, seal,
};
use party_core::address::RoomAddress;
use party_core::commit::{Alarm, ComponentDigest, RoomRecord};
use party_core::ids::{CommitSeq, Epoch, Timestamp};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The rows that `docs/store-layout.md` draws, byte by byte: a change here is a change of the format.
#[test]
fn rows_are_as_they_are_drawn() {
    let address = RoomAddress::new("p", "main", "a").unwrap();
    let prefix = room_prefix(&address);
    assert_eq!(prefix, b"p\0main\0a\0");
    assert_eq!(record_key(&prefix), b"p\0main\0a\0\0");
    assert_eq!(entry_key(&prefix, b"key"), b"p\0main\0a\0\x01key");
    assert_eq!(alarm_key(Timestamp(0x0102), &prefix), b"\0\0\0\0\0\0\x01\x02p\0main\0a\0");
    let record = RoomRecord {
        seq: CommitSeq(1),
        alarm: Some(Alarm { at: Timestamp(2), attempts: 3 }),
        storage_bytes: 4,
        ids_reserved: 5,
        moved_at: CommitSeq(6),
        memory_due: Some(Timestamp(14)),
    };
    let stored = StoredRecord { record, entries: Tally { rows: 6, sum: 7 }, memory: None };
    let plain = "0100000000000000050000000000000004000000000000000600000000000000070000000000000002000000000000\
                 000300000001";
    let moved_at = "06000000000000000e00000000000000";
    assert_eq!(hex(&encode_record(&stored)), format!("{plain}{moved_at}"));
    let checkpoint = Some(Pointer { blob: 8, bytes: 9, crc: 10 });
    let memory = StoredMemory {
        component: ComponentDigest([0xcd; 32]),
        since: CommitSeq(7),
        checkpoint,
        journal: Tally { rows: 11, sum: 12 },
        journal_bytes: 13,
    };
    let plain = plain.strip_suffix("01").unwrap();
    let component = "cd".repeat(32);
    let since = "0700000000000000";
    let journal = "0b000000000000000c000000000000000d00000000000000";
    let stored = StoredRecord { memory: Some(memory), ..stored };
    assert_eq!(
        hex(&encode_record(&stored)),
        format!("{plain}07{moved_at}{component}{since}0800000000000000090000000a000000{journal}")
    );
    let memory = StoredMemory { checkpoint: None, ..memory };
    let stored = StoredRecord { memory: Some(memory), ..stored };
    assert_eq!(
        hex(&encode_record(&stored)),
        format!("{plain}03{moved_at}{component}{since}00000000000000000000000000000000{journal}")
    );
    let state = State {
        epoch: Epoch(1),
        batch: 2,
        records: Tally { rows: 3, sum: 4 },
        alarms: Tally { rows: 5, sum: 6 },
        in_doubt: true,
    };
    assert_eq!(
        hex(&encode_state(&state)),
        "010000000000000002000000000000000300000000000000040000000000000005000000000000000600000000000000\
         01"
    );
    assert_eq!(hex(&encode_format(2)), "70617274792d737402000000");
    let mut sealed = Vec::new();
    seal(&mut sealed, b"key", b"body");
    // CRC-32C of the key's length as eight bytes, the key and the body, computed apart from this program.
    assert_eq!(hex(&sealed), "579699ac626f6479");
}

#[test]
fn rows_of_memories_are_as_they_are_drawn() {
    let prefix = room_prefix(&RoomAddress::new("p", "main", "a").unwrap());
    assert_eq!(chunk_key(&prefix, 0x0102, 3), b"p\0main\0a\0\0\0\0\0\0\0\x01\x02\0\0\0\x03");
    let component = ComponentDigest([0xcd; 32]);
    assert_eq!(component_key(component), [b"sha256:".as_slice(), &[0xcd; 32]].concat());
    let stored = StoredComponent { pointer: Pointer { blob: 1, bytes: 2, crc: 3 }, references: 4 };
    let row = "01000000000000000200000000000000030000000400000000000000";
    assert_eq!(hex(&encode_component(&stored)), row);
    let mut entry = Vec::new();
    encode_entry(&mut entry, &prefix, CommitSeq(5), b"turn");
    assert_eq!(entry, b"\x05\0\0\0\0\0\0\0\x09\0p\0main\0a\0turn");
    assert_eq!(journal_number(3, 2), 3 * 1_024 + 2);
}

/// A row must fit a page of redb with its head and offsets, however long its owner's name; a larger one takes two.
#[test]
fn a_chunk_fills_a_page_and_no_more() {
    assert_eq!(chunk_bytes(b"p\0main\0a\0"), 4_000);
    for owner in [9, 68, 69, 500, 64 + 64 + 1_024 + 3] {
        let owner = vec![b'a'; owner];
        let row = chunk_key(&owner, 1, 1).len() + 4 + chunk_bytes(&owner);
        assert!(row + 4 + 8 <= 4_096, "{} bytes of owner", owner.len());
        assert_eq!(chunk_count(&owner, 0), 0);
        assert_eq!(chunk_count(&owner, chunk_bytes(&owner) as u64), 1);
        assert_eq!(chunk_count(&owner, chunk_bytes(&owner) as u64 + 1), 2);
    }
}

/// The record of format 1, which tells of no move and no memory.
#[test]
fn an_older_record_counts_as_moved_by_its_last_commit() {
    let record = RoomRecord {
        seq: CommitSeq(9),
        alarm: Some(Alarm { at: Timestamp(2), attempts: 3 }),
        storage_bytes: 4,
        ids_reserved: 5,
        moved_at: CommitSeq(9),
        memory_due: None,
    };
    let stored = StoredRecord { record, entries: Tally { rows: 6, sum: 7 }, memory: None };
    assert_eq!(decode_record(b"k", &encode_record(&stored)[..53]).unwrap(), stored);
}

#[test]
fn rows_come_back_as_they_went_in() {
    let alarms =
        [None, Some(Alarm { at: Timestamp(0), attempts: 0 }), Some(Alarm { at: Timestamp(9), attempts: 9 })];
    for alarm in alarms {
        let record = RoomRecord {
            seq: CommitSeq(u64::MAX),
            alarm,
            storage_bytes: 1,
            ids_reserved: 2,
            moved_at: CommitSeq(3),
            memory_due: None,
        };
        let entries = Tally { rows: 3, sum: u64::MAX };
        let without = StoredMemory {
            component: ComponentDigest([7; 32]),
            since: CommitSeq(u64::MAX),
            checkpoint: None,
            journal: entries,
            journal_bytes: 1,
        };
        let pointer = Pointer { blob: 0, bytes: CHECKPOINT_BYTES_MAX, crc: u32::MAX };
        let with = StoredMemory { checkpoint: Some(pointer), ..without };
        for memory in [None, Some(without), Some(with)] {
            let stored = StoredRecord { record, entries, memory };
            assert_eq!(decode_record(b"k", &encode_record(&stored)).unwrap(), stored);
        }
    }
    for in_doubt in [false, true] {
        let state = State { epoch: Epoch(u64::MAX), in_doubt, ..State::default() };
        assert_eq!(decode_state(&encode_state(&state)).unwrap(), state);
    }
    assert_eq!(decode_format(&encode_format(7)), Some(7));
    let address = RoomAddress::new("p", "main", "a%00\u{e4}").unwrap();
    let prefix = room_prefix(&address);
    assert_eq!(parse_prefix(&prefix).unwrap(), address);
    assert_eq!(parse_room_row(&record_key(&prefix)).unwrap(), (prefix.as_slice(), RoomRow::Record));
    let key = entry_key(&prefix, b"\0\x01");
    assert_eq!(parse_room_row(&key).unwrap(), (prefix.as_slice(), RoomRow::Entry(b"\0\x01")));
    assert_eq!(parse_alarm_key(&alarm_key(Timestamp(5), &prefix)).unwrap(), (Timestamp(5), address));
}

#[test]
fn what_is_no_row_is_refused() {
    for key in
        [&b""[..], b"p\0main\0", b"p\0main\0a", b"p\0main\0a\0", b"p\0main\0a\0\x02", b"p\0main\0a\0\0x"]
    {
        assert!(parse_room_row(key).is_err(), "{key:?}");
    }
    for prefix in
        [&b""[..], b"p\0main\0a", b"P\0main\0a\0", b"p\0main\0\0", b"p\0main\0\xff\0", b"p\0main\0a\0b\0"]
    {
        assert!(parse_prefix(prefix).is_err(), "{prefix:?}");
    }
    assert!(parse_alarm_key(b"short").is_err());
    for bytes in [0, 52, 54, 68, 70, 149] {
        assert!(decode_record(b"k", &vec![0; bytes]).is_err(), "{bytes} bytes");
    }
    assert!(decode_record(b"k", &[2; 69]).is_err(), "it says that a memory follows");
    assert!(decode_component(b"k", &[0; 27]).is_err());
    for entry in [&[0; 9][..], b"\0\0\0\0\0\0\0\0\x02\0p"] {
        assert!(decode_entry(b"k", entry).is_err(), "{entry:?}");
    }
    assert!(parse_number(&[0; 7]).is_err() && parse_component_key(b"sha256:short").is_err());
    assert!(decode_state(&[0; 48]).is_err());
    assert_eq!((decode_format(b"party-st"), decode_format(b"other-st\0\0\0\0")), (None, None));
}

#[test]
fn a_value_belongs_to_its_key() {
    let mut sealed = Vec::new();
    seal(&mut sealed, b"key", b"body");
    assert_eq!(open(b"key", &sealed).unwrap(), b"body");
    for bit in 0..sealed.len() * 8 {
        let mut flipped = sealed.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(open(b"key", &flipped).is_err(), "bit {bit}");
    }
    assert!(open(b"kez", &sealed).is_err());
    assert!(open(b"key", &sealed[..7]).is_err() && open(b"key", &[]).is_err());
    // The same bytes with the border between key and body elsewhere.
    let shifted = [&sealed[..4], b"ybody"].concat();
    assert!(open(b"ke", &shifted).is_err());
}
