//! A party's `memory` setting is changed from start to start: its rooms keep what the settings promise, and none is damaged.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use party_tests::guests::guest_path;
use party_tests::host::{Host, temporary};
use party_tests::http::request;
use rustix::process::Signal;

fn set(project: &Path, memory: &str) -> Result<()> {
    let component = guest_path("test_guests");
    Ok(fs::write(
        project.join("party.toml"),
        format!("name = \"settings\"\nmain = {component:?}\nmemory = \"{memory}\"\n"),
    )?)
}

/// A party that may have so many operations open.
fn set_operations(project: &Path, memory: &str, open_max: u32) -> Result<()> {
    set(project, memory)?;
    let settings = fs::read_to_string(project.join("party.toml"))?;
    let limits = format!("{settings}[limits]\noperations_open_max = {open_max}\n");
    Ok(fs::write(project.join("party.toml"), limits)?)
}

fn ask(host: &Host, method: &str, what: &str) -> Result<String> {
    let answer = request(host.port, method, &format!("/parties/main/room/{what}"))?;
    ensure!(answer.status == 200, "{what}: {} {}", answer.status, answer.body);
    Ok(answer.body)
}

#[test]
fn a_journal_that_wrote_nothing_ends_when_its_room_is_durable_no_more() -> Result<()> {
    for between in ["volatile", "hibernate"] {
        let (project, data) = (temporary()?, temporary()?);
        let (project, data) = (project.path(), data.path());
        set(project, "durable")?;
        let mut host = Host::serve(project, data)?;
        ensure!(ask(&host, "GET", "said")? == "1");
        host.kill()?;
        set(project, between)?;
        host.start()?;
        ensure!(ask(&host, "POST", "count")? == "1", "a turn that stores");
        host.kill()?;
        set(project, "durable")?;
        host.start()?;
        let counted = ask(&host, "POST", "count").with_context(|| between.to_owned())?;
        ensure!(counted == "2", "what was stored between is there: {counted}");
        host.kill()?;
        host.start()?;
        ensure!(ask(&host, "POST", "count")? == "3", "and it is durable again");
        host.kill()?;
    }
    Ok(())
}

#[test]
fn a_room_that_is_durable_no_more_goes_on_where_it_was_killed() -> Result<()> {
    let (project, data) = (temporary()?, temporary()?);
    let (project, data) = (project.path(), data.path());
    set(project, "durable")?;
    let mut host = Host::serve(project, data)?;
    for count in 1..=3 {
        ensure!(ask(&host, "POST", "count")? == count.to_string());
    }
    host.kill()?;
    // Not asked for in this life of the host, which ends in good order.
    set(project, "hibernate")?;
    host.start()?;
    host.stop(Signal::TERM)?;
    host.start()?;
    ensure!(ask(&host, "GET", "said")? == "4");
    ensure!(ask(&host, "GET", "started")? == "Some(New)");
    host.stop(Signal::TERM)?;
    host.start()?;
    ensure!(ask(&host, "GET", "said")? == "6");
    ensure!(ask(&host, "POST", "count")? == "4");
    host.kill()
}

#[test]
fn a_sleep_that_could_not_begin_begins_when_the_setting_allows_it() -> Result<()> {
    for memory in ["hibernate", "durable"] {
        let (project, data) = (temporary()?, temporary()?);
        let (project, data) = (project.path(), data.path());
        set_operations(project, memory, 0)?;
        let mut host = Host::serve(project, data)?;
        ensure!(ask(&host, "GET", "nap?1")? == "good night");
        ensure!(ask(&host, "GET", "resumed")?.ends_with(" 0"), "it cannot have begun");
        host.stop(Signal::TERM)?;
        set_operations(project, memory, 1)?;
        host.start()?;
        let begun = Instant::now();
        while !ask(&host, "GET", "resumed")?.ends_with(" 1") {
            ensure!(begun.elapsed() < Duration::from_secs(10), "{memory}: the sleep never began");
        }
        host.kill()?;
    }
    Ok(())
}
