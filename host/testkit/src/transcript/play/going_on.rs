//! A room that goes on as the one that it was: its clients are where they were, and its requests wait.

use party_core::room::Here;

use crate::transcript::play::seats::Seat;
use crate::transcript::play::{Failure, Player};
use crate::transcript::step::Continue;

impl Player<'_> {
    pub(super) async fn go_on(&mut self, line: usize, continues: &Continue) -> Result<(), Failure> {
        let failed = |error: anyhow::Error| Failure::new(line, format!("{error:#}"));
        let Continue { file, room, clients, requests, next } = continues;
        let bytes = self.read(line, file)?;
        self.note_another_component(line, file, &bytes, room);
        let here = next.map(|next| Here {
            clients: clients.keys().copied().collect(),
            requests: requests.keys().copied().collect(),
            next,
        });
        self.world.go_on(&bytes, room, here).await.map_err(failed)?;
        // Whoever asks next takes the seat with the smallest id: that is the order of the maps.
        for name in clients.values() {
            if let Some(mut before) = self.seats.remove(name) {
                before.nothing_is_left(name).await.map_err(|what| Failure { line, ..what })?;
            }
            let seat = Seat::take(self.world, room, &[]).await.map_err(failed)?;
            self.seats.insert(name.clone(), seat);
        }
        for name in requests.values() {
            let path = format!("/parties/{room}");
            let coming = self.world.ask_with("GET", &path, &[], b"").await.map_err(failed)?;
            self.requests.insert(name.clone(), Box::pin(coming));
        }
        Ok(())
    }
}
