//! The simulation: random rooms under random guests, clients, commits and crashes, beside a model that says what
//! must come of them; and bugs planted in the room, each of which it must find.
//!
//! Every run lives 10,000 seeds. `PARTY_SEEDS=1000000` lives more of them, `PARTY_SEED=42` lives only that one and
//! prints its transcript. A failure prints the line that replays it.

#[path = "../shared/disk.rs"]
mod disk;
mod guest;
mod habits;
#[path = "../shared/ids.rs"]
mod ids;
mod ledger;
#[path = "../shared/log.rs"]
mod log;
mod model;
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
