//! From a file to a room. Nothing is believed: no length before its bytes have come, no order, no checksum.

use std::collections::BTreeMap;
use std::io::Read;

use bytes::{Buf as _, Bytes};
use party_core::address::RoomAddress;
use party_core::commit::{Alarm, ComponentDigest};
use party_core::ids::{CommitSeq, Timestamp};

use super::write::check_bounds;
use super::{
    CODE, END, ENTRIES, ENTRIES_BYTES_MAX, ENTRIES_MAX, ENTRIES_PART_BYTES, FORMAT, KEY_BYTES_MAX, MAGIC,
    MEMORY, ROOM, ROOM_PART_BYTES_MAX, RoomFile, RoomFileError, RoomFileMemory, VALUE_BYTES_MAX, name,
};
use crate::kept::{CHECKPOINT_BYTES_MAX, COMPONENT_BYTES_MAX};

/// What is longest of a part of keys and values: all but the last entry, and that one at its largest.
const ENTRIES_PART_BYTES_MAX: u64 = (ENTRIES_PART_BYTES + 8 + KEY_BYTES_MAX + VALUE_BYTES_MAX) as u64;
const DIGEST_BYTES: u64 = 32;

impl RoomFile {
    /// Reads what [`RoomFile::write`] wrote, to its end. Takes memory for what comes, never for what is announced.
    pub fn read(from: &mut dyn Read) -> Result<RoomFile, RoomFileError> {
        let mut parts = Parts { from, checksum: 0 };
        match parts.array::<4>() {
            Ok(MAGIC) => {}
            Ok(_) | Err(RoomFileError::Cut) => return Err(RoomFileError::NotARoom),
            Err(error) => return Err(error),
        }
        let found = u16::from_le_bytes(parts.array()?);
        if found != FORMAT {
            return Err(RoomFileError::Format { found });
        }
        let mut file = match parts.next()? {
            (ROOM, part) => room(part)?,
            (part, _) => return Err(RoomFileError::Part { part: name(part) }),
        };
        let mut next = parts.next()?;
        if next.0 == CODE {
            let mut component_bytes = next.1;
            let component = ComponentDigest(take(&mut component_bytes)?);
            let (MEMORY, checkpoint) = parts.next()? else {
                return Err(RoomFileError::Field { field: "memory" });
            };
            file.memory = Some(RoomFileMemory { component, component_bytes, checkpoint });
            next = parts.next()?;
        }
        let mut bytes = 0;
        while next.0 == ENTRIES {
            bytes = entries(next.1, &mut file.entries, bytes)?;
            next = parts.next()?;
        }
        let (END, mut end) = next else {
            return Err(RoomFileError::Part { part: name(next.0) });
        };
        let counted = [file.entries.len() as u64, bytes];
        if [u64::from_le_bytes(take(&mut end)?), u64::from_le_bytes(take(&mut end)?)] != counted {
            return Err(RoomFileError::Field { field: "number of keys" });
        }
        done(&end)?;
        parts.end()?;
        Ok(file)
    }
}

fn room(mut part: Bytes) -> Result<RoomFile, RoomFileError> {
    let written_at = Timestamp(u64::from_le_bytes(take(&mut part)?));
    let seq = CommitSeq(u64::from_le_bytes(take(&mut part)?));
    let ids_reserved = u64::from_le_bytes(take(&mut part)?);
    let [has_alarm] = take(&mut part)?;
    let at = Timestamp(u64::from_le_bytes(take(&mut part)?));
    let attempts = u32::from_le_bytes(take(&mut part)?);
    let alarm = match has_alarm {
        0 if at.0 == 0 && attempts == 0 => None,
        1 => Some(Alarm { at, attempts }),
        _ => return Err(RoomFileError::Field { field: "alarm" }),
    };
    let mut text = || {
        let length = u16::from_le_bytes(take(&mut part)?);
        let bytes = split(&mut part, length.into())?;
        String::from_utf8(bytes.into()).map_err(|_| RoomFileError::Field { field: "address" })
    };
    let address = RoomAddress::new(&text()?, &text()?, &text()?)?;
    done(&part)?;
    let entries = BTreeMap::new();
    Ok(RoomFile { address, written_at, seq, alarm, ids_reserved, memory: None, entries })
}

