//! Commits whose larger checkpoints are staged first, as a host would do it: a model is told all bytes, a store takes
//! some of them beforehand.

use party_core::commit::{CheckpointBytes, MemoryChange, NewCheckpoint, RoomCommit};
use party_core::ids::Epoch;

use crate::kept::KeepError;
use crate::store::{CommitError, Store};

/// From so many bytes on a checkpoint is staged. Below it some still take more than one chunk.
pub const STAGED_BYTES_MIN: usize = 6_000;

/// Why a batch was not acknowledged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StagingError {
    /// A checkpoint could not be staged: the batch was not tried.
    Staging(KeepError),
    /// The batch failed.
    Commit(CommitError),
}

/// Stages what is large in a batch, then commits it.
pub fn commit_staging(store: &dyn Store, epoch: Epoch, batch: &[RoomCommit]) -> Result<(), StagingError> {
    let staged = stage(store, epoch, batch).map_err(StagingError::Staging)?;
    store.commit(epoch, &staged).map_err(StagingError::Commit)
}

/// The batch, with what is large in it staged. Only the last checkpoint of a room can be, and only that is worth it.
pub fn stage(store: &dyn Store, epoch: Epoch, batch: &[RoomCommit]) -> Result<Vec<RoomCommit>, KeepError> {
    let mut staged = batch.to_vec();
    for index in 0..staged.len() {
        let is_last = !staged[index + 1..].iter().any(|later| {
            let puts = matches!(later.memory.as_deref(), Some(MemoryChange::Checkpoint(_)));
            puts && later.address == staged[index].address
        });
        let address = staged[index].address.clone();
        if is_last
            && let Some(MemoryChange::Checkpoint(NewCheckpoint { bytes, .. })) =
                staged[index].memory.as_deref_mut()
            && let CheckpointBytes::Inline(inline) = bytes
            && inline.len() >= STAGED_BYTES_MIN
        {
            *bytes = CheckpointBytes::Staged(store.stage_checkpoint(epoch, &address, inline)?);
        }
    }
    Ok(staged)
}
