//! What is durable of a room's storage: its keys and values, and what its journal says of them since its last checkpoint.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use party_core::address::RoomAddress;
use party_core::room::ReplayError;
use party_core::storage::{KeyRange, StorageReadError, Visit};
use party_store::store::Store;
use thiserror::Error;

use crate::recovery::salvage;

/// Why it cannot be told.
#[derive(Debug, Error)]
pub enum StoredError {
    /// The store cannot be read.
    #[error(transparent)]
    Storage(#[from] StorageReadError),
    /// The journal cannot.
    #[error(transparent)]
    Journal(#[from] ReplayError),
}

/// All keys and values that are durable. Not for a room of any size: they are all in memory at once.
pub fn stored(store: &dyn Store, address: &Arc<RoomAddress>) -> Result<BTreeMap<Bytes, Bytes>, StoredError> {
    let mut entries = BTreeMap::new();
    store.storage(address).scan(&KeyRange::default(), false, &mut |key, value| {
        entries.insert(Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
        Visit::Continue
    })?;
    let later = salvage(&store.journal(address)?)?;
    if later.cleared {
        entries.clear();
    }
    for (key, value) in later.entries {
        match value {
            Some(value) => drop(entries.insert(key, value)),
            None => drop(entries.remove(&key)),
        }
    }
    Ok(entries)
}
