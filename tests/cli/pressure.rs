//! A host with less memory than its rooms need, and two threads: idle rooms of either make room for those of the other, and the
//! log is quiet about it.

use std::fs;

use anyhow::{Result, ensure};
use party_tests::guests::guest_path;
use party_tests::host::{Host, temporary};
use party_tests::http::request;
use rustix::process::Signal;

const ROOMS: u32 = 10;

/// A project whose rooms do not sleep by themselves in the time of a test.
fn project(memory: &str) -> Result<tempfile::TempDir> {
    let dir = temporary()?;
    let component = guest_path("test_guests");
    let settings = format!(
        "name = \"many\"\nmain = {component:?}\nmemory = \"{memory}\"\n[limits]\nidle_ms = 600_000\n"
    );
    fs::write(dir.path().join("party.toml"), settings)?;
    Ok(dir)
}

#[test]
fn rooms_of_both_threads_share_the_memory_of_one_room() -> Result<()> {
    for memory in ["hibernate", "durable"] {
        let (project, data) = (project(memory)?, temporary()?);
        let limits = ["--workers", "2", "--memory-budget", "1"];
        let mut host = Host::serve_with(project.path(), data.path(), &limits)?;
        for said in 1..=4 {
            for room in 0..ROOMS {
                let answer = request(host.port, "GET", &format!("/parties/main/room-{room}/said"))?;
                let found = (answer.status, answer.body.as_str());
                ensure!(found == (200, said.to_string().as_str()), "room-{room}, {said}: {found:?}");
            }
        }
        // A room that has just dropped a turn does not sleep for a minute: now it has all the memory.
        request(host.port, "POST", "/parties/main/room-0/trap")?;
        ensure!(request(host.port, "GET", "/parties/main/room-0/said")?.status == 200);
        for room in 1..ROOMS {
            let answer = request(host.port, "GET", &format!("/parties/main/room-{room}/said"))?;
            ensure!(
                answer.status == 503 && answer.body.contains("--memory-budget"),
                "room-{room}: {answer:?}"
            );
        }
        let ended = host.stop(Signal::TERM)?;
        for room in 1..ROOMS {
            let name = format!("many/main/room-{room}");
            let is_of_it = |line: &&str| line.contains("place") && line.ends_with(&name);
            let lines: Vec<_> = ended.err.lines().chain(ended.out.lines()).filter(is_of_it).collect();
            ensure!(lines.iter().filter(|line| line.contains("gives up")).count() <= 1, "{lines:#?}");
            ensure!(lines.len() <= 3, "a line for each state, not for each try: {lines:#?}");
        }
        ensure!(ended.err.contains("gives up waiting for a place"), "{}", ended.err);
    }
    Ok(())
}
