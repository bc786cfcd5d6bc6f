//! Rooms that wait for a place: each in its own task, which goes on with all else and asks again when it is called.
//!
//! A room that gives its place back calls the room of the node that has waited for longest, and that one the next, if more is
//! left. Clients do not wait for ever: what has waited for `accept_deadline_ms`, or for what nobody can give, is turned away.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use party_core::ids::Timestamp;
use party_core::limits::Limits;
use party_core::room::Phase;

use crate::carrying::carry;
use crate::pressure::places::{Lack, Ticket};
use crate::registry::RoomEntry;
use crate::signal::Signal;
use crate::worker::Worker;
use crate::worker::set_back::not_after;

/// How long a room waits before that is said, in milliseconds: under pressure most wait for the moment that another needs
/// to be saved.
const SAY_AFTER_MS: u64 = 100;
/// How long a room waits when the system gives less than the node's bounds promise, in milliseconds.
pub(crate) const SYSTEM_MS: u64 = 50;
/// What a room has that has just been made, in bytes, at least.
const NEW_ROOM_BYTES_MIN: u64 = 64 << 10;

/// How a room waits for a place.
#[derive(Default)]
pub(crate) struct Waits {
    ticket: Cell<Option<Ticket>>,
    /// Since when it has something to do and no place.
    began: Cell<Option<Timestamp>>,
    /// Since when clients wait with it.
    since: Cell<Option<Timestamp>>,
    /// That was said.
    was_said: Cell<bool>,
    /// Something has been given back, and it is its turn.
    is_called: Cell<bool>,
    /// Nobody can give anything: who waits is to be told.
    is_vain: Cell<bool>,
    /// Not to be tried before, because the system gave nothing; and what it said.
    not_before: Cell<Timestamp>,
    system_said: RefCell<Option<Box<str>>>,
}

impl Waits {
    /// Since when it waits, if it does. Between two tries a room that the system refuses has a place for a moment.
    pub(crate) fn since(&self, is_awake: bool) -> Option<Timestamp> {
        self.began.get().filter(|_| !is_awake && self.is_in_line())
    }

    /// Whether it stands in line.
    pub(crate) fn is_in_line(&self) -> bool {
        self.ticket.get().is_some()
    }

    /// Whether the system has refused it an instance when it last asked for one.
    pub(crate) fn was_refused(&self) -> bool {
        self.system_said.borrow().is_some()
    }

    /// When it is to be looked at again although nobody calls it.
    pub(crate) fn deadline(&self, limits: &Limits) -> Option<Timestamp> {
        self.ticket.get()?;
        let since = self.since.get();
        let say_at = since.filter(|_| !self.was_said.get()).map(|since| since.after_ms(SAY_AFTER_MS));
        let give_up_at = since.map(|since| since.after_ms(limits.accept_deadline_ms));
        let try_at = Some(self.not_before.get()).filter(|at| *at > Timestamp(0));
        [say_at, give_up_at, try_at].into_iter().flatten().min()
    }

    /// Whether its clients have waited for long enough.
    pub(crate) fn is_over(&self, now: Timestamp, limits: &Limits) -> bool {
        let is_late = |since: Timestamp| since.after_ms(limits.accept_deadline_ms) <= now;
        self.since.get().is_some_and(|since| self.is_vain.get() || is_late(since))
    }

    /// What it waits for is tried now, and its clients have waited since now.
    pub(crate) fn clock_was_set_back(&self, now: Timestamp) {
        not_after(&self.began, now);
        not_after(&self.since, now);
        self.not_before.set(self.not_before.get().min(now));
    }

    fn end(&self) {
        self.began.set(None);
        self.since.set(None);
        self.was_said.set(false);
        self.is_called.set(false);
        self.is_vain.set(false);
        self.not_before.set(Timestamp(0));
        self.system_said.replace(None);
    }
}

/// The rooms of a worker that wait, and the sign that some should give way.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: RefCell<BTreeMap<Ticket, Rc<RoomEntry>>>,
    pub(crate) wants_relief: Signal,
    /// A room has become quiet that may give way, where none was found before.
    pub(crate) found: Signal,
}

