//! The real `party-host`, built once, serving on a port that is free.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;

use crate::guests::target;
use crate::program::{BOUND, BUILD_BOUND, Ended, Program};
use crate::root;

/// Ports that tests use: below those that systems give to clients, because a client that tries again and again to
/// reach a host that is down may be given that host's own port, and then talks to itself.
const PORTS: std::ops::Range<u16> = 20_000..30_000;

/// The command line, as a command to be given arguments. Cargo does nothing if it is built. `tests/run` says where the one
/// is that it has built with the tests: alone it shares few of their dependencies, whose features are more.
pub fn party_host() -> Command {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    Command::new(BUILT.get_or_init(|| {
        if let Some(built) = std::env::var_os("PARTY_TESTS_HOST") {
            return built.into();
        }
        let output = Command::new(env!("CARGO"))
            .args(["build", "-p", "party-host"])
            .current_dir(root())
            .output()
            .expect("cargo runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "party-host cannot be built:\n{said}");
        target().join("debug/party-host")
    }))
}

/// A port of this machine that nobody listens on.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test programs may run at the same time: each begins elsewhere.
    let first = u64::from(std::process::id()) * 97;
    loop {
        let offset = (first + u64::from(NEXT.fetch_add(1, Ordering::Relaxed))) % PORTS.len() as u64;
        let port = PORTS.start + offset as u16;
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return port,
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "port {port}: {error}"),
        }
    }
}

/// A host that serves one thing from one data directory, over several lives.
pub struct Host {
    how: &'static str,
    what: PathBuf,
    data: PathBuf,
    more: Vec<String>,
    /// Where it listens.
    pub port: u16,
    /// The life that runs, or the last one.
    pub program: Program,
}

impl Host {
    /// Serves a project or a component.
    pub fn serve(what: &Path, data: &Path) -> Result<Host> {
        Host::serve_with(what, data, &[])
    }

    /// Serves a project or a component with more arguments.
    pub fn serve_with(what: &Path, data: &Path, more: &[&str]) -> Result<Host> {
        Host::run("serve", what, data, more)
    }

    /// Serves a project as somebody does who works on it.
    pub fn develop(what: &Path, data: &Path) -> Result<Host> {
        Host::run("dev", what, data, &[])
    }

    fn run(how: &'static str, what: &Path, data: &Path, more: &[&str]) -> Result<Host> {
        let (port, more) = (free_port(), more.iter().map(ToString::to_string).collect::<Vec<_>>());
        let program = life(how, what, data, port, &more)?;
        Ok(Host { how, what: what.into(), data: data.into(), more, port, program })
    }

    /// Ends it with SIGKILL.
    pub fn kill(&mut self) -> Result<()> {
        self.program.signal(Signal::KILL)?;
        let ended = self.program.end(BOUND)?;
        ensure!(ended.code.is_none(), "it ended by itself before the signal came: {ended:?}");
        Ok(())
    }

    /// Ends it with a signal that it can answer, and waits until it has ended.
    pub fn stop(&mut self, signal: Signal) -> Result<Ended> {
        self.program.signal(signal)?;
        self.program.end(BOUND)
    }

    /// Begins the next life, on the same port and data.
    pub fn start(&mut self) -> Result<()> {
        ensure!(!self.program.is_running(), "it runs");
        self.program = life(self.how, &self.what, &self.data, self.port, &self.more)?;
        Ok(())
    }
}

fn life(how: &str, what: &Path, data: &Path, port: u16, more: &[String]) -> Result<Program> {
    let mut command = party_host();
    command.arg(how).arg(what).arg("--data").arg(data).args(more);
    command.args(["--host", "127.0.0.1", "--port", &port.to_string()]);
    let mut program = Program::start(&mut command)?;
    program.wait_for(&format!("on http://127.0.0.1:{port}"), BUILD_BOUND)?;
    Ok(program)
}

/// A directory that is removed at the end of the test.
pub fn temporary() -> Result<tempfile::TempDir> {
    let parent = crate::guests::scratch("temporary");
    fs::create_dir_all(&parent)?;
    tempfile::tempdir_in(&parent).context("the target directory can be written")
}
