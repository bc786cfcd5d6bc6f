//! A room's address, its only identity: project, party, room.
//!
//! Parsed once at the edge; from there on the typed address is carried and nothing splits a path again.

use std::fmt;

use thiserror::Error;

/// The longest project or party name, in bytes.
pub const NAME_BYTES_MAX: usize = 64;
/// The longest room id, in bytes: the length up to which Durable Objects keep a name.
pub const ROOM_BYTES_MAX: usize = 1_024;
/// What stands before the number of a room that nobody can name.
const UNNAMED: char = '#';

/// Where a room is. Two rooms are the same exactly if their addresses are equal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RoomAddress {
    project: Box<str>,
    party: Box<str>,
    room: Box<str>,
}

/// Why three strings are not an address.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum AddressError {
    /// A project or party name breaks `[a-z0-9_-]{1,64}`.
    #[error("{what} name {name:?} is not allowed: use 1 to {NAME_BYTES_MAX} of a-z, 0-9, _ and -")]
    BadName {
        /// `project` or `party`.
        what: &'static str,
        /// The name, cut to what is fit to print.
        name: String,
    },
    /// The room id is empty.
    #[error("the room id is empty")]
    EmptyRoom,
    /// The room id is longer than [`ROOM_BYTES_MAX`].
    #[error("the room id is {bytes} bytes; the limit is {ROOM_BYTES_MAX}")]
    LongRoom {
        /// Its length.
        bytes: usize,
    },
    /// The room id holds a slash, a question mark, a hash or a control character.
    #[error("the room id holds {character:?}, which is not allowed")]
    BadRoom {
        /// The first such character.
        character: char,
    },
}

impl RoomAddress {
    /// Checks the three parts. The room id is taken as it stands in the URL, never percent-decoded.
    pub fn new(project: &str, party: &str, room: &str) -> Result<RoomAddress, AddressError> {
        check_name("project", project)?;
        check_name("party", party)?;
        if room.is_empty() {
            return Err(AddressError::EmptyRoom);
        }
        if room.len() > ROOM_BYTES_MAX {
            return Err(AddressError::LongRoom { bytes: room.len() });
        }
        if let Some(character) = room.chars().find(|&c| matches!(c, '/' | '?' | '#') || c.is_control()) {
            return Err(AddressError::BadRoom { character });
        }
        Ok(RoomAddress { project: project.into(), party: party.into(), room: room.into() })
    }

    /// Of a room that nobody can name, because an id holds no `#`: no URL, call, list or command is about it. The number is for the
    /// log.
    pub fn unnamed(project: &str, party: &str, number: u64) -> Result<RoomAddress, AddressError> {
        check_name("project", project)?;
        check_name("party", party)?;
        let room = format!("{UNNAMED}{number}").into();
        Ok(RoomAddress { project: project.into(), party: party.into(), room })
    }

    /// Whether nobody can name the room: it is of one socket that leads to no room.
    pub fn is_unnamed(&self) -> bool {
        self.room.starts_with(UNNAMED)
    }

    /// The project that the party is served under.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// The party's name.
    pub fn party(&self) -> &str {
        &self.party
    }

    /// The room's id.
    pub fn room(&self) -> &str {
        &self.room
    }

    /// All three, in this order.
    pub fn names(&self) -> (&str, &str, &str) {
        (&self.project, &self.party, &self.room)
    }

    /// Whether the room is of this party of this project.
    pub fn is_of(&self, project: &str, party: &str) -> bool {
        *self.party == *party && *self.project == *project
    }
}

impl fmt::Display for RoomAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.project, self.party, self.room)
    }
}

/// Whether a project or party name is allowed: PartyKit's own rule, with a bound.
pub fn check_name(what: &'static str, name: &str) -> Result<(), AddressError> {
    let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_' || c == b'-';
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(allowed) {
        let name = name.chars().take(NAME_BYTES_MAX).collect();
        return Err(AddressError::BadName { what, name });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{AddressError, RoomAddress};

    #[test]
    fn an_address_keeps_the_room_as_it_stands_in_the_url() {
        let address = RoomAddress::new("p", "main", "a%20b%2Fc").unwrap();
        assert_eq!(address.room(), "a%20b%2Fc");
        assert_eq!(address.to_string(), "p/main/a%20b%2Fc");
    }

    #[test]
    fn an_unnamed_room_has_an_address_that_nobody_else_can_make() {
        let unnamed = RoomAddress::unnamed("p", "main", 7).unwrap();
        assert_eq!((unnamed.to_string().as_str(), unnamed.is_unnamed()), ("p/main/#7", true));
        let named = RoomAddress::new("p", "main", unnamed.room());
        assert_eq!(named, Err(AddressError::BadRoom { character: '#' }));
        assert!(!RoomAddress::new("p", "main", "%237").unwrap().is_unnamed());
    }

    #[test]
    fn a_bad_part_is_refused_with_its_value_and_bound() {
        let long = "x".repeat(1_025);
        let cases = [
            (RoomAddress::new("P", "main", "r"), "project name \"P\" is not allowed"),
            (RoomAddress::new("p", "", "r"), "party name \"\" is not allowed"),
            (RoomAddress::new("p", "main", ""), "the room id is empty"),
            (RoomAddress::new("p", "main", "a/b"), "the room id holds '/'"),
            (RoomAddress::new("p", "main", "a\u{0}"), "the room id holds '\\0'"),
            (RoomAddress::new("p", "main", &long), "the room id is 1025 bytes; the limit is 1024"),
        ];
        for (result, expected) in cases {
            let error: AddressError = result.unwrap_err();
            assert!(error.to_string().starts_with(expected), "{error}");
        }
    }
}
