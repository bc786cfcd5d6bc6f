//! What the whole does: real guests, the real node and server, a clock that the test moves, an in-memory network.

mod alarms;
mod assets;
mod auto_response;
mod bedtime;
mod calls;
mod changed_settings;
mod connections;
mod copies;
mod crons;
mod determinism;
mod downtime;
mod durable;
mod failing_reads;
mod farewells;
mod fetches;
mod full_disk;
mod gate;
mod hanging_disk;
mod harness;
mod isolation;
mod lobby;
mod many_clients;
mod many_operations;
mod messages;
mod outside;
mod panics;
mod partyserver;
mod pressure;
mod pressure_of_use;
mod pressure_of_workers;
mod projects;
mod recordings;
mod refused_instances;
mod refused_switches;
mod refused_versions;
mod requests;
mod restarts;
mod rollbacks;
mod room_floods;
mod rooms;
mod sleeping;
mod slow_commits;
mod starting;
mod storage;
mod streams;
mod time;
mod twins;
mod uncaptured;
mod upgrades;
mod uploads;
mod versions_under_pressure;
mod workflow;

use anyhow::Result;
use party_testkit::world::{Builder, Memory, World};
use party_tests::guests::{guest, scratch};

/// A world whose main party is the probe.
fn probe(seed: u64) -> Builder {
    sleeping(seed).memory(Memory::Volatile)
}

/// A world whose main party is the probe, and whose rooms sleep.
fn sleeping(seed: u64) -> Builder {
    World::new(seed).compile_cache(scratch("compiled")).party("main", guest("test_guests"))
}

/// Runs a test in a world with the probe.
fn with_probe(seed: u64, test: impl AsyncFnOnce(&World) -> Result<()>) {
    probe(seed).run(test);
}

/// A world whose main party is the first of several versions.
fn first_version(seed: u64) -> Builder {
    let component = party_tests::guests::Version::named('1').component();
    World::new(seed).compile_cache(scratch("compiled")).party("main", &component)
}
