//! What is left of a room's memory, sound or not: for whoever gives that memory up, and puts it aside as it is before.
//!
//! [`crate::store::Store`] reads a checkpoint or a journal whole or says that it is damaged. Here every part comes with
//! what is wrong with it, so that nothing has to be thrown away to go on.

use bytes::Bytes;
use party_core::commit::ComponentDigest;
use party_core::ids::CommitSeq;

/// All that is kept of a room's memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Leftovers {
    /// The component that it belongs to.
    pub component: ComponentDigest,
    /// The commit after which the journal begins: the checkpoint's, if there is one.
    pub since: CommitSeq,
    /// Its checkpoint, if it has one.
    pub checkpoint: Option<Left>,
    /// What is found of its journal, in order of time. Of a damaged record it may not be certain whose it is: then it is
    /// here without a number.
    pub records: Vec<LeftRecord>,
    /// How many records the journal should have.
    pub records_expected: u64,
}

/// Bytes as they are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Left {
    /// All of them that can be found.
    pub bytes: Bytes,
    /// What the store finds wrong with them.
    pub problem: Option<String>,
}

/// A record of a journal as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeftRecord {
    /// The commit that carried it, as it says; `None` if that is not certain.
    pub seq: Option<CommitSeq>,
    /// The record.
    pub left: Left,
}
