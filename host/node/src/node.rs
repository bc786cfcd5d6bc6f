//! The node: what the edge talks to.

use std::collections::hash_map::DefaultHasher;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use party_core::address::RoomAddress;
use party_core::commit::ComponentDigest;
use party_core::ids::{Epoch, IdBlock, Timestamp};
use party_core::message::CloseFrame;
use party_core::profile::CLOSE_GOING_AWAY;
use party_core::room::Refusal;
use party_core::storage::{StorageReadError, Visit};
use party_store::kept::KeepError;
use party_store::store::{AcquireError, Store};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};

use crate::apart;
use crate::chance::Chance;
use crate::clock::Clock;
use crate::committer::{CommitPause, CommitRequest, Committer};
use crate::hibernation::digest_of;
use crate::panics::{caught, caught_in};
use crate::party::{Parties, Party};
use crate::pressure::places::Places;
use crate::together::Together;
use crate::versions::Versions;
use crate::worker::{ToWorker, Worker, WorkerIndex};

/// What a node is made of.
pub struct NodeParts {
    /// The project that its parties are served under.
    pub project: String,
    /// What it serves.
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
        /// The party.
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
    project: String,
    parties: Parties,
    versions: Versions,
    store: Arc<dyn Store>,
    epoch: Epoch,
    /// Blocks of this epoch's ids that have been given out.
    id_blocks: AtomicU64,
    clock: Arc<dyn Clock>,
    idle_ms: u64,
    places: Places,
    workers: Vec<mpsc::UnboundedSender<ToWorker>>,
    /// Why it cannot go on, if that is so.
    broken: watch::Sender<Option<String>>,
}

/// A running node. Cheap to clone.
#[derive(Clone)]
pub struct Node {
    shared: Arc<Shared>,
}

/// The threads of a node.
pub struct Threads {
    node: Node,
    workers: Vec<JoinHandle<()>>,
    committer: JoinHandle<()>,
}

impl Threads {
    /// Stops all and waits until they have ended. After [`Node::end`] nothing is lost by it: every commit that was
    /// asked for is written before the committer ends.
    pub fn stop(self) {
        for worker in &self.node.shared.workers {
            // A worker that has ended needs no telling.
            let _ = worker.send(ToWorker::Stop);
        }
        for thread in self.workers.into_iter().chain([self.committer]) {
            if thread.join().is_err() {
                tracing::error!("a thread of the node panicked");
            }
        }
    }
}

struct Made {
    node: Node,
    workers: Vec<(Chance, mpsc::UnboundedReceiver<ToWorker>)>,
    commits: mpsc::UnboundedSender<Vec<CommitRequest>>,
    committer: Committer,
    wakes: Vec<Vec<(RoomAddress, Timestamp)>>,
    /// What is to be deployed before anybody comes.
    changed: Vec<Arc<Party>>,
}

fn make(mut parts: NodeParts) -> Result<Made, StartError> {
    let count = parts.workers.max(1);
    let epoch = parts.store.acquire()?;
    let (commits, requests) = mpsc::unbounded_channel();
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..count).map(|_| mpsc::unbounded_channel()).unzip();
    let committer = Committer::new(Arc::clone(&parts.store), epoch, senders.clone(), requests);
    let shared = Shared {
        project: parts.project,
        parties: Parties::new(parts.parties),
        versions: Versions::default(),
        store: parts.store,
        epoch,
        id_blocks: AtomicU64::new(0),
        clock: parts.clock,
        idle_ms: parts.idle_ms,
        places: Places::new(count, parts.rooms_awake_max, parts.memory_budget_bytes),
        workers: senders,
        broken: watch::Sender::new(None),
    };
    let node = Node { shared: Arc::new(shared) };
    let changed = node.take_up_versions()?;
    let mut wakes = vec![Vec::new(); count];
    node.store().wakes(&mut |address, at| {
        wakes[node.worker_of(address).0].push((address.clone(), at));
        Visit::Continue
    })?;
    let workers = receivers.into_iter().map(|receiver| (parts.chance.split(), receiver)).collect();
    Ok(Made { node, workers, commits, committer, wakes, changed })
}

