//! A system that gives a host no more memory: a room that needs some to wake or to be made again is neither damaged nor made to
//! forget, and goes on when there is some.
//!
//! The limit is a real one: that of the kernel on the host's data (`RLIMIT_DATA`), set while the host runs. A room's memory
//! counts for it when it grows.

use std::fs;

use anyhow::{Context, Result, ensure};
use party_tests::guests::guest_path;
use party_tests::host::{Host, party_host, temporary};
use party_tests::http::{Answer, request};
use party_tests::program::{BOUND, Program};
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};

/// What the room keeps, in MiB.
const HOARD_MIB: u64 = 96;
/// What the host may still have: enough for all but that.
const LEFT_BYTES: u64 = 48 << 20;

/// From now on the host gets so much more memory of the system; `None`: as much as there is.
fn allow(host: &Host, more: Option<u64>) -> Result<()> {
    let id = host.program.id();
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    let has = status.lines().find_map(|line| line.strip_prefix("VmData:")).context("the kernel tells")?;
    let has_kib: u64 = has.trim().trim_end_matches(" kB").parse()?;
    let current = more.map(|more| (has_kib << 10) + more);
    prlimit(Pid::from_raw(id), Resource::Data, Rlimit { current, maximum: None })?;
    Ok(())
}

fn get(host: &Host, what: &str) -> Result<Answer> {
    request(host.port, "GET", &format!("/parties/main/lobby/{what}"))
}

fn check(memory: &str) -> Result<()> {
    let (dir, data) = (temporary()?, temporary()?);
    let component = guest_path("test_guests");
    let settings = format!("name = \"large\"\nmain = {component:?}\nmemory = \"{memory}\"\n");
    fs::write(dir.path().join("party.toml"), settings)?;
    let mut host = Host::serve(dir.path(), data.path())?;
    ensure!(get(&host, &format!("hoard?{HOARD_MIB}"))?.status == 200);
    let mut said = 2;
    let expected = |said: u64| format!("{said} {HOARD_MIB} false");
    ensure!(get(&host, "hoarded")?.body == expected(said));
    // A durable room is made again turn by turn, and grows in one of them; the other one in a piece.
    match memory {
        "durable" => host.kill()?,
        _ => drop(host.stop(Signal::TERM)?),
    }
    host.start()?;
    allow(&host, Some(LEFT_BYTES))?;
    let refused = get(&host, "hoarded")?;
    ensure!(refused.status == 503 && refused.body.contains("the system has no memory left"), "{refused:?}");
    let inspect = ["inspect", "main/lobby", "--data"];
    let told = Program::run(party_host().args(inspect).arg(data.path()), BOUND)?;
    ensure!(told.code == Some(0) && !told.out.contains("damaged"), "{told:?}");
    if memory == "durable" {
        // It has clients to tell of the crash, so it waits on; the other one sleeps until somebody comes.
        let is_told = ["waiting", "waits since", "because"].iter().all(|word| told.out.contains(word));
        ensure!(is_told && told.out.contains("the system has no memory left"), "{told:?}");
    }
    allow(&host, None)?;
    said += 1;
    let goes_on = get(&host, "hoarded")?;
    ensure!(goes_on.body == expected(said), "{memory}: {goes_on:?}");
    ensure!(get(&host, "started")?.body == "Some(New)");
    said += 1;
    if memory == "durable" {
        // What a turn was refused ends the turn, and the room is as it was before it.
        allow(&host, Some(LEFT_BYTES / 8))?;
        let dropped = get(&host, "hoard?24")?;
        allow(&host, None)?;
        ensure!(dropped.status == 500, "{dropped:?}");
        said += 1;
        ensure!(get(&host, "hoarded")?.body == expected(said));
    }
    host.stop(Signal::TERM)?;
    Ok(())
}

#[test]
fn a_sleeping_room_that_the_system_refuses_memory_keeps_its_own_and_wakes_when_there_is_some() -> Result<()> {
    check("hibernate")
}

#[test]
fn a_durable_room_that_the_system_refuses_memory_in_its_replay_is_made_again_when_there_is_some() -> Result<()>
{
    check("durable")
}
