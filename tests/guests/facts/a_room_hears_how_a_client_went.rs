//! A connection that has gone is told of once, with its code: the client's, 1005 without one, 1006 if it was lost, also with
//! the host.
//! covers: guest.on-close

use party::{Close, Connection, Party, Reply, Request, Response, Result, Room};

#[derive(Default)]
struct Fact {
    gone: Vec<String>,
}

#[party::serve]
impl Party for Fact {
    fn on_close(&mut self, room: &Room, _connection: &Connection, close: Close) -> Result<()> {
        let Close { code, reason, was_clean } = close;
        self.gone.push(format!("{code} {reason} {was_clean} of {}", room.connections().len() + 1));
        Ok(())
    }

    fn on_request(&mut self, _room: &Room, _request: Request) -> Result<Reply> {
        Ok(Response::text(self.gone.join(", ")).into())
    }
}
