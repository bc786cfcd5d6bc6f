//! Clients and requests: what comes to the room from outside.

use bytes::Bytes;
use party_core::event::{Event, NewConnection};
use party_core::http::Request;
use party_core::ids::{ConnectionId, RequestId};
use party_core::message::{CloseFrame, Message};

use crate::ids::Kind;
use crate::world::World;

/// How many clients stay at once.
const CLIENTS_MAX: usize = 6;

/// A client, as the driver knows it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Client {
    /// Messages that it has sent; each carries its number.
    pub(crate) sent: u64,
    /// The last that the guest was called with.
    pub(crate) heard: u64,
    /// It broke the protocol: its close follows.
    pub(crate) is_broken: bool,
    /// Its socket has gone.
    pub(crate) is_gone: bool,
}

impl World {
    pub(crate) fn connect(&mut self) {
        let here = self.clients.values().filter(|client| !client.is_gone).count();
        if here >= CLIENTS_MAX {
            return;
        }
        let uri = "http://host/parties/party/room".to_owned();
        let new = NewConnection { key: "key".into(), uri, headers: Vec::new(), opened_at: self.now };
        let may_come = self.model.lets_in(self.now)
            && self.model.connections() < self.habits.limits.connections_max as usize;
        let result = self.room.connect(new);
        assert_eq!(result.is_ok(), may_come, "whether a client is let in: {result:?}");
        if result.is_err() {
            self.tally.meet("refused", "connection");
        }
        if let Ok(id) = result {
            self.log.say(|| format!("connect {id}"));
            self.ids.give(Kind::Connection, id.0);
            self.clients.insert(id, Client::default());
            self.model.connect(id, self.now);
        }
    }

    /// A client whose socket is read and that has credit sends a message.
    pub(crate) fn client_speaks(&mut self) {
        let (ledger, room) = (&self.model.ledger, &self.room);
        let may_speak = |id: ConnectionId, client: &Client| {
            ledger.is_read(id) && !client.is_gone && !client.is_broken && room.has_credit(id)
        };
        let speakers: Vec<_> =
            self.clients.iter().filter(|(id, client)| may_speak(**id, client)).map(|(id, _)| *id).collect();
        let Some(id) = self.random.pick(speakers) else { return };
        let client = self.clients.get_mut(&id).expect("it was picked");
        if self.random.percent(5) {
            self.log.say(|| format!("broken {id}"));
            client.is_broken = true;
            self.room.broken(id, "too large".into());
            self.model.put_in(Event::Error(id, "too large".into()));
            return;
        }
        client.sent += 1;
        let padding = "-".repeat(1 + self.random.below(16) as usize);
        let text = format!("{}{padding}", client.sent);
        self.log.say(|| format!("message {id} {text}"));
        self.room.message(id, Message::text(text.as_str()));
        self.model.put_in(Event::Message(id, Message::text(text.as_str())));
    }

    pub(crate) fn client_leaves(&mut self) {
        let here = self.clients.iter().filter(|(_, client)| !client.is_gone);
        let here: Vec<_> = here.map(|(id, _)| *id).collect();
        if let Some(id) = self.random.pick(here) {
            self.leave(id);
        }
    }

    pub(crate) fn leave(&mut self, id: ConnectionId) {
        let is_rejected = self.model.ledger.is_rejected(id);
        let is_clean = self.random.percent(50);
        let client = self.clients.get_mut(&id).expect("it was picked");
        client.is_gone = true;
        self.model.ledger.connection_gone(id);
        if is_rejected && self.random.percent(50) {
            return;
        }
        let frame = if is_clean { CloseFrame::new(1000, "bye") } else { CloseFrame::lost() };
        self.log.say(|| format!("closed {id} {frame:?}"));
        self.room.closed(id, frame.clone(), is_clean);
        self.model.put_in(Event::Close(id, frame, is_clean));
    }

    pub(crate) fn request(&mut self) {
        let limits = &self.habits.limits;
        let has_place = self.model.waiting_requests() < limits.requests_waiting_max as usize
            && self.model.requests() < limits.requests_open_max as usize;
        let may_come = self.model.lets_in(self.now) && has_place;
        let (method, uri) = ("GET".to_owned(), "http://host/parties/party/room".to_owned());
        let request = Request { method, uri, headers: Vec::new(), body: Bytes::new(), body_waits: false };
        let result = self.room.request(request.clone(), self.now);
        assert_eq!(result.is_ok(), may_come, "whether a request is let in: {result:?}");
        if result.is_err() {
            self.tally.meet("refused", "request");
        }
        if let Ok(id) = result {
            self.log.say(|| format!("request {id}"));
            self.ids.give(Kind::Request, id.0);
            self.requests.insert(id, false);
            self.model.put_in(Event::Request(id, Box::new(request)));
        }
    }

    /// The client of a request that has no answer yet goes.
    pub(crate) fn request_goes(&mut self) {
        let ledger = &self.model.ledger;
        let open = self.requests.iter().filter(|(id, is_gone)| !**is_gone && !ledger.is_answered(**id));
        let open: Vec<RequestId> = open.map(|(id, _)| *id).collect();
        let Some(id) = self.random.pick(open) else { return };
        self.log.say(|| format!("request {id} gone"));
        self.requests.insert(id, true);
        self.model.ledger.request_gone(id);
        self.room.request_gone(id);
        self.model.put_in(Event::ResponseClosed(id));
    }
}
