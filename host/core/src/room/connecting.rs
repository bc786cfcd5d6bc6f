//! The end of `on-connect`: who wants in is in the room, or is told why not.

use crate::event::{Event, Failure, Output};
use crate::ids::ConnectionId;
use crate::planted::{self, PlantedBug};
use crate::room::Room;
use crate::session::ReadyState;

impl Room {
    /// `on-connect` has ended: the client is in the room, or told why not.
    pub(super) fn end_connect(
        &mut self,
        connection: ConnectionId,
        outcome: Result<(), Failure>,
    ) -> Vec<Output> {
        let words = self.config.profile;
        if let Err(failure) = &outcome
            && let Some(refusal) = self.refuse_socket(connection, words.socket_failed(failure))
        {
            return vec![refusal];
        }
        let Some(session) = self.home().sessions.get_mut(&connection) else { return Vec::new() };
        session.connect_ended = true;
        let opened_at = session.opened_at;
        if session.is_rejected() {
            self.home().sessions.remove(&connection);
            return Vec::new();
        }
        session.accepted |= outcome.is_ok();
        if let Some((frame, was_clean)) = session.gone.take() {
            if session.accepted {
                self.mailbox.push(Event::Close(connection, frame, was_clean));
            } else {
                self.home().sessions.remove(&connection);
            }
            return Vec::new();
        }
        let mut outputs = Vec::new();
        let upgraded = std::mem::replace(&mut session.upgraded, true);
        if !upgraded || planted::is(PlantedBug::HandshakeAnsweredTwice) {
            outputs.push(Output::Accept(connection));
        }
        outputs.push(Output::Read(connection));
        // If the guest has closed it, its close frame has been sent and stands.
        if session.ready_state != ReadyState::Closing {
            match outcome {
                Ok(()) => session.ready_state = ReadyState::Open,
                Err(failure) => {
                    session.ready_state = ReadyState::Closing;
                    outputs.extend(words.connect_failed(connection, &failure));
                }
            }
        }
        self.drop_accept_deadline(opened_at, connection);
        outputs
    }

    /// A client whose `on-connect` will never end. The new life has not heard of it and will not.
    pub(super) fn lose_connecting(&mut self, connection: ConnectionId) {
        self.turn_connecting_away(connection, &Failure { message: String::new(), stack: None, status: None });
    }

    /// The same, and the client is told why.
    pub(super) fn turn_connecting_away(&mut self, connection: ConnectionId, why: &Failure) {
        let refusal = self.config.profile.connect_refused(why);
        if let Some(refusal) = self.refuse_socket(connection, refusal) {
            return self.output(refusal);
        }
        let Some(session) = self.home().sessions.get_mut(&connection) else { return };
        if session.is_rejected() || session.gone.is_some() {
            self.home().sessions.remove(&connection);
            return;
        }
        let was_closing = session.ready_state == ReadyState::Closing;
        let upgraded = std::mem::replace(&mut session.upgraded, true);
        let opened_at = session.opened_at;
        session.connect_ended = true;
        session.accepted = false;
        session.ready_state = ReadyState::Closing;
        self.drop_accept_deadline(opened_at, connection);
        if !upgraded {
            self.output(Output::Accept(connection));
        }
        self.output(Output::Read(connection));
        if !was_closing {
            for output in self.config.profile.connect_failed(connection, why) {
                self.output(output);
            }
        }
    }
}
