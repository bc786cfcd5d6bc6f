//! How what comes out of a room is written in transcripts.

use bytes::Bytes;
use party_core::auto_response::AutoResponse;
use party_core::call::Attempt;
use party_core::commit::{MemoryChange, RoomCommit};
use party_core::event::{Event, Outcome, Output};
use party_core::http::Response;
use party_core::ids::{ConnectionId, OperationId, RequestId, StreamId};
use party_core::message::{CloseFrame, Message};
use party_core::operation::{ConnectTarget, Work};
use party_core::room::{Action, Report};
use party_core::stream::StreamEvent;
use party_core::turn::storage::Page;

use crate::notation::Names;

/// `on-message a hello`
pub(crate) fn event(event: &Event, names: &Names) -> String {
    let name = event.name();
    match event {
        Event::Start(reason) => format!("{name} {reason:?}"),
        Event::Resume(reason) => format!("{name} {reason:?}"),
        Event::Connect(id) => format!("{name} {}", connection(*id, names)),
        Event::Message(id, sent) => format!("{name} {} {}", connection(*id, names), message(sent)),
        Event::Close(id, frame, was_clean) => {
            let clean = if *was_clean { "" } else { " not clean" };
            format!("{name} {} {}{clean}", connection(*id, names), close(frame))
        }
        Event::Error(id, error) => format!("{name} {} {error}", connection(*id, names)),
        Event::Request(id, request) => {
            let body = if request.body_waits { "waits".into() } else { bytes(&request.body) };
            format!("{name} {} {body}", request_name(*id, names)).trim().to_owned()
        }
        Event::ResponseClosed(id) => format!("{name} {}", request_name(*id, names)),
        Event::Alarm => name.into(),
        Event::Completed(id, Outcome::Slept) => format!("{name} {}", operation(*id, names)),
        Event::Completed(id, Outcome::Interrupted) => {
            format!("{name} {} interrupted", operation(*id, names))
        }
        Event::Completed(id, Outcome::Dropped) => format!("{name} {} dropped", operation(*id, names)),
        Event::Completed(id, Outcome::Rooms(page)) => {
            let next = page.next.as_ref().map(|next| format!("next {next}"));
            let words: Vec<String> = page.rooms.iter().cloned().chain(next).collect();
            format!("{name} {}: {}", operation(*id, names), words.join(" "))
        }
        Event::Completed(id, Outcome::Asset(Some(asset))) => {
            format!("{name} {}: asset {}", operation(*id, names), response(asset))
        }
        Event::Completed(id, Outcome::Asset(None)) => format!("{name} {}: no asset", operation(*id, names)),
        Event::Completed(id, Outcome::Response(answer)) => {
            format!("{name} {}: {}", operation(*id, names), response(answer))
        }
        Event::Completed(id, Outcome::Streamed(head)) => {
            format!("{name} {} streams: {}", operation(*id, names), response(head))
        }
        Event::Completed(id, Outcome::Connected) => format!("{name} {} connected", operation(*id, names)),
        Event::Stream(id, what) => format!("{name} {} {}", stream(*id, names), brought(what)),
        Event::Drain(id, bytes) => format!("{name} {} {bytes}", stream(*id, names)),
        Event::Completed(id, Outcome::Failed(error)) => {
            format!("{name} {} failed: {error:?}", operation(*id, names))
        }
    }
}

/// `commit 1 k=v`, `< a hello`, `drop instance`, `report …`
pub(crate) fn action(action: &Action, names: &Names) -> String {
    match action {
        Action::Commit(commit) => commit_line(commit),
        Action::Output(output) => output_line(output, names),
        Action::DropInstance => "drop instance".into(),
        Action::Report(report) => format!("report {}", report_text(report)),
    }
}

