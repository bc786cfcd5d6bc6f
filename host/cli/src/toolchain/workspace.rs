//! A party whose Cargo.toml takes words from a workspace that is not there: an example that was copied out of its
//! repository, or beside another. Cargo says what it could not find; this says what to do.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use toml::{Table, Value};

use crate::tools::Tools;

/// The largest Cargo.toml that is looked into, in bytes.
const MANIFEST_BYTES_MAX: u64 = 1 << 20;
/// As many lines as are told of.
const LINES_SHOWN: usize = 12;

/// What cargo knows of a workspace.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    manifest_path: PathBuf,
}

/// What to do about a crate that cargo could not build, if its place is what is wrong. `manifest` is its real path.
pub(super) fn hint(manifest: &Path, tools: &Tools) -> Option<String> {
    let text = read(manifest)?;
    let table: Table = text.parse().ok()?;
    if table.contains_key("workspace") {
        return None;
    }
    let lines = inherited(&text);
    match root_above(manifest) {
        None if lines.is_empty() => None,
        None => Some(format!(
            "its Cargo.toml takes {} from a workspace that is not there; {}, or write them out as `party-host new` does",
            in_words(&lines),
            instead(&table)
        )),
        Some(root) if is_member(manifest, &root, tools)? => None,
        Some(root) => Some(format!(
            "it lies below the workspace of {} and is none of its members: name it there in `members`, or write [workspace] \
             at the end of its own Cargo.toml{}",
            root.display(),
            match lines.is_empty() {
                true => String::new(),
                false => format!(" and {} out", in_words(&lines)),
            }
        )),
    }
}

fn read(manifest: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(manifest).ok()?.take(MANIFEST_BYTES_MAX).read_to_string(&mut text).ok()?;
    Some(text)
}

/// The lines, from 1, that stand for what a workspace says.
fn inherited(text: &str) -> Vec<usize> {
    let inherits = |line: &str| {
        let words: String = line.split('#').next().unwrap_or_default().split_whitespace().collect();
        words.contains("workspace=true")
    };
    text.lines().enumerate().filter(|(_, line)| inherits(line)).map(|(index, _)| index + 1).collect()
}

fn in_words(lines: &[usize]) -> String {
    let mut shown: Vec<String> = lines.iter().take(LINES_SHOWN).map(ToString::to_string).collect();
    if lines.len() > LINES_SHOWN {
        shown.push("…".into());
    }
    format!("{} {}", if lines.len() == 1 { "line" } else { "lines" }, shown.join(", "))
}

/// The way to a party that builds anywhere.
fn instead(manifest: &Table) -> String {
    let name = manifest.get("package").and_then(|package| package.get("name")).and_then(Value::as_str);
    let example = match name {
        Some(
            name @ ("counter" | "chat" | "workflow" | "cursors" | "tictactoe" | "poll" | "lookup" | "bots"),
        ) => name,
        Some(_) | None => "EXAMPLE",
    };
    format!("`party-host new NAME --example {example}` writes an example that stands by itself")
}

/// The nearest Cargo.toml above that is of a workspace.
fn root_above(manifest: &Path) -> Option<PathBuf> {
    let above = manifest.ancestors().skip(2).map(|above| above.join("Cargo.toml"));
    let is_root = |manifest: &PathBuf| {
        let table = read(manifest).and_then(|text| text.parse::<Table>().ok());
        table.is_some_and(|table| table.contains_key("workspace"))
    };
    above.into_iter().find(is_root)
}

/// Whether a crate is a member of a workspace; `None` if cargo cannot tell.
fn is_member(manifest: &Path, root: &Path, tools: &Tools) -> Option<bool> {
    let mut cargo = Command::new("cargo");
    cargo.args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"]).arg(root);
    let ran = tools.run(cargo.stderr(Stdio::null())).ok()?;
    let metadata: Metadata = serde_json::from_slice(&ran.out).ok()?;
    Some(metadata.packages.iter().any(|package| package.manifest_path == manifest))
}

#[cfg(test)]
mod tests {
    use super::{in_words, inherited};

    #[test]
    fn lines_that_stand_for_what_a_workspace_says_are_found() {
        let manifest = "[package]\nname = \"x\"\nversion.workspace = true\nedition = { workspace=true }\n\
                        # rust-version.workspace = true\n[lints]\nworkspace = true # ours\n[workspace]\n";
        assert_eq!(inherited(manifest), [3, 4, 7]);
        assert_eq!(in_words(&inherited(manifest)), "lines 3, 4, 7");
        assert_eq!(in_words(&[9]), "line 9");
    }
}
