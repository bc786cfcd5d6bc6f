//! The command line, as a person meets it: the real binary, its words, its exit codes, its end.

mod admin;
mod asking;
mod building;
mod checking;
mod copies;
mod copies_of_sleepers;
mod deploying;
mod fetching;
mod first_minute;
mod full_disk;
mod help;
mod killing_minute;
mod kills;
mod memory_settings;
mod new;
mod pressure;
mod projects;
mod refusals;
mod refused_buffers;
mod refused_memory;
mod replaying;
mod secure;
mod sleeping;
mod slow_turns;
mod stopped_builds;
mod stopping;
mod testing;

use anyhow::Result;
use party_tests::host::party_host;
use party_tests::program::{BOUND, Ended, Program};

/// Runs `party-host` with these arguments to its end.
fn run(arguments: &[&str]) -> Result<Ended> {
    Program::run(party_host().args(arguments), BOUND)
}