impl Queue {
    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.borrow().len()
    }

    /// How many of them have waited for so many milliseconds.
    pub(super) fn waiting_for(&self, ms: u64, now: Timestamp) -> usize {
        let waiting = self.waiting.borrow();
        let is_long = |since: Timestamp| now.since_ms(since) >= ms;
        waiting.values().filter(|entry| entry.waits.began.get().is_some_and(is_long)).count()
    }

    /// How many of them the system has refused something that the bounds of the node allow.
    pub(super) fn refused(&self) -> usize {
        let waiting = self.waiting.borrow();
        waiting.values().filter(|entry| entry.waits.was_refused()).count()
    }
}

impl Worker {
    /// A room without an instance has something to do: whether it has a place now. If not it stands in line, and is woken
    /// when it is its turn, or when its clients have waited for long enough.
    pub(crate) fn finds_a_place(&self, entry: &Rc<RoomEntry>, now: Timestamp) -> bool {
        let waits = &entry.waits;
        let has_clients = entry.core.borrow().has_clients_waiting();
        if has_clients && waits.since.get().is_none() {
            waits.since.set(Some(now));
        }
        let is_too_early = waits.not_before.get() > now;
        if !is_too_early {
            waits.not_before.set(Timestamp(0));
        }
        if is_too_early {
            self.stand_in_line(entry);
        } else if self.takes_a_place(entry, now)
            || (self.stand_in_line(entry) && self.takes_a_place(entry, now))
        {
            self.has_a_place(entry, now);
            return true;
        } else if waits.is_called.replace(false) {
            self.queue().wants_relief.set();
        }
        waits.began.set(waits.began.get().or(Some(now)));
        self.say_that_it_waits(entry, now);
        false
    }

    /// How much memory a room is expected to have that gets a place: as much as the last one had.
    pub(super) fn new_room_bytes(&self) -> u64 {
        self.last_new_bytes.get().max(NEW_ROOM_BYTES_MIN)
    }

    fn takes_a_place(&self, entry: &Rc<RoomEntry>, now: Timestamp) -> bool {
        let bytes = self.new_room_bytes();
        let took = self.node().places().take(bytes, entry.waits.ticket.get()).is_ok();
        if took {
            entry.memory_bytes.set(bytes);
            entry.is_awake.set(true);
            entry.gives_way.has_a_place(&mut entry.core.borrow_mut(), now);
            self.awake.borrow_mut().insert(entry.number, Rc::clone(entry));
        }
        took
    }

    /// Whether it did not stand there before.
    fn stand_in_line(&self, entry: &Rc<RoomEntry>) -> bool {
        if entry.waits.is_in_line() {
            return false;
        }
        let ticket = self.node().places().draw();
        entry.waits.ticket.set(Some(ticket));
        self.queue().waiting.borrow_mut().insert(ticket, Rc::clone(entry));
        self.show_who_is_first();
        self.queue().wants_relief.set();
        true
    }

    /// The room waits no more, whatever has become of it. Whoever is next may have what it leaves.
    pub(crate) fn leave_line(&self, entry: &RoomEntry) {
        entry.waits.end();
        self.step_out(entry);
    }

    fn step_out(&self, entry: &RoomEntry) {
        if let Some(ticket) = entry.waits.ticket.take() {
            self.queue().waiting.borrow_mut().remove(&ticket);
            self.show_who_is_first();
            self.call_next();
        }
    }

    fn show_who_is_first(&self) {
        let first = self.queue().waiting.borrow().first_key_value().map(|(ticket, _)| *ticket);
        self.node().places().stand_in_line(self.index(), first);
    }

    /// Something may be free: calls the room of the node that has waited for longest.
    pub(crate) fn call_next(&self) {
        let places = self.node().places();
        if let Some(index) = places.whose_turn().filter(|_| places.lack().is_none()) {
            self.node().run_on(index, |worker| {
                if let Some((_, first)) = worker.queue().waiting.borrow().first_key_value() {
                    first.waits.is_called.set(true);
                    first.wake.set();
                }
            });
        }
    }