/// `commit 1 cleared k=v -j alarm 5000/1`: the alarm and how often it was tried, if there is one.
fn commit_line(commit: &RoomCommit) -> String {
    let mut words = vec![format!("commit {}", commit.record.seq)];
    words.extend(commit.changes.cleared.then(|| "cleared".to_owned()));
    words.extend(commit.changes.entries.iter().map(|(key, put)| match put {
        Some(value) => format!("{}={}", bytes(key), bytes(value)),
        None => format!("-{}", bytes(key)),
    }));
    words.extend(commit.memory.as_deref().map(|change| memory(change).to_owned()));
    words.extend(commit.record.alarm.map(|alarm| format!("alarm {}/{}", alarm.at, alarm.attempts)));
    words.join(" ")
}

/// What becomes of what is kept of the memory.
fn memory(change: &MemoryChange) -> &'static str {
    match change {
        MemoryChange::Checkpoint(_) => "checkpoint",
        MemoryChange::Append(_) => "record",
        MemoryChange::Forget { then: Some(_) } => "forget, record",
        MemoryChange::Forget { then: None } => "forget",
        MemoryChange::Destroy => "destroy",
    }
}

fn output_line(output: &Output, names: &Names) -> String {
    match output {
        Output::Accept(id) => format!("accept {}", connection(*id, names)),
        Output::Read(id) => format!("read {}", connection(*id, names)),
        Output::Reject(id, answer) => format!("< {} refused {}", connection(*id, names), response(answer)),
        Output::Send(id, sent) => format!("< {} {}", connection(*id, names), message(sent)),
        Output::Broadcast(ids, sent) => format!("< {} {}", connections(ids, names), message(sent)),
        Output::Close(id, Some(frame)) => format!("< {} close {}", connection(*id, names), close(frame)),
        Output::Close(id, None) => format!("< {} close 1005", connection(*id, names)),
        Output::AutoResponse(pair) => format!("auto-response {}", auto_response(pair.as_ref())),
        Output::Begin(id, work, attempt) => {
            let is_again =
                *attempt == Attempt::Again && matches!(**work, Work::Call { .. } | Work::Fetch { .. });
            let again = if is_again { "again " } else { "" };
            format!("begin {again}{} {}", operation(*id, names), self::work(work))
        }
        Output::Interrupted(id) => format!("interrupted {}", request_name(*id, names)),
        Output::Forget(id) => format!("forget {}", operation(*id, names)),
        Output::Respond(id, answer) => format!("< {} {}", request_name(*id, names), response(answer)),
        Output::Open(id, body, head) => {
            format!("< {} {} as {}", request_name(*id, names), response(head), stream(*body, names))
        }
        Output::Write(id, written) => format!("< {} {}", stream(*id, names), bytes(written)),
        Output::ReadBody(id, body) => {
            format!("read {} as {}", request_name(*id, names), stream(*body, names))
        }
        Output::Finish(id) => format!("< {} finished", stream(*id, names)),
        Output::BreakOff(id) => format!("< {} breaks off", stream(*id, names)),
        Output::SendOn(id, sent) => format!("< {} message {}", stream(*id, names), message(sent)),
        Output::CloseOn(id, Some(frame)) => format!("< {} close {}", stream(*id, names), close(frame)),
        Output::CloseOn(id, None) => format!("< {} close 1005", stream(*id, names)),
    }
}

/// `chunk bytes`, `message text`, `end`, `closed 1000 bye`, `error why`
fn brought(what: &StreamEvent) -> String {
    match what {
        StreamEvent::Chunk(chunk) => format!("chunk {}", bytes(chunk)),
        StreamEvent::Message(sent) => format!("message {}", message(sent)),
        StreamEvent::End => "end".into(),
        StreamEvent::Closed(frame) => format!("closed {}", close(frame)),
        StreamEvent::Error(why) => format!("error {why}"),
    }
}

