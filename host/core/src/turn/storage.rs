//! The turn's view of the room's storage, and writes to it.

use bytes::Bytes;
use thiserror::Error;

use crate::storage::{KeyRange, StorageReadError, Visit, prefix_range};
use crate::turn::Turn;

/// Why a storage call was refused.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum StorageError {
    /// The key is too long.
    #[error("the limit for a key is {0} bytes")]
    KeyTooLarge(u32),
    /// The value is too long.
    #[error("the limit for a value is {0} bytes")]
    ValueTooLarge(u32),
    /// The room would keep too much.
    #[error("the room's storage is full; the limit is {0} bytes")]
    QuotaExceeded(u64),
    /// Too many keys in one call.
    #[error("the limit for one call is {0} keys")]
    TooMany(u32),
    /// The turn has written too much.
    #[error("the limit for one turn is {0} bytes written")]
    TurnFull(u64),
    /// `start` and `start-after` together.
    #[error("start and start-after cannot both be given")]
    BadRange,
    /// The store failed: the turn is to be dropped.
    #[error("{0}")]
    Fault(StorageReadError),
}

/// Which entries to list.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListOptions {
    /// Only keys that begin so.
    pub prefix: Bytes,
    /// From this key on.
    pub start: Option<Bytes>,
    /// From the first key after this one.
    pub start_after: Option<Bytes>,
    /// Up to, without, this key.
    pub end: Option<Bytes>,
    /// From the last to the first.
    pub reverse: bool,
    /// At most so many entries; 0: the host's bound.
    pub limit: u32,
    /// Stop after the entry that reaches so many bytes; 0: the host's bound.
    pub bytes_max: u32,
}

/// A page of entries.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Page {
    /// Keys and values, in the order asked for.
    pub entries: Vec<(Bytes, Bytes)>,
    /// The last key, if there may be more.
    pub next: Option<Bytes>,
}

impl Turn {
    /// The value of a key.
    pub fn get(&mut self, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        self.check_key(key)?;
        let read = self.state.overlay.get(&self.changes.kv, &*self.config.storage, key);
        read.map_err(|fault| self.faulted(fault))
    }

    /// The values of keys, in the order asked for.
    pub fn get_many(&mut self, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>, StorageError> {
        self.check_count(keys.len())?;
        keys.iter().map(|key| self.get(key)).collect()
    }

    /// Sets the value of a key.
    pub fn put(&mut self, key: Bytes, value: Bytes) -> Result<(), StorageError> {
        self.check_entry(&key, &value)?;
        let before = self.get(&key)?.map_or(0, |old| (key.len() + old.len()) as i64);
        let bytes = (key.len() + value.len()) as u64;
        self.check_room_for(bytes as i64 - before, bytes)?;
        self.spent.write_bytes += bytes;
        self.changes.storage_bytes_delta += bytes as i64 - before;
        self.changes.kv.entries.insert(key, Some(value));
        Ok(())
    }

    /// Sets the values of keys: all or, on an error, none.
    pub fn put_many(&mut self, entries: Vec<(Bytes, Bytes)>) -> Result<(), StorageError> {
        self.check_count(entries.len())?;
        let (delta, written) = (self.changes.storage_bytes_delta, self.spent.write_bytes);
        let mut before = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let changed = self.changes.kv.entries.get(&key).cloned();
            if let Err(error) = self.put(key.clone(), value) {
                self.take_back(before);
                self.changes.storage_bytes_delta = delta;
                self.spent.write_bytes = written;
                return Err(error);
            }
            before.push((key, changed));
        }
        Ok(())
    }

    /// Restores what this turn had changed before: the newest change first.
    fn take_back(&mut self, before: Vec<(Bytes, Option<Option<Bytes>>)>) {
        for (key, changed) in before.into_iter().rev() {
            match changed {
                Some(value) => self.changes.kv.entries.insert(key, value),
                None => self.changes.kv.entries.remove(&key),
            };
        }
    }

    /// Deletes a key. Whether there was one.
    pub fn delete(&mut self, key: Bytes) -> Result<bool, StorageError> {
        let Some(old) = self.get(&key)? else { return Ok(false) };
        let bytes = key.len() as u64;
        self.check_turn_writes(bytes)?;
        self.spent.write_bytes += bytes;
        self.changes.storage_bytes_delta -= (key.len() + old.len()) as i64;
        self.changes.kv.entries.insert(key, None);
        Ok(true)
    }

