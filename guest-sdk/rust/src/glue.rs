//! What `#[party::serve]` needs: the exports of a component over a [`Party`]. No part of the public interface.
//!
//! Each export turns the contract's values into the SDK's and hands them to the handler; nothing is decided here.

use std::io::{Write, stderr, stdout};
use std::marker::PhantomData;
use std::panic::set_hook;

use crate::bindings::exports::party::server::guest::{
    self, CloseFrameResult, Outcome, Progress, RequestResult, StreamEvent,
};
use crate::bindings::exports::party::server::{lobby, upgrade};
use crate::bindings::party::server::responses::{self, RespondError};
use crate::bindings::party::server::types::{FailureResult, MessageResult};
use crate::connection::{Close, Connection, turn_full};
use crate::error::{Error, Result};
use crate::http::{Answer, Request, Response};
use crate::lobby::{Cron, Lobby};
use crate::logging::{Level, log};
use crate::message::Message;
use crate::party::{Party, ResumeReason, StartReason};
use crate::stream::{BodyWriter, Closed};
use crate::time::Timestamp;
use crate::{runtime, task};

pub use crate::bindings::exports::party::server::guest::Handlers;

/// Which handlers the author wrote.
pub trait Capable: Party {
    /// Those, and what the SDK itself needs.
    const HANDLERS: Handlers;
}

/// The handlers that the SDK itself needs.
pub const NEEDED: Handlers = Handlers::ON_COMPLETED
    .union(Handlers::ON_STREAM)
    .union(Handlers::ON_DRAIN)
    .union(Handlers::ON_RESPONSE_CLOSED);

/// What stands for a request's id where it has none: the host refuses to bring the body of such a one.
const IN_THE_LOBBY: u64 = 0;

/// The exports of a component whose party is `P`.
#[derive(Debug)]
pub struct Exports<P>(PhantomData<P>);

type Progressed = Result<Progress, FailureResult>;

impl<P: Capable> guest::Guest for Exports<P> {
    fn capabilities() -> Handlers {
        prologue();
        P::HANDLERS
    }

    fn on_start(event: u64, reason: guest::StartReason) -> Progressed {
        runtime::start_afresh();
        runtime::turn(event, |party: &mut P, room| party.on_start(room, StartReason::from(reason)))
    }

    fn on_resume(event: u64, reason: guest::ResumeReason) -> Progressed {
        runtime::turn(event, |party: &mut P, room| party.on_resume(room, ResumeReason::from(reason)))
    }

    fn on_connect(event: u64, connection: u64) -> Progressed {
        runtime::turn(event, |party: &mut P, room| party.on_connect(room, &Connection::from_id(connection)))
    }

    fn on_message(event: u64, connection: u64, message: MessageResult) -> Progressed {
        if runtime::line().is_with(Connection::from_id(connection)) {
            return runtime::lobby_turn(event, || {
                runtime::line().bring(Message::from(message));
                Ok(())
            });
        }
        runtime::turn(event, |party: &mut P, room| {
            party.on_message(room, &Connection::from_id(connection), Message::from(message))
        })
    }

    fn on_close(event: u64, connection: u64, frame: CloseFrameResult, was_clean: bool) -> Progressed {
        if runtime::line().is_with(Connection::from_id(connection)) {
            return runtime::lobby_turn(event, || {
                runtime::line().close(Closed::of(frame));
                Ok(())
            });
        }
        let close = Close { code: frame.code, reason: frame.reason, was_clean };
        runtime::turn(event, |party: &mut P, room| {
            party.on_close(room, &Connection::from_id(connection), close)
        })
    }

    fn on_error(event: u64, connection: u64, error: String) -> Progressed {
        if runtime::line().is_with(Connection::from_id(connection)) {
            // How it goes says its close, which follows.
            return Ok(Progress::Done);
        }
        runtime::turn(event, |party: &mut P, room| {
            party.on_error(room, &Connection::from_id(connection), &error)
        })
    }

