//! The projects of a world: what each is served with at the next start of the host.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use anyhow::{Context, Result};
use party_core::limits::Limits;
use party_core::room::DuplicateKeys;
use party_node::assets::{AssetSource, NoAssets};
use party_node::cron::Schedule;
use party_node::party::{Memory, Party};
use party_node::project::Project;
use party_runtime::component::Component;
use party_server::assets::Assets;
use party_server::config::routing::Routing;
use party_server::edge::projects::ProjectOptions;

use crate::outbound::Outside;
use crate::world::{PROJECT, World};

/// A component and its bytes.
pub(super) type Loaded = (Component, Arc<[u8]>);

/// A project of a world.
pub(super) struct Served {
    pub(super) name: String,
    pub(super) components: RefCell<BTreeMap<String, Loaded>>,
    pub(super) duplicate_keys: BTreeMap<String, DuplicateKeys>,
    pub(super) memory: Cell<Memory>,
    pub(super) routing: Routing,
    pub(super) assets: Option<Arc<Assets>>,
    pub(super) limits: Arc<Limits>,
    pub(super) vars: Arc<BTreeMap<String, String>>,
    pub(super) crons: Vec<Schedule>,
    /// The host is started without it.
    pub(super) is_away: Cell<bool>,
}

/// All that are served, as the node and the edge want them.
#[derive(Default)]
pub(super) struct All {
    pub(super) projects: Vec<Arc<Project>>,
    pub(super) parties: Vec<Party>,
    pub(super) options: HashMap<String, ProjectOptions>,
}

impl Served {
    fn add_to(&self, all: &mut All, outside: &Outside) {
        let assets: Arc<dyn AssetSource> = match &self.assets {
            Some(assets) => Arc::clone(assets) as _,
            None => Arc::new(NoAssets),
        };
        let project = Arc::new(Project {
            name: self.name.clone(),
            outbound: Arc::new(outside.clone()),
            assets,
            crons: self.crons.clone(),
        });
        let party = |(name, (component, bytes)): (&String, &Loaded)| Party {
            project: Arc::clone(&project),
            name: name.clone(),
            component: component.clone(),
            component_bytes: Arc::clone(bytes),
            memory: self.memory.get(),
            duplicate_keys: self.duplicate_keys.get(name).copied().unwrap_or_default(),
            profile: self.routing.profile,
            handlers: component.handlers(),
            limits: Arc::clone(&self.limits),
            vars: Arc::clone(&self.vars),
        };
        all.parties.extend(self.components.borrow().iter().map(party));
        all.options.insert(
            self.name.clone(),
            ProjectOptions {
                assets: self.assets.clone(),
                routing: self.routing.clone(),
                ..ProjectOptions::default()
            },
        );
        all.projects.push(project);
    }
}

impl World {
    /// What the next life of the host serves.
    pub(super) fn all_served(&self) -> All {
        let mut all = All::default();
        let here = self.projects.iter().filter(|project| !project.is_away.get());
        here.for_each(|project| project.add_to(&mut all, &self.outside));
        all
    }

    /// The world's own project.
    pub(super) fn own(&self) -> &Served {
        &self.projects[0]
    }

    /// A party as a test names it: `main`, or `other/main` of a project beside the world's own.
    pub(super) fn party_named<'a>(&'a self, party: &'a str) -> Result<(&'a Served, &'a str)> {
        let (project, party) = party.split_once('/').unwrap_or((PROJECT, party));
        let found = self.projects.iter().find(|served| served.name == project);
        Ok((found.with_context(|| format!("there is no project {project}"))?, party))
    }

    /// From the next start of the host on it is started without this project, or with it again.
    pub fn set_away(&self, project: &str, is_away: bool) -> Result<()> {
        let served = self.projects.iter().find(|served| served.name == project);
        served.with_context(|| format!("there is no project {project}"))?.is_away.set(is_away);
        Ok(())
    }
}
