//! Looking at rooms, taking them out, bringing them in and copying them: on a host that runs, and on what one left.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use party_tests::guests::guest_path;
use party_tests::host::{Host, temporary};
use party_tests::http::{Socket, request};
use party_tests::program::BOUND;
use rustix::process::Signal;

use crate::asking::{on, refused, says};

/// A project whose rooms sleep after a moment.
fn project() -> Result<tempfile::TempDir> {
    let dir = temporary()?;
    let component = guest_path("test_guests");
    let settings = format!("name = \"looked-at\"\nmain = {component:?}\n[limits]\nidle_ms = 200\n");
    fs::write(dir.path().join("party.toml"), settings)?;
    Ok(dir)
}

fn ask(host: &Host, method: &str, room: &str, what: &str) -> Result<String> {
    Ok(request(host.port, method, &format!("/parties/main/{room}/{what}"))?.body)
}

/// Asks again until what is said holds a part.
fn until(data: &Path, arguments: &[&str], part: &str) -> Result<String> {
    let begun = Instant::now();
    loop {
        let said = says(data, arguments);
        if said.contains(part) {
            return Ok(said);
        }
        ensure!(begun.elapsed() < Duration::from_secs(60), "{arguments:?} never says {part:?}:\n{said}");
    }
}

#[test]
fn rooms_are_listed_while_a_host_runs_and_while_none_does() -> Result<()> {
    let (project, data) = (project()?, temporary()?);
    let mut host = Host::serve(project.path(), data.path())?;
    for room in ["alpha", "beta", "gamma"] {
        ask(&host, "GET", room, "said")?;
    }
    let mut socket = Socket::connect(host.port, "beta")?;
    socket.send("said")?;
    assert_eq!(socket.text()?, "2");
    let data = data.path();
    until(data, &["inspect", "main/alpha"], "state          asleep")?;
    let all = says(data, &["rooms"]);
    let rows: Vec<&str> = all.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(rows, ["main/alpha", "main/beta", "main/gamma"], "{all}");
    let one = says(data, &["rooms", "--prefix", "be", "--json"]);
    assert_eq!(one.lines().count(), 1);
    assert!(one.contains("\"room\":\"beta\"") && one.contains("\"sockets\":1"), "{one}");
    assert_eq!(says(data, &["rooms", "--party", "main", "--prefix", "delta"]), "");
    assert_eq!(says(data, &["rooms", "--state", "suspended"]), "");
    let ended = on(data, &["rooms"])?;
    assert!(ended.err.contains(&format!("a host runs (process {})", host.program.id())), "{}", ended.err);
    drop(socket);
    assert_eq!(host.stop(Signal::TERM)?.code, Some(0));
    let ended = on(data, &["rooms", "--state", "asleep"])?;
    assert!(ended.err.contains("no host runs") && ended.err.contains("3 rooms"), "{}", ended.err);
    assert!(says(data, &["inspect", "main/beta"]).contains("  component    "));
    assert!(says(data, &["inspect", "main/beta", "--json"]).contains("\"incarnation\""));
    refused(data, &["inspect", "main/nobody"], 2, &["there is no room main/nobody", "party-host rooms"]);
    Ok(())
}

#[test]
fn a_party_that_is_not_there_is_told_with_those_that_are() -> Result<()> {
    // It was once only said that there is no such room.
    let (project, data) = (project()?, temporary()?);
    let component = guest_path("test_guests");
    let settings = fs::read_to_string(project.path().join("party.toml"))?;
    fs::write(
        project.path().join("party.toml"),
        format!("{settings}[parties]\nlobby = {component:?}\nempty = {component:?}\n"),
    )?;
    let mut host = Host::serve(project.path(), data.path())?;
    ask(&host, "GET", "alpha", "said")?;
    request(host.port, "GET", "/parties/lobby/first/said")?;
    let (data, file) = (data.path(), data.path().join("none.room").display().to_string());
    let asked: [&[&str]; 3] = [
        &["inspect", "mian/alpha"],
        &["fork", "mian/alpha", "main/copy"],
        &["checkpoint", "export", "mian/alpha", &file],
    ];
    for arguments in asked {
        let told = "no room mian/alpha, and no party mian: this host serves empty, lobby, main";
        refused(data, arguments, 2, &[told, "party-host rooms"]);
    }
    let rooms: &[&str] = &["rooms", "--party", "mian"];
    refused(data, rooms, 2, &["no rooms of a party mian; the host serves empty, lobby, main"]);
    assert!(says(data, &["rooms", "--party", "empty"]).is_empty(), "that it has none is no mistake");
    assert_eq!(host.stop(Signal::TERM)?.code, Some(0));
    refused(data, rooms, 2, &["no rooms of a party mian; rooms are kept of lobby, main"]);
    let recover: &[&str] = &["room", "recover", "mian/alpha"];
    for arguments in asked.into_iter().chain([recover, &["replay", "mian/alpha"]]) {
        let told =
            "no room mian/alpha, and none of a party mian: those that are kept here are of lobby, main";
        refused(data, arguments, 2, &[told, "party-host rooms"]);
    }
    Ok(())
}

