//! The command line of `party-native`.

use std::path::PathBuf;

use clap::Parser;

/// Serves the parties echo, broadcast, counter and hello natively, as the yardstick for other servers.
#[derive(Debug, Parser)]
#[command(name = "party-native", version)]
pub struct Arguments {
    /// Port on 127.0.0.1; 0 lets the system choose. The address is printed once the server listens.
    #[arg(long, default_value_t = 1999)]
    pub port: u16,
    /// Directory of the durable counters; made if it is not there.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
}
