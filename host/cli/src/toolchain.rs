//! Building Rust parties: that there is a toolchain, and what to do when cargo cannot. How cargo is asked, and what is made of
//! what it gives, tests in Rust share (`party_testkit::project`).

mod workspace;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use party_testkit::project::{TARGET, cargo_build, component_in, finish};

use crate::problem::{failure, usage};
use crate::tools::{Ran, ToolError, Tools};

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
    let ran = run(tools, &mut cargo_build(dir, &manifest))?;
    if !ran.status.success() {
        let hint = workspace::hint(&manifest, tools);
        return Err(failure(
            format!("cargo could not build {} ({})", manifest.display(), ran.status),
            hint.as_deref().unwrap_or("cargo says above what is wrong; nothing else was changed"),
        ));
    }
    let component = component_in(&ran.out, &manifest)?;
    let component = component.ok_or_else(|| {
        usage(
            format!("{} was built, but made no component", manifest.display()),
            "a party is a library: write `crate-type = [\"cdylib\"]` below [lib] in its Cargo.toml",
        )
    })?;
    finish(&component)
}
