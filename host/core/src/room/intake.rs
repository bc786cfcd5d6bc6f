//! What comes in from outside: clients, messages, requests. Everything is taken at any time, also while a turn is
//! out; nothing is decided here but whether there is a place.

use crate::event::{Event, NewConnection, StartReason};
use crate::http::Request;
use crate::ids::{ConnectionId, RequestId, Timestamp};
use crate::message::{CloseFrame, Message};
use crate::room::{Arriving, Phase, Refusal, Room, Service};

impl Room {
    fn check_open(&mut self, now: Timestamp) -> Result<(), Refusal> {
        match self.service {
            Service::Open => {}
            Service::Damaged => return Err(Refusal::Damaged),
            Service::ShutDown
            | Service::Stuck
            | Service::Unreadable
            | Service::Failed
            | Service::Destroyed => return Err(Refusal::Ending),
        }
        match self.phase {
            Phase::Suspended { until } if until > now => {
                Err(Refusal::Suspended { for_ms: until.since_ms(now) })
            }
            // Its state stands in the store only: whoever asks again finds the room made anew of that.
            Phase::Suspended { .. } if self.recording.is_some() => Err(Refusal::Ending),
            Phase::Suspended { .. } => {
                self.phase = Phase::Fresh(StartReason::Lost);
                Ok(())
            }
            Phase::Fresh(_) | Phase::Starting | Phase::Running => Ok(()),
        }
    }

    /// Puts in what belongs to a connection or request. A room that is suspended or ends has turned all of them
    /// away, so that nothing is known of whatever still comes.
    fn put_in(&mut self, event: Event) {
        let takes_in = match self.phase {
            Phase::Suspended { .. } => false,
            Phase::Fresh(_) | Phase::Starting | Phase::Running => self.service == Service::Open,
        };
        if takes_in {
            self.mailbox.push(event);
        }
    }

    /// A client wants to connect. It is answered by an `Accept` or a `Reject`.
    pub fn connect(&mut self, connection: NewConnection) -> Result<ConnectionId, Refusal> {
        self.check_open(connection.opened_at)?;
        let connections_max = self.config.limits.connections_max;
        if self.connections() >= connections_max as usize {
            return Err(Refusal::TooManyConnections { connections_max });
        }
        let id = ConnectionId(self.next_connection);
        self.next_connection += 1;
        let due = connection.opened_at.after_ms(self.config.limits.accept_deadline_ms);
        self.accept_due.insert((due, id));
        self.arriving.insert(id, Box::new(Arriving { connection, upgraded: false }));
        self.mailbox.push(Event::Connect(id));
        Ok(id)
    }

    /// Whether a connection's socket should be read.
    pub fn has_credit(&self, connection: ConnectionId) -> bool {
        self.mailbox.has_credit(connection, &self.config.limits) && self.leaves_credit(connection)
    }

    /// A message came, within its size bound and the connection's credit.
    pub fn message(&mut self, connection: ConnectionId, message: Message) {
        self.put_in(Event::Message(connection, message));
    }

    /// A client broke the protocol or a limit. Its close follows.
    pub fn broken(&mut self, connection: ConnectionId, error: String) {
        self.put_in(Event::Error(connection, error));
    }

    /// A connection's socket has gone. Reported once for each connection; for one that was rejected it need not
    /// be.
    pub fn closed(&mut self, connection: ConnectionId, frame: CloseFrame, was_clean: bool) {
        self.put_in(Event::Close(connection, frame, was_clean));
    }

    /// A request came. It is answered by a `Respond`.
    pub fn request(&mut self, request: Request, now: Timestamp) -> Result<RequestId, Refusal> {
        self.check_open(now)?;
        let waiting_max = self.config.limits.requests_waiting_max;
        if self.mailbox.requests() >= waiting_max {
            return Err(Refusal::TooManyRequests { requests_max: waiting_max });
        }
        let open_max = self.config.limits.requests_open_max;
        if self.requests() >= open_max as usize {
            return Err(Refusal::TooManyRequests { requests_max: open_max });
        }
        let id = RequestId(self.next_request);
        self.next_request += 1;
        self.mailbox.push(Event::Request(id, Box::new(request)));
        Ok(id)
    }

    /// The client of an unanswered request has gone.
    pub fn request_gone(&mut self, request: RequestId) {
        self.put_in(Event::ResponseClosed(request));
    }
}
