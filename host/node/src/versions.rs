//! The versions of a party that a node has to do with: the one that is served, the one before, and those that rooms still
//! have.
//!
//! A version is a component. [`Node::deploy`] puts another in the place of the one that is served: rooms that start from
//! then on have it, those that are awake go on with it when they are quiet ([`crate::upgrade`]), those that sleep when they
//! wake. Before anything is changed it has been started where nothing can come of it ([`crate::canary`]). A room whose
//! memory is of a version that this host has not loaded is woken with the bytes that the store keeps of it.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use party_core::commit::ComponentDigest;
use party_core::room::Readiness;
use party_core::storage::StorageReadError;
use party_runtime::capture::NotCapturable;
use party_runtime::component::Component;
use party_runtime::load::LoadError;
use party_store::kept::KeepError;
use thiserror::Error;
use tokio::sync::{Mutex, oneshot};

use crate::canary::{self, CanaryError};
use crate::hibernation::{digest_of, run_apart};
use crate::node::Node;
use crate::party::{Memory, Party};
use crate::worker::{Worker, WorkerIndex};

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
        /// What was asked for.
        name: String,
        /// What there is.
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
        "no version of {name} before this one is known; this host has not deployed another since it started"
    )]
    NothingBefore {
        /// Which party.
        name: String,
    },
    /// The host ends.
    #[error("the host is shutting down")]
    Ending,
}

impl DeployError {
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
            DeployError::NothingBefore { .. } => Some("deploy the version that is wanted"),
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

/// How far the rooms of a party in this host have come with the version that is served. Rooms that are in the store only
/// count nowhere: they go on with it when they wake.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Standing {
    /// They have been carried over, or have started afresh, with sockets or without.
    pub switched: u64,
    /// They go on with the version that they have until they are quiet.
    pub waiting: u64,
    /// They are asleep, and go on with the new version when they wake.
    pub asleep: u64,
    /// The new version could not take them over: they stay with the one that they have.
    pub stayed: u64,
}

/// The versions that are not served.
#[derive(Default)]
pub(crate) struct Versions {
    /// What was served before, by party. Locked for as long as a deployment takes: there is one at a time.
    before: Mutex<BTreeMap<String, Arc<Party>>>,
    /// Loaded for rooms that still have them, the oldest first. Locked while one is loaded, so that it is loaded once.
    old: Mutex<VecDeque<Arc<Party>>>,
}

impl Node {
    /// Serves another version of a party, if it starts: its component's bytes.
    pub async fn deploy(&self, name: &str, bytes: Arc<[u8]>) -> Result<Deployed, DeployError> {
        let mut before = self.versions().before.lock().await;
        let served = self.served(name)?;
        let now = digest_of(&served.component);
        let (loader, read) = (served.component.clone(), Arc::clone(&bytes));
        let component = run_apart(move || loader.sibling(&read)).await?;
        if digest_of(&component) == now {
            return Ok(Deployed::Same(now));
        }
        if served.memory == Memory::Durable {
            component.capturable().map_err(Clone::clone)?;
        }
        let party = Arc::new(served.with(component, bytes));
        self.try_out(&party).await?;
        self.serve_instead(&mut before, served, party).await
    }

    /// Serves the version of a party again that was served before the one that is.
    pub async fn roll_back(&self, name: &str) -> Result<Deployed, DeployError> {
        let mut before = self.versions().before.lock().await;
        let served = self.served(name)?;
        let Some(party) = before.get(name).cloned() else {
            return Err(DeployError::NothingBefore { name: name.to_owned() });
        };
        self.serve_instead(&mut before, served, party).await
    }

    /// How far the rooms of a party have come with the version that is served.
    pub async fn standing(&self, name: &str) -> Standing {
        let mut all = Standing::default();
        for index in 0..self.workers() {
            let name = name.to_owned();
            let look = move |worker: &Rc<Worker>| standing(worker, &name);
            // A worker that has ended has no rooms left.
            let some = self.look_on(WorkerIndex(index), look).await.unwrap_or_default();
            all.switched += some.switched;
            all.waiting += some.waiting;
            all.asleep += some.asleep;
            all.stayed += some.stayed;
        }
        all
    }

