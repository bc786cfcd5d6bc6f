//! What the host writes to, as a test tells it: slow, waiting, or failing; and what is written there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use party_node::clock::Clock;
use party_node::inspection::stored;
use party_store::testing::faulty_store::Fault;

use crate::clock::VirtualClock;
use crate::world::World;
use crate::world::lives::address;

/// How long of the machine's time a read waits for what is to happen meanwhile, at most.
const PATIENCE: Duration = Duration::from_secs(10);

/// What has come of a read that takes long.
#[derive(Clone, Debug, Default)]
pub struct LongRead(Arc<AtomicBool>);

impl LongRead {
    /// Whether a room has read or written something before it ended.
    pub fn was_overtaken(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl World {
    /// All keys and values of a room that are durable: `main/lobby`.
    pub fn storage(&self, room: &str) -> Result<BTreeMap<Bytes, Bytes>> {
        Ok(stored(self.store.as_ref(), &Arc::new(address(room)?))?)
    }

    /// Commits wait from now on, as on a slow disk, until [`World::let_commits_go`], or for ever if the host dies before.
    pub fn hold_commits(&self) {
        self.host.story.tell("commits wait".into());
        self.commit_pause.begin();
    }

    /// The commits that wait become durable, in order.
    pub async fn let_commits_go(&self) {
        self.host.story.tell("commits go".into());
        self.commit_pause.end();
        self.settle().await;
    }

    /// Large checkpoints wait from now on, before anything of them is written, as on a disk that hangs.
    pub fn hold_stagings(&self) {
        self.host.story.tell("# large checkpoints wait".into());
        self.commit_pause.hold_stagings();
    }

    /// The large checkpoints that wait are written.
    pub async fn let_stagings_go(&self) {
        self.host.story.tell("# large checkpoints go".into());
        self.commit_pause.let_stagings_go();
        self.settle().await;
    }

    /// How many large checkpoints wait.
    pub fn stagings_held(&self) -> usize {
        self.commit_pause.stagings_held()
    }

    /// Every commit takes so long from now on, of the time that [`World::advance`] lets pass, in whole milliseconds; with
    /// zero, none. What waits when one begins is written with it, what comes later with the next. A commit that is under
    /// way when the host dies was never written.
    pub fn slow_commits(&self, each: Duration) {
        self.host.story.tell(format!("# each commit takes {}ms", each.as_millis()));
        self.commit_pause.slow_down(Arc::new(self.clock.clone()), each.as_millis() as u64);
    }

    /// The next time that keys and values of a room are listed, as for a copy, that takes so long, in whole milliseconds, and
    /// until some room has read or written something: or, if none does, seconds of the machine's time.
    pub fn next_list_takes(&self, takes: Duration) -> LongRead {
        let read = LongRead::default();
        let (clock, store): (VirtualClock, _) = (self.clock.clone(), Arc::clone(&self.store));
        let was_overtaken = Arc::clone(&read.0);
        self.store.during_next_scan(move || {
            let before = store.uses();
            clock.set(clock.now().after_ms(takes.as_millis() as u64));
            was_overtaken.store(store.wait_for_uses(before, PATIENCE), Ordering::SeqCst);
        });
        read
    }

    /// The next commit is not written, and the host is told so, as by a disk that has no space for it. Once for each call.
    pub fn fail_next_commit(&self) {
        self.host.story.tell("commits fail".into());
        self.store.then([Fault::NotWritten]);
    }
}
