//! The real host when its disk takes nothing more: files may not grow beyond a bound (RLIMIT_FSIZE), which is set while it
//! runs and lifted again, as when somebody makes space. That needs no rights and no file system of its own.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use party_tests::guests::guest_path;
use party_tests::host::{free_port, party_host, temporary};
use party_tests::http::{Socket, request};
use party_tests::program::{BOUND, BUILD_BOUND, Program};
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};

/// Serves a project from a data directory. Who writes too far gets an error, as from a full disk, instead of a signal.
fn serve(project: &Path, data: &Path, port: u16) -> Result<Program> {
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(party_host().get_program());
    command.arg("serve").arg(project).arg("--data").arg(data);
    command.args(["--host", "127.0.0.1", "--port", &port.to_string()]);
    let mut program = Program::start(&mut command)?;
    program.wait_for(&format!("on http://127.0.0.1:{port}"), BUILD_BOUND)?;
    Ok(program)
}

/// From now on it can write so many bytes of each file; `None`: as many as it likes.
fn bound_files(program: &Program, bytes_max: Option<u64>) -> Result<()> {
    let pid = Pid::from_raw(program.id()).context("it has a number")?;
    prlimit(Some(pid), Resource::Fsize, Rlimit { current: bytes_max, maximum: None })?;
    Ok(())
}

fn fills_and_empties(memory: &str) -> Result<()> {
    let (project, data) = (temporary()?, temporary()?);
    let component = guest_path("test_guests");
    let settings = format!("main = {component:?}\nmemory = \"{memory}\"\n");
    fs::write(project.path().join("party.toml"), settings)?;
    let port = free_port();
    let mut host = serve(project.path(), data.path(), port)?;
    let count = |room: &str| request(port, "POST", &format!("/parties/main/{room}/count"));
    for acknowledged in 1..=3 {
        let counted = count("lobby")?;
        ensure!((counted.status, counted.body) == (200, acknowledged.to_string()));
    }
    let mut alice = Socket::connect(port, "lobby")?;
    alice.send("echo hello")?;
    ensure!(alice.text()? == "hello");

    bound_files(&host, Some(4_096))?;
    alice.send("put-bytes never 5")?;
    let closed = alice.closed()?;
    ensure!(closed == (1011, "the room could not be written".into()), "{closed:?}");
    for room in ["lobby", "never-seen"] {
        let refused = count(room)?;
        ensure!(refused.status == 503 && refused.body.contains("File too large"), "{refused:?}");
    }
    // The log names the cause and what to do.
    host.wait_for("a commit failed", BOUND)?;
    let said = host.said();
    for part in ["ERROR", "File too large", "check the disk", "goes on by itself once it works"] {
        ensure!(said.contains(part), "{part:?} is not in {said}");
    }
    ensure!(host.is_running(), "{said}");

    bound_files(&host, None)?;
    let counted = count("lobby")?;
    ensure!((counted.status, counted.body.as_str()) == (200, "4"), "{counted:?}");
    let never = request(port, "GET", "/parties/main/lobby/get?never")?;
    ensure!(never.status == 404, "{never:?}");
    // Six requests and a message; another message never was.
    let said = request(port, "GET", "/parties/main/lobby/said")?;
    ensure!(memory != "durable" || said.body == "7", "{said:?}");

    host.signal(Signal::KILL)?;
    host.end(BOUND)?;
    let host = serve(project.path(), data.path(), port)?;
    let counted = count("lobby")?;
    ensure!((counted.status, counted.body.as_str()) == (200, "5"), "{counted:?}\n{}", host.said());
    Ok(())
}

#[test]
fn a_disk_that_takes_nothing_more_closes_rooms_and_the_same_host_goes_on() -> Result<()> {
    fills_and_empties("hibernate")
}

#[test]
fn a_disk_that_takes_nothing_more_takes_back_no_turn_of_a_durable_room() -> Result<()> {
    fills_and_empties("durable")
}

/// Nobody has a variable of such a room any more once the host has gone: whoever looks after the host must hear of it.
#[test]
fn a_host_that_ends_and_cannot_write_its_rooms_says_which_and_ends_with_1() -> Result<()> {
    let (project, data) = (temporary()?, temporary()?);
    let component = guest_path("test_guests");
    fs::write(project.path().join("party.toml"), format!("main = {component:?}\nmemory = \"hibernate\"\n"))?;
    let port = free_port();
    let mut host = serve(project.path(), data.path(), port)?;
    for said in ["1", "2"] {
        ensure!(request(port, "GET", "/parties/main/lobby/said")?.body == said);
    }
    bound_files(&host, Some(4_096))?;
    host.signal(Signal::TERM)?;
    let status = host.end(BOUND)?;
    let said = host.said();
    ensure!(status.code == Some(1), "{:?}: {said}", status.code);
    for part in ["lobby", "could not be written", "1 rooms have ended without their memory", "hint"] {
        ensure!(said.contains(part), "{part:?} is not in {said}");
    }
    // It is in order all the same, and one that can write ends with 0.
    let mut host = serve(project.path(), data.path(), port)?;
    ensure!(request(port, "GET", "/parties/main/lobby/said")?.body == "1");
    host.signal(Signal::TERM)?;
    let status = host.end(BOUND)?;
    ensure!(status.code == Some(0), "{:?}: {}", status.code, host.said());
    let mut host = serve(project.path(), data.path(), port)?;
    ensure!(request(port, "GET", "/parties/main/lobby/said")?.body == "2");
    host.signal(Signal::KILL)?;
    host.end(BOUND)?;
    Ok(())
}
