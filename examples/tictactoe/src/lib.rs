//! A table for two, with onlookers. What is allowed is decided here; a page only asks.
//!
//! A person is the key that they connect with. Connections are tagged with it, so that one who comes back, or has two tabs,
//! is the same player.

mod game;
mod protocol;
mod table;

use party::{Close, Connection, Message, Party, Reply, Request, Response, Result, Room, StartReason};
use protocol::{ToClient, ToRoom, View};
use table::Table;

/// A longer key is refused; PartySocket's has 36.
const KEY_CHARS_MAX: usize = 64;

#[derive(Default)]
struct TicTacToe {
    table: Table,
}

#[party::serve]
impl Party for TicTacToe {
    fn on_start(&mut self, room: &Room, _reason: StartReason) -> Result<()> {
        self.table = Table::load(room)?;
        self.notice(room)
    }

    fn on_connect(&mut self, room: &Room, connection: &Connection) -> Result<()> {
        let Some(key) = key(connection) else {
            let refused = Response::text(format!("_pk has 1 to {KEY_CHARS_MAX} characters")).with_status(400);
            return Ok(connection.reject(&refused)?);
        };
        connection.accept(&[&key])?;
        connection.send(Message::from_json(&ToClient::You(self.table.mark_of(&key)))?)?;
        connection.send(self.game()?)?;
        self.notice(room)
    }

    fn on_message(&mut self, room: &Room, from: &Connection, message: Message) -> Result<()> {
        let Some(key) = key(from) else { return Ok(()) };
        let before = self.table.mark_of(&key);
        let done = match message.json() {
            Ok(ToRoom::Sit) => self.table.sit(&key, room.now()),
            Ok(ToRoom::Stand) => self.table.stand(&key),
            Ok(ToRoom::Play(field)) => self.table.play(&key, field),
            Ok(ToRoom::Again) => self.table.begin_again(&key),
            Err(error) => Err(error.into()),
        };
        if let Err(error) = done {
            return Ok(from.send(Message::from_json(&ToClient::Sorry(error.to_string()))?)?);
        }
        let after = self.table.mark_of(&key);
        if after != before {
            room.everyone().tagged(&key).send(Message::from_json(&ToClient::You(after))?)?;
        }
        self.keep(room)
    }

    fn on_close(&mut self, room: &Room, _connection: &Connection, _close: Close) -> Result<()> {
        self.notice(room)
    }

    fn on_request(&mut self, _room: &Room, request: Request) -> Result<Reply> {
        Ok(match request.method.as_str() {
            "GET" => Response::json(&View::of(&self.table))?,
            _ => Response::status(405).with_header("allow", "GET"),
        }
        .into())
    }
}

impl TicTacToe {
    /// Look who is there, and show it if that has changed.
    fn notice(&mut self, room: &Room) -> Result<()> {
        if self.table.look_round(room) { self.keep(room) } else { Ok(()) }
    }

    /// Store the table, and show it to everyone.
    fn keep(&self, room: &Room) -> Result<()> {
        self.table.store(room)?;
        room.broadcast(self.game()?)?;
        Ok(())
    }

    fn game(&self) -> Result<Message> {
        Ok(Message::from_json(&ToClient::Game(View::of(&self.table)))?)
    }
}

/// The key of a connection, unless it cannot be one.
fn key(connection: &Connection) -> Option<String> {
    let key = connection.info()?.key;
    (1..=KEY_CHARS_MAX).contains(&key.chars().count()).then_some(key)
}