    fn has_a_place(&self, entry: &RoomEntry, now: Timestamp) {
        if !entry.waits.was_refused() {
            self.waits_no_more(entry, now);
        }
        self.step_out(entry);
        if self.node().places().are_tight() {
            match self.relieved.get() {
                0 => self.queue().wants_relief.set(),
                left => self.relieved.set(left - 1),
            }
        }
    }

    /// The room has its instance: if the system was full, only now is its waiting over.
    pub(crate) fn waits_no_more(&self, entry: &RoomEntry, now: Timestamp) {
        let waits = &entry.waits;
        if let Some(since) = waits.since.get().filter(|_| waits.was_said.get()) {
            tracing::info!(room = %entry.address(), "has a place, after {} ms", now.since_ms(since));
        }
        waits.end();
    }

    fn say_that_it_waits(&self, entry: &RoomEntry, now: Timestamp) {
        let waits = &entry.waits;
        let is_long = waits.since.get().is_some_and(|since| since.after_ms(SAY_AFTER_MS) <= now);
        if is_long && !waits.was_said.replace(true) {
            tracing::warn!(room = %entry.address(), "waits for a place: {}", self.why_it_waits(entry));
        }
    }

    /// Why a room that waits has no place, in words.
    pub(crate) fn why_it_waits(&self, entry: &RoomEntry) -> String {
        let system_said = entry.waits.system_said.borrow().as_deref().map(str::to_owned);
        let others = || self.node().places().lack().unwrap_or(Lack::Others).to_string();
        system_said.unwrap_or_else(others)
    }

    /// Turns away who waits for a room that waits for a place. Gives whether nothing is left that it waits for, and it has
    /// ended.
    pub(crate) fn turn_away(&self, entry: &Rc<RoomEntry>, now: Timestamp) -> bool {
        let waits = &entry.waits;
        let is_vain = waits.is_vain.replace(false);
        if is_vain && self.node().places().lack().is_none() {
            // Something has come free meanwhile.
            return false;
        }
        let reason = self.why_it_waits(entry);
        let since = waits.since.take().unwrap_or(now);
        waits.was_said.set(false);
        let told = entry.core.borrow_mut().turn_waiting_away(&reason);
        let (room, ms) = (entry.address(), now.since_ms(since));
        tracing::warn!(%room, "gives up waiting for a place after {ms} ms; {told} who waited are turned away: {reason}");
        carry(self, entry);
        let has_begun = {
            let core = entry.core.borrow();
            !matches!(core.phase(), Phase::Fresh(_)) || !core.is_quiet() || core.is_asleep()
        };
        if !has_begun && !entry.has_undone() {
            self.end_room(entry);
        }
        !has_begun
    }

    /// Nobody can give anything: has all told who wait here.
    pub(super) fn say_that_all_is_vain(&self) {
        for entry in self.queue().waiting.borrow().values() {
            if entry.waits.since.get().is_some() {
                entry.waits.is_vain.set(true);
                entry.wake.set();
            }
        }
    }

    /// The system gives no instance, although the bounds of the node allow one: the room gives its place back, and asks
    /// again in a while.
    pub(crate) fn system_is_full(&self, entry: &Rc<RoomEntry>, reason: &str) {
        entry.waits.not_before.set(self.now().after_ms(SYSTEM_MS));
        entry.waits.system_said.replace(Some(reason.into()));
        self.count_awake(entry, None);
        self.queue().wants_relief.set();
    }

    /// As [`Worker::system_is_full`], for a room that has a place and needs a second instance for a moment: it is to try again
    /// after [`SYSTEM_MS`].
    pub(crate) fn misses_a_second_place(&self, entry: &RoomEntry, reason: &str) {
        if entry.waits.system_said.replace(Some(reason.into())).is_none() {
            tracing::warn!(room = %entry.address(), "waits for a place beside its own: {reason}");
        }
        self.queue().wants_relief.set();
    }
}
