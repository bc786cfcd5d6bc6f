//! What the page and the chat say to each other, in JSON: `{"say": {"name": "Ada", "text": "@bot why?"}}`, and
//! `{"grows": {"number": 2, "text": "Because "}}`.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// From the page.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum ToRoom {
    /// Say this to all, under this name.
    Say { name: String, text: String },
}

/// To the page.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ToClient<'a> {
    /// What there is, the oldest first.
    History(&'a VecDeque<Line>),
    /// A line has begun; most are whole at once.
    Said(&'a Line),
    /// More of the text of a line that grows.
    Grows { number: u64, text: &'a str },
    /// A line does not grow any more.
    Ended { number: u64, state: &'a State },
    /// What you have said was not taken, and why.
    Sorry(&'a str),
}

/// What someone says.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Line {
    /// Counts up, in a chat.
    pub(crate) number: u64,
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) state: State,
}

/// How much of a line is there.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// All of it.
    Whole,
    /// The bot is still speaking.
    Growing,
    /// What has come of it; and why no more.
    BrokenOff(String),
}
