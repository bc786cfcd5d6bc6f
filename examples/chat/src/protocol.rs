//! What the page and the room say to each other, in JSON: `{"say": "hello"}`, `"typing"`, `{"people": ["Ada"]}`.

use std::collections::VecDeque;

use party::Timestamp;
use serde::{Deserialize, Serialize};

/// From the page.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ToRoom {
    /// Call me this.
    Name(String),
    /// Say this to all.
    Say(String),
    /// I have touched a key.
    Typing,
}

/// To the page.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ToClient<'a> {
    /// What was said before you came, the oldest first.
    History(&'a VecDeque<Said>),
    /// Someone has said this.
    Said(&'a Said),
    /// Who is in.
    People(Vec<&'a str>),
    /// Who is typing.
    Typing(Vec<&'a str>),
}

/// What someone said.
#[derive(Serialize, Deserialize)]
pub(crate) struct Said {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) at: Timestamp,
}
