//! `party-host replay` on what a host has left that was killed: the same turns again, and changed code beside them; and
//! `--save`, which makes a transcript of them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use party_tests::guests::{Version, guest_path};
use party_tests::host::{Host, party_host, temporary};
use party_tests::http::{Socket, request};
use party_tests::program::{BOUND, Program};
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

/// A project of durable rooms that do what they are told, which stay awake so that all is in their journals.
fn probe() -> Result<tempfile::TempDir> {
    let dir = temporary()?;
    let component = guest_path("test_guests");
    let settings = format!(
        "name = \"saved\"\nmain = {component:?}\nmemory = \"durable\"\n[limits]\nidle_ms = 3600000\n"
    );
    fs::write(dir.path().join("party.toml"), settings)?;
    Ok(dir)
}

/// What happens to the lobby before it is saved.
fn live(host: &Host) -> Result<Socket> {
    let mut alice = Socket::connect(host.port, "lobby?_pk=alice")?;
    for (said, heard) in [("echo ${x} -> y", "${x} -> y"), ("said", "2"), ("put-bytes a 3", "ok")] {
        alice.send(said)?;
        assert_eq!(alice.text()?, heard);
    }
    assert_eq!(request(host.port, "GET", "/parties/main/lobby/said")?.body, "4");
    assert_eq!(request(host.port, "GET", "/parties/main/lobby/later?20")?.body, "later");
    assert_eq!(request(host.port, "GET", "/parties/main/lobby/trap")?.status, 500);
    alice.send("random")?;
    assert_eq!(alice.text()?.len(), 16);
    assert_eq!(request(host.port, "GET", "/parties/main/lobby/count")?.body, "1");
    Ok(alice)
}

/// Saves and plays; gives back the transcript.
fn saves(project: &Path, data: &Path, name: &str, more: &[&str]) -> Result<String> {
    let file = project.join(name);
    let path = file.to_str().context("UTF-8")?;
    let (code, told, problem) = replay(data, &[&["--save", path], more].concat())?;
    assert_eq!(code, Some(0), "{told}{problem}");
    assert!(told.contains("it is repeated wholly"), "{told}{}", fs::read_to_string(&file)?);
    let mode = fs::metadata(&file)?.permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it is as secret as the room");
    let played = Program::run(party_host().current_dir(project).args(["test", name]), BOUND)?;
    assert_eq!(played.out, format!("ok       {name}\n1 passed, 0 failed\n"), "{}", played.err);
    Ok(fs::read_to_string(&file)?)
}

#[test]
fn what_has_happened_becomes_a_transcript_of_a_host_that_runs_and_of_one_that_was_killed() -> Result<()> {
    let (project, data) = (probe()?, temporary()?);
    let mut host = Host::serve(project.path(), data.path())?;
    let mut alice = live(&host)?;
    let running = saves(project.path(), data.path(), "running.party", &[])?;
    for expected in [
        "> alice connect ?_pk=alice\n",
        "> alice send \"echo $${x} -> y\"\n< alice \"$${x} -> y\"\n",
        "GET /said -> 200 4\n",
        "GET /trap -> 500 ",
        "dropped the guest trapped",
        "GET /count -> 200 1\n",
    ] {
        assert!(running.contains(expected), "{expected:?} is not in\n{running}");
    }
    alice.send("echo the room goes on")?;
    assert_eq!(alice.text()?, "the room goes on");
    host.kill()?;
    let killed = saves(project.path(), data.path(), "tests/made/killed.party", &[])?;
    assert!(killed.contains("< alice the room goes on\n"), "{killed}");
    let some = saves(project.path(), data.path(), "some.party", &["--until", "4"])?;
    assert!(some.contains("< alice 2\n") && !some.contains("GET"), "{some}");

    // A party with a bug does not pass.
    let buggy = Version::named('2').component();
    fs::write(project.path().join("buggy.wasm"), buggy)?;
    // Where the machine is busy, its first step is the time that the room took to start: no setting may stand behind that.
    let some = some.replacen("\n> alice", "\nadvance 1ms\n> alice", 1);
    let text = some.replacen("\nmemory durable\n", "\nmemory durable\nparty main buggy.wasm\n", 1);
    fs::write(project.path().join("some.party"), &text)?;
    let played = Program::run(party_host().current_dir(project.path()).args(["test", "some.party"]), BOUND)?;
    let line =
        1 + text.lines().position(|line| line.starts_with("< alice \"$${x}")).context("it is there")?;
    assert_eq!(played.code, Some(1), "{played:?}");
    assert!(played.out.contains(&format!("FAIL     some.party:{line}: alice received")), "{}", played.out);
    Ok(())
}

