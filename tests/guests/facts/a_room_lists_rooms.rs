//! The rooms of a party are listed in order of id, in pages that begin behind the last one's end.
//! covers: operations.rooms

use party::{Party, Reply, Request, Response, Result, Room};

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_request(&mut self, room: &Room, request: Request) -> Result<Reply> {
        let is_asked = request.path_in_room() == "/rooms";
        room.storage().put("is", &1)?;
        if !is_asked {
            return Ok(Response::text("here").into());
        }
        Ok(Reply::later(async move |room| {
            let two = room.rooms("main").limit(2).await;
            let next = two.as_ref().ok().and_then(|page| page.next.clone()).unwrap_or_default();
            let others = room.rooms("main").after(&next).await;
            let some = room.rooms("main").prefix("lo").await;
            let ids = |page: std::result::Result<party::RoomsPage, party::OperationError>| match page {
                Ok(page) => page.rooms.join(" "),
                Err(error) => format!("{error:?}"),
            };
            let none = room.rooms("main").limit(0).await;
            Ok(Response::text([ids(two), ids(others), ids(some), ids(none)].join(" | ")))
        }))
    }
}
