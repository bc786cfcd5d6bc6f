//! Parties: the kinds of rooms that a node serves.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use party_core::event::Handlers;
use party_core::limits::Limits;
use party_core::profile::Profile;
use party_core::room::DuplicateKeys;
use party_runtime::component::Component;

use crate::project::Project;

/// What becomes of the memory of a party's rooms.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Memory {
    /// It is never kept.
    Volatile,
    /// It is kept when nothing happens, when the host ends, and now and then while it changes.
    #[default]
    Hibernate,
    /// So is it, and every turn is recorded before anything of it is seen: nothing that was acknowledged is lost.
    Durable,
}

/// One party, ready to make rooms.
pub struct Party {
    /// Of which project it is.
    pub project: Arc<Project>,
    /// As in the URL.
    pub name: String,
    /// Its code.
    pub component: Component,
    /// The bytes of that, which are kept for as long as a room's memory needs them.
    pub component_bytes: Arc<[u8]>,
    /// What becomes of its rooms' memory.
    pub memory: Memory,
    /// What becomes of a client that has the name of another in its room.
    pub duplicate_keys: DuplicateKeys,
    /// In whose words its clients are answered.
    pub profile: Profile,
    /// Which handlers it has.
    pub handlers: Handlers,
    /// The bounds of its rooms.
    pub limits: Arc<Limits>,
    /// What its guests can read of its configuration.
    pub vars: Arc<BTreeMap<String, String>>,
}

/// The parties of a node, by project and name. Replaced one by one while rooms run.
#[derive(Default)]
pub(crate) struct Parties {
    by_name: RwLock<BTreeMap<String, BTreeMap<String, Arc<Party>>>>,
}

impl Parties {
    pub(crate) fn new(parties: Vec<Party>) -> Parties {
        let all = Parties::default();
        parties.into_iter().for_each(|party| all.replace(Arc::new(party)));
        all
    }

    pub(crate) fn get(&self, project: &str, name: &str) -> Option<Arc<Party>> {
        self.by_name.read().expect("no reader or writer panics").get(project)?.get(name).cloned()
    }

    pub(crate) fn replace(&self, party: Arc<Party>) {
        let mut by_name = self.by_name.write().expect("no reader or writer panics");
        by_name.entry(party.project.name.clone()).or_default().insert(party.name.clone(), party);
    }

    pub(crate) fn all(&self) -> Vec<Arc<Party>> {
        let by_name = self.by_name.read().expect("no reader or writer panics");
        by_name.values().flat_map(BTreeMap::values).cloned().collect()
    }

    /// Those of a project.
    pub(crate) fn names(&self, project: &str) -> Vec<String> {
        let by_name = self.by_name.read().expect("no reader or writer panics");
        by_name.get(project).into_iter().flat_map(BTreeMap::keys).cloned().collect()
    }
}
