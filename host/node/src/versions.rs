//! The versions of a party that a node has to do with: the one that is served, the one before, and those that rooms still
//! have.
//!
//! A version is a component. [`Node::deploy`] puts another in the place of the one that is served: rooms that start from
//! then on have it, those that are awake go on with it when they are quiet ([`crate::upgrade`]), those that sleep when they
//! wake. Before anything is changed it has been started where nothing can come of it ([`crate::canary`]). A room whose
//! memory is of a version that this host has not loaded is woken with the bytes that the store keeps of it. Which one is
//! served and which was before outlives the host ([`known`]).

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, Weak};

use party_core::commit::ComponentDigest;
use party_core::storage::StorageReadError;
use party_runtime::capture::NotCapturable;
use party_runtime::component::Component;
use party_runtime::load::LoadError;
use party_store::kept::KeepError;
use party_store::store::Store;
use party_store::versions::PartyVersions;
use thiserror::Error;
use tokio::sync::{Mutex, MutexGuard, oneshot};

use crate::apart::run_apart;
use crate::canary::{self, CanaryError};
use crate::hibernation::digest_of;
use crate::node::Node;
use crate::party::{Memory, Party};
use crate::versions::known::{Known, UnusableError};
use crate::worker::WorkerIndex;

pub(crate) mod known;
mod standing;

pub use standing::Standing;

/// Versions that are not served any more and stay loaded for rooms that wake; more are loaded again when they are needed.
const OLD_VERSIONS_MAX: usize = 8;

/// The largest component, in bytes.
pub const COMPONENT_BYTES_MAX: u64 = party_runtime::load::COMPONENT_BYTES_MAX;

/// What has come of a deployment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deployed {
    /// It is served.
    Served {
        /// What was served before.
        before: ComponentDigest,
        /// What is served now.
        now: ComponentDigest,
    },
    /// It was served already.
    Same(ComponentDigest),
}

