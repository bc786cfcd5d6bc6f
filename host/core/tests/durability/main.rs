//! Durable rooms, lived: a small guest whose memory depends on everything that it was ever told, and a world that
//! crashes, saves, drops turns, changes its settings, deploys other versions and fails to read wherever it can. Whatever is made again of checkpoint and journal
//! must be, byte for byte, what the room was at its last durable commit; and bugs planted in the room must be found.
//!
//! Every run lives 10,000 seeds. `PARTY_SEEDS=1000000` lives more of them, `PARTY_SEED=42` lives only that one and prints
//! its transcript. A failure prints the line that replays it. What a room is to do at all is the matter of
//! `tests/simulation`; here it is compared with itself, before and after.

#[path = "../shared/disk.rs"]
mod disk;
mod guest;
mod habits;
#[path = "../shared/ids.rs"]
mod ids;
#[path = "../shared/log.rs"]
mod log;
mod memory;
mod planted;
#[path = "../shared/random.rs"]
mod random;
#[path = "../shared/seeds.rs"]
mod seeds;
mod tally;
mod world;

#[test]
fn every_world_can_be_made_again() {
    seeds::live_all();
}
