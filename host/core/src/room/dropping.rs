//! A dropped turn of a durable room: it goes back to the moment before that turn.
//!
//! The guest's memory is made again ([`Memory::Behind`]). Of what the turn was about, only that changes what the guest cannot
//! be asked for any more: a request is answered, a client turned away. That is a step of its own ([`Step::Dropped`]),
//! because the room knows of it and the guest does not. A completion and a close are tried once more.

use crate::event::{Event, Outcome, Output};
use crate::ids::{ConnectionId, OperationId, Timestamp};
use crate::journal::{Step, Taken};
use crate::operation::Operation;
use crate::planted::{self, PlantedBug};
use crate::profile;
use crate::room::recording::Note;
use crate::room::{Action, Memory, Phase, Room};

/// What was dropped once and is tried again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Again {
    Close(ConnectionId),
    Completion(OperationId),
}

impl Again {
    /// What a dropped turn with this event is known by, if it is tried again at all.
    pub(super) fn of(event: &Event) -> Option<Again> {
        match event {
            Event::Close(connection, ..) => Some(Again::Close(*connection)),
            Event::Completed(_, Outcome::Dropped) => None,
            Event::Completed(operation, _) => Some(Again::Completion(*operation)),
            Event::Start(_)
            | Event::Resume(_)
            | Event::Connect(_)
            | Event::Message(..)
            | Event::Error(..)
            | Event::Request(..)
            | Event::ResponseClosed(_)
            | Event::Alarm => None,
        }
    }
}

impl Room {
    /// A turn was dropped: the room goes back to the moment before it, if it can. The guest's memory is made again; of
    /// what the turn was about, only that changes what the guest cannot be asked for any more.
    pub(super) fn goes_back(&mut self, now: Timestamp) -> bool {
        let is_running = self.phase == Phase::Running;
        let Some(recording) = &mut self.recording else { return false };
        let Some(Note { taken, operation }) =
            recording.take_open().filter(|_| is_running && recording.is_kept)
        else {
            return false;
        };
        let again = Again::of(&taken.event);
        let is_tried_again = again.is_some_and(|again| recording.again.insert(again));
        if let Some(again) = again.filter(|_| !is_tried_again) {
            recording.again.remove(&again);
        }
        let is_known = match &taken.event {
            Event::Connect(_)
            | Event::Close(..)
            | Event::ResponseClosed(_)
            | Event::Alarm
            | Event::Completed(..) => true,
            // Nothing is left of them in the room. Whoever looks for the cause finds them in the journal.
            Event::Message(..) | Event::Error(..) | Event::Request(..) => true,
            Event::Start(_) | Event::Resume(_) => false,
        };
        if is_known && !planted::is(PlantedBug::DropNotRecorded) {
            self.record(Step::Dropped(taken.clone(), is_tried_again));
        }
        self.give_up(taken, operation, is_tried_again);
        self.commit_if_much_waits();
        self.memory = Memory::Behind;
        self.actions.push(Action::DropInstance);
        self.count_drop(now);
        true
    }

    /// An event whose turn was dropped: a completion and a close are tried once more, whoever waits for an answer is told.
    fn give_up(&mut self, taken: Taken, operation: Option<Operation>, is_tried_again: bool) {
        let Taken { event, now, .. } = taken;
        match event {
            Event::Connect(connection) => self.lose_connecting(connection),
            Event::Close(connection, ..) if !is_tried_again => {
                self.home().sessions.remove(&connection);
            }
            Event::Close(..) => self.mailbox.push(event),
            Event::Request(request, _) => {
                if self.home().requests.remove(&request) {
                    let response = profile::failed(profile::REQUEST_FAILED, None, "");
                    self.output(Output::Respond(request, response));
                }
            }
            Event::Alarm => {
                let before = self.home().alarm.record();
                self.fail_alarm(now);
                self.commit_record_if_changed(before);
            }
            Event::Completed(id, outcome) => {
                let Some(operation) = operation.filter(|_| outcome != Outcome::Dropped) else { return };
                let outcome = if is_tried_again { outcome } else { Outcome::Dropped };
                self.home().operations.reopen(id, operation);
                self.mailbox.push(Event::Completed(id, outcome));
            }
            Event::Start(_)
            | Event::Resume(_)
            | Event::Message(..)
            | Event::Error(..)
            | Event::ResponseClosed(_) => {}
        }
    }

    /// A recorded drop, again.
    pub(super) fn give_up_again(&mut self, note: Note, is_tried_again: bool) {
        self.give_up(note.taken, note.operation, is_tried_again);
    }
}
