//! Two versions of the guest in one turn: the old one says what it is, the new one takes that in. Both may do all that
//! they can do elsewhere, and either may fail.

use bytes::Bytes;
use party_core::commit::ComponentDigest;
use party_core::ids::RequestId;
use party_core::turn::Turn;

use crate::guest::{Entries, Guest, Mood, guest_of};
use crate::log::Log;
use crate::memory::Memory;

/// Calls the old version. `None` if it fails; then nothing of the turn is to be.
pub(crate) fn save(
    memory: &mut Memory,
    turn: &mut Turn,
    entries: &mut Entries,
    version: ComponentDigest,
    log: &Log,
) -> Option<Bytes> {
    let mut guest = guest_of(memory, turn, entries, version, log);
    // What it is now: whatever it does from here on ends with it.
    let saved = guest.memory.image();
    guest.look();
    guest.do_something();
    (!guest.fails(true)).then_some(saved)
}

/// Calls the new one, whose memory is fresh. Whether it has taken everything in.
pub(crate) fn restore(
    memory: &mut Memory,
    turn: &mut Turn,
    entries: &mut Entries,
    version: ComponentDigest,
    saved: &Bytes,
    log: &Log,
) -> bool {
    turn.hand_over();
    *memory = Memory::of_image(saved);
    // What the old version had begun ends with it.
    memory.pending.clear();
    memory.operations.clear();
    let mut guest = guest_of(memory, turn, entries, version, log);
    guest.sent = 1_000;
    guest.note_all(&[u64::from(version.0[0])]);
    guest.look();
    guest.do_something();
    // Whom it has not answered is answered by the room.
    guest.memory.requests.clear();
    !guest.fails(false)
}

impl Guest<'_> {
    fn do_something(&mut self) {
        if self.turn.seed().0[31] == Mood::WindsUp as u8 {
            return;
        }
        for id in self.memory.requests.clone() {
            if self.chance.percent(40) {
                self.respond(RequestId(id));
            }
        }
        for _ in 0..self.chance.below(4) {
            match self.chance.below(6) {
                0..3 => self.use_storage(),
                3..5 => self.use_connections(),
                _ => self.use_time(),
            }
        }
    }

    /// Which of the two fails is in the seed.
    fn fails(&mut self, is_old: bool) -> bool {
        let fails = self.turn.seed().0[31] == Mood::Traps as u8 && self.tag.is_multiple_of(2) == is_old;
        fails || self.turn.fault().is_some()
    }
}
