//! The end of a life is in the store before anyone is told of it.
//!
//! A room whose memory is lost starts afresh, and what is kept of the life before would only bring that back: after a crash,
//! when something of it is due, in a copy. Whoever has been told that it is over must not meet it again. So a life that ends
//! is buried: with one commit, which says what else its end has changed, and behind which everything waits that is said
//! about that end.

use std::sync::Arc;

use crate::commit::{KvChanges, MemoryChange, RoomRecord};
use crate::event::Output;
use crate::planted::{self, PlantedBug};
use crate::room::{Action, Room, RoomConfig};

impl Room {
    /// A room whose memory is kept and would still fit, but is not to be gone on with. Its first commit, which it makes at
    /// once, gives that up; its next event starts it afresh.
    pub fn given_up(config: Arc<RoomConfig>, record: RoomRecord) -> Room {
        let mut room = Room::lost(config, record);
        match &mut room.recording {
            Some(recording) => recording.store_keeps_the_dead = true,
            None => room.store_has_memory = true,
        }
        room.bury();
        room
    }

    /// A life ends with what `end` does. What that changes, and that it is over, is in the store before anyone is told.
    pub(super) fn end_life(&mut self, end: impl FnOnce(&mut Room)) {
        if self.told_later.is_some() {
            return end(self);
        }
        let alarm_before = self.home().alarm.record();
        self.told_later = (!planted::is(PlantedBug::EndToldBeforeItIsBuried)).then(Vec::new);
        end(self);
        let told = self.told_later.take().unwrap_or_default();
        if !self.bury() {
            self.commit_record_if_changed(alarm_before);
        }
        for output in told {
            self.tell(vec![output]);
        }
    }

    /// Says something to the outside.
    pub(super) fn output(&mut self, output: Output) {
        let mut outputs = vec![output];
        self.answer_calls(&mut outputs);
        self.tell(outputs);
    }

    /// Lets outputs through the gate, or keeps them until the life that ends is over in the store.
    pub(super) fn tell(&mut self, outputs: Vec<Output>) {
        if let Some(later) = &mut self.told_later {
            later.extend(outputs);
            return;
        }
        let passed = self.gate.pass(outputs);
        self.actions.extend(passed.into_iter().map(Action::Output));
    }

    /// The store hears that a life is over, if it keeps one. It would ask for the room whenever something of that life was
    /// due, and a crash would bring it back only for it to end again. Whether it took a commit, which says all that has changed.
    fn bury(&mut self) -> bool {
        if planted::is(PlantedBug::DeadLifeKept) {
            return false;
        }
        match &self.recording {
            Some(recording) if recording.store_keeps_the_dead => self.commit(KvChanges::default(), None),
            None if self.store_has_memory => {
                self.kept = None;
                self.home().memory_due = None;
                self.commit(KvChanges::default(), Some(Box::new(MemoryChange::Forget { then: None })));
            }
            Some(_) | None => return false,
        }
        true
    }
}
