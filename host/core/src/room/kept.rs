//! The room as it is kept: what a checkpoint says of it, and whether the last one says all.

use crate::checkpoint::Checkpoint;
use crate::commit::ComponentDigest;
use crate::room::{Phase, Room};

impl Room {
    /// The room as a checkpoint that the next commit could carry, with this image.
    pub fn as_checkpoint(&mut self, image: bytes::Bytes) -> Checkpoint {
        let (is_starting, seq) = (self.phase == Phase::Starting, self.gate.next_seq());
        let component = self.config.durable.unwrap_or(ComponentDigest([0; 32]));
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
            operations: state.operations.all().collect(),
            pending: state.pending.sleeping(),
            alarm: state.alarm.clone(),
            holds: state.holds,
            hold_until: state.hold_until,
            auto_response: state.auto_response.clone(),
        }
    }

    /// Whether the store has the room's memory as it now is: it has had no turn since its last checkpoint, and that is durable.
    /// Not while a turn is out.
    pub fn is_kept(&self) -> bool {
        let state = self.state.as_ref();
        self.gate.uncommitted() == 0
            && state.zip(self.kept).is_some_and(|(state, (seq, next_event))| {
                state.next_event == next_event && state.moved_at <= seq
            })
    }
}
