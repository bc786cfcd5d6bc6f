//! The runner from end to end: candidates started, measured and stopped, a page and raw results written.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Runs the shortest scenarios against the given candidates and keeps the files below `runs`.
fn run(runs: &Path, flags: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_party-yardstick"))
        .args([
            "--rounds",
            "1",
            "--window-s",
            "0.3",
            "--repeats-max",
            "0",
            "--quiet-wait-s",
            "0",
            "--date",
            "2026-11-21",
        ])
        .args(["--machine", "test", "--scenarios", "echo,counter-1"])
        .args(flags)
        .arg("--benches")
        .arg(env!("CARGO_MANIFEST_DIR"))
        .arg("--runs")
        .arg(runs)
        .output()
        .unwrap()
}

#[test]
fn a_run_leaves_a_page_and_raw_results_and_no_path_of_the_machine() {
    let runs = tempfile::tempdir().unwrap();
    // Any server may stand in party-host's place; here the native one does.
    let host = "{bin}/party-native --port {port} --data {data}";
    let output =
        run(runs.path(), &["--candidates", "native,host", "--host-command", host, "--port", "22000"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let page = fs::read_to_string(runs.path().join("2026-11-21-test/summary.md")).unwrap();
    assert!(page.contains("| | native | party-host |"), "{page}");
    assert!(page.contains("| echo, CPU µs/message |"), "{page}");
    assert!(page.contains("nothing was lost"), "{page}");
    let raw = fs::read_to_string(runs.path().join("2026-11-21-test/raw.json")).unwrap();
    let parsed: serde_json::Value = serde_json::from_str(&raw).unwrap();
    assert_eq!(parsed["records"].as_array().unwrap().len(), 4);
    assert_eq!(parsed["records"][0]["report"]["integrity"]["lost"], 0);
    let machine = [env!("CARGO_MANIFEST_DIR"), env!("CARGO_BIN_EXE_party-yardstick"), "/tmp"];
    for text in [&page, &raw] {
        assert!(machine.iter().all(|path| !text.contains(path)), "a path of this machine in {text}");
    }
}

#[test]
fn a_candidate_that_is_not_there_is_skipped_and_named() {
    let runs = tempfile::tempdir().unwrap();
    let flags = ["--candidates", "native,host", "--host-command", "/nowhere/host {port}", "--port", "22300"];
    let output = run(runs.path(), &flags);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let page = fs::read_to_string(runs.path().join("2026-11-21-test/summary.md")).unwrap();
    assert!(page.contains("Not measured: party-host"), "{page}");

    let required = [flags.as_slice(), &["--require-targets"]].concat();
    assert_eq!(run(runs.path(), &required).status.code(), Some(1), "what was not measured is not reached");
}

#[test]
fn a_candidate_that_ends_at_once_is_told_with_its_last_words() {
    let runs = tempfile::tempdir().unwrap();
    let flags = ["--candidates", "host", "--host-command", "ls /does-not-exist-{port}", "--port", "22600"];
    let output = run(runs.path(), &flags);
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("party-host ended or did not answer"), "{message}");
    assert!(message.contains("does-not-exist-22600"), "{message}");
    assert!(!runs.path().join("2026-11-21-test").exists(), "an unfinished run leaves no files");
}
