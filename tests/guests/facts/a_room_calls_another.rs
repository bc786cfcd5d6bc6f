//! A room calls another as a client does: the answer comes in a turn of its own, or the reason why there is none.
//! covers: operations.call, types.operation-error.no-such-party, types.operation-error.invalid,
//! types.operation-error.too-large

use std::time::Duration;

use party::{Party, Reply, Request, Response, Result, Room};
use test_facts::tell;

#[derive(Default)]
struct Fact {
    calls: u32,
}

#[party::serve]
impl Party for Fact {
    fn on_request(&mut self, room: &Room, request: Request) -> Result<Reply> {
        self.calls += 1;
        let (party, body) = match request.path_in_room() {
            "/none" => ("none", Vec::new()),
            "/large" => ("main", vec![0; 33 << 20]),
            "/echo" => return tell((request.method, request.uri, request.body.len(), self.calls)),
            // Later than a client waits.
            "/late" => {
                return Ok(Reply::later(async |room| {
                    room.sleep(Duration::from_secs(20)).await;
                    Ok(Response::text("late"))
                }));
            }
            _ => ("main", b"four".to_vec()),
        };
        let (method, path) = match request.path_in_room() {
            "/nonsense" => ("a method", "/echo".to_owned()),
            "/slow" => ("GET", "/late".to_owned()),
            _ => ("PUT", "/echo?a=1".to_owned()),
        };
        let call = room.call(party, "other").method(method).path(&path).body(body);
        Ok(Reply::later(async move |_| {
            Ok(Response::text(match call.await {
                Ok(answer) => format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body)),
                Err(error) => format!("{error:?}"),
            }))
        }))
    }
}
