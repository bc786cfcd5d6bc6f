//! Server-sent events, as endpoints send them that speak as OpenAI's: one line of `data` each, with a piece of the answer in
//! JSON, and `[DONE]` behind the last.

use party::{Error, Message, Result};
use serde::Deserialize;

/// A longer line is refused.
const LINE_BYTES_MAX: usize = 16 << 10;
/// A longer answer is broken off.
const ANSWER_BYTES_MAX: usize = 16 << 10;

/// What an event says.
#[derive(Debug, PartialEq)]
pub(crate) enum Event {
    /// More of the answer.
    Words(String),
    /// That was all of it.
    Done,
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    error: Option<Failure>,
}

#[derive(Deserialize)]
struct Choice {
    delta: Delta,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<String>,
}

#[derive(Deserialize)]
struct Failure {
    message: String,
}

/// Reads events out of bytes that come in pieces of any size.
#[derive(Default)]
pub(crate) struct Events {
    /// What has come of the line that is not whole.
    line: Vec<u8>,
    /// How long the answer is by now.
    answer_bytes: usize,
}

impl Events {
    /// What these bytes bring to an end. Behind an error nothing is worth reading, nor behind [`Event::Done`].
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Vec<Result<Event>> {
        let mut events = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + piece.len() > LINE_BYTES_MAX {
                events.push(Err(Error::new(format!(
                    "the endpoint sends a line of more than {LINE_BYTES_MAX} bytes"
                ))));
                break;
            }
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                events.extend(event_in(&line).and_then(|event| self.bounded(event)).transpose());
            }
            if matches!(events.last(), Some(Ok(Event::Done) | Err(_))) {
                break;
            }
        }
        events
    }

    fn bounded(&mut self, event: Option<Event>) -> Result<Option<Event>> {
        if let Some(Event::Words(words)) = &event {
            self.answer_bytes += words.len();
        }
        match self.answer_bytes > ANSWER_BYTES_MAX {
            true => Err(Error::new(format!("the answer has more than {ANSWER_BYTES_MAX} bytes"))),
            false => Ok(event),
        }
    }
}

/// What a line says, if it says anything.
fn event_in(line: &[u8]) -> Result<Option<Event>> {
    let Ok(line) = str::from_utf8(line) else {
        return Err(Error::new("the endpoint sends what is no UTF-8"));
    };
    let line = line.trim_end_matches(['\r', '\n']);
    let (field, value) = line.split_once(':').unwrap_or((line, ""));
    match field {
        "data" => {}
        // The end of an event, a comment, and what is of no use here.
        "" | "event" | "id" | "retry" => return Ok(None),
        _ => return Err(Error::new("the endpoint sends what is no server-sent event")),
    }
    let data = value.strip_prefix(' ').unwrap_or(value);
    if data == "[DONE]" {
        return Ok(Some(Event::Done));
    }
    let Ok(chunk) = Message::from(data).json::<Chunk>() else {
        return Err(Error::new("the endpoint sends what is no piece of an answer"));
    };
    if let Some(Failure { message }) = chunk.error {
        return Err(Error::new(format!("the endpoint says: {message}")));
    }
    let words = chunk.choices.into_iter().next().and_then(|choice| choice.delta.content);
    Ok(words.filter(|words| !words.is_empty()).map(Event::Words))
}

#[cfg(test)]
mod tests {
    use super::{ANSWER_BYTES_MAX, Event, Events, LINE_BYTES_MAX};

    const ANSWER: &str = ": hello\r\nevent: x\ndata: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n\
        data: {\"choices\":[{\"delta\":{\"content\":\"Grüß \"}}]}\r\n\r\ndata:{\"choices\":[{\"delta\":{\"content\":\"dich\"}}]}\n\n\
        data: {\"choices\":[]}\n\ndata: [DONE]\n\ndata: nonsense\n";

    fn read(text: &str, piece_bytes: usize) -> Result<Vec<Event>, String> {
        let mut events = Events::default();
        let mut all = Vec::new();
        for piece in text.as_bytes().chunks(piece_bytes) {
            for event in events.read(piece) {
                all.push(event.map_err(|error| error.to_string())?);
            }
            if all.last() == Some(&Event::Done) {
                break;
            }
        }
        Ok(all)
    }

    #[test]
    fn an_answer_is_the_same_in_pieces_of_any_size() {
        let expected = [Event::Words("Grüß ".to_owned()), Event::Words("dich".to_owned()), Event::Done];
        for piece_bytes in 1..=ANSWER.len() {
            assert_eq!(read(ANSWER, piece_bytes).as_deref(), Ok(&expected[..]), "{piece_bytes}");
        }
    }

    #[test]
    fn what_is_no_answer_is_refused_and_a_line_is_bounded() {
        for (text, why) in [
            ("<html>\n", "the endpoint sends what is no server-sent event"),
            ("data: {\"choices\":3}\n", "the endpoint sends what is no piece of an answer"),
            ("data: {\"error\":{\"message\":\"no credit\"}}\n", "the endpoint says: no credit"),
        ] {
            assert_eq!(read(text, 5), Err(why.to_owned()));
        }
        assert_eq!(Events::default().read(b"data: \xff\n").len(), 1);
        let endless = "x".repeat(LINE_BYTES_MAX + 1);
        for piece_bytes in [1_000, endless.len()] {
            let why = read(&endless, piece_bytes).expect_err("it is too long");
            assert_eq!(why, "the endpoint sends a line of more than 16384 bytes");
        }
    }

    #[test]
    fn an_answer_is_bounded_in_as_many_lines_as_it_comes() {
        let line = "data: {\"choices\":[{\"delta\":{\"content\":\"12345678\"}}]}\n\n";
        let lines = ANSWER_BYTES_MAX / 8;
        assert_eq!(read(&line.repeat(lines), 1_000).map(|events| events.len()), Ok(lines));
        let why = read(&line.repeat(lines + 1), 1_000).expect_err("it is too long");
        assert_eq!(why, "the answer has more than 16384 bytes");
    }
}
