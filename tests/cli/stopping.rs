//! How the host ends: it drains on SIGTERM and Ctrl-C, and at once when told twice.

use std::fs;
use std::time::Duration;

use anyhow::Result;
use party_tests::guests::guest_path;
use party_tests::host::{Host, temporary};
use party_tests::http::{Http, Socket, request};
use party_tests::program::BOUND;
use rustix::process::Signal;

/// Serves the probe, with a room in which someone sits and whose storage holds a 1.
fn probe(data: &std::path::Path) -> Result<(Host, Socket)> {
    let host = Host::serve(&guest_path("test_guests"), data)?;
    let socket = Socket::connect(host.port, "lobby")?;
    assert_eq!(request(host.port, "POST", "/parties/main/lobby/count")?.body, "1");
    Ok((host, socket))
}

/// Asks the room for something that takes its time, and waits until the room has been asked.
fn ask_and_wait(host: &Host, other: &mut Http, what: &str) -> Result<Http> {
    let mut slow = Http::connect(host.port)?;
    // The room counts its requests.
    let mut said: u64 = slow.request("GET", "/parties/main/lobby/said")?.body.parse()?;
    slow.send("GET", &format!("/parties/main/lobby{what}"))?;
    loop {
        let next: u64 = other.request("GET", "/parties/main/lobby/said")?.body.parse()?;
        if next > said + 1 {
            return Ok(slow);
        }
        said = next;
    }
}

/// The signal ends the host with code 0, after clients were told and what was asked before was answered.
fn check_drain(signal: Signal) -> Result<()> {
    let data = temporary()?;
    let (mut host, mut socket) = probe(data.path())?;
    let mut idle = Http::connect(host.port)?;
    let mut slow = ask_and_wait(&host, &mut idle, "/later?700")?;

    host.program.signal(signal)?;
    host.program.wait_for("stopping", BOUND)?;
    assert_eq!(slow.receive()?.body, "later", "what was asked before is answered");
    assert_eq!(socket.closed()?.0, 1001, "the client is told that the host goes away");
    assert!(idle.receive().is_err(), "a connection that nothing is asked on is closed");
    let ended = host.program.end(BOUND)?;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.err.contains("nothing that was acknowledged is lost"), "{}", ended.err);
    assert!(!ended.err.contains("ERROR") && !ended.err.contains("panicked"), "{}", ended.err);

    host.start()?;
    assert_eq!(request(host.port, "POST", "/parties/main/lobby/count")?.body, "2");
    Ok(())
}

#[test]
fn sigterm_drains() -> Result<()> {
    check_drain(Signal::TERM)
}

#[test]
fn ctrl_c_drains() -> Result<()> {
    check_drain(Signal::INT)
}

#[test]
fn ctrl_c_twice_ends_it_at_once() -> Result<()> {
    let data = temporary()?;
    let (mut host, _socket) = probe(data.path())?;
    let _waiting = ask_and_wait(&host, &mut Http::connect(host.port)?, "/never")?;
    host.program.signal(Signal::INT)?;
    host.program.wait_for("once more stops at once", BOUND)?;
    assert!(host.program.is_running(), "a request is under way, so it drains");
    host.program.signal(Signal::INT)?;
    // Less than the 10 s that clients are given: it did not wait for them.
    let ended = host.program.end(Duration::from_secs(8))?;
    assert_eq!(ended.code, Some(130), "{}", ended.err);
    host.start()?;
    assert_eq!(request(host.port, "POST", "/parties/main/lobby/count")?.body, "2");
    Ok(())
}

#[test]
fn a_client_that_never_goes_is_cut_off_after_the_drain() -> Result<()> {
    let data = temporary()?;
    let mut host = Host::serve_with(&guest_path("test_guests"), data.path(), &["--drain", "1"])?;
    let _waiting = ask_and_wait(&host, &mut Http::connect(host.port)?, "/never")?;
    let _silent = Socket::connect(host.port, "lobby")?;
    let ended = host.stop(Signal::TERM)?;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.err.contains("after 1 s"), "{}", ended.err);
    Ok(())
}

/// Its guest has read its standard input, which the prologue does not open: nobody could give that back with its memory.
#[test]
fn a_room_that_cannot_be_captured_is_named_when_its_host_ends_with_1() -> Result<()> {
    let (project, data) = (temporary()?, temporary()?);
    let component = guest_path("test_guests");
    fs::write(project.path().join("party.toml"), format!("main = {component:?}\nmemory = \"hibernate\"\n"))?;
    let mut host = Host::serve(project.path(), data.path())?;
    assert_eq!(request(host.port, "GET", "/parties/main/kept/said")?.body, "1");
    assert_eq!(request(host.port, "GET", "/parties/main/lost/input")?.body, "0");
    let ended = host.stop(Signal::TERM)?;
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    for part in [
        "WASI handles that its prologue did not open",
        "ends without its memory: it could not be captured",
        "main/lost",
        "1 rooms have ended without their memory",
    ] {
        assert!(ended.err.contains(part), "{part:?} is not in {}", ended.err);
    }
    // The other has kept all, and the next host ends with 0.
    host.start()?;
    assert_eq!(request(host.port, "GET", "/parties/main/kept/said")?.body, "2");
    assert_eq!(request(host.port, "GET", "/parties/main/lost/said")?.body, "1");
    let ended = host.stop(Signal::TERM)?;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    Ok(())
}

/// A room in a turn never comes to look after its memory. Nobody counted it: the last words were that nothing is lost, and the
/// exit code was 0.
#[test]
fn a_room_in_a_turn_that_outlasts_its_host_is_named_and_the_host_ends_with_1() -> Result<()> {
    let (project, data) = (temporary()?, temporary()?);
    let component = guest_path("test_guests");
    let limits = "turn_deadline_ms = 600000\nturn_fuel_max = 1000000000000000\n";
    let settings = format!("main = {component:?}\nmemory = \"hibernate\"\n[limits]\n{limits}");
    fs::write(project.path().join("party.toml"), settings)?;
    let mut host = Host::serve_with(project.path(), data.path(), &["--drain", "1", "--save", "2"])?;
    for room in ["kept", "lost"] {
        assert_eq!(request(host.port, "GET", &format!("/parties/main/{room}/said"))?.body, "1");
    }
    Socket::connect(host.port, "lost")?.send("loop")?;
    host.program.wait_for("has computed for 1000 ms", BOUND)?;
    let ended = host.stop(Signal::TERM)?;
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    let named: Vec<_> = ended.err.lines().filter(|line| line.contains("is not known to be kept")).collect();
    assert_eq!(named.len(), 1, "{}", ended.err);
    assert!(named[0].contains("main/lost") && named[0].contains("a turn is under way"), "{}", named[0]);
    assert!(ended.err.contains("they were given 2 s"), "{}", ended.err);
    assert!(ended.err.contains("1 rooms have ended without their memory"), "{}", ended.err);
    assert!(!ended.err.contains("nothing that was acknowledged is lost"), "{}", ended.err);

    host.start()?;
    assert_eq!(request(host.port, "GET", "/parties/main/kept/said")?.body, "2");
    assert_eq!(request(host.port, "GET", "/parties/main/lost/said")?.body, "1");
    Ok(())
}
