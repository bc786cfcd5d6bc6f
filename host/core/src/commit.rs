//! What a turn leaves behind for good: the unit that the store writes.
//!
//! A room's commits are numbered without gaps. Each holds the key-value changes of one turn and the whole record
//! of the room as that turn leaves it, so that the last record alone says where a room stands.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::address::RoomAddress;
use crate::ids::{CommitSeq, Timestamp};

/// How many ids a life of a room reserves with its first commit.
pub const IDS_RESERVED_STEP: u64 = 1 << 20;

/// Changes to a room's keys and values: first, if `cleared`, every key goes; then each entry is put or, if it
/// has no value, deleted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KvChanges {
    /// Whether every earlier key goes first.
    pub cleared: bool,
    /// The new value of each key that changed; `None` deletes it.
    pub entries: BTreeMap<Bytes, Option<Bytes>>,
}

impl KvChanges {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        !self.cleared && self.entries.is_empty()
    }

    /// Bytes of the keys and values among them.
    pub fn bytes(&self) -> u64 {
        let value_bytes = |value: &Option<Bytes>| value.as_ref().map_or(0, Bytes::len);
        self.entries.iter().map(|(key, value)| (key.len() + value_bytes(value)) as u64).sum()
    }
}

/// A durable alarm.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Alarm {
    /// When it rings, never earlier.
    pub at: Timestamp,
    /// How often it has rung and failed.
    pub attempts: u32,
}

/// What the store keeps of a room beside its keys and values.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RoomRecord {
    /// The last commit.
    pub seq: CommitSeq,
    /// The alarm that is set, or that rang and has not been settled.
    pub alarm: Option<Alarm>,
    /// Bytes of all keys and values.
    pub storage_bytes: u64,
    /// Ids below this bound may have been given out. A new life begins here. An id can be remembered only by a
    /// commit, so the reservation rides on the first commit of each life and costs none of its own.
    pub ids_reserved: u64,
}

/// One turn's lasting effect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoomCommit {
    /// Whose.
    pub address: Arc<RoomAddress>,
    /// The record as this turn leaves it; `record.seq` is this commit's number.
    pub record: RoomRecord,
    /// The keys and values that it changed.
    pub changes: KvChanges,
}
