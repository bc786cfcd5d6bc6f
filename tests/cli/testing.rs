//! `party-host test`: the examples' transcripts, what a failure looks like, and what is made of files that are no transcripts.

use std::fs;
use std::path::Path;

use anyhow::Result;
use party_tests::guests::guest_path;
use party_tests::host::{party_host, temporary};
use party_tests::program::{BOUND, BUILD_BOUND, Ended, Program};
use party_tests::root;
use rustix::process::Signal;

fn test(place: &Path, more: &[&str]) -> Result<Ended> {
    Program::run(party_host().current_dir(place).arg("test").args(more), BOUND)
}

/// A directory with transcripts of the guest that does what it is told.
fn transcripts(all: &[(&str, &str)]) -> Result<tempfile::TempDir> {
    let dir = temporary()?;
    let component = guest_path("test_guests");
    fs::write(dir.path().join("party.toml"), format!("name = \"tested\"\nmain = {component:?}\n"))?;
    for (name, text) in all {
        fs::write(dir.path().join(name), text)?;
    }
    Ok(dir)
}

#[test]
fn the_examples_are_as_their_transcripts_say() -> Result<()> {
    let examples = root().join("examples");
    let run = || Program::run(party_host().current_dir(&examples).arg("test"), BUILD_BOUND);
    let first = run()?;
    assert_eq!(first.code, Some(0), "{}{}", first.out, first.err);
    for name in ["counter", "chat", "workflow", "cursors", "tictactoe", "poll", "lookup", "bots"] {
        assert!(first.out.contains(&format!("ok       {name}/tests/")), "{}", first.out);
    }
    assert_eq!(first.out, run()?.out, "what is told depends on the files only");
    Ok(())
}

const WRONG: &str = "\
> alice connect
> alice send all hello
< alice hello!
";

#[test]
fn a_failure_says_what_was_expected_and_what_came() -> Result<()> {
    let dir = transcripts(&[
        ("a.party", "> alice connect\n> alice send echo one\n< alice one\n"),
        ("b.party", WRONG),
        ("c.party", "> alice connect\n> alice send trap\ndropped trapped\nGET /said -> 200 7\n"),
        ("d.party", "> alice connect\n> alice send trap\n"),
    ])?;
    let ended = test(dir.path(), &[])?;
    assert_eq!(ended.code, Some(1));
    let told = "\
ok       a.party
FAIL     b.party:3: alice received something else
           expected  hello!
           received  hello
                          ^
           seed 1
FAIL     c.party:4: the request was answered otherwise
           expected  200 7
           received  200 1
                         ^
";
    let rest = ended.out.strip_prefix(told).unwrap_or_else(|| panic!("{}{}", ended.out, ended.err));
    assert!(rest.contains("the host says: the turn was dropped: the guest trapped"), "{rest}");
    assert!(rest.contains("FAIL     d.party:2: here a turn was dropped that no line expects"), "{rest}");
    assert!(rest.ends_with("1 passed, 3 failed\n"), "{rest}");
    Ok(())
}

#[test]
fn results_are_told_to_machines() -> Result<()> {
    let dir = transcripts(&[("a.party", "awake\n"), ("b.party", "asleep\n"), ("c.party", "what\n")])?;
    let ended = test(dir.path(), &["--format", "tap", "--junit", "report.xml"])?;
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    let lines: Vec<&str> = ended.out.lines().collect();
    assert_eq!(lines[..3], ["TAP version 14", "1..3", "not ok 1 - a.party"], "{}", ended.out);
    assert!(lines.contains(&"ok 2 - b.party") && lines.contains(&"not ok 3 - c.party"), "{}", ended.out);
    assert!(lines.contains(&"  message: \"main/lobby is asleep, not awake\""), "{}", ended.out);
    let report = fs::read_to_string(dir.path().join("report.xml"))?;
    assert!(report.contains("tests=\"3\" skipped=\"0\" errors=\"1\" failures=\"1\""), "{report}");
    assert!(report.contains("main/lobby is asleep, not awake"), "{report}");
    Ok(())
}

