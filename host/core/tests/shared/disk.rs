//! A disk for one room: what has been committed, and nothing else. Commits are applied in order, whole.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use party_core::commit::{CheckpointBytes, ComponentDigest, MemoryChange, RoomCommit, RoomRecord};
use party_core::ids::CommitSeq;
use party_core::storage::{KeyRange, RoomStorage, StorageReadError, Visit};

/// What is durable.
#[derive(Clone, Debug, Default)]
pub(crate) struct Durable {
    pub(crate) record: Option<RoomRecord>,
    pub(crate) entries: BTreeMap<Bytes, Bytes>,
    /// The last checkpoint.
    pub(crate) checkpoint: Option<Bytes>,
    /// What has been recorded since, or since the room's life began.
    pub(crate) journal: Vec<(CommitSeq, Bytes)>,
    /// What both are of.
    pub(crate) component: Option<ComponentDigest>,
    /// Reads fail while this is set.
    pub(crate) is_broken: bool,
}

impl Durable {
    /// The number of the last commit.
    pub(crate) fn seq(&self) -> CommitSeq {
        self.record.map_or(CommitSeq(0), |record| record.seq)
    }
}

/// The disk, shared by the room that reads and the test that writes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    durable: Arc<Mutex<Durable>>,
}

impl Disk {
    pub(crate) fn durable(&self) -> MutexGuard<'_, Durable> {
        self.durable.lock().expect("no test panics while it holds the disk")
    }

    /// Applies a commit. Its number must be the next.
    pub(crate) fn write(&self, commit: &RoomCommit) -> Result<(), String> {
        let mut durable = self.durable();
        let next = durable.seq().next();
        if commit.record.seq != next {
            return Err(format!("commit {} came where {next} was due", commit.record.seq));
        }
        if commit.changes.cleared {
            durable.entries.clear();
        }
        for (key, value) in &commit.changes.entries {
            match value {
                Some(value) => durable.entries.insert(key.clone(), value.clone()),
                None => durable.entries.remove(key),
            };
        }
        match commit.memory.as_deref() {
            Some(MemoryChange::Checkpoint(new)) => {
                let CheckpointBytes::Inline(bytes) = &new.bytes else {
                    return Err("nothing is staged".into());
                };
                durable.component = Some(new.component);
                durable.checkpoint = Some(bytes.clone());
                durable.journal.clear();
            }
            Some(MemoryChange::Append(record)) => {
                if durable.component != Some(record.component) {
                    return Err(format!(
                        "a record of {} in a journal of {:?}",
                        record.component, durable.component
                    ));
                }
                durable.journal.push((commit.record.seq, record.bytes.clone()));
            }
            Some(MemoryChange::Forget { then }) => {
                durable.component = then.as_ref().map(|record| record.component);
                durable.checkpoint = None;
                durable.journal =
                    then.iter().map(|record| (commit.record.seq, record.bytes.clone())).collect();
            }
            Some(MemoryChange::Destroy) => {
                *durable = Durable { is_broken: durable.is_broken, ..Durable::default() };
                return Ok(());
            }
            None => {}
        }
        durable.record = Some(commit.record);
        Ok(())
    }

    fn read(&self) -> Result<MutexGuard<'_, Durable>, StorageReadError> {
        let durable = self.durable();
        if durable.is_broken {
            return Err(StorageReadError::Io("the device is gone".into()));
        }
        Ok(durable)
    }
}

impl RoomStorage for Disk {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StorageReadError> {
        Ok(self.read()?.entries.get(key).cloned())
    }

    fn scan(
        &self,
        range: &KeyRange,
        reverse: bool,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Visit,
    ) -> Result<(), StorageReadError> {
        let durable = self.read()?;
        let end = range.end.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let entries = durable.entries.range::<Bytes, _>((Bound::Included(&range.start), end));
        let mut visit = |(key, value): (&Bytes, &Bytes)| visit(key, value) == Visit::Continue;
        if reverse {
            entries.rev().all(&mut visit);
        } else {
            let mut entries = entries;
            entries.all(&mut visit);
        }
        Ok(())
    }
}
