//! What comes in from outside: clients, messages, requests. Everything is taken at any time, also while a turn is
//! out; nothing is decided here but whether there is a place.

use crate::event::{Event, NewConnection};
use crate::http::Request;
use crate::ids::{ConnectionId, RequestId, Timestamp};
use crate::message::{CloseFrame, Message};
use crate::room::{Arriving, Phase, Refusal, Room};

impl Room {
    fn refuse_suspended(&self, now: Timestamp) -> Result<(), Refusal> {
        match self.phase {
            Phase::Suspended { until } if until > now => {
                Err(Refusal::Suspended { for_ms: until.since_ms(now) })
            }
            Phase::Suspended { .. } | Phase::Fresh(_) | Phase::Starting | Phase::Running => Ok(()),
        }
    }

    /// A client wants to connect. It is answered by an `Accept` or a `Reject`.
    pub fn connect(&mut self, connection: NewConnection) -> Result<ConnectionId, Refusal> {
        self.refuse_suspended(connection.opened_at)?;
        let connections_max = self.config.limits.connections_max;
        if self.connections() >= connections_max as usize {
            return Err(Refusal::TooManyConnections { connections_max });
        }
        let id = ConnectionId(self.next_connection);
        self.next_connection += 1;
        let due = connection.opened_at.after_ms(self.config.limits.accept_deadline_ms);
        self.accept_due.insert((due, id));
        self.arriving.insert(id, Arriving { connection, upgraded: false });
        self.mailbox.push(Event::Connect(id));
        Ok(id)
    }

    /// Whether a connection's socket should be read.
    pub fn has_credit(&self, connection: ConnectionId) -> bool {
        self.mailbox.has_credit(connection, &self.config.limits)
    }

    /// A message came, within its size bound and the connection's credit.
    pub fn message(&mut self, connection: ConnectionId, message: Message) {
        self.mailbox.push(Event::Message(connection, message));
    }

    /// A client broke the protocol or a limit. Its close follows.
    pub fn broken(&mut self, connection: ConnectionId, error: String) {
        self.mailbox.push(Event::Error(connection, error));
    }

    /// A connection's socket has gone. Reported once for each connection.
    pub fn closed(&mut self, connection: ConnectionId, frame: CloseFrame, was_clean: bool) {
        self.mailbox.push(Event::Close(connection, frame, was_clean));
    }

    /// A request came. It is answered by a `Respond`.
    pub fn request(&mut self, request: Request, now: Timestamp) -> Result<RequestId, Refusal> {
        self.refuse_suspended(now)?;
        let waiting_max = self.config.limits.requests_waiting_max;
        if self.mailbox.requests() >= waiting_max {
            return Err(Refusal::TooManyRequests { requests_max: waiting_max });
        }
        let open_max = self.config.limits.requests_open_max;
        if self.state.as_ref().is_some_and(|state| state.requests.len() >= open_max as usize) {
            return Err(Refusal::TooManyRequests { requests_max: open_max });
        }
        let id = RequestId(self.next_request);
        self.next_request += 1;
        self.mailbox.push(Event::Request(id, Box::new(request)));
        Ok(id)
    }

    /// The client of an unanswered request has gone.
    pub fn request_gone(&mut self, request: RequestId) {
        self.mailbox.push(Event::ResponseClosed(request));
    }
}
