//! Who gives way: of all rooms of the node that can sleep, or end because they have nothing and nobody, those that have been
//! quiet for longest.
//!
//! Each worker knows only its own rooms. So a worker whose rooms wait asks all for the oldest of theirs, by mail, chooses
//! among what they say, and tells each which are to go. A room goes in its own task, between two things that it does; and
//! where no room waits, not at all if something has come for it meanwhile. Those that are on their way count, so that no more
//! go than are needed. Where none is quiet, rooms go that are in use, those first that have had their places for longest.

use std::rc::Rc;

use party_core::ids::Timestamp;
use party_core::room::Restless;

use crate::hibernation;
use crate::pressure::giving_way::USE_MS_MIN;
use crate::registry::RoomEntry;
use crate::timers::RoomNumber;
use crate::worker::{Worker, WorkerIndex};

/// How many rooms are put to sleep at once, at most.
const LEAVE_AT_ONCE_MAX: usize = 64;
/// While rooms wait, who can give way is looked at again after so many milliseconds, whatever rooms say.
const LOOK_AGAIN_MS: u64 = 50;
/// As [`LOOK_AGAIN_MS`], when no room of the node can give way or soon will.
const LOOK_LATER_MS: u64 = 500;
/// The least time between two looks that have found nothing, in milliseconds, unless a room says that it has become quiet.
const LOOK_MS_MIN: u64 = 5;

/// How a room stands to giving its place away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Standing {
    /// It can go now.
    Quiet,
    /// It is in use, and has been for long enough to be told to go.
    InUse,
    /// It is about to.
    Leaving,
    /// Something is under way, after which it may be able to.
    Busy,
    /// It stays until something happens that is not under way: clients leave, a minute passes.
    Stays,
}

/// What a worker says of its rooms.
#[derive(Debug, Default)]
struct Look {
    /// Those that have been quiet for longest, and since when.
    quiet: Vec<(Timestamp, RoomNumber)>,
    /// Those that have been in use for longest, and since when; first those that are not in the midst of a turn.
    in_use: Vec<(bool, Timestamp, RoomNumber)>,
    leaving: usize,
    /// Those that stay.
    stay: usize,
    waiting: usize,
    /// Those that have waited for so long that rooms in use are to go for them.
    waiting_long: usize,
    /// Those among them to which the system gives nothing, although the bounds of the node allow it.
    refused: usize,
}

/// What a look at all workers has come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    /// Rooms go.
    Going,
    /// None can go at this moment.
    NotNow,
    /// None can go, and none soon will.
    Vain,
}

impl Worker {
    /// Has rooms give way whenever others need their places.
    pub(crate) async fn keep_places(self: Rc<Worker>) {
        loop {
            self.queue().wants_relief.wait().await;
            loop {
                let outcome = self.relieve().await;
                if self.queue().len() == 0 {
                    break;
                }
                let (least_ms, most_ms) = match outcome {
                    Outcome::Going => (0, LOOK_AGAIN_MS),
                    Outcome::NotNow => (LOOK_MS_MIN, LOOK_AGAIN_MS),
                    Outcome::Vain => (LOOK_MS_MIN, LOOK_LATER_MS),
                };
                let (clock, now) = (self.node().clock(), self.now());
                let wanted = async {
                    clock.sleep_until(now.after_ms(least_ms)).await;
                    self.queue().wants_relief.wait().await;
                };
                tokio::select! {
                    () = wanted => {}
                    () = self.queue().found.wait() => {}
                    () = clock.sleep_until(now.after_ms(most_ms)) => {}
                }
            }
        }
    }

    /// Looks at all rooms of the node and tells those to go that have been quiet for longest: as many as wait, and at least a
    /// small share of all.
    async fn relieve(self: &Rc<Worker>) -> Outcome {
        let node = self.node();
        // Before the look, so that nobody becomes quiet unseen.
        node.places().search(self.queue().len() > 0);
        let (mut quiet, mut in_use) = (Vec::new(), Vec::new());
        let (mut leaving, mut stay, mut waiting, mut waiting_long, mut refused) = (0, 0, 0, 0, 0);
        for index in (0..node.workers()).map(WorkerIndex) {
            // A worker that has ended has no rooms.
            let Ok(look) = node.look_on(index, |worker| worker.look_for_quiet()).await else { continue };
            quiet.extend(look.quiet.into_iter().map(|(since, room)| (since, index, room)));
            let used =
                look.in_use.into_iter().map(|(is_in_a_turn, since, room)| (is_in_a_turn, since, index, room));
            in_use.extend(used);
            waiting_long += look.waiting_long;
            (leaving, stay) = (leaving + look.leaving, stay + look.stay);
            (waiting, refused) = (waiting + look.waiting, refused + look.refused);
        }
        let share = node.places().rooms() / 16;
        let wanted = match node.places().lack() {
            Some(_) => share.max(waiting).clamp(1, LEAVE_AT_ONCE_MAX),
            None if node.places().are_tight() => share.clamp(1, LEAVE_AT_ONCE_MAX),
            None => refused.min(LEAVE_AT_ONCE_MAX),
        };
        let count = wanted.saturating_sub(leaving).min(quiet.len());
        let is_short = node.places().lack().is_some() || refused > 0;
        let more = waiting_long.min(LEAVE_AT_ONCE_MAX).saturating_sub(leaving + count).min(in_use.len());
        let more = if is_short { more } else { 0 };
        if count + more == 0 {
            // Only if all have been seen: while workers were asked one after the other, a place may have changed hands.
            if stay == node.places().rooms() && waiting > 0 && node.places().lack().is_some() {
                for index in (0..node.workers()).map(WorkerIndex) {
                    node.run_on(index, |worker| worker.say_that_all_is_vain());
                }
                return Outcome::Vain;
            }
            return if leaving > 0 { Outcome::Going } else { Outcome::NotNow };
        }
        quiet.sort_unstable_by_key(|(since, WorkerIndex(index), room)| (*since, *index, *room));
        quiet.truncate(count);
        in_use.sort_unstable_by_key(|(turn, since, WorkerIndex(index), room)| (*turn, *since, *index, *room));
        in_use.truncate(more);
        // For as many as wait, whatever comes; the rest if nothing does.
        let quiet =
            quiet.iter().enumerate().map(|(number, (_, index, room))| (*index, *room, number < waiting));
        let rooms = quiet.chain(in_use.iter().map(|(_, _, index, room)| (*index, *room, true)));
        let rooms: Vec<_> = rooms.collect();
        for index in (0..node.workers()).map(WorkerIndex) {
            let its = rooms.iter().filter(|(its, ..)| *its == index).map(|(_, room, must)| (*room, *must));
            let its: Vec<_> = its.collect();
            if !its.is_empty() {
                node.run_on(index, move |worker| {
                    its.into_iter().for_each(|(room, must)| worker.tell_to_go(room, must));
                });
            }
        }
        node.places().search(false);
        self.relieved.set(count / 2);
        Outcome::Going
    }

