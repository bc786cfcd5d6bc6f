//! The open database: one writer, the snapshot that readers share, and what happens when something fails.
//!
//! redb takes no further write after a failed one, and after a failed sync nobody knows whether the transaction is
//! on the device. So after every failure the database is closed and opened again, with nothing believed that only
//! the cache shows, and the number of the last batch in it says what became of the transaction. A batch that
//! survived is confirmed by one more durable transaction before it is acknowledged.
//!
//! A device that refuses to be written can mostly still be read. Then the database is opened with writes that stay in
//! memory ([`Purpose::Look`]), and readers go on with what was acknowledged; whoever writes tries to open it in earnest
//! first. If the last batch is there and cannot be confirmed, what it may have changed of its rooms' records and
//! memories is not read before it is; their keys and values are, by those who know of it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use party_core::ids::Epoch;
use redb::{Database, WriteTransaction};

use crate::redb_store::batch::{Batch, Rejected, write_state};
use crate::redb_store::blocks::Findings;
use crate::redb_store::device::{Cache, Device};
use crate::redb_store::doubt::Survey;
use crate::redb_store::engine::recovery::Outcome;
use crate::redb_store::index::{Effects, Index};
use crate::redb_store::layout::{Damage, State};
use crate::redb_store::opening::{Purpose, bring_up_to_date, open_database};
use crate::redb_store::snapshot::Snapshot;
use crate::redb_store::trouble::{Trouble, contain};
use crate::redb_store::{OpenError, RedbOptions};
use crate::store::{CommitError, Written};

mod reading;
mod recovery;

/// The engine: all of its state.
pub(crate) struct Engine {
    device: Box<dyn Device>,
    options: RedbOptions,
    findings: Arc<Findings>,
    /// The last survey of the records, and how many doubts there were then.
    survey: Mutex<Option<(u64, Survey)>>,
    reopened: AtomicU64,
    /// Transactions that are durable, and how often writing has failed since the last of them.
    durable: AtomicU64,
    failed: AtomicU64,
    /// Whoever has this one may wait for the writer. It keeps a staging, which asks for the writer again and again,
    /// from letting nobody else have it.
    next_writer: Mutex<()>,
    writer: Mutex<Writer>,
    /// Locked whenever `current` is replaced, so that the two can be seen together.
    index: Mutex<Index>,
    current: RwLock<Option<Arc<Snapshot>>>,
    /// The rooms of the last batch that failed, for as long as it is not known what has become of it.
    doubtful: Mutex<BTreeSet<Vec<u8>>>,
}

pub(crate) struct Writer {
    /// `None` while the device does not let itself be opened.
    db: Option<Database>,
    /// What readers have meanwhile, if it can be read.
    read_only: Option<Database>,
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
            durable: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            next_writer: Mutex::default(),
            writer: Mutex::new(Writer { db: Some(db), read_only: None, state, opening: 1, shut: false }),
            index,
            current: RwLock::new(Some(Arc::new(snapshot))),
            doubtful: Mutex::default(),
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

    /// How much has been written.
    pub(crate) fn written(&self) -> Written {
        Written {
            bytes: self.findings.written_bytes(),
            transactions: self.durable.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
        }
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
        let doubt = || *self.doubtful() = batch.prefixes().map(<[u8]>::to_vec).collect();
        let write = |transaction: &_, state| batch.write(transaction, state, &self.index());
        self.transact_or(&mut writer, write, doubt)?;
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
        self.transact_or(writer, write, || {})
    }

    /// The same; `failed` is called before that is found out.
    fn transact_or(
        &self,
        writer: &mut Writer,
        write: impl FnOnce(&WriteTransaction, State) -> Result<(State, Effects), Rejected>,
        failed: impl FnOnce(),
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
                self.durable.fetch_add(1, Ordering::Relaxed);
                self.failed.store(0, Ordering::Relaxed);
                self.device.acknowledge(state.batch);
                self.publish_newest(writer, effects);
                self.note_doubt(writer);
                return Ok(());
            }
            Err(trouble) => trouble,
        };
        self.failed.fetch_add(1, Ordering::Relaxed);
        let cause = trouble.to_string();
        failed();
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
        for db in [writer.db.take(), writer.read_only.take()].into_iter().flatten() {
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
