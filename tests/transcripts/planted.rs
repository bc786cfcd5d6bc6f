//! Transcripts catch bugs: each of the parties in `tests/planted` has one that people write, and the transcript of its name
//! fails because of it, and passes without it. In under twenty lines.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use party_testkit::transcript::{Outcome, Stage, Transcript, run};
use party_tests::guests::{party_path, target};
use party_tests::root;

/// Bugs that are planted.
const PLANTED: usize = 10;
/// A transcript that catches one is shorter than so many lines.
const LINES_MAX: usize = 20;

fn planted() -> PathBuf {
    root().join("tests/planted")
}

/// The files of a directory with this extension, without it.
fn names(directory: &Path, extension: &str) -> BTreeSet<String> {
    let files =
        fs::read_dir(directory).expect("it is there").map(|file| file.expect("it can be read").path());
    let named = files.filter(|file| file.extension().is_some_and(|found| found == extension));
    named.map(|file| file.file_stem().expect("it has a name").to_string_lossy().into_owned()).collect()
}

fn play(name: &str, transcript: &Transcript, is_mended: bool) -> Outcome {
    let component = fs::read(party_path(name)).expect("it was built");
    let mut stage = Stage { compile_cache: Some(target().join("party-tests/compiled")), ..Stage::default() };
    stage.parties.insert("main".into(), component.into());
    if is_mended {
        stage.vars.insert("MENDED".into(), "yes".into());
    }
    run(transcript, &stage, &planted(), false)
}

#[test]
fn each_planted_bug_is_caught_by_a_short_transcript() {
    let names = names(&planted().join("transcripts"), "party");
    assert_eq!(names.len(), PLANTED);
    for name in &names {
        let text =
            fs::read_to_string(planted().join(format!("transcripts/{name}.party"))).expect("it is there");
        assert!(text.lines().count() < LINES_MAX, "{name} has {} lines", text.lines().count());
        let transcript = Transcript::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let passed = play(name, &transcript, true);
        assert_eq!(passed.failure, None, "{name}, mended");
        let failure =
            play(name, &transcript, false).failure.unwrap_or_else(|| panic!("{name} is not caught"));
        let line = text.lines().nth(failure.line - 1).unwrap_or_default();
        assert!(
            line.starts_with('<') || line.contains(" -> "),
            "{name} fails for another reason: {failure:?}"
        );
        println!("{name}: line {}: {}\n  {}", failure.line, failure.what, failure.details.join("\n  "));
    }
}

#[test]
fn each_planted_party_has_a_transcript_and_each_transcript_a_party() {
    let parties = names(&planted().join("parties"), "rs");
    assert_eq!(parties, names(&planted().join("transcripts"), "party"));
}

#[test]
fn the_same_seed_is_the_same_world() {
    let name = "state_shared_between_rooms";
    // What a guest draws, its ids and the order of things: all of it is in what `--update` would write.
    let draws = |seed: u64| {
        let text = format!(
            "seed {seed}\n> alice connect\nGET / -> 200 x\nGET /parties/main/b -> 200 x\nfork lobby c\nGET /parties/main/c -> 200 x\n"
        );
        let transcript = Transcript::parse(&text).expect("it is one");
        let component = fs::read(party_path(name)).expect("it was built");
        let mut stage = Stage::default();
        stage.parties.insert("main".into(), component.into());
        let outcome = run(&transcript, &stage, &planted(), true);
        assert_eq!(outcome.failure, None);
        outcome.updated.expect("nobody draws x")
    };
    let first = draws(7);
    assert_eq!(first, draws(7));
    assert_ne!(first.lines().skip(1).collect::<String>(), draws(8).lines().skip(1).collect::<String>());
}

#[test]
fn an_update_says_what_was_dropped() {
    let text = "> alice connect\n> alice send hex 00\ndropped for no reason\n";
    let transcript = Transcript::parse(text).expect("it is one");
    let component = fs::read(party_path("crash_on_binary")).expect("it was built");
    let mut stage = Stage::default();
    stage.parties.insert("main".into(), component.into());
    let outcome = run(&transcript, &stage, &planted(), true);
    assert_eq!(outcome.failure, None);
    let updated = outcome.updated.expect("it was dropped for another");
    assert!(updated.lines().nth(2).is_some_and(|line| line.contains("trapped")), "{updated}");
}
