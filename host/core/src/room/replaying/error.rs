//! Why a room cannot be made again: the journal does not read, does not follow, or tells of something else than happens.

use thiserror::Error;

use crate::ids::CommitSeq;
use crate::journal::RecordError;

/// Why a room cannot be made again of what is kept of it.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ReplayError {
    /// A record cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A record is missing.
    #[error("record {found} follows {last}: one between them is missing")]
    Gap {
        /// The last that was taken.
        last: CommitSeq,
        /// The one that came.
        found: CommitSeq,
    },
    /// The journal begins with nothing, or with something in its midst.
    #[error("record {seq}: the journal does not begin where the room's life or its checkpoint does")]
    Beginning {
        /// Which record.
        seq: CommitSeq,
    },
    /// The guest, called again, did something else.
    #[error("replay diverged at commit {seq}, {event}: {difference}")]
    Diverged {
        /// The commit that carried the record.
        seq: CommitSeq,
        /// The export that was called.
        event: &'static str,
        /// What was different.
        difference: String,
    },
    /// A record speaks of something that the room does not have.
    #[error("record {seq} does not fit to the room as the records before leave it: {event}")]
    Unfit {
        /// Which record.
        seq: CommitSeq,
        /// What it is about.
        event: &'static str,
    },
}
