//! Versions of parties: another is deployed, the one before comes back, and how far its rooms have come.

use std::error::Error;

use hyper::body::Incoming;
use party_core::commit::ComponentDigest;
use party_node::node::Node;
use party_node::versions::{self, COMPONENT_BYTES_MAX, DeployError};

use crate::admin::answer::{Answer, Refused, collect, json, refused};
use crate::admin::question::PartyName;
use crate::admin::shapes::{Deployed, Standing};

/// Serves another version of a party, if it starts.
pub(super) async fn deploy(node: &Node, which: &PartyName, body: Incoming) -> Result<Answer, Refused> {
    let bytes = collect(body, COMPONENT_BYTES_MAX).await?;
    let deployed = node.deploy(&which.project, &which.party, bytes[..].into()).await?;
    tell(which, deployed)
}

/// Serves the version of a party again that was served before.
pub(super) async fn roll_back(node: &Node, which: &PartyName) -> Result<Answer, Refused> {
    tell(which, node.roll_back(&which.project, &which.party).await?)
}

fn tell(which: &PartyName, deployed: versions::Deployed) -> Result<Answer, Refused> {
    let PartyName { project, party } = which;
    let (before, served) = match deployed {
        versions::Deployed::Served { before, now } => (before, now),
        versions::Deployed::Same(now) => (now, now),
    };
    if before != served {
        tracing::info!(project, party, "another version is served: {served}; before it was {before}");
    }
    let (project, party) = (project.clone(), party.clone());
    json(&Deployed { project, party, before: before.to_string(), served: served.to_string() })
}

/// How far the rooms of a party have come.
pub(super) async fn versions(
    node: &Node,
    PartyName { project, party }: &PartyName,
) -> Result<Answer, Refused> {
    let Some(served) = node.party(project, party) else {
        return Err(node.no_such_party(project, party).into());
    };
    let versions::Standing { switched, waiting, asleep, stayed } = node.standing(project, party).await;
    let served = ComponentDigest(served.component.digest().0).to_string();
    let (project, party) = (project.clone(), party.clone());
    json(&Standing { project, party, served, switched, waiting, asleep, stayed })
}

impl From<DeployError> for Refused {
    fn from(error: DeployError) -> Refused {
        let status = match &error {
            error if error.may_succeed_later() => 503,
            DeployError::NoSuchParty { .. } => 404,
            DeployError::Load(_) | DeployError::NotCapturable(_) => 400,
            DeployError::Ending => 503,
            DeployError::Canary(_) | DeployError::NothingBefore { .. } | DeployError::Unusable(_) => 409,
            DeployError::Keep(_) => 500,
        };
        let hint = error.hint();
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let why = error.to_string();
            if !text.ends_with(&why) {
                text = format!("{text}: {why}");
            }
            cause = error.source();
        }
        match hint {
            Some(hint) if !text.contains("\nhint: ") => refused(status, format!("{text}\nhint: {hint}")),
            Some(_) | None => refused(status, text),
        }
    }
}
