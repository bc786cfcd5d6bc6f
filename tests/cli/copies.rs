//! Copies of durable rooms: with variables, a journal and a sleep under way, of a host that runs and of what one has left
//! that was killed. The room and its copy go on separately.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use party_tests::guests::guest_path;
use party_tests::host::{Host, party_host, temporary};
use party_tests::http::{Http, Socket, request};
use party_tests::program::{BOUND, Program};
use rustix::process::Signal;

use crate::asking::{ends_well, on};

/// A project of durable rooms that stay awake, so that all they do is in their journals.
fn project() -> Result<tempfile::TempDir> {
    let dir = temporary()?;
    let component = guest_path("test_guests");
    let settings = format!(
        "name = \"copied\"\nmain = {component:?}\nmemory = \"durable\"\n[limits]\nidle_ms = 3600000\n"
    );
    fs::write(dir.path().join("party.toml"), settings)?;
    Ok(dir)
}

fn get(host: &Host, room: &str, what: &str) -> Result<String> {
    Ok(request(host.port, "GET", &format!("/parties/main/{room}/{what}"))?.body)
}

fn field(data: &Path, room: &str, name: &str) -> Result<String> {
    let told = ends_well(data, &["inspect", room, "--json"])?.out;
    let after = told.split(&format!("\"{name}\": ")).nth(1).with_context(|| format!("{name}: {told}"))?;
    let value = after.split([',', '\n', '}']).next().unwrap_or_default();
    Ok(value.trim_matches('"').to_owned())
}

fn records(data: &Path, room: &str) -> Result<u64> {
    Ok(field(data, room, "journal_records")?.parse()?)
}

/// Messages and requests that the lobby has taken before it is copied.
const LIVED: u64 = 6;

/// What the lobby has done before it is copied: said 1 to 3 to a client, stored a key, begun a sleep. A longer one than the
/// test takes until it is copied.
fn live(host: &Host) -> Result<Socket> {
    let mut socket = Socket::connect(host.port, "lobby")?;
    for said in 1..=3 {
        socket.send("said")?;
        assert_eq!(socket.text()?, said.to_string());
    }
    assert_eq!(get(host, "lobby", "count")?, "1");
    assert_eq!(get(host, "lobby", "count")?, "2");
    assert_eq!(get(host, "lobby", "nap?4000")?, "good night");
    Ok(socket)
}

/// Waits until a room's sleep has ended, which is told once: whatever became of the room, and whoever has left it.
fn wakes(host: &Host, room: &str, resumed: &str) -> Result<()> {
    let begun = Instant::now();
    loop {
        let found = get(host, room, "resumed")?;
        assert!(found.starts_with(resumed), "{room}: {found}");
        if found.ends_with(" 1") {
            return Ok(());
        }
        ensure!(found.ends_with(" 0") && begun.elapsed() < Duration::from_secs(60), "{room} says {found}");
    }
}

/// A room goes on in variables and in storage: it has taken so many messages and requests, and its storage has counted so
/// far. Gives back how many it has taken then.
fn goes_on(host: &Host, room: &str, said: u64, count: u64) -> Result<u64> {
    let mut socket = Socket::connect(host.port, room)?;
    for next in [said + 1, said + 2] {
        socket.send("said")?;
        // It may first be told that the client before has gone.
        let told = std::iter::repeat_with(|| socket.text())
            .find(|told| !matches!(told, Ok(told) if told.contains(" closed ")));
        assert_eq!(told.context("it never ends")??, next.to_string(), "{room}");
    }
    assert_eq!(get(host, room, "count")?, (count + 1).to_string(), "{room}");
    Ok(said + 3)
}

/// What a room has taken when it is asked.
fn said(host: &Host, room: &str) -> Result<u64> {
    Ok(get(host, room, "said")?.parse()?)
}

#[test]
fn a_durable_room_is_copied_in_the_midst_of_its_journal_while_its_host_runs() -> Result<()> {
    let (project, data) = (project()?, temporary()?);
    let data = data.path();
    let mut host = Host::serve(project.path(), data)?;
    let mut socket = live(&host)?;
    assert!(records(data, "main/lobby")? >= 6, "its turns are in its journal");
    let told = ends_well(data, &["fork", "main/lobby", "main/copy"])?.out;
    assert!(told.contains("main/copy: 1 keys") && told.contains("and its variables"), "{told}");
    assert_eq!((said(&host, "copy")?, said(&host, "lobby")?), (LIVED + 1, LIVED + 1));
    assert_eq!(get(&host, "copy", "resumed")?, "Some(Forked) 1 0");
    assert_eq!(get(&host, "copy", "started")?, "Some(New)");
    assert_eq!(get(&host, "lobby", "resumed")?, "None 0 0");
    let lives = ["main/lobby", "main/copy"].map(|room| field(data, room, "incarnation"));
    let [lobby, copy] = lives;
    assert_ne!(lobby?, copy?);
    let copy = goes_on(&host, "copy", LIVED + 3, 2)?;
    socket.send("said")?;
    assert_eq!(socket.text()?, (LIVED + 3).to_string(), "the client is the room's still");
    let lobby = goes_on(&host, "lobby", LIVED + 3, 2)?;
    // Nothing that either was told is lost to a kill, and nothing is told twice.
    host.kill()?;
    host.start()?;
    goes_on(&host, "copy", copy, 3)?;
    goes_on(&host, "lobby", lobby, 3)?;
    wakes(&host, "copy", "Some(Forked)")?;
    wakes(&host, "lobby", "None")?;
    Ok(())
}

