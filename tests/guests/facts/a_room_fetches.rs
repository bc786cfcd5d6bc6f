//! A room asks a server outside: the answer comes in a turn of its own, or the reason why there is none.
//! covers: operations.fetch, types.operation-error.dns, types.operation-error.connect, types.operation-error.tls,
//! types.operation-error.timeout, types.operation-error.refused-by-policy

use std::time::Duration;

use party::{Party, Reply, Request, Response, Result, Room};

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_request(&mut self, room: &Room, request: Request) -> Result<Reply> {
        let path = request.path_in_room();
        let fetch = match path {
            "/nonsense" => room.fetch("file:///etc/passwd"),
            "/own" => room.fetch("https://api.test/").header("host", "other.test"),
            "/long" => room.fetch("https://api.test/").timeout(Duration::from_secs(301)),
            _ => room.fetch(&format!("https://api.test{path}")),
        };
        let fetch = match path {
            "/post" => fetch.method("POST").header("x-from", "a room").body("four"),
            "/again" => fetch.method("POST").resend(),
            "/own-key" => fetch.method("POST").header("idempotency-key", "mine").resend(),
            "/brief" => fetch.timeout(Duration::from_secs(1)),
            "/here" => fetch.redirects(0),
            _ => fetch,
        };
        Ok(Reply::later(async move |_| {
            let outcome = match fetch.await {
                Ok(answer) => format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body)),
                Err(error) => format!("{error:?}"),
            };
            party::info!("{outcome}");
            Ok(Response::text(outcome))
        }))
    }
}
