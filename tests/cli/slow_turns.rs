//! A turn that takes long is told of while it runs, with what ends it.

use std::fs;

use anyhow::Result;
use party_tests::guests::guest_path;
use party_tests::host::{Host, temporary};
use party_tests::http::Socket;
use party_tests::program::BOUND;

/// Serves a guest whose turns may compute for this long, and has one loop.
fn loop_for(deadline_ms: u64) -> Result<(Host, [tempfile::TempDir; 2])> {
    let (project, data) = (temporary()?, temporary()?);
    let component = guest_path("test_guests");
    // So much fuel that the deadline ends it, however fast the machine loops.
    let limits = format!("turn_deadline_ms = {deadline_ms}\nturn_fuel_max = 1000000000000\n");
    let settings = format!("main = {component:?}\n[limits]\n{limits}");
    fs::write(project.path().join("party.toml"), settings)?;
    let mut host = Host::serve(project.path(), data.path())?;
    Socket::connect(host.port, "lobby")?.send("loop")?;
    host.program.wait_for("the turn was dropped", BOUND)?;
    Ok((host, [project, data]))
}

#[test]
fn a_turn_that_computes_for_a_second_is_told_of_once_with_its_room_and_its_bounds() -> Result<()> {
    // With 20 billion units of fuel a loop takes 20 s, in which the log once said nothing.
    let (host, _places) = loop_for(2_500)?;
    let said = host.program.said();
    let told: Vec<_> = said.lines().filter(|line| line.contains("has computed for 1000 ms")).collect();
    assert_eq!(told.len(), 1, "{said}");
    for part in [
        "WARN",
        "party=\"main\"",
        "room=\"lobby\"",
        "event=\"on-message\"",
        "turn_fuel_max",
        "2500 ms (turn_deadline_ms)",
    ] {
        assert!(told[0].contains(part), "{part:?} is not in {}", told[0]);
    }
    let (before, _) = said.split_once("the turn was dropped").unwrap_or_default();
    assert!(before.contains("has computed for 1000 ms"), "it is told while the turn runs: {said}");
    Ok(())
}

#[test]
fn a_turn_that_ends_before_is_not_told_of() -> Result<()> {
    let (host, _places) = loop_for(900)?;
    assert!(!host.program.said().contains("has computed for"), "{}", host.program.said());
    Ok(())
}
