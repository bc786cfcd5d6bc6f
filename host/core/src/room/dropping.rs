//! A dropped turn of a durable room: it goes back to the moment before that turn.
//!
//! The guest's memory is made again ([`Memory::Behind`]). Of what the turn was about, only that changes what the guest cannot
//! be asked for any more: a request is answered, a client turned away. That is a step of its own ([`Step::Dropped`]),
//! because the room knows of it and the guest does not. A completion and a close are tried once more.

use crate::event::{Event, Outcome, Output};
use crate::ids::{ConnectionId, OperationId, StreamId, Timestamp};
use crate::journal::{Step, Taken};
use crate::planted::{self, PlantedBug};
use crate::profile;
use crate::room::recording::Note;
use crate::room::{Action, Memory, Phase, Room};
use crate::stream::{Stream, StreamEvent};

/// What was dropped once and is tried again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Again {
    Close(ConnectionId),
    Completion(OperationId),
    Stream(StreamId),
    Drain(StreamId),
}

impl Again {
    /// What a dropped turn with this event is known by, if it is tried again at all.
    pub(super) fn of(event: &Event) -> Option<Again> {
        match event {
            Event::Close(connection, ..) => Some(Again::Close(*connection)),
            Event::Completed(_, Outcome::Dropped) => None,
            Event::Completed(operation, _) => Some(Again::Completion(*operation)),
            Event::Stream(stream, what) if what.is_last() => Some(Again::Stream(*stream)),
            Event::Stream(..) => None,
            Event::Drain(stream, _) => Some(Again::Drain(*stream)),
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
        let Some(note) = recording.take_open().filter(|_| is_running && recording.is_kept) else {
            return false;
        };
        let taken = &note.taken;
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
            | Event::Stream(..)
            | Event::Drain(..)
            | Event::Completed(..) => true,
            // Nothing is left of them in the room. Whoever looks for the cause finds them in the journal.
            Event::Message(..) | Event::Error(..) | Event::Request(..) => true,
            Event::Start(_) | Event::Resume(_) => false,
        };
        if is_known && !planted::is(PlantedBug::DropNotRecorded) {
            self.record(Step::Dropped(taken.clone(), is_tried_again));
        }
        self.give_up(note, is_tried_again);
        self.commit_if_much_waits();
        self.memory = Memory::Behind;
        self.actions.push(Action::DropInstance);
        self.count_drop(now);
        true
    }

    /// An event whose turn was dropped: a completion and a close are tried once more, whoever waits for an answer is told.
    pub(super) fn give_up(&mut self, note: Note, is_tried_again: bool) {
        let Note { taken: Taken { event, now, .. }, operation, stream } = note;
        match event {
            Event::Connect(connection) => self.lose_connecting(connection),
            Event::Close(connection, ..) if !is_tried_again => {
                self.home().sessions.remove(&connection);
            }
            Event::Close(..) => self.mailbox.push(event),
            Event::Request(request, _) => {
                if self.home().forget_request(request) {
                    let response = profile::failed("");
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
                let was_stream = self.home().streams.remove(id.stream()).is_some();
                if was_stream && !is_tried_again {
                    self.output(Output::Forget(id));
                }
                let outcome = if is_tried_again { outcome } else { Outcome::Dropped };
                self.home().operations.reopen(id, operation);
                let event = Event::Completed(id, outcome);
                // What its stream has brought since comes after it.
                if was_stream { self.mailbox.put_back(event) } else { self.mailbox.push(event) }
            }
            Event::Stream(id, what) => self.give_up_stream(id, what, stream, is_tried_again),
            Event::Drain(id, bytes) if is_tried_again => {
                // It is given with the turn that hears of it.
                let credit = self.home().streams.get_mut(id).and_then(Stream::credit_mut);
                if let Some(credit) = credit.filter(|_| !planted::is(PlantedBug::CreditGivenTwice)) {
                    *credit = credit.saturating_sub_unsigned(bytes);
                }
                self.mailbox.push(event);
            }
            Event::Start(_)
            | Event::Resume(_)
            | Event::Message(..)
            | Event::Error(..)
            | Event::Drain(..)
            | Event::ResponseClosed(_) => {}
        }
    }

    /// A body has no holes: one of which a piece was dropped breaks off. Its end is told once more.
    fn give_up_stream(
        &mut self,
        id: StreamId,
        what: StreamEvent,
        stream: Option<Stream>,
        is_tried_again: bool,
    ) {
        let Some(stream) = stream else { return };
        if !what.is_last() {
            if planted::is(PlantedBug::DroppedChunkLeavesAHole) {
                return;
            }
            self.output(Output::Forget(id.operation()));
            let why = StreamEvent::Error("the turn that was to receive a piece of it was dropped".into());
            self.mailbox.put_back(Event::Stream(id, why));
        } else if is_tried_again && !planted::is(PlantedBug::DroppedEndNotRetried) {
            self.home().streams.insert(id, stream);
            self.mailbox.put_back(Event::Stream(id, what));
        }
    }
}
