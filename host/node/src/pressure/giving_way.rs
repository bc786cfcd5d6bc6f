//! How one room gives its place away, and for how long it may keep it.
//!
//! Where memory is only tight and nobody waits, a room is asked: whatever comes for it ends that, as it ends every sleep of its
//! own. Where others wait it is told: from then on it begins no turn until it sleeps (`core/room/giving_way.rs`), gives its
//! place back, and wants the next one behind those who have waited. Else a room that is used lightly and all the time would
//! give its save up whenever something comes, and the others would wait for ever.
//!
//! Both sides are bounded. A room that is not saved in [`STAND_STILL_MS_MAX`] takes turns again and is left alone for
//! [`LEFT_ALONE_MS`]. One that has got a place keeps it for as long as it takes it to wake and to be saved, at most
//! [`KEEP_MS_MAX`]: so rooms that take each other's places are in use for half of the time at least. And one that never comes
//! to rest has it for [`USE_MS_MIN`], and then gives way as the others do.

use std::cell::Cell;

use party_core::ids::Timestamp;
use party_core::room::Room;

use crate::registry::RoomEntry;
use crate::worker::Worker;

/// How long a room that others wait for takes no turn, at most, in milliseconds: what its clients send waits meanwhile.
const STAND_STILL_MS_MAX: u64 = 10_000;
/// How long a room is left alone that could not be saved when others waited, in milliseconds.
const LEFT_ALONE_MS: u64 = 1_000;
/// How long a room keeps a place that it has got, at most, because it is long to wake and to save, in milliseconds.
const KEEP_MS_MAX: u64 = 1_000;
/// How long a room that is always in use keeps its place, at least, and how long others have waited before it must go, in
/// milliseconds.
pub(super) const USE_MS_MIN: u64 = 250;

#[derive(Clone, Copy)]
enum Told {
    /// If nothing comes.
    Asked,
    /// Since then, whatever comes.
    Since(Timestamp),
}

/// How a room stands to giving its place away.
#[derive(Default)]
pub(crate) struct GivesWay {
    told: Cell<Option<Told>>,
    failed_at: Cell<Option<Timestamp>>,
    /// When it got its place, and since when it has its instance there.
    placed_at: Cell<Timestamp>,
    made_at: Cell<Option<Timestamp>>,
    /// How long it took to wake, and to be saved when it last slept, in milliseconds.
    wake_ms: Cell<u64>,
    save_ms: Cell<u64>,
}

/// Whether so much time has passed since then. If the clock was set back, it has.
fn is_over(since: Timestamp, ms: u64, now: Timestamp) -> bool {
    now < since || since.after_ms(ms) <= now
}

impl GivesWay {
    /// It is to go if nothing comes.
    pub(super) fn ask(&self) {
        self.told.set(Some(self.told.get().unwrap_or(Told::Asked)));
    }

    /// It is to go.
    pub(super) fn tell(&self, core: &mut Room, now: Timestamp) {
        self.told.set(Some(Told::Since(now)));
        core.gives_way(true);
    }

    /// Whether it is to go, whatever it was told.
    pub(crate) fn is_told(&self) -> bool {
        self.told.get().is_some()
    }

    /// Whether it goes whatever comes.
    pub(crate) fn stands_still(&self) -> bool {
        self.until().is_some()
    }

    /// Until when it takes no turn, if it goes whatever comes.
    pub(crate) fn until(&self) -> Option<Timestamp> {
        match self.told.get()? {
            Told::Asked => None,
            Told::Since(since) => Some(since.after_ms(STAND_STILL_MS_MAX)),
        }
    }

    /// It need not go any more.
    pub(crate) fn end(&self, core: &mut Room) {
        if self.told.take().is_some() {
            core.gives_way(false);
        }
    }

    /// It cannot be saved now. Whether it was to go whatever comes.
    pub(crate) fn fail(&self, core: &mut Room, now: Timestamp) -> bool {
        let stood_still = self.stands_still();
        if stood_still {
            self.failed_at.set(Some(now));
        }
        self.end(core);
        stood_still
    }

    /// The same, if it has taken no turn for as long as may be.
    pub(crate) fn fail_if_late(&self, core: &mut Room, now: Timestamp) -> bool {
        let is_late = |told| matches!(told, Told::Since(since) if is_over(since, STAND_STILL_MS_MAX, now));
        self.told.get().is_some_and(is_late) && self.fail(core, now)
    }

