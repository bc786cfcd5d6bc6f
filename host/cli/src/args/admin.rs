//! What can be said about rooms that are there: looking at them, taking them out, bringing them in, copying them.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use party_node::inspection::RoomState;

use crate::args::replay::{AFTER_REPLAY, Replay};

const AFTER_ROOMS: &str = "\
A host that runs on the data directory is asked; if none does, its store is read:
  party-host rooms
  party-host rooms --party main --state awake
  party-host rooms --prefix game- --json | head
A room is PARTY/ROOM; where there are several projects, PROJECT/PARTY/ROOM.

States: awake (it has an instance); starting (its on-start has not settled); asleep (its memory is kept, and it goes on
where it was); suspended (too many of its turns were dropped); stored (only its storage is kept: it starts from that);
damaged (it refuses everyone; only rooms that the host has tried to wake are known to be: `inspect` looks at one).";

const AFTER_INSPECT: &str = "\
  party-host inspect main/lobby
  party-host inspect main/lobby --json";

const AFTER_CHECKPOINT: &str = "\
A file holds a room with its keys, values, variables and component (docs/room-file.md). It is as secret as they are:
  party-host checkpoint export main/lobby lobby.room
  party-host checkpoint import lobby.room main/lobby-again";

const AFTER_FORK: &str = "\
The copy has the room's keys, values and variables; no client is connected to it, and what the room had begun is
interrupted there. The room itself goes on:
  party-host fork main/lobby main/lobby-as-it-was";

const AFTER_RECOVER: &str = "\
For a room that refuses everyone as `room-damaged` (503, close 1011), while no host runs. It shows what is wrong, copies
what is kept of the room's memory to recovered/ in the data directory, and gives that memory up: the room then starts
afresh from its storage (docs/durability.md):
  party-host room recover main/lobby --dry-run
  party-host room recover main/lobby

Exit codes: 0 it is recovered; 1 it is not, and nothing has changed; 2 there is nothing to recover.";

const AFTER_CHECK: &str = "\
Takes about a second for a gigabyte:
  party-host check
  party-host check --data /var/lib/party

Exit codes: 0 all is sound; 1 something is damaged, which is named; 2 nothing was checked: a host runs, or there are no rooms.";

/// What can be said about rooms.
#[derive(Debug, Subcommand)]
pub(crate) enum AdminCommand {
    /// List rooms: what each is doing, and how large it is
    #[command(after_help = AFTER_ROOMS)]
    Rooms(Rooms),
    /// Show one room in full, and why it is awake
    #[command(after_help = AFTER_INSPECT)]
    Inspect(Inspect),
    /// Take a room out into a file, or bring one in
    #[command(after_help = AFTER_CHECKPOINT)]
    Checkpoint(Checkpoint),
    /// Copy a room, with its variables
    #[command(after_help = AFTER_FORK)]
    Fork(Fork),
    /// Take the recorded turns of a durable room again, and print them
    #[command(after_help = AFTER_REPLAY)]
    Replay(Replay),
    /// Bring back a room that refuses everyone, without its variables
    Room(RoomArguments),
    /// Read all that is kept, and say what is damaged
    #[command(after_help = AFTER_CHECK)]
    Check(Check),
}

/// Read everything in a data directory while no host runs, and say what is damaged. It changes nothing.
#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) at: Where,
}

/// Which rooms are meant.
#[derive(Debug, Args)]
pub(crate) struct Where {
    /// Where rooms are kept
    #[arg(long, value_name = "DIR", default_value = ".party/data")]
    pub(crate) data: PathBuf,
}

/// List rooms, in order of project, party and id. As many as there are: pages are fetched as they are printed.
#[derive(Debug, Args)]
pub(crate) struct Rooms {
    #[command(flatten)]
    pub(crate) at: Where,
    /// Only rooms of this project
    #[arg(long, value_name = "PROJECT")]
    pub(crate) project: Option<String>,
    /// Only rooms of this party
    #[arg(long, value_name = "PARTY")]
    pub(crate) party: Option<String>,
    /// Only rooms that are doing this
    #[arg(long)]
    pub(crate) state: Option<State>,
    /// Only rooms whose ids begin so
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) prefix: String,
    /// One JSON object per line (docs/admin.md)
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a room is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum State {
    Awake,
    Starting,
    Asleep,
    Suspended,
    Stored,
    Damaged,
    Waiting,
}

impl From<State> for RoomState {
    fn from(state: State) -> RoomState {
        match state {
            State::Awake => RoomState::Awake,
            State::Starting => RoomState::Starting,
            State::Asleep => RoomState::Asleep,
            State::Suspended => RoomState::Suspended,
            State::Stored => RoomState::Stored,
            State::Damaged => RoomState::Damaged,
            State::Waiting => RoomState::Waiting,
        }
    }
}

/// Show all that is known of a room.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// PARTY/ROOM
    pub(crate) room: String,
    #[command(flatten)]
    pub(crate) at: Where,
    /// As JSON (docs/admin.md)
    #[arg(long)]
    pub(crate) json: bool,
}

/// Take a room out into a file, or bring one in.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct Checkpoint {
    #[command(subcommand)]
    pub(crate) what: CheckpointCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CheckpointCommand {
    /// Write a room into a new file; one that runs is saved first
    Export {
        /// PARTY/ROOM
        room: String,
        /// The file to make
        file: PathBuf,
        #[command(flatten)]
        at: Where,
    },
    /// Make a room of a file; there must be none of that name
    Import {
        /// What `export` wrote
        file: PathBuf,
        /// PARTY/ROOM
        room: String,
        #[command(flatten)]
        at: Where,
    },
}

/// Copy a room, with its variables.
#[derive(Debug, Args)]
pub(crate) struct Fork {
    /// The room to copy: PARTY/ROOM
    pub(crate) room: String,
    /// The copy: PARTY/ROOM; there must be none of that name
    pub(crate) new: String,
    #[command(flatten)]
    pub(crate) at: Where,
}

/// Bring back a room that refuses everyone.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct RoomArguments {
    #[command(subcommand)]
    pub(crate) what: RoomCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RoomCommand {
    /// Give up a memory that cannot be made again; storage is kept, and all that is given up is copied first
    #[command(after_help = AFTER_RECOVER)]
    Recover {
        /// PARTY/ROOM
        room: String,
        #[command(flatten)]
        at: Where,
        /// Keep the storage that the last checkpoint left, not what was recorded since
        #[arg(long, conflicts_with = "past_damage")]
        to_checkpoint: bool,
        /// Keep also what was recorded behind a record that cannot be read: more, but perhaps what never was
        #[arg(long)]
        past_damage: bool,
        /// Give it up although nothing wrong is found: turns that do something else are found only by a host
        #[arg(long)]
        force: bool,
        /// Only show what is wrong, and what would be kept
        #[arg(long)]
        dry_run: bool,
    },
}
