//! What a host knows of the versions that hosts before it have served.
//!
//! The store is told of a version before it is served ([`PartyVersions`]). A host that starts goes on with what was served
//! last and then deploys what it was started with, as [`Node::deploy`] does: so a component that does not start changes
//! nothing then either. One thing is not deployed: the version that somebody has gone back from, for as long as the host
//! is started with just that.
//!
//! Of each party the bytes of two versions are kept, the one that is served and the one before; of others, for as long as
//! a room has them, asleep or awake. Of a party that this host does not serve the same is known and kept, as long as rooms
//! of it are: its project may only be away for this life of the host.

use std::collections::BTreeMap;
use std::sync::Arc;

use party_core::commit::ComponentDigest;
use party_core::storage::StorageReadError;
use party_runtime::load::LoadError;
use party_store::versions::{PARTIES_MAX, PartyVersions};
use thiserror::Error;

use crate::apart::run_apart;
use crate::hibernation::digest_of;
use crate::node::{Node, StartError};
use crate::party::{Memory, Party};
use crate::project::has_rooms;
use crate::versions::{DeployError, VersionError, load};

/// The versions of each party that is served, and of others while rooms of theirs are kept, by project and name.
pub(crate) type Known = BTreeMap<(String, String), PartyVersions>;

fn key(versions: &PartyVersions) -> (String, String) {
    (versions.project.clone(), versions.party.clone())
}

/// Why a version that was served is of no use any more.
#[derive(Debug, Error)]
pub enum UnusableError {
    /// It is not there, or cannot be loaded.
    #[error("{0}")]
    Version(String),
    /// The store cannot be read now, or the system has nothing to load it with.
    #[error("{0}")]
    NotNow(String),
    /// Durable rooms must be captured.
    #[error("component {0} cannot have durable rooms: {1}")]
    NotCapturable(ComponentDigest, String),
}

impl From<VersionError> for UnusableError {
    fn from(error: VersionError) -> UnusableError {
        let text = error.to_string();
        match error {
            VersionError::Store(StorageReadError::Io(_) | StorageReadError::NoMemory(_))
            | VersionError::Load(_, LoadError::Refused(_)) => UnusableError::NotNow(text),
            VersionError::Store(StorageReadError::Damaged(_))
            | VersionError::Load(..)
            | VersionError::Missing(_)
            | VersionError::NoParty => UnusableError::Version(text),
        }
    }
}

/// Whether rooms could have this version now.
pub(super) fn check(party: &Party) -> Result<(), UnusableError> {
    match (party.memory, party.component.capturable()) {
        (Memory::Durable, Err(reason)) => {
            Err(UnusableError::NotCapturable(digest_of(&party.component), reason.to_string()))
        }
        (Memory::Volatile | Memory::Hibernate | Memory::Durable, _) => Ok(()),
    }
}

impl Node {
    /// Goes on with the versions that were served last, before any room runs. Gives back the parties as they are to be
    /// deployed when rooms can run: those that this host was started with another component of.
    pub(crate) fn take_up_versions(&self) -> Result<Vec<Arc<Party>>, StartError> {
        let told = match self.store().versions() {
            Ok(told) => told,
            Err(StorageReadError::Damaged(what)) => {
                tracing::error!("which versions were served last cannot be read, and is forgotten: {what}");
                Vec::new()
            }
            Err(error @ (StorageReadError::Io(_) | StorageReadError::NoMemory(_))) => {
                return Err(error.into());
            }
        };
        let (mut known, mut changed) = (Known::new(), Vec::new());
        for party in self.parties() {
            let is_its = |one: &&PartyVersions| one.project == party.project.name && one.party == party.name;
            let (versions, is_changed) = self.take_up(&party, told.iter().find(is_its))?;
            known.insert(key(&versions), versions);
            if is_changed {
                changed.push(party);
            }
        }
        // Whoever serves them again goes on with what was served last.
        for absent in &told {
            let is_absent = known.len() < PARTIES_MAX && !known.contains_key(&key(absent));
            if is_absent && has_rooms(self.store().as_ref(), &absent.project, &absent.party)? {
                known.insert(key(absent), absent.clone());
            }
        }
        let now: Vec<PartyVersions> = known.values().cloned().collect();
        if now != told {
            self.store().put_versions(self.epoch(), &now)?;
        }
        let needed: Vec<ComponentDigest> = now.iter().flat_map(PartyVersions::components).collect();
        self.store().reclaim_components(self.epoch(), &needed)?;
        *self.versions().known.try_lock().expect("nothing is deployed before the host has started") = known;
        Ok(changed)
    }

