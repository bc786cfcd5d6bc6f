//! How the host ends: it drains on SIGTERM and Ctrl-C, and at once when told twice.

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
