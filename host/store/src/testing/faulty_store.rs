//! A store whose commits fail, wait or lose their reply as a test wants.
//!
//! It wraps a real engine: what it lets through is written, what it fails is not. Nothing in it sleeps: a commit
//! that is held waits until the test releases it, and a scan that is to take long until the test has done what it does
//! meanwhile.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use party_core::address::RoomAddress;
use party_core::commit::{ComponentDigest, RoomCommit, StagedCheckpoint};
use party_core::ids::{Epoch, Timestamp};
use party_core::storage::{KeyRange, RoomStorage, StorageReadError, Visit};

use crate::kept::{JournalEntry, KeepError, KeptCheckpoint, RoomSummary};
use crate::store::{AcquireError, CommitError, RoomsQuery, Store, Written};
use crate::testing::chance::Chance;
use crate::versions::PartyVersions;

/// What happens to one commit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Nothing: it goes through.
    None,
    /// It is not written, and the caller is told so.
    NotWritten,
    /// It is not written, and the caller is told that the store is unavailable.
    Unavailable,
    /// It is written, but the caller is told that the store is unavailable.
    LostReply,
    /// It waits until it is released, and then goes through.
    Held,
    /// It panics, as a bug in whoever writes would.
    Panics,
}

/// How often, of 1,000 commits, each fault strikes. What is left goes through.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FaultRates {
    /// [`Fault::NotWritten`].
    pub not_written: u64,
    /// [`Fault::Unavailable`].
    pub unavailable: u64,
    /// [`Fault::LostReply`].
    pub lost_reply: u64,
    /// [`Fault::Held`].
    pub held: u64,
}

/// Which fault comes next.
#[derive(Clone, Debug)]
enum Plan {
    Script(VecDeque<Fault>),
    Seeded(Chance, FaultRates),
}

/// A store with faults.
pub struct FaultyStore {
    inner: Arc<dyn Store>,
    state: Mutex<FaultState>,
    changed: Condvar,
    reads: Arc<Reads>,
    keeps_fail: AtomicBool,
    staging_fails: AtomicBool,
}

#[derive(Debug)]
struct FaultState {
    plan: Plan,
    /// How many commits have been held so far.
    held: u64,
    /// How many of them have been let go.
    released: u64,
}

impl FaultyStore {
    /// The faults of `script`, one for each commit; when it is used up, commits go through.
    pub fn scripted(inner: Arc<dyn Store>, script: impl IntoIterator<Item = Fault>) -> FaultyStore {
        FaultyStore::new(inner, Plan::Script(script.into_iter().collect()))
    }

    /// Faults by chance.
    pub fn seeded(inner: Arc<dyn Store>, seed: u64, rates: FaultRates) -> FaultyStore {
        FaultyStore::new(inner, Plan::Seeded(Chance::new(seed), rates))
    }

    fn new(inner: Arc<dyn Store>, plan: Plan) -> FaultyStore {
        let state = Mutex::new(FaultState { plan, held: 0, released: 0 });
        FaultyStore {
            inner,
            state,
            changed: Condvar::new(),
            reads: Arc::default(),
            keeps_fail: AtomicBool::new(false),
            staging_fails: AtomicBool::new(false),
        }
    }

    /// Adds to a script, or replaces seeded faults by one.
    pub fn then(&self, faults: impl IntoIterator<Item = Fault>) {
        let mut state = self.state();
        match &mut state.plan {
            Plan::Script(script) => script.extend(faults),
            Plan::Seeded(..) => state.plan = Plan::Script(faults.into_iter().collect()),
        }
    }

    /// How many commits are held now.
    pub fn held(&self) -> u64 {
        let state = self.state();
        state.held - state.released.min(state.held)
    }

    /// Blocks until a commit is held.
    pub fn wait_until_held(&self) {
        let state = self.state();
        let waiting = self.changed.wait_while(state, |state| state.held <= state.released);
        drop(waiting.unwrap_or_else(PoisonError::into_inner));
    }

    /// Lets the commit that has been held longest go on; if none is, the next one will not be held.
    pub fn release(&self) {
        self.state().released += 1;
        self.changed.notify_all();
    }

    /// Whether staging checkpoints, putting and reclaiming components and versions fails from now on.
    pub fn set_keeps_fail(&self, fail: bool) {
        self.keeps_fail.store(fail, Ordering::SeqCst);
    }

    /// Whether staging checkpoints fails from now on, and nothing else.
    pub fn set_staging_fails(&self, fail: bool) {
        self.staging_fails.store(fail, Ordering::SeqCst);
    }

