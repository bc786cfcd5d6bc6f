//! `party-host deploy` on a real host: sockets stay, variables are carried over, what does not start changes nothing.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use party_tests::guests::Version;
use party_tests::host::{Host, party_host, temporary};
use party_tests::http::{Socket, request};
use party_tests::program::{BOUND, Ended, Program};
use rustix::process::Signal;

/// A project whose one party is a component beside its party.toml.
fn project(memory: &str) -> Result<tempfile::TempDir> {
    let dir = temporary()?;
    let settings = format!(
        "name = \"deployed\"\nmain = \"party.wasm\"\nmemory = \"{memory}\"\n[limits]\nidle_ms = 200\nupgrade_wait_ms = 500\n"
    );
    fs::write(dir.path().join("party.toml"), settings)?;
    write(dir.path(), Version::named('1'))?;
    Ok(dir)
}

fn write(project: &Path, version: Version) -> Result<()> {
    Ok(fs::write(project.join("party.wasm"), version.component())?)
}

fn deploy(project: &Path, data: &Path, more: &[&str]) -> Result<Ended> {
    Program::run(party_host().arg("deploy").arg(project).arg("--data").arg(data).args(more), BOUND)
}

fn counts(socket: &mut Socket, answer: &str) -> Result<()> {
    socket.send("count")?;
    assert_eq!(socket.text()?, answer);
    Ok(())
}

fn get(host: &Host, room: &str) -> Result<String> {
    Ok(request(host.port, "GET", &format!("/parties/main/{room}"))?.body)
}

#[test]
fn rooms_go_on_with_the_new_version_and_back_while_sockets_stay() -> Result<()> {
    let (project, data) = (project("hibernate")?, temporary()?);
    let (project, data) = (project.path(), data.path());
    let mut host = Host::serve(project, data)?;
    let mut socket = Socket::connect(host.port, "lobby")?;
    counts(&mut socket, "1 1 New")?;
    let ended = deploy(project, data, &[])?;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.out.contains("is served already"), "{}", ended.out);

    write(project, Version::named('2'))?;
    let ended = deploy(project, data, &[])?;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.out.contains("is served; before it was"), "{}", ended.out);
    assert!(ended.out.contains("rooms switched") || ended.out.contains("room switched"), "{}", ended.out);
    counts(&mut socket, "2 2 New+2")?;
    assert_eq!(get(&host, "new")?, "2 1 New");

    let ended = deploy(project, data, &["--rollback"])?;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    counts(&mut socket, "1 3 New+2+1")?;
    assert_eq!(host.stop(Signal::TERM)?.code, Some(0));
    Ok(())
}

#[test]
fn what_does_not_start_or_is_no_party_changes_nothing() -> Result<()> {
    let (project, data) = (project("hibernate")?, temporary()?);
    let (project, data) = (project.path(), data.path());
    let mut host = Host::serve(project, data)?;
    let mut socket = Socket::connect(host.port, "lobby")?;
    counts(&mut socket, "1 1 New")?;
    write(project, Version { start: 't', ..Version::named('2') })?;
    let ended = deploy(project, data, &[])?;
    assert_eq!(ended.code, Some(2), "{}{}", ended.out, ended.err);
    for part in
        ["party main is not deployed", "it does not start: the guest trapped", "hint: nothing has changed"]
    {
        assert!(ended.err.contains(part), "{part}: {}", ended.err);
    }
    fs::write(project.join("party.wasm"), "no component")?;
    let ended = deploy(project, data, &[])?;
    assert_eq!(ended.code, Some(2), "{}{}", ended.out, ended.err);
    assert!(ended.err.contains("this is not WebAssembly"), "{}", ended.err);
    let ended = deploy(project, data, &["--rollback"])?;
    assert_eq!(ended.code, Some(2), "{}{}", ended.out, ended.err);
    assert!(ended.err.contains("no version of main before this one is known"), "{}", ended.err);
    counts(&mut socket, "1 2 New")?;
    assert_eq!(get(&host, "new")?, "1 1 New");
    assert_eq!(host.stop(Signal::TERM)?.code, Some(0));
    Ok(())
}

#[test]
fn a_room_that_cannot_be_taken_over_stays_and_the_command_says_so() -> Result<()> {
    let (project, data) = (project("durable")?, temporary()?);
    let (project, data) = (project.path(), data.path());
    let mut host = Host::serve(project, data)?;
    let mut socket = Socket::connect(host.port, "lobby")?;
    counts(&mut socket, "1 1 New")?;
    write(project, Version { restore: 'f', ..Version::named('2') })?;
    // If it sleeps just now, it is asked when it wakes.
    let begun = Instant::now();
    loop {
        socket.send("count")?;
        ensure!(socket.text()?.starts_with("1 "), "it has its own version");
        let ended = deploy(project, data, &["--rollback"])?;
        ensure!(ended.code == Some(0) || ended.code == Some(2), "{}", ended.err);
        socket.send("count")?;
        ensure!(socket.text()?.starts_with("1 "), "it has its own version");
        let ended = deploy(project, data, &[])?;
        if ended.code == Some(1) {
            assert!(ended.err.contains("1 room stays with the version before"), "{}", ended.err);
            assert!(ended.err.contains("--rollback"), "{}", ended.err);
            break;
        }
        ensure!(begun.elapsed() < Duration::from_secs(60), "it is never asked: {}{}", ended.out, ended.err);
    }
    host.kill()?;
    host.start()?;
    let room = get(&host, "lobby")?;
    assert!(room.starts_with("1 "), "its version is kept for it: {room}");
    assert_eq!(host.stop(Signal::TERM)?.code, Some(0));
    Ok(())
}

