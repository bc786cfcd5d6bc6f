//! Snapshots: what differs between an instance and the base image of its component.
//!
//! That is all that a room keeps in variables, in the middle of an await, too: the runs of bytes of its memories that
//! differ, how long its memories are, and the mutable globals that differ. An instance is captured between two turns
//! ([`Instance::capture`](crate::instance::Instance::capture)) and made again of a snapshot
//! ([`Component::restore`](crate::component::Component::restore)), also by another process. A snapshot is for one
//! component only, and its [`LayoutKey`] says for which.
//!
//! On its way to a disk it has a format of its own: [`encode`](Snapshot::encode) and [`decode`](Snapshot::decode),
//! drawn in `docs/snapshot-format.md`.

mod delta;
mod format;
mod touched;
mod varint;

use std::fmt;

pub use format::DecodeError;

pub(crate) use delta::{Delta, Run};
pub(crate) use touched::{Stretch, Touched, everything};

use crate::access::WASM_PAGE_BYTES;

/// The largest memory that a room can have, in bytes: all that 32 bits can address, which is the most that
/// `limits.memory_bytes_max` can be.
pub const MEMORY_BYTES_MAX: u64 = 4 << 30;

/// Which component a snapshot is of, and which base image it is the difference to: a digest of the component's bytes,
/// of the order of its memories and mutable globals, and of what a fresh instance has in them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LayoutKey(pub [u8; 32]);

impl fmt::Display for LayoutKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What differs between an instance and the base image of its component. Two snapshots are equal if their instances
/// were, bit by bit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    pub(crate) layout_key: LayoutKey,
    pub(crate) memories: Vec<MemorySnapshot>,
    /// Those that differ, by number, ascending; their bits.
    pub(crate) globals: Vec<(u32, u64)>,
}

/// One memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct MemorySnapshot {
    /// Its length, in wasm pages.
    pub(crate) pages: u32,
    /// Where it differs.
    pub(crate) delta: Delta,
}

impl Snapshot {
    /// Which component it is of.
    pub fn layout_key(&self) -> LayoutKey {
        self.layout_key
    }

    /// Linear memory that the instance has, over all its memories, in bytes.
    pub fn memory_bytes(&self) -> u64 {
        self.memories.iter().map(|memory| u64::from(memory.pages) * WASM_PAGE_BYTES).sum()
    }

    /// Bytes of it that are kept because they, or their close neighbours, differ.
    pub fn delta_bytes(&self) -> u64 {
        self.memories.iter().map(|memory| memory.delta.bytes().len() as u64).sum()
    }
}
