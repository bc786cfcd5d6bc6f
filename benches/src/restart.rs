//! How long a server takes to answer again after it was killed, for a room that must go on where it was.
//!
//! ```text
//! start ─► count a room up ─► kill ─► start ─► first answer of that room ─► kill ─► start ─► …
//! ```
//!
//! A start is timed from the moment at which the process is made: until it listens, and until the room has answered. What
//! must hold: the room's number is what it was, each time; every process that is started is ended, whatever happens; a
//! port that another server has is an error, not a fast start.

use std::io;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;

use super::load::http::{HttpClient, RESPONSE_BYTES_MAX, RequestError};
use super::load::process::{ProcessError, ServerProcess};
use super::load::target::{Target, TargetError};

/// How long a server may take to listen: the first start may build its party.
const LISTEN_WAIT: Duration = Duration::from_secs(300);

/// How long it may take to end when asked to.
const END_WAIT: Duration = Duration::from_secs(60);

/// How often it is looked whether the server listens.
const LOOK_AGAIN: Duration = Duration::from_micros(500);

/// Kills a server and starts it again, and times the first answer of a room that must know its number.
#[derive(Debug, Parser)]
#[command(name = "party-restart", version)]
pub struct Arguments {
    /// Where the server listens.
    #[arg(long, default_value = "http://127.0.0.1:1999")]
    pub url: String,
    /// The room that is asked: GET answers its number, POST counts it up.
    #[arg(long, default_value = "/parties/tally/restarted")]
    pub path: String,
    /// Count it up so often before the first kill.
    #[arg(long, default_value_t = 0)]
    pub turns: u32,
    /// How often the server is killed and started again.
    #[arg(long, default_value_t = 5)]
    pub times: u32,
    /// End it with SIGTERM instead of SIGKILL.
    #[arg(long)]
    pub gently: bool,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
    /// The server's command.
    #[arg(last = true, required = true)]
    pub command: Vec<String>,
}

/// One start.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Start {
    /// From the making of the process until it listened, in milliseconds.
    pub listens_ms: f64,
    /// From then until the room had answered.
    pub room_ms: f64,
    /// From the second question to its answer.
    pub again_ms: f64,
    /// Resident memory then, in bytes.
    pub resident_bytes: u64,
}

/// Why it could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum RestartError {
    /// The address cannot be asked.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// Something listens there already.
    #[error("something listens at {0} already")]
    Taken(String),
    /// The command cannot be run.
    #[error("cannot run {program}")]
    Run {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// It ended, or does not listen.
    #[error("the server ended, or did not listen within {} s", LISTEN_WAIT.as_secs())]
    NotListening,
    /// It does not end.
    #[error("the server did not end within {} s", END_WAIT.as_secs())]
    NotEnding,
    /// A question got no answer.
    #[error("a question got no answer")]
    Request(#[from] RequestError),
    /// The room has another number.
    #[error("the room answers {status} {found:?}, and should answer {expected}")]
    Forgot {
        /// The status.
        status: u16,
        /// What it said.
        found: String,
        /// What it had said.
        expected: String,
    },
    /// The system failed.
    #[error("cannot connect or signal")]
    Io(#[from] io::Error),
    /// The server's process cannot be measured.
    #[error("cannot measure the server's process")]
    Process(#[from] ProcessError),
}

/// Measures all starts.
pub fn run(arguments: &Arguments) -> Result<Vec<Start>, RestartError> {
    let target = Target::parse(&arguments.url, false)?;
    let mut scratch = vec![0; 2 * RESPONSE_BYTES_MAX];
    let mut server = Server::start(&arguments.command, &target)?;
    let mut http = server.listens(&target)?;
    for _ in 0..arguments.turns {
        http.request("POST", &arguments.path, &mut scratch)?;
    }
    let first = http.request("GET", &arguments.path, &mut scratch)?;
    let expected = String::from_utf8_lossy(&first.body).into_owned();
    server.end(arguments.gently)?;
    let mut starts = Vec::new();
    for _ in 0..arguments.times {
        let began = Instant::now();
        server = Server::start(&arguments.command, &target)?;
        let mut http = server.listens(&target)?;
        let listens = began.elapsed();
        let mut ask = || -> Result<Duration, RestartError> {
            let asked = Instant::now();
            let answer = http.request("GET", &arguments.path, &mut scratch)?;
            let took = asked.elapsed();
            let found = String::from_utf8_lossy(&answer.body).into_owned();
            match answer.status == 200 && found == expected {
                true => Ok(took),
                false => {
                    Err(RestartError::Forgot { status: answer.status, found, expected: expected.clone() })
                }
            }
        };
        let (room, again) = (ask()?, ask()?);
        starts.push(Start {
            listens_ms: listens.as_secs_f64() * 1e3,
            room_ms: room.as_secs_f64() * 1e3,
            again_ms: again.as_secs_f64() * 1e3,
            resident_bytes: ServerProcess::new(server.child.id()).resident_bytes()?,
        });
        server.end(arguments.gently)?;
    }
    Ok(starts)
}

/// The starts in lines for a person.
pub fn lines(starts: &[Start]) -> Vec<String> {
    starts
        .iter()
        .map(|start| {
            format!(
                "listens after {:.1} ms, the room answers {:.2} ms later, again in {:.2} ms; {:.1} MiB resident",
                start.listens_ms,
                start.room_ms,
                start.again_ms,
                start.resident_bytes as f64 / 1_048_576.0
            )
        })
        .collect()
}

/// A process that is killed when this is dropped.
#[derive(Debug)]
struct Server {
    child: Child,
}

impl Server {
    fn start(command: &[String], target: &Target) -> Result<Server, RestartError> {
        if HttpClient::connect(target).is_ok() {
            return Err(RestartError::Taken(target.address().to_string()));
        }
        let program = command.first().cloned().unwrap_or_default();
        let child = Command::new(&program)
            .args(command.iter().skip(1))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|source| RestartError::Run { program, source })?;
        Ok(Server { child })
    }

    /// Waits until it listens.
    fn listens(&mut self, target: &Target) -> Result<HttpClient, RestartError> {
        let began = Instant::now();
        while began.elapsed() < LISTEN_WAIT && self.child.try_wait()?.is_none() {
            match HttpClient::connect(target) {
                Ok(http) => return Ok(http),
                Err(_) => thread::sleep(LOOK_AGAIN),
            }
        }
        Err(RestartError::NotListening)
    }

    fn end(&mut self, gently: bool) -> Result<(), RestartError> {
        if !gently {
            self.child.kill()?;
            self.child.wait()?;
            return Ok(());
        }
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            kill_process(pid, Signal::TERM).map_err(io::Error::from)?;
        }
        let began = Instant::now();
        while self.child.try_wait()?.is_none() {
            if began.elapsed() > END_WAIT {
                return Err(RestartError::NotEnding);
            }
            thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended long ago; then this does nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
