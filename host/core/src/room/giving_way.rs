//! Giving way: a room that others need the place of comes to rest although something comes for it all the time.
//!
//! Told so, it begins no turn any more ([`Room::wants_a_turn`] is false), so that it can be saved and sleep: what comes
//! meanwhile waits in its mailbox, in order, and does not keep it from sleeping. Of that its guest knows nothing, so a
//! checkpoint says all that the guest knows; it is as with a room that sleeps already when something comes. Asleep, it wants a
//! turn again, and is woken for it as any other. Its driver bounds how long that may take.

use crate::room::sleeping::Memory;
use crate::room::{Phase, Restless, Room, Service};

impl Room {
    /// The room is to sleep for others, or need not any more. That it sleeps by then changes nothing.
    pub fn gives_way(&mut self, is_told: bool) {
        self.gives_way = is_told;
    }

    /// Whether it would come to rest if it was told to: it has a memory, which can be kept, or soon will, when the turn that
    /// is out has ended and what that has done is durable. Not if a turn was dropped lately, which only an awake room
    /// remembers, and not while something waits that only an awake room can be told.
    pub fn may_give_way(&self) -> bool {
        matches!(self.phase, Phase::Starting | Phase::Running)
            && self.service == Service::Open
            && matches!(self.memory, Memory::Awake | Memory::Saving { .. })
            && self.drops.is_empty()
            && !self.mailbox.has_unrepeatable()
    }

    /// Whether it begins no turn because it gives way.
    pub(super) fn stands_still(&self) -> bool {
        self.gives_way && self.may_give_way()
    }

    /// Whether nothing but events that wait, and may go on waiting, is in the way of its sleep.
    pub(super) fn sleeps_before_its_events(&self) -> bool {
        self.stands_still()
            && self.restless() == Some(Restless::EventsWait)
            && self.state.is_some()
            && self.gate.waiting_turns() == 0
    }
}
