//! `party-host replay` on what a host has left that was killed: the same turns again, and changed code beside them.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use party_tests::guests::Version;
use party_tests::host::{Host, party_host, temporary};
use party_tests::http::request;
use rustix::process::Signal;

/// A data directory with a durable room, `main/lobby`, that was asked four times before its host was killed.
fn left_behind() -> Result<(tempfile::TempDir, tempfile::TempDir)> {
    let (dir, data) = (temporary()?, temporary()?);
    fs::write(dir.path().join("first.wasm"), Version::named('1').component())?;
    fs::write(dir.path().join("changed.wasm"), Version::named('2').component())?;
    let settings = "name = \"replayed\"\nmain = \"first.wasm\"\nmemory = \"durable\"\n";
    fs::write(dir.path().join("party.toml"), settings)?;
    let mut host = Host::serve(dir.path(), data.path())?;
    for count in 1..=4 {
        let answer = request(host.port, "GET", "/parties/main/lobby")?.body;
        assert_eq!(answer, format!("1 {count} New"));
    }
    host.kill()?;
    Ok((dir, data))
}

/// Exit code, standard output and standard error.
fn replay(data: &Path, more: &[&str]) -> Result<(Option<i32>, String, String)> {
    let output = party_host().args(["replay", "main/lobby", "--data"]).arg(data).args(more).output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((output.status.code(), text(&output.stdout), text(&output.stderr)))
}

#[test]
fn recorded_turns_are_printed_as_they_were() -> Result<()> {
    let (dir, data) = left_behind()?;
    let (code, told, problem) = replay(data.path(), &[])?;
    assert_eq!(code, Some(0), "{problem}");
    for expected in
        ["from the beginning of the room's life", "on-start (New)", "on-request", "200 \"1 4 New\""]
    {
        assert!(told.contains(expected), "{expected:?} is not in\n{told}");
    }
    assert!(told.trim_end().ends_with("all as they were, to commit 5 of 5"), "{told}");
    let (code, told, problem) = replay(data.path(), &["--until", "3"])?;
    assert_eq!(code, Some(0), "{problem}");
    assert!(told.contains("200 \"1 2 New\"") && !told.contains("1 3 New"), "{told}");

    // It has changed nothing: the host goes on.
    let mut host = Host::serve(dir.path(), data.path())?;
    assert_eq!(request(host.port, "GET", "/parties/main/lobby")?.body, "1 5 New");
    let (code, _, problem) = replay(data.path(), &[])?;
    assert_eq!(code, Some(2));
    assert!(problem.contains("a host runs on"), "{problem}");
    host.stop(Signal::TERM)?;
    let (code, _, problem) = replay(data.path(), &[])?;
    assert_eq!(code, Some(2), "what a checkpoint holds is in no journal");
    assert!(problem.contains("main/lobby has no recorded turns"), "{problem}");
    Ok(())
}

#[test]
fn changed_code_shows_the_first_difference() -> Result<()> {
    let (dir, data) = left_behind()?;
    let changed = dir.path().join("changed.wasm");
    let (code, told, problem) = replay(data.path(), &["--component", &changed.to_string_lossy()])?;
    assert_eq!(code, Some(1), "{told}");
    let (now, then) = told.split_once("as it was recorded:").context("both sides are shown")?;
    assert!(now.contains("200 \"2 1 New\""), "what the changed code did is shown:\n{told}");
    assert!(
        then.contains("answer 1 200 \"1 1 New\"") && then.lines().count() == 2,
        "what was sent then:\n{told}"
    );
    assert!(problem.contains("replay diverged at commit 2, on-request: it did something else"), "{problem}");
    Ok(())
}

#[test]
fn what_is_not_there_is_said() -> Result<()> {
    let (_dir, data) = left_behind()?;
    let output = party_host().args(["replay", "main/nobody", "--data"]).arg(data.path()).output()?;
    assert_eq!(output.status.code(), Some(2));
    let problem = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(problem.contains("there is no room main/nobody"), "{problem}");
    Ok(())
}
