//! The open database: one writer, the snapshot that readers share, and what happens when something fails.
//!
//! redb takes no further write after a failed one, and after a failed sync nobody knows whether the transaction is
//! on the device. So after every failure the database is closed and opened again, with nothing believed that only
//! the cache shows, and the number of the last batch in it says what became of the transaction. A batch that
//! survived is confirmed by one more durable transaction before it is acknowledged.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use party_core::ids::Epoch;
use redb::{Database, WriteTransaction};

use crate::redb_store::batch::{Batch, Rejected, write_state};
use crate::redb_store::blocks::Findings;
use crate::redb_store::device::{Cache, Device};
use crate::redb_store::doubt::Survey;
use crate::redb_store::engine::recovery::Outcome;
use crate::redb_store::index::{Effects, Index, JournalIndex, Place};
use crate::redb_store::layout::{Damage, State};
use crate::redb_store::opening::{Purpose, bring_up_to_date, open_database};
use crate::redb_store::snapshot::Snapshot;
use crate::redb_store::trouble::{Trouble, contain};
use crate::redb_store::{OpenError, RedbOptions};
use crate::store::CommitError;

mod recovery;

/// The engine: all of its state.
pub(crate) struct Engine {
    device: Box<dyn Device>,
    options: RedbOptions,
    findings: Arc<Findings>,
    /// The last survey of the records, and how many doubts there were then.
    survey: Mutex<Option<(u64, Survey)>>,
    reopened: AtomicU64,
    /// Whoever has this one may wait for the writer. It keeps a staging, which asks for the writer again and again,
    /// from letting nobody else have it.
    next_writer: Mutex<()>,
    writer: Mutex<Writer>,
    /// Locked whenever `current` is replaced, so that the two can be seen together.
    index: Mutex<Index>,
    current: RwLock<Option<Arc<Snapshot>>>,
}

pub(crate) struct Writer {
    /// `None` while the device does not let itself be opened.
    db: Option<Database>,
    /// What the last acknowledged batch left.
    pub(crate) state: State,
    /// How often the database has been opened.
    opening: u64,
    /// Whether it was closed for good.
    shut: bool,
}

impl Engine {
    /// Opens the store on a device.
    pub(crate) fn open(device: Box<dyn Device>, options: RedbOptions) -> Result<Engine, OpenError> {
        let findings = Arc::default();
        let db = open_database(&*device, &options, Cache::Trusted, &findings, Purpose::Open)?;
        bring_up_to_date(&db)?;
        let snapshot = Snapshot::take(&db, 1).map_err(|trouble| OpenError::from_trouble(&trouble))?;
        let state = snapshot.state().map_err(|trouble| OpenError::from_trouble(&trouble))?;
        let acknowledged =
            device.acknowledged().map_err(|error| OpenError::Failed { cause: error.to_string() })?;
        if acknowledged > state.batch {
            return Err(OpenError::Behind { batch: state.batch, acknowledged });
        }
        if state.in_doubt {
            findings.add_doubt();
        }
        let index = Index::load(&snapshot);
        let index = Mutex::new(index.map_err(|trouble| OpenError::from_trouble(&trouble))?);
        Ok(Engine {
            device,
            options,
            findings,
            survey: Mutex::default(),
            reopened: AtomicU64::new(0),
            next_writer: Mutex::default(),
            writer: Mutex::new(Writer { db: Some(db), state, opening: 1, shut: false }),
            index,
            current: RwLock::new(Some(Arc::new(snapshot))),
        })
    }

    /// What has been found damaged.
    pub(crate) fn findings(&self) -> &Findings {
        &self.findings
    }

    /// How often the database has been opened again after a failure.
    pub(crate) fn reopened(&self) -> u64 {
        self.reopened.load(Ordering::Relaxed)
    }

    /// Makes the next epoch the store's.
    pub(crate) fn acquire(&self) -> Result<Epoch, Trouble> {
        let mut writer = self.writer();
        self.check_shared()?;
        self.ensure_open(&mut writer)?;
        let epoch = Epoch(writer.state.epoch.0 + 1);
        match self.transact(&mut writer, |transaction, state| {
            let next = State { epoch, batch: state.batch + 1, ..state };
            write_state(transaction, &next)?;
            Ok((next, Effects::default()))
        }) {
            Ok(()) => {
                // Whoever staged it cannot commit any more.
                self.index().blobs.give_up_all();
                Ok(epoch)
            }
            Err(CommitError::NotWritten { cause } | CommitError::Unavailable { cause }) => {
                Err(unavailable(cause))
            }
            Err(
                refused @ (CommitError::Stale { .. }
                | CommitError::Refused { .. }
                | CommitError::TooLarge { .. }),
            ) => {
                unreachable!("taking over breaks no rule of a batch: {refused}")
            }
        }
    }

    /// Writes a batch.
    pub(crate) fn commit(&self, held: Epoch, batch: &Batch<'_>) -> Result<(), CommitError> {
        let mut writer = self.writer_of(held)?;
        if batch.is_empty() {
            return Ok(());
        }
        self.transact(&mut writer, |transaction, state| batch.write(transaction, state, &self.index()))?;
        if let Some((_, survey)) = &mut *self.survey() {
            batch.prefixes().for_each(|prefix| survey.add_room(prefix));
        }
        Ok(())
    }

