//! SIGINT and SIGTERM: the first stops gracefully, the next at once.

use std::process::exit;

use anyhow::Result;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The exit code of a program that was ended by SIGINT, as shells have it.
const EXIT_INTERRUPTED: i32 = 130;

/// The signals that end the host.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Begins to listen.
    pub(crate) fn listen() -> Result<Signals> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for one; says which.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }

    /// Ends the process at the next one.
    pub(crate) fn exit_at_the_next(mut self) {
        tokio::spawn(async move {
            let why = self.next().await;
            tracing::warn!("{why} again: stopped at once");
            exit(EXIT_INTERRUPTED);
        });
    }
}
