//! A chat, and a bot in a room of its own that streams its answer from an HTTP endpoint.
//!
//! ```text
//! people <-> main/lobby (chat) --socket--> bot/lobby (bot) --POST--> MODEL_URL (model/parrot, if nothing else is said)
//!                              <--words---                 <--server-sent events
//! ```
//!
//! One crate is three parties, so what a room is goes by its party's name.

mod bot;
mod chat;
mod events;
mod lines;
mod model;
mod protocol;

use bot::Bot;
use chat::Chat;
use party::{
    Close, Connection, Decision, Lobby, Message, Party, Reply, Request, Response, Result, Room, StartReason,
};

/// The party whose rooms answer, as `[parties]` in `party.toml` names it.
const BOT: &str = "bot";
/// The party that stands in for the endpoint.
const MODEL: &str = "model";

/// A room: one of these, the other stays empty.
#[derive(Default)]
struct Bots {
    chat: Chat,
    bot: Bot,
}

#[party::serve]
impl Party for Bots {
    /// The bot speaks with chats only, or the key would be everybody's: rooms do not come this way, all others do.
    fn before_connect(lobby: &Lobby, _room: &str, _request: &Request) -> Result<Decision> {
        Ok(match lobby.party().as_str() {
            BOT | MODEL => Response::text("only chats can be joined").with_status(403).into(),
            _ => Decision::proceed().into(),
        })
    }

    fn on_start(&mut self, room: &Room, _reason: StartReason) -> Result<()> {
        match room.party().as_str() {
            BOT => Bot::start(room),
            MODEL => Ok(()),
            _ => self.chat.start(room),
        }
    }

    fn on_connect(&mut self, room: &Room, connection: &Connection) -> Result<()> {
        if room.party() == BOT { Ok(()) } else { self.chat.greet(connection) }
    }

    fn on_message(&mut self, room: &Room, from: &Connection, message: Message) -> Result<()> {
        if room.party() == BOT {
            self.bot.ask(room, *from, message)
        } else {
            self.chat.hear(room, from, &message)
        }
    }

    fn on_close(&mut self, _room: &Room, connection: &Connection, _close: Close) -> Result<()> {
        self.bot.stop(*connection);
        Ok(())
    }

    fn on_request(&mut self, room: &Room, request: Request) -> Result<Reply> {
        if room.party() == MODEL { model::answer(&request) } else { Ok(Response::status(404).into()) }
    }
}
