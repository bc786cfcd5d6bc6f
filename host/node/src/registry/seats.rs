//! Seats: sessions and requests of a room that goes on as it was (`transfer/going_on.rs`), until those come who have them.

use std::collections::VecDeque;

use party_core::ids::{ConnectionId, RequestId};
use party_core::room::Here;

use crate::registry::RoomEntry;

/// Seats that are free, those with the smallest ids first.
#[derive(Default)]
pub(super) struct Seats {
    clients: VecDeque<ConnectionId>,
    requests: VecDeque<RequestId>,
}

/// A session that somebody comes back to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Seat {
    pub(crate) id: ConnectionId,
    /// Its handshake was answered.
    pub(crate) is_upgraded: bool,
    /// What its client says is heard.
    pub(crate) is_read: bool,
}

impl RoomEntry {
    /// Whoever comes next takes one of these seats.
    pub(crate) fn keep_seats(&self, here: Here) {
        let (clients, requests) = (here.clients.into_iter().collect(), here.requests.into_iter().collect());
        *self.seats.borrow_mut() = Some(Box::new(Seats { clients, requests }));
    }

    /// The session of the client that comes now, if one waits for it.
    pub(crate) fn take_seat(&self) -> Option<Seat> {
        let id = self.seats.borrow_mut().as_mut()?.clients.pop_front()?;
        let core = self.core.borrow();
        let session = core.session(id)?;
        Some(Seat { id, is_upgraded: session.upgraded, is_read: session.connect_ended })
    }

    /// The id of the request that comes now, if one waits for it.
    pub(crate) fn take_request(&self) -> Option<RequestId> {
        self.seats.borrow_mut().as_mut()?.requests.pop_front()
    }
}
