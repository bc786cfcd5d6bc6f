//! What a room cannot do yet on this host is refused by name, and leaves no operation open.
//! covers: operations.connect, types.operation-error.not-yet

use party::bindings::party::server::operations::{self, ConnectTarget, FetchOptions};
use party::bindings::party::server::types::{BodyParam, RequestParam};
use party::{Party, Reply, Request, Result, Room};
use test_facts::tell;

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_request(&mut self, room: &Room, request: Request) -> Result<Reply> {
        let asked = || RequestParam {
            method: "GET",
            uri: "http://example.com/",
            headers: &[],
            body: BodyParam::Bytes(&[]),
        };
        let options = FetchOptions { timeout_ms: 0, redirects_max: 0, stream_response: true, resend: false };
        let refused = match request.path_in_room() {
            "/stream" => operations::fetch(asked(), options),
            _ => operations::connect(ConnectTarget::Room(("main", "other"))),
        };
        tell((refused, room.usage().operations))
    }
}
