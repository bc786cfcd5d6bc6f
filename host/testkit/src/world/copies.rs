//! Rooms that are copied, or come from a file, as `party-host fork` and `checkpoint import` do it.

use anyhow::{Context, Result};
use party_node::transfer::Brought;
use party_node::transfer::room_file::RoomFile;

use crate::world::World;
use crate::world::lives::address;

impl World {
    /// Makes a copy of a room, with all that it remembers: `main/lobby`, `main/copy`.
    pub async fn fork(&self, from: &str, to: &str) -> Result<Brought> {
        let (node, from, to) = (self.node(), address(from)?, address(to)?);
        let brought = self.host.during(node.fork_room(&from, &to)).await?;
        self.settle().await;
        Ok(brought)
    }

    /// Brings in a room from the bytes of a file that `party-host checkpoint export` wrote.
    pub async fn import(&self, file: &[u8], to: &str) -> Result<Brought> {
        let (node, to) = (self.node(), address(to)?);
        let file = RoomFile::read(&mut &file[..]).context("the file is no room")?;
        let brought = self.host.during(node.import_room(file, &to)).await?;
        self.settle().await;
        Ok(brought)
    }
}
