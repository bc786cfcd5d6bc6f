//! Ids of a room: which come next, and which are reserved, so that none ever means two things.
//!
//! An id can be remembered only by a commit, so a commit reserves many; whoever comes after this life begins above them.

use crate::commit::{IDS_LEFT_MIN, IDS_RESERVED_STEP};
use crate::ids::{EventId, IdBlock};
use crate::planted::{self, PlantedBug};
use crate::room::Room;

impl Room {
    /// The bound below which ids may have been given out, for the next commit. It moves in steps.
    pub(super) fn reserve_ids(&mut self) -> u64 {
        let (next, are_few) = (self.next_id(), self.ids_are_few());
        let state = self.home();
        if are_few && !planted::is(PlantedBug::IdsNotReserved) {
            state.ids_reserved = next + IDS_RESERVED_STEP;
        }
        state.ids_reserved
    }

    /// Whether a commit is due for no other reason than to reserve ids.
    pub(super) fn runs_out_of_ids(&mut self) -> bool {
        self.home().ids_are_bounded && self.ids_are_few()
    }

    /// Whether the room soon needs a commit for no other reason than to reserve ids, unless it is given others
    /// ([`Room::go_on_with_ids`]). Never a durable one, whose turns are commits anyway. Not while a turn is out.
    pub fn wants_ids(&mut self) -> bool {
        self.recording.is_none()
            && self.home().ids_are_bounded
            && self.next_id() + 2 * IDS_LEFT_MIN > self.home().ids_reserved
    }

    /// The room goes on with ids of another block, if there is one: nothing need be written for that, so it can be done while
    /// nothing can be written. Between two turns.
    pub fn go_on_with_ids(&mut self, ids: Option<IdBlock>) {
        self.take_ids(ids);
    }

    fn ids_are_few(&mut self) -> bool {
        self.next_id() + IDS_LEFT_MIN > self.home().ids_reserved
    }

    /// No id from here on has been given out.
    fn next_id(&mut self) -> u64 {
        let (next_connection, next_request) = (self.next_connection, self.next_request);
        let state = self.home();
        next_connection.max(next_request).max(state.next_operation).max(state.next_event)
    }

    /// The room goes on with ids of a block, if no life before can have had them; not if it is durable, whose turns are
    /// commits anyway. Whether it has: otherwise its first commit reserves some.
    pub(super) fn take_ids(&mut self, ids: Option<IdBlock>) -> bool {
        let next = self.next_id();
        let ids = ids.filter(|ids| ids.first() >= next && self.recording.is_none());
        let Some(ids) = ids else { return false };
        (self.next_connection, self.next_request) = (ids.first(), ids.first());
        let state = self.home();
        (state.next_operation, state.next_event) = (ids.first(), ids.first());
        state.ids_reserved = ids.end();
        true
    }

    pub(super) fn next_event_id(&mut self) -> EventId {
        let state = self.home();
        let id = EventId(state.next_event);
        state.next_event += 1;
        id
    }
}
