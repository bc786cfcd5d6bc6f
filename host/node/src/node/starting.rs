//! A node is put together, and its threads are started; or its tasks, on the thread of a test.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread::JoinHandle;

use party_core::address::RoomAddress;
use party_core::ids::Timestamp;
use party_core::storage::Visit;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::apart;
use crate::chance::Chance;
use crate::committer::{CommitPause, CommitRequest, Committer};
use crate::cron;
use crate::ending::Ending;
use crate::lobby;
use crate::node::{Node, NodeParts, Shared, StartError};
use crate::outside::Outside;
use crate::panics::{Breakdown, caught, caught_in};
use crate::party::{Parties, Party};
use crate::pressure::places::Places;
use crate::project::{kept_parties, kept_projects};
use crate::rooms_count::RoomsCount;
use crate::together::Together;
use crate::versions::Versions;
use crate::worker::{ToWorker, Worker, WorkerIndex};

/// As many projects, and parties, that are not served and have rooms are told of at the start.
const ABSENT_TOLD_MAX: usize = 16;

/// The threads of a node.
pub struct Threads {
    node: Node,
    workers: Vec<JoinHandle<()>>,
    committer: JoinHandle<()>,
}

impl Threads {
    /// Stops all and waits until they have ended, at most for so many milliseconds: one may hang with the disk. Whether they
    /// have. After [`Node::end`] nothing is lost by it: every commit that was asked for is written before the committer ends.
    pub async fn stop_within(self, ms_max: u64) -> bool {
        let clock = Arc::clone(self.node.clock());
        let (sender, stopped) = oneshot::channel();
        let stopping = std::thread::Builder::new().name("stopping".into()).spawn(move || {
            self.stop();
            // Whoever waited may have lost patience.
            let _ = sender.send(());
        });
        // Where the system has no thread to give, nobody waits: the process ends in any case.
        stopping.is_ok()
            && tokio::select! {
                biased;
                stopped = stopped => stopped.is_ok(),
                () = clock.sleep_until_ticks(clock.ticks().after_ms(ms_max)) => false,
            }
    }

    /// Stops all and waits until they have ended, however long that takes.
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
    let (store, breakdown) = (Arc::clone(&parts.store), Breakdown::default());
    let committer = Committer::new(store, epoch, senders.clone(), requests, breakdown.clone());
    let rooms = RoomsCount::of(parts.store.as_ref(), parts.rooms_max)?;
    let shared = Shared {
        projects: parts.projects,
        parties: Parties::new(parts.parties),
        versions: Versions::default(),
        store: parts.store,
        epoch,
        id_blocks: AtomicU64::new(0),
        clock: parts.clock,
        idle_ms: parts.idle_ms,
        places: Places::new(count, parts.rooms_awake_max, parts.memory_budget_bytes),
        rooms,
        workers: senders,
        forgotten: AtomicU64::new(0),
        ending: Ending::default(),
        one_by_one: Arc::new(Semaphore::new(1)),
        breakdown,
        lobby_places: lobby::places(),
        outside: Outside::new(parts.rooms_awake_max),
    };
    let node = Node { shared: Arc::new(shared) };
    let changed = node.take_up_versions()?;
    let (mut wakes, mut absent) = (vec![Vec::new(); count], BTreeMap::new());
    node.store().wakes(&mut |address, at| {
        match node.party_of(address) {
            Some(_) => wakes[node.worker_of(address).0].push((address.clone(), at)),
            None => {
                let party = format!("{}/{}", address.project(), address.party());
                *absent.entry(party).or_insert(0_u64) += 1;
            }
        }
        Visit::Continue
    })?;
    tell_of_absent(&node, &absent)?;
    tell_of_idle_crons(&node);
    let workers = receivers.into_iter().map(|receiver| (parts.chance.split(), receiver)).collect();
    Ok(Made { node, workers, commits, committer, wakes, changed })
}

/// Who lists scheduled runs that nobody takes finds out before the first does not come.
fn tell_of_idle_crons(node: &Node) {
    for project in node.projects() {
        if !project.crons.is_empty() && node.takes_scheduled_runs(project).is_none() {
            let (project, crons) = (&project.name, project.crons.len());
            tracing::warn!(
                project,
                "{crons} scheduled runs are listed, and its party main has no on-cron: none comes"
            );
        }
    }
}

/// Rooms of projects and parties that are not served stay in the store as they are. Whoever misses them finds out why.
fn tell_of_absent(node: &Node, with_alarms: &BTreeMap<String, u64>) -> Result<(), StartError> {
    let mut kept = kept_projects(node.store().as_ref(), node.projects().len() + ABSENT_TOLD_MAX)?;
    kept.retain(|name| node.projects().iter().all(|project| project.name != *name));
    for project in kept.iter().take(ABSENT_TOLD_MAX) {
        tracing::warn!(
            project,
            "rooms of this project are kept here, and it is not served: they stay as they are"
        );
    }
    for project in node.projects() {
        let served = |party: &str| {
            node.parties().iter().any(|one| one.project.name == project.name && one.name == party)
        };
        let max = node.parties().len() + ABSENT_TOLD_MAX;
        let kept = kept_parties(node.store().as_ref(), &project.name, max)?;
        for party in kept.iter().filter(|party| !served(party)).take(ABSENT_TOLD_MAX) {
            tracing::warn!(
                project = project.name,
                party,
                "rooms of this party are kept here, and it is not served: they stay as they are"
            );
        }
    }
    for (party, rooms) in with_alarms.iter().take(ABSENT_TOLD_MAX) {
        tracing::warn!(
            party,
            "it is not served, and {rooms} of its rooms have alarms, which wait until it is"
        );
    }
    Ok(())
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
                let worker = Worker::new(node, WorkerIndex(index), chance, commits, CommitPause::default());
                worker.make_current();
                worker.remember_wakes(wakes);
                started.send(Ok(())).unwrap_or_default();
                let breaking = worker.node().clone();
                if let Err(words) = runtime.block_on(caught(worker.run(mail))) {
                    breaking.breakdown().begin("a worker", &words);
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
                breaking.breakdown().begin_in_writing(&words);
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
        let scheduling = node.clone();
        node.spawn_on(0, move || cron::keep_time(scheduling));
        Ok((node.clone(), Threads { node, workers: threads, committer }))
    }

    /// Starts a node whose workers and committer are tasks of the current [`tokio::task::LocalSet`]: for tests, where
    /// everything is on one thread, dropping the set is a crash, and commits wait while there is a pause.
    pub fn start_here(parts: NodeParts, pause: &CommitPause) -> Result<Node, StartError> {
        let Made { node, workers, commits, committer, wakes, changed } = make(parts)?;
        let is_alone = workers.len() == 1;
        // That of a node before on this thread, if it was alone there.
        Worker::forget_current();
        for (index, ((chance, mail), wakes)) in workers.into_iter().zip(wakes).enumerate() {
            let worker =
                Worker::new(node.clone(), WorkerIndex(index), chance, commits.clone(), pause.clone());
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
        let scheduling = node.clone();
        node.spawn_on(0, move || cron::keep_time(scheduling));
        Ok(node)
    }
}
