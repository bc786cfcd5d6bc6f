//! The node: what the edge talks to.

mod starting;

use std::collections::hash_map::DefaultHasher;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use party_core::address::RoomAddress;
use party_core::commit::ComponentDigest;
use party_core::ids::{Epoch, IdBlock};
use party_core::message::CloseFrame;
use party_core::profile::{CLOSE_GOING_AWAY, Profile};
use party_core::room::Refusal;
use party_core::storage::StorageReadError;
use party_store::kept::KeepError;
use party_store::store::{AcquireError, Store};
use thiserror::Error;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::chance::Chance;
use crate::clock::Clock;
use crate::ending::Ending;
use crate::hibernation::digest_of;
pub use crate::node::starting::Threads;
use crate::outside::Outside;
use crate::panics::Breakdown;
use crate::party::{Parties, Party};
use crate::pressure::places::Places;
use crate::project::Project;
use crate::rooms_count::RoomsCount;
use crate::versions::Versions;
use crate::worker::{ToWorker, Worker, WorkerIndex};

/// What a node is made of.
pub struct NodeParts {
    /// The projects that it serves, each with another name.
    pub projects: Vec<Arc<Project>>,
    /// Their parties, each of one of them.
    pub parties: Vec<Party>,
    /// Where its rooms are kept.
    pub store: Arc<dyn Store>,
    /// Its time.
    pub clock: Arc<dyn Clock>,
    /// Its chance.
    pub chance: Chance,
    /// Threads, at least 1.
    pub workers: usize,
    /// Rooms awake at once.
    pub rooms_awake_max: usize,
    /// Linear memory of all awake rooms, in bytes ([`memory_budget_default`](crate::pressure::memory_budget_default)).
    pub memory_budget_bytes: u64,
    /// How long a room with nothing to do and nobody in it stays, in milliseconds.
    pub idle_ms: u64,
    /// Rooms that there may be, in the store and open; beyond, nobody is let into a new one.
    pub rooms_max: Option<u64>,
}

/// Why an event cannot be taken now. Over HTTP: 503.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Unavailable {
    /// The host ends.
    #[error("the host is shutting down")]
    Ending,
    /// The party is gone. Whoever parsed the address saw it a moment ago.
    #[error("the party has gone")]
    NoSuchParty,
    /// The room does not take it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store cannot be read.
    #[error(transparent)]
    Storage(#[from] StorageReadError),
    /// There is no such room, and there can be no more.
    #[error("there are {rooms_max} rooms, which is the limit of this host: a new one cannot be opened")]
    TooManyRooms {
        /// The bound.
        rooms_max: u64,
    },
    /// As many sockets outside of rooms are open as may be.
    #[error("{max} sockets outside of rooms are open, which is the limit; try again")]
    TooManyOutside {
        /// The bound.
        max: usize,
    },
    /// It is being imported or forked at this moment.
    #[error("the room is being brought here; try again")]
    Arriving,
    /// The room was lost before it answered.
    #[error("the room was lost before it answered")]
    Lost,
}

