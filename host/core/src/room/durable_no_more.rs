//! Rooms whose party asks for less than it did when their memory was kept (`memory` in `party.toml`).
//!
//! A room that was durable may have left a journal, and all that anyone was told of its last turns stands in that alone. If
//! its memory is to be kept still, it is made again as a durable room is, and is one until the first checkpoint that takes
//! its place: the commit that carries it brings the tables up to date, ends the journal, and from then on nothing is recorded
//! ([`Room::durable_until_saved`]). Until that commit is durable the journal is there, so a crash at any moment loses nothing.
//!
//! If its memory is not to be kept, what is kept of it goes with the room's first commit, before anything of its new life is
//! seen ([`Room::forgetting`]): nobody is to meet it again who changes the setting back.

use std::sync::Arc;

use crate::commit::{KvChanges, RoomRecord};
use crate::planted::{self, PlantedBug};
use crate::room::{Room, RoomConfig};

impl Room {
    /// The party does not ask for durable rooms any more. This one is durable until its next checkpoint, or until its life
    /// ends.
    ///
    /// # Panics
    ///
    /// If it is not durable.
    pub fn durable_until_saved(&mut self) {
        let recording = self.recording.as_mut().expect("only a durable room has something to end");
        recording.is_the_last = true;
        if planted::is(PlantedBug::JournalGivenUpEarly) {
            self.stop_recording_if_it_is_the_last();
        }
    }

    /// A room whose memory was kept and is not to be used, now or later. Its first commit, which it makes at once, gives that
    /// up; `writes` are what a journal wrote, which no table has yet, and come to the tables with it.
    pub fn forgetting(config: Arc<RoomConfig>, record: RoomRecord, writes: KvChanges) -> Room {
        let mut room = Room::lost(config, record);
        room.home().overlay.hold_back(writes);
        room.commit(KvChanges::default(), None);
        room
    }

    /// The commit that is about to be made takes the place of the journal.
    pub(super) fn stop_recording_if_it_is_the_last(&mut self) {
        if !self.recording.as_ref().is_some_and(|recording| recording.is_the_last) {
            return;
        }
        self.recording = None;
        self.config = not_durable(&self.config);
        let state = self.home();
        state.overlay.hold_back_no_more();
        // Not every turn is a commit now.
        state.ids_are_bounded = true;
    }
}

/// The same configuration for a room of which nothing is recorded.
pub(super) fn not_durable(config: &Arc<RoomConfig>) -> Arc<RoomConfig> {
    if config.durable.is_none() {
        return Arc::clone(config);
    }
    let RoomConfig { address, limits, handlers, vars, storage, duplicate_keys, profile, durable: _ } =
        &**config;
    Arc::new(RoomConfig {
        address: Arc::clone(address),
        limits: Arc::clone(limits),
        handlers: *handlers,
        vars: Arc::clone(vars),
        storage: Arc::clone(storage),
        duplicate_keys: *duplicate_keys,
        profile: *profile,
        durable: None,
    })
}