#[test]
fn a_room_that_stays_awake_says_why() -> Result<()> {
    let (project, data) = (project()?, temporary()?);
    let settings = fs::read_to_string(project.path().join("party.toml"))?;
    fs::write(project.path().join("party.toml"), format!("memory = \"volatile\"\n{settings}"))?;
    let host = Host::serve(project.path(), data.path())?;
    ask(&host, "GET", "lobby", "said")?;
    let said = says(data.path(), &["inspect", "main/lobby"]);
    assert!(said.contains("state          awake"), "{said}");
    assert!(said.contains("because        its party keeps no memory (memory = \"volatile\")"), "{said}");
    assert!(
        says(data.path(), &["rooms", "--state", "awake", "--json"]).contains("\"stays_awake\":\"its party")
    );
    Ok(())
}

#[test]
fn a_copy_goes_on_where_the_room_is_and_each_goes_its_own_way() -> Result<()> {
    let (project, data) = (project()?, temporary()?);
    let mut host = Host::serve(project.path(), data.path())?;
    for said in 1..=3 {
        assert_eq!(ask(&host, "GET", "lobby", "said")?, said.to_string());
    }
    // At once: it is still awake, so it is saved for this.
    let told = says(data.path(), &["fork", "main/lobby", "main/copy"]);
    assert!(told.contains("main/copy: ") && told.contains("and its variables"), "{told}");
    assert_eq!(ask(&host, "GET", "copy", "said")?, "4");
    assert_eq!(ask(&host, "GET", "copy", "said")?, "5");
    assert_eq!(ask(&host, "GET", "lobby", "said")?, "4");
    refused(data.path(), &["fork", "main/lobby", "main/copy"], 2, &["there is a room", "already"]);
    refused(data.path(), &["fork", "main/nobody", "main/copy"], 2, &["there is no room main/nobody"]);
    refused(data.path(), &["fork", "main/lobby", "lobby"], 2, &["\"lobby\"", "PARTY/ROOM"]);
    // And when no host runs.
    assert_eq!(host.stop(Signal::TERM)?.code, Some(0));
    says(data.path(), &["fork", "main/copy", "main/late"]);
    refused(data.path(), &["fork", "main/copy", "main/late"], 2, &["there is a room main/late already"]);
    host.start()?;
    assert_eq!(ask(&host, "GET", "late", "said")?, "6");
    assert_eq!(ask(&host, "GET", "late", "started")?, "Some(New)");
    assert_eq!(ask(&host, "GET", "copy", "said")?, "6");
    Ok(())
}

#[test]
fn a_copy_is_told_where_it_is_who_has_gone_and_its_sleeps_go_on() -> Result<()> {
    let (project, data) = (project()?, temporary()?);
    let mut host = Host::serve(project.path(), data.path())?;
    let mut sockets = [Socket::connect(host.port, "lobby")?, Socket::connect(host.port, "lobby")?];
    for socket in &mut sockets {
        socket.send("said")?;
        socket.text()?;
    }
    assert_eq!(ask(&host, "POST", "lobby", "nap?3000")?, "good night");
    says(data.path(), &["fork", "main/lobby", "main/copy"]);
    assert_eq!(ask(&host, "GET", "copy", "resumed")?, "Some(Forked) 2 0");
    assert_eq!(ask(&host, "GET", "lobby", "resumed")?, "None 0 0", "the room itself hears nothing of it");
    // The sleep was interrupted in the copy, which begins it anew for the time that was left.
    let begun = Instant::now();
    for (room, expected) in [("copy", "Some(Forked) 2 1"), ("lobby", "None 0 1")] {
        while ask(&host, "GET", room, "resumed")? != expected {
            ensure!(begun.elapsed() < Duration::from_secs(60), "the sleep of {room} never ends");
        }
    }
    // What a copy was told is told once, also if the host restarts.
    assert_eq!(host.stop(Signal::TERM)?.code, Some(0));
    host.start()?;
    assert_eq!(ask(&host, "GET", "copy", "resumed")?, "Some(Forked) 2 1");
    Ok(())
}

