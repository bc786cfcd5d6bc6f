//! The layout, byte by byte, and what is refused.

use crate::redb_store::layout::{
    RoomRow, State, StoredRecord, Tally, alarm_key, decode_format, decode_record, decode_state,
    encode_format, encode_record, encode_state, entry_key, open, parse_alarm_key, parse_prefix,
    parse_room_row, record_key, room_prefix, seal,
};
use party_core::address::RoomAddress;
use party_core::commit::{Alarm, RoomRecord};
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
    };
    let stored = StoredRecord { record, entries: Tally { rows: 6, sum: 7 } };
    assert_eq!(
        hex(&encode_record(&stored)),
        "010000000000000005000000000000000400000000000000060000000000000007000000000000000200000000000000\
         0300000001"
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
    assert_eq!(hex(&encode_format(1)), "70617274792d737401000000");
    let mut sealed = Vec::new();
    seal(&mut sealed, b"key", b"body");
    // CRC-32C of the key's length as eight bytes, the key and the body, computed apart from this program.
    assert_eq!(hex(&sealed), "579699ac626f6479");
}

#[test]
fn rows_come_back_as_they_went_in() {
    let alarms =
        [None, Some(Alarm { at: Timestamp(0), attempts: 0 }), Some(Alarm { at: Timestamp(9), attempts: 9 })];
    for alarm in alarms {
        let record = RoomRecord { seq: CommitSeq(u64::MAX), alarm, storage_bytes: 1, ids_reserved: 2 };
        let stored = StoredRecord { record, entries: Tally { rows: 3, sum: u64::MAX } };
        assert_eq!(decode_record(b"k", &encode_record(&stored)).unwrap(), stored);
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
    assert!(decode_record(b"k", &[0; 52]).is_err() && decode_record(b"k", &[0; 54]).is_err());
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
