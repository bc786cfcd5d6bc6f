//! What is recorded of a durable room, by itself: for whoever wants to see what has happened, or to make a test of it.
//!
//! It comes from a store ([`Recorded::into_room`](super::Recorded::into_room)), or from a host that runs, which sends it as
//! bytes over its admin socket: the room with which the journal begins as a file, the component, and each record, each
//! behind its length.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use party_core::ids::CommitSeq;
use party_store::kept::{COMPONENT_BYTES_MAX, JournalEntry};
use party_store::room_file::{FILE_BYTES_MAX, RoomFile, RoomFileError};
use thiserror::Error;

/// The most bytes of records that travel: 256 MiB. A journal is saved long before, unless its limits were raised.
const JOURNAL_BYTES_MAX: u64 = 256 << 20;
/// The most bytes that [`RecordedRoom::encode`] gives.
pub const RECORDED_BYTES_MAX: u64 = FILE_BYTES_MAX + COMPONENT_BYTES_MAX + JOURNAL_BYTES_MAX + (1 << 20);
/// Bytes before a record: its commit and its length.
const RECORD_HEAD_BYTES: usize = 16;

/// What is recorded of a durable room, by itself: the room with which its journal begins, and the journal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordedRoom {
    /// The room as its last checkpoint left it; as it was when its life began, without a memory, if there is none.
    pub base: RoomFile,
    /// The component that its turns ran on.
    pub component: Bytes,
    /// What has happened since, in order; at least one record.
    pub journal: Vec<JournalEntry>,
}

/// Why bytes are no recorded room.
#[derive(Debug, Error)]
pub enum RecordedError {
    /// They end too early, or go on after their end.
    #[error("what is recorded is cut short, or goes on after its end")]
    Length,
    /// There is more of them than can travel.
    #[error("the recorded turns have {found} bytes; the limit is {JOURNAL_BYTES_MAX}")]
    TooLarge {
        /// How many there are.
        found: u64,
    },
    /// The room with which they begin cannot be read or written.
    #[error("the room with which the journal begins: {0}")]
    Base(#[from] RoomFileError),
}

impl RecordedRoom {
    /// Its bytes.
    pub fn encode(&self) -> Result<Bytes, RecordedError> {
        let found = self.journal.iter().map(|entry| (entry.bytes.len() + RECORD_HEAD_BYTES) as u64).sum();
        if found > JOURNAL_BYTES_MAX {
            return Err(RecordedError::TooLarge { found });
        }
        let mut base = Vec::new();
        self.base.write(&mut base)?;
        let mut bytes = BytesMut::new();
        for part in [&base[..], &self.component] {
            bytes.put_u64_le(part.len() as u64);
            bytes.put_slice(part);
        }
        for JournalEntry { seq, bytes: record } in &self.journal {
            bytes.put_u64_le(seq.0);
            bytes.put_u64_le(record.len() as u64);
            bytes.put_slice(record);
        }
        Ok(bytes.freeze())
    }

    /// Reads what [`RecordedRoom::encode`] wrote. No length is believed before the bytes for it are seen.
    pub fn decode(mut bytes: Bytes) -> Result<RecordedRoom, RecordedError> {
        let base = part(&mut bytes)?;
        let base = RoomFile::read(&mut &base[..])?;
        let component = part(&mut bytes)?;
        let mut journal = Vec::new();
        while !bytes.is_empty() {
            let seq = CommitSeq(bytes.try_get_u64_le().map_err(|_| RecordedError::Length)?);
            journal.push(JournalEntry { seq, bytes: part(&mut bytes)? });
        }
        Ok(RecordedRoom { base, component, journal })
    }
}

/// What stands behind its length.
fn part(bytes: &mut Bytes) -> Result<Bytes, RecordedError> {
    let length = bytes.try_get_u64_le().map_err(|_| RecordedError::Length)?;
    match usize::try_from(length) {
        Ok(length) if length <= bytes.len() => Ok(bytes.split_to(length)),
        Ok(_) | Err(_) => Err(RecordedError::Length),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;
    use party_core::address::RoomAddress;
    use party_core::ids::{CommitSeq, Timestamp};
    use party_store::kept::JournalEntry;
    use party_store::room_file::RoomFile;

    use super::RecordedRoom;

    #[test]
    fn what_is_written_is_read_and_nothing_of_it_can_be_missing() {
        let base = RoomFile {
            address: RoomAddress::new("p", "main", "lobby").unwrap(),
            written_at: Timestamp(7),
            seq: CommitSeq(3),
            alarm: None,
            ids_reserved: 9,
            memory: None,
            entries: BTreeMap::from([(Bytes::from("key"), Bytes::from("value"))]),
        };
        let entry = |seq, bytes: &'static str| JournalEntry { seq: CommitSeq(seq), bytes: bytes.into() };
        let journal = vec![entry(4, "one"), entry(5, ""), entry(6, "three")];
        let room = RecordedRoom { base, component: Bytes::from("code"), journal };
        let bytes = room.encode().unwrap();
        assert_eq!(RecordedRoom::decode(bytes.clone()).unwrap(), room);
        let whole: Vec<usize> =
            (0..bytes.len()).filter(|length| RecordedRoom::decode(bytes.slice(..*length)).is_ok()).collect();
        // A cut between two records leaves fewer of them: the host says how many bytes it sends.
        assert_eq!(whole.len(), 3, "{whole:?}");
        let mut huge = bytes.to_vec();
        huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(RecordedRoom::decode(huge.into()).is_err());
    }
}