#[test]
fn a_room_goes_to_another_host_in_a_file() -> Result<()> {
    let (project, here, there) = (project()?, temporary()?, temporary()?);
    let files = temporary()?;
    let file = files.path().join("lobby.room");
    let path = file.to_str().context("UTF-8")?;
    let mut host = Host::serve(project.path(), here.path())?;
    ask(&host, "PUT", "lobby", "put?key")?;
    assert_eq!(ask(&host, "GET", "lobby", "said")?, "2");
    let told = says(here.path(), &["checkpoint", "export", "main/lobby", path]);
    assert!(told.contains("room main/lobby with ") && told.contains("and its variables"), "{told}");
    assert_eq!(fs::metadata(&file)?.permissions().mode() & 0o777, 0o600);
    refused(here.path(), &["checkpoint", "export", "main/lobby", path], 2, &["is there already"]);
    host.stop(Signal::TERM)?;
    let mut other = Host::serve(project.path(), there.path())?;
    says(there.path(), &["checkpoint", "import", path, "main/arrived"]);
    assert_eq!(ask(&other, "GET", "arrived", "said")?, "3");
    assert_eq!(ask(&other, "GET", "arrived", "started")?, "Some(New)");
    assert_eq!(ask(&other, "GET", "arrived", "resumed")?, "Some(Imported) 0 0");
    refused(
        there.path(),
        &["checkpoint", "import", path, "main/arrived"],
        2,
        &["there is a room", "already"],
    );
    // Where no host runs, and where no room has ever been.
    other.stop(Signal::TERM)?;
    says(there.path(), &["checkpoint", "import", path, "main/later"]);
    let again = files.path().join("again.room");
    says(there.path(), &["checkpoint", "export", "main/later", again.to_str().context("UTF-8")?]);
    other.start()?;
    assert_eq!(ask(&other, "GET", "later", "said")?, "3");
    Ok(())
}

#[test]
fn a_file_that_is_no_room_or_was_changed_is_refused_and_nothing_comes_of_it() -> Result<()> {
    let (project, data) = (project()?, temporary()?);
    let files = temporary()?;
    let at = |name: &str| files.path().join(name).to_str().map(str::to_owned).context("UTF-8");
    let whole = at("whole.room")?;
    let host = Host::serve(project.path(), data.path())?;
    ask(&host, "GET", "lobby", "said")?;
    let data = data.path();
    says(data, &["checkpoint", "export", "main/lobby", &whole]);
    let bytes = fs::read(&whole)?;
    let mut newer = bytes.clone();
    newer[4] = 9;
    let mut flipped = bytes.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let cases: [(&str, &[u8], &str); 6] = [
        ("empty", b"", "no file of a room"),
        ("text", b"this is no room", "no file of a room"),
        ("newer", &newer, "format 9; this program reads format 1"),
        ("cut", &bytes[..bytes.len() - 1], "cut short"),
        ("flipped", &flipped, "does not match its checksum"),
        ("longer", &[&bytes[..], b"x"].concat(), "goes on after its end"),
    ];
    for (name, bytes, words) in cases {
        let path = at(name)?;
        fs::write(&path, bytes)?;
        refused(data, &["checkpoint", "import", &path, "main/new"], 2, &[&path, words]);
        // The host does not take it either, from whoever sends it without looking.
        let answer = post(data, "/import?room=main/new", bytes)?;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains(words), "{name}: {answer}");
    }
    refused(data, &["checkpoint", "import", &at("nowhere")?, "main/new"], 2, &["cannot be read"]);
    refused(data, &["checkpoint", "import", &whole, "main/a/b/c"], 2, &["PARTY/ROOM"]);
    refused(
        data,
        &["checkpoint", "export", "main/nobody", &at("none")?],
        2,
        &["there is no room main/nobody"],
    );
    assert!(!files.path().join("none").exists(), "nothing is left half written");
    refused(data, &["inspect", "main/new"], 2, &["there is no room main/new"]);
    Ok(())
}

#[test]
fn a_place_without_rooms_is_told() -> Result<()> {
    let dir = temporary()?;
    let nowhere = dir.path().join("nowhere");
    for arguments in [&["rooms"][..], &["inspect", "main/lobby"], &["fork", "main/a", "main/b"]] {
        refused(&nowhere, arguments, 2, &["there are no rooms in", "--data"]);
        refused(dir.path(), arguments, 2, &["there are no rooms in", "--data"]);
    }
    assert!(!nowhere.exists() && fs::read_dir(dir.path())?.next().is_none(), "looking leaves nothing behind");
    Ok(())
}

/// Sends bytes to the socket of a data directory, and gives back what comes until it is closed.
fn converse(data: &Path, bytes: &[u8]) -> Result<String> {
    let mut stream = UnixStream::connect(data.join("admin.sock"))?;
    stream.set_read_timeout(Some(BOUND))?;
    // A host that refuses early need not read all.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn get(data: &Path, target: &str) -> Result<String> {
    converse(data, format!("GET {target} HTTP/1.1\r\nhost: admin\r\n\r\n").as_bytes())
}