/// Why a version is not served. Nothing has changed.
#[derive(Debug, Error)]
pub enum DeployError {
    /// The node serves no such party.
    #[error("there is no party {name} on this host; it serves {}", served.join(", "))]
    NoSuchParty {
        /// What was asked for, with its project if the host has several.
        name: String,
        /// What there is, in the same way.
        served: Vec<String>,
    },
    /// The bytes are no component that the host can run.
    #[error("the component cannot be used")]
    Load(#[from] LoadError),
    /// Durable rooms must be captured.
    #[error("it cannot have durable rooms: {0}")]
    NotCapturable(#[from] NotCapturable),
    /// It does not start.
    #[error(transparent)]
    Canary(#[from] CanaryError),
    /// Its bytes cannot be kept.
    #[error("the component cannot be kept in the store")]
    Keep(#[from] KeepError),
    /// There is no version to go back to.
    #[error(
        "no version of {name} before this one is known: none other has been served from this data directory"
    )]
    NothingBefore {
        /// Which party, with its project if the host has several.
        name: String,
    },
    /// The version to go back to is of no use any more.
    #[error("the version before this one cannot be used: {0}")]
    Unusable(#[from] UnusableError),
    /// The host ends.
    #[error("the host is shutting down")]
    Ending,
}

impl DeployError {
    /// Whether nothing is wrong with what was asked: the system had no memory, thread, file or place for it at that moment.
    pub fn may_succeed_later(&self) -> bool {
        matches!(
            self,
            DeployError::Load(LoadError::Refused(_))
                | DeployError::Canary(CanaryError::NoPlace(_))
                | DeployError::Ending
        )
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            DeployError::NoSuchParty { .. } => {
                Some("a party that is new needs a restart of the host with its party.toml")
            }
            DeployError::Load(error) => error
                .hint()
                .or(Some("build it again; `party-host new NAME` writes a party that can be served")),
            DeployError::NotCapturable(_) => {
                Some("memory = \"durable\" in party.toml asks for it; \"hibernate\" and \"volatile\" do not")
            }
            DeployError::Canary(CanaryError::NoPlace(_)) | DeployError::Ending => {
                Some("try again in a moment")
            }
            DeployError::Canary(
                CanaryError::Dropped(_)
                | CanaryError::Failed(_)
                | CanaryError::Overdue { .. }
                | CanaryError::Turns,
            ) => Some("nothing has changed; a room must start with an empty storage, as every new one does"),
            DeployError::Keep(_) => None,
            DeployError::NothingBefore { .. } | DeployError::Unusable(_) => {
                Some("deploy the version that is wanted")
            }
        }
    }
}

/// Why a version that a room's memory needs is not there.
#[derive(Debug, Error)]
pub(crate) enum VersionError {
    #[error(transparent)]
    Store(#[from] StorageReadError),
    #[error("its memory is of component {0}, which is not in the store")]
    Missing(ComponentDigest),
    #[error("its memory is of component {0}, which cannot be loaded: {1}")]
    Load(ComponentDigest, LoadError),
    #[error("its memory is of a party that has gone")]
    NoParty,
}

/// The versions that are not served.
#[derive(Default)]
pub(crate) struct Versions {
    /// What is served and what was before. Locked for as long as a deployment takes: there is one at a time.
    known: Mutex<Known>,
    /// Loaded for rooms that still have them, the oldest first. Locked while one is loaded, so that it is loaded once.
    old: Mutex<VecDeque<Arc<Party>>>,
    /// Whatever was loaded, for as long as a room may have it.
    loaded: std::sync::Mutex<Vec<(ComponentDigest, Weak<Party>)>>,
}

impl Versions {
    /// While this is held nothing is deployed, and no component goes that no room has yet.
    pub(crate) async fn hold(&self) -> MutexGuard<'_, Known> {
        self.known.lock().await
    }

    pub(crate) fn remember(&self, party: &Arc<Party>) {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.retain(|(_, party)| party.strong_count() > 0);
        loaded.push((digest_of(&party.component), Arc::downgrade(party)));
    }

    /// The components that are loaded: a room may be about to be saved with one of them.
    fn in_use(&self) -> Vec<ComponentDigest> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.retain(|(_, party)| party.strong_count() > 0);
        loaded.iter().map(|(digest, _)| *digest).collect()
    }
}

impl Node {
    /// Serves another version of a project's party, if it starts: its component's bytes.
    pub async fn deploy(&self, project: &str, name: &str, bytes: Arc<[u8]>) -> Result<Deployed, DeployError> {
        let served = self.served(project, name)?;
        let (loader, read) = (served.component.clone(), Arc::clone(&bytes));
        let component = run_apart(move || loader.sibling(&read)).await?;
        let party = Arc::new(served.with(component, bytes));
        let now = digest_of(&party.component);
        Ok(match self.deploy_loaded(party).await? {
            before if before == now => Deployed::Same(now),
            before => Deployed::Served { before, now },
        })
    }

    /// As [`Node::deploy`], with a component that is loaded. Gives back what was served before.
    async fn deploy_loaded(&self, party: Arc<Party>) -> Result<ComponentDigest, DeployError> {
        let mut known = self.versions().hold().await;
        let (now, before) = (digest_of(&party.component), digest_of(&self.served_as(&party)?.component));
        if now == before {
            return Ok(before);
        }
        if party.memory == Memory::Durable {
            party.component.capturable().map_err(Clone::clone)?;
        }
        self.try_out(&party).await?;
        self.serve_instead(&mut known, party, false).await
    }

    /// Serves the version of a project's party again that was served before the one that is, in this life of the host or
    /// another.
    pub async fn roll_back(&self, project: &str, name: &str) -> Result<Deployed, DeployError> {
        let mut known = self.versions().hold().await;
        let served = digest_of(&self.served(project, name)?.component);
        let of_party = known.get(&(project.to_owned(), name.to_owned()));
        let Some(before) = of_party.and_then(|versions| versions.before) else {
            return Err(DeployError::NothingBefore { name: self.named_party(project, name) });
        };
        let party = match self.version(project, name, before).await {
            Err(VersionError::Load(_, refused @ LoadError::Refused(_))) => return Err(refused.into()),
            version => version.map_err(UnusableError::from)?,
        };
        known::check(&party)?;
        self.serve_instead(&mut known, party, true).await?;
        Ok(Deployed::Served { before: served, now: before })
    }

    fn served(&self, project: &str, name: &str) -> Result<Arc<Party>, DeployError> {
        self.party(project, name).ok_or_else(|| self.no_such_party(project, name))
    }

    /// Whatever version of this party is served.
    fn served_as(&self, party: &Party) -> Result<Arc<Party>, DeployError> {
        self.served(&party.project.name, &party.name)
    }

