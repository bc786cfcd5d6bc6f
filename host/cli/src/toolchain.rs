//! Building Rust parties: cargo, the wasm target, the settings that make components small.
//!
//! Components keep the names of their functions, because a trap in the log of a host far away is of use only with
//! them. As the compiler writes them they would be a fifth of a small component; `party_runtime::names` brings them
//! down to a twentieth, so that `build`, `serve` and `dev` all make the same component, and none without names.

mod workspace;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use party_runtime::load::COMPONENT_BYTES_MAX;
use party_runtime::names::shorten;
use serde::Deserialize;

use crate::problem::{failure, usage};
use crate::tools::{Ran, ToolError, Tools};

/// What parties are compiled for.
pub(crate) const TARGET: &str = "wasm32-wasip2";

/// Where finished components are, beside cargo's.
const FINISHED: &str = "party-host";

/// The release settings that parties are built with; `opt-level = "s"` and the rest bring a small party from
/// 2.5 MB to about 130 KB. `strip = "debuginfo"` keeps names.
const PROFILE: [(&str, &str); 5] = [
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "s"),
    ("CARGO_PROFILE_RELEASE_LTO", "fat"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1"),
    ("CARGO_PROFILE_RELEASE_PANIC", "abort"),
    ("CARGO_PROFILE_RELEASE_STRIP", "debuginfo"),
];

/// Makes sure that rustc can compile for [`TARGET`]; installs it with rustup after saying so.
fn ensure_target(dir: &Path, tools: &Tools) -> Result<()> {
    let sysroot = run(tools, Command::new("rustc").args(["--print", "sysroot"]).current_dir(dir))?;
    let sysroot = PathBuf::from(String::from_utf8_lossy(&sysroot.out).trim());
    if sysroot.join("lib/rustlib").join(TARGET).join("lib").is_dir() {
        return Ok(());
    }
    eprintln!("The Rust target {TARGET} is missing. Installing it: rustup target add {TARGET}");
    let status = run(tools, Command::new("rustup").args(["target", "add", TARGET]).current_dir(dir))?.status;
    if !status.success() {
        return Err(failure(
            format!("rustup could not install {TARGET} ({status})"),
            format!("install it by hand: rustup target add {TARGET}"),
        ));
    }
    Ok(())
}

fn run(tools: &Tools, command: &mut Command) -> Result<Ran> {
    tools.run(command).map_err(|error| match error {
        ToolError::Start { .. } => failure(
            error.to_string(),
            "building a party needs Rust: install it with rustup, or serve a finished .wasm",
        ),
        ToolError::Stopped => error.into(),
    })
}

#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    filenames: Vec<PathBuf>,
    #[serde(default)]
    manifest_path: PathBuf,
}

/// Builds the crate in `dir` and gives back its component.
pub(crate) fn build(dir: &Path, tools: &Tools) -> Result<PathBuf> {
    let manifest = dir.join("Cargo.toml");
    let manifest = manifest.canonicalize().map_err(|error| {
        failure(
            format!("{} cannot be read: {error}", manifest.display()),
            "a Rust party is a crate; `party-host new NAME` writes one",
        )
    })?;
    ensure_target(dir, tools)?;
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--release", "--target", TARGET, "--message-format", "json-render-diagnostics"])
        .arg("--manifest-path")
        .arg(&manifest)
        .current_dir(dir)
        .envs(PROFILE)
        .env_remove("RUSTFLAGS");
    let ran = run(tools, &mut cargo)?;
    if !ran.status.success() {
        let hint = workspace::hint(&manifest, tools);
        return Err(failure(
            format!("cargo could not build {} ({})", manifest.display(), ran.status),
            hint.as_deref().unwrap_or("cargo says above what is wrong; nothing else was changed"),
        ));
    }
    let stdout = String::from_utf8(ran.out).context("cargo's messages are not UTF-8")?;
    let component = stdout
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .filter(|message| message.reason == "compiler-artifact" && message.manifest_path == manifest)
        .flat_map(|message| message.filenames)
        .find(|file| file.extension().is_some_and(|extension| extension == "wasm"));
    let component = component.ok_or_else(|| {
        usage(
            format!("{} was built, but made no component", manifest.display()),
            "a party is a library: write `crate-type = [\"cdylib\"]` below [lib] in its Cargo.toml",
        )
    })?;
    finish(&component)
}

/// Makes names short. The result lies beside cargo's own file, which cargo would otherwise take for its own.
fn finish(built: &Path) -> Result<PathBuf> {
    let unreadable = || format!("what cargo has built, {}, cannot be read", built.display());
    if fs::metadata(built).with_context(unreadable)?.len() > COMPONENT_BYTES_MAX {
        // Loading refuses it, with its size.
        return Ok(built.to_path_buf());
    }
    let bytes = fs::read(built).with_context(unreadable)?;
    let bytes = shorten(&bytes).with_context(|| format!("{} is not a component", built.display()))?;
    let (dir, name) = built.parent().zip(built.file_name()).context("cargo names a file")?;
    let finished = dir.join(FINISHED).join(name);
    write_changed(&finished, &bytes).with_context(|| format!("{} cannot be written", finished.display()))?;
    Ok(finished)
}

/// Writes a file whole or not at all, and leaves it alone if it holds these bytes: who watches it sees no change.
fn write_changed(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::read(path).is_ok_and(|present| present == bytes) {
        return Ok(());
    }
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    let draft = path.with_extension(std::process::id().to_string());
    fs::write(&draft, bytes).and_then(|()| fs::rename(&draft, path)).inspect_err(|_| {
        // What was written so far is of no use; that it cannot be removed changes nothing about the error.
        let _ = fs::remove_file(&draft);
    })
}