fn post(data: &Path, target: &str, body: &[u8]) -> Result<String> {
    let head = format!("POST {target} HTTP/1.1\r\nhost: admin\r\ncontent-length: {}\r\n\r\n", body.len());
    converse(data, &[head.as_bytes(), body].concat())
}

#[test]
fn the_socket_is_its_owners_alone_and_outlives_no_host_in_use() -> Result<()> {
    let (project, data) = (project()?, temporary()?);
    let socket = data.path().join("admin.sock");
    let mut host = Host::serve(project.path(), data.path())?;
    assert_eq!(fs::metadata(&socket)?.permissions().mode() & 0o777, 0o600);
    assert!(get(data.path(), "/")?.contains("\"project\":\"looked-at\""));
    host.kill()?;
    assert!(socket.exists(), "nobody could take it away");
    let ended = on(data.path(), &["rooms"])?;
    assert!(ended.code == Some(0) && ended.err.contains("no host runs"), "{}", ended.err);
    host.start()?;
    assert!(get(data.path(), "/")?.contains(&format!("\"process\":{}", host.program.id())));
    assert_eq!(host.stop(Signal::TERM)?.code, Some(0));
    assert!(!socket.exists());
    Ok(())
}

#[test]
fn a_data_directory_with_a_long_path_has_a_socket_too() -> Result<()> {
    let (project, dir) = (project()?, temporary()?);
    let data = dir.path().join("x".repeat(150));
    let host = Host::serve(project.path(), &data)?;
    ask(&host, "GET", "lobby", "said")?;
    let ended = on(&data, &["rooms"])?;
    assert!(
        ended.err.contains("a host runs") && ended.out.contains("main/lobby"),
        "{}{}",
        ended.out,
        ended.err
    );
    Ok(())
}

#[test]
fn whatever_is_sent_to_the_socket_the_host_goes_on() -> Result<()> {
    let (project, data) = (project()?, temporary()?);
    let host = Host::serve(project.path(), data.path())?;
    ask(&host, "GET", "lobby", "said")?;
    let data = data.path();
    let head = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(100_000));
    let headers = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(1_000));
    let huge = "POST /import?room=main/x HTTP/1.1\r\ncontent-length: 99999999999999\r\n\r\n";
    let cases: [(&[u8], &str); 8] = [
        (b"\0\xff\xfe garbage\r\n\r\n", "HTTP/1.1 400 "),
        (head.as_bytes(), "HTTP/1.1 4"),
        (headers.as_bytes(), "HTTP/1.1 431 "),
        (huge.as_bytes(), "HTTP/1.1 413 "),
        (b"GET /nothing HTTP/1.1\r\n\r\n", "HTTP/1.1 404 "),
        (b"DELETE /rooms HTTP/1.1\r\n\r\n", "HTTP/1.1 405 "),
        (b"GET /rooms?limit=many HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "),
        (b"GET /room?room=main/%ff HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "),
    ];
    for (bytes, expected) in cases {
        let answer = converse(data, bytes)?;
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
        assert!(answer.starts_with(expected), "{shown:?}: {answer:?}");
    }
    // Those that ask nothing hold up nobody.
    let silent: Vec<UnixStream> =
        (0..8).map(|_| UnixStream::connect(data.join("admin.sock"))).collect::<Result<_, _>>()?;
    assert!(says(data, &["rooms"]).contains("main/lobby"));
    drop(silent);
    assert_eq!(ask(&host, "GET", "lobby", "said")?, "2");
    Ok(())
}

#[test]
fn figures_are_told_in_the_format_of_prometheus() -> Result<()> {
    let (project, data) = (project()?, temporary()?);
    let host = Host::serve(project.path(), data.path())?;
    ask(&host, "PUT", "lobby", "put?key")?;
    let figures = get(data.path(), "/metrics")?;
    for line in [
        "content-type: text/plain; version=0.0.4",
        "party_rooms{state=\"awake\"} 1",
        "party_commits_total 1",
        "party_dropped_turns_total 0",
    ] {
        assert!(figures.contains(line), "{line:?} is not in\n{figures}");
    }
    until(data.path(), &["inspect", "main/lobby"], "asleep")?;
    let figures = get(data.path(), "/metrics")?;
    assert!(figures.contains("party_checkpoints_total 1") && figures.contains("party_commits_total 2"));
    assert!(figures.contains("party_rooms{state=\"awake\"} 0"), "{figures}");
    Ok(())
}
