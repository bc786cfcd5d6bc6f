//! The lobby as its handlers see it: outside any room, and about what somebody waits for at a door.
//!
//! Each event has an instance of its own, which ends with it: nothing is remembered, there is no storage, and there are no
//! connections but the one of a client that leads to no room ([`Talk`](crate::Talk)).

use std::borrow::Cow;
use std::future::Future;
use std::time::Duration;

use crate::bindings::party::server::lobby_answers::{self as host, DecideError};
use crate::bindings::party::server::types::HeaderParam;
use crate::error::{Error, Result};
use crate::fetch::Fetch;
use crate::http::{Header, Request, Response};
use crate::operation::Sleep;
use crate::room::Room;
use crate::stream::{Connect, ConnectTo};
use crate::task::{self, BoxFuture, Task, TaskOutput};
use crate::time::Timestamp;
use crate::work::{Asset, Call, ListRooms};

/// What the handlers of a lobby can do. It holds nothing, so it can be copied into tasks.
#[derive(Debug, Clone, Copy)]
pub struct Lobby(());

impl Lobby {
    pub(crate) const fn new() -> Self {
        Self(())
    }

    /// The party's name, as in the URL.
    pub fn party(&self) -> String {
        Room::new().party()
    }

    /// The project that the host serves the party under.
    pub fn project(&self) -> String {
        Room::new().project()
    }

    /// The value of one of the party's vars (`[vars]` in `party.toml`).
    pub fn var(&self, name: &str) -> Option<String> {
        Room::new().var(name)
    }

    /// All vars of the party, in order of name.
    pub fn vars(&self) -> Vec<(String, String)> {
        Room::new().vars()
    }

    /// The time of this turn. It stands still inside a turn and never decreases.
    pub fn now(&self) -> Timestamp {
        Room::new().now()
    }

    /// So many random bytes, at most 65,536; a larger number counts as that.
    pub fn random_bytes(&self, count: u32) -> Vec<u8> {
        Room::new().random_bytes(count)
    }

    /// A random number: all 64 bits are.
    pub fn random_u64(&self) -> u64 {
        Room::new().random_u64()
    }

    /// Start a task that the event in hand waits for: it ends when the task does, and so does all that it has begun. What has
    /// been decided is told before that, so a task delays nobody.
    ///
    /// Panics outside of a handler: a task has no event in hand.
    pub fn settle_later<T: TaskOutput>(&self, task: impl AsyncFnOnce(Self) -> T + 'static) -> Task {
        task::hold_event(async move { task(Self::new()).await.into_result() })
    }

    /// Wait for so long, never less. To drop the future is to end the wait.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        Room::new().sleep(duration)
    }

    /// Wait for a future, but not for longer than this: then it is dropped, and there is no output.
    pub async fn timeout<F: Future>(&self, duration: Duration, future: F) -> Option<F::Output> {
        Room::new().timeout(duration, future).await
    }

    /// Ask a room of this project, as [`Room::call`] does. It is not asked by way of its lobby.
    pub fn call(&self, party: &str, room: &str) -> Call {
        Room::new().call(party, room)
    }

    /// Ask a server outside of this host, as [`Room::fetch`] does.
    pub fn fetch(&self, url: &str) -> Fetch {
        Room::new().fetch(url)
    }

    /// Open a WebSocket as a client, as [`Room::connect`] does: only in a [`Talk`](crate::Talk), which lasts.
    pub fn connect(&self, url: &str) -> Connect {
        Room::new().connect(url)
    }

    /// Open a WebSocket to a room of this project, as [`Room::connect_to`] does: only in a [`Talk`](crate::Talk).
    pub fn connect_to(&self, party: &str, room: &str) -> ConnectTo {
        Room::new().connect_to(party, room)
    }

    /// The rooms of a party of this project, as [`Room::rooms`] lists them.
    pub fn rooms(&self, party: &str) -> ListRooms {
        Room::new().rooms(party)
    }

    /// A static asset of the project, as [`Room::asset`] reads it.
    pub fn asset(&self, path: &str) -> Asset {
        Room::new().asset(path)
    }
}

/// What becomes of whoever waits for a lobby: it goes on, or it is answered, now or when a task has ended.
#[must_use = "it is decided when the handler returns it"]
pub struct Decision(Decided);

enum Decided {
    Proceed(Proceed),
    ProceedAs(Request),
    Respond(Response),
    Later(BoxFuture<Result<Decision>>),
}