/// `rooms party a after b`, `call party/room hello`, `fetch POST https://a.test/ hello`
fn work(work: &Work) -> String {
    match work {
        Work::Rooms { party, prefix, after, .. } => {
            let after = after.as_ref().map_or_else(String::new, |after| format!(" after {after}"));
            format!("rooms {party} {prefix}{after}").trim().to_owned()
        }
        Work::Call { party, room, request, once } => {
            let once = if once.is_some() { " once" } else { "" };
            format!("call{once} {party}/{room} {}", bytes(&request.body)).trim().to_owned()
        }
        Work::Asset { path } => format!("asset {path}"),
        Work::Connect { target: ConnectTarget::Url(url) } => format!("connect {url}"),
        Work::Connect { target: ConnectTarget::Room { request, .. } } => {
            format!("connect {}", request.uri.split("/parties/").last().unwrap_or_default())
        }
        Work::Fetch { request, resend, streams, .. } => {
            let resend = if *resend { " resend" } else { "" };
            let streams = if *streams { " stream" } else { "" };
            format!("fetch{resend}{streams} {} {} {}", request.method, request.uri, bytes(&request.body))
                .trim()
                .to_owned()
        }
    }
}

/// `ping=pong`, or `off`.
pub(crate) fn auto_response(pair: Option<&AutoResponse>) -> String {
    pair.map_or_else(|| "off".into(), |pair| format!("{}={}", pair.request.as_str(), pair.response.as_str()))
}

fn report_text(report: &Report) -> String {
    match report {
        Report::Failed { event, failure } => format!("{event} failed: {}", failure.message),
        Report::Dropped { event, cause } => format!("{event} dropped: {cause}"),
        Report::Suspended { drops, until } => format!("suspended after {drops} drops until {until}"),
        Report::Overdue { event, deadline_ms } => format!("{event} overdue after {deadline_ms}"),
        Report::AlarmGivenUp => "alarm given up".into(),
        Report::CommitFailed => "commit failed".into(),
        Report::Destroyed => "destroyed".into(),
        Report::Damaged { reason } => format!("damaged: {reason}"),
    }
}

/// `a=1 b=2`, and ` next b` if there may be more.
pub(crate) fn page(page: &Page) -> String {
    let entries = page.entries.iter().map(|(key, value)| format!("{}={}", bytes(key), bytes(value)));
    let next = page.next.as_ref().map(|key| format!("next {}", bytes(key)));
    let words: Vec<String> = entries.chain(next).collect();
    if words.is_empty() { "nothing".into() } else { words.join(" ") }
}

/// The value, or `none`.
pub(crate) fn value(value: Option<&Bytes>) -> String {
    value.map_or_else(|| "none".into(), bytes)
}

pub(crate) fn bytes(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `a,b`, or `nobody`.
pub(crate) fn connections(ids: &[ConnectionId], names: &Names) -> String {
    if ids.is_empty() {
        return "nobody".into();
    }
    ids.iter().map(|id| connection(*id, names)).collect::<Vec<_>>().join(",")
}

fn message(message: &Message) -> String {
    bytes(message.payload())
}

fn close(frame: &CloseFrame) -> String {
    format!("{} {}", frame.code, frame.reason).trim().to_owned()
}

fn response(response: &Response) -> String {
    format!("{} {}", response.status, bytes(&response.body)).trim().to_owned()
}

fn connection(id: ConnectionId, names: &Names) -> String {
    let known = names.connections.iter().find(|(_, named)| **named == id);
    known.map_or_else(|| format!("connection-{id}"), |(name, _)| name.clone())
}

fn request_name(id: RequestId, names: &Names) -> String {
    let known = names.requests.iter().find(|(_, named)| **named == id);
    known.map_or_else(|| format!("request-{id}"), |(name, _)| name.clone())
}

fn operation(id: OperationId, names: &Names) -> String {
    let known = names.operations.iter().find(|(_, named)| **named == id);
    known.map_or_else(|| format!("operation-{id}"), |(name, _)| name.clone())
}

fn stream(id: StreamId, names: &Names) -> String {
    let known = names.streams.iter().find(|(_, named)| **named == id);
    known.map_or_else(|| operation(id.operation(), names), |(name, _)| name.clone())
}
