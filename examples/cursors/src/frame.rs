//! What the page and the room say to each other, in binary messages. Numbers have their high byte first.
//!
//! A message of the page is one of these:
//!
//! ```text
//! at     x:u16 y:u16     4 bytes: the pointer is there, in 65,535ths of the field's width and height
//! away                   0 bytes: it has left the field
//! wave   6               1 byte: to all who come from the same country
//! ```
//!
//! One of the room is a row of these, one behind the other:
//!
//! ```text
//! you    1 number:u16 colour:u8 country:[u8; 2]    6 bytes: this is what you are
//! came   2 number:u16 colour:u8 country:[u8; 2]    6 bytes: somebody is here
//! at     3 number:u16 x:u16 y:u16                  7 bytes: their pointer is there
//! away   4 number:u16                              3 bytes: it is nowhere
//! left   5 number:u16                              3 bytes: they have gone
//! waves  6 number:u16                              3 bytes: they wave
//! ```

use party::Message;

use crate::cursor::{Cursor, Place};

const YOU: u8 = 1;
const CAME: u8 = 2;
const AT: u8 = 3;
const AWAY: u8 = 4;
const LEFT: u8 = 5;
const WAVES: u8 = 6;

/// From the page.
pub(crate) enum ToRoom {
    /// My pointer is there, or nowhere.
    Point(Option<Place>),
    /// I wave.
    Wave,
}

impl ToRoom {
    /// What a message says; nothing if it is none of ours.
    pub(crate) fn read(message: &Message) -> Option<Self> {
        let Message::Binary(bytes) = message else { return None };
        match bytes[..] {
            [] => Some(Self::Point(None)),
            [WAVES] => Some(Self::Wave),
            [x_high, x_low, y_high, y_low] => Some(Self::Point(Some(Place {
                x: u16::from_be_bytes([x_high, x_low]),
                y: u16::from_be_bytes([y_high, y_low]),
            }))),
            _ => None,
        }
    }
}

/// To the page: records, one behind the other.
#[derive(Default)]
pub(crate) struct Records(Vec<u8>);

impl Records {
    /// This is what you are.
    pub(crate) fn you(self, cursor: &Cursor) -> Self {
        self.described(YOU, cursor)
    }

    /// Somebody is here, and perhaps has a pointer.
    pub(crate) fn came(self, cursor: &Cursor) -> Self {
        let records = self.described(CAME, cursor);
        if cursor.place.is_some() { records.pointed(cursor) } else { records }
    }

    /// A pointer is there, or nowhere.
    pub(crate) fn pointed(self, cursor: &Cursor) -> Self {
        match cursor.place {
            Some(Place { x, y }) => self.record(AT, cursor, &[x.to_be_bytes(), y.to_be_bytes()].concat()),
            None => self.record(AWAY, cursor, &[]),
        }
    }

    /// Somebody has gone.
    pub(crate) fn left(self, cursor: &Cursor) -> Self {
        self.record(LEFT, cursor, &[])
    }

    /// Somebody waves.
    pub(crate) fn waves(self, cursor: &Cursor) -> Self {
        self.record(WAVES, cursor, &[])
    }

    /// The message.
    pub(crate) fn message(self) -> Message {
        Message::Binary(self.0)
    }

    fn described(self, kind: u8, cursor: &Cursor) -> Self {
        let [first, second] = cursor.country.letters();
        self.record(kind, cursor, &[cursor.colour, first, second])
    }

    fn record(mut self, kind: u8, cursor: &Cursor, rest: &[u8]) -> Self {
        self.0.push(kind);
        self.0.extend(cursor.number.to_be_bytes());
        self.0.extend(rest);
        self
    }
}