/// It goes on to the room, perhaps with other headers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use = "it is decided when the handler returns it"]
pub struct Proceed {
    headers: Vec<Header>,
}

impl Proceed {
    /// The room sees this header too, its name in lower case, whatever the client has sent under that name.
    pub fn with_header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push(Header { name: name.into(), value: value.into() });
        self
    }
}

impl Decision {
    /// Go on to the room; of a URL that is no room, as if there were no lobby: 404.
    ///
    /// ```no_run
    /// # use party::{Decision, Result};
    /// # fn example() -> Result<Decision> {
    /// Ok(Decision::proceed().with_header("x-user", "ada").into())
    /// # }
    /// ```
    pub fn proceed() -> Proceed {
        Proceed::default()
    }

    /// Go on to the same room as another request: with its method, its URL, its headers and its body, whatever the client has sent. The
    /// URL is any with `http://` or `https://`. The headers say how long the body is, whatever they have said before. A body that
    /// [waits](Request::body_waits) goes on with the request that has it, unless that gets [another](Request::with_body). A client that
    /// connects goes on as a `GET` without a body, and is called what `_pk` says in the URL. Of a URL that is no room this is an error:
    /// there is nothing to go on to.
    ///
    /// ```no_run
    /// # use party::{Decision, Request, Result};
    /// # fn example(request: &Request) -> Result<Decision> {
    /// let mut other = request.clone().with_header("x-was", request.path());
    /// other.uri = request.uri.replace("/old/", "/new/");
    /// Ok(Decision::proceed_as(other))
    /// # }
    /// ```
    pub fn proceed_as(request: Request) -> Self {
        Self(Decided::ProceedAs(request))
    }

    /// Decide when `task` has ended, in this turn or a later one, with what it says or its error. The host waits 30 s unless
    /// told otherwise; whoever wants to connect with PartySocket waits for 4 s.
    pub fn later<F>(task: F) -> Self
    where
        F: AsyncFnOnce(Lobby) -> Result<Self> + 'static,
    {
        Self(Decided::Later(Box::pin(async move { task(Lobby::new()).await })))
    }

    /// Tells the host, now or when that is known.
    pub(crate) fn tell(self, event: u64) -> Result<()> {
        match self.0 {
            Decided::Proceed(Proceed { headers }) => {
                let headers: Vec<HeaderParam<'_>> = headers
                    .iter()
                    .map(|header| HeaderParam { name: &header.name, value: &header.value })
                    .collect();
                told(host::decide(event, host::Decision::Proceed(&headers)))
            }
            Decided::ProceedAs(request) => {
                told(request.lend(|request| host::decide(event, host::Decision::ProceedAs(request))))
            }
            Decided::Respond(response) => {
                told(response.lend(|response| host::decide(event, host::Decision::Respond(response))))
            }
            Decided::Later(task) => {
                task::hold_event(async move {
                    let mut decision = task.await?;
                    while let Decided::Later(next) = decision.0 {
                        decision = next.await?;
                    }
                    decision.tell(event)
                });
                Ok(())
            }
        }
    }
}

impl From<Response> for Decision {
    fn from(response: Response) -> Self {
        Self(Decided::Respond(response))
    }
}

impl From<Proceed> for Decision {
    fn from(proceed: Proceed) -> Self {
        Self(Decided::Proceed(proceed))
    }
}

/// A scheduled run (`[crons]` in `party.toml`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    /// What it is called there.
    pub name: String,
    /// When it runs, as it stands there: `0 * * * *`.
    pub expression: String,
    /// The time that this run is for. It may be late, and never is early.
    pub scheduled_at: Timestamp,
}

fn told(decided: Result<(), DecideError>) -> Result<()> {
    match decided {
        // The host has decided at its deadline: nobody is left to be told.
        Ok(()) | Err(DecideError::NotPending) => Ok(()),
        Err(DecideError::TooLarge(bytes_max)) => {
            Err(unsaid(format!("the limit for what a lobby decides is {bytes_max} bytes")))
        }
        Err(DecideError::BadDecision(why)) => Err(unsaid(format!("the decision cannot be sent: {why}"))),
        Err(DecideError::NotInTheLobby) => Err(unsaid("not in the lobby".into())),
    }
}

/// It is the lobby that is wrong, and not whoever came.
fn unsaid(why: String) -> Error {
    Error::new(why).with_status(500)
}
