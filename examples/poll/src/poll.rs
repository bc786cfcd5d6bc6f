//! A poll, and what can be one.

use std::collections::BTreeSet;

use party::{Error, Request, Result};
use serde::{Deserialize, Serialize};

/// The longest request that is read, in bytes.
const BODY_BYTES_MAX: usize = 8_192;
const QUESTION_CHARS_MAX: usize = 200;
const OPTIONS_MIN: usize = 2;
const OPTIONS_MAX: usize = 10;
const OPTION_CHARS_MAX: usize = 100;

/// A poll with its result, as it is stored and shown.
#[derive(Serialize, Deserialize)]
pub(crate) struct Poll {
    question: String,
    pub(crate) options: Vec<Choice>,
    /// How many have voted.
    pub(crate) votes: u32,
}

/// One of the answers.
#[derive(Serialize, Deserialize)]
pub(crate) struct Choice {
    text: String,
    pub(crate) votes: u32,
}

/// What somebody wants to ask.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    question: String,
    options: Vec<String>,
}

impl Poll {
    /// The poll that a request asks for.
    pub(crate) fn wanted(request: &Request) -> Result<Self> {
        let Wish { question, options } = body(request)?;
        let question = text("question", &question, QUESTION_CHARS_MAX)?;
        if !(OPTIONS_MIN..=OPTIONS_MAX).contains(&options.len()) {
            return Err(bad(format!(
                "a poll has {OPTIONS_MIN} to {OPTIONS_MAX} options; there are {}",
                options.len()
            )));
        }
        let options: Vec<String> =
            options.iter().map(|option| text("option", option, OPTION_CHARS_MAX)).collect::<Result<_>>()?;
        let mut seen = BTreeSet::new();
        if let Some(twice) = options.iter().find(|option| !seen.insert(option.as_str())) {
            return Err(bad(format!("the option {twice:?} is there twice")));
        }
        let options = options.into_iter().map(|text| Choice { text, votes: 0 }).collect();
        Ok(Self { question, options, votes: 0 })
    }
}

/// What the body of a request says in JSON. A page of another origin cannot send `application/json` without being asked for
/// leave, so no form in the world posts here.
pub(crate) fn body<'a, T: Deserialize<'a>>(request: &'a Request) -> Result<T> {
    let is_json = |value: &[u8]| value.split(|byte| *byte == b';').next() == Some(b"application/json");
    if !request.header("content-type").is_some_and(is_json) {
        return Err(Error::new("send it as application/json").with_status(415));
    }
    let bytes = request.body.len();
    if bytes > BODY_BYTES_MAX {
        let why = format!("the body has {bytes} bytes; the limit is {BODY_BYTES_MAX}");
        return Err(Error::new(why).with_status(413));
    }
    request.json().map_err(|error| bad(error.to_string()))
}

/// A 400 that says why.
pub(crate) fn bad(why: impl Into<String>) -> Error {
    Error::new(why).with_status(400)
}

/// A text that people are shown: without space around it, and of one line.
fn text(what: &str, text: &str, chars_max: usize) -> Result<String> {
    let text = text.trim();
    match text.chars().count() {
        0 => Err(bad(format!("the {what} is empty"))),
        chars if chars > chars_max => {
            Err(bad(format!("the {what} has {chars} characters; the limit is {chars_max}")))
        }
        _ if text.chars().any(char::is_control) => {
            Err(bad(format!("the {what} has a control character: {text:?}")))
        }
        _ => Ok(text.to_owned()),
    }
}
