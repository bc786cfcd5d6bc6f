//! Rooms that sleep: the memory goes to the store when nothing happens, and comes back with the next event.
//!
//! Sockets, sessions and timers stay where they are; only the instance goes. Whatever stands in the way of waking a room
//! is said, and the room then starts afresh from its storage: `hibernate` fails open.

pub(crate) mod saving;
pub(crate) mod staging;

use std::rc::Rc;
use std::sync::Arc;

use party_core::address::RoomAddress;
use party_core::checkpoint::{Checkpoint, CheckpointError};
use party_core::commit::ComponentDigest;
use party_core::event::{DropCause, Handlers};
use party_core::ids::CommitSeq;
use party_core::room::{Rebuild, Room, RoomConfig};
use party_core::storage::StorageReadError;
use party_runtime::component::Component;
use party_runtime::instance::Instance;
use party_runtime::restore::RestoreError;
use party_runtime::snapshot::{DecodeError, MEMORY_BYTES_MAX, Snapshot};
use party_store::kept::{KeptCheckpoint, RoomSummary};
use thiserror::Error;

use crate::apart::run_apart;
use crate::carrying::carry;
use crate::changed_setting::{bring_up, without_memory};
use crate::party::{Memory, Party};
use crate::recovery::{recover, unreadable};
use crate::registry::RoomEntry;
use crate::upgrade::load_version;
use crate::worker::Worker;

/// Images larger than this are encoded, written and read on another thread, so that other rooms go on.
pub(crate) const LARGE_BYTES: u64 = 256 << 10;