#[test]
fn a_durable_room_that_a_killed_host_has_left_is_copied_as_its_last_turn_left_it() -> Result<()> {
    let (project, data) = (project()?, temporary()?);
    let data = data.path();
    let mut host = Host::serve(project.path(), data)?;
    let socket = live(&host)?;
    host.kill()?;
    drop(socket);
    let left = records(data, "main/lobby")?;
    assert!(left >= 6);
    let ended = ends_well(data, &["fork", "main/lobby", "main/copy"])?;
    assert!(
        ended.out.contains("main/copy: 1 keys") && ended.out.contains("and its variables"),
        "{}",
        ended.out
    );
    assert!(ended.err.contains("taken again"), "{}", ended.err);
    assert_eq!(records(data, "main/lobby")?, left, "the room itself stays as it was");
    // A copy of the copy, which has no journal yet, and has not heard that it is one.
    ends_well(data, &["fork", "main/copy", "main/second"])?;
    host.start()?;
    for room in ["copy", "second"] {
        assert_eq!(get(&host, room, "resumed")?, "Some(Forked) 1 0", "{room}");
        let taken = goes_on(&host, room, LIVED + 1, 2)?;
        goes_on(&host, room, taken, 3)?;
    }
    goes_on(&host, "lobby", LIVED, 2)?;
    // The sleep is begun anew in copies, for the time that was left, and goes on in the room.
    wakes(&host, "lobby", "None")?;
    wakes(&host, "copy", "Some(Forked)")?;
    wakes(&host, "second", "Some(Forked)")?;
    // And a copy that has a journal of its own, after another kill, of a life that began as a copy.
    let taken = said(&host, "copy")?;
    host.kill()?;
    assert!(records(data, "main/copy")? > 0);
    ends_well(data, &["fork", "main/copy", "main/third"])?;
    host.start()?;
    assert_eq!(get(&host, "third", "resumed")?, "Some(Forked) 0 1");
    goes_on(&host, "third", taken + 1, 4)?;
    goes_on(&host, "copy", taken, 4)?;
    Ok(())
}

#[test]
fn a_durable_room_with_a_journal_goes_to_another_host_in_a_file() -> Result<()> {
    let (project, here, there) = (project()?, temporary()?, temporary()?);
    let files = temporary()?;
    let path = |name: &str| files.path().join(name).to_str().map(str::to_owned).context("UTF-8");
    let (running, left) = (path("running.room")?, path("left.room")?);
    let mut host = Host::serve(project.path(), here.path())?;
    let socket = live(&host)?;
    ends_well(here.path(), &["checkpoint", "export", "main/lobby", &running])?;
    assert_eq!(get(&host, "lobby", "count")?, "3");
    host.kill()?;
    drop(socket);
    let told = ends_well(here.path(), &["checkpoint", "export", "main/lobby", &left])?.out;
    assert!(told.contains("room main/lobby with 1 keys and its variables"), "{told}");
    // Into a host that runs, and where none does and no room has ever been.
    let mut other = Host::serve(project.path(), there.path())?;
    ends_well(there.path(), &["checkpoint", "import", &running, "main/one"])?;
    ends_well(there.path(), &["checkpoint", "import", &left, "main/two"])?;
    other.stop(Signal::TERM)?;
    ends_well(there.path(), &["checkpoint", "import", &left, "main/three"])?;
    other.start()?;
    for (room, count) in [("one", 2), ("two", 3), ("three", 3)] {
        let taken = said(&other, room)?;
        assert_eq!(taken, LIVED + count - 1, "{room}");
        goes_on(&other, room, taken, count)?;
        wakes(&other, room, "Some(Imported)")?;
    }
    let taken = said(&other, "two")?;
    other.kill()?;
    other.start()?;
    goes_on(&other, "two", taken, 4)?;
    host.start()?;
    goes_on(&host, "lobby", LIVED + 1, 3)?;
    Ok(())
}

