//! Stands in for an endpoint out in the world: says in pieces, one word after the other, what it was asked.

use std::time::Duration;

use party::{Error, Message, Reply, Request, Response, Result};
use serde::{Deserialize, Serialize};

const WORD: Duration = Duration::from_millis(150);
/// Of the question; as long as a chat's may be.
const WORDS_MAX: usize = 2_000;

#[derive(Deserialize)]
struct Question {
    messages: Vec<Said>,
}

#[derive(Deserialize)]
struct Said {
    content: String,
}

#[derive(Serialize)]
struct Chunk {
    choices: [Choice; 1],
}

#[derive(Serialize)]
struct Choice {
    delta: Delta,
}

#[derive(Serialize)]
struct Delta {
    content: String,
}

/// A question in the form of OpenAI's chat completions; the answer in server-sent events.
pub(crate) fn answer(request: &Request) -> Result<Reply> {
    if request.method != "POST" {
        return Ok(Response::status(405).with_header("allow", "POST").into());
    }
    let question: Question =
        request.json().map_err(|error| Error::new(error.to_string()).with_status(400))?;
    let Some(Said { content }) = question.messages.into_iter().next_back() else {
        return Err(Error::new("there is no message").with_status(400));
    };
    let head = Response::status(200).with_header("content-type", "text/event-stream");
    Ok(Reply::streamed(head, async move |room, mut body| {
        let said = content.split_whitespace().take(WORDS_MAX).map(str::to_owned);
        let opening = ["I", "am", "a", "parrot,", "and", "say:"].map(str::to_owned);
        for word in opening.into_iter().chain(said) {
            room.sleep(WORD).await;
            let chunk = Chunk { choices: [Choice { delta: Delta { content: format!("{word} ") } }] };
            let chunk = Message::from_json(&chunk)?;
            if body.write(format!("data: {}\n\n", chunk.as_text().unwrap_or_default())).await.is_err() {
                // Whoever asked has gone.
                return Ok(());
            }
        }
        body.write("data: [DONE]\n\n").await?;
        Ok(body.finish()?)
    }))
}
