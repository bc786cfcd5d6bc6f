//! Large checkpoints: written in pieces beside everything else, then pointed to by a commit; or given up.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use party_core::commit::StagedCheckpoint;

use crate::apart::run_apart;
use crate::hibernation::saving::Patience;
use crate::registry::RoomEntry;
use crate::unsaved;
use crate::worker::Worker;

/// Writes the bytes of a large checkpoint, for a commit to point to.
pub(crate) async fn stage(
    worker: &Rc<Worker>,
    entry: &Rc<RoomEntry>,
    bytes: Bytes,
    patience: Patience,
) -> Option<StagedCheckpoint> {
    let (store, epoch) = (Arc::clone(worker.node().store()), worker.node().epoch());
    let address = Arc::clone(entry.address());
    let keeper = Arc::clone(&store);
    let pause = worker.pause().clone();
    let mut staging = Box::pin(async move {
        pause.until_stagings_go().await;
        run_apart(move || keeper.stage_checkpoint(epoch, &address, &bytes)).await
    });
    match patience.wait(worker, entry, staging.as_mut()).await {
        Some(Ok(staged)) => {
            let mut all = entry.staged.borrow_mut();
            if entry.core.borrow().uncommitted() == 0 {
                all.clear();
            }
            all.push(staged);
            Some(staged)
        }
        Some(Err(error)) => {
            tracing::error!(room = %entry.address(), "cannot sleep: {error}");
            unsaved::put_off(worker, entry);
            None
        }
        None => {
            tokio::task::spawn_local(async move {
                if let Ok(staged) = staging.await {
                    store.unstage_checkpoint(staged);
                }
            });
            None
        }
    }
}

/// Gives up what was staged for commits of a room that have failed, or will not be: no commit of it is under way any more.
pub(crate) fn unstage_all(worker: &Worker, entry: &RoomEntry) {
    for staged in entry.staged.take() {
        worker.node().store().unstage_checkpoint(staged);
    }
}
