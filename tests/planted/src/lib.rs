//! Ten small parties in `parties/`, each with one bug that people write, and for each a transcript in `transcripts/` that
//! catches it. With the var `MENDED` a party is as it should be, so that a transcript which fails for another reason is
//! found. `tests/transcripts/planted.rs` plays them.

use party::Room;

/// Whether a party is to be as it should.
pub fn is_mended(room: &Room) -> bool {
    room.var("MENDED").is_some()
}
