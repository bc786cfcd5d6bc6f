//! Recorded turns taken again, one after the other, apart from any room that is served: by whoever takes a room out, or makes a
//! test of its past. What can go wrong with that stands here, and nowhere else.

use std::sync::Arc;

use party_core::checkpoint::{Checkpoint, CheckpointError};
use party_core::event::{DropCause, Output, TurnEnd};
use party_core::ids::CommitSeq;
use party_core::journal::RecordError;
use party_core::room::{Replay, ReplayError, RoomConfig};
use party_core::storage::StorageReadError;
use party_runtime::capture::NotCapturable;
use party_runtime::component::Component;
use party_runtime::instance::Instance;
use party_runtime::load::LoadError;
use party_runtime::restore::RestoreError;
use party_runtime::snapshot::{DecodeError, MEMORY_BYTES_MAX, Snapshot};
use party_store::kept::JournalEntry;
use thiserror::Error;

/// Why the recorded turns of a room cannot be taken again.
#[derive(Debug, Error)]
pub enum TakeAgainError {
    /// The component cannot be loaded.
    #[error("its component cannot be loaded: {0}")]
    Load(#[from] LoadError),
    /// The checkpoint before them cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Nor can the memory in it.
    #[error("its memory cannot be read: {0}")]
    Snapshot(#[from] DecodeError),
    /// The memory does not fit the component.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// There is no instance.
    #[error("there is no instance of its component: {0}")]
    Start(DropCause),
    /// They cannot be read, or do something else now.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// Some are missing at the end.
    #[error("its journal ends with commit {found}; its last commit is {last}")]
    Cut {
        /// The last that there is.
        found: CommitSeq,
        /// The last that there was.
        last: CommitSeq,
    },
    /// What they lead to cannot be captured.
    #[error(transparent)]
    NotCapturable(#[from] NotCapturable),
    /// One of them read the store, which cannot be read now.
    #[error(transparent)]
    Storage(StorageReadError),
    /// One of them grew, and the system has no memory for that now.
    #[error("{0}")]
    NoMemory(String),
}

impl From<RecordError> for TakeAgainError {
    fn from(error: RecordError) -> TakeAgainError {
        TakeAgainError::Replay(error.into())
    }
}

/// The past of a durable room, being taken again.
pub struct Again {
    pub(super) past: Replay,
    pub(super) instance: Instance,
}

/// What the room let leave with one record, if that is kept ([`Again::keeping_outputs`]).
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Left {
    /// By itself, before the turn.
    pub before: Vec<Output>,
    /// With the turn, if there was one.
    pub with: Vec<Output>,
}

impl Again {
    /// The past that begins with this checkpoint; without one, with a life. The caller's runtime must have time.
    pub async fn begin(
        config: Arc<RoomConfig>,
        component: &Component,
        checkpoint: Option<Checkpoint>,
    ) -> Result<Again, TakeAgainError> {
        let instance = match &checkpoint {
            Some(checkpoint) => {
                component.restore(&Snapshot::decode(&checkpoint.image, MEMORY_BYTES_MAX)?).await?
            }
            None => component.instantiate().await.map_err(TakeAgainError::Start)?,
        };
        Ok(Again { past: Replay::new(config, checkpoint), instance })
    }

    /// As it is, and keeps what leaves.
    pub fn keeping_outputs(self) -> Again {
        Again { past: self.past.keeping_outputs(), ..self }
    }

    /// Takes the next record.
    pub async fn take(&mut self, entry: &JournalEntry) -> Result<Left, TakeAgainError> {
        let JournalEntry { seq, bytes } = entry;
        let turn = self.past.take(*seq, bytes)?;
        let before = self.past.take_outputs();
        let Some(turn) = turn else { return Ok(Left { before, with: Vec::new() }) };
        let (mut turn, end) = self.instance.run_again(turn).await;
        // They were said then.
        turn.take_logs();
        if let Some(error @ (StorageReadError::Io(_) | StorageReadError::NoMemory(_))) = turn.fault() {
            return Err(TakeAgainError::Storage(error.clone()));
        }
        if let TurnEnd::Dropped(DropCause::NoMemory(why)) = end {
            return Err(TakeAgainError::NoMemory(why));
        }
        self.past.end(turn, end)?;
        Ok(Left { before, with: self.past.take_outputs() })
    }
}