    /// The open database, for the owner of this epoch.
    pub(crate) fn writer_of(&self, held: Epoch) -> Result<MutexGuard<'_, Writer>, CommitError> {
        let mut writer = self.writer();
        let ready = self.check_shared().and_then(|()| self.ensure_open(&mut writer));
        ready.map_err(|trouble| CommitError::Unavailable { cause: trouble.to_string() })?;
        crate::store::check_epoch(held, writer.state.epoch)?;
        Ok(writer)
    }

    /// What is known of rows that no key leads to.
    pub(crate) fn index(&self) -> MutexGuard<'_, Index> {
        // Nothing panics between two changes of it that belong together.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

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
        self.ensure_open(&mut writer)?;
        drop(writer);
        let snapshot =
            self.snapshot().ok_or_else(|| unavailable("it was closed again at once".to_owned()))?;
        read(&snapshot)
    }

    /// Asks the survey of all records, which is made anew when there are new doubts.
    pub(crate) fn with_survey<T>(
        &self,
        snapshot: &Snapshot,
        ask: impl FnOnce(&Survey) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let mut survey = self.survey();
        if let Some((doubts, made)) = &*survey
            && *doubts == self.findings.doubts()
        {
            return ask(made);
        }
        let made = snapshot.survey()?;
        // The damaged rows that the survey itself has come upon are no news to it.
        let (_, made) = survey.insert((self.findings.doubts(), made));
        ask(made)
    }

    fn survey(&self) -> MutexGuard<'_, Option<(u64, Survey)>> {
        self.survey.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Once something shared is damaged nothing more is done.
    fn check_shared(&self) -> Result<(), Trouble> {
        if self.findings.shared() {
            let damage =
                "a part that all rooms share is damaged\nhint: stop the host and run `party-host check`";
            return Err(Damage(damage.to_owned()).into());
        }
        Ok(())
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

    fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn publish(&self, snapshot: Option<Arc<Snapshot>>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = snapshot;
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        let _next = self.next_writer.lock().unwrap_or_else(PoisonError::into_inner);
        // Calls into redb are contained, so a panic can only have been one of our own, before any change.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one write transaction to its end, and finds out what became of it if it failed.
    pub(crate) fn transact(
        &self,
        writer: &mut Writer,
        write: impl FnOnce(&WriteTransaction, State) -> Result<(State, Effects), Rejected>,
    ) -> Result<(), CommitError> {
        let db = writer.db.as_ref().expect("the caller has opened it");
        let (before, quick_repair) = (writer.state, self.quick_repair());
        let result = contain(|| {
            let mut transaction = db.begin_write()?;
            transaction.set_quick_repair(quick_repair);
            let (state, effects) =
                match write(&transaction, State { in_doubt: self.findings.doubts() > 0, ..before }) {
                    Ok(written) => written,
                    Err(Rejected::Trouble(trouble)) => return Err(trouble),
                    Err(Rejected::Refused(refused)) => {
                        transaction.abort()?;
                        return Ok(Err(refused));
                    }
                };
            transaction.commit()?;
            Ok(Ok((state, effects)))
        });
        let trouble = match result {
            Ok(Err(refused)) => return Err(refused),
            Ok(Ok((state, effects))) => {
                writer.state = state;
                self.device.acknowledge(state.batch);
                self.publish_newest(writer, effects);
                self.note_doubt(writer);
                return Ok(());
            }
            Err(trouble) => trouble,
        };
        let cause = trouble.to_string();
        match self.recover(writer) {
            Ok(Outcome::Durable) => Ok(()),
            Ok(Outcome::NotWritten) => Err(CommitError::NotWritten { cause }),
            Err(again) => Err(CommitError::Unavailable { cause: format!("{cause}; then: {again}") }),
        }
    }

    /// A commit that has read a damaged row may have copied it, with a checksum that fits. The doubt is to be on the
    /// device before that can be taken for sound. If it cannot be written now, the next batch carries it: the one
    /// before is durable and must be acknowledged.
    fn note_doubt(&self, writer: &mut Writer) {
        if self.findings.doubts() == 0 || writer.state.in_doubt {
            return;
        }
        let noted = State { batch: writer.state.batch + 1, in_doubt: true, ..writer.state };
        let _ = self.transact(writer, |transaction, _| {
            write_state(transaction, &noted)?;
            Ok((noted, Effects::default()))
        });
    }

    /// Below a certain size a full check after a crash is quick, and commits cost one sync instead of two.
    fn quick_repair(&self) -> bool {
        self.findings.file_bytes() >= self.options.quick_repair_bytes_min
    }

    fn publish_newest(&self, writer: &Writer, effects: Effects) {
        let db = writer.db.as_ref().expect("a transaction has just been written");
        // A snapshot that cannot be taken is no reason to deny the commit: the next reader opens anew.
        let newest = Snapshot::take(db, writer.opening).ok().map(Arc::new);
        let mut index = self.index();
        index.apply(effects);
        self.publish(newest);
    }

    /// Closes the database for good, whoever still has a room's storage at hand.
    pub(crate) fn shut(&self) {
        let mut writer = self.writer();
        writer.shut = true;
        self.close(&mut writer);
    }

    fn ensure_open(&self, writer: &mut Writer) -> Result<(), Trouble> {
        if writer.shut {
            return Err(unavailable("it has been closed".to_owned()));
        }
        let published = self.snapshot().is_some();
        if writer.db.is_some() && published {
            return Ok(());
        }
        self.recover(writer).map(|_| ())
    }

    fn close(&self, writer: &mut Writer) {
        self.publish(None);
        if let Some(db) = writer.db.take() {
            // What closing would write is not needed, and the database is opened anew with full suspicion.
            let _ = contain(|| {
                drop(db);
                Ok::<_, Trouble>(())
            });
        }
    }
}

pub(crate) fn unavailable(cause: String) -> Trouble {
    Trouble::from(std::io::Error::other(cause))
}
