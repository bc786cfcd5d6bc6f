//! What `build` cannot make a party of: told with what to do, and never called built.

use std::fs;
use std::path::Path;

use anyhow::Result;
use party_tests::host::{party_host, temporary};
use party_tests::program::{BOUND, Ended, Program};
use party_tests::root;

/// A package without dependencies.
fn package(dir: &Path, more: &str, file: &str, source: &str) -> Result<()> {
    let manifest = "[package]\nname = \"hello\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n";
    fs::create_dir_all(dir.join("src"))?;
    fs::write(dir.join("Cargo.toml"), [manifest, more].concat())?;
    Ok(fs::write(dir.join("src").join(file), source)?)
}

fn build(dir: &Path) -> Result<Ended> {
    Program::run(party_host().arg("build").current_dir(dir).env_remove("CARGO_TARGET_DIR"), BOUND)
}

/// Ends with this code, these words, and one hint with this.
#[track_caller]
fn check(ended: &Ended, code: i32, error: &[&str], hint: &str) {
    assert_eq!((ended.code, ended.out.as_str()), (Some(code), ""), "{}", ended.err);
    for part in error {
        assert!(ended.err.contains(part), "{part:?} is not in:\n{}", ended.err);
    }
    let hints: Vec<_> = ended.err.lines().filter(|line| line.starts_with("hint: ")).collect();
    assert!(hints.len() == 1 && hints[0].contains(hint), "{hint:?} is not in:\n{}", ended.err);
}

const CDYLIB: &str = "[lib]\ncrate-type = [\"cdylib\"]\n";

#[test]
fn a_crate_that_is_no_party_is_refused_when_it_is_built() -> Result<()> {
    let dir = temporary()?;
    let at = |name: &str| dir.path().join(name);
    package(&at("program"), "", "main.rs", "fn main() {}")?;
    let not_a_party = ["hello.wasm is not a party", "does not export party:server/guest@0.1.0"];
    check(&build(&at("program"))?, 2, &not_a_party, "#[party::serve]");
    package(&at("bare"), CDYLIB, "lib.rs", "#[unsafe(no_mangle)] pub extern \"C\" fn hello() {}")?;
    check(&build(&at("bare"))?, 2, &not_a_party, "#[party::serve]");
    package(&at("library"), "", "lib.rs", "pub fn hello() {}")?;
    let no_component = ["Cargo.toml was built, but made no component"];
    check(&build(&at("library"))?, 2, &no_component, "crate-type = [\"cdylib\"]");
    Ok(())
}

#[test]
fn what_cargo_refuses_is_a_failure_that_points_at_cargos_words() -> Result<()> {
    let dir = temporary()?;
    package(dir.path(), CDYLIB, "lib.rs", "pub fn hello( {}")?;
    let error = ["unclosed delimiter", "error: cargo could not build "];
    check(&build(dir.path())?, 1, &error, "cargo says above");
    Ok(())
}

/// Copies a directory of the repository.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            // What a host has left there.
            true if entry.file_name() == ".party" => {}
            true => copy(&entry.path(), &to.join(entry.file_name()))?,
            false => drop(fs::copy(entry.path(), to.join(entry.file_name()))?),
        }
    }
    Ok(())
}

#[test]
fn an_example_that_was_copied_out_is_told_how_to_stand_by_itself() -> Result<()> {
    // Not below the repository, whose workspace would be found.
    let dir = tempfile::tempdir()?;
    let (alone, workspace) = (dir.path().join("alone"), dir.path().join("workspace"));
    copy(&root().join("examples/chat"), &alone)?;
    let lines = "its Cargo.toml takes lines 4, 5, 6, 7, 10, 13, 14 from a workspace that is not there";
    check(&build(&alone)?, 1, &["cargo could not build", lines], "`party-host new NAME --example chat`");
    // Beside the others it is missed in another way.
    let member = workspace.join("member");
    package(&member, CDYLIB, "lib.rs", "")?;
    let manifest = fs::read_to_string(member.join("Cargo.toml"))?.replace("[workspace]\n", "");
    fs::write(
        member.join("Cargo.toml"),
        manifest.replace("version = \"0.1.0\"", "version.workspace = true"),
    )?;
    let of_all = "[workspace]\nmembers = [\"member\"]\n[workspace.package]\nversion = \"0.1.0\"\n";
    fs::write(workspace.join("Cargo.toml"), of_all)?;
    copy(&member, &workspace.join("copy"))?;
    let hint = "Cargo.toml and is none of its members: name it there in `members`, or write [workspace] at the end of its \
                own Cargo.toml and line 3 out";
    check(&build(&workspace.join("copy"))?, 1, &["cargo could not build"], hint);
    // A member that does not compile is none of this.
    fs::write(member.join("src/lib.rs"), "pub fn hello( {}")?;
    check(&build(&member)?, 1, &["unclosed delimiter"], "cargo says above");
    Ok(())
}

#[test]
fn without_rust_the_way_to_it_is_told() -> Result<()> {
    let dir = temporary()?;
    package(dir.path(), CDYLIB, "lib.rs", "")?;
    let mut command = party_host();
    command.arg("build").current_dir(dir.path()).env("PATH", dir.path());
    check(&Program::run(&mut command, BOUND)?, 1, &["error: rustc cannot be started"], "rustup");
    Ok(())
}

#[test]
fn a_component_that_is_no_party_is_refused_too() -> Result<()> {
    let dir = temporary()?;
    fs::write(dir.path().join("party.toml"), "main = \"other.wasm\"")?;
    fs::write(dir.path().join("other.wasm"), b"\0asm\x0d\0\x01\0")?;
    check(&build(dir.path())?, 2, &["other.wasm is not a party"], "party SDK");
    Ok(())
}
