//! `storage`: the room's keys and values. A store that fails is no error of a call: it ends the turn.

use bytes::Bytes;
use party_core::turn::storage::{ListOptions as CoreOptions, StorageError as CoreError};
use wasmtime::{Error, Result};

use crate::bindings::party::server::storage::{Host, ListOptions, Page, StorageError};
use crate::state::InstanceState;
use crate::traps::GuestFault;

type Answer<T> = Result<Result<T, StorageError>>;

impl Host for InstanceState {
    fn get(&mut self, key: Vec<u8>) -> Answer<Option<Vec<u8>>> {
        let Some(turn) = self.named_room("storage.get")? else { return not_in_a_room() };
        let value = turn.get(&key);
        answer(value.map(|value| value.map(Vec::from)))
    }

    fn get_many(&mut self, keys: Vec<Vec<u8>>) -> Answer<Vec<Option<Vec<u8>>>> {
        let Some(turn) = self.named_room("storage.get-many")? else { return not_in_a_room() };
        let values = turn.get_many(&all_bytes(keys));
        answer(values.map(|values| values.into_iter().map(|value| value.map(Vec::from)).collect()))
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) -> Answer<()> {
        let Some(turn) = self.named_room("storage.put")? else { return not_in_a_room() };
        answer(turn.put(key.into(), value.into()))
    }

    fn put_many(&mut self, entries: Vec<(Vec<u8>, Vec<u8>)>) -> Answer<()> {
        let Some(turn) = self.named_room("storage.put-many")? else { return not_in_a_room() };
        let entries = entries.into_iter().map(|(key, value)| (key.into(), value.into()));
        answer(turn.put_many(entries.collect()))
    }

    fn delete(&mut self, key: Vec<u8>) -> Answer<bool> {
        let Some(turn) = self.named_room("storage.delete")? else { return not_in_a_room() };
        answer(turn.delete(key.into()))
    }

    fn delete_many(&mut self, keys: Vec<Vec<u8>>) -> Answer<u32> {
        let Some(turn) = self.named_room("storage.delete-many")? else { return not_in_a_room() };
        answer(turn.delete_many(all_bytes(keys)))
    }

    fn list(&mut self, options: ListOptions) -> Answer<Page> {
        let Some(turn) = self.named_room("storage.list")? else { return not_in_a_room() };
        let page = turn.list(&CoreOptions {
            prefix: options.prefix.into(),
            start: options.start.map(Bytes::from),
            start_after: options.start_after.map(Bytes::from),
            end: options.end.map(Bytes::from),
            reverse: options.reverse,
            limit: options.limit,
            bytes_max: options.bytes_max,
        });
        answer(page.map(|page| Page {
            entries: page.entries.into_iter().map(|(key, value)| (key.into(), value.into())).collect(),
            next: page.next.map(Vec::from),
        }))
    }

    fn delete_all(&mut self) -> Answer<()> {
        let Some(turn) = self.named_room("storage.delete-all")? else { return not_in_a_room() };
        turn.delete_all();
        Ok(Ok(()))
    }
}

fn not_in_a_room<T>() -> Answer<T> {
    Ok(Err(StorageError::NotInARoom))
}

fn all_bytes(all: Vec<Vec<u8>>) -> Vec<Bytes> {
    all.into_iter().map(Bytes::from).collect()
}

fn answer<T>(result: Result<T, CoreError>) -> Answer<T> {
    let error = match result {
        Ok(value) => return Ok(Ok(value)),
        Err(error) => error,
    };
    Ok(Err(match error {
        CoreError::KeyTooLarge(bytes_max) => StorageError::KeyTooLarge(bytes_max),
        CoreError::ValueTooLarge(bytes_max) => StorageError::ValueTooLarge(bytes_max),
        CoreError::QuotaExceeded(bytes_max) => StorageError::QuotaExceeded(bytes_max),
        CoreError::TooMany(count_max) => StorageError::TooMany(count_max),
        CoreError::TurnFull(bytes_max) => StorageError::TurnFull(bytes_max),
        CoreError::BadRange => StorageError::BadRange,
        CoreError::Fault(fault) => return Err(Error::new(GuestFault::Storage(fault))),
    }))
}
