//! `party-host deploy`: a running host goes on with new versions of its parties, or with those before.
//!
//! Several parties are deployed one after the other. If one is refused, those before it are taken back, so that a project is
//! deployed as a whole or not at all.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use party_server::admin::question::encode;
use party_server::admin::shapes::{Deployed, Served, Standing};

use crate::args::deploy::Deploy;
use crate::asking::{Asked, Knows, who_knows};
use crate::commands::project::Project;
use crate::host::read_bounded;
use crate::problem::{failure, usage};

/// How often a host is asked how far its rooms have come.
const ASK_EVERY: Duration = Duration::from_millis(250);
/// As much of a digest as is told.
const DIGEST_SHOWN: usize = 12;

pub(crate) fn run(deploy: &Deploy) -> Result<()> {
    let project = Project::open(&deploy.path)?;
    let data = deploy.data.clone().unwrap_or_else(|| project.data_dir());
    let asked = running_host(&data)?;
    let served = check(&project, &asked)?.name.clone();
    let names: Vec<String> = project.config.parties.keys().cloned().collect();
    let changed = match deploy.rollback {
        true => roll_back(&asked, &served, &names)?,
        false => deploy_all(&project, &asked, &served)?,
    };
    follow(&asked, &served, &changed, Duration::from_secs(deploy.wait))
}

fn running_host(data: &Path) -> Result<Box<Asked>> {
    match who_knows(data)? {
        Knows::Host(asked) => Ok(asked),
        Knows::Store(_) => Err(usage(
            format!("no host runs on {}", data.display()),
            "start one with `party-host serve`: its rooms go on with the version that it serves when they wake",
        )),
    }
}

/// Before anything is built: as which of its projects the host serves this one.
fn check<'a>(project: &Project, asked: &'a Asked) -> Result<&'a Served> {
    let (name, serves) = (&project.config.name, &asked.itself.projects);
    let names: Vec<&str> = serves.iter().map(|served| served.name.as_str()).collect();
    let found = match &serves[..] {
        // A component by itself says nothing of its project.
        [only] if project.is_component => Some(only),
        several => several.iter().find(|served| served.name == *name),
    };
    let Some(served) = found else {
        let what = if names.len() == 1 { "project" } else { "projects" };
        return Err(usage(
            format!("the host serves the {what} {}, not {name}", names.join(", ")),
            match project.is_component {
                true => "give the directory of the project whose party main it is to be",
                false => "name the data directory of the project's host with --data",
            },
        ));
    };
    match project.config.parties.keys().find(|party| !served.parties.contains(party)) {
        None => Ok(served),
        Some(party) => Err(usage(
            format!("the host has no party {party}; it serves {}", served.parties.join(", ")),
            match project.is_component {
                true => {
                    "a component by itself is deployed as party main; for another one, give the project's directory"
                }
                false => "a party that is new needs a restart of the host",
            },
        )),
    }
}

fn target(what: &str, project: &str, party: &str) -> String {
    format!("/{what}?project={}&party={}", encode(project), encode(party))
}

fn deploy_all(project: &Project, asked: &Asked, served: &str) -> Result<Vec<String>> {
    let mut components: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for party in project.build_here()? {
        let path = party.component.display();
        let bytes = read_bounded(&party.component).with_context(|| format!("{path} cannot be read"))?;
        components.insert(party.name, bytes);
    }
    let mut changed: Vec<String> = Vec::new();
    for (party, bytes) in components {
        let deployed =
            asked.wait(asked.host.send::<Deployed>(&target("deploy", served, &party), bytes.into()));
        match deployed.with_context(|| format!("party {party} is not deployed")) {
            Ok(deployed) => {
                if tell(&deployed) {
                    changed.push(party);
                }
            }
            Err(error) => {
                take_back(asked, served, &changed);
                return Err(error);
            }
        }
    }
    Ok(changed)
}

/// The others of the project go back, because one was refused.
fn take_back(asked: &Asked, project: &str, changed: &[String]) {
    for party in changed {
        match asked.wait(asked.host.json::<Deployed>("POST", &target("rollback", project, party))) {
            Ok(_) => println!("{party}: taken back"),
            Err(error) => eprintln!("{party}: it could not be taken back: {error:#}"),
        }
    }
}

fn roll_back(asked: &Asked, project: &str, names: &[String]) -> Result<Vec<String>> {
    let (mut changed, mut refused) = (Vec::new(), None);
    for party in names {
        match asked.wait(asked.host.json::<Deployed>("POST", &target("rollback", project, party))) {
            Ok(deployed) => {
                tell(&deployed);
                changed.push(party.clone());
            }
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    match refused {
        // Not every party of a project has been deployed since the host has started.
        Some(error) if changed.is_empty() => Err(error),
        Some(_) | None => Ok(changed),
    }
}

/// Whether something has changed.
fn tell(deployed: &Deployed) -> bool {
    let short = |digest: &str| digest.chars().take(DIGEST_SHOWN).collect::<String>();
    let Deployed { party, before, served, .. } = deployed;
    if before == served {
        println!("{party}: {} is served already", short(served));
        return false;
    }
    println!("{party}: {} is served; before it was {}", short(served), short(before));
    true
}

/// Tells how far the rooms have come until all have, or for so long.
fn follow(asked: &Asked, project: &str, parties: &[String], wait: Duration) -> Result<()> {
    let begun = Instant::now();
    let mut told = BTreeMap::new();
    loop {
        let mut all = Vec::new();
        for party in parties {
            let standing: Standing =
                asked.wait(asked.host.json("GET", &target("versions", project, party)))?;
            let line = line_of(&standing);
            if told.insert(party.clone(), line.clone()).as_ref() != Some(&line) {
                println!("{party}: {line}");
            }
            all.push(standing);
        }
        if all.iter().all(|standing| standing.waiting == 0) || begun.elapsed() >= wait {
            let stayed: u64 = all.iter().map(|standing| standing.stayed).sum();
            return match stayed {
                0 => Ok(()),
                _ => Err(failure(
                    format!(
                        "{} with the version before; the host's log says why",
                        rooms(stayed, "stays", "stay")
                    ),
                    "`party-host deploy --rollback` goes back to it for all rooms",
                )),
            };
        }
        std::thread::sleep(ASK_EVERY);
    }
}

fn rooms(count: u64, one: &str, many: &str) -> String {
    if count == 1 { format!("1 room {one}") } else { format!("{count} rooms {many}") }
}

fn line_of(standing: &Standing) -> String {
    let Standing { switched, waiting, asleep, stayed, .. } = *standing;
    let mut parts = vec![rooms(switched, "switched", "switched")];
    if waiting > 0 {
        parts.push(format!("{waiting} go on with the version before until quiet"));
    }
    if asleep > 0 {
        parts.push(format!("{asleep} asleep with sockets, which switch when they wake"));
    }
    if stayed > 0 {
        parts.push(format!("{stayed} stay with the version before"));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use party_server::admin::shapes::Standing;

    use super::line_of;

    #[test]
    fn a_standing_is_told_in_words() {
        let mut standing = Standing {
            project: "shop".into(),
            party: "main".into(),
            served: String::new(),
            switched: 12,
            waiting: 3,
            asleep: 0,
            stayed: 0,
        };
        assert_eq!(line_of(&standing), "12 rooms switched, 3 go on with the version before until quiet");
        (standing.switched, standing.waiting, standing.stayed) = (1, 0, 2);
        assert_eq!(line_of(&standing), "1 room switched, 2 stay with the version before");
    }
}
