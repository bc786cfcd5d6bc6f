//! Rooms that are opened: who asks for one that is not here finds it as the store knows it.

use std::rc::Rc;
use std::sync::Arc;

use party_core::address::RoomAddress;
use party_core::checkpoint::Checkpoint;
use party_core::commit::ComponentDigest;
use party_core::room::{Here, Room, RoomConfig};
use party_core::storage::RoomStorage;
use party_store::kept::RoomSummary;

use crate::hibernation::{self, digest_of};
use crate::node::Unavailable;
use crate::party::{Memory, Party};
use crate::registry::RoomEntry;
use crate::room_task;
use crate::timers::RoomNumber;
use crate::worker::Worker;

impl Worker {
    /// The room at an address. It has a place before its next turn, or waits for one.
    pub(crate) fn open(self: &Rc<Worker>, address: &RoomAddress) -> Result<Rc<RoomEntry>, Unavailable> {
        if let Some(entry) = self.rooms.by_address(address) {
            return Ok(entry);
        }
        if self.ending.get() {
            return Err(Unavailable::Ending);
        }
        if self.arriving.borrow().contains(address) {
            return Err(Unavailable::Arriving);
        }
        let party = self.node.party_of(address).ok_or(Unavailable::NoSuchParty)?;
        let store = self.node.store();
        let summary = store.summary(address)?;
        let new = match self.node.rooms_count() {
            Some(rooms) if summary.is_none() => Some(rooms.take()?),
            Some(_) | None => None,
        };
        let address = Arc::new(address.clone());
        let storage = store.storage(&address);
        // With the component that its turns are recorded on, if it is durable.
        let config = |durable| config(&party, &address, &storage, durable);
        let (core, memory_of) = match summary {
            Some(summary) => hibernation::known_room(self, &party, &config, summary)?,
            None => (Room::new(config(hibernation::recorded_on(&party)), None), None),
        };
        let entry = self.take_up(party, core, summary, memory_of);
        entry.new.replace(new);
        Ok(entry)
    }

    /// Opens a room that has just been brought here and goes on as the one that it was, with those who are here.
    pub(crate) fn go_on(
        self: &Rc<Worker>,
        address: &Arc<RoomAddress>,
        checkpoint: Checkpoint,
        here: Here,
    ) -> Result<(), Unavailable> {
        if self.ending.get() {
            return Err(Unavailable::Ending);
        }
        let party = self.node.party_of(address).ok_or(Unavailable::NoSuchParty)?;
        let store = self.node.store();
        let summary = store.summary(address)?.unwrap_or_default();
        let of_memory = checkpoint.component;
        let durable = (party.memory == Memory::Durable).then_some(of_memory);
        let config = config(&party, address, &store.storage(address), durable);
        let core = Room::going_on(config, summary.record, checkpoint, &here);
        let memory_of = (of_memory != digest_of(&party.component)).then_some(of_memory);
        let entry = self.take_up(party, core, Some(summary), memory_of);
        entry.keep_seats(here);
        Ok(())
    }

    /// Takes up a room whose task begins at once.
    pub(crate) fn take_up(
        self: &Rc<Worker>,
        party: Arc<Party>,
        core: Room,
        summary: Option<RoomSummary>,
        memory_of: Option<ComponentDigest>,
    ) -> Rc<RoomEntry> {
        let number = RoomNumber(self.next_room.get());
        self.next_room.set(number.0 + 1);
        let entry = Rc::new(RoomEntry::new(number, party, core, self.now()));
        let kept_bytes = summary.and_then(|summary| summary.checkpoint).map_or(0, |kept| kept.bytes);
        entry.kept_bytes.set(kept_bytes);
        entry.upgrade.set_memory_of(memory_of);
        self.rooms.insert(&entry);
        let task = room_task::run(Rc::clone(self), Rc::clone(&entry));
        tokio::task::spawn_local(Rc::clone(self).carry_room(Rc::clone(&entry), task));
        entry
    }
}

/// What does not change in the life of a room of this party.
pub(crate) fn config(
    party: &Party,
    address: &Arc<RoomAddress>,
    storage: &Arc<dyn RoomStorage>,
    durable: Option<ComponentDigest>,
) -> Arc<RoomConfig> {
    Arc::new(RoomConfig {
        address: Arc::clone(address),
        limits: Arc::clone(&party.limits),
        handlers: party.handlers,
        vars: Arc::clone(&party.vars),
        storage: Arc::clone(storage),
        duplicate_keys: party.duplicate_keys,
        profile: party.profile,
        durable,
    })
}