/// Why a room cannot go on where it was.
#[derive(Debug, Error)]
pub(crate) enum WakeError {
    #[error(transparent)]
    Store(#[from] StorageReadError),
    #[error("its checkpoint is not in the store")]
    Missing,
    #[error("the checkpoint in the store is of commit {found}; the room fell asleep with commit {wanted}")]
    Stale { found: CommitSeq, wanted: CommitSeq },
    #[error("its memory is of another component: {found}")]
    OtherComponent { found: ComponentDigest },
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error("its memory cannot be read: {0}")]
    Image(#[from] DecodeError),
    #[error("its memory cannot be restored: {0}")]
    Restore(#[from] RestoreError),
}

impl WakeError {
    /// What the system said, if it only has nothing to wake the room with at this moment.
    pub(crate) fn refused(&self) -> Option<String> {
        match self {
            WakeError::Restore(RestoreError::Start(
                DropCause::Instantiation(reason) | DropCause::NoMemory(reason),
            )) => Some(reason.clone()),
            WakeError::Image(DecodeError::NoMemory(refused))
            | WakeError::Store(StorageReadError::NoMemory(refused)) => Some(refused.to_string()),
            WakeError::Store(_)
            | WakeError::Missing
            | WakeError::Stale { .. }
            | WakeError::OtherComponent { .. }
            | WakeError::Checkpoint(_)
            | WakeError::Image(_)
            | WakeError::Restore(_) => None,
        }
    }
}

/// The component of a party, as checkpoints name it.
pub(crate) fn digest_of(component: &Component) -> ComponentDigest {
    ComponentDigest(component.digest().0)
}

/// Whether the rooms of a party sleep. Those of a component that cannot be captured do not; that was said when it was
/// loaded.
pub(crate) fn sleeps(party: &Party) -> bool {
    party.memory != Memory::Volatile && party.component.capturable().is_ok()
}

/// The component on which the turns of a party's new rooms are recorded, if its rooms are durable.
pub(crate) fn recorded_on(party: &Party) -> Option<ComponentDigest> {
    (party.memory == Memory::Durable).then(|| digest_of(&party.component))
}

/// A room that the store knows, with its memory if that is of use; and the component that this is of, if that is another
/// than the party's. `config` is told on which component the room's turns are recorded, if they are.
pub(crate) fn known_room(
    worker: &Worker,
    party: &Party,
    config: &dyn Fn(Option<ComponentDigest>) -> Arc<RoomConfig>,
    summary: RoomSummary,
) -> Result<(Room, Option<ComponentDigest>), StorageReadError> {
    let record = summary.record;
    let served = digest_of(&party.component);
    let of_memory = summary.component.unwrap_or(served);
    let fresh = config(recorded_on(party));
    let is_durable = party.memory == Memory::Durable;
    if party.memory == Memory::Volatile {
        return Ok((without_memory(worker, fresh, &summary)?, None));
    }
    if summary.journal.records > 0 {
        // Whatever the setting is now: all that anyone was told of its last turns stands there.
        let mut room = Room::unread(config(Some(of_memory)), record);
        if !is_durable {
            tracing::info!(
                room = %fresh.address,
                "has a journal and is durable no more: it is made again of that, and sleeps from then on"
            );
            room.durable_until_saved();
        }
        return Ok((room, other(of_memory, served)));
    }
    let lost = |config| Ok((Room::lost(config, record), None));
    let address = Arc::clone(&fresh.address);
    let Some(kept) = summary.checkpoint else { return lost(fresh) };
    if kept.seq < record.moved_at {
        tracing::info!(room = %address, "starts afresh: its storage has moved since its memory was kept");
        return lost(fresh);
    }
    let checkpoint = worker.node().store().checkpoint(&address).map_err(WakeError::from);
    match checkpoint.and_then(|kept| readable(kept, of_memory)) {
        Ok(checkpoint)
            if of_memory != served
                && checkpoint.has_nothing_open()
                && !party.handlers.has(Handlers::RESTORE) =>
        {
            tracing::warn!(
                room = %address,
                "starts afresh from its storage: its memory is of another version of its party, and this one has no \
                 `restore` (docs/deploy.md)"
            );
            Ok((Room::given_up(fresh, record), None))
        }
        Ok(checkpoint) => {
            mind_time(worker, &checkpoint, &address);
            let (record, checkpoint) = match is_durable {
                true => {
                    let (store, epoch) = (worker.node().store(), worker.node().epoch());
                    bring_up(&**store, epoch, &address, of_memory, record, checkpoint)?
                }
                false => (record, checkpoint),
            };
            let config = config(is_durable.then_some(of_memory));
            match Room::restored(config, record, checkpoint, worker.node().next_ids()) {
                Some(room) => Ok((room, other(of_memory, served))),
                None => lost(fresh),
            }
        }
        Err(WakeError::Store(error @ (StorageReadError::Io(_) | StorageReadError::NoMemory(_)))) => {
            Err(error)
        }
        Err(error) if is_durable => {
            let mut room = Room::new(fresh, Some(record));
            room.damaged(&error.to_string());
            Ok((room, None))
        }
        Err(error) => {
            tracing::warn!(room = %address, "starts afresh: {error}");
            Ok((Room::given_up(fresh, record), None))
        }
    }
}

/// How far the host's clock may be behind a room's time without a word, in milliseconds.
const BEHIND_MS_MAX: u64 = 10_000;

/// Says so if the room has seen a later time than it is: somebody has set the clock.
fn mind_time(worker: &Worker, checkpoint: &Checkpoint, room: &RoomAddress) {
    let ahead_ms = checkpoint.last_now().since_ms(worker.now());
    if ahead_ms > BEHIND_MS_MAX {
        tracing::warn!(
            %room,
            "its time is {} s ahead of the system's clock, and stands still with its timers until the clock has come there",
            ahead_ms / 1_000
        );
    }
}

fn other(of_memory: ComponentDigest, served: ComponentDigest) -> Option<ComponentDigest> {
    (of_memory != served).then_some(of_memory)
}

pub(crate) fn readable(
    kept: Option<KeptCheckpoint>,
    wanted: ComponentDigest,
) -> Result<Checkpoint, WakeError> {
    let kept = kept.ok_or(WakeError::Missing)?;
    if kept.component != wanted {
        return Err(WakeError::OtherComponent { found: kept.component });
    }
    let checkpoint = Checkpoint::decode(&kept.bytes)?;
    // It says itself whose it is and of when: it must not be another's that has come into its place.
    if checkpoint.component != kept.component {
        return Err(WakeError::OtherComponent { found: checkpoint.component });
    }
    if checkpoint.seq != kept.seq {
        return Err(WakeError::Stale { found: checkpoint.seq, wanted: kept.seq });
    }
    Ok(checkpoint)
}

/// Makes the instance of a room that sleeps, which has something to do and a place. If that cannot be, the room has lost its memory
/// and starts afresh.
pub(crate) async fn wake(worker: &Rc<Worker>, entry: &Rc<RoomEntry>) -> Option<Instance> {
    let what = entry.core.borrow().rebuild()?;
    if !load_version(worker, entry, what).await {
        return None;
    }
    let saved_at = match what {
        Rebuild::Asleep(saved_at) => saved_at,
        Rebuild::Behind | Rebuild::Unread => return recover(worker, entry, what).await,
    };
    match restore(worker, entry, saved_at).await {
        Ok(instance) => {
            entry.core.borrow_mut().woken();
            worker.count_awake(entry, Some(instance.memory_bytes()));
            worker.waits_no_more(entry, worker.now());
            entry.gives_way.has_an_instance(worker.now());
            worker.tallies().wake();
            entry.active_at.set(worker.now());
            // It sleeps again even if nothing comes of what has woken it.
            entry.has_changed.set(true);
            Some(instance)
        }
        Err(WakeError::Store(StorageReadError::Io(error))) => {
            unreadable(entry, &error);
            None
        }
        Err(error) => {
            if let Some(reason) = error.refused() {
                // No reason to lose a memory.
                worker.system_is_full(entry, &reason);
                return None;
            }
            if entry.core.borrow().config().durable.is_some() {
                entry.core.borrow_mut().damaged(&error.to_string());
                carry(worker, entry);
                return None;
            }
            tracing::error!(room = %entry.address(), "its memory is lost, and it starts afresh: {error}");
            entry.core.borrow_mut().memory_lost(worker.now());
            carry(worker, entry);
            None
        }
    }
}

async fn restore(worker: &Rc<Worker>, entry: &RoomEntry, saved_at: CommitSeq) -> Result<Instance, WakeError> {
    let (store, address) = (Arc::clone(worker.node().store()), Arc::clone(entry.address()));
    let kept = match entry.kept_bytes.get() <= LARGE_BYTES {
        true => store.checkpoint(&address)?,
        false => run_apart(move || store.checkpoint(&address)).await?,
    };
    let party = entry.party();
    let component = &party.component;
    let checkpoint = readable(kept, digest_of(component))?;
    if checkpoint.seq != saved_at {
        return Err(WakeError::Stale { found: checkpoint.seq, wanted: saved_at });
    }
    let snapshot = Snapshot::decode(&checkpoint.image, MEMORY_BYTES_MAX)?;
    Ok(component.restore(&snapshot).await?)
}
