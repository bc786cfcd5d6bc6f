//! Programs that make a build (rustc, cargo, rustup), each in a process group of its own.
//!
//! A group, because cargo starts compilers and build scripts: whoever stops a build stops all of them. And one of its
//! own, so that Ctrl-C in a terminal reaches this program alone, which then says what has become of the build.

use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process_group};
use thiserror::Error;

/// Runs the programs of a build, one after the other, until it is told to stop. Its copies are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tools(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    is_stopped: bool,
    /// The group that runs. Its first process has not been waited for, so the number is its own.
    running: Option<Pid>,
}

/// Why a program has not run to its end.
#[derive(Debug, Error)]
pub(crate) enum ToolError {
    /// It is not there, or is no program.
    #[error("{tool} cannot be started: {error}")]
    Start {
        /// Its name.
        tool: String,
        /// What the system says.
        error: io::Error,
    },
    /// The build was stopped.
    #[error("the build was stopped")]
    Stopped,
}

/// How a program has ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: ExitStatus,
    /// What it has written to its standard output.
    pub(crate) out: Vec<u8>,
}

impl Tools {
    /// Runs a program to its end. What it writes to standard error is seen as it comes, unless the command says otherwise.
    pub(crate) fn run(&self, command: &mut Command) -> Result<Ran, ToolError> {
        let tool = command.get_program().to_string_lossy().into_owned();
        let failed = |error| ToolError::Start { tool, error };
        command.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
        let mut state = self.state();
        if state.is_stopped {
            return Err(ToolError::Stopped);
        }
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return Err(failed(error)),
        };
        let group = Pid::from_child(&child);
        state.running = Some(group);
        drop(state);
        let mut out = Vec::new();
        // Until all that could write to it have gone.
        let read = child.stdout.take().map_or(Ok(0), |mut stdout| stdout.read_to_end(&mut out));
        let mut state = self.state();
        if state.is_stopped {
            // What has not taken the first for an end. The group may have gone already, with all that was in it.
            let _ = kill_process_group(group, Signal::KILL);
        }
        state.running = None;
        let ended = child.wait();
        if state.is_stopped {
            return Err(ToolError::Stopped);
        }
        match read.and(ended) {
            Ok(status) => Ok(Ran { status, out }),
            Err(error) => Err(failed(error)),
        }
    }

    /// Ends what runs, with all that it has started, and lets nothing begin any more. Whether anything ran.
    pub(crate) fn stop(&self) -> bool {
        let mut state = self.state();
        state.is_stopped = true;
        state.running.is_some_and(|group| kill_process_group(group, Signal::TERM).is_ok())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