#[test]
fn a_room_with_more_memory_than_a_host_allows_stays_outside() -> Result<()> {
    let (roomy, narrow, here, there) = (project()?, project()?, temporary()?, temporary()?);
    let settings = narrow.path().join("party.toml");
    fs::write(&settings, fs::read_to_string(&settings)? + "memory_bytes_max = 8388608\n")?;
    let host = Host::serve(roomy.path(), here.path())?;
    let mut socket = Socket::connect(host.port, "large")?;
    // More than can be stored, but a guest's memory never shrinks again.
    socket.send("put-bytes key 20000000")?;
    socket.text()?;
    let file = there.path().join("large.room").to_str().context("UTF-8")?.to_owned();
    ends_well(here.path(), &["checkpoint", "export", "main/large", &file])?;
    let other = Host::serve(narrow.path(), there.path())?;
    let mut import = party_host();
    import.args(["checkpoint", "import", &file, "main/large", "--data"]).arg(there.path());
    let ended = Program::run(&mut import, BOUND)?;
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    assert!(
        ended.err.contains("the limit of its party here is 8388608 (limits.memory_bytes_max)"),
        "{}",
        ended.err
    );
    assert_eq!(ended.err.matches("hint: ").count(), 1, "{}", ended.err);
    assert_eq!(get(&other, "large", "resumed")?, "None 0 0", "it is a new room");
    Ok(())
}

#[test]
fn a_durable_room_is_copied_while_it_never_stands_still() -> Result<()> {
    const COPIES: usize = 12;
    let (project, data) = (project()?, temporary()?);
    let mut host = Host::serve(project.path(), data.path())?;
    let (port, told, is_over) = (host.port, AtomicU64::new(0), AtomicBool::new(false));
    let load = || -> Result<()> {
        let mut client = Http::connect(port)?;
        while !is_over.load(Ordering::SeqCst) {
            let answer = client.request("GET", "/parties/main/lobby/said")?;
            ensure!(answer.status == 200, "{answer:?}");
            told.fetch_max(answer.body.parse()?, Ordering::SeqCst);
        }
        Ok(())
    };
    thread::scope(|scope| -> Result<()> {
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(load)).collect();
        while told.load(Ordering::SeqCst) < 100 && !clients.iter().any(|client| client.is_finished()) {
            thread::yield_now();
        }
        let copied = (0..COPIES).try_for_each(|number| {
            let copy = format!("copy-{number}");
            let before = told.load(Ordering::SeqCst);
            ends_well(data.path(), &["fork", "main/lobby", &format!("main/{copy}")])?;
            // The copy has taken all that was answered before it was asked for; a turn is answered when it is recorded.
            let first = said(&host, &copy)?;
            let after = told.load(Ordering::SeqCst) + clients.len() as u64 + 1;
            ensure!(
                (before + 1..=after + 1).contains(&first),
                "{copy}: {first}, between {before} and {after}"
            );
            Ok(())
        });
        is_over.store(true, Ordering::SeqCst);
        for client in clients {
            client.join().expect("no panic")?;
        }
        copied
    })?;
    host.kill()?;
    host.start()?;
    ensure!(said(&host, "lobby")? == told.load(Ordering::SeqCst) + 1, "the room itself has lost nothing");
    host.kill()
}

/// A refusal of the moment is no matter of usage: whoever tries again may succeed.
#[test]
fn a_room_that_does_not_come_to_rest_is_not_copied_now_and_the_exit_code_says_so() -> Result<()> {
    let (dir, data) = (temporary()?, temporary()?);
    let component = guest_path("test_guests");
    // More fuel than any machine burns in that time.
    let limits = "turn_fuel_max = 1_000_000_000_000\nturn_deadline_ms = 7_000\nidle_ms = 600_000";
    let settings = format!("name = \"busy\"\nmain = {component:?}\n[limits]\n{limits}\n");
    fs::write(dir.path().join("party.toml"), settings)?;
    let mut host = Host::serve(dir.path(), data.path())?;
    assert_eq!(get(&host, "lobby", "count")?, "1");
    let mut socket = Socket::connect(host.port, "lobby")?;
    socket.send("loop")?;
    let told = on(data.path(), &["fork", "main/lobby", "main/copy"])?;
    ensure!(told.code == Some(1), "{told:?}");
    ensure!(told.err.contains("the room cannot be saved now: a turn is under way"), "{told:?}");
    ensure!(told.err.contains("hint: try again in a moment"), "{told:?}");
    let told = on(data.path(), &["inspect", "main/copy"])?;
    ensure!(told.code == Some(2), "nothing is left half copied: {told:?}");
    // The turn is dropped at its deadline, and nothing else has happened to the room.
    ensure!(get(&host, "lobby", "count")? == "2");
    host.stop(Signal::TERM)?;
    Ok(())
}