/// Why a node did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The store cannot be taken.
    #[error("the store cannot be taken")]
    Store(#[from] AcquireError),
    /// The alarms, or which versions were served, cannot be read.
    #[error("the store cannot be read")]
    Alarms(#[from] StorageReadError),
    /// The components, or which are served, cannot be kept.
    #[error("the components cannot be kept in the store")]
    Components(#[from] KeepError),
    /// The component that a party was served with last cannot be loaded at this moment; its rooms are not given another for
    /// that.
    #[error(
        "party {party} was served with component {served} last, which cannot be had now: {why}\nhint: start again in a moment"
    )]
    NotNow {
        /// The party, with its project if the host has several.
        party: String,
        /// Its component.
        served: ComponentDigest,
        /// What the system or the store says.
        why: String,
    },
    /// A thread could not be started.
    #[error("a worker cannot be started")]
    Thread(#[from] std::io::Error),
}

struct Shared {
    projects: Vec<Arc<Project>>,
    parties: Parties,
    versions: Versions,
    store: Arc<dyn Store>,
    epoch: Epoch,
    /// Blocks of this epoch's ids that have been given out.
    id_blocks: AtomicU64,
    clock: Arc<dyn Clock>,
    idle_ms: u64,
    places: Places,
    /// The rooms that exist, if there is a bound.
    rooms: Option<Arc<RoomsCount>>,
    workers: Vec<mpsc::UnboundedSender<ToWorker>>,
    /// Rooms that have ended without the memory that they had.
    forgotten: AtomicU64,
    ending: Ending,
    one_by_one: Arc<Semaphore>,
    /// Why it cannot go on, if that is so.
    breakdown: Breakdown,
    lobby_places: Arc<Semaphore>,
    outside: Outside,
}

/// A running node. Cheap to clone.
#[derive(Clone)]
pub struct Node {
    shared: Arc<Shared>,
}

impl Node {
    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.shared.workers.len()
    }

    /// The node's time.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.shared.clock
    }

    /// The projects that it serves, in the order in which it was given them.
    pub fn projects(&self) -> &[Arc<Project>] {
        &self.shared.projects
    }

    /// A party by the names of its project and its own.
    pub fn party(&self, project: &str, name: &str) -> Option<Arc<Party>> {
        self.shared.parties.get(project, name)
    }

    /// The party of a room.
    pub(crate) fn party_of(&self, address: &RoomAddress) -> Option<Arc<Party>> {
        self.party(address.project(), address.party())
    }

    /// The names of all parties of a project.
    pub fn party_names(&self, project: &str) -> Vec<String> {
        self.shared.parties.names(project)
    }

    pub(crate) fn parties(&self) -> Vec<Arc<Party>> {
        self.shared.parties.all()
    }

    /// Serves this instead of what had its name.
    pub(crate) fn replace(&self, party: Arc<Party>) {
        self.versions().remember(&party);
        self.shared.parties.replace(party);
    }

    pub(crate) fn versions(&self) -> &Versions {
        &self.shared.versions
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.shared.store
    }

    /// How many rooms are awake: those that have an instance.
    pub fn rooms_awake(&self) -> usize {
        self.shared.places.rooms()
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.shared.epoch
    }

    /// Ids for a room that is made again of its checkpoint, if there are any left.
    pub(crate) fn next_ids(&self) -> Option<IdBlock> {
        IdBlock::of(self.shared.epoch, self.shared.id_blocks.fetch_add(1, Ordering::Relaxed))
    }

    /// The memory of its rooms needs it, also when another has taken its place, and so does who goes back to it.
    pub(crate) fn keep_component(&self, party: &Party) -> Result<(), KeepError> {
        self.store().put_component(self.epoch(), digest_of(&party.component), &party.component_bytes)
    }

    pub(crate) fn places(&self) -> &Places {
        &self.shared.places
    }

    /// The rooms that exist, if there is a bound.
    pub(crate) fn rooms_count(&self) -> Option<&Arc<RoomsCount>> {
        self.shared.rooms.as_ref()
    }

    pub(crate) fn idle_ms(&self) -> u64 {
        self.shared.idle_ms
    }

    /// What a client is called that does not say it. Only on a worker's thread.
    pub fn client_id(&self, profile: Profile) -> String {
        Worker::current().expect("the edge runs on workers").client_id(profile)
    }

    /// The worker that a room lives on.
    pub(crate) fn worker_of(&self, address: &RoomAddress) -> WorkerIndex {
        if self.shared.workers.len() == 1 {
            return WorkerIndex(0);
        }
        let mut hasher = DefaultHasher::new();
        address.hash(&mut hasher);
        WorkerIndex((hasher.finish() % self.shared.workers.len() as u64) as usize)
    }

    /// Runs something on a worker: at once if this is its thread, else by mail.
    pub(crate) fn run_on(&self, index: WorkerIndex, run: impl FnOnce(&Rc<Worker>) + Send + 'static) {
        match Worker::current() {
            Some(worker) if worker.index() == index => run(&worker),
            _ => {
                // A worker that has ended has no rooms left either.
                let _ = self.shared.workers[index.0].send(ToWorker::Run(Box::new(run)));
            }
        }
    }

    /// Runs a task on a worker's thread.
    pub fn spawn_on<F, Fut>(&self, worker: usize, make: F)
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        self.run_on(WorkerIndex(worker), |_| {
            tokio::task::spawn_local(make());
        });
    }

    /// So many rooms end without the memory that they had.
    pub(crate) fn count_forgotten(&self, rooms: u64) {
        self.shared.forgotten.fetch_add(rooms, Ordering::Relaxed);
    }

    /// How far its rooms have come to their end.
    pub(crate) fn ending(&self) -> &Ending {
        &self.shared.ending
    }

    /// Whoever has this writes a large checkpoint at the end of the host.
    pub(crate) fn one_by_one(&self) -> &Arc<Semaphore> {
        &self.shared.one_by_one
    }

    /// How many rooms have ended with this node without the memory that they had, because it could not be written, or is
    /// not known to be: those of durable rooms are made again of what they have recorded.
    pub fn forgotten(&self) -> u64 {
        self.shared.forgotten.load(Ordering::Relaxed)
    }

    /// Who has one of these has a lobby event under way.
    pub(crate) fn lobby_places(&self) -> &Arc<Semaphore> {
        &self.shared.lobby_places
    }

    /// The places of sockets outside of rooms.
    pub(crate) fn outside(&self) -> &Outside {
        &self.shared.outside
    }

    /// Whether it can go on, and with what.
    pub(crate) fn breakdown(&self) -> &Breakdown {
        &self.shared.breakdown
    }

    /// Waits until the node cannot go on, because of an error of its own; says which. Whoever has started it ends it then,
    /// as orderly as that can be.
    pub async fn broken(&self) -> String {
        self.breakdown().told().await
    }

    /// Ends every room: clients are told, waiting requests answered, commits under way finished.
    pub async fn end(&self) {
        let mut ended = Vec::new();
        for index in 0..self.workers() {
            let (sender, receiver) = oneshot::channel();
            self.run_on(WorkerIndex(index), move |worker| {
                let worker = Rc::clone(worker);
                tokio::task::spawn_local(async move {
                    worker.end(CloseFrame::new(CLOSE_GOING_AWAY, "the host is shutting down")).await;
                    // Whoever waited may have lost patience.
                    let _ = sender.send(());
                });
            });
            ended.push(receiver);
        }
        for worker in ended {
            // A worker that is gone has no rooms left.
            let _ = worker.await;
        }
    }
}
