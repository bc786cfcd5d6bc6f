//! The native server as a process of its own, ended with the test.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use party_benches::load::target::Target;

/// A running `party-native`.
pub(crate) struct Native {
    child: Child,
    port: u16,
}

impl Native {
    /// Starts it on a port that the system chooses and waits until it listens.
    pub(crate) fn start(data: &Path) -> Native {
        let mut child = Command::new(env!("CARGO_BIN_EXE_party-native"))
            .args(["--port", "0", "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().rsplit(':').next().unwrap().parse().unwrap();
        Native { child, port }
    }

    /// Where it listens.
    pub(crate) fn target(&self) -> Target {
        Target::loopback(self.port)
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`, and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
