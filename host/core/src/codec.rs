//! Reading and writing single values of what is kept of a room: little-endian, lengths before what they count.
//!
//! No count is believed before the bytes for it are seen, so what is allocated is bounded by what is read.

pub(crate) mod calls;
pub(crate) mod http;
pub(crate) mod operations;

use bytes::Bytes;
use thiserror::Error;

use crate::large::{self, NoMemory};

/// Why bytes are not what they should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Malformed {
    /// They end too early, or go on after their end.
    #[error("it is cut short or has bytes left over")]
    Length,
    /// A field holds what it cannot.
    #[error("its {field} is not possible")]
    Field {
        /// Which.
        field: &'static str,
    },
}

/// Writes values one behind the other.
#[derive(Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    /// One with place for so many bytes. More can be written, but then nobody is asked for their memory.
    pub(crate) fn of(bytes: usize) -> Result<Writer, NoMemory> {
        Ok(Writer(large::list(bytes)?))
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// A number in seven bits per byte, the lowest first; the high bit says that more follow (LEB128).
    pub(crate) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.byte(number as u8 | 0x80);
            number >>= 7;
        }
        self.byte(number as u8);
    }

    /// A number that may be below zero, as a number: twice itself, or twice its distance to -1 and one more (zigzag).
    pub(crate) fn signed(&mut self, number: i64) {
        self.number((number << 1 ^ number >> 63) as u64);
    }

    /// A length and so many bytes.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.raw(bytes);
    }

    /// Whether it is there, and if so what.
    pub(crate) fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Writer, T)) {
        self.byte(value.is_some().into());
        if let Some(value) = value {
            write(self, value);
        }
    }

    pub(crate) fn finish(self) -> Bytes {
        self.0.into()
    }
}

/// Reads values one behind the other.
pub(crate) struct Reader {
    rest: Bytes,
}

impl Reader {
    pub(crate) fn new(bytes: Bytes) -> Reader {
        Reader { rest: bytes }
    }

    /// The next bytes, so many.
    pub(crate) fn raw(&mut self, count: usize) -> Result<Bytes, Malformed> {
        if count > self.rest.len() {
            return Err(Malformed::Length);
        }
        Ok(self.rest.split_to(count))
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let bytes = self.raw(N)?;
        Ok(<[u8; N]>::try_from(&bytes[..]).expect("raw gives as many as were asked for"))
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    /// What [`Writer::signed`] wrote.
    pub(crate) fn signed(&mut self, field: &'static str) -> Result<i64, Malformed> {
        let number = self.number(field)?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    pub(crate) fn number(&mut self, field: &'static str) -> Result<u64, Malformed> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            let is_last = byte & 0x80 == 0;
            // The tenth byte has one bit left, and no number has a longer form than it needs.
            if (shift == 63 && bits > 1) || (is_last && bits == 0 && shift > 0) {
                return Err(Malformed::Field { field });
            }
            number |= bits << shift;
            if is_last {
                return Ok(number);
            }
        }
        Err(Malformed::Field { field })
    }

    /// How many of something follow, each of which takes at least one byte.
    pub(crate) fn count(&mut self, field: &'static str) -> Result<usize, Malformed> {
        let count = self.number(field)?;
        if count > self.rest.len() as u64 {
            return Err(Malformed::Length);
        }
        Ok(count as usize)
    }

    pub(crate) fn bytes(&mut self, field: &'static str) -> Result<Bytes, Malformed> {
        let count = self.count(field)?;
        self.raw(count)
    }

    pub(crate) fn text(&mut self, field: &'static str) -> Result<String, Malformed> {
        let bytes = self.bytes(field)?;
        String::from_utf8(bytes.into()).map_err(|_| Malformed::Field { field })
    }

    /// One of two.
    pub(crate) fn flag(&mut self, field: &'static str) -> Result<bool, Malformed> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed::Field { field }),
        }
    }

    /// Something that may not be there.
    pub(crate) fn option<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&mut Reader) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        if self.flag(field)? { read(self).map(Some) } else { Ok(None) }
    }

    /// Several of one kind, and how many.
    pub(crate) fn list<T>(
        &mut self,
        field: &'static str,
        mut read: impl FnMut(&mut Reader) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let count = self.count(field)?;
        let mut list = Vec::new();
        for _ in 0..count {
            list.push(read(self)?);
        }
        Ok(list)
    }

    pub(crate) fn finish(self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed::Length) }
    }
}
