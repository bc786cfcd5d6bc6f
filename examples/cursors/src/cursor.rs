//! One person's pointer: what is kept with its connection.

use party::ConnectionInfo;
use serde::{Deserialize, Serialize};

/// Colours that the page has; two people have the same one only when all are in use.
const COLOURS: u8 = 12;

/// What is kept with a connection.
#[derive(Serialize, Deserialize)]
pub(crate) struct Cursor {
    /// Tells it apart from the others in the room; it is given again when its connection has gone.
    pub(crate) number: u16,
    /// Which of the page's colours it has.
    pub(crate) colour: u8,
    /// Where its person is.
    pub(crate) country: Country,
    /// Where it is; nowhere before it first moves, and when it has left the field.
    pub(crate) place: Option<Place>,
}

/// A place in the field, in 65,535ths of its width and height, so that it is the same on every screen.
#[derive(Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) x: u16,
    pub(crate) y: u16,
}

impl Cursor {
    /// One beside these: with the lowest number that is free, and the colour that is seen least. None if no number is free.
    pub(crate) fn beside(others: &[Self], country: Country) -> Option<Self> {
        let mut taken: Vec<u16> = others.iter().map(|other| other.number).collect();
        taken.sort_unstable();
        let number = (0..=u16::MAX).find(|number| taken.get(usize::from(*number)) != Some(number))?;
        let seen = |colour: &u8| others.iter().filter(|other| other.colour == *colour).count();
        let colour = (0..COLOURS).min_by_key(seen)?;
        Some(Self { number, colour, country, place: None })
    }
}

/// A country by its two letters (ISO 3166), as in `DE`; `XX` is one that nobody knows.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Country([u8; 2]);

impl Country {
    /// Where a client comes from, as the host's proxy says. What is no country (Cloudflare says `T1` of Tor) is unknown.
    pub(crate) fn of(info: &ConnectionInfo) -> Self {
        let said = info.headers.iter().find(|header| header.name == "cf-ipcountry");
        match said.map(|header| header.value.as_slice()) {
            Some(&[first @ b'A'..=b'Z', second @ b'A'..=b'Z']) => Self([first, second]),
            Some(_) | None => Self(*b"XX"),
        }
    }

    pub(crate) fn letters(self) -> [u8; 2] {
        self.0
    }

    /// As connections are tagged with it.
    pub(crate) fn tag(self) -> String {
        self.0.map(char::from).iter().collect()
    }
}
