//! Rooms that call each other, lived: two rooms, each on a disk of its own, with messages between them that take their time,
//! and a host that crashes between any two steps, loses one of them, or saves them. Between durable rooms every call is heard
//! once, and its answer comes once; with a room that is not durable it is heard once at most. Bugs planted in the room must be
//! found.
//!
//! Every run lives 10,000 seeds. `PARTY_SEEDS=1000000` lives more of them, `PARTY_SEED=42` lives only that one and prints
//! its transcript. A failure prints the line that replays it.

#[path = "../shared/disk.rs"]
mod disk;
mod guest;
#[path = "../shared/log.rs"]
mod log;
mod planted;
#[path = "../shared/random.rs"]
mod random;
#[path = "../shared/seeds.rs"]
mod seeds;
mod side;
mod tally;
mod world;

#[test]
fn every_world_keeps_its_promises() {
    seeds::live_all();
}
