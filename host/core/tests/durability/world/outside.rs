//! Clients and requests: what comes to the room from outside.

use bytes::Bytes;
use party_core::event::NewConnection;
use party_core::http::Request;
use party_core::ids::{ConnectionId, RequestId};
use party_core::message::{CloseFrame, Message};
use party_core::room::Refusal;

use crate::ids::Kind;
use crate::world::World;

/// A client, as the driver knows it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Client {
    /// Its handshake has its answer.
    pub(crate) is_answered: bool,
    /// Its socket is read.
    pub(crate) is_read: bool,
    is_broken: bool,
    pub(crate) is_gone: bool,
}

impl World {
    /// A client of this process. The room may still name those of another: that is nothing.
    pub(crate) fn client(&mut self, id: ConnectionId) -> Option<&mut Client> {
        self.clients.get_mut(&id)
    }

    /// A client does something, or somebody who works for the room.
    pub(crate) fn step_outside(&mut self) {
        match self.random.below(12) {
            0 | 1 => self.connect(),
            2..5 => self.client_speaks(),
            5 => self.client_leaves(),
            6 | 7 => self.request(),
            8 => self.request_goes(),
            _ => self.somebody_answers(),
        }
    }

    pub(crate) fn try_to_connect(&mut self) -> Result<ConnectionId, Refusal> {
        let uri = "http://host/parties/party/room".to_owned();
        let new = NewConnection { key: "key".into(), uri, headers: Vec::new(), opened_at: self.now };
        self.room.connect(new)
    }

    fn connect(&mut self) {
        if let Ok(id) = self.try_to_connect() {
            self.log.say(|| format!("connect {id}"));
            self.ids.give(Kind::Connection, id.0);
            self.clients.insert(id, Client::default());
        }
    }

    fn client_speaks(&mut self) {
        let may_speak = |client: &Client| client.is_read && !client.is_gone && !client.is_broken;
        let speakers =
            self.clients.iter().filter(|(id, client)| may_speak(client) && self.room.has_credit(**id));
        let speakers: Vec<_> = speakers.map(|(id, _)| *id).collect();
        let Some(id) = self.random.pick(speakers) else { return };
        if self.random.percent(8) {
            self.log.say(|| format!("broken {id}"));
            self.client(id).expect("it was picked").is_broken = true;
            return self.room.broken(id, "too large".into());
        }
        let number = self.random.below(1_000).to_string();
        self.log.say(|| format!("message {id} {number}"));
        let message = match self.random.percent(50) {
            true => Message::text(number),
            false => Message::Binary(Bytes::from(number)),
        };
        self.room.message(id, message);
    }

    fn client_leaves(&mut self) {
        let here: Vec<_> =
            self.clients.iter().filter(|(_, client)| !client.is_gone).map(|(id, _)| *id).collect();
        if let Some(id) = self.random.pick(here) {
            self.leave(id);
        }
    }

    pub(crate) fn leave(&mut self, id: ConnectionId) {
        let is_clean = self.random.percent(50);
        self.client(id).expect("it is here").is_gone = true;
        let frame = if is_clean { CloseFrame::new(1000, "bye") } else { CloseFrame::lost() };
        self.log.say(|| format!("closed {id} {frame:?}"));
        self.room.closed(id, frame, is_clean);
    }

    pub(crate) fn request(&mut self) {
        let (method, uri) = ("GET".to_owned(), "http://host/parties/party/room".to_owned());
        let body = Bytes::from(self.random.below(1_000).to_string());
        if let Ok(id) =
            self.room.request(Request { method, uri, headers: Vec::new(), body, body_waits: false }, self.now)
        {
            self.log.say(|| format!("request {id}"));
            self.ids.give(Kind::Request, id.0);
            self.requests.insert(id, false);
        }
    }

    /// The client of a request that has no answer yet goes.
    fn request_goes(&mut self) {
        let open: Vec<RequestId> =
            self.requests.iter().filter(|(_, is_over)| !**is_over).map(|(id, _)| *id).collect();
        let Some(id) = self.random.pick(open) else { return };
        self.log.say(|| format!("request {id} gone"));
        self.requests.insert(id, true);
        self.room.request_gone(id);
    }
}
