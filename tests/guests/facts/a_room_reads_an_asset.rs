//! A room reads the project's static assets as clients get them, and what is there for browsers only is not there for it.
//! covers: operations.asset

use party::{Party, Reply, Request, Response, Result, Room};

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_request(&mut self, _room: &Room, request: Request) -> Result<Reply> {
        // After the room: the path of an asset, or what is none.
        let path = match request.path_in_room() {
            "/nonsense" => "words.txt".to_owned(),
            "/query" => "/words.txt?a".to_owned(),
            "/long" => "/".repeat(4_097),
            path => path.to_owned(),
        };
        Ok(Reply::later(async move |room| {
            Ok(match room.asset(&path).await {
                Ok(Some(asset)) => asset,
                Ok(None) => Response::text("none"),
                Err(error) => Response::text(format!("{error:?}")),
            })
        }))
    }
}