impl Node {
    /// Starts a node on threads of its own.
    pub fn start(parts: NodeParts) -> Result<(Node, Threads), StartError> {
        let Made { node, workers, commits, committer, wakes, changed } = make(parts)?;
        let mut threads = Vec::new();
        for (index, ((chance, mail), wakes)) in workers.into_iter().zip(wakes).enumerate() {
            let (node, commits) = (node.clone(), commits.clone());
            let (started, starts) = std::sync::mpsc::channel();
            let run = move || {
                let runtime = match apart::runtime(&format!("worker-{index}")) {
                    Ok(runtime) => runtime,
                    // Whoever starts the node waits for exactly this.
                    Err(error) => return started.send(Err(error)).unwrap_or_default(),
                };
                let worker = Worker::new(node, WorkerIndex(index), chance, commits);
                worker.make_current();
                worker.remember_wakes(wakes);
                started.send(Ok(())).unwrap_or_default();
                let breaking = worker.node().clone();
                if let Err(words) = runtime.block_on(caught(worker.run(mail))) {
                    breaking.break_down("a worker", &words);
                }
                // Tasks are dropped while their worker is still there to be told.
                drop(runtime);
                Worker::forget_current();
            };
            threads.push(std::thread::Builder::new().name(format!("worker-{index}")).spawn(run)?);
            starts.recv().map_err(std::io::Error::other)??;
        }
        drop(commits);
        let breaking = node.clone();
        let write = move || {
            if let Err(words) = caught_in(|| committer.run()) {
                breaking.break_down("writing", &words);
            }
        };
        let committer = std::thread::Builder::new().name("committer".into()).spawn(write)?;
        let (deployed, deployments) = std::sync::mpsc::channel();
        let deploying = node.clone();
        node.spawn_on(0, async move || {
            deploying.deploy_changed(changed).await;
            // Whoever starts the node waits for exactly this.
            deployed.send(()).unwrap_or_default();
        });
        deployments.recv().map_err(std::io::Error::other)?;
        Ok((node.clone(), Threads { node, workers: threads, committer }))
    }

    /// Starts a node whose workers and committer are tasks of the current [`tokio::task::LocalSet`]: for tests, where
    /// everything is on one thread, dropping the set is a crash, and commits wait while there is a pause.
    pub fn start_here(parts: NodeParts, pause: &CommitPause) -> Result<Node, StartError> {
        let Made { node, workers, commits, committer, wakes, changed } = make(parts)?;
        let is_alone = workers.len() == 1;
        for (index, ((chance, mail), wakes)) in workers.into_iter().zip(wakes).enumerate() {
            let worker = Worker::new(node.clone(), WorkerIndex(index), chance, commits.clone());
            worker.remember_wakes(wakes);
            if is_alone {
                worker.make_current();
                tokio::task::spawn_local(worker.run(mail));
            } else {
                tokio::task::spawn_local(Together::new(worker, mail));
            }
        }
        tokio::task::spawn_local(committer.run_beside(pause.clone()));
        let deploying = node.clone();
        node.spawn_on(0, async move || deploying.deploy_changed(changed).await);
        Ok(node)
    }

    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.shared.workers.len()
    }

    /// The node's time.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.shared.clock
    }

    /// The project that the parties are served under.
    pub fn project(&self) -> &str {
        &self.shared.project
    }

    /// A party by its name.
    pub fn party(&self, name: &str) -> Option<Arc<Party>> {
        self.shared.parties.get(name)
    }

    /// The names of all parties.
    pub fn party_names(&self) -> Vec<String> {
        self.shared.parties.names()
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

    pub(crate) fn idle_ms(&self) -> u64 {
        self.shared.idle_ms
    }

    /// A random UUID. Only on a worker's thread.
    pub fn uuid(&self) -> String {
        Worker::current().expect("the edge runs on workers").uuid()
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

    /// Something that all rooms need has panicked.
    pub(crate) fn break_down(&self, what: &str, words: &str) {
        tracing::error!("an error of the host in {what}, without which no room goes on: {words}");
        self.shared.broken.send_replace(Some(format!("{what}: {words}")));
    }

    /// Waits until the node cannot go on, because of an error of its own; says which. Whoever has started it ends it then,
    /// as orderly as that can be.
    pub async fn broken(&self) -> String {
        let mut broken = self.shared.broken.subscribe();
        let words = broken.wait_for(Option::is_some).await.ok().and_then(|words| words.clone());
        // Whoever would say so is this node itself.
        words.unwrap_or_default()
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
