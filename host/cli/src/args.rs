//! What can be said on the command line, and the help that teaches it.

pub(crate) mod admin;
pub(crate) mod deploy;
pub(crate) mod replay;
pub(crate) mod test;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use party_node::ending::SAVE_MS_MAX;
use party_server::edge::proxies::TrustedProxies;

use crate::args::admin::AdminCommand;
use crate::args::deploy::{AFTER_DEPLOY, Deploy};
use crate::args::test::{AFTER_TEST, Test};
use crate::listening::HostName;

/// The port that PartyKit's tools and PartySocket's examples use.
pub(crate) const PORT_DEFAULT: u16 = 1999;

const ABOUT: &str = "\
A self-hosted server for stateful, realtime rooms. A room is a WebAssembly component, written in Rust:
sandboxed, one instance per room, reached over WebSocket and HTTP at /parties/PARTY/ROOM.";

const AFTER_HELP: &str = "\
A first minute:
  party-host new hello && cd hello     write a party
  party-host dev                       build it, serve it, reload it on every change
  open http://127.0.0.1:1999/          its page; rooms are at /parties/main/ROOM
  party-host test                      play tests/*.party: what clients do, and what they must receive

Logs: PARTY_LOG=debug (or off, error, warn, info, trace) says how much is told; PARTY_LOG=guest=debug,party_node=off
does so for what parties log and for parts of the host, and leaves the rest at info.

Exit codes: 0 all went well; 1 something failed (a build, a port in use, a directory that cannot be written); 2 what was
given cannot be used (a flag, a path, party.toml, a component); 130 and 143 stopped by Ctrl-C and SIGTERM before it
served, or at once by the second.";

const AFTER_NEW: &str = "\
Writes src/lib.rs (what happens in a room), public/ (its page), tests/ (transcripts that `party-host test` plays),
party.toml (how it is served) and the SDK:
  party-host new hello
  party-host new parties/tic-tac-toe
  party-host new my-chat --example chat";

const AFTER_BUILD: &str = "\
Every party that party.toml names as a directory is built with cargo, for wasm32-wasip2, and it is told where its
component is. `serve` and `dev` build by themselves; this is for components that are served elsewhere:
  party-host build
  party-host serve COMPONENT.wasm";

const AFTER_SERVE: &str = "\
A project's parties are built first; a component is served as the party `main`:
  party-host serve
  party-host serve examples/counter --port 8080
  party-host serve party.wasm --data /var/lib/party
  party-host serve --port 443 --tls-cert fullchain.pem --tls-key privkey.pem
  party-host serve chat shop --data /var/lib/party

Of several projects, the host that a request names says whose it is: `hosts` in party.toml, or the project's name as the
first label (chat.example.com, chat.localhost). The first project has all else. They never see each other.

Ctrl-C and SIGTERM drain: clients are told (1001), what is under way is finished. Ctrl-C once more stops at once.";

const AFTER_DEV: &str = "\
Saving a source builds its party and puts it in the place of the one that runs; open pages stay connected, storage
is kept. What does not build leaves the last one that worked running. It is for one project; `serve` takes several:
  party-host dev
  party-host dev examples/chat --port 8080";

/// All that can be said.
#[derive(Debug, Parser)]
#[command(name = "party-host", version, about = ABOUT, after_help = AFTER_HELP, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a new party, ready to run and to change
    #[command(after_help = AFTER_NEW)]
    New(New),
    /// Build the parties of a project into components
    #[command(after_help = AFTER_BUILD)]
    Build(Build),
    /// Serve projects or a component, for others to reach
    #[command(after_help = AFTER_SERVE)]
    Serve(Serve),
    /// Build, serve on this machine only, watch and reload
    #[command(after_help = AFTER_DEV)]
    Dev(Dev),
    /// Play transcripts: tests of a party, as text
    #[command(after_help = AFTER_TEST)]
    Test(Test),
    /// Put new versions of parties in the place of those that a running host serves
    #[command(after_help = AFTER_DEPLOY)]
    Deploy(Deploy),
    #[command(flatten)]
    Admin(AdminCommand),
}

/// Write a new party into a new directory: its code, its page, its settings.
#[derive(Debug, Args)]
pub(crate) struct New {
    /// The directory to make, or one that is empty; its last part becomes the party's name (a-z, 0-9, _ and -)
    pub(crate) path: PathBuf,
    /// Use this SDK instead of the one that is written into the new project
    #[arg(long, value_name = "DIR")]
    pub(crate) sdk: Option<PathBuf>,
    /// Begin with this example instead of the smallest party
    #[arg(long, value_name = "EXAMPLE")]
    pub(crate) example: Option<Example>,
}

/// What a new party can begin with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Example {
    /// A number that everyone in a room shares
    Counter,
    /// A chat room that remembers
    Chat,
    /// A shop whose orders wait for days
    Workflow,
    /// Everybody's pointer in a room
    Cursors,
    /// A game for two, with onlookers
    Tictactoe,
    /// A question, and one vote for each key
    Poll,
    /// Permissions, answered by a lobby
    Lookup,
    /// A chat, and a bot that streams its answers
    Bots,
}

/// Build every party that party.toml names as a directory, with cargo, for wasm32-wasip2.
#[derive(Debug, Args)]
pub(crate) struct Build {
    /// The project: a directory with party.toml or Cargo.toml
    #[arg(default_value = ".")]
    pub(crate) path: PathBuf,
}

/// Serve projects (their parties are built first) or one component (as party `main`).
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Directories with party.toml or Cargo.toml, each a project of its own, or a .wasm component
    #[arg(default_value = ".", value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// An address or a name of this machine; 0.0.0.0 is reached from everywhere
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0")]
    pub(crate) host: HostName,
    /// A proxy that is believed for whom it asks, such as 10.0.0.0/8; may be repeated
    #[arg(long, value_name = "NET", value_parser = proxy)]
    pub(crate) trusted_proxy: Vec<String>,
    /// Certificate chain in PEM: https:// and wss://; read again when it changes
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its private key in PEM, without a password
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// A network that can be trusted.
fn proxy(text: &str) -> Result<String, String> {
    let trusted = TrustedProxies::default().trust(text);
    trusted.map(|()| text.to_owned()).map_err(|error| format!("it {error}; {}", error.hint()))
}

/// Build, serve on 127.0.0.1, watch the sources and reload. Open pages stay connected.
#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// A directory with party.toml or Cargo.toml
    #[arg(default_value = ".")]
    pub(crate) path: PathBuf,
    /// An address or a name of this machine
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) host: HostName,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct Common {
    /// The port to listen on; 0: any that is free (default: `port` in party.toml, else 1999)
    #[arg(long, allow_negative_numbers = true)]
    pub(crate) port: Option<u16>,
    /// Where rooms are kept (default: .party/data of the first project). One host at a time
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Worker threads (default: one per processor)
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) workers: Option<u16>,
    /// Memory of all awake rooms; near it, some sleep early (default: 3/4 of the machine's)
    #[arg(long, value_name = "MIB", allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    pub(crate) memory_budget: Option<u64>,
    /// How long clients are given when the host stops, in seconds
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, default_value_t = 10, value_parser = clap::value_parser!(u64).range(..=86_400))]
    pub(crate) drain: u64,
    /// How long its rooms are given to be saved then, in seconds
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, default_value_t = SAVE_MS_MAX / 1_000, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) save: u64,
}
