//! A chat: what begins with `@bot ` is asked of the bot, through a socket to its room, and its answer grows before
//! everybody's eyes.

use party::{Closed, Connection, Message, Result, Room};

use crate::lines::{INTERRUPTED, Lines};
use crate::protocol::{State, ToClient, ToRoom};
use crate::{BOT, Bots, bot};

const NAME_CHARS_MAX: usize = 40;
/// Of what is said, and so of a question.
const TEXT_CHARS_MAX: usize = 2_000;
/// What a question begins with.
const CALL: &str = "@bot ";

#[derive(Default)]
pub(crate) struct Chat {
    lines: Lines,
    /// Whether the bot is speaking: it is asked one question at a time.
    is_answering: bool,
}

impl Chat {
    /// Whoever is here still sees an answer grow, if there was one: nobody grows it any more.
    pub(crate) fn start(&mut self, room: &Room) -> Result<()> {
        self.lines = Lines::load(room)?;
        tell(room, &ToClient::History(self.lines.all()))
    }

    pub(crate) fn greet(&self, connection: &Connection) -> Result<()> {
        connection.send(Message::from_json(&ToClient::History(self.lines.all()))?)?;
        Ok(())
    }

    pub(crate) fn hear(&mut self, room: &Room, from: &Connection, message: &Message) -> Result<()> {
        let Ok(ToRoom::Say { name, text }) = message.json() else {
            return Ok(from.close(1003, "this is no message of the chat")?);
        };
        match self.check(name.trim(), text.trim()) {
            Ok(()) => self.say(room, name.trim(), text.trim()),
            Err(sorry) => Ok(from.send(Message::from_json(&ToClient::Sorry(&sorry))?)?),
        }
    }

    fn check(&self, name: &str, text: &str) -> Result<(), String> {
        within("a name", name, NAME_CHARS_MAX)?;
        within("what is said", text, TEXT_CHARS_MAX)?;
        if name.eq_ignore_ascii_case(BOT) {
            return Err("the bot is called so already; take another name".to_owned());
        }
        match text.starts_with(CALL) && self.is_answering {
            true => Err("the bot is still answering; ask again when it has ended".to_owned()),
            false => Ok(()),
        }
    }

    fn say(&mut self, room: &Room, name: &str, text: &str) -> Result<()> {
        tell(room, &ToClient::Said(&self.lines.add(room, name, text, State::Whole)?))?;
        match text.strip_prefix(CALL) {
            Some(question) => self.ask(room, question.trim().to_owned()),
            None => Ok(()),
        }
    }

    fn ask(&mut self, room: &Room, question: String) -> Result<()> {
        let line = self.lines.add(room, BOT, "", State::Growing)?;
        tell(room, &ToClient::Said(&line))?;
        self.is_answering = true;
        room.spawn(async move |room| {
            let state = match listen(&room, line.number, question).await {
                Ok(()) => State::Whole,
                Err(why) => State::BrokenOff(why),
            };
            room.with(|bots: &mut Bots| bots.chat.end(&room, line.number, state))
        });
        Ok(())
    }

    fn grow(&mut self, room: &Room, number: u64, text: &str) -> Result<()> {
        self.lines.grow(number, text);
        tell(room, &ToClient::Grows { number, text })
    }

    fn end(&mut self, room: &Room, number: u64, state: State) -> Result<()> {
        self.is_answering = false;
        tell(room, &ToClient::Ended { number, state: &state })?;
        self.lines.end(room, number, state)
    }
}

/// Asks the bot, and hears it out. The socket is lost with the host, and this task is not: it says so when the host is back.
async fn listen(room: &Room, number: u64, question: String) -> Result<(), String> {
    let unreachable = |error: &dyn std::fmt::Display| format!("the bot cannot be reached: {error}");
    let mut bot = room.connect_to(BOT, &room.id()).await.map_err(|error| unreachable(&error))?;
    bot.send(question).await.map_err(|error| unreachable(&error))?;
    loop {
        match bot.next().await {
            Ok(Message::Text(text)) => room
                .with(|bots: &mut Bots| bots.chat.grow(room, number, &text))
                .map_err(|_| "the chat cannot send more of it".to_owned())?,
            Ok(Message::Binary(_)) => return Err("the bot says what is no text".to_owned()),
            Err(Closed::With { code: bot::DONE, .. }) => return Ok(()),
            Err(Closed::With { code: bot::FAILED, reason }) => return Err(reason),
            Err(Closed::With { .. } | Closed::Lost(_)) => return Err(INTERRUPTED.to_owned()),
        }
    }
}

fn tell(room: &Room, what: &ToClient<'_>) -> Result<()> {
    room.broadcast(Message::from_json(what)?)?;
    Ok(())
}

fn within(what: &str, text: &str, chars_max: usize) -> Result<(), String> {
    let chars = text.chars().count();
    match (1..=chars_max).contains(&chars) {
        true => Ok(()),
        false => Err(format!("{what} has 1 to {chars_max} characters, not {chars}")),
    }
}

#[cfg(test)]
mod tests {
    use super::within;

    #[test]
    fn characters_are_counted_not_bytes() {
        assert_eq!(within("a name", "äöü", 3), Ok(()));
        assert_eq!(within("a name", "äöüß", 3), Err("a name has 1 to 3 characters, not 4".to_owned()));
        assert!(within("a name", "", 3).is_err());
    }
}
