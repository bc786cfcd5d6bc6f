//! Aborting: the guest gives this life of the room up.
//!
//! Its turn is dropped like any other that the guest did not return from, and the room starts afresh from what is stored; a
//! durable one too, which would go back to the moment before the turn if its guest had not said that it is not to.

use crate::event::{Failure, Output};
use crate::ids::Timestamp;
use crate::room::{Phase, Room};
use crate::turn::Subject;

impl Room {
    /// The guest has aborted the room in a turn about `subject`. What waits for that is answered with `reason`.
    pub(super) fn abort(&mut self, subject: Subject, reason: String, now: Timestamp) {
        if let Some(recording) = &mut self.recording {
            recording.take_open();
            recording.forget_life();
        }
        let failure = Failure { message: reason, stack: None, status: None };
        let is_running = self.phase != Phase::Starting;
        self.end_life(|room| match subject {
            Subject::Request(request) if is_running && room.home().forget_request(request) => {
                room.output(Output::Respond(request, room.config.profile.request_failed(&failure)));
                room.start_afresh(None, &failure, now);
            }
            Subject::Connect(connection) if is_running => {
                room.turn_connecting_away(connection, &failure);
                room.start_afresh(None, &failure, now);
            }
            subject => room.start_afresh(Some(subject), &failure, now),
        });
    }
}
