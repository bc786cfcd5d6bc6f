//! After a failure: the database is opened anew, and what became of the last transaction is found out. While that cannot
//! be, it is opened to be read.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::redb_store::batch::write_state;
use crate::redb_store::device::Cache;
use crate::redb_store::engine::{Engine, Writer, unavailable};
use crate::redb_store::opening::{Purpose, open_database};
use crate::redb_store::snapshot::Snapshot;
use crate::redb_store::trouble::{Trouble, contain};

/// How often a failed device is tried again before the caller is told.
const REOPENINGS_MAX: u32 = 2;

/// What became of a transaction.
pub(super) enum Outcome {
    Durable,
    NotWritten,
}

impl Engine {
    /// Opens the database anew and compares its last batch with the last acknowledged one.
    pub(super) fn recover(&self, writer: &mut Writer) -> Result<Outcome, Trouble> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            match self.try_recover(writer) {
                Err(_) if attempts < REOPENINGS_MAX => {}
                Err(trouble) => {
                    self.failed.fetch_add(1, Ordering::Relaxed);
                    // Why it cannot be read either is of no interest: it is the same device.
                    let _ = self.try_look(writer);
                    return Err(trouble);
                }
                Ok(outcome) => return Ok(outcome),
            }
        }
    }

    fn try_recover(&self, writer: &mut Writer) -> Result<Outcome, Trouble> {
        self.close(writer);
        self.reopened.fetch_add(1, Ordering::Relaxed);
        let db = contain(|| {
            open_database(&*self.device, &self.options, Cache::Suspect, &self.findings, Purpose::Open)
                .map_err(|error| unavailable(error.to_string()))
        })?;
        writer.opening += 1;
        let found = Snapshot::take(&db, writer.opening)?.state()?;
        let acknowledged = writer.state;
        if found.batch < acknowledged.batch {
            let (found, acknowledged) = (found.batch, acknowledged.batch);
            return Err(unavailable(format!(
                "the device has lost acknowledged writes: batch {acknowledged} was on it, now it ends at {found}"
            )));
        }
        // Whatever is there is durable once a transaction after it is. That one keeps the batch's number: were it
        // to fail as well, the next opening must still see from the number whether the batch is there. What was
        // acknowledged needs none, and on a full disk there may be no place for one.
        if found.batch > acknowledged.batch {
            contain(|| {
                let mut transaction = db.begin_write()?;
                transaction.set_quick_repair(self.quick_repair());
                write_state(&transaction, &found)?;
                transaction.commit()?;
                Ok::<_, Trouble>(())
            })?;
        }
        let snapshot = Snapshot::take(&db, writer.opening)?;
        let mut index = self.index();
        index.reload(&snapshot)?;
        // Only now: were the reading to fail, the next attempt must still see that the batch is newer than the last
        // acknowledged one, or it would take what it finds for what was there before.
        writer.state = found;
        self.device.acknowledge(found.batch);
        writer.db = Some(db);
        self.doubtful().clear();
        self.publish(Some(Arc::new(snapshot)));
        Ok(if found.batch > acknowledged.batch { Outcome::Durable } else { Outcome::NotWritten })
    }

    /// Opens the database so that nothing is written, for readers only.
    fn try_look(&self, writer: &mut Writer) -> Result<(), Trouble> {
        self.close(writer);
        let db = contain(|| {
            open_database(&*self.device, &self.options, Cache::Suspect, &self.findings, Purpose::Look)
                .map_err(|error| unavailable(error.to_string()))
        })?;
        writer.opening += 1;
        let mut snapshot = Snapshot::take(&db, writer.opening)?;
        let (found, acknowledged) = (snapshot.state()?.batch, writer.state.batch);
        if found < acknowledged {
            return Err(unavailable(format!("it ends at batch {found}, before batch {acknowledged}")));
        }
        snapshot.is_unconfirmed = found > acknowledged;
        self.index().reload(&snapshot)?;
        writer.read_only = Some(db);
        self.publish(Some(Arc::new(snapshot)));
        Ok(())
    }
}
