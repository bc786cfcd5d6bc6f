//! What a room is between two turns, and what a turn has of it.

use std::collections::BTreeSet;

use crate::alarm::AlarmClock;
use crate::auto_response::AutoResponse;
use crate::commit::{Alarm, RoomRecord};
use crate::ids::{CommitSeq, Incarnation, RequestId, Timestamp};
use crate::operation::Operations;
use crate::room::PendingEvents;
use crate::session::Sessions;
use crate::storage::Overlay;
use crate::stream::Streams;

/// What changes only by turns, and is with the turn while the guest runs.
pub(crate) struct RoomState {
    pub(crate) incarnation: Incarnation,
    pub(crate) sessions: Sessions,
    pub(crate) requests: BTreeSet<RequestId>,
    /// Those of them whose answer is kept, so that it must be whole: calls of durable rooms.
    pub(crate) answered_whole: BTreeSet<RequestId>,
    pub(crate) streams: Streams,
    pub(crate) operations: Operations,
    pub(crate) next_operation: u64,
    pub(crate) next_event: u64,
    pub(crate) pending: PendingEvents,
    pub(crate) alarm: AlarmClock,
    pub(crate) holds: u32,
    pub(crate) hold_until: Timestamp,
    pub(crate) auto_response: Option<AutoResponse>,
    pub(crate) overlay: Overlay,
    pub(crate) storage_bytes: u64,
    pub(crate) ids_reserved: u64,
    /// It was made again of a checkpoint, so that ids must not go beyond those reserved: another life may do the same.
    pub(crate) ids_are_bounded: bool,
    /// The last commit that changed keys, values or the alarm, and the alarm as it left it.
    pub(crate) moved_at: CommitSeq,
    pub(crate) alarm_committed: Option<Alarm>,
    /// When the memory that is kept, if it is of use, has something to do.
    pub(crate) memory_due: Option<Timestamp>,
    /// The time of the last turn: the next one's is not earlier.
    pub(crate) last_now: Timestamp,
}

impl RoomState {
    /// Of a room that nothing is known of but what the store says.
    pub(super) fn new(record: &RoomRecord, overlay: Overlay) -> RoomState {
        let first_id = record.ids_reserved.max(1);
        RoomState {
            incarnation: Incarnation(0),
            sessions: Sessions::new(),
            requests: BTreeSet::new(),
            answered_whole: BTreeSet::new(),
            streams: Streams::default(),
            operations: Operations::default(),
            next_operation: first_id,
            next_event: first_id,
            pending: PendingEvents::default(),
            alarm: AlarmClock::new(record.alarm),
            holds: 0,
            hold_until: Timestamp::NEVER,
            auto_response: None,
            overlay,
            storage_bytes: record.storage_bytes,
            ids_reserved: record.ids_reserved,
            ids_are_bounded: false,
            moved_at: record.moved_at,
            alarm_committed: record.alarm,
            memory_due: None,
            last_now: Timestamp(0),
        }
    }

    /// Nobody waits for the answer to this request any more. Whether somebody did.
    pub(super) fn forget_request(&mut self, request: RequestId) -> bool {
        self.answered_whole.remove(&request);
        self.requests.remove(&request)
    }

    /// Requests whose clients wait for an answer, or for the rest of one.
    pub(super) fn requests_open(&self) -> usize {
        self.requests.len() + self.streams.answers()
    }
}
