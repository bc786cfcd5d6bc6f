//! Whether what is to be written comes forward: a device that is slow is waited for, one that hangs or refuses is not for ever.

use std::cell::Cell;

use party_store::store::Written;

use crate::clock::Ticks;

/// What a store had written when that was last looked at, and when it had come forward last.
#[derive(Debug)]
pub(crate) struct Progress {
    seen: Cell<Written>,
    at: Cell<Ticks>,
}

impl Progress {
    /// It begins now.
    pub(crate) fn new(now: Ticks, written: Written) -> Progress {
        Progress { seen: Cell::new(written), at: Cell::new(now) }
    }

    /// Looks once more. What a system takes while it fails to make anything durable is none: only the next transaction that is
    /// durable shows that the device takes anything again.
    pub(crate) fn look(&self, now: Ticks, written: Written) {
        let seen = self.seen.get();
        let is_durable = written.transactions > seen.transactions;
        if is_durable || (written.bytes > seen.bytes && written.failed == 0) {
            self.seen.set(written);
            self.at.set(now);
        }
    }

    /// When something had been written last, as far as that was looked at.
    pub(crate) fn at(&self) -> Ticks {
        self.at.get()
    }
}

#[cfg(test)]
mod tests {
    use party_store::store::Written;

    use super::Progress;
    use crate::clock::Ticks;

    #[test]
    fn bytes_are_progress_until_a_transaction_fails_and_then_only_one_that_is_durable() {
        let progress = Progress::new(Ticks(5), Written::default());
        for (now, (bytes, transactions, failed), expected) in [
            (10, (0, 0, 0), 5),
            (20, (4_096, 0, 0), 20),
            (30, (4_096, 0, 0), 20),
            (40, (8_192, 0, 1), 20),
            (50, (12_288, 0, 2), 20),
            (60, (12_288, 1, 0), 60),
            (70, (16_384, 1, 0), 70),
            (80, (20_480, 2, 1), 80),
            (90, (24_576, 2, 1), 80),
        ] {
            progress.look(Ticks(now), Written { bytes, transactions, failed });
            assert_eq!(progress.at(), Ticks(expected), "at {now}");
        }
    }
}
