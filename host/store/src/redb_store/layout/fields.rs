//! Fields of fixed length, one after the other, little-endian.

use crate::redb_store::layout::{Damage, printable};

/// Fills a body from its start.
pub(super) struct Writer<const N: usize> {
    bytes: [u8; N],
    used: usize,
}

impl<const N: usize> Writer<N> {
    pub(super) fn new() -> Writer<N> {
        Writer { bytes: [0; N], used: 0 }
    }

    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.used..self.used + bytes.len()].copy_from_slice(bytes);
        self.used += bytes.len();
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.put(&value.to_le_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.put(&value.to_le_bytes());
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.put(&[value]);
    }

    pub(super) fn so_far(&self) -> &[u8] {
        &self.bytes[..self.used]
    }

    pub(super) fn finish(self) -> [u8; N] {
        assert_eq!(self.used, N, "a row is filled to its end");
        self.bytes
    }
}

/// Reads fields from a body whose length has been checked once.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(key: &[u8], body: &'a [u8], bytes: usize) -> Result<Reader<'a>, Damage> {
        if body.len() != bytes {
            let found = body.len();
            return Err(Damage(format!("the row at {} is {found} bytes instead of {bytes}", printable(key))));
        }
        Ok(Reader { rest: body })
    }

    pub(super) fn take<const N: usize>(&mut self) -> [u8; N] {
        let (field, rest) = self.rest.split_first_chunk().expect("the fields add up to the checked length");
        self.rest = rest;
        *field
    }

    pub(super) fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }

    pub(super) fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    pub(super) fn u8(&mut self) -> u8 {
        let [byte] = self.take();
        byte
    }
}