    /// It has a place.
    pub(super) fn has_a_place(&self, core: &mut Room, now: Timestamp) {
        self.end(core);
        self.placed_at.set(now);
        self.made_at.set(None);
    }

    /// It has its instance there.
    pub(crate) fn has_an_instance(&self, now: Timestamp) {
        self.wake_ms.set(now.since_ms(self.placed_at.get()));
        self.made_at.set(Some(now));
    }

    /// It sleeps, and began to be saved then.
    pub(crate) fn sleeps(&self, saved_at: Timestamp, now: Timestamp) {
        self.save_ms.set(now.since_ms(saved_at));
    }

    /// Whether it may be asked, or told, to go.
    pub(super) fn may_go(&self, now: Timestamp) -> bool {
        let keeps_ms = (self.wake_ms.get() + self.save_ms.get()).min(KEEP_MS_MAX);
        self.has_had_it_for(keeps_ms, now)
            && self.failed_at.get().is_none_or(|at| is_over(at, LEFT_ALONE_MS, now))
    }

    /// Whether it may be told to go although it is in use.
    pub(super) fn has_been_used(&self, now: Timestamp) -> bool {
        self.may_go(now) && self.has_had_it_for(USE_MS_MIN, now)
    }

    /// Since when it has had its place and its instance.
    pub(super) fn made_at(&self) -> Timestamp {
        self.made_at.get().unwrap_or(self.placed_at.get())
    }

    fn has_had_it_for(&self, ms: u64, now: Timestamp) -> bool {
        is_over(self.made_at(), ms, now)
    }
}

/// Its instance has gone. If it sleeps for others that wait, its place is free before it looks at what has come meanwhile.
pub(crate) fn fell_asleep(worker: &Worker, entry: &RoomEntry) {
    if entry.core.borrow().asleep_since().is_none() {
        return;
    }
    entry.give_back();
    entry.gives_way.sleeps(entry.saved_at.get(), worker.now());
    if entry.gives_way.stands_still() {
        worker.count_awake(entry, None);
    }
}

/// A room does not give way for ever, nor while something else has to be done with it.
pub(crate) fn mind_giving_way(entry: &RoomEntry, now: Timestamp) {
    let mut core = entry.core.borrow_mut();
    if entry.farewell.borrow().is_some() {
        entry.gives_way.end(&mut core);
    } else if entry.is_awake.get() && entry.gives_way.fail_if_late(&mut core, now) {
        tracing::warn!(room = %entry.address(), "could not be saved in time for others that wait for its place: it goes on");
    }
}

#[cfg(test)]
mod tests {
    use party_core::ids::Timestamp;

    use super::{GivesWay, KEEP_MS_MAX, USE_MS_MIN};

    const NOW: Timestamp = Timestamp(1_000_000);

    /// A room that took so long to be saved, and then to wake; since [`NOW`] it has its instance.
    fn woken(save_ms: u64, wake_ms: u64) -> GivesWay {
        let gives_way = GivesWay::default();
        gives_way.sleeps(Timestamp(0), Timestamp(save_ms));
        gives_way.placed_at.set(Timestamp(NOW.0 - wake_ms));
        gives_way.has_an_instance(NOW);
        gives_way
    }

    #[test]
    fn a_room_keeps_its_place_for_as_long_as_it_takes_to_change_it() {
        assert!(woken(0, 0).may_go(NOW), "what costs nothing can go at once");
        let room = woken(300, 50);
        assert!(!room.may_go(NOW.after_ms(349)) && room.may_go(NOW.after_ms(350)));
        let large = woken(60_000, 50_000);
        assert!(!large.may_go(NOW.after_ms(KEEP_MS_MAX - 1)) && large.may_go(NOW.after_ms(KEEP_MS_MAX)));
        assert!(large.may_go(Timestamp(5)), "the clock was set back");
    }

    #[test]
    fn a_room_in_use_keeps_its_place_for_longer() {
        let room = woken(0, 0);
        assert!(!room.has_been_used(NOW.after_ms(USE_MS_MIN - 1)));
        assert!(room.has_been_used(NOW.after_ms(USE_MS_MIN)));
        let large = woken(300, 50);
        assert!(!large.has_been_used(NOW.after_ms(349)) && large.has_been_used(NOW.after_ms(350)));
    }
}