    fn on_request(event: u64, id: u64, request: RequestResult) -> Progressed {
        runtime::turn(event, |party: &mut P, room| {
            match party.on_request(room, Request::received(id, request)?)?.0 {
                Answer::Now(response) => respond(id, &response),
                Answer::Later(response) => {
                    task::hold_event(async move { respond(id, &response.await?) });
                    Ok(())
                }
                Answer::InPieces(head, write) => {
                    BodyWriter::open(id, &head)?.write_with(write);
                    Ok(())
                }
            }
        })
    }

    fn on_alarm(event: u64) -> Progressed {
        runtime::turn(event, |party: &mut P, room| party.on_alarm(room))
    }

    fn on_completed(_: u64, operation: u64, outcome: Outcome) -> Progressed {
        runtime::completion(operation, outcome)
    }

    fn on_stream(event: u64, stream: u64, what: StreamEvent) -> Progressed {
        runtime::stream_brings(event, stream, what)
    }

    fn on_drain(_: u64, stream: u64, _: u64) -> Progressed {
        runtime::stream_drains(stream)
    }

    fn on_response_closed(_: u64, request: u64) -> Progressed {
        runtime::response_closed(request)
    }
}

impl<P: Capable> lobby::Guest for Exports<P> {
    fn before_connect(event: u64, room: String, request: RequestResult) -> Progressed {
        runtime::lobby_turn(event, || {
            P::before_connect(&Lobby::new(), &room, &Request::received(IN_THE_LOBBY, request)?)?.tell(event)
        })
    }

    fn before_request(event: u64, room: String, request: RequestResult) -> Progressed {
        runtime::lobby_turn(event, || {
            P::before_request(&Lobby::new(), &room, &Request::received(IN_THE_LOBBY, request)?)?.tell(event)
        })
    }

    fn on_fetch(event: u64, request: RequestResult) -> Progressed {
        runtime::lobby_turn(event, || {
            P::on_fetch(&Lobby::new(), Request::received(IN_THE_LOBBY, request)?)?.tell(event)
        })
    }

    fn on_socket(event: u64, connection: u64, request: RequestResult) -> Progressed {
        runtime::lobby_turn(event, || {
            P::on_socket(&Lobby::new(), &Request::received(IN_THE_LOBBY, request)?)?
                .begin(Connection::from_id(connection))
        })
    }

    fn on_cron(event: u64, name: String, expression: String, scheduled_at: u64) -> Progressed {
        let scheduled_at = Timestamp::from_millis(scheduled_at);
        runtime::lobby_turn(event, || P::on_cron(&Lobby::new(), &Cron { name, expression, scheduled_at }))
    }
}

impl<P: Capable> upgrade::Guest for Exports<P> {
    fn save() -> Result<Vec<u8>, FailureResult> {
        runtime::save(|party: &mut P, room| party.save(room))
    }

    fn restore(saved: Vec<u8>) -> Result<(), FailureResult> {
        runtime::start_afresh();
        runtime::restore(|party: &mut P, room| party.restore(room, &saved))
    }
}

/// Runs first in every instance, fresh or restored.
///
/// The writes make std open its streams: a handle that is opened later would be missing from the host's table
/// after a restore, whose memory believes it to be open. Nothing else may be kept here, least of all a `HashMap`,
/// whose keys would then be drawn from a seed that all rooms share.
fn prologue() {
    // A host that gives no streams still runs the party.
    let _ = stdout().write_all(b"party\n").and_then(|()| stdout().flush());
    let _ = stderr().write_all(b"party\n");
    set_hook(Box::new(|panic| log(Level::Error, format_args!("{panic}"))));
}

fn respond(id: u64, response: &Response) -> Result<()> {
    match response.lend(|response| responses::respond(id, response)) {
        // The client has gone, or the host has answered at its deadline: nobody is left to be told.
        Ok(()) | Err(RespondError::Unknown) => Ok(()),
        Err(RespondError::TooLarge(bytes_max)) => Err(Error::new(format!(
            "the body of the response is {} bytes; the limit is {bytes_max} (limits.response_body_bytes_max): answer \
             in parts",
            response.body.len()
        ))),
        Err(RespondError::BadResponse(why)) => Err(Error::new(format!("the response cannot be sent: {why}"))),
        Err(RespondError::TurnFull(bound)) => Err(Error::new(turn_full(response.body.len(), bound))),
        Err(RespondError::NotInARoom) => Err(Error::new("not in a room")),
    }
}