#[test]
fn a_changed_component_at_the_next_start_carries_rooms_over_when_they_wake() -> Result<()> {
    for memory in ["hibernate", "durable"] {
        let (project, data) = (project(memory)?, temporary()?);
        let (project, data) = (project.path(), data.path());
        let mut host = Host::serve(project, data)?;
        assert_eq!(get(&host, "lobby")?, "1 1 New");
        assert_eq!(host.stop(Signal::TERM)?.code, Some(0));
        write(project, Version::named('2'))?;
        host.start()?;
        assert_eq!(get(&host, "lobby")?, "2 2 New+2", "{memory}");
        assert_eq!(host.stop(Signal::TERM)?.code, Some(0));
    }
    Ok(())
}

#[test]
fn without_a_host_or_with_another_project_nothing_is_deployed() -> Result<()> {
    let (project, data) = (project("hibernate")?, temporary()?);
    let (project, data) = (project.path(), data.path());
    let ended = deploy(project, data, &[])?;
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    let mut host = Host::serve(project, data)?;
    let other = temporary()?;
    fs::write(other.path().join("party.toml"), "name = \"other\"\nmain = \"party.wasm\"\n")?;
    write(other.path(), Version::named('2'))?;
    let ended = deploy(other.path(), data, &[])?;
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    assert!(ended.err.contains("the host serves the project deployed, not other"), "{}", ended.err);
    assert_eq!(get(&host, "lobby")?, "1 1 New");
    assert_eq!(host.stop(Signal::TERM)?.code, Some(0));
    let ended = deploy(project, data, &[])?;
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    assert!(ended.err.contains("no host runs on"), "{}", ended.err);
    Ok(())
}

/// It says nothing of its project; it is the party `main` of the host that the data directory names.
#[test]
fn a_component_by_itself_is_deployed_as_main_of_the_running_host() -> Result<()> {
    let (project, data) = (project("hibernate")?, temporary()?);
    let (project, data) = (project.path(), data.path());
    let mut host = Host::serve(project, data)?;
    assert_eq!(get(&host, "lobby")?, "1 1 New");
    let elsewhere = temporary()?;
    write(elsewhere.path(), Version::named('2'))?;
    let ended = deploy(&elsewhere.path().join("party.wasm"), data, &[])?;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.out.contains("main: ") && ended.out.contains("is served; before it was"), "{}", ended.out);
    assert_eq!(get(&host, "lobby")?, "2 2 New+2");
    assert_eq!(host.stop(Signal::TERM)?.code, Some(0));
    Ok(())
}

#[test]
fn a_host_that_was_killed_can_go_back_and_stays_there() -> Result<()> {
    let (project, data) = (project("durable")?, temporary()?);
    let (project, data) = (project.path(), data.path());
    let mut host = Host::serve(project, data)?;
    assert_eq!(get(&host, "lobby")?, "1 1 New");
    write(project, Version::named('2'))?;
    assert_eq!(deploy(project, data, &[])?.code, Some(0));
    assert_eq!(get(&host, "lobby")?, "2 2 New+2");
    host.kill()?;
    host.start()?;
    let ended = deploy(project, data, &["--rollback"])?;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.out.contains("is served; before it was"), "{}", ended.out);
    assert_eq!(get(&host, "lobby")?, "1 3 New+2+1");
    host.kill()?;
    // The directory still has the version that was gone back from.
    host.start()?;
    assert_eq!(get(&host, "lobby")?, "1 4 New+2+1");
    assert_eq!(get(&host, "new")?, "1 1 New");
    let ended = host.stop(Signal::TERM)?;
    assert_eq!(ended.code, Some(0));
    assert!(ended.err.contains("was gone back from"), "{}", ended.err);
    host.start()?;
    assert_eq!(deploy(project, data, &[])?.code, Some(0));
    assert_eq!(get(&host, "lobby")?, "2 5 New+2+1+2");
    host.kill()?;
    host.start()?;
    assert_eq!(get(&host, "lobby")?, "2 6 New+2+1+2");
    assert_eq!(host.stop(Signal::TERM)?.code, Some(0));
    Ok(())
}

#[test]
fn a_host_that_is_started_with_a_component_that_does_not_start_goes_on_with_the_one_before() -> Result<()> {
    let (project, data) = (project("hibernate")?, temporary()?);
    let (project, data) = (project.path(), data.path());
    let mut host = Host::serve(project, data)?;
    assert_eq!(get(&host, "lobby")?, "1 1 New");
    host.stop(Signal::TERM)?;
    write(project, Version { start: 't', ..Version::named('2') })?;
    host.start()?;
    assert_eq!(get(&host, "lobby")?, "1 2 New");
    assert_eq!(get(&host, "new")?, "1 1 New");
    let ended = host.stop(Signal::TERM)?;
    for part in
        ["is not served: it does not start: the guest trapped", "what was served last goes on", "hint: "]
    {
        assert!(ended.err.contains(part), "{part}: {}", ended.err);
    }
    write(project, Version::named('3'))?;
    host.start()?;
    assert_eq!(get(&host, "lobby")?, "3 3 New+3");
    let ended = host.stop(Signal::TERM)?;
    assert!(ended.err.contains("another component than last time is served"), "{}", ended.err);
    Ok(())
}
