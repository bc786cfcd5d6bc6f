//! `party-host build`: every party of a project becomes a component.

use anyhow::Result;

use crate::args::Build;
use crate::commands::project::Project;

pub(crate) fn run(build: &Build) -> Result<()> {
    let project = Project::open(&build.path)?;
    for party in project.build()? {
        let bytes = std::fs::metadata(&party.component)?.len();
        println!("{}: {} ({} KB)", party.name, party.component.display(), bytes.div_ceil(1_000));
    }
    Ok(())
}
