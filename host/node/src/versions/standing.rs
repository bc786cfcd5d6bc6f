//! How far rooms have come with the version of their party that is served.

use std::rc::Rc;

use party_core::room::Readiness;

use crate::node::Node;
use crate::worker::{Worker, WorkerIndex};

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

impl Node {
    /// How far the rooms of a project's party have come with the version that is served.
    pub async fn standing(&self, project: &str, name: &str) -> Standing {
        let mut all = Standing::default();
        for index in 0..self.workers() {
            let (project, name) = (project.to_owned(), name.to_owned());
            let look = move |worker: &Rc<Worker>| standing(worker, &project, &name);
            // A worker that has ended has no rooms left.
            let some = self.look_on(WorkerIndex(index), look).await.unwrap_or_default();
            all.switched += some.switched;
            all.waiting += some.waiting;
            all.asleep += some.asleep;
            all.stayed += some.stayed;
        }
        all
    }
}

fn standing(worker: &Worker, project: &str, name: &str) -> Standing {
    let mut standing = Standing::default();
    worker.rooms().each(|entry| {
        if !entry.address().is_of(project, name) {
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
