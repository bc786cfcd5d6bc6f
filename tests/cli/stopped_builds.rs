//! A build that is stopped: one line, the exit code of the signal, and nothing is left running.

use std::fs;
use std::io::{ErrorKind, Read};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc;
use std::thread;

use anyhow::{Context, Result};
use party_tests::host::{free_port, party_host, temporary};
use party_tests::program::{BOUND, BUILD_BOUND, Program};
use rustix::process::Signal;

const MANIFEST: &str = "[package]\nname = \"slow\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n";
/// A build script that says that it is there, and then waits for an end that does not come.
const BUILD_SCRIPT: &str = "\
use std::io::{Read, Write};
fn main() {
    let test = std::env::var_os(\"TEST_WAITS_AT\").expect(\"cargo hands it on\");
    let mut test = std::os::unix::net::UnixStream::connect(test).expect(\"the test listens\");
    test.write_all(b\"!\").expect(\"the test reads\");
    let _ = test.read(&mut [0]);
}
";

/// A package whose build script has begun, once the receiver says so.
fn slow_package(dir: &Path) -> Result<mpsc::Receiver<UnixStream>> {
    fs::create_dir(dir.join("src"))?;
    fs::write(dir.join("Cargo.toml"), MANIFEST)?;
    fs::write(dir.join("build.rs"), BUILD_SCRIPT)?;
    fs::write(dir.join("src/lib.rs"), "")?;
    let listener = UnixListener::bind(dir.join("test"))?;
    let (sender, begun) = mpsc::channel();
    thread::spawn(move || {
        let (mut script, _) = listener.accept().expect("it can be heard");
        script.read_exact(&mut [0]).expect("it says that it is there");
        // Nobody may listen any more.
        let _ = sender.send(script);
    });
    Ok(begun)
}

#[track_caller]
fn check_stopped(arguments: &[&str], signal: Signal, code: i32, told: &str) {
    let stopped = || -> Result<()> {
        let dir = temporary()?;
        let begun = slow_package(dir.path())?;
        let mut command = party_host();
        command.args(arguments).current_dir(dir.path()).env_remove("CARGO_TARGET_DIR");
        let mut host = Program::start(command.env("TEST_WAITS_AT", dir.path().join("test")))?;
        let mut script = begun.recv_timeout(BUILD_BOUND).context("the build script begins")?;
        host.signal(signal)?;
        let ended = host.end(BOUND)?;
        assert_eq!(ended.code, Some(code), "{}", ended.err);
        assert_eq!(ended.err.lines().last(), Some(told), "{}", ended.err);
        assert!(!ended.err.contains("error"), "{}", ended.err);
        // Its end of the socket closes when it ends, and not before.
        script.set_read_timeout(Some(BOUND))?;
        match script.read(&mut [0]) {
            Ok(0) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            other => panic!("the build script still runs: {other:?}"),
        }
        Ok(())
    };
    stopped().expect("it is stopped");
}

#[test]
fn a_build_that_is_stopped_leaves_nothing_running_and_says_so_in_one_line() {
    // SIGTERM once left cargo and its compilers running, and what cargo had said half of on the terminal.
    let port = free_port().to_string();
    let told = |signal: &str| format!("stopped by {signal}: the build was given up");
    check_stopped(&["build"], Signal::TERM, 143, &told("SIGTERM"));
    check_stopped(&["serve", "--port", &port], Signal::TERM, 143, &told("SIGTERM"));
    check_stopped(&["dev", "--port", &port], Signal::INT, 130, &told("SIGINT"));
}

#[test]
fn dev_that_waits_for_a_change_can_be_stopped_too() -> Result<()> {
    let dir = temporary()?;
    fs::create_dir(dir.path().join("src"))?;
    fs::write(dir.path().join("Cargo.toml"), MANIFEST)?;
    fs::write(dir.path().join("src/lib.rs"), "pub fn hello( {}")?;
    let mut command = party_host();
    command.args(["dev", "--port", &free_port().to_string()]).current_dir(dir.path());
    let mut host = Program::start(&mut command)?;
    host.wait_for("it is built again when you save", BUILD_BOUND)?;
    host.signal(Signal::INT)?;
    let ended = host.end(BOUND)?;
    assert_eq!(ended.code, Some(130), "{}", ended.err);
    assert!(ended.err.ends_with("\nstopped by SIGINT: nothing was served yet\n"), "{}", ended.err);
    Ok(())
}
