//! What can be said about deploying.

use std::path::PathBuf;

use clap::Args;

pub(crate) const AFTER_DEPLOY: &str = "\
Builds the project and hands its parties to the host that runs on the data directory. Each is tried first where nothing can
come of it; one that does not start changes nothing. Rooms go on with the new version when they are quiet, sockets stay:
  party-host deploy
  party-host deploy examples/chat --data /var/lib/party
  party-host deploy --rollback

Of a host with several projects, give the directory of one and the host's --data.

Rooms take their variables along if the party has `save` and `restore`; else they start afresh from their storage.";

/// Put new versions of parties in the place of those that a running host serves.
#[derive(Debug, Args)]
pub(crate) struct Deploy {
    /// A directory with party.toml or Cargo.toml, or a .wasm component (party `main`)
    #[arg(default_value = ".")]
    pub(crate) path: PathBuf,
    /// The data directory of the host (default: .party/data in the project)
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Go back to the versions that were served before
    #[arg(long)]
    pub(crate) rollback: bool,
    /// How long to follow the rooms as they go on with it, in seconds
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, default_value_t = 60, value_parser = clap::value_parser!(u64).range(..=86_400))]
    pub(crate) wait: u64,
}
