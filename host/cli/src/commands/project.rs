//! A project on disk, and its parties as components.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use party_core::limits::Limits;
use party_server::config::routing::Routing;
use party_server::config::{EdgeConfig, FILE_NAME, Memory, PartySource, ProjectConfig};
use party_server::outbound::OutboundOptions;

use crate::problem::{Interrupted, usage};
use crate::signals::Signals;
use crate::toolchain;
use crate::tools::Tools;

/// What is served: a project, or a single component as if it were one.
#[derive(Clone, Debug)]
pub(crate) struct Project {
    /// What says how it is served: its party.toml, or the component.
    pub(crate) told_by: PathBuf,
    pub(crate) config: ProjectConfig,
    /// Whether it is a component by itself, which says nothing of its project.
    pub(crate) is_component: bool,
}

/// A party whose component is on disk.
#[derive(Clone, Debug)]
pub(crate) struct BuiltParty {
    pub(crate) name: String,
    pub(crate) component: PathBuf,
}

impl Project {
    /// Opens a directory, or a `.wasm` file.
    pub(crate) fn open(path: &Path) -> Result<Project> {
        let found = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
        let is_component = found.is_file() && is_component(path);
        let config = if is_component { single_component(path) } else { ProjectConfig::load(path)? };
        if config.parties.is_empty() {
            return Err(usage(
                format!("{} has no parties", path.display()),
                "write a party with `party-host new NAME`, or name one in party.toml: main = \"path\"",
            ));
        }
        let told_by = if is_component { path.into() } else { path.join(FILE_NAME) };
        Ok(Project { told_by, config, is_component })
    }

    /// Builds, for a command that does nothing else that a signal should end in order.
    pub(crate) fn build_here(&self) -> Result<Vec<BuiltParty>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (built, signals) = runtime.block_on(async {
            let mut signals = Signals::listen()?;
            Ok::<_, anyhow::Error>((self.build_unless_stopped(&mut signals).await, signals))
        })?;
        signals.end_as_by_default(runtime)?;
        built
    }

    /// Builds; a signal that comes meanwhile ends the build with all that it has started, and is the error
    /// [`Interrupted`].
    pub(crate) async fn build_unless_stopped(&self, signals: &mut Signals) -> Result<Vec<BuiltParty>> {
        let tools = Tools::default();
        let (project, its_tools) = (self.clone(), tools.clone());
        let mut building = tokio::task::spawn_blocking(move || project.build(&its_tools));
        tokio::select! {
            built = &mut building => built.context("the build panicked")?,
            signal = signals.next() => {
                tools.stop();
                // Nothing is left running. How a build ends that was stopped says nothing.
                let _ = building.await;
                Err(Interrupted { signal, what: "the build was given up" }.into())
            }
        }
    }

    /// Builds the parties that are crates. Parties of the same crate are built once.
    pub(crate) fn build(&self, tools: &Tools) -> Result<Vec<BuiltParty>> {
        let mut built: BTreeMap<&Path, PathBuf> = BTreeMap::new();
        let mut parties = Vec::new();
        for (name, source) in &self.config.parties {
            let component = match source {
                PartySource::Component(component) => component.clone(),
                PartySource::Crate(dir) => match built.get(dir.as_path()) {
                    Some(component) => component.clone(),
                    None => {
                        // Without the `.` of main = "."
                        let shown: PathBuf = dir.components().collect();
                        eprintln!("building party {name} in {}", shown.display());
                        let component = toolchain::build(dir, tools)?;
                        built.insert(dir, component.clone());
                        component
                    }
                },
            };
            parties.push(BuiltParty { name: name.clone(), component });
        }
        Ok(parties)
    }

    /// Where the project's rooms are kept unless told otherwise.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.config.directory.join(".party/data")
    }
}

fn is_component(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "wasm")
}

fn unreadable(path: &Path, error: &io::Error) -> anyhow::Error {
    let message = match error.kind() {
        io::ErrorKind::NotFound => format!("{} is not there", path.display()),
        _ => format!("{} cannot be read: {error}", path.display()),
    };
    let hint = match is_component(path) {
        true => "`party-host build` says where it has put a component",
        false => "give a directory with party.toml or Cargo.toml, or a .wasm component",
    };
    usage(message, hint)
}

fn single_component(path: &Path) -> ProjectConfig {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    ProjectConfig {
        directory: directory.to_path_buf(),
        name: "party".into(),
        parties: BTreeMap::from([("main".into(), PartySource::Component(path.to_path_buf()))]),
        memory: Memory::default(),
        routing: Routing::default(),
        port: None,
        hosts: Vec::new(),
        serve: None,
        duplicate_keys: BTreeMap::new(),
        vars: BTreeMap::new(),
        crons: Vec::new(),
        limits: Limits::default(),
        allowed_origins: None,
        edge: EdgeConfig::default(),
        host_keys: Vec::new(),
        http: OutboundOptions::default(),
    }
}
