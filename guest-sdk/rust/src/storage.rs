//! The room's own ordered key-value store.
//!
//! Keys are bytes in byte order; texts are keys too. Values are anything that serde knows, encoded compactly (see
//! [`Storage::put`]), or plain bytes. All writes of a turn are committed together, before anything that the turn
//! sends is seen.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::party::server::storage as host;
use crate::codec;

mod error;

pub use error::StorageError;
use error::{Asked, of_value};

/// Entries in a page when the host is asked for as many as it likes to give (`list-options.limit` in the contract).
const PAGE_ENTRIES_MAX: u32 = 1_000;

/// The store of this room. Made by [`Room::storage`](crate::Room::storage).
#[derive(Debug, Clone, Copy)]
pub struct Storage(());

/// One key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<T> {
    /// The key.
    pub key: Vec<u8>,
    /// The value.
    pub value: T,
}

impl Storage {
    pub(crate) const fn new() -> Self {
        Self(())
    }

    /// The value of a key, if there is one.
    pub fn get<T: DeserializeOwned>(&self, key: impl AsRef<[u8]>) -> Result<Option<T>, StorageError> {
        let key = key.as_ref();
        self.get_bytes(key)?.map(|bytes| decode(key, &bytes)).transpose()
    }

    /// The bytes of a key, if there are any.
    pub fn get_bytes(&self, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>, StorageError> {
        let key = key.as_ref();
        host::get(key).map_err(|error| Asked::one(key, 0).refused(error))
    }

    /// One answer per key, in the order asked (at most 1,000 keys).
    pub fn get_many<T: DeserializeOwned>(&self, keys: &[&[u8]]) -> Result<Vec<Option<T>>, StorageError> {
        let values = host::get_many(keys).map_err(|error| Asked::keys(keys).refused(error))?;
        let decode =
            |(key, bytes): (&&[u8], Option<Vec<u8>>)| bytes.map(|bytes| decode(key, &bytes)).transpose();
        keys.iter().zip(values).map(decode).collect()
    }

    /// Give a key (at most 2,048 bytes) a value (at most 131,106 bytes when encoded).
    ///
    /// The encoding is postcard, which keeps no field names: a value can only be read as the type that it was
    /// written as. Make a type that may change an `enum` whose variants are its versions.
    pub fn put<T: Serialize + ?Sized>(&self, key: impl AsRef<[u8]>, value: &T) -> Result<(), StorageError> {
        let key = key.as_ref();
        self.put_bytes(key, codec::encode(value).map_err(|error| of_value(key, error))?)
    }

    /// Give a key plain bytes.
    pub fn put_bytes(&self, key: impl AsRef<[u8]>, bytes: impl AsRef<[u8]>) -> Result<(), StorageError> {
        let (key, bytes) = (key.as_ref(), bytes.as_ref());
        host::put(key, bytes).map_err(|error| Asked::one(key, bytes.len()).refused(error))
    }

    /// Give many keys a value each (at most 1,000), or, on an error, none.
    pub fn put_many<T: Serialize>(&self, entries: &[(&[u8], T)]) -> Result<(), StorageError> {
        let encode = |(key, value): &(&[u8], T)| codec::encode(value).map_err(|error| of_value(key, error));
        let values = entries.iter().map(encode).collect::<Result<Vec<_>, _>>()?;
        let keys = entries.iter().map(|(key, _)| *key);
        let entries: Vec<_> = keys.zip(values.iter().map(Vec::as_slice)).collect();
        host::put_many(&entries).map_err(|error| Asked::entries(&entries).refused(error))
    }

    /// Forget a key; whether there was one.
    pub fn delete(&self, key: impl AsRef<[u8]>) -> Result<bool, StorageError> {
        let key = key.as_ref();
        host::delete(key).map_err(|error| Asked::one(key, 0).refused(error))
    }

    /// Forget many keys (at most 1,000); how many there were.
    pub fn delete_many(&self, keys: &[&[u8]]) -> Result<u32, StorageError> {
        host::delete_many(keys).map_err(|error| Asked::keys(keys).refused(error))
    }

    /// Forget every key of the room. The alarm stays.
    pub fn delete_all(&self) -> Result<(), StorageError> {
        host::delete_all().map_err(|error| Asked::keys(&[]).refused(error))
    }

    /// The entries whose keys begin so, from the first to the last; empty: all. The list can be narrowed.
    pub fn list<'a>(&self, prefix: &'a (impl AsRef<[u8]> + ?Sized)) -> List<'a> {
        List {
            prefix: prefix.as_ref(),
            start: None,
            start_after: None,
            end: None,
            reverse: false,
            limit: None,
        }
    }
}

/// Which entries to read. Made by [`Storage::list`].
#[derive(Debug, Clone, Copy)]
#[must_use = "nothing is read until `entries`, `entries_bytes` or `keys`"]
pub struct List<'a> {
    prefix: &'a [u8],
    start: Option<&'a [u8]>,
    start_after: Option<&'a [u8]>,
    end: Option<&'a [u8]>,
    reverse: bool,
    limit: Option<usize>,
}

