//! Looking at rooms without touching them: lists, one room in full, and what has been counted.
//!
//! What runs is asked on its own thread and answers between two turns; what is only kept is read from the store. No
//! answer wakes a room, and none holds more than a page, however many rooms there are. The same views are made of a
//! store alone, when no host runs.

mod damage;
mod details;
mod page;
mod stored;

use std::collections::BTreeMap;
use std::rc::Rc;

use party_core::address::RoomAddress;
use party_core::ids::Timestamp;
use party_core::room::Phase;
use party_core::storage::StorageReadError;
use party_store::kept::RoomSummary;
use thiserror::Error;
use tokio::sync::oneshot;

pub use damage::LookedAt;
pub use details::{CheckpointFacts, RoomDetails, kept_details};
pub use page::{PAGE_ROOMS_MAX, RoomsPage, RoomsQuestion, kept_page};
pub use stored::{StoredError, stored};

use crate::node::Node;
use crate::registry::RoomEntry;
use crate::tallies::Counted;
use crate::worker::{Worker, WorkerIndex};

/// What a room is doing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RoomState {
    /// It has an instance.
    Awake,
    /// It has one whose `on-start` has not settled.
    Starting,
    /// Its memory is in the store; the next event finds it where it was.
    Asleep,
    /// Too many of its turns were dropped; it takes nothing for a while.
    Suspended,
    /// Only its keys, values and alarm are kept: the next event starts it from those.
    Stored,
    /// What is kept of its memory cannot be used, and it refuses everyone (`room-damaged`). Known only of rooms that have
    /// been looked at.
    Damaged,
    /// It has something to do and no instance, and waits for a place to run in.
    Waiting,
}

impl RoomState {
    /// All, in the order in which they are counted.
    pub const ALL: [RoomState; 7] = [
        RoomState::Awake,
        RoomState::Starting,
        RoomState::Asleep,
        RoomState::Suspended,
        RoomState::Stored,
        RoomState::Damaged,
        RoomState::Waiting,
    ];

    /// As it is written everywhere.
    pub fn name(self) -> &'static str {
        match self {
            RoomState::Awake => "awake",
            RoomState::Starting => "starting",
            RoomState::Asleep => "asleep",
            RoomState::Suspended => "suspended",
            RoomState::Stored => "stored",
            RoomState::Damaged => "damaged",
            RoomState::Waiting => "waiting",
        }
    }

    /// The state of this name.
    pub fn named(name: &str) -> Option<RoomState> {
        RoomState::ALL.into_iter().find(|state| state.name() == name)
    }

    /// What the store says of a room that no host has in its memory.
    pub(crate) fn kept(summary: &RoomSummary) -> RoomState {
        let is_of_use = |seq| seq >= summary.record.moved_at;
        match summary.checkpoint {
            Some(checkpoint) if is_of_use(checkpoint.seq) || summary.journal.records > 0 => RoomState::Asleep,
            _ if summary.journal.records > 0 => RoomState::Asleep,
            Some(_) | None => RoomState::Stored,
        }
    }
}

/// A room as a list shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoomView {
    /// Where it is.
    pub address: RoomAddress,
    /// What it is doing.
    pub state: RoomState,
    /// What the host has of it in memory; `None` if nothing, which is so of every room when no host runs.
    pub live: Option<LiveRoom>,
    /// What the store keeps of it; `None` if it has never committed.
    pub kept: Option<RoomSummary>,
}

/// What a host has of a room in its memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LiveRoom {
    /// Linear memory of its instance after its last turn, in bytes; 0 without one.
    pub memory_bytes: u64,
    /// Fuel that its turns have used since the room came into this host's memory.
    pub fuel_used: u64,
    /// Accepted and connecting clients, and those whose close is not settled.
    pub sockets: usize,
    /// Requests without an answer.
    pub requests: usize,
    /// Open operations; `None` while a turn is under way.
    pub operations: Option<usize>,
    /// When its last turn began, or it came into memory.
    pub last_event: Timestamp,
    /// When this host last made a checkpoint of it.
    pub checkpoint_at: Option<Timestamp>,
    /// Why it cannot sleep although nothing happens, if so: what its party or its memory is like.
    pub stays_awake: Option<String>,
    /// Why it refuses everyone, if it is damaged.
    pub damage: Option<String>,
    /// Since when it waits for a place to run in, if it does.
    pub waits_since: Option<Timestamp>,
}

/// How many rooms a node has in its memory, and what it has counted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NodeFigures {
    /// Rooms in memory by state, in the order of [`RoomState::ALL`]. Rooms that are only in the store are not among
    /// them: to count those takes a walk over all.
    pub rooms: [u64; RoomState::ALL.len()],
    /// Clients of all rooms.
    pub sockets: u64,
    /// Sockets outside of rooms.
    pub sockets_outside: u64,
    /// Requests without an answer of all rooms.
    pub requests: u64,
    /// Linear memory of all instances, in bytes.
    pub memory_bytes: u64,
    /// What has happened since the node started.
    pub counted: Counted,
    /// The same of the rooms of each project that is served, by its name.
    pub projects: BTreeMap<String, ProjectFigures>,
}

