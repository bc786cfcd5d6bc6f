//! What can be said about turns that were recorded.

use std::path::PathBuf;

use clap::Args;

use crate::args::admin::Where;

pub(crate) const AFTER_REPLAY: &str = "\
The room's guest is called again with everything since its last checkpoint, and nothing of it leaves. Each turn is
printed with what it wrote and wanted to send; one that does something else than it did ends it, with exit code 1:
  party-host replay main/lobby
  party-host replay main/lobby --until 120
  party-host replay main/lobby --component changed.wasm    the same events on changed code: the first difference
  party-host replay main/lobby --save tests/incident.party  what has happened, as a test (also while a host runs)

A transcript holds all that clients have sent, with headers and tokens: it is as secret as they are. docs/transcripts.md
tells what it cannot repeat.

Only rooms with memory = \"durable\" have a journal, and but for --save no host may run on the data directory. What a
checkpoint holds is in no journal any more, and a room makes one when it sleeps (idle_ms), about every minute while it
changes, and when its host stops in good order: this is for what a crash has left, or for a copy of the data directory of
a host that runs.";

/// Take the recorded turns of a durable room again, and print what each did.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    #[command(flatten)]
    pub(crate) at: Where,
    /// The room, as PARTY/ROOM
    pub(crate) room: String,
    /// Stop after the record of this commit
    #[arg(long, value_name = "COMMIT")]
    pub(crate) until: Option<u64>,
    /// Call this component instead of the one that the turns were recorded on
    #[arg(long, value_name = "WASM")]
    pub(crate) component: Option<PathBuf>,
    /// Print nothing, and write a transcript that `party-host test` plays
    #[arg(long, value_name = "FILE", conflicts_with = "component")]
    pub(crate) save: Option<PathBuf>,
}
