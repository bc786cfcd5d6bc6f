//! The way of a new user, as the README tells it: `new`, `build`, `serve`, `dev`, a change.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use party_tests::host::free_port;
use party_tests::http::{Http, Socket, request};
use party_tests::program::{BOUND, BUILD_BOUND, Program};
use party_tests::project::{append_source, change_source, new_project, party_host_in};
use rustix::process::Signal;

/// A function that is not taken into its caller, and panics.
const TRIPLE: &str = "
#[inline(never)]
fn triple(cheers: u64) -> u64 {
    if cheers < 1_000 { panic!(\"{cheers} cheers are too few\") }
    cheers * 3
}
";

const SLEEPS: &str = "room.spawn(async |room| room.sleep(std::time::Duration::from_secs(3_600)).await);";

fn build(project: &Path) -> Result<()> {
    // The way of everyone who writes Rust, and of every editor: it must compile for this machine too.
    let mut cargo = Command::new(env!("CARGO"));
    cargo.arg("build").current_dir(project).env_remove("CARGO_TARGET_DIR");
    let ended = Program::run(&mut cargo, BUILD_BOUND)?;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(!ended.err.contains("warning"), "{}", ended.err);

    let ended = Program::run(party_host_in(project).arg("build"), BUILD_BOUND)?;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.out.starts_with("main: ") && ended.out.contains("hello.wasm"), "{}", ended.out);
    let ended = Program::run(party_host_in(project).arg("test"), BUILD_BOUND)?;
    assert_eq!(ended.out, "ok       tests/cheers.party\n1 passed, 0 failed\n", "{}", ended.err);
    Ok(())
}

fn serve(project: &Path, port: u16) -> Result<()> {
    let mut command = party_host_in(project);
    let mut host =
        Program::start(command.args(["serve", "--host", "127.0.0.1", "--port", &port.to_string()]))?;
    host.wait_for(&format!("serving hello on http://127.0.0.1:{port}"), BUILD_BOUND)?;
    host.wait_for(&format!("http://127.0.0.1:{port}/parties/main/ROOM"), BOUND)?;
    host.wait_for("rooms sleep when nothing happens", BOUND)?;
    let page = request(port, "GET", "/")?;
    assert!(page.status == 200 && page.body.contains("<title>hello</title>"), "{}", page.body);

    assert_eq!(request(port, "GET", "/parties/main/lobby")?.body, "0");
    let mut socket = Socket::connect(port, "lobby")?;
    assert_eq!(socket.text()?, "0");
    socket.send("cheer")?;
    assert_eq!(socket.text()?, "1");
    assert_eq!(request(port, "GET", "/party/lobby")?.body, "1");

    host.signal(Signal::TERM)?;
    assert_eq!(socket.closed()?.0, 1001);
    let ended = host.end(BOUND)?;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(project.join(".party/data").is_dir(), "rooms are kept where the help says");
    Ok(())
}

fn develop(project: &Path, port: u16) -> Result<()> {
    let mut command = party_host_in(project);
    let mut host = Program::start(command.args(["dev", "--port", &port.to_string()]))?;
    host.wait_for(&format!("serving hello on http://127.0.0.1:{port}"), BUILD_BOUND)?;
    host.wait_for("watching for changes", BOUND)?;
    let mut before = Socket::connect(port, "lobby")?;
    assert_eq!(before.text()?, "1", "what the host of before has stored");

    change_source(project, "self.cheers += 1;", "self.cheers += 10;")?;
    host.wait_for("src/lib.rs has changed: building", BOUND)?;
    host.wait_for("reloaded after", BUILD_BOUND)?;
    before.send("cheer")?;
    assert_eq!(before.text()?, "11", "the open page goes on with the new code, which counts in tens");
    let mut after = Socket::connect(port, "lobby")?;
    assert_eq!(after.text()?, "11", "storage is kept");

    // A change that does not compile leaves what runs as it is, clients included.
    change_source(project, "self.cheers += 10;", "self.cheers += ten;")?;
    host.wait_for("cannot find value `ten`", BUILD_BOUND)?;
    host.wait_for("the party that runs is still the last one that worked", BOUND)?;
    after.send("cheer")?;
    assert_eq!((after.text()?, before.text()?), ("21".into(), "21".into()));

    change_source(project, "self.cheers += ten;", "self.cheers += 100;")?;
    host.wait_for("reloaded after", BUILD_BOUND)?;
    assert_eq!(request(port, "GET", "/parties/main/lobby")?.body, "21");

    // A panic is told with the party's own function, also in the small component that is served.
    change_source(project, "self.cheers += 100;", "self.cheers = triple(self.cheers);")?;
    append_source(project, TRIPLE)?;
    host.wait_for("reloaded after", BUILD_BOUND)?;
    Socket::connect(port, "lobby")?.send("cheer")?;
    let told = host.wait_for("the turn was dropped", BOUND)?;
    assert!(told.contains("(in core::panicking::panic_fmt < hello::triple < "), "{told}");

    // A room in the middle of something has the old code for a while, and it says so.
    change_source(project, "self.cheers = triple(self.cheers);", SLEEPS)?;
    host.wait_for("reloaded after", BUILD_BOUND)?;
    let mut sleeper = Socket::connect(port, "sleeper")?;
    sleeper.send("cheer")?;
    assert_eq!((sleeper.text()?, sleeper.text()?), ("0".into(), "0".into()));
    change_source(project, "from_secs(3_600)", "from_secs(7_200)")?;
    host.wait_for("1 room of main, with sleeps or requests open, runs the old code", BUILD_BOUND)?;

    // A page that has changed needs nothing.
    fs::write(project.join("public/index.html"), "<title>changed</title>")?;
    assert!(Http::connect(port)?.request("GET", "/")?.body.contains("changed"));
    // Settings need a restart, and it says so, unless they are as they were.
    let settings = fs::read_to_string(project.join("party.toml"))?;
    fs::write(project.join("party.toml"), "name = \"hello\"\nmain = \".\"\n")?;
    host.wait_for("start `party-host dev` again", BOUND)?;
    fs::write(project.join("party.toml"), format!("# The same.\n{settings}"))?;
    host.wait_for("party.toml is as it was; nothing needs a restart", BOUND)?;
    // A room that was taken out is no source, and a file that no source names says itself why it was built again.
    fs::write(project.join("lobby.room"), "a room")?;
    fs::write(project.join("notes.md"), "a note")?;
    host.wait_for("notes.md has changed: building", BOUND)?;
    host.wait_for("what was built is what runs already; nothing was reloaded", BUILD_BOUND)?;
    // What cargo writes while it builds is no change, or it would build for ever: once at the start, and for each of
    // seven changes, one of them in two steps; a slow machine may see each step as two.
    let builds = host.said().matches("building party main in ").count();
    assert!((8..=16).contains(&builds), "{builds} builds\n{}", host.said());

    host.signal(Signal::INT)?;
    let ended = host.end(BOUND)?;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.err.contains("stopped; nothing that was acknowledged is lost"), "{}", ended.err);
    Ok(())
}

#[test]
fn a_new_user_writes_runs_and_changes_a_party() -> Result<()> {
    let project = new_project("first-minute")?;
    let port = free_port();
    build(&project)?;
    serve(&project, port)?;
    develop(&project, port)
}
