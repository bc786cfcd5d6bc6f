//! The end of a host, as a whole: how long its rooms are waited for, and which of them are not known to be kept when that is
//! over.
//!
//! Each room looks after itself while it can ([`farewell`](crate::farewell)). One that is in the midst of something cannot: of a
//! long turn, of writing to a disk that hangs. So who ends the host goes by what the workers say of the rooms that are still
//! there, every [`LOOK_MS`], and counts each that would lose something if the process ended now, whatever it is in the midst of.
//!
//! As long as something comes forward (bytes are written, rooms end) they are waited for, up to a bound that the operator sets.
//! Where nothing does, for [`STALLED_MS_MAX`]. All of it is time that passes, so it is the same whatever the clock is set to.

use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use party_core::address::RoomAddress;
use party_core::room::Phase;

use crate::farewell::is_recorded;
use crate::hibernation::sleeps;
use crate::node::Node;
use crate::progress::Progress;
use crate::registry::RoomEntry;
use crate::worker::{Worker, WorkerIndex};

/// How long rooms are waited for when a host ends, if the operator says nothing, in milliseconds.
pub const SAVE_MS_MAX: u64 = 300_000;
/// How long they are waited for while nothing comes forward: nothing is written, and no room ends; in milliseconds.
const STALLED_MS_MAX: u64 = 60_000;
/// How often the workers say how far they are, in milliseconds.
pub(crate) const LOOK_MS: u64 = 100;
/// How often the log says how far they are, in milliseconds.
const SAY_MS: u64 = 5_000;
/// How many rooms the log names that are not known to be kept.
const NAMED_MAX: usize = 10;

/// How far the rooms of a node have come to their end: what each worker has said last.
#[derive(Default)]
pub(crate) struct Ending {
    workers: Mutex<Vec<Option<Left>>>,
}

/// The rooms of a worker that have not ended.
#[derive(Clone, Default)]
pub(crate) struct Left {
    /// All of them.
    rooms: u64,
    /// Those that would lose something if the process ended now.
    at_risk: u64,
    /// The first of these, with what they are in the midst of.
    named: Vec<(Arc<RoomAddress>, String)>,
}

impl Ending {
    fn workers(&self) -> MutexGuard<'_, Vec<Option<Left>>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, index: WorkerIndex, left: Left) {
        let mut workers = self.workers();
        if workers.len() <= index.0 {
            workers.resize(index.0 + 1, None);
        }
        workers[index.0] = Some(left);
    }

    /// All rooms that have not ended, as far as workers have said so, and whether all have.
    fn left(&self, workers: usize) -> (Left, bool) {
        let said = self.workers();
        let mut all = Left::default();
        for left in said.iter().flatten() {
            all.rooms += left.rooms;
            all.at_risk += left.at_risk;
            all.named.extend_from_slice(&left.named);
        }
        (all, said.iter().flatten().count() == workers)
    }
}

/// Whether a room would lose something if the process ended now. A durable room has recorded all, and one that sleeps is kept.
fn is_at_risk(entry: &RoomEntry) -> bool {
    let core = entry.core.borrow();
    sleeps(&entry.party())
        && !is_recorded(entry)
        && !entry.leaving.is_decided()
        && matches!(core.phase(), Phase::Starting | Phase::Running)
        && !core.is_asleep()
        && !core.is_kept()
        && !core.is_destroyed()
}

/// What such a room is in the midst of, for people.
fn why(entry: &RoomEntry) -> String {
    let core = entry.core.borrow();
    if core.is_as_in_its_checkpoint() || core.is_being_saved() {
        return "its checkpoint is not known to be on the disk".into();
    }
    core.restless().map_or_else(|| "its memory is being written".into(), |why| why.to_string())
}

impl Worker {
    /// Says how far this worker's rooms are, and has them look at it themselves.
    pub(crate) fn look_at_the_end(self: &Rc<Worker>) {
        self.progress().look(self.ticks(), self.node().store().written());
        let mut left = Left::default();
        for entry in self.rooms().all() {
            left.rooms += 1;
            if is_at_risk(&entry) {
                left.at_risk += 1;
                if left.named.len() < NAMED_MAX {
                    left.named.push((Arc::clone(entry.address()), why(&entry)));
                }
            }
            entry.wake.set();
        }
        self.node().ending().say(self.index(), left);
    }
}

impl Node {
    /// Ends every room, as [`Node::end`], and waits for as long as that comes forward, at most for `save_ms_max` milliseconds.
    /// Whether all have ended. Rooms that have not, and would lose something now, are named in the log, up to a bound, and
    /// count as [`Node::forgotten`].
    pub async fn end_within(&self, save_ms_max: u64) -> bool {
        let clock = self.clock();
        let begun_at = clock.ticks();
        let (written, mut rooms, mut forward_at) = (self.store().written(), u64::MAX, begun_at);
        let (progress, mut said_at) = (Progress::new(begun_at, written), begun_at);
        let mut ended = pin!(self.end());
        let why = loop {
            tokio::select! {
                biased;
                () = &mut ended => return true,
                () = clock.sleep_until_ticks(clock.ticks().after_ms(LOOK_MS)) => {}
            }
            let now = clock.ticks();
            let now_written = self.store().written();
            progress.look(now, now_written);
            let (left, _) = self.ending().left(self.workers());
            if left.rooms < rooms {
                (rooms, forward_at) = (left.rooms, now);
            }
            forward_at = forward_at.max(progress.at());
            if now.since_ms(forward_at) >= STALLED_MS_MAX {
                break format!("nothing has come forward for {} s", STALLED_MS_MAX / 1_000);
            }
            if now.since_ms(begun_at) >= save_ms_max {
                break format!("they were given {} s", save_ms_max / 1_000);
            }
            if now.since_ms(said_at) >= SAY_MS {
                said_at = now;
                tracing::info!(
                    "{} rooms have not ended, of which {} are still to be saved: {} MiB written, {} s of at most {}",
                    left.rooms,
                    left.at_risk,
                    now_written.bytes.saturating_sub(written.bytes) >> 20,
                    now.since_ms(begun_at) / 1_000,
                    save_ms_max / 1_000
                );
            }
        };
        self.leave_behind(&why);
        false
    }

    /// Names and counts the rooms that are not known to be kept.
    fn leave_behind(&self, why: &str) {
        let (left, all_have_said) = self.ending().left(self.workers());
        tracing::error!("{} rooms have not ended and are not waited for any more: {why}", left.rooms);
        for (room, why) in left.named.iter().take(NAMED_MAX) {
            tracing::error!(%room, "is not known to be kept as it was: {why}");
        }
        let named = left.named.len().min(NAMED_MAX) as u64;
        if left.at_risk > named {
            tracing::error!("and {} more", left.at_risk - named);
        }
        // Its rooms have not even heard that they are to end: nobody can say which they are.
        let unheard = match all_have_said {
            true => 0,
            false => (self.rooms_awake() as u64).saturating_sub(left.rooms).max(1),
        };
        if unheard > 0 {
            tracing::error!("and {unheard} of a thread that does not answer");
        }
        self.count_forgotten(left.at_risk + unheard);
    }
}
