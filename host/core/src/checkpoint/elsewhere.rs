//! A checkpoint that goes on somewhere else: as a copy of its room, or out of a file.
//!
//! The memory stays as it is, and so does what it knows of the world, because it has to be told what has become of that:
//! first `on-resume`, then a close for every session and an end for every operation. Nothing of it is believed that
//! could do harm outside of the guest: ids are bounded, so that a new one is never one of the old.

use thiserror::Error;

use crate::call::Calls;
use crate::checkpoint::Checkpoint;
use crate::commit::Alarm;
use crate::event::ResumeReason;
use crate::ids::{
    CommitSeq, ConnectionId, EventId, ID_MAX, Incarnation, MOVED_ID_MAX, NextIds, OperationId, RequestId,
    Timestamp,
};

/// Why a checkpoint cannot go on anywhere.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum UnfitToMove {
    /// An id is too large for a room that is to go on.
    #[error("an id of the checkpoint is {id}; the limit is {MOVED_ID_MAX}")]
    Id {
        /// The largest.
        id: u64,
    },
    /// Its time is beyond what a guest can count.
    #[error("the checkpoint's time is {at}; the limit is {ID_MAX}")]
    Time {
        /// In milliseconds since 1970.
        at: u64,
    },
}

impl Checkpoint {
    /// What it is as another room, or the same one elsewhere: a new life, carried by another commit, that is told why it
    /// finds itself there before anything else.
    pub fn elsewhere(
        self,
        reason: ResumeReason,
        incarnation: Incarnation,
        seq: CommitSeq,
    ) -> Result<Checkpoint, UnfitToMove> {
        Ok(Checkpoint { incarnation, resumes: Some(reason), ..self.as_it_is(seq)?.without_calls() })
    }

    /// Without what it knows of the calls of durable rooms: those were calls of another room.
    pub fn without_calls(self) -> Checkpoint {
        Checkpoint { calls: Calls::default(), ..self }
    }

    /// The same room, carried by another commit, as if nothing had happened to it.
    pub fn as_it_is(self, seq: CommitSeq) -> Result<Checkpoint, UnfitToMove> {
        let id = self.ids_end();
        if id > MOVED_ID_MAX {
            return Err(UnfitToMove::Id { id });
        }
        if self.last_now.0 > ID_MAX {
            return Err(UnfitToMove::Time { at: self.last_now.0 });
        }
        Ok(Checkpoint { seq, ..self })
    }

    /// One more than the largest id that it names.
    pub fn ids_end(&self) -> u64 {
        let operations = self.operations.iter().map(|(id, _)| id.0);
        let events = self.pending.iter().map(|event| event.id.0);
        let requests = self.requests.iter().map(|id| id.0);
        let connections = self.sessions.keys().map(|id| id.0);
        let streams = self.streams.all().map(|(id, _)| id.0);
        let answered = self.streams.answered().map(|id| id.0);
        let requests = requests.chain(answered);
        let largest = operations.chain(streams).chain(events).chain(requests).chain(connections).max();
        largest.map_or(0, |id| id + 1)
    }

    /// The smallest ids that could come next: one more than the largest of each kind that it names.
    pub fn next_ids_min(&self) -> NextIds {
        let after = |largest: Option<u64>| largest.map_or(1, |id| id.saturating_add(1));
        let operations = self.operations.iter().map(|(id, _)| id.0);
        let streams = self.streams.all().map(|(id, _)| id.0);
        NextIds {
            connection: ConnectionId(after(self.sessions.keys().map(|id| id.0).max())),
            request: RequestId(after(
                self.requests.iter().copied().chain(self.streams.answered()).map(|id| id.0).max(),
            )),
            operation: OperationId(after(operations.chain(streams).max())),
            event: EventId(after(self.pending.iter().map(|event| event.id.0).max())),
        }
    }

    /// The alarm that is set, or rings: what the record of its room says too.
    pub fn alarm(&self) -> Option<Alarm> {
        self.alarm.record()
    }

    /// Operations that are open.
    pub fn operations(&self) -> usize {
        self.operations.len()
    }

    /// Requests without an answer.
    pub fn requests(&self) -> usize {
        self.requests.len()
    }

    /// Streams that have not ended.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Events that have not settled.
    pub fn pending_events(&self) -> usize {
        self.pending.len()
    }

    /// The room's own time: that of its last turn, or later.
    pub fn last_now(&self) -> Timestamp {
        self.last_now
    }
}
