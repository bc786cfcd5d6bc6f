//! What an author writes: the handlers of a party.

use crate::bindings::exports::party::server::guest;
use crate::connection::{Close, Connection};
use crate::error::{Error, Result};
use crate::http::{Reply, Request};
use crate::lobby::{Cron, Decision, Lobby};
use crate::message::Message;
use crate::room::Room;
use crate::talk::Talk;

/// A kind of room. One value of this type is one room: its fields are the room's memory.
///
/// Every handler is optional. Under [`#[party::serve]`](crate::serve) those that are written are called, and the
/// host answers for the others as PartyKit does: a client may connect, a message is dropped, a request gets 500.
/// The calls of a room never overlap. A handler that returns an error has failed, which is logged and answered
/// but undoes nothing; a handler that panics leaves no trace of its turn, and the room starts afresh.
///
/// The value is made with `Default` when the room starts; [`on_start`](Self::on_start) then fills it from storage.
pub trait Party: Default + 'static {
    /// The room starts from nothing but its storage. Every other event waits until this has ended; if it fails,
    /// the next event tries again with a new value.
    fn on_start(&mut self, room: &Room, reason: StartReason) -> Result<()> {
        let _ = (room, reason);
        Ok(())
    }

    /// The room goes on as a copy of another (`party-host fork`), or out of a file (`party-host checkpoint import`), with
    /// all that it remembers. Comes before anything else; an `on_close` for every client that was connected follows, and
    /// sleeps go on.
    fn on_resume(&mut self, room: &Room, reason: ResumeReason) -> Result<()> {
        let _ = (room, reason);
        Ok(())
    }

    /// A client wants to connect, and is answered when this has ended: with a socket, unless this fails (then it
    /// is closed with 1011) or [rejects](Connection::reject) it. It can be [accepted](Connection::accept) earlier.
    fn on_connect(&mut self, room: &Room, connection: &Connection) -> Result<()> {
        let _ = (room, connection);
        Ok(())
    }

    /// A message has come.
    fn on_message(&mut self, room: &Room, from: &Connection, message: Message) -> Result<()> {
        let _ = (room, from, message);
        Ok(())
    }

    /// An accepted connection has gone.
    fn on_close(&mut self, room: &Room, connection: &Connection, close: Close) -> Result<()> {
        let _ = (room, connection, close);
        Ok(())
    }

    /// A client broke the protocol or a limit; its `on_close` follows.
    fn on_error(&mut self, room: &Room, connection: &Connection, error: &str) -> Result<()> {
        let _ = (room, connection, error);
        Ok(())
    }

    /// An HTTP request to the room. An error is answered with its status, or 500, and its message.
    fn on_request(&mut self, room: &Room, request: Request) -> Result<Reply> {
        let _ = (room, request);
        Err(Error::new("No onRequest handler"))
    }

    /// The alarm rings. If this fails, it rings again after 2 s, 4 s and so on up to 64 s, then never.
    fn on_alarm(&mut self, room: &Room) -> Result<()> {
        let _ = room;
        Ok(())
    }

    /// Before a client is connected to `room`: let it [go on](Decision::proceed), perhaps with headers that the room sees, or
    /// answer it. If this fails, the client is answered with 401, or the error's own status, and its message.
    ///
    /// This and the four that follow are the party's *lobby*: each call has an instance of its own, outside any room, in which
    /// nothing is remembered.
    ///
    /// ```no_run
    /// # use party::{Decision, Lobby, Party, Request, Response, Result};
    /// # #[derive(Default)]
    /// # struct Chat {}
    /// # impl Party for Chat {
    /// fn before_connect(lobby: &Lobby, _room: &str, request: &Request) -> Result<Decision> {
    ///     if request.query() != lobby.var("SECRET").as_deref() {
    ///         return Ok(Response::text("who are you?").with_status(403).into());
    ///     }
    ///     Ok(Decision::proceed().with_header("x-user", "ada").into())
    /// }
    /// # }
    /// ```
    fn before_connect(lobby: &Lobby, room: &str, request: &Request) -> Result<Decision> {
        let _ = (lobby, room, request);
        Ok(Decision::proceed().into())
    }

    /// Before an HTTP request reaches `room`, as [`before_connect`](Self::before_connect). What another room
    /// [calls](Room::call) comes to the room itself.
    fn before_request(lobby: &Lobby, room: &str, request: &Request) -> Result<Decision> {
        let _ = (lobby, room, request);
        Ok(Decision::proceed().into())
    }

    /// A URL that is no room and no static asset, on the party `main`. What goes on is answered with 404. An error is answered
    /// with its status, or 500, and its message.
    fn on_fetch(lobby: &Lobby, request: Request) -> Result<Decision> {
        let _ = (lobby, request);
        Ok(Decision::proceed().into())
    }

    /// A client asks for a WebSocket at a URL that is no room, on the party `main`: say what is said with it. An error is answered
    /// with its status, or 500, and its message. Unlike the others it lasts: the instance is that client's until it has gone.
    ///
    /// ```no_run
    /// # use party::{Lobby, Party, Request, Response, Result, Talk};
    /// # #[derive(Default)]
    /// # struct Echo {}
    /// # impl Party for Echo {
    /// fn on_socket(_lobby: &Lobby, request: &Request) -> Result<Talk> {
    ///     if request.path() != "/echo" {
    ///         return Ok(Response::text("nobody is here").with_status(404).into());
    ///     }
    ///     Ok(Talk::with(async |_lobby, mut caller| {
    ///         let mut said = 0;
    ///         while let Ok(message) = caller.next().await {
    ///             said += 1;
    ///             caller.send(&message)?;
    ///             caller.send(format!("that was number {said}"))?;
    ///         }
    ///         Ok(())
    ///     }))
    /// }
    /// # }
    /// ```
    fn on_socket(lobby: &Lobby, request: &Request) -> Result<Talk> {
        let _ = (lobby, request);
        Err(Error::new("No onSocket handler"))
    }

    /// A scheduled run, on the party `main`. It has 15 min if it goes on ([`settle_later`](Lobby::settle_later)); if it fails,
    /// that is logged, and the next one comes in its time.
    fn on_cron(lobby: &Lobby, cron: &Cron) -> Result<()> {
        let _ = (lobby, cron);
        Ok(())
    }

    /// A new version of the party is to take this room over, and the room is quiet: say what that version is to know.
    ///
    /// Without `save`, or if the new version has no [`restore`](Self::restore), the room starts afresh from its storage.
    /// What is saved should be a type that both versions know, such as an enum whose variants are its versions:
    ///
    /// ```no_run
    /// # use party::{Party, Result, Room};
    /// # #[derive(Default)]
    /// # struct Game { round: u32 }
    /// # impl Party for Game {
    /// fn save(&mut self, _room: &Room) -> Result<Vec<u8>> {
    ///     Ok(party::encode(&self.round)?)
    /// }
    ///
    /// fn restore(&mut self, _room: &Room, saved: &[u8]) -> Result<()> {
    ///     self.round = party::decode(saved)?;
    ///     Ok(())
    /// }
    /// # }
    /// ```
    fn save(&mut self, room: &Room) -> Result<Vec<u8>> {
        let _ = room;
        Err(Error::new("No save handler"))
    }

    /// This version takes over a room of another one: `saved` is what that one's [`save`](Self::save) gave. It is called
    /// instead of [`on_start`](Self::on_start), on a value made with `Default`; clients stay connected, and everything
    /// else (tasks, sleeps) is begun here anew. If it fails, the room goes on with the version that it has.
    fn restore(&mut self, room: &Room, saved: &[u8]) -> Result<()> {
        let _ = (room, saved);
        Err(Error::new("No restore handler"))
    }
}

/// Why a room starts from nothing but its storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StartReason {
    /// It has never been, or nothing of it was kept by choice (`memory = "volatile"`).
    New,
    /// Its memory was lost: a dropped turn, a crash, a failed commit, a new component.
    Lost,
    /// The last attempt to start failed.
    FailedBefore,
}

/// Why a room finds itself somewhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResumeReason {
    /// It is a copy of another room.
    Forked,
    /// It comes out of a file.
    Imported,
}

impl From<guest::ResumeReason> for ResumeReason {
    fn from(reason: guest::ResumeReason) -> Self {
        match reason {
            guest::ResumeReason::Forked => Self::Forked,
            guest::ResumeReason::Imported => Self::Imported,
        }
    }
}

impl From<guest::StartReason> for StartReason {
    fn from(reason: guest::StartReason) -> Self {
        match reason {
            guest::StartReason::New => Self::New,
            guest::StartReason::Lost => Self::Lost,
            guest::StartReason::FailedBefore => Self::FailedBefore,
        }
    }
}
