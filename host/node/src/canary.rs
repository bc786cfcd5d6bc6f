//! The canary: a new version of a party is first started where nothing can come of it.
//!
//! A room of its own, with an empty storage of its own and no clients, starts as every room does: an instance, its
//! prologue, `on-start` and whatever that waits for. Time does not pass by itself there but goes from one deadline to the
//! next, so a start that sleeps for seconds takes none. What it sends goes nowhere. If it cannot start there, it would
//! start nowhere, and the version that runs goes on.

use std::sync::Arc;

use bytes::Bytes;
use party_core::address::RoomAddress;
use party_core::commit::RoomCommit;
use party_core::event::{DropCause, TurnEnd};
use party_core::http::Request;
use party_core::ids::{Epoch, Timestamp};
use party_core::room::{Action, Phase, Report, Room, RoomConfig};
use party_runtime::instance::Instance;
use party_store::memory::MemoryStore;
use party_store::store::Store;
use thiserror::Error;

use crate::chance::Chance;
use crate::party::Party;

/// The id of the room in which a version is tried, as its guest sees it.
pub const CANARY_ROOM: &str = "canary";
/// Turns that a start may take, those of the operations that it waits for among them.
const TURNS_MAX: u32 = 1_000;

/// Why a version does not start.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum CanaryError {
    /// A turn was dropped.
    #[error("it does not start: {0}")]
    Dropped(DropCause),
    /// `on-start` has failed.
    #[error("its on-start fails: {0}")]
    Failed(String),
    /// `on-start` has not settled in time.
    #[error("its on-start did not settle within {deadline_ms} ms (limits.hold_deadline_ms)")]
    Overdue {
        /// The bound.
        deadline_ms: u64,
    },
    /// It takes more turns than a start may.
    #[error("its on-start did not settle within {TURNS_MAX} turns")]
    Turns,
    /// There is no place to try it in; the text says why.
    #[error("it cannot be tried now: {0}")]
    NoPlace(String),
}

/// Starts a room of this party, at this time, where nothing can come of it.
pub(crate) async fn start(party: &Party, now: Timestamp) -> Result<(), CanaryError> {
    let mut canary = Canary::new(party)?;
    let mut now = now;
    // Whatever comes first starts the room; it is never asked for what comes.
    let request = Request {
        method: "GET".into(),
        uri: "/".into(),
        headers: Vec::new(),
        body: Bytes::new(),
        body_waits: false,
    };
    canary.room.request(request, now).map_err(|refusal| CanaryError::NoPlace(refusal.to_string()))?;
    for _ in 0..TURNS_MAX {
        canary.room.on_time(now);
        canary.carry()?;
        if canary.room.phase() == Phase::Running {
            return Ok(());
        }
        if canary.room.wants_a_turn(now) {
            canary.take_turn(party, now).await?;
        } else {
            // Something always comes: at the latest the deadline of the start.
            now = canary.room.next_deadline().map_or(now, |due| now.max(due));
        }
    }
    Err(CanaryError::Turns)
}

struct Canary {
    room: Room,
    store: MemoryStore,
    epoch: Epoch,
    chance: Chance,
    instance: Option<Instance>,
}

impl Canary {
    fn new(party: &Party) -> Result<Canary, CanaryError> {
        let no_place = |error: &dyn std::fmt::Display| CanaryError::NoPlace(error.to_string());
        let store = MemoryStore::default();
        let epoch = store.acquire().map_err(|error| no_place(&error))?;
        let address = RoomAddress::new(&party.project.name, &party.name, CANARY_ROOM)
            .map_err(|error| no_place(&error))?;
        let address = Arc::new(address);
        let config = RoomConfig {
            storage: store.storage(&address),
            address,
            limits: Arc::clone(&party.limits),
            handlers: party.handlers,
            vars: Arc::clone(&party.vars),
            duplicate_keys: Default::default(),
            profile: party.profile,
            durable: None,
        };
        let room = Room::new(Arc::new(config), None);
        Ok(Canary { room, store, epoch, chance: Chance::from_number(0), instance: None })
    }

    async fn take_turn(&mut self, party: &Party, now: Timestamp) -> Result<(), CanaryError> {
        let moment = party_core::room::Moment {
            now,
            seed: self.chance.seed(),
            incarnation: self.chance.incarnation(),
        };
        let Some(turn) = self.room.begin_turn(moment) else { return Ok(()) };
        let instance = match self.instance.take() {
            Some(instance) => instance,
            None => party.component.instantiate().await.map_err(|cause| match cause {
                DropCause::Instantiation(reason) => CanaryError::NoPlace(reason),
                cause => CanaryError::Dropped(cause),
            })?,
        };
        let (turn, end) = self.instance.insert(instance).run(turn).await;
        if let TurnEnd::Dropped(cause) = end {
            return Err(CanaryError::Dropped(cause));
        }
        self.room.end_turn(turn, end);
        self.carry()
    }

    /// Writes what is to be written; of all else only what it says about the start matters.
    fn carry(&mut self) -> Result<(), CanaryError> {
        loop {
            let actions = self.room.take_actions();
            if actions.is_empty() {
                return Ok(());
            }
            for action in actions {
                match action {
                    Action::Commit(commit) => self.commit(commit)?,
                    Action::Report(Report::Failed { failure, .. }) => {
                        return Err(CanaryError::Failed(failure.message));
                    }
                    Action::Report(Report::Dropped { cause, .. }) => return Err(CanaryError::Dropped(cause)),
                    Action::Report(Report::Overdue { deadline_ms, .. }) => {
                        return Err(CanaryError::Overdue { deadline_ms });
                    }
                    Action::Report(
                        Report::Suspended { .. }
                        | Report::AlarmGivenUp
                        | Report::CommitFailed
                        | Report::Destroyed
                        | Report::Damaged { .. },
                    )
                    | Action::Output(_)
                    | Action::DropInstance => {}
                }
            }
        }
    }

    fn commit(&mut self, commit: RoomCommit) -> Result<(), CanaryError> {
        let seq = commit.record.seq;
        self.store.commit(self.epoch, &[commit]).map_err(|error| CanaryError::NoPlace(error.to_string()))?;
        self.room.committed(seq);
        Ok(())
    }
}
