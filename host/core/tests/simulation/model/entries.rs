//! Storage in the model: one map.

use bytes::Bytes;
use party_core::turn::storage::{ListOptions, Page, StorageError};

use crate::model::Draft;

impl Draft {
    pub(crate) fn storage_bytes(&self) -> u64 {
        self.state.entries.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum()
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<Bytes> {
        self.state.entries.get(key).cloned()
    }

    pub(crate) fn put(&mut self, key: Bytes, value: Bytes) -> Result<(), StorageError> {
        let before = self.storage_bytes();
        let old = self.state.entries.insert(key.clone(), value);
        let bytes_max = self.storage_bytes_max;
        if self.storage_bytes() > before && self.storage_bytes() > bytes_max {
            match old {
                Some(old) => self.state.entries.insert(key, old),
                None => self.state.entries.remove(&key),
            };
            return Err(StorageError::QuotaExceeded(bytes_max));
        }
        self.wrote = true;
        self.changed.insert(key);
        Ok(())
    }

    pub(crate) fn put_many(&mut self, entries: Vec<(Bytes, Bytes)>) -> Result<(), StorageError> {
        let before = (self.state.entries.clone(), self.changed.clone(), self.wrote);
        for (key, value) in entries {
            if let Err(error) = self.put(key, value) {
                (self.state.entries, self.changed, self.wrote) = before;
                return Err(error);
            }
        }
        Ok(())
    }

    pub(crate) fn delete(&mut self, key: &[u8]) -> bool {
        let existed = self.state.entries.remove(key).is_some();
        if existed {
            self.wrote = true;
            self.changed.insert(Bytes::copy_from_slice(key));
        }
        existed
    }

    pub(crate) fn delete_all(&mut self) {
        self.state.entries.clear();
        self.changed.clear();
        self.wrote = true;
    }

    pub(crate) fn list(&self, options: &ListOptions) -> Page {
        let is_listed = |key: &Bytes| {
            key.starts_with(&options.prefix)
                && options.start.as_ref().is_none_or(|start| key >= start)
                && options.start_after.as_ref().is_none_or(|after| key > after)
                && options.end.as_ref().is_none_or(|end| key < end)
        };
        let listed = self.state.entries.iter().filter(|(key, _)| is_listed(key));
        let mut entries: Vec<(Bytes, Bytes)> =
            listed.map(|(key, value)| (key.clone(), value.clone())).collect();
        if options.reverse {
            entries.reverse();
        }
        let (mut count, mut bytes) = (0, 0);
        for (key, value) in &entries {
            let is_full = options.limit > 0 && count == options.limit as usize
                || options.bytes_max > 0 && bytes >= options.bytes_max as usize;
            if is_full {
                break;
            }
            count += 1;
            bytes += key.len() + value.len();
        }
        let has_more = count < entries.len();
        entries.truncate(count);
        let next = entries.last().filter(|_| has_more).map(|(key, _)| key.clone());
        Page { entries, next }
    }
}