    /// The refusal of a party that this host does not serve.
    pub fn no_such_party(&self, project: &str, name: &str) -> DeployError {
        let of = |one: &Arc<Party>| self.named_party(&one.project.name, &one.name);
        DeployError::NoSuchParty {
            name: self.named_party(project, name),
            served: self.parties().iter().map(of).collect(),
        }
    }

    /// On a worker's thread, where guests run.
    async fn try_out(&self, party: &Arc<Party>) -> Result<(), DeployError> {
        let (sender, receiver) = oneshot::channel();
        let party = Arc::clone(party);
        self.run_on(WorkerIndex(0), move |worker| {
            let now = worker.now();
            tokio::task::spawn_local(async move {
                // Whoever asked may have lost patience.
                let _ = sender.send(canary::start(&party, now).await);
            });
        });
        Ok(receiver.await.map_err(|_| DeployError::Ending)??)
    }

    async fn serve_instead(
        &self,
        known: &mut Known,
        party: Arc<Party>,
        was_rolled_back: bool,
    ) -> Result<ComponentDigest, DeployError> {
        let served = self.served_as(&party)?;
        let (node, kept) = (self.clone(), Arc::clone(&party));
        run_apart(move || node.keep_component(&kept)).await?;
        let (project, name) = (party.project.name.clone(), party.name.clone());
        let (before, now) = (digest_of(&served.component), digest_of(&party.component));
        let versions = PartyVersions {
            project: project.clone(),
            party: name.clone(),
            served: now,
            before: Some(before),
            was_rolled_back,
        };
        self.tell_store(known, versions).await?;
        self.keep_loaded(served).await;
        self.replace(party);
        for index in 0..self.workers() {
            let (project, name) = (project.clone(), name.clone());
            self.run_on(WorkerIndex(index), move |worker| worker.look_at_versions(&project, &name));
        }
        self.reclaim_versions(known).await;
        Ok(before)
    }

    /// A version of a project's party that is served or was, or that the store keeps for the memory of a room.
    pub(crate) async fn version(
        &self,
        project: &str,
        name: &str,
        digest: ComponentDigest,
    ) -> Result<Arc<Party>, VersionError> {
        let served = self.party(project, name).ok_or(VersionError::NoParty)?;
        if digest_of(&served.component) == digest {
            return Ok(served);
        }
        let mut old = self.versions().old.lock().await;
        // Another project's has other vars and limits.
        let is_it =
            |party: &&Arc<Party>| party.is_version_of(&served) && digest_of(&party.component) == digest;
        if let Some(party) = old.iter().find(is_it) {
            return Ok(Arc::clone(party));
        }
        let store = Arc::clone(self.store());
        let party = Arc::new(run_apart(move || load(store.as_ref(), &served, digest)).await?);
        self.versions().remember(&party);
        push(&mut old, Arc::clone(&party));
        Ok(party)
    }

    async fn keep_loaded(&self, party: Arc<Party>) {
        push(&mut *self.versions().old.lock().await, party);
    }
}

/// A version of a party, of the bytes that the store keeps.
fn load(store: &dyn Store, party: &Party, digest: ComponentDigest) -> Result<Party, VersionError> {
    let bytes = store.component(digest)?.ok_or(VersionError::Missing(digest))?;
    let component = party.component.sibling(&bytes).map_err(|error| VersionError::Load(digest, error))?;
    Ok(party.with(component, Arc::from(&bytes[..])))
}

fn push(old: &mut VecDeque<Arc<Party>>, party: Arc<Party>) {
    old.retain(|one| !one.is_version_of(&party) || digest_of(&one.component) != digest_of(&party.component));
    if old.len() >= OLD_VERSIONS_MAX {
        old.pop_front();
    }
    old.push_back(party);
}

impl Party {
    /// Whether both are the same party, in whatever version.
    fn is_version_of(&self, other: &Party) -> bool {
        self.name == other.name && self.project.name == other.project.name
    }

    /// The same party with another component.
    fn with(&self, component: Component, component_bytes: Arc<[u8]>) -> Party {
        Party {
            project: Arc::clone(&self.project),
            name: self.name.clone(),
            handlers: component.handlers(),
            component,
            component_bytes,
            memory: self.memory,
            duplicate_keys: self.duplicate_keys,
            profile: self.profile,
            limits: Arc::clone(&self.limits),
            vars: Arc::clone(&self.vars),
        }
    }
}
