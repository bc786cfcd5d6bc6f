//! Reading from the newest snapshot, in a database that is opened anew if it has failed.

use std::collections::BTreeSet;
use std::sync::{Arc, MutexGuard, PoisonError};

use crate::redb_store::engine::{Engine, unavailable};
use crate::redb_store::index::{JournalIndex, Place};
use crate::redb_store::snapshot::Snapshot;
use crate::redb_store::trouble::Trouble;

impl Engine {
    /// The newest snapshot, and where the records of a room's journal are in it.
    pub(crate) fn journal_places(&self, prefix: &[u8]) -> Result<(Arc<Snapshot>, Vec<Place>), Trouble> {
        let index = self.index();
        let snapshot = self.snapshot().ok_or_else(|| unavailable("it is being opened anew".to_owned()))?;
        Ok((snapshot, index.journal.places(prefix)))
    }

    /// The newest snapshot, and where the records of all journals are in it.
    pub(crate) fn journals(&self) -> Result<(Arc<Snapshot>, JournalIndex), Trouble> {
        let index = self.index();
        let snapshot = self.snapshot().ok_or_else(|| unavailable("it is being opened anew".to_owned()))?;
        Ok((snapshot, index.journal.clone()))
    }

    /// Reads from the newest snapshot. If the database has to be opened anew for that, it is, and `read` is called
    /// again: it must then start over.
    pub(crate) fn read<T>(
        &self,
        mut read: impl FnMut(&Snapshot) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        self.check_shared()?;
        let failed_opening = match self.snapshot() {
            Some(snapshot) => match read(&snapshot) {
                Err(trouble) if trouble.needs_reopening() => snapshot.opening,
                result => return result,
            },
            None => 0,
        };
        let mut writer = self.writer();
        if writer.opening == failed_opening {
            self.close(&mut writer);
        }
        let opened = match self.snapshot() {
            Some(_) => Ok(()),
            None => self.ensure_open(&mut writer),
        };
        drop(writer);
        match (self.snapshot(), opened) {
            (Some(snapshot), Ok(())) => read(&snapshot),
            // Only to be read, and not by everybody: the device says why.
            (Some(snapshot), Err(refused)) => match read(&snapshot) {
                Err(trouble) if trouble.needs_reopening() => Err(refused),
                result => result,
            },
            (None, Err(trouble)) => Err(trouble),
            (None, Ok(())) => Err(unavailable("it was closed again at once".to_owned())),
        }
    }

    /// As [`Engine::read`], for the record and the memory of one room.
    pub(crate) fn read_of<T>(
        &self,
        prefix: &[u8],
        mut read: impl FnMut(&Snapshot) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        self.read(|snapshot| {
            if snapshot.is_unconfirmed && self.doubtful().contains(prefix) {
                return Err(unavailable("whether the room's last commit is there is not known".to_owned()));
            }
            read(snapshot)
        })
    }

    /// The rooms of the last batch that failed, if it is not known what has become of it.
    pub(super) fn doubtful(&self) -> MutexGuard<'_, BTreeSet<Vec<u8>>> {
        self.doubtful.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads as [`Engine::read`] does, where `read` hands rows to somebody and says whether it has begun to: it
    /// cannot start over then.
    pub(crate) fn visit(
        &self,
        mut read: impl FnMut(&Snapshot, &mut bool) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        let mut begun = false;
        let mut cut_short = None;
        self.read(|snapshot| match read(snapshot, &mut begun) {
            Err(trouble) if begun => {
                cut_short = Some(trouble);
                Ok(())
            }
            result => result,
        })?;
        cut_short.map_or(Ok(()), Err)
    }
}