#[test]
fn a_transcript_is_brought_up_to_date() -> Result<()> {
    let stale = "\
# Kept as it is.
> alice connect
> bob connect
> alice send all one
  < alice nothing
  # In the midst of what is written anew.
  < bob two
GET /count -> 200 7
> bob send echo a -> b
asleep
crash
";
    let fresh = "\
# Kept as it is.
> alice connect
> bob connect
> alice send all one
  < alice one
  < bob one
GET /count -> 200 1
> bob send echo a -> b
awake main/lobby
< bob \"a -> b\"
crash
< alice lost
< bob lost
";
    let dir = transcripts(&[("a.party", stale)])?;
    let ended = test(dir.path(), &["--update"])?;
    assert_eq!(
        (ended.code, ended.out.as_str()),
        (Some(0), "updated  a.party\n1 passed, 0 failed\n"),
        "{}",
        ended.err
    );
    assert_eq!(fs::read_to_string(dir.path().join("a.party"))?, fresh);
    assert_eq!(test(dir.path(), &[])?.out, "ok       a.party\n1 passed, 0 failed\n");
    let ended = test(dir.path(), &["--update"])?;
    assert_eq!(ended.out, "ok       a.party\n1 passed, 0 failed\n", "what is up to date is not written");
    Ok(())
}

#[test]
fn what_nobody_expected_is_written_after_the_step_that_it_came_of() -> Result<()> {
    let steps = "\
> alice connect
> bob connect
> alice send all one
< alice one
> alice send all two
advance 1s
GET /said -> 200 7
> bob send echo three
crash
";
    let fresh = "\
> alice connect
> bob connect
> alice send all one
< alice one
< bob one
> alice send all two
< alice two
< bob two
advance 1s
GET /said -> 200 3
> bob send echo three
< bob three
crash
< alice lost
< bob lost
";
    let dir = transcripts(&[("a.party", steps)])?;
    let ended = test(dir.path(), &["--update"])?;
    assert_eq!(ended.out, "updated  a.party\n1 passed, 0 failed\n", "{}", ended.err);
    assert_eq!(fs::read_to_string(dir.path().join("a.party"))?, fresh);
    assert_eq!(test(dir.path(), &[])?.out, "ok       a.party\n1 passed, 0 failed\n");
    Ok(())
}

#[test]
fn who_reads_a_result_is_told_what_the_play_does_not_say() -> Result<()> {
    let slept = "> alice connect\nadvance 30s\ncrash\n< alice lost\n";
    let (meant, other) = (format!("memory hibernate\n{slept}"), format!("memory volatile\n{slept}"));
    let dir = transcripts(&[
        ("a.party", slept),
        ("b.party", &meant),
        ("c.party", &other),
        ("d.party", "> alice connect\ncrash\n< alice lost\n"),
        ("e.party", "\u{feff}# Nothing but a comment, in a file that an editor has marked as UTF-8.\n"),
    ])?;
    let note = "a.party:3: main/lobby goes on from its checkpoint, not from its storage alone: `memory volatile` before \
                the first step plays that, `memory hibernate` says that this is meant";
    let empty = "e.party:1: it has no step: nothing was played";
    let ended = test(dir.path(), &[])?;
    let told = format!(
        "ok       a.party\nnote     {note}\nok       b.party\nok       c.party\nok       d.party\nok       e.party\n\
         note     {empty}\n5 passed, 0 failed\n"
    );
    assert_eq!((ended.code, ended.out), (Some(0), told), "{}", ended.err);
    let ended = test(dir.path(), &["--format", "tap"])?;
    assert!(ended.out.contains(&format!("ok 1 - a.party\n# {note}\nok 2")), "{}", ended.out);
    Ok(())
}

