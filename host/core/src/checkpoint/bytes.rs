//! Reading and writing single values of a checkpoint: little-endian, lengths before what they count.

use bytes::Bytes;

use super::CheckpointError;

/// Writes values one behind the other.
#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// A number in seven bits per byte, the lowest first; the high bit says that more follow (LEB128).
    pub(super) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.byte(number as u8 | 0x80);
            number >>= 7;
        }
        self.byte(number as u8);
    }

    /// A length and so many bytes.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.raw(bytes);
    }

    pub(super) fn finish(self) -> Bytes {
        self.0.into()
    }
}

/// Reads values one behind the other.
pub(super) struct Reader {
    rest: Bytes,
}

impl Reader {
    pub(super) fn new(bytes: Bytes) -> Reader {
        Reader { rest: bytes }
    }

    /// The next bytes, so many.
    pub(super) fn raw(&mut self, count: usize) -> Result<Bytes, CheckpointError> {
        if count > self.rest.len() {
            return Err(CheckpointError::Length);
        }
        Ok(self.rest.split_to(count))
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], CheckpointError> {
        let bytes = self.raw(N)?;
        Ok(<[u8; N]>::try_from(&bytes[..]).expect("raw gives as many as were asked for"))
    }

    pub(super) fn byte(&mut self) -> Result<u8, CheckpointError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    pub(super) fn number(&mut self, field: &'static str) -> Result<u64, CheckpointError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            let is_last = byte & 0x80 == 0;
            // The tenth byte has one bit left, and no number has a longer form than it needs.
            if (shift == 63 && bits > 1) || (is_last && bits == 0 && shift > 0) {
                return Err(CheckpointError::Field { field });
            }
            number |= bits << shift;
            if is_last {
                return Ok(number);
            }
        }
        Err(CheckpointError::Field { field })
    }

    /// How many of something follow, each of which takes at least one byte.
    pub(super) fn count(&mut self, field: &'static str) -> Result<usize, CheckpointError> {
        let count = self.number(field)?;
        if count > self.rest.len() as u64 {
            return Err(CheckpointError::Length);
        }
        Ok(count as usize)
    }

    pub(super) fn bytes(&mut self, field: &'static str) -> Result<Bytes, CheckpointError> {
        let count = self.count(field)?;
        self.raw(count)
    }

    pub(super) fn text(&mut self, field: &'static str) -> Result<String, CheckpointError> {
        let bytes = self.bytes(field)?;
        String::from_utf8(bytes.into()).map_err(|_| CheckpointError::Field { field })
    }

    /// One of two.
    pub(super) fn flag(&mut self, field: &'static str) -> Result<bool, CheckpointError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(CheckpointError::Field { field }),
        }
    }

    /// Something that may not be there.
    pub(super) fn option<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&mut Reader) -> Result<T, CheckpointError>,
    ) -> Result<Option<T>, CheckpointError> {
        if self.flag(field)? { read(self).map(Some) } else { Ok(None) }
    }

    /// Several of one kind, and how many.
    pub(super) fn list<T>(
        &mut self,
        field: &'static str,
        mut read: impl FnMut(&mut Reader) -> Result<T, CheckpointError>,
    ) -> Result<Vec<T>, CheckpointError> {
        let count = self.count(field)?;
        let mut list = Vec::new();
        for _ in 0..count {
            list.push(read(self)?);
        }
        Ok(list)
    }

    pub(super) fn finish(self) -> Result<(), CheckpointError> {
        if self.rest.is_empty() { Ok(()) } else { Err(CheckpointError::Length) }
    }
}
