//! What is no room and no asset is for the lobby of the main party, which answers it or lets it be nothing.
//! covers: lobby.on-fetch

use party::{Decision, Error, Lobby, Party, Request, Response, Result};

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_fetch(lobby: &Lobby, request: Request) -> Result<Decision> {
        match request.path() {
            "/nothing" => Ok(Decision::proceed().into()),
            "/fails" => Err(Error::new("words").with_status(409)),
            path => {
                let body = String::from_utf8_lossy(&request.body);
                Ok(Response::text(format!("{} {path} {body} by {}", request.method, lobby.party())).into())
            }
        }
    }
}
