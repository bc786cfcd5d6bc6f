//! Form: files that can be read at once, warnings that are not silenced, formatting.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use party_tests::root;

/// The longest source file, in lines.
const LINES_MAX: usize = 400;
/// The longest file of tests, in lines: a list of facts is read one by one.
const TEST_LINES_MAX: usize = 500;
/// Generated, so read by nobody.
const GENERATED: [&str; 2] = ["guest-sdk/rust/src/bindings.rs", "host/runtime/src/bindings.rs"];
const LEFT_OUT: [&str; 4] = ["target", "node_modules", ".git", "runs"];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("the tree can be read") {
        let path = entry.expect("the tree can be read").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !LEFT_OUT.contains(&name.as_str()) {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn all_sources() -> Vec<(String, String)> {
    let (root, mut found) = (root(), Vec::new());
    sources(&root, &mut found);
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("sources are UTF-8");
        (path.strip_prefix(&root).expect("below the root").display().to_string(), text)
    };
    let all: Vec<_> = found.into_iter().map(read).collect();
    assert!(all.len() > 50, "the walk has found the sources");
    all
}

fn is_test(name: &str) -> bool {
    name.split('/').any(|part| ["tests", "testing", "tests.rs"].contains(&part))
}

#[test]
fn every_source_file_can_be_read_at_once() {
    let too_long: Vec<_> = all_sources()
        .into_iter()
        .filter(|(name, _)| !GENERATED.contains(&name.as_str()))
        .map(|(name, text)| (name, text.lines().count()))
        .filter(|(name, lines)| *lines > if is_test(name) { TEST_LINES_MAX } else { LINES_MAX })
        .collect();
    assert!(too_long.is_empty(), "longer than {LINES_MAX} lines: {too_long:?}");
}

#[test]
fn every_source_file_begins_with_what_it_is_for() {
    let mute: Vec<_> = all_sources()
        .into_iter()
        .filter(|(name, _)| !GENERATED.contains(&name.as_str()))
        .filter(|(_, text)| !text.starts_with("//!"))
        .map(|(name, _)| name)
        .collect();
    assert!(mute.is_empty(), "without a first line that begins with //!: {mute:?}");
}

#[test]
fn no_warning_is_silenced_without_a_reason() {
    let silenced = ["#[", "allow("].concat();
    let silenced_inside = ["#![", "allow("].concat();
    let found: Vec<_> = all_sources()
        .into_iter()
        .filter(|(name, _)| !GENERATED.contains(&name.as_str()))
        .filter(|(_, text)| text.contains(&silenced) || text.contains(&silenced_inside))
        .map(|(name, _)| name)
        .collect();
    assert!(found.is_empty(), "use #[expect(lint, reason = \"…\")] instead: {found:?}");
}

#[test]
fn sources_are_formatted() {
    let output = Command::new(env!("CARGO"))
        .args(["fmt", "--all", "--check"])
        .current_dir(root())
        .output()
        .expect("cargo fmt runs");
    assert!(output.status.success(), "run `cargo fmt --all`:\n{}", String::from_utf8_lossy(&output.stdout));
}
