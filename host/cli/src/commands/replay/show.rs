//! A turn in a few lines: what it was called with, what it wrote, what it wanted to send.

use party_core::event::{Event, Outcome, Output, TurnEnd};
use party_core::http::Response;
use party_core::message::Message;
use party_core::operation::{ConnectTarget, Work};
use party_core::stream::StreamEvent;
use party_core::turn::Turn;

/// Characters of a payload that are shown.
const SHOWN_CHARS_MAX: usize = 72;

/// `on-message 5 "hello"`
pub(super) fn event(turn: &Turn) -> String {
    let name = turn.event_name();
    let Some(event) = turn.event() else { return name.to_owned() };
    match event {
        Event::Start(reason) => format!("{name} ({reason:?})"),
        Event::Resume(reason) => format!("{name} ({reason:?})"),
        Event::Connect(connection) => format!("{name} {connection}"),
        Event::Message(connection, message) => format!("{name} {connection} {}", self::message(message)),
        Event::Close(connection, frame, _) => {
            format!("{name} {connection} {} {:?}", frame.code, frame.reason)
        }
        Event::Error(connection, error) => format!("{name} {connection} {error:?}"),
        Event::Request(id, request) => {
            format!("{name} {id} {} {} {}", request.method, request.uri, payload(&request.body))
        }
        Event::ResponseClosed(request) => format!("{name} {request}"),
        Event::Alarm => name.to_owned(),
        Event::Completed(operation, outcome) => format!("{name} {operation} ({})", self::outcome(outcome)),
        Event::Stream(stream, what) => format!("{name} {stream} {}", stream_event(what)),
        Event::Drain(stream, bytes) => format!("{name} {stream} ({bytes} bytes were taken)"),
    }
}

/// What came of it, one thing a line.
pub(super) fn lines(turn: &mut Turn, end: &TurnEnd) -> Vec<String> {
    let (logged, _) = turn.take_logs();
    let mut lines: Vec<String> = logged.iter().map(|line| format!("log {}", payload(&line.text))).collect();
    let writes = turn.writes();
    if writes.cleared {
        lines.push("delete all keys".into());
    }
    lines.extend(writes.entries.iter().map(|(key, value)| match value {
        Some(value) => format!("put {} = {}", payload(key), payload(value)),
        None => format!("delete {}", payload(key)),
    }));
    lines.extend(turn.outputs().map(output));
    match end {
        TurnEnd::Done => {}
        TurnEnd::Pending => lines.push("goes on later".into()),
        TurnEnd::Failed(failure) => lines.push(format!("failed: {}", failure.message)),
        TurnEnd::Dropped(cause) => lines.push(format!("dropped: {cause}")),
    }
    lines
}

fn output(output: &Output) -> String {
    match output {
        Output::Accept(connection) => format!("accept {connection}"),
        Output::Read(connection) => format!("read {connection}"),
        Output::Reject(connection, response) => format!("reject {connection} {}", self::response(response)),
        Output::Send(connection, message) => format!("send {connection} {}", self::message(message)),
        Output::Broadcast(connections, message) => {
            format!("send {} clients {}", connections.len(), self::message(message))
        }
        Output::Close(connection, None) => format!("close {connection}"),
        Output::Close(connection, Some(frame)) => {
            format!("close {connection} {} {:?}", frame.code, frame.reason)
        }
        Output::Respond(request, response) => format!("answer {request} {}", self::response(response)),
        Output::AutoResponse(None) => "no auto-response".into(),
        Output::AutoResponse(Some(pair)) => {
            format!("auto-response {:?} = {:?}", pair.request.as_str(), pair.response.as_str())
        }
        Output::Begin(operation, work, _) => format!("begin {operation}: {}", self::work(work)),
        Output::Interrupted(request) => {
            format!("say of call {request} that nobody knows whether it was heard")
        }
        Output::Forget(operation) => format!("forget {operation}"),
        Output::Open(request, stream, head) => {
            format!("answer {request} {} with stream {stream}", head.status)
        }
        Output::Write(stream, bytes) => format!("write to {stream} {}", payload(bytes)),
        Output::ReadBody(request, stream) => format!("read the body of {request} with stream {stream}"),
        Output::Finish(stream) => format!("finish {stream}"),
        Output::BreakOff(stream) => format!("break {stream} off"),
        Output::SendOn(stream, message) => format!("send through {stream} {}", self::message(message)),
        Output::CloseOn(stream, None) => format!("close {stream}"),
        Output::CloseOn(stream, Some(frame)) => format!("close {stream} {} {:?}", frame.code, frame.reason),
    }
}

fn work(work: &Work) -> String {
    match work {
        Work::Rooms { party, prefix, after, limit } => {
            let after = after.as_ref().map_or_else(String::new, |after| format!(" after {after:?}"));
            format!("list {limit} rooms of {party} from {prefix:?}{after}")
        }
        Work::Call { request, .. } => {
            format!("call {} {} {}", request.method, request.uri, payload(&request.body))
        }
        Work::Connect { target: ConnectTarget::Url(url) } => format!("connect to {url}"),
        Work::Connect { target: ConnectTarget::Room { request, .. } } => {
            format!("connect to {}", request.uri)
        }
        Work::Asset { path } => format!("read the asset {path:?}"),
        Work::Fetch { request, .. } => {
            format!("fetch {} {} {}", request.method, request.uri, payload(&request.body))
        }
    }
}

fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Response(response) => self::response(response),
        Outcome::Asset(Some(asset)) => response(asset),
        Outcome::Asset(None) => "no such asset".into(),
        Outcome::Rooms(page) => format!("{} rooms", page.rooms.len()),
        Outcome::Streamed(head) => format!("{}, its body follows", head.status),
        Outcome::Slept
        | Outcome::Interrupted
        | Outcome::Dropped
        | Outcome::Connected
        | Outcome::Failed(_) => {
            format!("{outcome:?}")
        }
    }
}

fn stream_event(what: &StreamEvent) -> String {
    match what {
        StreamEvent::Chunk(bytes) => payload(bytes),
        StreamEvent::Message(message) => self::message(message),
        StreamEvent::End => "(end)".into(),
        StreamEvent::Closed(frame) => format!("closed {} {:?}", frame.code, frame.reason),
        StreamEvent::Error(why) => format!("broke off: {why}"),
    }
}

fn response(response: &Response) -> String {
    format!("{} {}", response.status, payload(&response.body))
}

fn message(message: &Message) -> String {
    payload(message.payload())
}

/// Text in quotes, cut; else how many bytes there are.
fn payload(bytes: &[u8]) -> String {
    let is_shown = |text: &&str| !text.chars().any(|c| c.is_control() && c != '\n');
    match std::str::from_utf8(bytes).ok().filter(is_shown) {
        Some(text) if text.chars().nth(SHOWN_CHARS_MAX).is_some() => {
            let begin: String = text.chars().take(SHOWN_CHARS_MAX).collect();
            format!("{begin:?}… ({} bytes)", bytes.len())
        }
        Some(text) => format!("{text:?}"),
        None => format!("{} bytes", bytes.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::payload;

    #[test]
    fn payloads_are_shown_as_text_where_they_are_text_and_never_whole_where_they_are_long() {
        assert_eq!(payload(b"a \"b\"\n"), r#""a \"b\"\n""#);
        assert_eq!(payload(&[0, 1, 2]), "3 bytes");
        assert_eq!(payload(&[0xff]), "1 bytes");
        let long = payload("x".repeat(1_000).as_bytes());
        assert!(long.ends_with("\"… (1000 bytes)") && long.len() < 120, "{long}");
    }
}
