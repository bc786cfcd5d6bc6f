//! A lobby sends another request on to the room that it stands before: with its method, its URL, its headers and its body. A body that
//! waits with the client goes on as it is, or another stands in its place and nobody reads it. Where no room is, nothing goes on.
//! covers: lobby-answers.decide

use party::{Connection, Decision, Error, Lobby, Party, Reply, Request, Response, Result, Room};

#[derive(Default)]
struct Fact;

fn another(request: &Request) -> Decision {
    match request.query() {
        Some("body") => Decision::proceed_as(request.clone().with_body("another body")),
        _ => {
            let mut other = request.clone();
            other.uri = "https://other.example/else/where?_pk=another".into();
            Decision::proceed_as(other)
        }
    }
}

#[party::serve(request_bodies)]
impl Party for Fact {
    fn before_connect(_: &Lobby, _: &str, request: &Request) -> Result<Decision> {
        Ok(another(request))
    }

    fn before_request(_: &Lobby, _: &str, request: &Request) -> Result<Decision> {
        Ok(another(request))
    }

    fn on_fetch(_: &Lobby, request: Request) -> Result<Decision> {
        Ok(Decision::proceed_as(request))
    }

    fn on_connect(&mut self, _: &Room, connection: &Connection) -> Result<()> {
        let info = connection.info().ok_or_else(|| Error::new("it is here"))?;
        Ok(connection.send(format!("{} {}", info.key, info.uri))?)
    }

    fn on_request(&mut self, _: &Room, mut request: Request) -> Result<Reply> {
        let length =
            String::from_utf8_lossy(request.header("content-length").unwrap_or(b"unknown")).into_owned();
        let said =
            format!("{} {} length {length}, waits {}", request.method, request.uri, request.body_waits());
        let mut body = request.reader();
        Ok(Reply::later(async move |_room| {
            let mut bytes = 0;
            while let Some(piece) = body.next().await {
                bytes += piece?.len();
            }
            Ok(Response::text(format!("{said}, {bytes} bytes")))
        }))
    }
}