    /// The versions of a party, and whether the one that this host was started with is to be deployed.
    /// What cannot be had at this moment is no reason to forget what was served: then the host does not start.
    fn take_up(
        &self,
        party: &Arc<Party>,
        last: Option<&PartyVersions>,
    ) -> Result<(PartyVersions, bool), StartError> {
        let (project, name, here) = (&party.project.name, &party.name, digest_of(&party.component));
        if let Some(last) = last.filter(|last| last.served != here) {
            match self.last_served(party, last.served) {
                Ok(version) => {
                    self.replace(version);
                    let was_left = last.was_rolled_back && last.before == Some(here);
                    if was_left {
                        tracing::warn!(
                            project,
                            party = name,
                            "component {here} was gone back from: {} goes on\n\
                             hint: `party-host deploy` serves it again",
                            last.served
                        );
                    }
                    return Ok((last.clone(), !was_left));
                }
                Err(UnusableError::NotNow(why)) => {
                    let party = self.named_party(project, name);
                    return Err(StartError::NotNow { party, served: last.served, why });
                }
                Err(error) => tracing::warn!(
                    project,
                    party = name,
                    "{} was served last and cannot be gone back to: {error}",
                    last.served
                ),
            }
        }
        self.keep_component(party)?;
        self.versions().remember(party);
        let before = last.filter(|last| last.served == here).and_then(|last| last.before);
        let was_rolled_back = before.is_some() && last.is_some_and(|last| last.was_rolled_back);
        let (project, party) = (project.clone(), name.clone());
        Ok((PartyVersions { project, party, served: here, before, was_rolled_back }, false))
    }

    fn last_served(&self, party: &Party, digest: ComponentDigest) -> Result<Arc<Party>, UnusableError> {
        let version = Arc::new(load(self.store().as_ref(), party, digest)?);
        check(&version)?;
        Ok(version)
    }

    /// Deploys what this host was started with. What does not start is not served, and the log says so.
    pub(crate) async fn deploy_changed(&self, changed: Vec<Arc<Party>>) {
        for party in changed {
            let here = digest_of(&party.component);
            match self.deploy_loaded(Arc::clone(&party)).await {
                Ok(last) => tracing::info!(
                    project = party.project.name,
                    party = party.name,
                    "another component than last time is served: {here}; before it was {last}, and \
                     `party-host deploy --rollback` goes back to it"
                ),
                Err(error) => tracing::error!(
                    project = party.project.name,
                    party = party.name,
                    "component {here} is not served: {error}; what was served last goes on\nhint: {}",
                    error.hint().unwrap_or("mend it, and `party-host deploy`")
                ),
            }
        }
    }

    /// Tells the store that another version of a party is served from now on.
    pub(super) async fn tell_store(&self, known: &mut Known, of: PartyVersions) -> Result<(), DeployError> {
        let mut next = known.clone();
        next.insert(key(&of), of);
        let (node, told) = (self.clone(), next.values().cloned().collect::<Vec<_>>());
        run_apart(move || node.store().put_versions(node.epoch(), &told)).await?;
        *known = next;
        Ok(())
    }

    /// Lets go of the bytes of versions that nobody can go back to and no room has.
    pub(super) async fn reclaim_versions(&self, known: &Known) {
        let mut needed = self.versions().in_use();
        needed.extend(known.values().flat_map(PartyVersions::components));
        let node = self.clone();
        if let Err(error) = run_apart(move || node.store().reclaim_components(node.epoch(), &needed)).await {
            // The next deployment tries again, or the next start.
            tracing::warn!("old components are kept for now: {error}");
        }
    }
}