    /// A room has come to rest. If others wait and none was found to give way, it may be the one.
    pub(crate) fn mind_quiet(&self, entry: &RoomEntry) {
        let places = self.node().places();
        if places.is_searching()
            && entry.is_awake.get()
            && standing(entry, self.now()) == Standing::Quiet
            && places.found()
        {
            // The number of whoever waits stands there.
            if let Some(index) = places.whose_turn() {
                self.node().run_on(index, |worker| worker.queue().found.set());
            }
        }
    }

    fn look_for_quiet(&self) -> Look {
        let (waiting, refused) = (self.queue().len(), self.queue().refused());
        let now = self.now();
        let waiting_long = self.queue().waiting_for(USE_MS_MIN, now);
        let mut look = Look { waiting, waiting_long, refused, ..Look::default() };
        for entry in self.awake.borrow().values() {
            match standing(entry, now) {
                Standing::Quiet => {
                    // One that is to go on with another version soon goes after the others.
                    let since = if entry.upgrade.is_due() { now } else { entry.active_at.get() };
                    look.quiet.push((since, entry.number));
                }
                Standing::InUse => {
                    let is_in_a_turn = entry.core.borrow().is_in_a_turn();
                    look.in_use.push((is_in_a_turn, entry.gives_way.made_at(), entry.number));
                }
                Standing::Leaving => look.leaving += 1,
                Standing::Stays => look.stay += 1,
                Standing::Busy => {}
            }
        }
        keep_least(&mut look.quiet);
        keep_least(&mut look.in_use);
        look
    }

    /// A room is to go: if nothing comes, or whatever comes.
    fn tell_to_go(&self, room: RoomNumber, must: bool) {
        let now = self.now();
        let entry = self.awake.borrow().get(&room).cloned();
        let Some(entry) = entry else { return };
        let can_go = match standing(&entry, now) {
            Standing::Quiet => true,
            Standing::InUse => must,
            Standing::Leaving | Standing::Busy | Standing::Stays => false,
        };
        if can_go {
            // Its own task does it, between two things that it does: nobody else knows what it is in the middle of.
            match must && keeps_memory(&entry) {
                true => entry.gives_way.tell(&mut entry.core.borrow_mut(), now),
                false => entry.gives_way.ask(),
            }
            entry.wake.set();
        }
    }
}

/// The least of them, as many as may go at once.
fn keep_least<T: Ord>(rooms: &mut Vec<T>) {
    if rooms.len() > LEAVE_AT_ONCE_MAX {
        rooms.select_nth_unstable(LEAVE_AT_ONCE_MAX - 1);
        rooms.truncate(LEAVE_AT_ONCE_MAX);
    }
}

fn standing(entry: &RoomEntry, now: Timestamp) -> Standing {
    let core = entry.core.borrow();
    let restless = core.restless();
    if entry.gives_way.stands_still() {
        return Standing::Leaving;
    }
    let keeps_memory = keeps_memory(entry);
    let can_go = if keeps_memory { core.may_sleep() } else { core.is_quiet() };
    match restless {
        _ if can_go && !entry.gives_way.may_go(now) => Standing::Busy,
        _ if can_go && !entry.gives_way.is_told() => Standing::Quiet,
        // Its memory is in a commit under way, or will be.
        None if can_go || keeps_memory => Standing::Leaving,
        Some(Restless::InATurn | Restless::EventsWait | Restless::OutputsWait)
            if keeps_memory && core.may_give_way() && entry.gives_way.has_been_used(now) =>
        {
            Standing::InUse
        }
        None | Some(Restless::DroppedLately | Restless::Suspended { .. }) => Standing::Stays,
        Some(Restless::Ending) => Standing::Leaving,
        Some(
            Restless::InATurn
            | Restless::NotStarted
            | Restless::Asleep
            | Restless::EventsWait
            | Restless::OutputsWait,
        ) => Standing::Busy,
    }
}

fn keeps_memory(entry: &RoomEntry) -> bool {
    hibernation::sleeps(&entry.party()) && !cannot_be_captured_now(entry)
}

/// Nothing has happened since its memory could not be captured.
fn cannot_be_captured_now(entry: &RoomEntry) -> bool {
    entry.not_captured.borrow().is_some() && !entry.has_changed.get()
}
