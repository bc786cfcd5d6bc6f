//! The lives of a host and of its rooms, as a test tells them: who is awake, sleep now, stop and start, crash.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use party_core::address::RoomAddress;
use party_node::bedtime::Bedtime;
use party_node::clock::Clock;
use party_node::ending::SAVE_MS_MAX;
use party_node::inspection::{NodeFigures, PAGE_ROOMS_MAX, RoomDetails, RoomsQuestion};
use party_node::node::Node;
use party_store::kept::RoomSummary;

use crate::world::builder::memory_word;
use crate::world::{Memory, PROJECT, World};

impl World {
    /// How many rooms are awake: the others sleep, or are not.
    pub fn rooms_awake(&self) -> usize {
        self.running.borrow().as_ref().map_or(0, |(node, _)| node.rooms_awake())
    }

    /// Whether a room is awake: `main/lobby`.
    pub async fn is_awake(&self, room: &str) -> Result<bool> {
        let (node, address) = (self.node(), address(room)?);
        Ok(self.host.during(node.is_awake(&address)).await)
    }

    /// The rooms with a checkpoint that a host would go on from that starts now, as `main/lobby`.
    pub(crate) async fn rooms_with_memory(&self) -> Result<Vec<String>> {
        let node = self.node();
        let question = RoomsQuestion {
            project: PROJECT.into(),
            party: None,
            prefix: String::new(),
            state: None,
            after: None,
            limit: PAGE_ROOMS_MAX,
        };
        let page = self.host.during(node.rooms(&question)).await?;
        let is_of_use = |kept: &RoomSummary| {
            kept.checkpoint.is_some_and(|checkpoint| checkpoint.seq >= kept.record.moved_at)
        };
        let with_memory = page.rooms.into_iter().filter(|room| room.kept.as_ref().is_some_and(is_of_use));
        Ok(with_memory.map(|room| format!("{}/{}", room.address.party(), room.address.room())).collect())
    }

    /// Lets a room sleep now, without waiting until it has had nothing to do for a while; done when it sleeps, or has
    /// left nothing that could. An error says what keeps it awake. If the commit of its memory fails, it is made anew, as
    /// after any commit that fails.
    pub async fn hibernate(&self, room: &str) -> Result<()> {
        self.host.story.tell(format!("hibernate {room}"));
        let (node, address) = (self.node(), address(room)?);
        let stays = || format!("{room} stays awake");
        self.settle().await;
        let told = self.host.during(node.hibernate(&address)).await.with_context(stays)?;
        if told == Bedtime::Soon {
            self.settle().await;
            // Nothing is left of a room that was as new.
            if self.is_awake(room).await? {
                let told = self.host.during(node.hibernate(&address)).await.with_context(stays)?;
                ensure!(
                    told == Bedtime::Sleeps,
                    "{room} stays awake: the commit of its memory is not durable yet"
                );
            }
        }
        Ok(())
    }

    /// Why a room is awake, if it is.
    pub(crate) async fn why_awake(&self, room: &str) -> Option<String> {
        self.inspect(room).await.ok()?.why_awake
    }

    /// All that the host knows of a room.
    pub async fn inspect(&self, room: &str) -> Result<RoomDetails> {
        let (node, address) = (self.node(), address(room)?);
        self.host.during(node.room(&address)).await?.with_context(|| format!("there is no room {room}"))
    }

    /// Linear memory that a room has after its last turn, in bytes: 0 while it is not awake.
    pub async fn memory_used(&self, room: &str) -> Result<u64> {
        Ok(self.inspect(room).await?.view.live.map_or(0, |live| live.memory_bytes))
    }

    /// Fuel that a room's turns have used since it came into the memory of this life of the host: some for each instruction,
    /// so that it is the same on every machine.
    pub async fn fuel_used(&self, room: &str) -> Result<u64> {
        Ok(self.inspect(room).await?.view.live.map_or(0, |live| live.fuel_used))
    }

    /// What the host counts.
    pub async fn figures(&self) -> Result<NodeFigures> {
        let node = self.node();
        Ok(self.host.during(node.figures()).await?)
    }

    /// The host dies at once, as by `kill -9`, and starts again. Only what was durable is left.
    pub async fn crash(&self) -> Result<()> {
        self.crash_for(Duration::ZERO).await
    }

    /// As [`World::crash`], with a time in between in which there is no host.
    pub async fn crash_for(&self, down: Duration) -> Result<()> {
        self.host.story.tell(format!("crash {}ms", down.as_millis()));
        *self.running.borrow_mut() = None;
        self.host.crash();
        self.commit_pause.end();
        self.clock.set(self.clock.now().after_ms(down.as_millis() as u64));
        self.start_host().await
    }

    /// The host stops in an orderly way, and another starts on the same store and clock: rooms are saved and clients are
    /// told (1001).
    pub async fn restart_host(&self) -> Result<()> {
        self.restart_host_after(Duration::ZERO).await
    }

    /// As [`World::restart_host`], with a time in between in which there is no host.
    pub async fn restart_host_after(&self, down: Duration) -> Result<()> {
        self.host.story.tell(format!("restart {}ms", down.as_millis()));
        let (node, server) = self.running.borrow_mut().take().context("the host runs")?;
        self.until_ended(&node).await;
        self.forgotten.set(node.forgotten());
        self.settle().await;
        self.host.during(server.drain(self.clock.ticks())).await;
        drop((node, server));
        self.host.crash();
        self.clock.set(self.clock.now().after_ms(down.as_millis() as u64));
        self.start_host().await
    }

    /// How many rooms ended without the memory that they had when a host of this world last stopped in an orderly way: if any
    /// did, the exit code of `party-host serve` is 1.
    pub fn forgotten(&self) -> u64 {
        self.forgotten.get()
    }

    /// Waits for the end of a host. One that cannot write at once tries again for a while: that time passes.
    async fn until_ended(&self, node: &Node) {
        let mut ending = std::pin::pin!(node.end_within(SAVE_MS_MAX));
        loop {
            let waited = async {
                tokio::select! {
                    biased;
                    _ = &mut ending => true,
                    () = tokio::time::sleep(Duration::from_millis(1)) => false,
                }
            };
            if self.host.during(waited).await {
                return;
            }
            let now = self.clock.now();
            self.clock.set(self.clock.next_due(now.after_ms(60_000)).unwrap_or(now.after_ms(100)).max(now));
        }
    }

    /// What becomes of rooms' memory from the next start of the host on, as if `party.toml` had been changed.
    pub fn set_memory(&self, memory: Memory) {
        self.host
            .story
            .tell(format!("# from its next start on the host has: memory {}", memory_word(memory)));
        self.own().memory.set(memory);
    }

    pub(super) fn node(&self) -> Node {
        self.running.borrow().as_ref().expect("the host runs").0.clone()
    }
}

/// The address of a room, from what follows `/parties/` in its path; `other/main/lobby` is one of a project beside the world's
/// own.
pub(super) fn address(room: &str) -> Result<RoomAddress> {
    match room.splitn(3, '/').collect::<Vec<_>>()[..] {
        [party, room] => Ok(RoomAddress::new(PROJECT, party, room)?),
        [project, party, room] => Ok(RoomAddress::new(project, party, room)?),
        _ => bail!("a room is named as PARTY/ROOM"),
    }
}
