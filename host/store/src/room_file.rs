//! A room in a file: its keys and values, its checkpoint and the component that this is of, to be taken elsewhere.
//!
//! The file says of itself what it is, and every part of it carries a checksum over all that comes before, so that
//! nothing can be cut, changed, moved or left out unnoticed. That finds accidents, not forgers: whoever reads one believes
//! nothing of it. Reading is bounded before anything is allocated. It is drawn byte by byte in
//! `docs/room-file.md`.

mod read;
#[cfg(test)]
mod tests;
mod write;

use std::collections::BTreeMap;
use std::io;

use bytes::Bytes;
use party_core::address::{AddressError, RoomAddress};
use party_core::commit::{Alarm, ComponentDigest};
use party_core::ids::{CommitSeq, Timestamp};
use thiserror::Error;

use crate::kept::{CHECKPOINT_BYTES_MAX, COMPONENT_BYTES_MAX};

/// What a file of a room begins with.
pub const MAGIC: [u8; 4] = *b"PHRF";
/// The format that is written. Readers know this one and refuse every other.
pub const FORMAT: u16 = 1;
/// Keys and values of a room in a file, in bytes: 256 MiB, because a room comes out of it in one commit, which is held
/// in memory.
pub const ENTRIES_BYTES_MAX: u64 = 256 << 20;
/// How many keys a room in a file has at most.
pub const ENTRIES_MAX: u64 = 1 << 20;
/// The largest file, in bytes: the largest room, component and checkpoint, and what stands around them.
pub const FILE_BYTES_MAX: u64 =
    ENTRIES_BYTES_MAX + 8 * ENTRIES_MAX + CHECKPOINT_BYTES_MAX + COMPONENT_BYTES_MAX + (1 << 20);

/// The largest key, in bytes: the most that `limits.key_bytes_max` can be.
const KEY_BYTES_MAX: usize = 64 << 10;
/// The largest value, in bytes: the most that `limits.value_bytes_max` can be, and the grace of its default.
const VALUE_BYTES_MAX: usize = (64 << 20) + 64;
/// A part of keys and values ends after the entry that reaches so many bytes.
const ENTRIES_PART_BYTES: usize = 1 << 20;
/// The part that says which room it is, in bytes, at most.
const ROOM_PART_BYTES_MAX: u64 = 4 << 10;

/// The parts, in the order in which they stand.
const ROOM: [u8; 4] = *b"ROOM";
const CODE: [u8; 4] = *b"CODE";
const MEMORY: [u8; 4] = *b"MEMO";
const ENTRIES: [u8; 4] = *b"KEYS";
const END: [u8; 4] = *b"ENDS";

/// A room that is on its way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoomFile {
    /// Where it was.
    pub address: RoomAddress,
    /// When it was written, by the clock of who wrote it.
    pub written_at: Timestamp,
    /// Its last commit then.
    pub seq: CommitSeq,
    /// Its alarm.
    pub alarm: Option<Alarm>,
    /// Ids below this bound may have been given out.
    pub ids_reserved: u64,
    /// Its memory, if that was kept.
    pub memory: Option<RoomFileMemory>,
    /// Its keys and values.
    pub entries: BTreeMap<Bytes, Bytes>,
}

/// The memory of a room that is on its way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoomFileMemory {
    /// Without which it is worth nothing.
    pub component: ComponentDigest,
    /// The component itself. Whether the digest is its own is not checked here.
    pub component_bytes: Bytes,
    /// The checkpoint, as `docs/checkpoint-format.md` draws it.
    pub checkpoint: Bytes,
}

/// Why there is no room in a file.
#[derive(Debug, Error)]
pub enum RoomFileError {
    /// It begins with something else.
    #[error("this is no file of a room: it does not begin with \"PHRF\"")]
    NotARoom,
    /// Another version of this program wrote it.
    #[error("the file has format {found}; this program reads format {FORMAT}")]
    Format {
        /// Its version.
        found: u16,
    },
    /// It ends too early.
    #[error("the file is cut short")]
    Cut,
    /// It goes on after its end.
    #[error("the file goes on after its end")]
    Longer,
    /// It is not what was written.
    #[error("the file is damaged: its part {part} does not match its checksum")]
    Damaged {
        /// Which.
        part: String,
    },
    /// Something is larger than a room may be.
    #[error("the file's {what} are {found}; the limit is {max}")]
    TooLarge {
        /// What, in the plural.
        what: &'static str,
        /// How large, or how many.
        found: u64,
        /// The bound.
        max: u64,
    },
    /// Its parts are not those of a room, or in another order.
    #[error("the file has a part {part} where none is allowed")]
    Part {
        /// Its name, as far as it can be printed.
        part: String,
    },
    /// A field holds what it cannot.
    #[error("the file's {field} is not possible")]
    Field {
        /// Which.
        field: &'static str,
    },
    /// Its room has no possible address.
    #[error("the file's room cannot be: {0}")]
    Address(#[from] AddressError),
    /// It cannot be read or written.
    #[error(transparent)]
    Io(io::Error),
}

impl RoomFile {
    /// As many bytes as it has as a file, or some more.
    pub fn file_bytes_max(&self) -> u64 {
        let memory = self.memory.as_ref();
        let memory = memory.map_or(0, |memory| memory.component_bytes.len() + memory.checkpoint.len());
        // Two lengths for each entry, and what stands around the parts: less than a hundredth, and a few KB.
        let bytes = self.entries_bytes() + 8 * self.entries.len() as u64 + memory as u64;
        bytes + bytes / 100 + (16 << 10)
    }

    /// Bytes of all keys and values.
    pub fn entries_bytes(&self) -> u64 {
        self.entries.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum()
    }
}

/// The name of a part, as far as it can be printed.
fn name(part: [u8; 4]) -> String {
    part.escape_ascii().to_string()
}
