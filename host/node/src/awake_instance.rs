//! The instance of a room that is awake: made when a life begins, run, and thrown away.
//!
//! It is made before the turn that needs it is begun. So a system that has none to give at this moment takes no turn from the
//! room: the room waits for it as for a place.

use std::rc::Rc;

use party_core::event::{DropCause, TurnEnd};
use party_core::turn::Turn;
use party_runtime::instance::Instance;

use crate::apart;
use crate::registry::RoomEntry;
use crate::worker::Worker;

/// Memory of an instance, in bytes, from which on it is given back on another thread: the kernel takes milliseconds for
/// a hundred MiB.
const LARGE_INSTANCE_BYTES: u64 = 4 << 20;

/// The instance of a room that begins a life, if the system has one to give now.
pub(crate) async fn make(worker: &Worker, entry: &Rc<RoomEntry>) -> Result<Option<Instance>, DropCause> {
    match entry.party().component.instantiate().await {
        Ok(fresh) => {
            worker.count_awake(entry, Some(fresh.memory_bytes()));
            worker.waits_no_more(entry, worker.now());
            entry.gives_way.has_an_instance(worker.now());
            Ok(Some(fresh))
        }
        // Nothing has begun that would have to be dropped for it.
        Err(DropCause::Instantiation(reason)) => {
            worker.system_is_full(entry, &reason);
            Ok(None)
        }
        Err(cause) => Err(cause),
    }
}

/// Runs a turn. If the instance could not be made because of what its guest did (`failed`), the turn is dropped.
pub(crate) async fn run_guest(
    instance: &mut Option<Instance>,
    failed: Option<DropCause>,
    entry: &RoomEntry,
    turn: Box<Turn>,
) -> (Box<Turn>, TurnEnd) {
    if let Some(cause) = failed {
        return (turn, TurnEnd::Dropped(cause));
    }
    if instance.is_none() {
        let party = entry.party();
        match party.component.instantiate().await {
            Ok(fresh) => *instance = Some(fresh),
            Err(cause) => return (turn, TurnEnd::Dropped(cause)),
        }
    }
    let awake = instance.as_mut().expect("made above if there was none");
    let (turn, end) = awake.run(turn).await;
    entry.fuel_used.set(entry.fuel_used.get().saturating_add(awake.fuel_used()));
    (turn, end)
}

/// Throws an instance away. While a large one goes, the room waits, so that it never has two, and the others of its
/// thread go on.
pub(crate) async fn dispose(instance: Option<Instance>) {
    let Some(instance) = instance else { return };
    if instance.memory_bytes() >= LARGE_INSTANCE_BYTES {
        apart::run_apart(move || drop(instance)).await;
    }
}
