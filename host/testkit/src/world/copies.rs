//! Rooms that are copied, or come from a file, as `party-host fork` and `checkpoint import` do it.

use std::pin::pin;
use std::time::Duration;

use anyhow::{Context, Result};
use party_core::room::Here;
use party_node::transfer::room_file::RoomFile;
use party_node::transfer::{Brought, RecordedRoom};

use crate::world::World;
use crate::world::lives::address;

/// How much time passes at once while something is waited for.
const LOOK: Duration = Duration::from_millis(5);

impl World {
    /// Makes a copy of a room, with all that it remembers: `main/lobby`, `main/copy`. It is saved first, which may take some
    /// milliseconds of the world's time.
    pub async fn fork(&self, from: &str, to: &str) -> Result<Brought> {
        self.host.story.tell(format!("fork {from} {to}"));
        let (node, from, to) = (self.node(), address(from)?, address(to)?);
        let brought = self.as_time_passes(node.fork_room(&from, &to)).await?;
        self.settle().await;
        Ok(brought)
    }

    /// A room as the bytes of a file, as `party-host checkpoint export` writes it: it is saved first, which may take some
    /// milliseconds of the world's time.
    pub async fn export(&self, room: &str) -> Result<Vec<u8>> {
        let (node, address) = (self.node(), address(room)?);
        let file = self.as_time_passes(node.export_room(&address)).await?;
        let mut bytes = Vec::new();
        file.write(&mut bytes)?;
        Ok(bytes)
    }

    /// Brings in a room from the bytes of a file that `party-host checkpoint export` wrote.
    pub async fn import(&self, file: &[u8], to: &str) -> Result<Brought> {
        self.host.story.tell(format!("# a room comes out of a file: {to}"));
        let (node, to) = (self.node(), address(to)?);
        let file = RoomFile::read(&mut &file[..]).context("the file is no room")?;
        let brought = self.host.during(node.import_room(file, &to)).await?;
        self.settle().await;
        Ok(brought)
    }

    /// Brings in a room from such a file that is no copy: it goes on as the one that it was, with those who are here, or as one
    /// whose host was started again. Whoever is here asks next, in the order of the ids, and is where it was.
    pub(crate) async fn go_on(&self, file: &[u8], to: &str, here: Option<Here>) -> Result<()> {
        let (node, to) = (self.node(), address(to)?);
        let file = RoomFile::read(&mut &file[..]).context("the file is no room")?;
        self.host.during(node.continue_room(file, &to, here)).await?;
        self.settle().await;
        Ok(())
    }

    /// What is recorded of a durable room since its last checkpoint, for [`recorded::save`](crate::transcript::recorded::save).
    /// An error if that is nothing.
    pub async fn recorded(&self, room: &str) -> Result<RecordedRoom> {
        let (node, address) = (self.node(), address(room)?);
        let recorded = self.host.during(node.journal_of(&address)).await?;
        Ok(recorded.with_context(|| format!("{room} has no recorded turns"))?.into_room()?)
    }

    /// Waits for something that itself waits for the clock: until it is there, time passes.
    async fn as_time_passes<T>(&self, what: impl Future<Output = T>) -> T {
        let mut what = pin!(what);
        loop {
            let waited = async {
                tokio::select! {
                    biased;
                    done = &mut what => Some(done),
                    () = tokio::time::sleep(LOOK) => None,
                }
            };
            match self.host.during(waited).await {
                Some(done) => return done,
                None => self.advance(LOOK).await,
            }
        }
    }
}
