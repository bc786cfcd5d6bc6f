//! The rules: whose turn it is, which fields are free, and when a game is over.

use party::{Error, Result};
use serde::{Deserialize, Serialize};

/// Fields in a row, a column or a diagonal. Fields have numbers from 0, row by row.
const LINES: [[usize; 3]; 8] =
    [[0, 1, 2], [3, 4, 5], [6, 7, 8], [0, 3, 6], [1, 4, 7], [2, 5, 8], [0, 4, 8], [2, 4, 6]];

/// What a player plays.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    X,
    O,
}

impl Mark {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::X => Self::O,
            Self::O => Self::X,
        }
    }
}

/// How a game has ended.
#[derive(Serialize, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum End {
    /// With three in a row.
    Won { by: Mark, line: [usize; 3] },
    /// With no field left.
    Drawn,
}

/// One game.
#[derive(Serialize, Deserialize)]
pub(crate) struct Game {
    pub(crate) fields: [Option<Mark>; 9],
    pub(crate) turn: Mark,
    /// Who has begun: next time it is the other.
    began: Mark,
}

impl Default for Game {
    fn default() -> Self {
        Self::begun_by(Mark::X)
    }
}

impl Game {
    /// A new one, begun by the other player.
    pub(crate) fn next(&self) -> Self {
        Self::begun_by(self.began.other())
    }

    fn begun_by(mark: Mark) -> Self {
        Self { fields: [None; 9], turn: mark, began: mark }
    }

    /// Puts a mark on a field, if the rules allow it.
    pub(crate) fn play(&mut self, mark: Mark, number: usize) -> Result<()> {
        if self.end().is_some() {
            return Err(Error::new("the game is over; begin a new one"));
        }
        if self.turn != mark {
            return Err(Error::new(format!("it is the turn of {:?}", self.turn)));
        }
        let Some(field) = self.fields.get_mut(number) else {
            return Err(Error::new(format!("there is no field {number}; they are 0 to 8")));
        };
        match field {
            Some(taken) => Err(Error::new(format!("field {number} has an {taken:?} already"))),
            None => {
                *field = Some(mark);
                self.turn = mark.other();
                Ok(())
            }
        }
    }

    /// How it has ended, if it has.
    pub(crate) fn end(&self) -> Option<End> {
        for line in LINES {
            let [first, second, third] = line.map(|number| self.fields[number]);
            if let Some(by) = first.filter(|_| first == second && second == third) {
                return Some(End::Won { by, line });
            }
        }
        self.fields.iter().all(Option::is_some).then_some(End::Drawn)
    }
}
