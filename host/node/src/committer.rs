//! The group committer: the commits of all rooms, a group at a time, one transaction and one sync each.
//!
//! It takes whatever waits, up to a bound, and waits for nothing else: under load the groups grow by themselves.
//! A reply goes out only after the store has answered. Once a room's commit has failed, its later ones are not
//! written either: they were decided on a state that is not to be. The worker makes that room anew, under a new
//! number; or the room goes on, if nothing but its checkpoint has failed, and counts its attempts.
//!
//! A store that panics is not asked again: nobody knows what it is in the middle of. All that comes from then on has failed, so that
//! nobody waits for it while the host ends ([`Breakdown`]).

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use party_core::commit::{MemoryChange, RoomCommit};
use party_core::ids::{CommitSeq, Epoch};
use party_core::large::claim_u64;
use party_store::store::Store;
use tokio::sync::{mpsc, watch};

use crate::clock::Clock;
use crate::panics::{Breakdown, caught_in};
use crate::signal::Signal;
use crate::timers::RoomNumber;
use crate::worker::{ToWorker, WorkerIndex};

/// Commits in one transaction, at most: beyond, a transaction grows as fast as the group (docs/store-layout.md).
pub const GROUP_COMMITS_MAX: usize = 256;

/// One commit on its way to the store.
pub(crate) struct CommitRequest {
    pub(crate) worker: WorkerIndex,
    pub(crate) room: RoomNumber,
    /// How often the room has gone on after a commit that failed.
    pub(crate) attempt: u32,
    pub(crate) commit: RoomCommit,
}

/// About how many bytes of a room a commit writes; a staged checkpoint has been written before.
fn bytes_to_write(commit: &RoomCommit) -> u64 {
    let recorded = match commit.memory.as_deref() {
        Some(MemoryChange::Append(record) | MemoryChange::Forget { then: Some(record) }) => {
            record.bytes.len()
        }
        Some(MemoryChange::Checkpoint(_) | MemoryChange::Forget { then: None } | MemoryChange::Destroy)
        | None => 0,
    };
    commit.changes.bytes() + recorded as u64
}

/// What became of a commit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct CommitReply {
    pub(crate) room: RoomNumber,
    pub(crate) seq: CommitSeq,
    /// Why it is not durable, if it is not; nothing if that was said of an earlier one.
    pub(crate) written: Result<(), Option<Arc<str>>>,
}

/// Lets commits wait in tests that run on one thread, as a slow disk does: until somebody says so, or for a time. Cheap to
/// clone; all clones are one.
#[derive(Clone, Default)]
pub struct CommitPause(Rc<Pause>);

#[derive(Default)]
struct Pause {
    is_on: Cell<bool>,
    over: Signal,
    slow: RefCell<Option<Slow>>,
    /// Whether large checkpoints wait, before anything of them is written. Who waits listens.
    holds_stagings: watch::Sender<bool>,
}

/// How long each group takes to write, in milliseconds of a clock.
#[derive(Clone)]
struct Slow {
    clock: Arc<dyn Clock>,
    ms: u64,
}

impl CommitPause {
    /// No commit is written from now on.
    pub fn begin(&self) {
        self.0.is_on.set(true);
    }

    /// All that wait are, in order.
    pub fn end(&self) {
        self.0.is_on.set(false);
        self.0.over.set();
    }

    /// Every group takes so many milliseconds of this clock to write, from now on.
    pub fn slow_down(&self, clock: Arc<dyn Clock>, ms: u64) {
        *self.0.slow.borrow_mut() = (ms > 0).then_some(Slow { clock, ms });
    }

    /// No large checkpoint is written from now on, as on a disk that hangs.
    pub fn hold_stagings(&self) {
        self.0.holds_stagings.send_replace(true);
    }

    /// All that wait are.
    pub fn let_stagings_go(&self) {
        self.0.holds_stagings.send_replace(false);
    }

    /// How many wait.
    pub fn stagings_held(&self) -> usize {
        self.0.holds_stagings.receiver_count()
    }

    /// Until a large checkpoint may be written.
    pub(crate) async fn until_stagings_go(&self) {
        if *self.0.holds_stagings.borrow() {
            // It is kept by whoever could end it.
            let _ = self.0.holds_stagings.subscribe().wait_for(|holds| !holds).await;
        }
    }

    async fn is_over(&self) {
        while self.0.is_on.get() {
            self.0.over.wait().await;
        }
    }

