//! Permissions: a room for each tenant holds its grants, and the lobby answers from there whether USER may do ACTION on RESOURCE.

mod door;
mod grants;

use std::collections::BTreeSet;

use grants::{Grant, Grants};
use party::{
    Connection, Decision, Lobby, Message, Party, Reply, Request, Response, Result, Room, StartReason,
};
use serde::{Deserialize, Serialize};

/// What is asked below this path, of the lobby as of a room, is answered with an [`Answer`].
const MAY: &str = "/may/";
/// Action and resource that let somebody see the grants themselves.
const WATCH: (&str, &str) = ("watch", "grants");

#[derive(Default)]
struct Tenant {
    grants: Grants,
}

/// `{"may": true}`
#[derive(Serialize, Deserialize)]
struct Answer {
    may: bool,
}

/// To the page.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum ToClient<'a> {
    /// All there are: `{"grants": ["ada/read/report-7"]}`.
    Grants(&'a BTreeSet<String>),
    /// There is one more.
    Granted(String),
    /// There is one less.
    Revoked(String),
}

#[party::serve]
impl Party for Tenant {
    fn on_fetch(_lobby: &Lobby, request: Request) -> Result<Decision> {
        door::look_up(&request)
    }

    fn before_request(lobby: &Lobby, _room: &str, request: &Request) -> Result<Decision> {
        door::check_key(lobby, request)
    }

    fn before_connect(_lobby: &Lobby, room: &str, request: &Request) -> Result<Decision> {
        door::check_watcher(room, request)
    }

    fn on_start(&mut self, room: &Room, _reason: StartReason) -> Result<()> {
        self.grants = Grants::load(room)?;
        Ok(())
    }

    fn on_connect(&mut self, _room: &Room, connection: &Connection) -> Result<()> {
        let info = connection.info();
        let user = info.iter().flat_map(|info| &info.headers).find(|header| header.name == "x-user");
        connection.set_state(&user.map(|user| String::from_utf8_lossy(&user.value)).unwrap_or_default())?;
        Ok(connection.send(Message::from_json(&ToClient::Grants(self.grants.all()))?)?)
    }

    fn on_request(&mut self, room: &Room, request: Request) -> Result<Reply> {
        let path = request.path_in_room();
        let (asked, given) = (path.strip_prefix(MAY), path.strip_prefix("/grants/"));
        Ok(match (request.method.as_str(), asked, given) {
            ("GET", Some(asked), _) => {
                Response::json(&Answer { may: self.grants.allow(&Grant::asked(asked)?) })?
            }
            ("GET", None, None) if path == "/grants" => Response::json(self.grants.all())?,
            ("PUT", _, Some(given)) => {
                let grant = Grant::given(given)?;
                match self.grants.grant(room, &grant)? {
                    true => show(room, &ToClient::Granted(grant.to_string()))?.with_status(201),
                    false => Response::status(204),
                }
            }
            ("DELETE", _, Some(given)) => {
                let grant = Grant::given(given)?;
                match self.grants.revoke(room, &grant)? {
                    true => {
                        self.close_who_may_not_watch(room)?;
                        show(room, &ToClient::Revoked(grant.to_string()))?
                    }
                    false => Response::status(404),
                }
            }
            (_, Some(_), _) => Response::status(405).with_header("allow", "GET"),
            (_, _, Some(_)) => Response::status(405).with_header("allow", "PUT, DELETE"),
            _ if path == "/grants" => Response::status(405).with_header("allow", "GET"),
            _ => Response::status(404),
        }
        .into())
    }
}

impl Tenant {
    /// Who was let in may have lost that right.
    fn close_who_may_not_watch(&self, room: &Room) -> Result<()> {
        for connection in room.connections() {
            let user: String = connection.state()?.unwrap_or_default();
            if !self.grants.allow(&Grant::of(&user, WATCH.0, WATCH.1)?) {
                connection.close(4003, "you may not watch any more")?;
            }
        }
        Ok(())
    }
}

/// Show everyone what has changed; the answer to who has changed it.
fn show(room: &Room, change: &ToClient<'_>) -> Result<Response> {
    room.broadcast(Message::from_json(change)?)?;
    Ok(Response::status(204))
}
