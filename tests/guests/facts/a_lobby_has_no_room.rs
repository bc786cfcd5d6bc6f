//! A lobby has no id, no connections and no life of its own, and whatever is of a room is refused there. Nothing is remembered.
//! covers: alarms.alarm-error.not-in-a-room, connections.connection-error.not-in-a-room, events.event-error.not-in-a-room,
//! responses.respond-error.not-in-a-room, room.room-error.not-in-a-room, storage.storage-error.not-in-a-room,
//! streams.stream-error.not-in-a-room, types.operation-error.not-in-a-room

use std::cell::Cell;

use party::bindings::party::server::operations::{self, ConnectTarget, RoomTarget};
use party::bindings::party::server::types::{BodyParam, ResponseParam};
use party::bindings::party::server::{alarms, connections, events, responses, room, storage, streams};
use party::{Decision, Lobby, Party, Request, Response, Result};

thread_local! {
    static ASKED: Cell<u32> = const { Cell::new(0) };
}

const TO: RoomTarget<'_> = RoomTarget { party: "main", room: "other", uri: "", headers: &[] };

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_fetch(_: &Lobby, request: Request) -> Result<Decision> {
        let answer = ResponseParam { status: 200, headers: &[], body: BodyParam::Bytes(&[]) };
        ASKED.set(ASKED.get() + 1);
        let told = match request.path() {
            "/who" => {
                format!("{:?}", (room::id(), room::incarnation(), connections::list(None), ASKED.get()))
            }
            "/alarms" => format!("{:?}", (alarms::set(1), alarms::get(), alarms::clear())),
            "/connections" => format!("{:?}", (connections::close(1, None), connections::attachment(1))),
            "/events" => format!("{:?}", (events::hold(), events::release())),
            "/responses" => format!("{:?}", responses::respond(1, answer)),
            "/room" => format!("{:?}", (room::abort("no"), room::destroy())),
            "/storage" => {
                format!("{:?}", (storage::get(b"k"), storage::put(b"k", b"v"), storage::delete_all()))
            }
            "/streams" => format!("{:?}", streams::finish(1)),
            _ => format!("{:?}", operations::connect(ConnectTarget::Room(TO))),
        };
        Ok(Response::text(told).into())
    }
}