    /// As long as a group takes to write. What comes meanwhile is in the next one.
    async fn write_time(&self) {
        let slow = self.0.slow.borrow().clone();
        if let Some(Slow { clock, ms }) = slow {
            clock.sleep_until(clock.now().after_ms(ms)).await;
        }
    }
}

pub(crate) struct Committer {
    store: Arc<dyn Store>,
    epoch: Epoch,
    workers: Vec<mpsc::UnboundedSender<ToWorker>>,
    requests: mpsc::UnboundedReceiver<Vec<CommitRequest>>,
    /// Rooms one of whose commits has failed, and in which attempt. A number is never used twice, so none need ever be taken out; a
    /// failure is rare enough that the set stays small.
    failed: BTreeSet<(usize, RoomNumber, u32)>,
    breakdown: Breakdown,
}

impl Committer {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        epoch: Epoch,
        workers: Vec<mpsc::UnboundedSender<ToWorker>>,
        requests: mpsc::UnboundedReceiver<Vec<CommitRequest>>,
        breakdown: Breakdown,
    ) -> Committer {
        Committer { store, epoch, workers, requests, failed: BTreeSet::new(), breakdown }
    }

    /// Writes until nobody can ask any more: on a thread of its own.
    pub(crate) fn run(mut self) {
        while let Some(first) = self.requests.blocking_recv() {
            // Where the workers share this processor, those that have more to say say it now; elsewhere this is nothing.
            std::thread::yield_now();
            let waiting = self.take_waiting(first);
            self.write_all(waiting);
        }
    }

    /// Writes until nobody can ask any more: as a task beside the worker's, for tests that run on one thread.
    pub(crate) async fn run_beside(mut self, pause: CommitPause) {
        while let Some(first) = self.requests.recv().await {
            pause.is_over().await;
            let waiting = self.take_waiting(first);
            pause.write_time().await;
            self.write_all(waiting);
        }
    }

    /// Takes what else waits, up to a bound.
    fn take_waiting(&mut self, first: Vec<CommitRequest>) -> Vec<CommitRequest> {
        let mut group = first;
        while group.len() < GROUP_COMMITS_MAX {
            match self.requests.try_recv() {
                Ok(more) => group.extend(more),
                Err(_) => break,
            }
        }
        group
    }

    /// Writes all of it, a bounded group at a time.
    fn write_all(&mut self, waiting: Vec<CommitRequest>) {
        let mut group = waiting;
        while !group.is_empty() {
            let rest = group.split_off(group.len().min(GROUP_COMMITS_MAX));
            self.write_group(group);
            group = rest;
        }
    }

    fn write_group(&mut self, group: Vec<CommitRequest>) {
        let mut replies: Vec<Vec<CommitReply>> = vec![Vec::new(); self.workers.len()];
        let mut origins = Vec::with_capacity(group.len());
        let mut batch = Vec::with_capacity(group.len());
        for CommitRequest { worker, room, attempt, commit } in group {
            let seq = commit.record.seq;
            // The engine asks nobody for what it writes. Refused alone, a large commit takes no others with it.
            let has_memory = claim_u64(bytes_to_write(&commit).saturating_mul(2));
            if let Err(refused) = &has_memory {
                tracing::error!(room = %commit.address, "a commit failed: {refused}");
                self.failed.insert((worker.0, room, attempt));
            }
            if self.failed.contains(&(worker.0, room, attempt)) {
                let why = has_memory.err().map(|refused| refused.to_string().into());
                replies[worker.0].push(CommitReply { room, seq, written: Err(why) });
            } else {
                origins.push((worker, room, attempt, seq));
                batch.push(commit);
            }
        }
        let written = if batch.is_empty() { Ok(()) } else { self.write(&batch) };
        for (worker, room, attempt, seq) in origins {
            if written.is_err() {
                self.failed.insert((worker.0, room, attempt));
            }
            let written = written.clone().map_err(Some);
            replies[worker.0].push(CommitReply { room, seq, written });
        }
        for (worker, replies) in self.workers.iter().zip(replies) {
            if !replies.is_empty() {
                // A worker that has ended has no one left to tell.
                let _ = worker.send(ToWorker::Committed(replies));
            }
        }
    }

    fn write(&self, batch: &[RoomCommit]) -> Result<(), Arc<str>> {
        if self.breakdown.is_in_writing() {
            return Err("the writer has met an error of its own".into());
        }
        match caught_in(|| self.store.commit(self.epoch, batch)) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                tracing::error!(rooms = batch.len(), "a commit failed: {error}");
                Err(error.to_string().into())
            }
            Err(words) => {
                self.breakdown.begin_in_writing(&words);
                Err(words.into())
            }
        }
    }
}