    fn check_keeps(&self) -> Result<(), KeepError> {
        if self.keeps_fail.load(Ordering::SeqCst) {
            return Err(KeepError::NotWritten { cause: "a fault was injected".to_owned() });
        }
        Ok(())
    }

    /// Whether reads fail from now on.
    pub fn set_reads_fail(&self, fail: bool) {
        self.reads.left.store(if fail { 0 } else { u64::MAX }, Ordering::SeqCst);
    }

    /// Reads fail after so many that still work, until [`FaultyStore::set_reads_fail`] says otherwise.
    pub fn fail_reads_after(&self, reads: u64) {
        self.reads.left.store(reads, Ordering::SeqCst);
    }

    /// After so many reads one panics, as a bug in whoever reads would; the next work again.
    pub fn panic_after_reads(&self, reads: u64) {
        self.reads.until_panic.store(reads, Ordering::SeqCst);
    }

    /// Whether that is still to come.
    pub fn is_to_panic(&self) -> bool {
        self.reads.until_panic.load(Ordering::SeqCst) != u64::MAX
    }

    /// No read panics any more.
    pub fn panic_no_more(&self) {
        self.reads.until_panic.store(u64::MAX, Ordering::SeqCst);
    }

    /// What happens while keys and values are next scanned: it is called on the thread that does it, which goes on when this
    /// has ended.
    pub fn during_next_scan(&self, what: impl FnOnce() + Send + 'static) {
        *self.reads.next_scan() = Some(Box::new(what));
    }

    /// How many reads and commits there have been, whatever has come of them.
    pub fn uses(&self) -> u64 {
        *self.reads.uses()
    }

    /// Blocks until there have been more than so many, for so long of the machine's time at most. Whether there have.
    pub fn wait_for_uses(&self, more_than: u64, patience: Duration) -> bool {
        let uses = self.reads.uses();
        let waiting = self.reads.used.wait_timeout_while(uses, patience, |uses| *uses <= more_than);
        let (uses, _) = waiting.unwrap_or_else(PoisonError::into_inner);
        *uses > more_than
    }

    fn state(&self) -> MutexGuard<'_, FaultState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_fault(&self) -> Fault {
        self.reads.count();
        match &mut self.state().plan {
            Plan::Script(script) => script.pop_front().unwrap_or(Fault::None),
            Plan::Seeded(chance, rates) => {
                let mut drawn = chance.below(1_000);
                let faults = [
                    (rates.not_written, Fault::NotWritten),
                    (rates.unavailable, Fault::Unavailable),
                    (rates.lost_reply, Fault::LostReply),
                    (rates.held, Fault::Held),
                ];
                for (rate, fault) in faults {
                    if drawn < rate {
                        return fault;
                    }
                    drawn -= rate;
                }
                Fault::None
            }
        }
    }

    fn hold(&self) {
        let mut state = self.state();
        let ticket = state.held;
        state.held += 1;
        self.changed.notify_all();
        let released = self.changed.wait_while(state, |state| state.released <= ticket);
        drop(released.unwrap_or_else(PoisonError::into_inner));
    }
}

impl Store for FaultyStore {
    fn acquire(&self) -> Result<Epoch, AcquireError> {
        self.inner.acquire()
    }

    fn commit(&self, epoch: Epoch, batch: &[RoomCommit]) -> Result<(), CommitError> {
        let cause = "a fault was injected".to_owned();
        match self.next_fault() {
            Fault::None => self.inner.commit(epoch, batch),
            Fault::NotWritten => Err(CommitError::NotWritten { cause }),
            Fault::Unavailable => Err(CommitError::Unavailable { cause }),
            Fault::LostReply => {
                self.inner.commit(epoch, batch)?;
                Err(CommitError::Unavailable { cause })
            }
            Fault::Panics => panic!("a panic was injected"),
            Fault::Held => {
                self.hold();
                self.inner.commit(epoch, batch)
            }
        }
    }

    fn summary(&self, address: &RoomAddress) -> Result<Option<RoomSummary>, StorageReadError> {
        self.reads.check()?;
        self.inner.summary(address)
    }

    fn storage(&self, address: &Arc<RoomAddress>) -> Arc<dyn RoomStorage> {
        Arc::new(FaultyRoom { inner: self.inner.storage(address), reads: Arc::clone(&self.reads) })
    }

    fn wakes(&self, visit: &mut dyn FnMut(&RoomAddress, Timestamp) -> Visit) -> Result<(), StorageReadError> {
        self.reads.check()?;
        self.inner.wakes(visit)
    }

