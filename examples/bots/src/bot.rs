//! The bot: a message is a question, what it hears of the answer goes back as messages, and the close says how it ended.

use std::collections::BTreeMap;
use std::time::Duration;

use party::{Connection, Error, Message, Result, Room, Task, warn};
use serde::Serialize;

use crate::events::{Event, Events};
use crate::lines::INTERRUPTED;

/// The close of an answer that is whole.
pub(crate) const DONE: u16 = 1000;
/// The close of one that is not; its reason is for people.
pub(crate) const FAILED: u16 = 4000;
/// What takes longer is broken off.
const ANSWER_MAX: Duration = Duration::from_secs(180);

/// What is answered, and to whom.
#[derive(Default)]
pub(crate) struct Bot {
    answers: BTreeMap<Connection, Task>,
}

/// As OpenAI's chat completions want it.
#[derive(Serialize)]
struct Question<'a> {
    model: &'a str,
    stream: bool,
    messages: [Said<'a>; 1],
}

#[derive(Serialize)]
struct Said<'a> {
    role: &'a str,
    content: &'a str,
}

impl Bot {
    /// Whoever is here waits for an answer that nobody remembers.
    pub(crate) fn start(room: &Room) -> Result<()> {
        for chat in room.connections() {
            chat.close(FAILED, INTERRUPTED)?;
        }
        Ok(())
    }

    pub(crate) fn ask(&mut self, room: &Room, chat: Connection, question: Message) -> Result<()> {
        let Message::Text(question) = question else {
            return Ok(chat.close(FAILED, "a question is a text")?);
        };
        if self.answers.contains_key(&chat) {
            return Ok(chat.close(FAILED, "the bot answers one question at a time")?);
        }
        let answer = room.spawn(async move |room| {
            match room.timeout(ANSWER_MAX, answer(&room, chat, &question)).await {
                Some(Ok(())) => chat.close(DONE, "")?,
                Some(Err(error)) => chat.close(FAILED, &error.to_string())?,
                None => chat.close(FAILED, &format!("the answer takes longer than {ANSWER_MAX:?}"))?,
            }
            Ok::<(), Error>(())
        });
        self.answers.insert(chat, answer);
        Ok(())
    }

    /// Nobody listens any more: what is still to come is not asked for.
    pub(crate) fn stop(&mut self, chat: Connection) {
        if let Some(answer) = self.answers.remove(&chat) {
            answer.cancel();
        }
    }
}

/// Asks the endpoint, and sends on what it says as it says it.
async fn answer(room: &Room, chat: Connection, question: &str) -> Result<()> {
    let Some(url) = room.var("MODEL_URL") else {
        return Err(Error::new("the bot has nobody to ask: the var MODEL_URL is not set"));
    };
    let model = room.var("MODEL_NAME").unwrap_or_else(|| "any".to_owned());
    let messages = [Said { role: "user", content: question }];
    let question = Question { model: &model, stream: true, messages };
    let mut fetch = room.fetch(&url).method("POST").header("accept", "text/event-stream").json(&question)?;
    if let Some(key) = room.var("MODEL_KEY") {
        fetch = fetch.header("authorization", format!("Bearer {key}"));
    }
    let mut model = fetch.streamed().await.map_err(|error| {
        warn!("the endpoint cannot be asked: {error}");
        Error::new("the endpoint does not answer")
    })?;
    if model.status != 200 {
        return Err(Error::new(format!("the endpoint answers with status {}", model.status)));
    }
    let mut events = Events::default();
    while let Some(bytes) = model.body.next().await {
        let bytes = bytes.map_err(|error| {
            warn!("the endpoint's answer broke off: {error}");
            Error::new(INTERRUPTED)
        })?;
        let (mut words, mut end) = (String::new(), None);
        for event in events.read(&bytes) {
            match event {
                Ok(Event::Words(more)) => words += &more,
                Ok(Event::Done) => end = Some(Ok(())),
                Err(error) => end = Some(Err(error)),
            }
        }
        if !words.is_empty() {
            chat.send(words)?;
        }
        if let Some(end) = end {
            return end;
        }
    }
    Err(Error::new("the endpoint ends without [DONE]"))
}
