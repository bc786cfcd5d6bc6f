//! Ids are never used twice: not within a life, and not by a later one if a commit can remember them.

use party_core::ids::CommitSeq;

/// Ids that the room gives out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Connection,
    Request,
    Event,
    Operation,
}

/// The highest id of each kind.
type Highest = [u64; 4];

/// What has been given out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ids {
    highest: Highest,
    /// What had been given out when each commit was taken.
    remembered: Vec<(CommitSeq, Highest)>,
}

impl Ids {
    /// An id was given out: it is new.
    pub(crate) fn give(&mut self, kind: Kind, id: u64) {
        let highest = &mut self.highest[kind as usize];
        assert!(id > *highest, "{kind:?} {id} was given out after {highest}");
        *highest = id;
    }

    /// A commit was taken: from now on it may hold every id so far, so it reserves them.
    pub(crate) fn remember(&mut self, seq: CommitSeq, reserved: u64) {
        for highest in self.highest {
            assert!(
                highest < reserved,
                "commit {seq} reserves ids below {reserved}; {highest} was given out"
            );
        }
        self.remembered.push((seq, self.highest));
    }

    /// Another life begins from this commit. What later ones held has never been.
    pub(crate) fn restart(&mut self, durable: CommitSeq) {
        self.remembered.retain(|(seq, _)| *seq <= durable);
        self.highest = self.remembered.last().map_or(Highest::default(), |(_, highest)| *highest);
    }
}