/// How many rooms of a project a node has in its memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ProjectFigures {
    /// Rooms in memory.
    pub rooms: u64,
    /// Their clients.
    pub sockets: u64,
    /// Linear memory of their instances, in bytes.
    pub memory_bytes: u64,
}

impl NodeFigures {
    fn of_project(&mut self, name: &str) -> &mut ProjectFigures {
        if !self.projects.contains_key(name) {
            self.projects.insert(name.to_owned(), ProjectFigures::default());
        }
        self.projects.get_mut(name).expect("it is there, or was put there above")
    }
}

/// Why a question has no answer.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum InspectError {
    /// The store cannot be read.
    #[error(transparent)]
    Storage(#[from] StorageReadError),
    /// The host ends.
    #[error("the host is shutting down")]
    Ending,
}

impl Node {
    /// How many rooms there are in memory, and what has been counted.
    pub async fn figures(&self) -> Result<NodeFigures, InspectError> {
        let mut all = NodeFigures::default();
        self.projects().iter().for_each(|project| _ = all.of_project(&project.name));
        for index in 0..self.workers() {
            let figures = self.look_on(WorkerIndex(index), figures).await?;
            for (all, some) in all.rooms.iter_mut().zip(figures.rooms) {
                *all += some;
            }
            all.sockets += figures.sockets;
            all.sockets_outside += figures.sockets_outside;
            all.requests += figures.requests;
            all.memory_bytes += figures.memory_bytes;
            all.counted.add(figures.counted);
            for (project, some) in figures.projects {
                let all = all.of_project(&project);
                all.rooms += some.rooms;
                all.sockets += some.sockets;
                all.memory_bytes += some.memory_bytes;
            }
        }
        Ok(all)
    }

    /// Asks a worker something that changes nothing.
    pub(crate) async fn look_on<T: Send + 'static>(
        &self,
        index: WorkerIndex,
        look: impl FnOnce(&Rc<Worker>) -> T + Send + 'static,
    ) -> Result<T, InspectError> {
        let (sender, receiver) = oneshot::channel();
        self.run_on(index, move |worker| {
            // Whoever asked may have lost patience.
            let _ = sender.send(look(worker));
        });
        receiver.await.map_err(|_| InspectError::Ending)
    }
}

fn figures(worker: &Rc<Worker>) -> NodeFigures {
    let mut figures = NodeFigures { counted: worker.tallies().read(), ..NodeFigures::default() };
    for entry in worker.rooms().all().iter().filter(|entry| entry.address().is_unnamed()) {
        let memory_bytes = memory_bytes(entry);
        figures.sockets_outside += 1;
        figures.memory_bytes += memory_bytes;
        figures.of_project(entry.address().project()).memory_bytes += memory_bytes;
    }
    worker.rooms().each(|entry| {
        let state = state_of(entry, worker.now());
        figures.rooms[RoomState::ALL.iter().position(|one| *one == state).expect("all are listed")] += 1;
        let core = entry.core.borrow();
        let (sockets, memory_bytes) = (core.connections() as u64, memory_bytes(entry));
        figures.sockets += sockets;
        figures.requests += core.requests() as u64;
        figures.memory_bytes += memory_bytes;
        let of_project = figures.of_project(entry.address().project());
        of_project.rooms += 1;
        of_project.sockets += sockets;
        of_project.memory_bytes += memory_bytes;
    });
    figures
}

pub(crate) fn state_of(entry: &RoomEntry, now: Timestamp) -> RoomState {
    if entry.damage.borrow().is_some() {
        return RoomState::Damaged;
    }
    if entry.waits.since(entry.is_awake.get()).is_some() {
        return RoomState::Waiting;
    }
    let core = entry.core.borrow();
    match core.phase() {
        Phase::Suspended { until } if until > now => RoomState::Suspended,
        Phase::Suspended { .. } | Phase::Fresh(_) => RoomState::Stored,
        Phase::Starting | Phase::Running if core.is_asleep() => RoomState::Asleep,
        Phase::Starting => RoomState::Starting,
        Phase::Running => RoomState::Awake,
    }
}

fn damage(entry: &RoomEntry) -> Option<String> {
    entry.damage.borrow().as_ref().map(ToString::to_string)
}

fn memory_bytes(entry: &RoomEntry) -> u64 {
    if entry.is_awake.get() { entry.memory_bytes.get() } else { 0 }
}

pub(crate) fn live(entry: &RoomEntry) -> LiveRoom {
    let core = entry.core.borrow();
    LiveRoom {
        memory_bytes: memory_bytes(entry),
        fuel_used: entry.fuel_used.get(),
        sockets: core.connections(),
        requests: core.requests(),
        operations: core.operations(),
        last_event: entry.active_at.get(),
        checkpoint_at: entry.checkpoint_at.get(),
        stays_awake: details::never_sleeps(entry),
        damage: damage(entry),
        waits_since: entry.waits.since(entry.is_awake.get()),
    }
}
