//! The keys and values of one room, for as long as it is awake.

use std::sync::Arc;

use bytes::Bytes;
use party_core::storage::{KeyRange, RoomStorage, StorageReadError, Visit};

use crate::redb_store::engine::Engine;
use crate::redb_store::layout::{Damage, Tally};
use crate::redb_store::snapshot::Snapshot;
use crate::redb_store::trouble::Trouble;

/// Reads one room from the newest snapshot there is.
pub(crate) struct RedbRoom {
    pub(crate) engine: Arc<Engine>,
    /// What its keys begin with.
    pub(crate) prefix: Vec<u8>,
}

impl RedbRoom {
    fn in_doubt(&self) -> bool {
        self.engine.findings().doubts() > 0
    }

    /// A scan that came upon a damaged leaf must have visited just what a walk finds, as far as it got.
    fn check_scan(
        &self,
        snapshot: &Snapshot,
        range: &KeyRange,
        reverse: bool,
        visited: Tally,
        end: Visit,
    ) -> Result<(), Trouble> {
        let mut expected = Tally::default();
        let mut left = visited.rows;
        snapshot.whole_room(&self.prefix)?.scan(range, reverse, &mut expected, &mut |_, _| {
            left = left.saturating_sub(1);
            if end == Visit::Stop && left == 0 { Visit::Stop } else { Visit::Continue }
        })?;
        if visited != expected {
            return Err(Damage("a scan has come upon a damaged page".to_owned()).into());
        }
        Ok(())
    }
}

impl RoomStorage for RedbRoom {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StorageReadError> {
        let value = self.engine.read(|snapshot| {
            let value = snapshot.get(&self.prefix, key)?;
            // Asked afterwards: it may be this read that has raised the doubt.
            if self.in_doubt() { snapshot.whole_room(&self.prefix)?.get(key) } else { Ok(value) }
        });
        value.map_err(Trouble::into_read_error)
    }

    fn scan(
        &self,
        range: &KeyRange,
        reverse: bool,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Visit,
    ) -> Result<(), StorageReadError> {
        let scanned = self.engine.visit(|snapshot, begun| {
            let mut visited = Tally::default();
            let visit = &mut |key: &[u8], value: &[u8]| {
                *begun = true;
                visit(key, value)
            };
            if self.in_doubt() {
                return snapshot.whole_room(&self.prefix)?.scan(range, reverse, &mut visited, visit);
            }
            let end = snapshot.scan(&self.prefix, range, reverse, &mut visited, visit)?;
            if self.in_doubt() {
                self.check_scan(snapshot, range, reverse, visited, end)?;
            }
            Ok(())
        });
        scanned.map_err(Trouble::into_read_error)
    }
}
