//! A project's parties as components: how cargo is asked for a party, and what is made of what it gives.
//!
//! `party-host build` and a test in Rust ([`Builder::project`](crate::world::Builder::project)) build in the same way, into
//! the same place, so that neither plays what the other has left behind.
//!
//! Components keep the names of their functions, because a trap in the log of a host far away is of use only with
//! them. As the compiler writes them they would be a fifth of a small component; `party_runtime::names` brings them
//! down to a twentieth, so that `build`, `serve`, `dev` and tests all make the same component, and none without names.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail, ensure};
use party_runtime::load::COMPONENT_BYTES_MAX;
use party_runtime::names::shorten;
use party_server::config::{PartySource, ProjectConfig};
use serde_json::Value;

/// What parties are compiled for.
pub const TARGET: &str = "wasm32-wasip2";

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

/// The command that builds the crate in `dir`, whose manifest is `manifest`; what it prints is for [`component_in`].
pub fn cargo_build(dir: &Path, manifest: &Path) -> Command {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--release", "--target", TARGET, "--message-format", "json-render-diagnostics"])
        .arg("--manifest-path")
        .arg(manifest)
        .current_dir(dir)
        .envs(PROFILE)
        .env_remove("RUSTFLAGS");
    cargo
}

/// The component that cargo has made of the crate with this manifest, by its real path; none if the crate makes none. An
/// error if what cargo printed is not UTF-8.
pub fn component_in(printed: &[u8], manifest: &Path) -> Result<Option<PathBuf>> {
    let printed = std::str::from_utf8(printed).context("cargo's messages are not UTF-8")?;
    let is_its = |message: &Value| {
        message["reason"] == "compiler-artifact"
            && message["manifest_path"].as_str().is_some_and(|path| Path::new(path) == manifest)
    };
    let files = |message: Value| message["filenames"].as_array().cloned().unwrap_or_default();
    Ok(printed
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(is_its)
        .flat_map(files)
        .filter_map(|file| file.as_str().map(PathBuf::from))
        .find(|file| file.extension().is_some_and(|extension| extension == "wasm")))
}

/// Makes names short. The result lies beside cargo's own file, which cargo would otherwise take for its own. An error if
/// that cannot be read, is no component, or nothing can be written beside it.
pub fn finish(built: &Path) -> Result<PathBuf> {
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

/// What a project says of its parties, and their components.
pub(crate) struct Built {
    pub(crate) config: ProjectConfig,
    pub(crate) components: BTreeMap<String, PathBuf>,
}

/// Builds the parties of the project in a directory. A crate is built once in the life of a process: its tests run beside each
/// other, and its sources do not change under them.
pub(crate) fn build(directory: &Path) -> Result<Built> {
    let config = ProjectConfig::load(directory)?;
    ensure!(!config.parties.is_empty(), "{} has no parties: party.toml names none", directory.display());
    let mut components = BTreeMap::new();
    for (name, source) in &config.parties {
        let component = match source {
            PartySource::Component(component) => component.clone(),
            PartySource::Crate(dir) => build_once(dir).with_context(|| format!("party {name}"))?,
        };
        components.insert(name.clone(), component);
    }
    Ok(Built { config, components })
}

fn build_once(dir: &Path) -> Result<PathBuf> {
    static BUILT: Mutex<BTreeMap<PathBuf, Result<PathBuf, String>>> = Mutex::new(BTreeMap::new());
    let manifest = dir.join("Cargo.toml");
    let manifest =
        manifest.canonicalize().with_context(|| format!("{} cannot be read", manifest.display()))?;
    // Whoever comes meanwhile waits until it is built.
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if !built.contains_key(&manifest) {
        let result = build_crate(dir, &manifest).map_err(|error| format!("{error:#}"));
        built.insert(manifest.clone(), result);
    }
    built[&manifest].clone().map_err(anyhow::Error::msg)
}

fn build_crate(dir: &Path, manifest: &Path) -> Result<PathBuf> {
    let ran = cargo_build(dir, manifest).output().context("cargo cannot be started")?;
    if !ran.status.success() {
        bail!(
            "cargo could not build {} ({}); `party-host build` also installs what is missing\n{}",
            manifest.display(),
            ran.status,
            String::from_utf8_lossy(&ran.stderr).trim_end()
        );
    }
    let component = component_in(&ran.stdout, manifest)?;
    finish(&component.with_context(|| format!("{} made no component", manifest.display()))?)
}
