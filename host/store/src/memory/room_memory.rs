//! What the memory engine keeps of one room's memory.

use bytes::Bytes;
use party_core::commit::{ComponentDigest, JournalRecord, MemoryChange, RoomRecord};
use party_core::ids::CommitSeq;

use crate::kept::{CheckpointSummary, JournalEntry, JournalSize, RoomSummary};
use crate::store::Refusal;

/// Checkpoint and journal of one component.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct RoomMemory {
    pub(super) component: ComponentDigest,
    pub(super) checkpoint: Option<(CommitSeq, Bytes)>,
    pub(super) journal: Vec<JournalEntry>,
}

impl RoomMemory {
    /// What a change makes of it. `checkpoint` is what the change puts, if it puts one.
    pub(super) fn after(
        before: Option<RoomMemory>,
        change: &MemoryChange,
        checkpoint: Option<Bytes>,
        seq: CommitSeq,
    ) -> Result<Option<RoomMemory>, Refusal> {
        match change {
            MemoryChange::Append(record) => RoomMemory::append(before, record, seq).map(Some),
            MemoryChange::Checkpoint(new) => {
                let (component, journal) = (new.component, Vec::new());
                Ok(Some(RoomMemory { component, checkpoint: checkpoint.map(|bytes| (seq, bytes)), journal }))
            }
            MemoryChange::Forget { then: None } | MemoryChange::Destroy => Ok(None),
            MemoryChange::Forget { then: Some(record) } => RoomMemory::append(None, record, seq).map(Some),
        }
    }

    fn append(
        before: Option<RoomMemory>,
        record: &JournalRecord,
        seq: CommitSeq,
    ) -> Result<RoomMemory, Refusal> {
        let found = record.component;
        let new = RoomMemory { component: found, checkpoint: None, journal: Vec::new() };
        let mut memory = before.unwrap_or(new);
        if memory.component != found {
            return Err(Refusal::OtherComponent { expected: memory.component, found });
        }
        memory.journal.push(JournalEntry { seq, bytes: record.bytes.clone() });
        Ok(memory)
    }

    /// A room of this record and memory in short.
    pub(super) fn summary(record: RoomRecord, memory: Option<&RoomMemory>) -> RoomSummary {
        let Some(memory) = memory else { return RoomSummary { record, ..RoomSummary::default() } };
        let checkpoint = memory.checkpoint.as_ref();
        RoomSummary {
            record,
            component: Some(memory.component),
            checkpoint: checkpoint
                .map(|(seq, bytes)| CheckpointSummary { seq: *seq, bytes: bytes.len() as u64 }),
            journal: JournalSize {
                records: memory.journal.len() as u64,
                bytes: memory.journal.iter().map(|entry| entry.bytes.len() as u64).sum(),
            },
        }
    }
}
