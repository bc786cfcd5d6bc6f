//! A server to measure: how it is started, when it is ready, how it is stopped.
//!
//! What must hold: whatever happens to the runner's measurement, no server outlives it; a server counts as ready
//! when it answers a request, not when its process exists; its own output is kept apart and shown only if it fails.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::super::load::http::{HttpClient, RESPONSE_BYTES_MAX};
use super::super::load::target::{Target, room_path};
use super::arguments::{CandidateName, ScenarioName};

/// The core that servers run on; the load tool has the next.
const SERVER_CORE: &str = "0";

/// How long a server may take to answer its first request: party-host may have to build its party with cargo.
const READY_WAIT: Duration = Duration::from_secs(300);

/// How long a server may take to end when asked to.
const END_WAIT: Duration = Duration::from_secs(10);

/// How often a state is looked at that nothing announces.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Lines of a failed server's output that are shown.
const SHOWN_LINES: usize = 20;

/// Why a candidate cannot be measured.
#[derive(Debug, thiserror::Error)]
pub enum CandidateError {
    /// The command cannot be run.
    #[error("cannot run {program}")]
    Run {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// A command that prepares the candidate failed.
    #[error("{command} failed")]
    Prepare {
        /// The command.
        command: String,
    },
    /// The server ended or did not answer.
    #[error(
        "{candidate} ended or did not answer a request within {} s; its last words:\n{output}",
        READY_WAIT.as_secs()
    )]
    NotReady {
        /// Which server.
        candidate: &'static str,
        /// The end of its output.
        output: String,
    },
    /// The command is empty.
    #[error("the command of {candidate} is empty")]
    Empty {
        /// Which server.
        candidate: &'static str,
    },
}

/// How to start one server.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    /// Which.
    pub(super) name: CandidateName,
    /// The command, split, with `{config}`, `{port}` and `{data}` still in it.
    command: Vec<String>,
}

impl Candidate {
    /// The candidate by its name. `host_command` is party-host's, as given by flag.
    pub(super) fn new(
        name: CandidateName,
        binaries: &Path,
        benches: &Path,
        host_command: &str,
    ) -> Result<Candidate, CandidateError> {
        let template = match name {
            CandidateName::Native => "{bin}/party-native --port {port} --data {data}",
            CandidateName::Host => host_command,
            CandidateName::Ws => "node {benches}/peers/ws/server.js --port {port}",
        };
        let command: Vec<String> = template
            .split_whitespace()
            .map(|word| {
                word.replace("{bin}", &binaries.to_string_lossy())
                    .replace("{benches}", &benches.to_string_lossy())
            })
            .collect();
        if command.is_empty() {
            return Err(CandidateError::Empty { candidate: name.as_str() });
        }
        Ok(Candidate { name, command })
    }

    /// Whether it has what a scenario needs. The peer has no durable counter.
    pub(super) fn supports(&self, scenario: ScenarioName) -> bool {
        match scenario {
            ScenarioName::CounterOne | ScenarioName::CounterSixteen => self.name != CandidateName::Ws,
            // A variable that outlives the process is what only party-host has.
            ScenarioName::DurableOne | ScenarioName::DurableSixteen => self.name == CandidateName::Host,
            ScenarioName::Echo
            | ScenarioName::EchoOpen
            | ScenarioName::Broadcast
            | ScenarioName::BroadcastOpen
            | ScenarioName::Cold
            | ScenarioName::Memory => true,
        }
    }

    /// Says why the candidate cannot be measured here, if its program is not there; installs the peer's packages.
    pub(super) fn prepare(&self, benches: &Path) -> Result<Option<String>, CandidateError> {
        let program = &self.command[0];
        if !is_there(program) {
            return Ok(Some(format!("{program} is not there")));
        }
        let peer = benches.join("peers/ws");
        if self.name == CandidateName::Ws && !peer.join("node_modules").is_dir() {
            eprintln!("installing the peer's package (npm ci)");
            let command = "npm ci --ignore-scripts --no-audit --no-fund";
            let mut words = command.split(' ');
            let program = words.next().unwrap_or_default();
            let status = Command::new(program)
                .args(words)
                .current_dir(&peer)
                .stdout(Stdio::null())
                .status()
                .map_err(|source| CandidateError::Run { program: program.to_owned(), source })?;
            if !status.success() {
                return Err(CandidateError::Prepare { command: command.to_owned() });
            }
        }
        Ok(None)
    }

    /// Starts the server on its core with an empty data directory and waits until it answers.
    pub(super) fn start(
        &self,
        scenario: ScenarioName,
        port: u16,
        data: &Path,
    ) -> Result<RunningServer, CandidateError> {
        let run = |source| CandidateError::Run { program: self.command[0].clone(), source };
        if data.exists() {
            fs::remove_dir_all(data).map_err(run)?;
        }
        fs::create_dir_all(data).map_err(run)?;
        let output = data.with_extension("log");
        let log = File::create(&output).map_err(run)?;
        let words = self.command.iter().map(|word| {
            word.replace("{config}", scenario.config())
                .replace("{port}", &port.to_string())
                .replace("{data}", &data.to_string_lossy())
        });
        let child = Command::new("taskset")
            .args(["-c", SERVER_CORE])
            .args(words)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(run)?)
            .stderr(log)
            .spawn()
            .map_err(run)?;
        let mut server = RunningServer { child, target: Target::loopback(port), output };
        if server.becomes_ready() {
            Ok(server)
        } else {
            Err(CandidateError::NotReady { candidate: self.name.as_str(), output: server.last_words() })
        }
    }
}

/// A server that runs, until this is dropped.
#[derive(Debug)]
pub(super) struct RunningServer {
    child: Child,
    target: Target,
    output: PathBuf,
}

impl RunningServer {
    /// Its process: `taskset` becomes the server.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn becomes_ready(&mut self) -> bool {
        let deadline = Instant::now() + READY_WAIT;
        while Instant::now() < deadline {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return false;
            }
            if self.answers() {
                return true;
            }
            thread::sleep(LOOK_AGAIN);
        }
        false
    }

    fn answers(&self) -> bool {
        let mut scratch = vec![0; 2 * RESPONSE_BYTES_MAX];
        HttpClient::connect(&self.target)
            .ok()
            .and_then(|mut http| http.request("GET", &room_path("hello", "ready"), &mut scratch).ok())
            .is_some_and(|response| response.status == 200)
    }

    /// The end of what the server printed.
    pub(super) fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.output).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
    }

    fn end(&mut self) {
        // Once it has been waited for, its id may be another process's.
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            // It may have ended just now.
            let _ = kill_process(pid, Signal::TERM);
        }
        let deadline = Instant::now() + END_WAIT;
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(LOOK_AGAIN);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        self.end();
    }
}

/// Whether a program can be found: at its path, or by its name in the directories of `PATH`.
fn is_there(program: &str) -> bool {
    if program.contains('/') {
        return Path::new(program).is_file();
    }
    std::env::var_os("PATH")
        .is_some_and(|paths| std::env::split_paths(&paths).any(|directory| directory.join(program).is_file()))
}
