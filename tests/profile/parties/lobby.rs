//! A party with a lobby: what happens before a room is asked, and where there is none.

use std::cell::Cell;

use party::bindings::exports::party::server::guest::{
    CloseFrameResult, FailureResult, Handlers, MessageResult, Outcome, Progress, RequestResult,
};
use party::bindings::party::server::lobby_answers::{Decision, decide};
use party::bindings::party::server::types::{
    BodyParam, BodyResult, CloseFrameParam, FailureParam, HeaderParam, HeaderResult, MessageParam,
    RequestParam, ResponseParam,
};
use party::bindings::party::server::{connections, events, operations, responses};
use test_facts::{Bare, Progressed, failure};

thread_local! {
    /// The socket that is not taken yet, and whether it will fail.
    static WAITING: Cell<Option<(u64, u64, bool)>> = const { Cell::new(None) };
}

struct Lobby;

test_facts::serve_bare!(Lobby);

fn text(status: u16, text: &str, with: impl FnOnce(ResponseParam<'_>)) {
    let headers = [HeaderParam { name: "content-type", value: b"text/plain;charset=UTF-8" }];
    with(ResponseParam { status, headers: &headers, body: BodyParam::Bytes(text.as_bytes()) });
}

fn say(connection: u64, text: &str) {
    connections::send(connection, MessageParam::Text(text)).expect("it is here");
}

fn close(connection: u64, code: u16, reason: &str) {
    connections::close(connection, Some(CloseFrameParam { code, reason })).expect("it is here");
}

fn lent(failure: &FailureResult) -> FailureParam<'_> {
    FailureParam { message: &failure.message, stack: None, status: None }
}

/// A header, as JavaScript shows it.
fn shown(headers: &[HeaderResult], name: &str) -> String {
    let header = headers.iter().find(|header| header.name == name);
    header.map_or("null".into(), |header| String::from_utf8_lossy(&header.value).into_owned())
}

/// What the lobby has said, as the room sees it.
fn said(headers: &[HeaderResult]) -> String {
    shown(headers, "x-lobby")
}

/// All that a room sees of a request.
fn told(method: &str, uri: &str, headers: &[HeaderResult]) -> String {
    format!("{method} {uri} {} {}", said(headers), shown(headers, "content-length"))
}

/// The request that has come, at another URL.
fn elsewhere(event: u64, request: &RequestResult, path: &str) {
    let BodyResult::Bytes(body) = &request.body else { panic!("it has come along") };
    let added = HeaderParam { name: "x-lobby", value: b"elsewhere" };
    let came = request.headers.iter().map(|HeaderResult { name, value }| HeaderParam { name, value });
    let headers: Vec<HeaderParam<'_>> = came.chain([added]).collect();
    let uri = format!("http://other.example/{path}?told&_pk=another");
    let body = BodyParam::Bytes(body);
    let other = RequestParam { method: &request.method, uri: &uri, headers: &headers, body };
    decide(event, Decision::ProceedAs(other)).expect("it waits for this");
}

impl Bare for Lobby {
    const HANDLERS: Handlers = Handlers::ON_CONNECT
        .union(Handlers::ON_REQUEST)
        .union(Handlers::BEFORE_CONNECT)
        .union(Handlers::BEFORE_REQUEST)
        .union(Handlers::ON_FETCH)
        .union(Handlers::ON_SOCKET)
        .union(Handlers::ON_COMPLETED)
        .union(Handlers::ON_CRON);

    fn before(event: u64, room: &str, request: RequestResult) -> Progressed {
        let query = request.uri.split_once('?').map_or("", |(_, query)| query);
        let first = query.split('&').next().unwrap_or_default();
        match first.split_once('=').unwrap_or((first, "")) {
            ("fails", words) => return Err(failure(words)),
            ("refuses", _) => text(403, "not you", |response| {
                decide(event, Decision::Respond(response)).expect("it waits for this");
            }),
            ("nothing", _) => {}
            ("another", _) => {
                let headers = [HeaderParam { name: "x-lobby", value: b"another" }];
                let uri = format!("http://other.example/parties/main/{room}/where?told");
                let body = BodyParam::Bytes(b"another body");
                let other = RequestParam { method: "PATCH", uri: &uri, headers: &headers, body };
                decide(event, Decision::ProceedAs(other)).expect("it waits for this");
            }
            ("elsewhere", _) => elsewhere(event, &request, &format!("parties/main/{room}/where")),
            ("nowhere", _) => elsewhere(event, &request, "no/room"),
            ("namespace", _) => {
                let named = request.headers.iter().find(|header| header.name == "x-partykit-namespace");
                let named = named.map(|header| String::from_utf8_lossy(&header.value).into_owned());
                text(200, &named.unwrap_or_default(), |response| {
                    decide(event, Decision::Respond(response)).expect("it waits for this");
                });
            }
            (says, name) => {
                let of_name = |header: &&HeaderResult| says == "says" && header.name == name;
                let said =
                    request.headers.iter().find(of_name).map_or(room.as_bytes(), |header| &header.value);
                let headers = [HeaderParam { name: "x-lobby", value: said }];
                decide(event, Decision::Proceed(&headers)).expect("it waits for this");
            }
        }
        Ok(Progress::Done)
    }

