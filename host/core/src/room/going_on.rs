//! Going on: a room that was saved while it was awake goes on in another host as the one that it was, with the clients and
//! requests of then, as if nothing had happened.
//!
//! No host does that to what people use: sockets do not outlive their process. It is for whoever plays the past of a room
//! once more, from a checkpoint on. A checkpoint does not say which ids come next, because a room that is made again of one must
//! not give out the same; this one must.

use std::collections::BTreeSet;
use std::sync::Arc;

use thiserror::Error;

use crate::checkpoint::Checkpoint;
use crate::commit::RoomRecord;
use crate::ids::{ConnectionId, MOVED_ID_MAX, NextIds, RequestId};
use crate::room::sleeping::Memory;
use crate::room::{Room, RoomConfig};
use crate::session::Session;

/// Who is there, of those that a checkpoint knows, and what comes next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Here {
    /// The clients whose sockets are there. The others have gone without a word.
    pub clients: BTreeSet<ConnectionId>,
    /// The requests whose clients still wait.
    pub requests: BTreeSet<RequestId>,
    /// The ids that come next.
    pub next: NextIds,
}

/// Why a room cannot go on so.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum NotHere {
    /// Nobody of this session has a socket there.
    #[error("the room has no session {0} with a socket")]
    Client(ConnectionId),
    /// No such request waits.
    #[error("no request {0} of the room waits for an answer")]
    Request(RequestId),
    /// An id would be given out twice, or leaves none.
    #[error("the next {what} would have id {next}; it must be {min} to {MOVED_ID_MAX}")]
    Ids {
        /// Of what.
        what: &'static str,
        /// The id that was named.
        next: u64,
        /// The smallest that the checkpoint does not name.
        min: u64,
    },
}

impl Here {
    /// Whether a room can go on so from this checkpoint.
    pub fn check(&self, checkpoint: &Checkpoint) -> Result<(), NotHere> {
        let seated: BTreeSet<ConnectionId> = checkpoint.clients().map(|(id, _)| id).collect();
        if let Some(id) = self.clients.difference(&seated).next() {
            return Err(NotHere::Client(*id));
        }
        let waits =
            |id: &RequestId| checkpoint.requests.contains(id) || checkpoint.streams.answer_to(*id).is_some();
        if let Some(id) = self.requests.iter().find(|id| !waits(id)) {
            return Err(NotHere::Request(*id));
        }
        let (next, min) = (self.next, checkpoint.next_ids_min());
        for (what, next, min) in [
            ("connection", next.connection.0, min.connection.0),
            ("request", next.request.0, min.request.0),
            ("operation", next.operation.0, min.operation.0),
            ("event", next.event.0, min.event.0),
        ] {
            if next < min || next > MOVED_ID_MAX {
                return Err(NotHere::Ids { what, next, min });
            }
        }
        Ok(())
    }
}

impl Room {
    /// A room as its checkpoint says, asleep, whose clients and requests are still there. `record` is that of the commit
    /// which carries the checkpoint.
    ///
    /// # Panics
    ///
    /// If [`Here::check`] refuses it.
    pub fn going_on(
        config: Arc<RoomConfig>,
        record: RoomRecord,
        checkpoint: Checkpoint,
        here: &Here,
    ) -> Room {
        assert_eq!(here.check(&checkpoint), Ok(()), "whoever makes a room of it has checked it");
        let mut room = Room::new(config, Some(record));
        let NextIds { connection, request, operation, event } = here.next;
        (room.next_connection, room.next_request) = (connection.0, request.0);
        let state = room.home();
        (state.next_operation, state.next_event) = (operation.0, event.0);
        // Which ids come next stands in no checkpoint: the room must not be forgotten before its guest has had a turn.
        room.memory = Memory::Asleep { saved_at: checkpoint.seq, touched: true };
        room.store_has_memory = true;
        room.take_checkpoint(checkpoint);
        if let Some(recording) = &mut room.recording {
            recording.go_on();
        }
        room.say_who_is_gone(Some(here));
        room
    }

    /// What is kept of a connection. Unknown (`None`) while a turn is out.
    pub fn session(&self, connection: ConnectionId) -> Option<&Session> {
        Some(&**self.state.as_ref()?.sessions.get(&connection)?)
    }
}