#[test]
fn what_is_no_transcript_is_refused_with_its_line() -> Result<()> {
    let cases: [(&str, &[u8], &str); 8] = [
        (
            "a.party",
            b"> alice connect\n> alice snd hello\n",
            "a.party:2: \"snd\" is not known, did you mean \"send\"?",
        ),
        ("a.party", b"advence 5s\n", "a.party:1: \"advence\" is not known, did you mean \"advance\"?"),
        ("a.party", b"memmory durable\n", "did you mean \"memory\"?; a line begins with"),
        ("a.party", b"\xff\xfe", "a.party:1: it cannot be read"),
        ("a.party", b"unordered\n", "a.party:1: \"unordered\" has no \"end\""),
        ("a.party", b"limit no_such_limit 1\n", "there is no limit \"no_such_limit\""),
        ("a.party", b"party main none.wasm\n", "none.wasm cannot be read"),
        ("a.party", b"> alice connect ?x\n< alice ${a}${b}\n", "follows another name"),
    ];
    for (name, bytes, told) in cases {
        let dir = transcripts(&[])?;
        fs::write(dir.path().join(name), bytes)?;
        let ended = test(dir.path(), &[])?;
        assert!(matches!(ended.code, Some(1 | 2)), "{told}: {:?}", ended.code);
        assert!(ended.out.contains(told), "{told}:\n{}{}", ended.out, ended.err);
        assert!(!ended.err.contains("panicked"), "{}", ended.err);
    }
    let dir = transcripts(&[])?;
    let ended = test(dir.path(), &[])?;
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("there is no transcript in ."), "{}", ended.err);
    let ended = test(dir.path(), &["nowhere"])?;
    assert!(ended.code == Some(2) && ended.err.contains("nowhere is not there"), "{}", ended.err);
    Ok(())
}

#[test]
fn several_projects_are_watched_and_played_again_until_a_signal_comes() -> Result<()> {
    let place = temporary()?;
    for name in ["one", "two"] {
        let dir = place.path().join(name);
        fs::create_dir(&dir)?;
        // Other tests build beside the one that is built, which would be changes too.
        fs::copy(guest_path("test_guests"), dir.join("party.wasm"))?;
        fs::write(dir.join("party.toml"), format!("name = \"{name}\"\nmain = \"party.wasm\"\n"))?;
        fs::write(dir.join("a.party"), "GET /said -> 200 1\n")?;
    }
    for (signal, code, name) in [(Signal::INT, 130, "SIGINT"), (Signal::TERM, 143, "SIGTERM")] {
        let mut watching =
            Program::start(party_host().current_dir(place.path()).args(["test", "--watch", "one", "two"]))?;
        watching.wait_for("ok       one/a.party", BOUND)?;
        watching.wait_for("ok       two/a.party", BOUND)?;
        watching.wait_for("watching for changes", BOUND)?;
        fs::write(place.path().join("two/a.party"), "GET /said -> 200 2\n")?;
        watching.wait_for("a.party has changed: playing again", BOUND)?;
        watching.wait_for("FAIL     two/a.party:1: the request was answered otherwise", BOUND)?;
        watching.wait_for("watching for changes", BOUND)?;
        // The other project, and a transcript that is new, and one that cannot be understood.
        fs::write(place.path().join("one/b.party"), "what is this\n")?;
        watching.wait_for("b.party has changed: playing again", BOUND)?;
        watching.wait_for("FAIL     one/b.party:1: \"what\" is not known", BOUND)?;
        watching.wait_for("watching for changes", BOUND)?;
        fs::write(place.path().join("two/a.party"), "GET /said -> 200 1\n")?;
        fs::remove_file(place.path().join("one/b.party"))?;
        watching.wait_for("ok       two/a.party", BOUND)?;
        watching.wait_for("watching for changes", BOUND)?;
        // Settings that cannot be used do not end it.
        let settings = place.path().join("one/party.toml");
        let before = fs::read_to_string(&settings)?;
        fs::write(&settings, before.replace("main = ", "other = "))?;
        watching.wait_for("party.toml has changed: playing again", BOUND)?;
        watching.wait_for("unknown key \"other\"", BOUND)?;
        watching.wait_for("watching for changes", BOUND)?;
        fs::write(&settings, &before)?;
        watching.wait_for("party.toml has changed: playing again", BOUND)?;
        watching.wait_for("ok       one/a.party", BOUND)?;
        watching.wait_for("watching for changes", BOUND)?;
        watching.signal(signal)?;
        let ended = watching.end(BOUND)?;
        assert_eq!(ended.code, Some(code), "{}", ended.err);
        assert!(
            ended.err.ends_with(&format!("\nstopped by {name}: nothing is watched any more\n")),
            "{}",
            ended.err
        );
    }
    Ok(())
}

#[test]
fn what_cannot_be_watched_is_refused() -> Result<()> {
    // Not below the repository, which is a project.
    let dir = tempfile::tempdir()?;
    fs::write(dir.path().join("a.party"), "awake\n")?;
    let ended = test(dir.path(), &["--watch"])?;
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    assert!(ended.err.contains("there is no transcript of a project to be watched"), "{}", ended.err);
    Ok(())
}
