//! Rooms that sleep on a real host: a restart keeps variables, and kill -9 takes a room back to where it slept.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use party_tests::guests::guest_path;
use party_tests::host::{Host, temporary};
use party_tests::http::request;
use rustix::process::Signal;

/// A project whose rooms sleep after a moment.
fn project(memory: &str) -> Result<tempfile::TempDir> {
    let dir = temporary()?;
    let component = guest_path("test_guests");
    let limits = "idle_ms = 100\n";
    let settings =
        format!("name = \"sleepers\"\nmain = {component:?}\nmemory = \"{memory}\"\n[limits]\n{limits}");
    fs::write(dir.path().join("party.toml"), settings)?;
    Ok(dir)
}

fn said(host: &Host, room: &str) -> Result<u64> {
    Ok(request(host.port, "GET", &format!("/parties/main/{room}/said"))?.body.parse()?)
}

#[test]
fn variables_outlive_a_restart() -> Result<()> {
    let (project, data) = (project("hibernate")?, temporary()?);
    let mut host = Host::serve(project.path(), data.path())?;
    for room in 0..20 {
        assert_eq!(said(&host, &format!("room-{room}"))?, 1);
    }
    let ended = host.stop(Signal::TERM)?;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    host.start()?;
    for room in 0..20 {
        assert_eq!(said(&host, &format!("room-{room}"))?, 2, "room-{room} goes on where it was");
    }
    host.stop(Signal::TERM)?;
    Ok(())
}

#[test]
fn volatile_rooms_lose_them() -> Result<()> {
    let (project, data) = (project("volatile")?, temporary()?);
    let mut host = Host::serve(project.path(), data.path())?;
    assert_eq!((said(&host, "room")?, said(&host, "room")?), (1, 2));
    host.stop(Signal::TERM)?;
    host.start()?;
    assert_eq!(said(&host, "room")?, 1);
    host.stop(Signal::TERM)?;
    Ok(())
}

#[test]
fn after_kill_9_a_room_goes_on_from_where_it_slept() -> Result<()> {
    let (project, data) = (project("hibernate")?, temporary()?);
    let mut host = Host::serve(project.path(), data.path())?;
    let mut last = said(&host, "room")?;
    assert_eq!(last, 1);
    // It sleeps some time after 100 ms: until then a kill takes it back to what it was before, or to nothing.
    let begun = Instant::now();
    loop {
        host.kill()?;
        host.start()?;
        let now = said(&host, "room")?;
        ensure!((1..=last + 1).contains(&now), "after {last} the room says {now}, which it never was");
        if now == last + 1 {
            break;
        }
        last = now;
        ensure!(begun.elapsed() < Duration::from_secs(60), "the room never slept");
        let quiet = Instant::now();
        while quiet.elapsed() < Duration::from_millis(150) {
            std::thread::yield_now();
        }
    }
    host.stop(Signal::TERM)?;
    Ok(())
}
