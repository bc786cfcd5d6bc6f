//! Destroying: the guest gives the room up, with all that is kept of it.
//!
//! The turn is the room's last. It is kept like any other, and one commit makes of it that there is no such room:
//! storage, alarm, memory and record go with it. What the turn said leaves when that is durable; then every client is
//! closed and whoever waits is turned away. The next event of that address begins a new room. If the commit fails the
//! room is as it was before the turn, and nobody has heard of its end.
//!
//! It does not wait for its clients to leave: a mark that says that it is to end would have to be kept, too, and a room
//! that somebody is always in would never end.

use crate::alarm::AlarmClock;
use crate::commit::{KvChanges, MemoryChange};
use crate::event::Output;
use crate::ids::CommitSeq;
use crate::message::CloseFrame;
use crate::planted::{self, PlantedBug};
use crate::profile;
use crate::room::{Action, Report, Room, Service};

impl Room {
    /// The guest has destroyed the room in a turn that let `outputs` out.
    pub(super) fn destroy(&mut self, mut outputs: Vec<Output>) {
        self.report(Report::Destroyed);
        let state = self.home();
        // Nobody would wait for what the turn wants to begin.
        outputs.retain(|output| match output {
            Output::Begin(id, ..) => {
                state.operations.end(*id);
                false
            }
            _ => true,
        });
        state.alarm = AlarmClock::new(None);
        state.storage_bytes = 0;
        if self.gate.next_seq() > CommitSeq(1) && !planted::is(PlantedBug::DestroyedRoomStays) {
            let everything = KvChanges { cleared: true, ..KvChanges::default() };
            self.commit(everything, Some(Box::new(MemoryChange::Destroy)));
        }
        self.answer_calls(&mut outputs);
        self.tell(outputs);
        self.forget_works();
        self.home().operations.clear();
        self.forget_completions();
        // Whoever calls asks once more, of the room that is made anew.
        self.service = Service::Destroyed;
        self.turn_everyone_away(&CloseFrame::new(profile::CLOSE_GOING_AWAY, "the room was destroyed"));
        self.actions.push(Action::DropInstance);
    }

    /// Whether it has been destroyed, or is as soon as that is durable.
    pub fn is_destroyed(&self) -> bool {
        self.service == Service::Destroyed
    }
}