    /// Deletes keys. How many there were.
    pub fn delete_many(&mut self, keys: Vec<Bytes>) -> Result<u32, StorageError> {
        self.check_count(keys.len())?;
        let mut deleted = 0;
        for key in keys {
            deleted += u32::from(self.delete(key)?);
        }
        Ok(deleted)
    }

    /// Deletes every key.
    pub fn delete_all(&mut self) {
        self.changes.kv.cleared = true;
        self.changes.kv.entries.clear();
        self.changes.storage_bytes_delta = -(self.state.storage_bytes as i64);
    }

    /// Bytes of keys and values that the room keeps, with this turn's changes.
    pub fn storage_bytes(&self) -> u64 {
        self.state.storage_bytes.saturating_add_signed(self.changes.storage_bytes_delta)
    }

    /// A page of the entries of a range.
    pub fn list(&mut self, options: &ListOptions) -> Result<Page, StorageError> {
        let Some(range) = self.range(options)? else { return Ok(Page::default()) };
        let limits = &self.config.limits;
        let entries_max = bound(options.limit, limits.page_entries_max) as usize;
        let bytes_max = bound(options.bytes_max, limits.page_bytes_max) as usize;
        let (mut page, mut bytes, mut more) = (Page::default(), 0, false);
        let mut visit = |key: &[u8], value: &[u8]| {
            if page.entries.len() == entries_max || (bytes >= bytes_max && !page.entries.is_empty()) {
                more = true;
                return Visit::Stop;
            }
            bytes += key.len() + value.len();
            page.entries.push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
            Visit::Continue
        };
        let overlay = &self.state.overlay;
        let read = overlay.scan(&self.changes.kv, &*self.config.storage, &range, options.reverse, &mut visit);
        read.map_err(|fault| self.faulted(fault))?;
        if more {
            page.next = page.entries.last().map(|(key, _)| key.clone());
        }
        Ok(page)
    }

    /// The range that the options describe; `None` if it is empty.
    fn range(&self, options: &ListOptions) -> Result<Option<KeyRange>, StorageError> {
        let keys = [&options.start, &options.start_after, &options.end];
        for key in keys.into_iter().flatten().chain([&options.prefix]) {
            self.check_key(key)?;
        }
        let mut range = prefix_range(&options.prefix);
        let from = match (&options.start, &options.start_after) {
            (Some(_), Some(_)) => return Err(StorageError::BadRange),
            (Some(start), None) => start.clone(),
            (None, Some(after)) => [after.as_ref(), &[0]].concat().into(),
            (None, None) => Bytes::new(),
        };
        range.start = range.start.max(from);
        if let Some(end) = &options.end {
            range.end = Some(range.end.map_or(end.clone(), |prefix_end| prefix_end.min(end.clone())));
        }
        let is_empty = range.end.as_ref().is_some_and(|end| *end <= range.start);
        Ok((!is_empty).then_some(range))
    }

    fn faulted(&mut self, fault: StorageReadError) -> StorageError {
        self.fault = Some(fault.clone());
        StorageError::Fault(fault)
    }

    fn check_key(&self, key: &[u8]) -> Result<(), StorageError> {
        let bytes_max = self.config.limits.key_bytes_max;
        if key.len() > bytes_max as usize {
            return Err(StorageError::KeyTooLarge(bytes_max));
        }
        Ok(())
    }

    fn check_entry(&self, key: &[u8], value: &[u8]) -> Result<(), StorageError> {
        self.check_key(key)?;
        let bytes_max = self.config.limits.value_bytes_max;
        if value.len() > bytes_max as usize {
            return Err(StorageError::ValueTooLarge(bytes_max));
        }
        Ok(())
    }

    fn check_count(&self, count: usize) -> Result<(), StorageError> {
        let count_max = self.config.limits.keys_per_call_max;
        if count > count_max as usize {
            return Err(StorageError::TooMany(count_max));
        }
        Ok(())
    }

    fn check_room_for(&self, delta: i64, written: u64) -> Result<(), StorageError> {
        let bytes_max = self.config.limits.storage_bytes_max;
        if delta > 0 && self.storage_bytes().saturating_add_signed(delta) > bytes_max {
            return Err(StorageError::QuotaExceeded(bytes_max));
        }
        self.check_turn_writes(written)
    }

    fn check_turn_writes(&self, written: u64) -> Result<(), StorageError> {
        let bytes_max = self.config.limits.turn_write_bytes_max;
        if self.spent.write_bytes + written > bytes_max {
            return Err(StorageError::TurnFull(bytes_max));
        }
        Ok(())
    }
}

fn bound(asked: u32, bound: u32) -> u32 {
    if asked == 0 { bound } else { asked.min(bound) }
}
