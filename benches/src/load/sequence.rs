//! Whether the messages of one sender reach one receiver each exactly once and in order.
//!
//! A receiver knows the next number it expects. A higher one leaves a gap: those between are missing, until they
//! come late (reordered) or the run ends (lost). A lower one that is not missing is a duplicate. What must hold:
//! every message of a sender ends up in exactly one of in order, reordered or lost, whatever the server does, and
//! the memory for it is bounded.

use std::collections::BTreeSet;

/// Most missing numbers remembered for one pair of sender and receiver; past it, late messages count as duplicates.
const MISSING_MAX: usize = 65_536;

/// What one message turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The next one, or one behind a gap.
    InOrder,
    /// One that had been missing: it came after a later one.
    Reordered,
    /// One that had come already.
    Duplicate,
}

/// What one receiver has had of one sender.
#[derive(Clone, Debug, Default)]
pub struct Sequence {
    expected: u64,
    received: u64,
    missing: BTreeSet<u64>,
}

impl Sequence {
    /// Takes note of message `number`.
    pub fn arrived(&mut self, number: u64) -> Arrival {
        if number >= self.expected {
            let room = MISSING_MAX - self.missing.len();
            self.missing.extend((self.expected..number).take(room));
            self.expected = number + 1;
            self.received += 1;
            Arrival::InOrder
        } else if !self.missing.is_empty() && self.missing.remove(&number) {
            self.received += 1;
            Arrival::Reordered
        } else {
            Arrival::Duplicate
        }
    }

    /// Messages that came at least once.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Messages that never came, of `sent` that the sender sent.
    pub fn lost(&self, sent: u64) -> u64 {
        sent - self.received
    }
}

#[cfg(test)]
mod tests {
    use super::{Arrival, MISSING_MAX, Sequence};

    /// Feeds the numbers and counts (reordered, duplicates, lost of `sent`).
    fn check(numbers: &[u64], sent: u64, expected: (usize, usize, u64)) {
        let mut sequence = Sequence::default();
        let arrivals: Vec<Arrival> = numbers.iter().map(|number| sequence.arrived(*number)).collect();
        let count = |kind| arrivals.iter().filter(|arrival| **arrival == kind).count();
        let found = (count(Arrival::Reordered), count(Arrival::Duplicate), sequence.lost(sent));
        assert_eq!(found, expected, "{numbers:?} of {sent}");
    }

    #[test]
    fn each_fault_is_told_from_the_others() {
        check(&[0, 1, 2, 3], 4, (0, 0, 0));
        check(&[0, 1, 2], 4, (0, 0, 1));
        check(&[0, 2, 3], 4, (0, 0, 1));
        check(&[1, 3], 4, (0, 0, 2));
        check(&[0, 1, 1, 2, 3], 4, (0, 1, 0));
        check(&[0, 2, 1, 3], 4, (1, 0, 0));
        check(&[3, 2, 1, 0], 4, (3, 0, 0));
        check(&[0, 2, 1, 1, 2], 4, (1, 2, 1));
        check(&[], 4, (0, 0, 4));
    }

    #[test]
    fn a_great_gap_is_counted_without_being_remembered() {
        let great = 10 * MISSING_MAX as u64;
        check(&[0, great], great + 1, (0, 0, great - 1));
    }
}
