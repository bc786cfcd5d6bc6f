//! Tiny parties, each of which shows one fact of the contract. They stand beside this directory; what each has to show is in
//! the transcript of its name in `tests/guests/transcripts`, which `tests/transcripts/facts.rs` plays.
//!
//! Most are written as anybody writes a party, and call the contract's imports where the SDK would say the same in other
//! words. A fact about an export or an id that the SDK keeps to itself is a [`Bare`] party: the contract and nothing else.

use std::fmt::Debug;
use std::io::{Write, stderr, stdout};
use std::marker::PhantomData;

use party::bindings::exports::party::server::guest::{
    self, CloseFrameResult, FailureResult, Handlers, MessageResult, Outcome, Progress, RequestResult,
    ResumeReason, StartReason, StreamEvent,
};
use party::bindings::exports::party::server::{lobby, upgrade};
use party::bindings::party::server::responses;
use party::bindings::party::server::types::{BodyParam, ResponseParam};
use party::{Reply, Response};

/// How an export returns.
pub type Progressed = Result<Progress, FailureResult>;

/// A party as the contract sees it. A handler that it does not write does nothing, and is an error if it is announced.
pub trait Bare {
    /// What it announces.
    const HANDLERS: Handlers;

    /// What it does in `guest.capabilities`.
    fn in_the_prologue() {}
    /// `guest.on-start`
    fn on_start(_event: u64, _reason: StartReason) -> Progressed {
        unwritten("on-start")
    }
    /// `guest.on-resume`
    fn on_resume(_event: u64, _reason: ResumeReason) -> Progressed {
        unwritten("on-resume")
    }
    /// `guest.on-connect`
    fn on_connect(_event: u64, _connection: u64) -> Progressed {
        unwritten("on-connect")
    }
    /// `guest.on-message`
    fn on_message(_event: u64, _connection: u64, _message: MessageResult) -> Progressed {
        unwritten("on-message")
    }
    /// `guest.on-close`
    fn on_close(_event: u64, _connection: u64, _frame: CloseFrameResult) -> Progressed {
        unwritten("on-close")
    }
    /// `guest.on-request`
    fn on_request(_event: u64, _id: u64, _request: RequestResult) -> Progressed {
        unwritten("on-request")
    }
    /// `guest.on-completed`
    fn on_completed(_event: u64, _operation: u64, _outcome: Outcome) -> Progressed {
        unwritten("on-completed")
    }
    /// `guest.on-response-closed`
    fn on_response_closed(_event: u64, _id: u64) -> Progressed {
        unwritten("on-response-closed")
    }
    /// `guest.on-stream`
    fn on_stream(_stream: u64, _what: StreamEvent) -> Progressed {
        unwritten("on-stream")
    }
    /// `guest.on-drain`
    fn on_drain(_stream: u64, _credit: u64) -> Progressed {
        unwritten("on-drain")
    }
    /// `lobby.before-connect` and `lobby.before-request`
    fn before(event: u64, _room: &str, _request: RequestResult) -> Progressed {
        Self::in_the_lobby(event, "before")
    }
    /// `lobby.on-fetch`
    fn on_fetch(event: u64, _request: RequestResult) -> Progressed {
        Self::in_the_lobby(event, "on-fetch")
    }
    /// `lobby.on-socket`
    fn on_socket(event: u64, _connection: u64, _request: RequestResult) -> Progressed {
        Self::in_the_lobby(event, "on-socket")
    }
    /// Any other export of `lobby`, by its name.
    fn in_the_lobby(_event: u64, export: &str) -> Progressed {
        unwritten(export)
    }
}

/// The exports of a component that is a [`Bare`] party.
#[derive(Debug)]
pub struct Exports<B>(PhantomData<B>);

/// Makes a component of a [`Bare`] party.
#[macro_export]
macro_rules! serve_bare {
    ($party:ty) => {
        #[cfg(target_arch = "wasm32")]
        type Exports = $crate::Exports<$party>;
        #[cfg(target_arch = "wasm32")]
        ::party::bindings::export_party!(Exports with_types_in ::party::bindings);
    };
}

/// Answers a request with what something is, as Rust shows it.
pub fn tell(what: impl Debug) -> party::Result<Reply> {
    Ok(Response::text(format!("{what:?}")).into())
}

/// The error of a handler: its message.
pub fn failure(message: &str) -> FailureResult {
    FailureResult { message: message.into(), stack: None, status: None }
}

/// Answers a request with a text.
pub fn answer(request: u64, text: &str) -> Result<(), responses::RespondError> {
    let body = BodyParam::Bytes(text.as_bytes());
    responses::respond(request, ResponseParam { status: 200, headers: &[], body })
}

fn unwritten(export: &str) -> Progressed {
    Err(failure(&format!("{export} was called")))
}

impl<B: Bare> guest::Guest for Exports<B> {
    fn capabilities() -> Handlers {
        // What std opens here is open in every instance; a panic that opened it later would keep the room awake.
        let _ = stdout().write_all(b"bare\n").and_then(|()| stderr().write_all(b"bare\n"));
        B::in_the_prologue();
        B::HANDLERS
    }
    fn on_start(event: u64, reason: StartReason) -> Progressed {
        B::on_start(event, reason)
    }
    fn on_resume(event: u64, reason: ResumeReason) -> Progressed {
        B::on_resume(event, reason)
    }
    fn on_connect(event: u64, connection: u64) -> Progressed {
        B::on_connect(event, connection)
    }
    fn on_message(event: u64, connection: u64, message: MessageResult) -> Progressed {
        B::on_message(event, connection, message)
    }
    fn on_close(event: u64, connection: u64, frame: CloseFrameResult, _: bool) -> Progressed {
        B::on_close(event, connection, frame)
    }
    fn on_error(_: u64, _: u64, _: String) -> Progressed {
        unwritten("on-error")
    }
    fn on_request(event: u64, id: u64, request: RequestResult) -> Progressed {
        B::on_request(event, id, request)
    }
    fn on_alarm(_: u64) -> Progressed {
        unwritten("on-alarm")
    }
    fn on_completed(event: u64, operation: u64, outcome: Outcome) -> Progressed {
        B::on_completed(event, operation, outcome)
    }
    fn on_stream(_: u64, stream: u64, what: StreamEvent) -> Progressed {
        B::on_stream(stream, what)
    }
    fn on_drain(_: u64, stream: u64, credit: u64) -> Progressed {
        B::on_drain(stream, credit)
    }
    fn on_response_closed(event: u64, id: u64) -> Progressed {
        B::on_response_closed(event, id)
    }
}

impl<B: Bare> lobby::Guest for Exports<B> {
    fn before_connect(event: u64, room: String, request: RequestResult) -> Progressed {
        B::before(event, &room, request)
    }
    fn before_request(event: u64, room: String, request: RequestResult) -> Progressed {
        B::before(event, &room, request)
    }
    fn on_fetch(event: u64, request: RequestResult) -> Progressed {
        B::on_fetch(event, request)
    }
    fn on_socket(event: u64, connection: u64, request: RequestResult) -> Progressed {
        B::on_socket(event, connection, request)
    }
    fn on_cron(event: u64, _: String, _: String, _: u64) -> Progressed {
        B::in_the_lobby(event, "on-cron")
    }
}

impl<B: Bare> upgrade::Guest for Exports<B> {
    fn save() -> Result<Vec<u8>, FailureResult> {
        Err(failure("save was called"))
    }
    fn restore(_: Vec<u8>) -> Result<(), FailureResult> {
        Err(failure("restore was called"))
    }
}
