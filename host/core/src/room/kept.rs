//! The room as it is kept: what a checkpoint says of it, and whether the last one says all.

use crate::call::Calls;
use crate::checkpoint::Checkpoint;
use crate::commit::ComponentDigest;
use crate::room::{Phase, Room};

impl Room {
    /// The room as a checkpoint that the next commit could carry, with this image.
    pub fn as_checkpoint(&mut self, image: bytes::Bytes) -> Checkpoint {
        let (is_starting, seq) = (self.phase == Phase::Starting, self.gate.next_seq());
        let component = self.config.durable.unwrap_or(ComponentDigest([0; 32]));
        let last_now = self.home().last_now;
        let calls = match self.config.durable {
            Some(_) => self.calls.kept(last_now),
            None => Calls::default(),
        };
        let state = self.home();
        Checkpoint {
            component,
            seq,
            incarnation: state.incarnation,
            image,
            resumes: None,
            is_starting,
            last_now: state.last_now,
            sessions: state.sessions.clone(),
            requests: state.requests.clone(),
            streams: state.streams.clone(),
            calls,
            operations: state.operations.all().map(|(id, operation)| (id, operation.clone())).collect(),
            pending: state.pending.sleeping(),
            alarm: state.alarm.clone(),
            holds: state.holds,
            hold_until: state.hold_until,
            auto_response: state.auto_response.clone(),
        }
    }

    /// Whether the room's memory is as its last checkpoint says, whose commit may be under way: it has had no turn since, and its
    /// storage has not moved. Not while a turn is out.
    pub fn is_as_in_its_checkpoint(&self) -> bool {
        self.state
            .as_ref()
            .zip(self.kept)
            .is_some_and(|(state, (seq, next_event))| state.next_event == next_event && state.moved_at <= seq)
    }

    /// Whether the store has the room's memory as it now is, and needs no other checkpoint. Not while a turn is out.
    pub fn is_kept(&self) -> bool {
        self.gate.uncommitted() == 0 && self.is_as_in_its_checkpoint()
    }
}
