//! Between two versions: one turn in the hands of both, and the room as it was if that comes to nothing.
//!
//! Memory that the system refuses says nothing of either version: the room goes on with the one that it has, and tries again.

use bytes::Bytes;
use party_core::event::DropCause;
use party_core::large::NoMemory;
use party_core::storage::StorageReadError;
use party_core::turn::Turn;
use party_runtime::capture::NotCapturable;
use party_runtime::instance::Instance;
use party_runtime::restore::RestoreError;
use party_runtime::snapshot::Snapshot;
use party_runtime::upgrade::UpgradeError;
use thiserror::Error;

use crate::apart::run_apart;
use crate::hibernation::LARGE_BYTES;
use crate::party::Party;
use crate::pressure::waiting::SYSTEM_MS;
use crate::registry::RoomEntry;
use crate::worker::Worker;

/// Why a room stays with the version that it has.
#[derive(Debug, Error)]
pub(super) enum Stays {
    #[error("the version that it has cannot save it: {0}")]
    Save(UpgradeError),
    #[error("the new version cannot restore it: {0}")]
    Restore(UpgradeError),
    #[error("the new version does not start: {0}")]
    Start(DropCause),
    #[error("the memory of the new version cannot be captured: {0}")]
    NotCapturable(NotCapturable),
    #[error("what it has stored is damaged: {0}")]
    Damaged(String),
    #[error("the store could not be read: {0}")]
    Unreadable(String),
    #[error("{0}")]
    NoMemory(String),
}

impl From<NoMemory> for Stays {
    fn from(refused: NoMemory) -> Stays {
        Stays::NoMemory(refused.to_string())
    }
}

impl From<NotCapturable> for Stays {
    fn from(reason: NotCapturable) -> Stays {
        match reason {
            NotCapturable::NoMemory(refused) => refused.into(),
            reason => Stays::NotCapturable(reason),
        }
    }
}

impl From<UpgradeError> for Stays {
    fn from(error: UpgradeError) -> Stays {
        match error {
            UpgradeError::NoMemory(refused) => refused.into(),
            error => Stays::Save(error),
        }
    }
}

impl Stays {
    /// The system refused memory, or the store could not be read, and may in a moment: no reason to stay for good.
    pub(super) fn for_now(&self) -> Option<&str> {
        match self {
            Stays::Start(DropCause::Instantiation(reason))
            | Stays::Save(UpgradeError::Dropped(DropCause::NoMemory(reason)))
            | Stays::Restore(UpgradeError::Dropped(DropCause::NoMemory(reason)))
            | Stays::NoMemory(reason)
            | Stays::Unreadable(reason) => Some(reason),
            Stays::Save(_)
            | Stays::Restore(_)
            | Stays::Start(_)
            | Stays::NotCapturable(_)
            | Stays::Damaged(_) => None,
        }
    }
}

/// Both versions have the turn, one after the other. Gives the memory of the new one, if that is to be kept.
pub(super) async fn hand_over(
    old: &mut Instance,
    new: &mut Instance,
    turn: Box<Turn>,
    is_kept: bool,
) -> (Box<Turn>, Result<Option<Snapshot>, Stays>) {
    let fault = |turn: &Turn| {
        turn.fault().map(|fault| match fault {
            StorageReadError::NoMemory(refused) => (*refused).into(),
            StorageReadError::Io(_) => Stays::Unreadable(fault.to_string()),
            StorageReadError::Damaged(_) => Stays::Damaged(fault.to_string()),
        })
    };
    let (turn, saved) = old.save(turn).await;
    let saved = match (fault(&turn), saved) {
        (None, Ok(saved)) => saved,
        (Some(fault), _) => return (turn, Err(fault)),
        (None, Err(error)) => return (turn, Err(error.into())),
    };
    let (turn, restored) = new.restore_saved(turn, &saved).await;
    match (fault(&turn), restored) {
        (None, Ok(())) => {}
        (Some(fault), _) => return (turn, Err(fault)),
        (None, Err(error)) => return (turn, Err(Stays::Restore(error))),
    }
    let image = if is_kept { new.capture().map(Some).map_err(Stays::from) } else { Ok(None) };
    (turn, image)
}

/// The memory of the new version, packed.
pub(super) async fn encode(image: Snapshot) -> Result<Bytes, NoMemory> {
    let encoded = match image.delta_bytes() > LARGE_BYTES {
        true => run_apart(move || image.encode()).await,
        false => image.encode(),
    };
    Ok(encoded?.into())
}

/// The instance of a room that stays, as it was before it was asked to save.
pub(super) async fn as_it_was(
    worker: &Worker,
    entry: &RoomEntry,
    party: &Party,
    instance: Option<Instance>,
    backup: Option<Snapshot>,
    why: &Stays,
) -> Option<Instance> {
    let restored = match backup {
        Some(backup) => {
            drop(instance);
            restore(worker, entry, party, &backup).await
        }
        // It could not be captured. If it has returned, it can go on.
        None => instance.filter(|_| !matches!(why, Stays::Save(UpgradeError::Dropped(_)))),
    };
    if restored.is_none() && !entry.core.borrow_mut().instance_lost(worker.now()) {
        tracing::error!(room = %entry.address(), "its memory is lost with that, and it starts afresh");
    }
    restored
}

/// An instance of what was captured a moment ago. Waits for a place: to have none is no reason to lose a memory.
async fn restore(worker: &Worker, entry: &RoomEntry, party: &Party, backup: &Snapshot) -> Option<Instance> {
    loop {
        match party.component.restore(backup).await {
            Ok(instance) => return Some(instance),
            Err(RestoreError::Start(DropCause::Instantiation(reason) | DropCause::NoMemory(reason))) => {
                worker.misses_a_second_place(entry, &reason);
                worker.node().clock().sleep_until(worker.now().after_ms(SYSTEM_MS)).await;
            }
            Err(error) => {
                tracing::error!(room = %entry.address(), "it cannot be made again as it was: {error}");
                return None;
            }
        }
    }
}
