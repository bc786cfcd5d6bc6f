//! How many rooms there are, where that is bounded.
//!
//! A room exists when it is in the store, or open and on its way there. Whoever asks for random rooms opens them; those of which
//! nothing comes into the store count only while they are open. Counted is in memory, from one look through the store at the
//! start, because the store would have to look at each room to know how many there are.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use party_core::storage::StorageReadError;
use party_store::store::{ROOMS_PAGE_MAX, RoomsQuery, RoomsScope, Store};

use crate::node::Unavailable;

/// The rooms that exist, counted over all workers.
#[derive(Debug)]
pub(crate) struct RoomsCount {
    rooms: AtomicU64,
    max: u64,
    /// It was said that there can be no more.
    is_told: AtomicBool,
}

/// A room's place among those that exist. Dropped, it is free again; [`NewRoom::stays`] leaves it to the room in the store.
#[derive(Debug)]
pub(crate) struct NewRoom(Arc<RoomsCount>);

impl RoomsCount {
    /// Counts what a store holds; `None` where there is no bound.
    pub(crate) fn of(
        store: &dyn Store,
        max: Option<u64>,
    ) -> Result<Option<Arc<RoomsCount>>, StorageReadError> {
        let Some(max) = max else { return Ok(None) };
        let (mut rooms, mut after) = (0, None);
        loop {
            let query =
                RoomsQuery { scope: RoomsScope::Everything, after: after.as_ref(), limit: ROOMS_PAGE_MAX };
            let page = store.rooms(&query)?;
            rooms += page.len() as u64;
            match page.into_iter().next_back() {
                Some((last, _)) => after = Some(last),
                None => break,
            }
        }
        Ok(Some(Arc::new(RoomsCount { rooms: AtomicU64::new(rooms), max, is_told: AtomicBool::new(false) })))
    }

    /// A place for one more, if there is one.
    pub(crate) fn take(self: &Arc<RoomsCount>) -> Result<NewRoom, Unavailable> {
        let fits = |rooms: u64| (rooms < self.max).then_some(rooms + 1);
        match self.rooms.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits) {
            Ok(_) => Ok(NewRoom(Arc::clone(self))),
            Err(rooms) => {
                // Once: whoever draws names draws many.
                if !self.is_told.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        "there are {rooms} rooms, and edge.rooms_max is {}: nobody is let into a new one",
                        self.max
                    );
                }
                Err(Unavailable::TooManyRooms { rooms_max: self.max })
            }
        }
    }

    /// One more is in the store, whatever the bound: somebody who looks after the host has brought it.
    pub(crate) fn brought(&self) {
        self.rooms.fetch_add(1, Ordering::Relaxed);
    }

    /// One that was in the store has been destroyed.
    pub(crate) fn destroyed(&self) {
        self.rooms.fetch_sub(1, Ordering::Relaxed);
    }
}

impl NewRoom {
    /// It is in the store now.
    pub(crate) fn stays(self) {
        self.0.rooms.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for NewRoom {
    fn drop(&mut self) {
        self.0.rooms.fetch_sub(1, Ordering::Relaxed);
    }
}
