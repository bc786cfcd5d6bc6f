//! Rooms that stream, lived: a guest that writes answers in pieces, fetches bodies that arrive in pieces and opens sockets, and
//! a world that takes, brings, closes and leaves as it likes while the host crashes, saves, drops turns, fails commits and deploys
//! other versions between any two steps. What leaves of a stream is exactly what kept turns wrote, in order, when that is
//! durable, and nothing after its end; what arrives comes in order, without holes, and has one end; nothing goes on that
//! nobody knows of; and more than its credit is never under way. Bugs planted in the room must be found.
//!
//! Every run lives 10,000 seeds. `PARTY_SEEDS=1000000` lives more of them, `PARTY_SEED=42` lives only that one and prints
//! its transcript. A failure prints the line that replays it.

#[path = "../shared/disk.rs"]
mod disk;
mod guest;
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
fn every_world_keeps_its_promises() {
    seeds::live_all();
}
