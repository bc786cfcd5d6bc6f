//! What a room gives back when it falls asleep.

use crate::emptied::Emptied as _;
use crate::room::{Room, RoomState};

impl Room {
    /// Gives back what it keeps for nothing ([`crate::emptied`]).
    pub(super) fn give_back(&mut self) {
        self.mailbox.give_back();
        self.gate.give_back();
        self.arriving.give_back();
        self.calling.give_back();
        self.calls.give_back();
        self.calls_answered.give_back();
        self.stream_bytes_taken.give_back();
        self.answered.give_back();
        self.accept_due.give_back();
        self.drops.give_back();
        if let Some(state) = &mut self.state {
            state.give_back();
        }
    }
}

impl RoomState {
    fn give_back(&mut self) {
        self.sessions.give_back();
        self.requests.give_back();
        self.answered_whole.give_back();
        self.streams.give_back();
        self.operations.give_back();
        self.pending.give_back();
        self.overlay.give_back();
    }
}