/// Adds the entries of a part, whose keys come after all before; gives the bytes of all keys and values so far.
fn entries(
    mut part: Bytes,
    entries: &mut BTreeMap<Bytes, Bytes>,
    mut bytes: u64,
) -> Result<u64, RoomFileError> {
    while !part.is_empty() {
        let key = sized(&mut part, KEY_BYTES_MAX, "key")?;
        let value = sized(&mut part, VALUE_BYTES_MAX, "value")?;
        if entries.last_key_value().is_some_and(|(last, _)| *last >= key) {
            return Err(RoomFileError::Field { field: "order of keys" });
        }
        bytes += (key.len() + value.len()) as u64;
        entries.insert(key, value);
        check_bounds("keys", entries.len() as u64, ENTRIES_MAX)?;
        check_bounds("keys and values in bytes", bytes, ENTRIES_BYTES_MAX)?;
    }
    Ok(bytes)
}

fn sized(part: &mut Bytes, bytes_max: usize, field: &'static str) -> Result<Bytes, RoomFileError> {
    let bytes = u32::from_le_bytes(take(part)?) as usize;
    if bytes > bytes_max { Err(RoomFileError::Field { field }) } else { split(part, bytes) }
}

fn take<const N: usize>(part: &mut Bytes) -> Result<[u8; N], RoomFileError> {
    let mut array = [0; N];
    array.copy_from_slice(&split(part, N)?);
    Ok(array)
}

fn split(part: &mut Bytes, bytes: usize) -> Result<Bytes, RoomFileError> {
    if bytes > part.remaining() {
        return Err(RoomFileError::Field { field: "length of a part" });
    }
    Ok(part.split_to(bytes))
}

fn done(part: &Bytes) -> Result<(), RoomFileError> {
    if part.is_empty() { Ok(()) } else { Err(RoomFileError::Field { field: "length of a part" }) }
}

/// Reads parts, and checks each against all that has been read.
struct Parts<'a> {
    from: &'a mut dyn Read,
    checksum: u32,
}

impl Parts<'_> {
    /// As many bytes, in memory that grows with what comes.
    fn bytes(&mut self, count: u64) -> Result<Vec<u8>, RoomFileError> {
        let mut bytes = Vec::new();
        self.from.take(count).read_to_end(&mut bytes).map_err(RoomFileError::Io)?;
        if (bytes.len() as u64) < count {
            return Err(RoomFileError::Cut);
        }
        self.checksum = crc32c::crc32c_append(self.checksum, &bytes);
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RoomFileError> {
        let mut array = [0; N];
        array.copy_from_slice(&self.bytes(N as u64)?);
        Ok(array)
    }

    /// The next part and its name.
    fn next(&mut self) -> Result<([u8; 4], Bytes), RoomFileError> {
        let part: [u8; 4] = self.array()?;
        let (what, max) = match part {
            ROOM => ("bytes about the room", ROOM_PART_BYTES_MAX),
            CODE => ("bytes of the component", DIGEST_BYTES + COMPONENT_BYTES_MAX),
            MEMORY => ("bytes of the checkpoint", CHECKPOINT_BYTES_MAX),
            ENTRIES => ("bytes of a part of keys and values", ENTRIES_PART_BYTES_MAX),
            END => ("bytes of the end", 16),
            _ => return Err(RoomFileError::Part { part: name(part) }),
        };
        let found = u64::from_le_bytes(self.array()?);
        check_bounds(what, found, max)?;
        let bytes = self.bytes(found)?;
        let expected = self.checksum;
        if u32::from_le_bytes(self.array()?) != expected {
            return Err(RoomFileError::Damaged { part: name(part) });
        }
        Ok((part, bytes.into()))
    }

    fn end(&mut self) -> Result<(), RoomFileError> {
        let mut one = Vec::new();
        self.from.take(1).read_to_end(&mut one).map_err(RoomFileError::Io)?;
        if one.is_empty() { Ok(()) } else { Err(RoomFileError::Longer) }
    }
}
