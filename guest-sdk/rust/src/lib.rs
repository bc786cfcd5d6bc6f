//! Write parties in Rust: rooms that people share, each a small program of its own.
//!
//! A party is a type whose value is one room. Its fields are the room's memory, its handlers are what happens in
//! the room, and one attribute makes a component of it that `party-host` runs.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use party::{Connection, Message, Party, Reply, Request, Response, Result, Room, StartReason};
//!
//! /// Counts what is said, also over restarts, and announces a minute of silence.
//! #[derive(Default)]
//! struct Parlour {
//!     said: u64,
//!     silence: Option<party::Task>,
//! }
//!
//! #[party::serve]
//! impl Party for Parlour {
//!     fn on_start(&mut self, room: &Room, _reason: StartReason) -> Result<()> {
//!         self.said = room.storage().get("said")?.unwrap_or(0);
//!         Ok(())
//!     }
//!
//!     fn on_connect(&mut self, _room: &Room, connection: &Connection) -> Result<()> {
//!         connection.send(format!("welcome; {} things were said", self.said))?;
//!         Ok(())
//!     }
//!
//!     fn on_message(&mut self, room: &Room, from: &Connection, message: Message) -> Result<()> {
//!         self.said += 1;
//!         room.storage().put("said", &self.said)?;
//!         room.everyone().except(&[*from]).send(message)?;
//!         if let Some(earlier) = self.silence.take() {
//!             earlier.cancel();
//!         }
//!         self.silence = Some(room.spawn(async |room| {
//!             room.sleep(Duration::from_secs(60)).await;
//!             let said = room.with(|parlour: &mut Parlour| parlour.said);
//!             room.broadcast(format!("silence, after {said} things were said"))?;
//!             Ok(())
//!         }));
//!         Ok(())
//!     }
//!
//!     fn on_request(&mut self, _room: &Room, request: Request) -> Result<Reply> {
//!         Ok(match request.method.as_str() {
//!             "GET" => Response::text(self.said.to_string()).into(),
//!             _ => Response::status(405).into(),
//!         })
//!     }
//! }
//! ```
//!
//! # Turns
//!
//! Each call of a handler is a turn. What it stores and sends is collected and takes effect together when it
//! returns: what it stored is on disk before what it sent is seen. Time stands still inside a turn, and a turn
//! never waits. Work that takes time is a task ([`Room::spawn`]): between two of its turns it stands at an
//! `await`, and reaches the party's fields only inside [`Room::with`], so it never sees them half changed.
//!
//! # Failures
//!
//! A handler that returns an error (any error converts with `?`) has failed: that is logged, and a request is
//! answered with it. What it did before is kept. A panic drops the turn with everything in it, and the room
//! starts afresh from its storage.

mod party;

mod connection;
mod fetch;
mod http;
mod lobby;
mod message;
mod room;
mod storage;
mod stream;

mod oneshot;
mod operation;
mod task;
mod time;
mod work;

mod codec;
mod error;
#[cfg(feature = "json")]
mod json;
mod logging;
mod shown;

mod event;
mod executor;
mod runtime;

#[doc(hidden)]
pub mod glue;
#[rustfmt::skip]
#[doc(hidden)]
#[expect(
    unsafe_code,
    unreachable_pub,
    unused_qualifications,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated: see `bindgen/`"
)]
pub mod bindings;

pub use party_macros::serve;

pub use codec::{ValueError, decode, encode};
pub use connection::{Audience, Close, Connection, ConnectionError, ConnectionInfo, ReadyState};
pub use error::{Error, Result};
pub use fetch::Fetch;
pub use http::{Header, Reply, Request, Response};
#[cfg(feature = "json")]
pub use json::JsonError;
pub use lobby::{Cron, Decision, Lobby, Proceed};
pub use logging::{Level, log, log_bytes};
pub use message::{AsFrame, Frame, Message};
pub use oneshot::{Receiver, Sender, SenderDropped, oneshot};
pub use operation::Sleep;
pub use party::{Party, ResumeReason, StartReason};
pub use room::{AlarmError, Hold, HoldError, Room, RoomError, Usage};
pub use storage::{Entry, List, Storage, StorageError};
pub use stream::{Body, BodyWriter, Closed, Connect, ConnectTo, Socket, StreamError, Streamed};
pub use task::{Either, Task, TaskOutput, join, select};
pub use time::Timestamp;
pub use work::{Asset, Call, ListRooms, OperationError, RoomsPage};

/// The examples of the guide compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Guide;
