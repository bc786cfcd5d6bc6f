//! Why a call to the store was refused, with the key and the sizes: the host tells only the bound that was crossed,
//! and what was asked for is known here.

use std::fmt;

use crate::bindings::party::server::storage as host;
use crate::codec::ValueError;
use crate::shown::shown;

/// Why a call to the store was refused. Keys are shown as text, in quotes, cut at 64 characters.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// A key is too long.
    #[error(
        "key {key} is {bytes} bytes; the limit is {bytes_max} (limits.key_bytes_max): take a shorter one"
    )]
    KeyTooLarge {
        /// The key.
        key: String,
        /// Its length.
        bytes: usize,
        /// The bound.
        bytes_max: u32,
    },
    /// A value is too large.
    #[error(
        "the value of key {key} is {bytes} bytes; the limit is {bytes_max} (limits.value_bytes_max): spread it over \
         several keys"
    )]
    ValueTooLarge {
        /// The key.
        key: String,
        /// The length of the value, encoded.
        bytes: usize,
        /// The bound.
        bytes_max: u32,
    },
    /// The room's keys and values would take too much.
    #[error(
        "the storage of the room has no place for the {bytes} bytes of {what}; the limit is {bytes_max} \
         (limits.storage_bytes_max): delete what is no longer needed"
    )]
    QuotaExceeded {
        /// What was to be stored: `key "a"`, or `12 keys from "a" on`.
        what: String,
        /// Its keys and values.
        bytes: usize,
        /// The bound on all keys and values of the room.
        bytes_max: u64,
    },
    /// Too many keys in one call.
    #[error(
        "{keys} keys in one call; the limit is {keys_max} (limits.keys_per_call_max): make several calls"
    )]
    TooMany {
        /// How many there were.
        keys: usize,
        /// The bound.
        keys_max: u32,
    },
    /// The turn has written too much.
    #[error(
        "the turn cannot write the {bytes} bytes of {what} as well; the limit is {bytes_max} \
         (limits.turn_write_bytes_max): write the rest in a later turn, in a task after room.sleep"
    )]
    TurnFull {
        /// What was to be stored or deleted: `key "a"`, or `12 keys from "a" on`.
        what: String,
        /// Its keys and values.
        bytes: usize,
        /// The bound on all that the turn writes.
        bytes_max: u64,
    },
    /// A list has both a start and a key to start after.
    #[error("a list begins at a key or after one, not both")]
    BadRange,
    /// There is no storage outside a room.
    #[error("not in a room")]
    NotInARoom,
    /// The value has no form, or what is stored is of another type.
    #[error("key {key}: {error}")]
    Value {
        /// The key.
        key: String,
        /// The wanted type, and what is wrong.
        error: ValueError,
    },
}

/// As [`Display`](fmt::Display): what `unwrap` shows is for people, too, and the names of fields would be a tenth of a
/// small component.
impl fmt::Debug for StorageError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cold]
pub(super) fn of_value(key: &[u8], error: ValueError) -> StorageError {
    StorageError::Value { key: shown(key), error }
}

/// What the host was asked for: each key with the length of its value, 0 where none goes with it.
#[derive(Debug)]
pub(super) struct Asked<'a>(Vec<(&'a [u8], usize)>);

impl<'a> Asked<'a> {
    #[cold]
    pub(super) fn one(key: &'a [u8], value_bytes: usize) -> Self {
        Self(vec![(key, value_bytes)])
    }

    #[cold]
    pub(super) fn keys(keys: &[&'a [u8]]) -> Self {
        Self(keys.iter().map(|key| (*key, 0)).collect())
    }

    #[cold]
    pub(super) fn entries(entries: &[(&'a [u8], &[u8])]) -> Self {
        Self(entries.iter().map(|(key, value)| (*key, value.len())).collect())
    }

    /// The first key of which this holds: the one that was refused.
    fn find(&self, is_refused: impl Fn(&(&'a [u8], usize)) -> bool) -> (&'a [u8], usize) {
        self.0.iter().copied().find(is_refused).unwrap_or_default()
    }

    fn bytes(&self) -> usize {
        self.0.iter().map(|(key, value_bytes)| key.len() + value_bytes).sum()
    }

    fn what(&self) -> String {
        let first = self.0.first().map(|(key, _)| shown(key)).unwrap_or_default();
        match self.0.len() {
            1 => format!("key {first}"),
            count => format!("{count} keys from {first} on"),
        }
    }

    /// Why the host has refused it.
    #[cold]
    pub(super) fn refused(&self, error: host::StorageError) -> StorageError {
        match error {
            host::StorageError::KeyTooLarge(bytes_max) => {
                let (key, _) = self.find(|(key, _)| key.len() > bytes_max as usize);
                StorageError::KeyTooLarge { key: shown(key), bytes: key.len(), bytes_max }
            }
            host::StorageError::ValueTooLarge(bytes_max) => {
                let (key, bytes) = self.find(|(_, bytes)| *bytes > bytes_max as usize);
                StorageError::ValueTooLarge { key: shown(key), bytes, bytes_max }
            }
            host::StorageError::QuotaExceeded(bytes_max) => {
                StorageError::QuotaExceeded { what: self.what(), bytes: self.bytes(), bytes_max }
            }
            host::StorageError::TooMany(keys_max) => StorageError::TooMany { keys: self.0.len(), keys_max },
            host::StorageError::TurnFull(bytes_max) => {
                StorageError::TurnFull { what: self.what(), bytes: self.bytes(), bytes_max }
            }
            host::StorageError::BadRange => StorageError::BadRange,
            host::StorageError::NotInARoom => StorageError::NotInARoom,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Asked, host};

    #[test]
    fn a_refusal_names_the_key_that_crossed_the_bound() {
        let asked = Asked::entries(&[(b"a", b"1234"), (b"longer", b"12"), (b"b", b"123456")]);
        let told = |error| asked.refused(error).to_string();
        assert_eq!(
            told(host::StorageError::KeyTooLarge(4)),
            "key \"longer\" is 6 bytes; the limit is 4 (limits.key_bytes_max): take a shorter one"
        );
        assert_eq!(
            told(host::StorageError::ValueTooLarge(5)),
            "the value of key \"b\" is 6 bytes; the limit is 5 (limits.value_bytes_max): spread it over several keys"
        );
        assert_eq!(
            told(host::StorageError::QuotaExceeded(10)),
            "the storage of the room has no place for the 20 bytes of 3 keys from \"a\" on; the limit is 10 \
             (limits.storage_bytes_max): delete what is no longer needed"
        );
        assert_eq!(
            told(host::StorageError::TooMany(2)),
            "3 keys in one call; the limit is 2 (limits.keys_per_call_max): make several calls"
        );
    }

    #[test]
    fn one_key_is_named_as_one() {
        assert_eq!(
            Asked::one(b"a", 99).refused(host::StorageError::TurnFull(10)).to_string(),
            "the turn cannot write the 100 bytes of key \"a\" as well; the limit is 10 (limits.turn_write_bytes_max): \
             write the rest in a later turn, in a task after room.sleep"
        );
    }
}
