//! SIGINT and SIGTERM: the first stops gracefully, the next at once.
//!
//! Once they are listened for, they end nothing by themselves for as long as the process lives: whoever listens once must
//! go on listening.

use std::fmt;
use std::process::exit;
use std::thread;

use anyhow::Result;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that end the host.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

/// A signal that has come. Prints as its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Caught {
    /// Ctrl-C.
    Interrupt,
    /// What `kill` and service managers send.
    Terminate,
}

impl Caught {
    /// The exit code of a program that it has ended, as shells have it: 128 and the signal's number.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Caught::Interrupt => 130,
            Caught::Terminate => 143,
        }
    }
}

impl fmt::Display for Caught {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Caught::Interrupt => "SIGINT",
            Caught::Terminate => "SIGTERM",
        })
    }
}

impl Signals {
    /// Begins to listen. Needs a runtime.
    pub(crate) fn listen() -> Result<Signals> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for one; says which.
    pub(crate) async fn next(&mut self) -> Caught {
        tokio::select! {
            _ = self.interrupt.recv() => Caught::Interrupt,
            _ = self.terminate.recv() => Caught::Terminate,
        }
    }

    /// Ends the process at the next one.
    pub(crate) fn exit_at_the_next(mut self) {
        tokio::spawn(async move {
            let why = self.next().await;
            tracing::warn!("{why} again: stopped at once");
            exit(why.exit_code().into());
        });
    }

    /// Ends the process at the next one, without a word, as one that never listened: on a thread of its own, with the
    /// runtime that they were listened for on.
    pub(crate) fn end_as_by_default(mut self, runtime: Runtime) -> Result<()> {
        let listening = thread::Builder::new().name("signals".into());
        listening.spawn(move || exit(runtime.block_on(self.next()).exit_code().into()))?;
        Ok(())
    }
}
