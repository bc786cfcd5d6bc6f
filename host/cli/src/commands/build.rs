//! `party-host build`: every party of a project becomes a component, and one that no host would serve is refused here.

use anyhow::{Context, Result};
use party_runtime::load::check;

use crate::args::Build;
use crate::commands::project::Project;
use crate::host::read_bounded;

pub(crate) fn run(build: &Build) -> Result<()> {
    let project = Project::open(&build.path)?;
    for party in project.build_here()? {
        let path = party.component.display();
        let bytes = read_bounded(&party.component).with_context(|| format!("{path} cannot be read"))?;
        check(&bytes, &project.config.limits).with_context(|| format!("{path} is not a party"))?;
        println!("{}: {path} ({} KB)", party.name, bytes.len().div_ceil(1_000));
    }
    Ok(())
}
