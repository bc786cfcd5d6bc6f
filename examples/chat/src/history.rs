//! What was said, in storage and, for those who come later, in memory: the last hundred.

use std::collections::VecDeque;

use party::{Result, Room};

use crate::protocol::Said;

/// How much is kept.
const SAID_MAX: usize = 100;

/// Entry `n` of all that was ever said has the key `said/` and `n` in hex, so that keys are in its order.
const PREFIX: &str = "said/";

#[derive(Default)]
pub(crate) struct History {
    said: VecDeque<Said>,
    /// The number of the next entry.
    next: u64,
}

impl History {
    pub(crate) fn load(room: &Room) -> Result<Self> {
        let mut history = Self::default();
        for entry in room.storage().list(PREFIX).entries()? {
            history.next = number(&entry.key) + 1;
            history.said.push_back(entry.value);
        }
        Ok(history)
    }

    /// The oldest first.
    pub(crate) fn all(&self) -> &VecDeque<Said> {
        &self.said
    }

    /// Keep one more, and forget the oldest beyond the hundred.
    pub(crate) fn add(&mut self, room: &Room, said: Said) -> Result<()> {
        room.storage().put(key(self.next), &said)?;
        self.next += 1;
        self.said.push_back(said);
        while self.said.len() > SAID_MAX {
            room.storage().delete(key(self.next - self.said.len() as u64))?;
            self.said.pop_front();
        }
        Ok(())
    }
}

fn key(number: u64) -> String {
    format!("{PREFIX}{number:016x}")
}

fn number(key: &[u8]) -> u64 {
    let digits = key.get(PREFIX.len()..).and_then(|digits| str::from_utf8(digits).ok());
    digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{key, number};

    #[test]
    fn a_key_tells_its_number_and_keys_are_in_order() {
        for n in [0, 9, 10, 255, u64::MAX] {
            assert_eq!(number(key(n).as_bytes()), n);
        }
        assert!(key(9) < key(10) && key(15) < key(16));
    }
}
