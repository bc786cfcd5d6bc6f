//! What a turn leaves behind for good: the unit that the store writes.
//!
//! A room's commits are numbered without gaps. Each holds the key-value changes of one turn and the whole record
//! of the room as that turn leaves it, so that the last record alone says where a room stands.
//!
//! Beside that a commit may change what is kept of the room's memory: the checkpoint, which is the whole of it as a
//! commit left it, and the journal, which holds what has happened since. A turn that the journal records may leave its
//! key-value changes to the commit that carries the next checkpoint; the store does not look into a record.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::address::RoomAddress;
use crate::ids::{CommitSeq, Timestamp};

/// How many ids a life of a room reserves with its first commit.
pub const IDS_RESERVED_STEP: u64 = 1 << 20;
/// With fewer reserved ids left, the next commit reserves more.
pub const IDS_LEFT_MIN: u64 = 1 << 12;

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

    /// Adds changes that come after these.
    pub fn then(&mut self, later: KvChanges) {
        if later.cleared {
            *self = later;
        } else {
            self.entries.extend(later.entries);
        }
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
    /// The last commit that changed keys, values or the alarm. A checkpoint that an earlier commit carries is of no
    /// use to a room that starts again: its memory would not fit to its storage. An alarm that time has ended since the
    /// guest was saved counts for nothing: a room that goes on with the checkpoint comes to the same.
    pub moved_at: CommitSeq,
    /// When the memory that is kept has something to do by itself: a sleep ends, or what is pending is overdue.
    pub memory_due: Option<Timestamp>,
}

impl RoomRecord {
    /// When the room must be woken, if nothing else wakes it before: for its alarm, or for what its memory waits for.
    pub fn wakes_at(&self) -> Option<Timestamp> {
        self.alarm.map(|alarm| alarm.at).into_iter().chain(self.memory_due).min()
    }
}

/// A component, by the SHA-256 of its bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ComponentDigest(pub [u8; 32]);

impl fmt::Display for ComponentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ComponentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ComponentDigest({self})")
    }
}

/// What a commit does to what is kept of a room's memory. All of it belongs to one component: checkpoint and journal
/// are of no use to another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MemoryChange {
    /// A record of this commit goes to the end of the journal.
    Append(JournalRecord),
    /// The checkpoint is replaced by one of the room as this commit leaves it; the journal ends with that.
    Checkpoint(NewCheckpoint),
    /// Checkpoint and journal go: that memory is no more. If there is a record, a new journal begins with it.
    Forget {
        /// The first record of the new journal.
        then: Option<JournalRecord>,
    },
    /// All of the room goes: checkpoint, journal, keys, values, alarm and record. It is as if it had never been, and whoever
    /// commits to its address next begins with the first number.
    Destroy,
}

impl MemoryChange {
    /// The checkpoint that was staged for it, if one was.
    pub fn staged(&self) -> Option<StagedCheckpoint> {
        match self {
            MemoryChange::Checkpoint(NewCheckpoint { bytes: CheckpointBytes::Staged(staged), .. }) => {
                Some(*staged)
            }
            MemoryChange::Checkpoint(_)
            | MemoryChange::Append(_)
            | MemoryChange::Forget { .. }
            | MemoryChange::Destroy => None,
        }
    }

    /// Bytes of the record that goes to the journal, if one does.
    pub fn recorded_bytes(&self) -> u64 {
        match self {
            MemoryChange::Append(record) | MemoryChange::Forget { then: Some(record) } => {
                record.bytes.len() as u64
            }
            MemoryChange::Checkpoint(_) | MemoryChange::Forget { then: None } | MemoryChange::Destroy => 0,
        }
    }
}

/// What the journal keeps of one commit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JournalRecord {
    /// The component that the turn ran on: that of the checkpoint and of the records before it.
    pub component: ComponentDigest,
    /// The record, opaque to the store.
    pub bytes: Bytes,
}

/// A checkpoint that is to be kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewCheckpoint {
    /// The component without which it is worth nothing; the store must have it.
    pub component: ComponentDigest,
    /// Where its bytes are, opaque to the store.
    pub bytes: CheckpointBytes,
}

/// Where the bytes of a checkpoint are when it is committed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CheckpointBytes {
    /// Here: they are written with the commit.
    Inline(Bytes),
    /// In the store already; the commit only points to them.
    Staged(StagedCheckpoint),
}

/// Bytes that the store holds for the next checkpoint of one room. It forgets them if no commit takes them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StagedCheckpoint {
    /// The store's own number for them.
    pub id: u64,
    /// How many there are.
    pub bytes: u64,
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
    /// What becomes of what is kept of its memory; mostly nothing, and then it is a null pointer that travels.
    pub memory: Option<Box<MemoryChange>>,
}
