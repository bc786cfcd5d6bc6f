//! What `build` cannot make a party of: told with what to do, and never called built.

use std::fs;
use std::path::Path;

use anyhow::Result;
use party_tests::host::{party_host, temporary};
use party_tests::program::{BOUND, Ended, Program};

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
