//! The table: the game on it, and who sits there. It is stored as a whole whenever it changes.

use std::time::Duration;

use party::{Error, Result, Room, Timestamp};
use serde::{Deserialize, Serialize};

use crate::game::{Game, Mark};

/// The key of the table in storage.
const TABLE: &str = "table";
/// Who is away for so long can be replaced.
const AWAY: Duration = Duration::from_secs(60);

#[derive(Serialize, Deserialize, Default)]
pub(crate) struct Table {
    pub(crate) game: Game,
    x: Option<Seat>,
    o: Option<Seat>,
}

/// A seat that is taken.
#[derive(Serialize, Deserialize)]
pub(crate) struct Seat {
    /// Of the connections of its player, and no other person's business.
    key: String,
    /// Since when none of those is there.
    pub(crate) away_since: Option<Timestamp>,
}

impl Table {
    /// The table as it was left, or a new one.
    pub(crate) fn load(room: &Room) -> Result<Self> {
        Ok(room.storage().get(TABLE)?.unwrap_or_default())
    }

    pub(crate) fn store(&self, room: &Room) -> Result<()> {
        Ok(room.storage().put(TABLE, self)?)
    }

    pub(crate) fn seat(&self, mark: Mark) -> Option<&Seat> {
        match mark {
            Mark::X => self.x.as_ref(),
            Mark::O => self.o.as_ref(),
        }
    }

    /// What the client with this key plays; nothing if it does not sit.
    pub(crate) fn mark_of(&self, key: &str) -> Option<Mark> {
        [Mark::X, Mark::O].into_iter().find(|mark| self.seat(*mark).is_some_and(|seat| seat.key == key))
    }

    /// Note who of the players is there. Whether somebody has come or gone.
    pub(crate) fn look_round(&mut self, room: &Room) -> bool {
        let mut changed = false;
        for seat in [&mut self.x, &mut self.o].into_iter().flatten() {
            let away = room.connections_tagged(&seat.key).is_empty();
            changed |= away != seat.away_since.is_some();
            seat.away_since = away.then(|| seat.away_since.unwrap_or(room.now()));
        }
        changed
    }

    /// Sit down: on a free seat, or on that of a player who has been away for long. A table where nobody sat has a new game.
    pub(crate) fn sit(&mut self, key: &str, now: Timestamp) -> Result<()> {
        if let Some(mark) = self.mark_of(key) {
            return Err(Error::new(format!("you sit already; you play {mark:?}")));
        }
        if self.x.is_none() && self.o.is_none() {
            self.game = Game::default();
        }
        let free = [Mark::X, Mark::O].into_iter().find(|mark| self.seat(*mark).is_none());
        let mark = free.map_or_else(|| self.left_for_long(now), Ok)?;
        *self.seat_mut(mark) = Some(Seat { key: key.to_owned(), away_since: None });
        Ok(())
    }

    /// The seat whose player has been away for long.
    fn left_for_long(&self, now: Timestamp) -> Result<Mark> {
        let away = |mark| Some((self.seat(mark)?.away_since?, mark));
        let longest = [Mark::X, Mark::O].into_iter().filter_map(away).min_by_key(|(since, _)| *since);
        let Some((since, mark)) = longest else {
            return Err(Error::new("both seats are taken"));
        };
        match AWAY.saturating_sub(now.since(since)) {
            Duration::ZERO => Ok(mark),
            left => Err(Error::new(format!(
                "both seats are taken; {mark:?} is away and can be replaced in {} s",
                left.as_millis().div_ceil(1_000)
            ))),
        }
    }

    /// Stand up.
    pub(crate) fn stand(&mut self, key: &str) -> Result<()> {
        let mark = self.mark_of(key).ok_or_else(|| Error::new("you do not sit"))?;
        *self.seat_mut(mark) = None;
        Ok(())
    }

    /// Play a field.
    pub(crate) fn play(&mut self, key: &str, field: usize) -> Result<()> {
        let mark = self.mark_of(key).ok_or_else(|| Error::new("you watch; sit down to play"))?;
        if self.seat(mark.other()).is_none() {
            return Err(Error::new("nobody sits opposite yet"));
        }
        self.game.play(mark, field)
    }

    /// Begin a new game when one is over.
    pub(crate) fn begin_again(&mut self, key: &str) -> Result<()> {
        if self.mark_of(key).is_none() {
            return Err(Error::new("you watch; sit down to play"));
        }
        if self.game.end().is_none() {
            return Err(Error::new("the game is not over"));
        }
        self.game = self.game.next();
        Ok(())
    }

    fn seat_mut(&mut self, mark: Mark) -> &mut Option<Seat> {
        match mark {
            Mark::X => &mut self.x,
            Mark::O => &mut self.o,
        }
    }
}
