//! Components: their bytes, and how many rooms need them.
//!
//! The count changes only when a room takes its first checkpoint or journal record, changes its component or forgets,
//! so it costs the other commits nothing; and letting go of a component takes no walk over all rooms, of which there
//! may be a million. A component that nobody counts is kept until somebody asks for those to be let go of, because
//! what is being served may be needed at any time.

use std::ops::Bound;

use bytes::Bytes;
use party_core::commit::ComponentDigest;
use party_core::ids::Epoch;
use redb::ReadableTable;

use crate::kept::COMPONENT_BYTES_MAX;
use crate::redb_store::blobs::{list_loose, name_damage, strike_loose};
use crate::redb_store::engine::Engine;
use crate::redb_store::index::Effects;
use crate::redb_store::layout::memory_rows::{
    COMPONENTS, StoredComponent, component_key, decode_component, encode_component, parse_component_key,
};
use crate::redb_store::layout::{Damage, open, seal};
use crate::redb_store::snapshot::Snapshot;
use crate::redb_store::staging::next_batch;
use crate::redb_store::trouble::Trouble;
use crate::store::CommitError;

impl Snapshot {
    /// A component's bytes.
    pub(crate) fn component(&self, component: ComponentDigest) -> Result<Option<Bytes>, Trouble> {
        let name = format!("component {component}");
        let Some(stored) = self.component_row(component).map_err(|trouble| name_damage(&name, trouble))?
        else {
            return Ok(None);
        };
        let owner = component_key(component);
        let bytes = self.blob(&owner, &stored.pointer, COMPONENT_BYTES_MAX);
        bytes.map(Some).map_err(|trouble| name_damage(&name, trouble))
    }

    fn component_row(&self, component: ComponentDigest) -> Result<Option<StoredComponent>, Trouble> {
        let key = component_key(component);
        let Some(sealed) = self.row_of(COMPONENTS, &key)? else { return Ok(None) };
        Ok(Some(decode_component(&key, open(&key, sealed.value())?)?))
    }

    /// All components, each with its row or what is wrong with that.
    #[expect(clippy::type_complexity, reason = "it is read at once by its only caller")]
    pub(crate) fn components(
        &self,
    ) -> Result<Vec<(ComponentDigest, Result<StoredComponent, Damage>)>, Trouble> {
        let mut rows = self.rows_of(COMPONENTS, Bound::Unbounded, Bound::Unbounded)?;
        let mut components = Vec::new();
        while let Some((key, sealed)) = rows.next(false)? {
            let key = key.value();
            let stored = open(key, sealed.value()).and_then(|body| decode_component(key, body));
            components.push((parse_component_key(key)?, stored));
        }
        Ok(components)
    }
}

impl Engine {
    /// Keeps a component. One that is damaged is replaced.
    pub(crate) fn put_component(
        &self,
        held: Epoch,
        component: ComponentDigest,
        bytes: &[u8],
    ) -> Result<(), CommitError> {
        match self.read(|snapshot| snapshot.component(component)) {
            // The epoch is checked all the same.
            Ok(Some(_)) => return self.writer_of(held).map(|_| ()),
            Ok(None) | Err(Trouble::Damage(_)) => {}
            Err(trouble) => return Err(CommitError::Unavailable { cause: trouble.to_string() }),
        }
        let key = component_key(component);
        let pointer = self.stage(held, &key, bytes)?;
        let mut writer = self.writer_of(held)?;
        let written = self.transact(&mut writer, |transaction, state| {
            let mut effects = Effects { adopted: vec![pointer.blob], ..Effects::default() };
            strike_loose(transaction, pointer.blob)?;
            let mut components = transaction.open_table(COMPONENTS)?;
            let before = components.get(key.as_slice())?.map(|sealed| sealed.value().to_vec());
            let mut references = 0;
            if let Some(sealed) = before {
                let before = open(&key, &sealed).and_then(|body| decode_component(&key, body))?;
                references = before.references;
                list_loose(transaction, before.pointer.blob, &key)?;
                effects.loosened.push((before.pointer.blob, key.clone()));
            }
            let mut sealed = Vec::new();
            seal(&mut sealed, &key, &encode_component(&StoredComponent { pointer, references }));
            components.insert(key.as_slice(), sealed.as_slice())?;
            drop(components);
            next_batch(transaction, state, effects)
        });
        if written.is_err() {
            self.index().blobs.give_up(pointer.blob);
        }
        written
    }

    /// Lets go of components that no room needs, except `keep`. How many those were.
    pub(crate) fn reclaim_components(
        &self,
        held: Epoch,
        keep: &[ComponentDigest],
    ) -> Result<usize, CommitError> {
        let mut writer = self.writer_of(held)?;
        let unneeded = |snapshot: &Snapshot| {
            let mut components = snapshot.components()?;
            components.retain(|(component, stored)| {
                !keep.contains(component) && stored.as_ref().is_ok_and(|stored| stored.references == 0)
            });
            Ok(components)
        };
        let (snapshot, _) = self.journal_places(&[]).map_err(unavailable)?;
        let unneeded = unneeded(&snapshot).map_err(unavailable)?;
        if unneeded.is_empty() {
            return Ok(0);
        }
        self.transact(&mut writer, |transaction, state| {
            let mut effects = Effects::default();
            let mut components = transaction.open_table(COMPONENTS)?;
            for (component, stored) in &unneeded {
                let (key, blob) = (component_key(*component), stored.clone()?.pointer.blob);
                components.remove(key.as_slice())?;
                list_loose(transaction, blob, &key)?;
                effects.loosened.push((blob, key));
            }
            drop(components);
            next_batch(transaction, state, effects)
        })?;
        Ok(unneeded.len())
    }
}

fn unavailable(trouble: Trouble) -> CommitError {
    CommitError::Unavailable { cause: trouble.to_string() }
}