    fn rooms(&self, query: &RoomsQuery<'_>) -> Result<Vec<(RoomAddress, RoomSummary)>, StorageReadError> {
        self.reads.check()?;
        self.inner.rooms(query)
    }

    fn stage_checkpoint(
        &self,
        epoch: Epoch,
        address: &RoomAddress,
        bytes: &[u8],
    ) -> Result<StagedCheckpoint, KeepError> {
        self.check_keeps()?;
        if self.staging_fails.load(Ordering::SeqCst) {
            return Err(KeepError::NotWritten { cause: "a fault was injected".to_owned() });
        }
        self.inner.stage_checkpoint(epoch, address, bytes)
    }

    fn unstage_checkpoint(&self, staged: StagedCheckpoint) {
        self.inner.unstage_checkpoint(staged);
    }

    fn checkpoint(&self, address: &RoomAddress) -> Result<Option<KeptCheckpoint>, StorageReadError> {
        self.reads.check()?;
        self.inner.checkpoint(address)
    }

    fn journal(&self, address: &RoomAddress) -> Result<Vec<JournalEntry>, StorageReadError> {
        self.reads.check()?;
        self.inner.journal(address)
    }

    fn put_component(&self, epoch: Epoch, digest: ComponentDigest, bytes: &[u8]) -> Result<(), KeepError> {
        self.check_keeps()?;
        self.inner.put_component(epoch, digest, bytes)
    }

    fn component(&self, digest: ComponentDigest) -> Result<Option<Bytes>, StorageReadError> {
        self.reads.check()?;
        self.inner.component(digest)
    }

    fn reclaim_components(&self, epoch: Epoch, keep: &[ComponentDigest]) -> Result<usize, KeepError> {
        self.check_keeps()?;
        self.inner.reclaim_components(epoch, keep)
    }

    fn written(&self) -> Written {
        self.inner.written()
    }

    fn versions(&self) -> Result<Vec<PartyVersions>, StorageReadError> {
        self.reads.check()?;
        self.inner.versions()
    }

    fn put_versions(&self, epoch: Epoch, versions: &[PartyVersions]) -> Result<(), KeepError> {
        self.check_keeps()?;
        self.inner.put_versions(epoch, versions)
    }
}

/// What a test does.
type Hook = Box<dyn FnOnce() + Send>;

/// Which reads work, and how long they take.
struct Reads {
    /// How many do before all fail; `u64::MAX` for all.
    left: AtomicU64,
    /// How many do before one panics; `u64::MAX` if none does.
    until_panic: AtomicU64,
    /// What happens during the next scan.
    next_scan: Mutex<Option<Hook>>,
    /// How often the store was used, and the sign that it was.
    uses: Mutex<u64>,
    used: Condvar,
}

impl Default for Reads {
    fn default() -> Reads {
        Reads {
            left: AtomicU64::new(u64::MAX),
            until_panic: AtomicU64::new(u64::MAX),
            next_scan: Mutex::default(),
            uses: Mutex::default(),
            used: Condvar::new(),
        }
    }
}

impl Reads {
    fn next_scan(&self) -> MutexGuard<'_, Option<Hook>> {
        self.next_scan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn uses(&self) -> MutexGuard<'_, u64> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self) {
        *self.uses() += 1;
        self.used.notify_all();
    }

    fn check(&self) -> Result<(), StorageReadError> {
        self.count();
        // Behind the last comes the one for "none".
        let until_panic = |left: u64| (left != u64::MAX).then(|| left.wrapping_sub(1));
        if self.until_panic.fetch_update(Ordering::SeqCst, Ordering::SeqCst, until_panic) == Ok(0) {
            panic!("a panic was injected");
        }
        let left = |left: u64| (left > 0).then(|| if left == u64::MAX { left } else { left - 1 });
        match self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left) {
            Ok(_) => Ok(()),
            Err(_) => Err(StorageReadError::Io("a fault was injected".to_owned())),
        }
    }
}

struct FaultyRoom {
    inner: Arc<dyn RoomStorage>,
    reads: Arc<Reads>,
}

impl RoomStorage for FaultyRoom {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StorageReadError> {
        self.reads.check()?;
        self.inner.get(key)
    }

    fn scan(
        &self,
        range: &KeyRange,
        reverse: bool,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Visit,
    ) -> Result<(), StorageReadError> {
        self.reads.check()?;
        let meanwhile = self.reads.next_scan().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile();
        }
        self.inner.scan(range, reverse, visit)
    }
}