    fn on_fetch(event: u64, request: RequestResult) -> Progressed {
        let path = request.uri.splitn(4, '/').nth(3).unwrap_or_default();
        match path {
            "fails" => return Err(failure("told to fail")),
            "null" => {}
            path => text(200, &format!("fetched /{path}"), |response| {
                decide(event, Decision::Respond(response)).expect("it waits for this");
            }),
        }
        Ok(Progress::Done)
    }

    fn on_socket(event: u64, connection: u64, request: RequestResult) -> Progressed {
        let path = request.uri.splitn(4, '/').nth(3).unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        say(connection, &format!("socket of /{path}"));
        match path {
            "fails" => return Err(failure("told to fail")),
            "fails-without-words" => return Err(failure("")),
            "closes" => close(connection, 4000, "bye"),
            "waits" | "waits-and-fails" => {
                operations::sleep(300).expect("it can sleep");
                WAITING.set(Some((event, connection, path == "waits-and-fails")));
                return Ok(Progress::Pending);
            }
            "who" => {
                let header = request.headers.iter().find(|header| header.name == "x-asked");
                let asked = header.map_or("null".into(), |header| String::from_utf8_lossy(&header.value));
                let url = request.uri.splitn(4, '/').nth(3).unwrap_or_default();
                say(connection, &format!("{} /{url} {asked}", request.method));
            }
            _ => {}
        }
        Ok(Progress::Done)
    }

    fn on_completed(_: u64, _: u64, _: Outcome) -> Progressed {
        let (event, connection, fails) = WAITING.take().expect("it waits");
        say(connection, "waited");
        let outcome = if fails { Err(failure("told to fail late")) } else { Ok(()) };
        events::settle(event, outcome.as_ref().map(|_| ()).map_err(lent)).expect("it waits");
        Ok(Progress::Done)
    }

    fn on_message(_: u64, connection: u64, message: MessageResult) -> Progressed {
        match message {
            MessageResult::Text(text) if text == "close" => close(connection, 4001, "as you say"),
            MessageResult::Text(text) if text == "fail" => return Err(failure("told to fail")),
            MessageResult::Text(text) => say(connection, &format!("heard {text}")),
            MessageResult::Binary(bytes) => say(connection, &format!("heard {} bytes", bytes.len())),
        }
        Ok(Progress::Done)
    }

    fn on_close(_: u64, _: u64, _: CloseFrameResult) -> Progressed {
        Ok(Progress::Done)
    }

    fn in_the_lobby(_: u64, _: &str) -> Progressed {
        Ok(Progress::Done)
    }

    fn on_connect(_: u64, connection: u64) -> Progressed {
        let info = connections::info(connection).expect("it connects");
        connections::accept(connection, &[]).expect("it connects");
        say(connection, &said(&info.headers));
        if info.uri.contains("told") {
            say(connection, &format!("{} {}", info.key, told("GET", &info.uri, &info.headers)));
        }
        Ok(Progress::Done)
    }

    fn on_request(_: u64, id: u64, request: RequestResult) -> Progressed {
        let answer = match &request.body {
            BodyResult::Bytes(body) if request.uri.contains("told") => {
                let told = told(&request.method, &request.uri, &request.headers);
                format!("{told} {}", String::from_utf8_lossy(body))
            }
            _ => said(&request.headers),
        };
        text(200, &answer, |response| {
            responses::respond(id, response).expect("it waits for this");
        });
        Ok(Progress::Done)
    }
}