#[test]
fn what_has_happened_since_a_checkpoint_comes_with_the_room_that_it_was() -> Result<()> {
    let (project, data) = (probe()?, temporary()?);
    let mut host = Host::serve(project.path(), data.path())?;
    let mut alice = live(&host)?;
    // Its journal ends with that, and another begins.
    let forked = Program::run(
        party_host().args(["fork", "main/lobby", "main/copy", "--data"]).arg(data.path()),
        BOUND,
    )?;
    assert_eq!(forked.code, Some(0), "{}", forked.err);
    alice.send("get a")?;
    assert_eq!(alice.text()?, "xxx");
    alice.send("echo once more")?;
    assert_eq!(alice.text()?, "once more");
    host.kill()?;
    let text = saves(project.path(), data.path(), "incident.party", &[])?;
    assert!(text.contains("\ncontinue incident.room\n  > alice session "), "{text}");
    assert!(text.contains("> alice send get a\n< alice xxx\n"), "{text}");
    assert!(project.path().join("incident.room").is_file());

    // Played on another component, it says what that means for the room of the file.
    fs::write(project.path().join("buggy.wasm"), Version::named('2').component())?;
    let text = text.replacen("\nmemory durable\n", "\nmemory durable\nparty main buggy.wasm\n", 1);
    fs::write(project.path().join("incident.party"), &text)?;
    let played =
        Program::run(party_host().current_dir(project.path()).args(["test", "incident.party"]), BOUND)?;
    let line = 1 + text.lines().position(|line| line.starts_with("continue ")).context("it is there")?;
    let note = format!(
        "note     incident.party:{line}: the room in incident.room was recorded on another component"
    );
    assert!(played.out.contains(&note), "{}", played.out);
    Ok(())
}

#[test]
fn what_cannot_be_saved_is_refused_and_writes_nothing() -> Result<()> {
    let (dir, data) = left_behind()?;
    let at = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    fs::write(dir.path().join("there.party"), "mine")?;
    fs::write(dir.path().join("start.room"), "mine")?;
    let cases: [(&[&str], &str); 6] = [
        (&["--save", &at("there.party")], "there.party is there already"),
        (&["--save", &at("start.party")], "start.room is there already"),
        (&["--save", &at("incident.txt")], "is no name of a transcript"),
        (&["--save", &at("two words.party")], "is no name of a transcript"),
        (
            &["--save", &at("new.party"), "--until", "0"],
            "nothing recorded up to commit 0: the journal begins",
        ),
        (&["--save", &at("new.party"), "--component", "x.wasm"], "cannot be used with"),
    ];
    for (more, expected) in cases {
        let (code, _, problem) = replay(data.path(), more)?;
        assert_eq!(code, Some(2), "{more:?}: {problem}");
        assert!(problem.contains(expected), "{more:?}: {problem}");
    }
    assert_eq!(fs::read_to_string(dir.path().join("there.party"))?, "mine");
    assert!(!dir.path().join("new.party").exists());
    let mut host = Host::serve(dir.path(), data.path())?;
    assert_eq!(request(host.port, "GET", "/parties/main/lobby")?.body, "1 5 New");
    host.stop(Signal::TERM)?;
    let (code, _, problem) = replay(data.path(), &["--save", &at("new.party")])?;
    assert!(code == Some(2) && problem.contains("main/lobby has no recorded turns"), "{problem}");
    assert!(problem.contains("nothing has happened in it since its last checkpoint"), "{problem}");
    let _host = Host::serve(dir.path(), data.path())?;
    let (code, _, problem) = replay(data.path(), &["--save", &at("new.party")])?;
    assert!(code == Some(2) && problem.contains("main/lobby has no recorded turns"), "{problem}");
    assert!(problem.contains("nothing has happened in it since its last checkpoint"), "{problem}");
    Ok(())
}
