//! Copies of rooms that sleep when nothing happens, with `party-host fork` and `checkpoint export`: under load with their
//! variables, and without them where none fit, which is said.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use anyhow::{Result, ensure};
use party_tests::guests::guest_path;
use party_tests::host::{Host, temporary};
use party_tests::http::{Http, request};
use rustix::process::Signal;

use crate::asking::ends_well;

/// How many clients store at once.
const WRITERS: usize = 4;

fn project(memory: &str) -> Result<tempfile::TempDir> {
    let dir = temporary()?;
    let component = guest_path("test_guests");
    fs::write(
        dir.path().join("party.toml"),
        format!("name = \"copied\"\nmain = {component:?}\nmemory = \"{memory}\"\n"),
    )?;
    Ok(dir)
}

fn number(host: &Host, room: &str, what: &str) -> Result<u64> {
    let answer = request(host.port, "GET", &format!("/parties/main/{room}/{what}"))?;
    ensure!(answer.status == 200, "{room}/{what}: {answer:?}");
    Ok(answer.body.parse()?)
}

/// What a copy counts in its storage and in its variables is the same. How far it has counted.
fn is_whole(host: &Host, copy: &str) -> Result<u64> {
    let (count, said) = (number(host, copy, "count")? - 1, number(host, copy, "said")? - 2);
    ensure!(count == said, "{copy} has counted to {count} in its storage, and in its variables to {said}");
    Ok(count)
}

/// The copies had lost their variables, and nothing said so.
#[test]
fn a_room_is_copied_with_its_variables_while_clients_store_without_a_pause() -> Result<()> {
    let (project, data) = (project("hibernate")?, temporary()?);
    let host = Host::serve(project.path(), data.path())?;
    let (port, told, is_over) = (host.port, AtomicU64::new(0), AtomicBool::new(false));
    let load = || -> Result<()> {
        let mut client = Http::connect(port)?;
        while !is_over.load(Ordering::SeqCst) {
            let answer = client.request("GET", "/parties/main/lobby/count")?;
            ensure!(answer.status == 200, "{answer:?}");
            told.fetch_max(answer.body.parse()?, Ordering::SeqCst);
        }
        Ok(())
    };
    let file = data.path().join("lobby.room");
    let file = file.to_str().expect("UTF-8");
    thread::scope(|scope| -> Result<()> {
        let clients: Vec<_> = (0..WRITERS).map(|_| scope.spawn(load)).collect();
        while told.load(Ordering::SeqCst) < 100 && !clients.iter().any(|client| client.is_finished()) {
            thread::yield_now();
        }
        let copied = (0..8).try_for_each(|number| {
            let copy = format!("copy-{number}");
            let before = told.load(Ordering::SeqCst);
            let named = format!("main/{copy}");
            let ended = ends_well(data.path(), &["fork", "main/lobby", &named])?;
            ensure!(ended.out.contains("and its variables"), "{}", ended.out);
            let count = is_whole(&host, &copy)?;
            let after = told.load(Ordering::SeqCst) + WRITERS as u64;
            ensure!((before..=after).contains(&count), "{copy}: {count}, not of {before} to {after}");
            Ok(())
        });
        let exported = ends_well(data.path(), &["checkpoint", "export", "main/lobby", file]);
        is_over.store(true, Ordering::SeqCst);
        for client in clients {
            client.join().expect("no panic")?;
        }
        copied?;
        ensure!(exported?.out.contains("with 1 keys and its variables"));
        Ok(())
    })?;
    ends_well(data.path(), &["checkpoint", "import", file, "main/brought"])?;
    is_whole(&host, "brought")?;
    let last = told.load(Ordering::SeqCst);
    ensure!(is_whole(&host, "lobby")? == last, "the room itself has noticed nothing");
    Ok(())
}

#[test]
fn a_copy_without_variables_says_that_it_is_one() -> Result<()> {
    const WORDS: &str =
        "without variables: none are kept that fit to its storage; it starts afresh from that";
    for memory in ["hibernate", "volatile"] {
        let (project, data) = (project(memory)?, temporary()?);
        let mut host = Host::serve(project.path(), data.path())?;
        ensure!(number(&host, "lobby", "count")? == 1);
        if memory == "volatile" {
            let told = ends_well(data.path(), &["fork", "main/lobby", "main/running"])?.out;
            ensure!(told.contains(WORDS), "{told}");
        }
        // Saved in good order, and then it stores what no checkpoint knows of.
        host.stop(Signal::TERM)?;
        host.start()?;
        ensure!(number(&host, "lobby", "count")? == 2);
        host.kill()?;
        let told = ends_well(data.path(), &["fork", "main/lobby", "main/left"])?.out;
        ensure!(told.contains(WORDS), "{told}");
        let file = data.path().join("lobby.room");
        let file = file.to_str().expect("UTF-8");
        let told = ends_well(data.path(), &["checkpoint", "export", "main/lobby", file])?.out;
        ensure!(told.contains(WORDS), "{told}");
        host.start()?;
        // Of a host that runs, which has not asked for the room since.
        let told = ends_well(data.path(), &["fork", "main/lobby", "main/asleep"])?.out;
        ensure!(told.contains(WORDS), "{told}");
        for copy in ["left", "asleep"] {
            ensure!(number(&host, copy, "count")? == 3);
            ensure!(number(&host, copy, "said")? == 2, "its variables begin anew");
        }
        host.kill()?;
    }
    Ok(())
}
