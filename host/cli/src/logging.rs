//! Log lines that a person can read, on standard error.

use tracing_subscriber::EnvFilter;

use crate::problem::usage;

/// What is told unless `PARTY_LOG` says otherwise.
const FILTER_DEFAULT: &str = "info";

/// Starts logging. The one place that reads the environment.
pub(crate) fn start() -> anyhow::Result<()> {
    let wanted = std::env::var("PARTY_LOG").unwrap_or_else(|_| FILTER_DEFAULT.into());
    let filter = EnvFilter::try_new(&wanted).map_err(|error| {
        usage(
            format!("PARTY_LOG={wanted:?} cannot be read: {error}"),
            "for example PARTY_LOG=debug, or PARTY_LOG=info,party_node=debug",
        )
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .init();
    Ok(())
}
