//! From a room to a file.

use std::io::{self, Write};

use bytes::BufMut as _;
use party_core::commit::Alarm;

use super::{
    CODE, END, ENTRIES, ENTRIES_BYTES_MAX, ENTRIES_MAX, ENTRIES_PART_BYTES, FORMAT, MAGIC, MEMORY, ROOM,
    RoomFile, RoomFileError,
};

impl RoomFile {
    /// Writes it. An error leaves what was written so far, which no reader takes for a whole.
    pub fn write(&self, to: &mut dyn Write) -> Result<(), RoomFileError> {
        check_bounds("keys", self.entries.len() as u64, ENTRIES_MAX)?;
        check_bounds("keys and values in bytes", self.entries_bytes(), ENTRIES_BYTES_MAX)?;
        let mut parts = Parts { to, checksum: 0 };
        parts.raw(&MAGIC)?;
        parts.raw(&FORMAT.to_le_bytes())?;
        parts.part(ROOM, &[&self.room_part()])?;
        if let Some(memory) = &self.memory {
            parts.part(CODE, &[&memory.component.0, &memory.component_bytes])?;
            parts.part(MEMORY, &[&memory.checkpoint])?;
        }
        let mut part = Vec::new();
        for (key, value) in &self.entries {
            for bytes in [key, value] {
                part.put_u32_le(bytes.len() as u32);
                part.put_slice(bytes);
            }
            if part.len() >= ENTRIES_PART_BYTES {
                parts.part(ENTRIES, &[&part])?;
                part.clear();
            }
        }
        if !part.is_empty() {
            parts.part(ENTRIES, &[&part])?;
        }
        let (count, bytes) = (self.entries.len() as u64, self.entries_bytes());
        parts.part(END, &[&count.to_le_bytes(), &bytes.to_le_bytes()])?;
        parts.to.flush().map_err(RoomFileError::Io)
    }

    fn room_part(&self) -> Vec<u8> {
        let mut part = Vec::new();
        part.put_u64_le(self.written_at.0);
        part.put_u64_le(self.seq.0);
        part.put_u64_le(self.ids_reserved);
        part.put_u8(self.alarm.is_some().into());
        let Alarm { at, attempts } = self.alarm.unwrap_or(Alarm { at: Default::default(), attempts: 0 });
        part.put_u64_le(at.0);
        part.put_u32_le(attempts);
        for text in [self.address.project(), self.address.party(), self.address.room()] {
            part.put_u16_le(text.len() as u16);
            part.put_slice(text.as_bytes());
        }
        part
    }
}

pub(super) fn check_bounds(what: &'static str, found: u64, max: u64) -> Result<(), RoomFileError> {
    if found > max { Err(RoomFileError::TooLarge { what, found, max }) } else { Ok(()) }
}

/// Writes parts, each with a checksum over all that has been written.
struct Parts<'a> {
    to: &'a mut dyn Write,
    checksum: u32,
}

impl Parts<'_> {
    fn raw(&mut self, bytes: &[u8]) -> Result<(), RoomFileError> {
        self.checksum = crc32c::crc32c_append(self.checksum, bytes);
        self.to.write_all(bytes).map_err(|error: io::Error| RoomFileError::Io(error))
    }

    fn part(&mut self, name: [u8; 4], pieces: &[&[u8]]) -> Result<(), RoomFileError> {
        let bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
        self.raw(&name)?;
        self.raw(&(bytes as u64).to_le_bytes())?;
        for piece in pieces {
            self.raw(piece)?;
        }
        self.raw(&self.checksum.to_le_bytes())
    }
}
