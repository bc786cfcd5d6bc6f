//! Before a client or a request reaches a room, the lobby lets it go on, with headers that only the room sees, or answers it,
//! now or later. Whoever is not let in has not reached the room.
//! covers: lobby.before-connect, lobby.before-request, lobby-answers.decide

use std::time::Duration;

use party::{Connection, Decision, Error, Lobby, Party, Reply, Request, Response, Result, Room};

#[derive(Default)]
struct Fact {
    asked: u32,
}

fn decided(room: &str, request: &Request) -> Result<Decision> {
    let goes_on = Decision::proceed().with_header("x-lobby", room);
    match request.query() {
        Some("answers") => Ok(Response::text("not you").with_status(403).into()),
        Some("fails") => Err(Error::new("words")),
        Some("traps") => panic!("told to"),
        Some("later") => Ok(Decision::later(async move |lobby| {
            lobby.sleep(Duration::from_secs(2)).await;
            Ok(goes_on.into())
        })),
        Some("forever") => Ok(Decision::later(async |lobby| {
            lobby.sleep(Duration::from_secs(3_600)).await;
            Ok(Decision::proceed().into())
        })),
        Some("asks") => {
            let room = room.to_owned();
            Ok(Decision::later(async move |lobby| {
                Ok(lobby.call("main", &room).path("?answers").await?.into())
            }))
        }
        _ => Ok(goes_on.into()),
    }
}

#[party::serve]
impl Party for Fact {
    fn before_connect(_: &Lobby, room: &str, request: &Request) -> Result<Decision> {
        decided(room, request)
    }

    fn before_request(_: &Lobby, room: &str, request: &Request) -> Result<Decision> {
        decided(room, request)
    }

    fn on_connect(&mut self, _: &Room, connection: &Connection) -> Result<()> {
        let info = connection.info().ok_or_else(|| Error::new("it is here"))?;
        let lobby = info.headers.iter().find(|header| header.name == "x-lobby");
        let lobby = lobby.map(|header| String::from_utf8_lossy(&header.value).into_owned());
        Ok(connection.send(lobby.unwrap_or_default())?)
    }

    fn on_request(&mut self, _: &Room, request: Request) -> Result<Reply> {
        self.asked += 1;
        let lobby = String::from_utf8_lossy(request.header("x-lobby").unwrap_or_default()).into_owned();
        Ok(Response::text(format!("{} {lobby}", self.asked)).into())
    }
}