    fn served(&self, name: &str) -> Result<Arc<Party>, DeployError> {
        self.party(name)
            .ok_or_else(|| DeployError::NoSuchParty { name: name.to_owned(), served: self.party_names() })
    }

    /// On a worker's thread, where guests run.
    async fn try_out(&self, party: &Arc<Party>) -> Result<(), DeployError> {
        let (sender, receiver) = oneshot::channel();
        let (party, project) = (Arc::clone(party), self.project().to_owned());
        self.run_on(WorkerIndex(0), move |worker| {
            let now = worker.now();
            tokio::task::spawn_local(async move {
                // Whoever asked may have lost patience.
                let _ = sender.send(canary::start(&project, &party, now).await);
            });
        });
        Ok(receiver.await.map_err(|_| DeployError::Ending)??)
    }

    async fn serve_instead(
        &self,
        before: &mut BTreeMap<String, Arc<Party>>,
        served: Arc<Party>,
        party: Arc<Party>,
    ) -> Result<Deployed, DeployError> {
        let (node, kept) = (self.clone(), Arc::clone(&party));
        run_apart(move || node.keep_component(&kept)).await?;
        let deployed =
            Deployed::Served { before: digest_of(&served.component), now: digest_of(&party.component) };
        self.keep_loaded(Arc::clone(&served)).await;
        before.insert(party.name.clone(), served);
        let name = party.name.clone();
        self.replace(party);
        for index in 0..self.workers() {
            let name = name.clone();
            self.run_on(WorkerIndex(index), move |worker| worker.look_at_versions(&name));
        }
        Ok(deployed)
    }

    /// A version of a party that is served or was, or that the store keeps for the memory of a room.
    pub(crate) async fn version(
        &self,
        name: &str,
        digest: ComponentDigest,
    ) -> Result<Arc<Party>, VersionError> {
        let served = self.party(name).ok_or(VersionError::NoParty)?;
        if digest_of(&served.component) == digest {
            return Ok(served);
        }
        let mut old = self.versions().old.lock().await;
        let is_it = |party: &&Arc<Party>| party.name == name && digest_of(&party.component) == digest;
        if let Some(party) = old.iter().find(is_it) {
            return Ok(Arc::clone(party));
        }
        let (store, loader) = (Arc::clone(self.store()), served.component.clone());
        let load = move || -> Result<(Component, Arc<[u8]>), VersionError> {
            let bytes = store.component(digest)?.ok_or(VersionError::Missing(digest))?;
            let component = loader.sibling(&bytes).map_err(|error| VersionError::Load(digest, error))?;
            Ok((component, Arc::from(&bytes[..])))
        };
        let (component, bytes) = run_apart(load).await?;
        let party = Arc::new(served.with(component, bytes));
        push(&mut old, Arc::clone(&party));
        Ok(party)
    }

    async fn keep_loaded(&self, party: Arc<Party>) {
        push(&mut *self.versions().old.lock().await, party);
    }
}

fn push(old: &mut VecDeque<Arc<Party>>, party: Arc<Party>) {
    old.retain(|one| one.name != party.name || digest_of(&one.component) != digest_of(&party.component));
    if old.len() >= OLD_VERSIONS_MAX {
        old.pop_front();
    }
    old.push_back(party);
}

impl Party {
    /// The same party with another component.
    fn with(&self, component: Component, component_bytes: Arc<[u8]>) -> Party {
        Party {
            name: self.name.clone(),
            handlers: component.handlers(),
            component,
            component_bytes,
            memory: self.memory,
            limits: Arc::clone(&self.limits),
            vars: Arc::clone(&self.vars),
        }
    }
}

fn standing(worker: &Worker, name: &str) -> Standing {
    let mut standing = Standing::default();
    worker.rooms().each(|entry| {
        if entry.address().party() != name {
            return;
        }
        let core = entry.core.borrow();
        if entry.upgrade.has_stayed() {
            standing.stayed += 1;
        } else if entry.upgrade.has_switched() {
            standing.switched += 1;
        } else if entry.upgrade.is_due() && core.is_asleep() {
            standing.asleep += 1;
        } else if entry.upgrade.is_due() && core.readiness() != Readiness::Fresh {
            standing.waiting += 1;
        }
    });
    standing
}
