//! Other versions of a world's parties: deployed while it runs, taken back, or found at its next start.

use std::sync::Arc;

use anyhow::{Context, Result};
use party_node::versions::{DeployError, Deployed, Standing};

use crate::world::{PROJECT, World};

impl World {
    /// Deploys another version of a party, as `party-host deploy` does. The world's next lives serve it too. An error says
    /// why it is not served; then nothing has changed.
    pub async fn upgrade(&self, party: &str, component: &[u8]) -> Result<Deployed, DeployError> {
        self.host.story.tell(format!("# another version of {party} is deployed"));
        let (node, (project, name)) = (self.node(), names(party));
        let deployed = self.host.during(node.deploy(project, name, Arc::from(component))).await?;
        self.settle().await;
        // It can be loaded: it is served.
        self.serve_next(party, component).unwrap_or_default();
        Ok(deployed)
    }

    /// Goes back to the version of a party that was served before. The world's next life serves what was deployed last.
    pub async fn roll_back(&self, party: &str) -> Result<Deployed, DeployError> {
        self.host.story.tell(format!("rollback {party}"));
        let (node, (project, name)) = (self.node(), names(party));
        let deployed = self.host.during(node.roll_back(project, name)).await?;
        self.settle().await;
        Ok(deployed)
    }

    /// The next life of the host serves this version of a party, as when `serve` is started with a changed component.
    pub fn serve_next(&self, party: &str, component: &[u8]) -> Result<()> {
        let (project, name) = self.party_named(party)?;
        let mut components = project.components.borrow_mut();
        let (served, bytes) =
            components.get_mut(name).with_context(|| format!("there is no party {party}"))?;
        *served = served.sibling(component)?;
        *bytes = Arc::from(component);
        Ok(())
    }

    /// How far the rooms of a party have come with the version that is served.
    pub async fn standing(&self, party: &str) -> Standing {
        self.settle().await;
        let (node, (project, name)) = (self.node(), names(party));
        self.host.during(node.standing(project, name)).await
    }
}

/// Project and party as a test names them: `main`, or `other/main` of a project beside the world's own.
fn names(party: &str) -> (&str, &str) {
    party.split_once('/').unwrap_or((PROJECT, party))
}