impl<'a> List<'a> {
    /// From this key on.
    pub fn start(mut self, key: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.start = Some(key.as_ref());
        self
    }

    /// From the first key after this one.
    pub fn start_after(mut self, key: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.start_after = Some(key.as_ref());
        self
    }

    /// Up to, without, this key.
    pub fn end(mut self, key: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.end = Some(key.as_ref());
        self
    }

    /// From the last to the first.
    pub fn reverse(mut self) -> Self {
        self.reverse = true;
        self
    }

    /// At most so many entries. Without a limit all are read into memory.
    pub fn limit(mut self, entries_max: usize) -> Self {
        self.limit = Some(entries_max);
        self
    }

    /// The entries, their values read as `T`.
    pub fn entries<T: DeserializeOwned>(self) -> Result<Vec<Entry<T>>, StorageError> {
        let mut entries = Vec::new();
        self.each_page(|key, bytes| {
            let value = decode(&key, &bytes)?;
            entries.push(Entry { key, value });
            Ok(())
        })?;
        Ok(entries)
    }

    /// The entries, their values as plain bytes.
    pub fn entries_bytes(self) -> Result<Vec<Entry<Vec<u8>>>, StorageError> {
        let mut entries = Vec::new();
        self.each_page(|key, value| {
            entries.push(Entry { key, value });
            Ok(())
        })?;
        Ok(entries)
    }

    /// The keys alone.
    pub fn keys(self) -> Result<Vec<Vec<u8>>, StorageError> {
        let mut keys = Vec::new();
        self.each_page(|key, _| {
            keys.push(key);
            Ok(())
        })?;
        Ok(keys)
    }

    /// Reads page after page until the end or the limit.
    fn each_page(
        self,
        mut take: impl FnMut(Vec<u8>, Vec<u8>) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let mut left = self.limit.unwrap_or(usize::MAX);
        let mut cursor: Option<Vec<u8>> = None;
        while left > 0 {
            let page = host::list(self.page(left, cursor.as_deref()))
                .map_err(|error| Asked::keys(&self.bounds(cursor.as_deref())).refused(error))?;
            left = left.saturating_sub(page.entries.len());
            page.entries.into_iter().try_for_each(|(key, value)| take(key, value))?;
            if page.next.is_none() {
                break;
            }
            cursor = page.next;
        }
        Ok(())
    }

    /// The keys that bound it.
    fn bounds<'b>(&'b self, cursor: Option<&'b [u8]>) -> Vec<&'b [u8]> {
        [Some(self.prefix), self.start, self.start_after, self.end, cursor].into_iter().flatten().collect()
    }

    /// The next page behind `cursor`, which is the last key of the page before.
    fn page<'b>(&'b self, entries_max: usize, cursor: Option<&'b [u8]>) -> host::ListOptions<'b> {
        let (start, start_after, end) = match (cursor, self.reverse) {
            (None, _) => (self.start, self.start_after, self.end),
            (Some(last), false) => (None, Some(last), self.end),
            (Some(last), true) => (self.start, self.start_after, Some(last)),
        };
        let limit = match u32::try_from(entries_max) {
            Ok(entries_max) if entries_max <= PAGE_ENTRIES_MAX => entries_max,
            Ok(_) | Err(_) => 0,
        };
        host::ListOptions {
            prefix: self.prefix,
            start,
            start_after,
            end,
            reverse: self.reverse,
            limit,
            bytes_max: 0,
        }
    }
}

/// The value of a key.
fn decode<T: DeserializeOwned>(key: &[u8], bytes: &[u8]) -> Result<T, StorageError> {
    codec::decode(bytes).map_err(|error| of_value(key, error))
}

#[cfg(test)]
mod tests {
    use super::Storage;

    #[test]
    fn a_later_page_goes_on_behind_the_last_key() {
        let list = Storage::new().list("m/").start("m/2").end("m/9").limit(5);
        let first = list.page(5, None);
        assert_eq!((first.start, first.start_after, first.end), (Some(&b"m/2"[..]), None, Some(&b"m/9"[..])));
        let next = list.page(3, Some(b"m/4"));
        assert_eq!((next.start, next.start_after, next.end), (None, Some(&b"m/4"[..]), Some(&b"m/9"[..])));
        assert_eq!((first.limit, next.limit), (5, 3));
    }

    #[test]
    fn a_later_page_in_reverse_ends_before_the_last_key() {
        let list = Storage::new().list("m/").start_after("m/2").reverse();
        let next = list.page(usize::MAX, Some(b"m/4"));
        assert_eq!((next.start, next.start_after, next.end), (None, Some(&b"m/2"[..]), Some(&b"m/4"[..])));
        assert_eq!((next.prefix, next.reverse, next.limit), (&b"m/"[..], true, 0));
    }
}
