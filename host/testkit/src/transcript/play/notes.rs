//! What a play does not say by itself, and who reads its result should know: notes, which change nothing of it.

use std::path::Path;

use party_node::transfer::room_file::RoomFile;

use crate::transcript::play::Player;
use crate::transcript::run::Note;
use crate::world::Memory;

impl Player<'_> {
    fn note(&mut self, line: usize, what: String) {
        self.notes.push(Note { line, what });
    }

    /// The host is about to die, and rooms will go on from their checkpoints: whoever wants to see what they make of their
    /// storage does not see it. Said unless the transcript itself says what becomes of memory.
    pub(super) async fn note_checkpoints(&mut self, line: usize) {
        let memory = self.world.memory();
        if memory != Memory::Hibernate || self.transcript.settings.memory.is_some() {
            return;
        }
        let rooms = self.world.rooms_with_memory().await.unwrap_or_default();
        let Some(first) = rooms.first() else { return };
        let (who, its) = match rooms.len() {
            1 => (format!("{first} goes"), "its"),
            more => (format!("{first} and {} more rooms go", more - 1), "their"),
        };
        let what = format!(
            "{who} on from {its} checkpoint, not from {its} storage alone: `memory volatile` before the first step plays that, \
             `memory hibernate` says that this is meant"
        );
        self.note(line, what);
    }

    /// A room comes out of a file, and its memory is of another component than the one that is played.
    pub(super) fn note_another_component(&mut self, line: usize, file: &Path, bytes: &[u8], room: &str) {
        // What is no room is refused by whoever reads it next.
        let Ok(RoomFile { memory: Some(memory), .. }) = RoomFile::read(&mut &bytes[..]) else { return };
        let party = room.split('/').next().unwrap_or_default();
        let served = self.world.digest_of(party);
        if served.is_some_and(|served| served.0 != memory.component.0) {
            let what = format!(
                "the room in {} was recorded on another component: it goes on with this one as after a deployment, and what \
                 only its memory held comes along only if the party has save and restore",
                file.display()
            );
            self.note(line, what);
        }
    }
}
