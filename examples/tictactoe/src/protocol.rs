//! What the page and the room say to each other, in JSON: `"sit"`, `{"play": 4}`, `{"you": "X"}`, `{"sorry": "…"}`.

use serde::{Deserialize, Serialize};

use crate::game::{End, Mark};
use crate::table::{Seat, Table};

/// From the page.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ToRoom {
    /// I want to play.
    Sit,
    /// I do not want to play any more.
    Stand,
    /// I play this field, 0 to 8.
    Play(usize),
    /// I want a new game.
    Again,
}

/// To the page.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ToClient<'a> {
    /// What you play; nothing if you watch.
    You(Option<Mark>),
    /// The table as it is.
    Game(View<'a>),
    /// What you asked for cannot be done, and why.
    Sorry(String),
}

/// What everybody may see of a table: who sits there, but not their keys.
#[derive(Serialize)]
pub(crate) struct View<'a> {
    fields: &'a [Option<Mark>; 9],
    turn: Mark,
    end: Option<End>,
    seats: Seats,
}

#[derive(Serialize)]
#[serde(rename_all = "UPPERCASE")]
struct Seats {
    x: Presence,
    o: Presence,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Presence {
    Free,
    Here,
    Away,
}

impl<'a> View<'a> {
    pub(crate) fn of(table: &'a Table) -> Self {
        let presence = |mark| match table.seat(mark) {
            None => Presence::Free,
            Some(Seat { away_since: None, .. }) => Presence::Here,
            Some(Seat { away_since: Some(_), .. }) => Presence::Away,
        };
        let game = &table.game;
        let seats = Seats { x: presence(Mark::X), o: presence(Mark::O) };
        Self { fields: &game.fields, turn: game.turn, end: game.end(), seats }
    }
}
