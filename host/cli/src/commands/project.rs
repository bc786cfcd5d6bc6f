//! A project on disk, and its parties as components.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use party_core::limits::Limits;
use party_server::config::{Memory, PartySource, ProjectConfig};

use crate::problem::usage_with_hint;
use crate::toolchain;

/// What is served: a project, or a single component as if it were one.
#[derive(Clone, Debug)]
pub(crate) struct Project {
    pub(crate) config: ProjectConfig,
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
        let is_component = path.extension().is_some_and(|extension| extension == "wasm");
        let config = if is_component { single_component(path)? } else { ProjectConfig::load(path)? };
        if config.parties.is_empty() {
            return Err(usage_with_hint(
                format!("{} has no parties", path.display()),
                "write a party with `party-host new NAME`, or name one in party.toml: main = \"path\"",
            ));
        }
        Ok(Project { config })
    }

    /// Builds the parties that are crates. Parties of the same crate are built once.
    pub(crate) fn build(&self) -> Result<Vec<BuiltParty>> {
        let mut built: BTreeMap<&Path, PathBuf> = BTreeMap::new();
        let mut parties = Vec::new();
        for (name, source) in &self.config.parties {
            let component = match source {
                PartySource::Component(component) => component.clone(),
                PartySource::Crate(dir) => match built.get(dir.as_path()) {
                    Some(component) => component.clone(),
                    None => {
                        eprintln!("building party {name} in {}", dir.display());
                        let component = toolchain::build(dir)?;
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

fn single_component(path: &Path) -> Result<ProjectConfig> {
    if !path.is_file() {
        return Err(usage_with_hint(
            format!("{} is not there", path.display()),
            "`party-host build` says where it has put a component",
        ));
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(ProjectConfig {
        directory: directory.to_path_buf(),
        name: "party".into(),
        parties: BTreeMap::from([("main".into(), PartySource::Component(path.to_path_buf()))]),
        memory: Memory::Volatile,
        port: None,
        serve: None,
        vars: BTreeMap::new(),
        limits: Limits::default(),
    })
}
