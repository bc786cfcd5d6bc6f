//! Sockets outside of rooms: each has an unnamed room of its own, on the thread of whoever brings it.
//!
//! What an unnamed room is and when it is over is decided in core (`core/room/unnamed.rs`); it is carried as every other. It has
//! an instance for as long as its client is there, because it never sleeps, and a place as every room that is awake. So there may
//! be only so many that the rooms have places too.

use std::rc::Rc;
use std::sync::Arc;

use party_core::address::RoomAddress;
use party_core::event::{Handlers, NewConnection};
use party_core::lobby::NoStorage;
use party_core::room::Room;
use party_core::storage::RoomStorage;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::connection::{Connect, Ticket, knock};
use crate::node::{Node, Unavailable};
use crate::party::{Memory, Party};
use crate::registry::RoomEntry;
use crate::timers::RoomNumber;
use crate::visits::decided;
use crate::worker::Worker;
use crate::worker::opening::config;

/// Sockets outside of rooms that there may be at once: of the rooms that may be awake, one of so many.
pub const OUTSIDE_PART: usize = 2;

/// The places of sockets outside of rooms.
pub(crate) struct Outside {
    places: Arc<Semaphore>,
    max: usize,
}

impl Outside {
    /// Of a host on which so many rooms may be awake.
    pub(crate) fn new(rooms_awake_max: usize) -> Outside {
        let max = (rooms_awake_max / OUTSIDE_PART).max(1);
        Outside { places: Arc::new(Semaphore::new(max)), max }
    }

    fn take(&self) -> Result<OwnedSemaphorePermit, Unavailable> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        place.map_err(|_| Unavailable::TooManyOutside { max: self.max })
    }
}

impl Node {
    /// Brings a client that leads to no room to a party that takes such (`lobby.on-socket`), and waits for what is decided.
    ///
    /// # Panics
    ///
    /// Elsewhere than on a worker's thread.
    pub async fn connect_outside(
        &self,
        party: &Arc<Party>,
        new: NewConnection,
    ) -> Result<Connect, Unavailable> {
        let worker = Worker::current().expect("the edge runs on workers");
        let place = self.outside().take()?;
        let entry = worker.open_unnamed(party, place)?;
        let (id, decision) = knock(&entry, new)?;
        let ticket = Ticket::new(self.clone(), worker.index(), entry.number, id);
        decided(ticket, decision).await
    }
}

impl Worker {
    /// Opens a room that nobody can name, for one socket.
    fn open_unnamed(
        self: &Rc<Worker>,
        party: &Party,
        place: OwnedSemaphorePermit,
    ) -> Result<Rc<RoomEntry>, Unavailable> {
        if self.is_ending() {
            return Err(Unavailable::Ending);
        }
        let RoomNumber(next) = self.next_room_number();
        // As many of them as there are workers have the same, and it is for the log.
        let number = next * self.node().workers() as u64 + self.index().0 as u64;
        let address = RoomAddress::unnamed(&party.project.name, &party.name, number);
        let address = Arc::new(address.expect("the party is served under these names"));
        let party = Arc::new(party.of_a_socket());
        let storage: Arc<dyn RoomStorage> = Arc::new(NoStorage);
        let core = Room::new(config(&party, &address, &storage, None), None);
        let entry = self.take_up(party, core, None, None);
        entry.outside.replace(Some(place));
        Ok(entry)
    }
}

impl Party {
    /// The same party as an unnamed room has it: nothing of that is ever kept, and it hears of one socket.
    fn of_a_socket(&self) -> Party {
        Party {
            project: Arc::clone(&self.project),
            name: self.name.clone(),
            component: self.component.clone(),
            component_bytes: Arc::clone(&self.component_bytes),
            memory: Memory::Volatile,
            duplicate_keys: Default::default(),
            profile: self.profile,
            handlers: Handlers::of_a_socket(self.handlers),
            limits: Arc::clone(&self.limits),
            vars: Arc::clone(&self.vars),
        }
    }
}
