//! Unnamed rooms: a socket that leads to no room (`lobby.on-socket`) has a room of its own, which nobody can name.
//!
//! So it is a room like others for all that is about connections: order, credit, close codes, operations, streams. Only these are
//! different. It hears of its client by `lobby.on-socket` in the place of `on-start` and `on-connect`; whoever fails there is
//! answered with 500 instead of a 101, as on PartyKit. It keeps nothing: its storage is none, and it is never saved. It has one
//! life: where a room would start afresh its client is closed (1011), because nobody could tell a new life what was said
//! before. It is over when its client has gone and `on-close` has ended, with whatever it has begun until then. And a message whose
//! `on-message` is pending takes of its client's credit, so that who takes them one by one holds the client back.

use crate::event::{Event, Handlers, Output};
use crate::http::{Request, Response};
use crate::ids::ConnectionId;
use crate::profile;
use crate::room::{Action, Room, RoomConfig, RoomState};
use crate::turn::{Subject, Turn};

impl Handlers {
    /// Those of an unnamed room of a party that has these: `on-connect` stands for `lobby.on-socket`, and what comes of the
    /// socket then is heard whether or not rooms hear of it.
    pub fn of_a_socket(self) -> Handlers {
        let of_operations = Handlers::ON_COMPLETED.0 | Handlers::ON_STREAM.0 | Handlers::ON_DRAIN.0;
        Handlers(self.0 & of_operations)
            .with(Handlers::ON_CONNECT)
            .with(Handlers::ON_MESSAGE)
            .with(Handlers::ON_CLOSE)
            .with(Handlers::ON_ERROR)
    }
}

impl RoomConfig {
    /// The name of the export that takes an event about this.
    pub(crate) fn name_of(&self, subject: Subject) -> &'static str {
        match subject {
            Subject::Connect(_) if self.address.is_unnamed() => "on-socket",
            subject => subject.name(),
        }
    }
}

impl Turn {
    /// Whether it is of a room that nobody can name.
    pub fn is_unnamed(&self) -> bool {
        self.config.address.is_unnamed()
    }

    /// Takes the event, if the guest is to be called with `lobby.on-socket`: who has come, and what it asked for.
    pub fn take_socket(&mut self) -> Option<(ConnectionId, Request)> {
        let Some(Event::Connect(connection)) = self.event().filter(|_| self.is_unnamed()) else {
            return None;
        };
        let connection = *connection;
        let session = self.state.sessions.get(&connection)?;
        let (uri, headers) = (session.uri.clone(), session.headers.clone());
        self.take_event();
        Some((
            connection,
            Request { method: "GET".into(), uri, headers, body: Default::default(), body_waits: false },
        ))
    }
}

impl Room {
    fn is_unnamed(&self) -> bool {
        self.config.address.is_unnamed()
    }

    /// Whether it is an unnamed room whose client has gone, and which has heard of that: it takes nothing more, and its driver
    /// ends it. Not while a turn is out.
    pub fn is_over(&self) -> bool {
        let is_alone = |state: &RoomState| state.sessions.is_empty();
        self.is_unnamed() && self.arriving.is_empty() && self.state.as_deref().is_some_and(is_alone)
    }

    /// Whether its memory can be kept at all.
    pub(super) fn is_ever_kept(&self) -> bool {
        !self.is_unnamed()
    }

    /// Whether messages that have not settled leave their client credit.
    pub(super) fn leaves_credit(&self, connection: ConnectionId) -> bool {
        let pending = |state: &RoomState| state.pending.count_about(Subject::Message(connection));
        let credit_events = self.config.limits.credit_events as usize;
        !self.is_unnamed() || self.state.as_deref().map_or(0, pending) < credit_events
    }

    /// How a client that `lobby.on-socket` has not taken is answered, if it is one and has no answer yet. The room knows it no more.
    pub(super) fn refuse_socket(&mut self, connection: ConnectionId, with: Response) -> Option<Output> {
        if !self.is_unnamed() {
            return None;
        }
        let session = self.home().sessions.get(&connection)?;
        if session.upgraded || session.gone.is_some() || session.is_rejected() {
            return None;
        }
        let opened_at = session.opened_at;
        self.home().sessions.remove(&connection);
        self.drop_accept_deadline(opened_at, connection);
        Some(Output::Reject(connection, with))
    }

    /// A room would start afresh; an unnamed one ends, and its client is told. Whether it is one. `dropped` is what the dropped turn
    /// was about, if there was one.
    pub(super) fn ends_instead(&mut self, dropped: Option<Subject>) -> bool {
        if !self.is_unnamed() {
            return false;
        }
        self.actions.push(Action::DropInstance);
        let pending = self.home().pending.take_all();
        for subject in pending.into_iter().chain(dropped) {
            if let Subject::Connect(connection) = subject {
                self.lose_connecting(connection);
            }
        }
        self.turn_everyone_away(&profile::socket_lost());
        true
    }
}
