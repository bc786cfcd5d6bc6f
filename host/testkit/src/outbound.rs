//! What stands in the place of the network outside of a world's host: answers that the test has laid down.
//!
//! Redirects are followed by the server's own code, one request after the other, each of which finds its answer here. What nobody
//! has laid down an answer for fails, and the test with it.

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use party_core::http::{Header, Response};
use party_core::ids::Timestamp;
use party_core::operation::OperationError;
use party_node::clock::Clock;
use party_node::outbound::{Fetch, Outbound, Pieces, Socket, UnderWay};
use party_server::outbound::{Sending, follow};
use url::Url;

use crate::clock::VirtualClock;
use crate::transcript::payload::{Content, escaped};
use crate::world::World;

/// Any method, where one is named.
pub(crate) const ANY: &str = "*";
/// Requests that are kept until somebody looks at them; of more, the oldest go.
const REQUESTS_MAX: usize = 10_000;

/// A request that a room has sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Requested {
    /// `GET`.
    pub method: String,
    /// Where it went, in full.
    pub url: String,
    /// In the order in which they were sent.
    pub headers: Vec<Header>,
    /// The whole body.
    pub body: Bytes,
    /// When it was sent.
    pub at: Timestamp,
}

impl Requested {
    /// The first header of this name, as text.
    pub fn header(&self, name: &str) -> Option<String> {
        let header = self.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        Some(String::from_utf8_lossy(&header.value).into_owned())
    }
}

/// How a request is answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Reaction {
    Answer(Response),
    Failure(OperationError),
    /// Never.
    Hang,
}

#[derive(Clone, Debug)]
struct Stub {
    after: Duration,
    reaction: Reaction,
    was_used: bool,
}

/// The world outside, as far as it answers.
#[derive(Clone)]
pub(crate) struct Outside {
    clock: VirtualClock,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// By URL and method, in the order in which they answer.
    stubs: BTreeMap<(String, String), VecDeque<Stub>>,
    requested: VecDeque<Requested>,
    /// What nothing was laid down for.
    unanswered: VecDeque<String>,
}

impl Outside {
    pub(crate) fn new(clock: VirtualClock) -> Outside {
        Outside { clock, state: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lays an answer down: each answers one request, and the last of them all that follow.
    pub(crate) fn lay_down(&self, method: &str, url: &str, after: Duration, reaction: Reaction) {
        let mut state = self.state();
        let stubs = state.stubs.entry((plain(url), method.to_owned())).or_default();
        stubs.retain(|stub| !stub.was_used);
        stubs.push_back(Stub { after, reaction, was_used: false });
    }

    /// What rooms have sent since the last look, and what of it nothing answers.
    pub(crate) fn take_requested(&self) -> Vec<Requested> {
        self.state().requested.drain(..).collect()
    }

    pub(crate) fn take_unanswered(&self) -> Option<String> {
        self.state().unanswered.pop_front()
    }

    async fn answer(&self, fetch: Fetch) -> Result<Response, OperationError> {
        let exchange = async |sending: &Sending, _: bool| Ok((self.exchange(sending).await?, ()));
        follow(fetch, exchange).await.map(|(response, ())| response)
    }

    async fn exchange(&self, sending: &Sending) -> Result<Response, OperationError> {
        let found = self.take_note(sending);
        let Some(Stub { after, reaction, .. }) = found else {
            let asked = format!("{} {}", sending.method(), sending.url());
            return Err(OperationError::Connect(format!("nothing answers {asked} in this test")));
        };
        if !after.is_zero() {
            let due = self.clock.now().after_ms(after.as_millis() as u64);
            self.clock.sleep_until(due).await;
        }
        match reaction {
            Reaction::Answer(response) => Ok(response),
            Reaction::Failure(error) => Err(error),
            Reaction::Hang => std::future::pending().await,
        }
    }

    fn take_note(&self, sending: &Sending) -> Option<Stub> {
        let at = self.clock.now();
        let mut state = self.state();
        let (method, url) = (sending.method().to_owned(), sending.url().to_owned());
        let found = [method.as_str(), ANY].into_iter().find_map(|method| {
            let stubs = state.stubs.get_mut(&(url.clone(), method.to_owned()))?;
            match stubs.len().cmp(&1) {
                Ordering::Greater => stubs.pop_front(),
                Ordering::Equal | Ordering::Less => stubs.front_mut().map(|last| {
                    last.was_used = true;
                    last.clone()
                }),
            }
        });
        if found.is_none() {
            state.unanswered.push_back(format!("{method} {url}"));
        }
        if state.requested.len() == REQUESTS_MAX {
            state.requested.pop_front();
        }
        let (headers, body) = (sending.headers().to_vec(), sending.body().clone());
        state.requested.push_back(Requested { method, url, headers, body, at });
        found
    }
}

impl Outbound for Outside {
    fn fetch(&self, fetch: Fetch) -> UnderWay {
        let outside = self.clone();
        Box::pin(async move { outside.answer(fetch).await })
    }

    fn fetch_streamed(&self, fetch: Fetch) -> UnderWay<(Response, Box<dyn Pieces>)> {
        let outside = self.clone();
        Box::pin(async move {
            let mut response = outside.answer(fetch).await?;
            let body = Some(std::mem::take(&mut response.body)).filter(|body| !body.is_empty());
            Ok((response, Box::new(OnePiece(body)) as Box<dyn Pieces>))
        })
    }

    fn connect(&self, url: String, _message_bytes_max: u32) -> UnderWay<Socket> {
        let outside = self.clone();
        Box::pin(async move {
            outside.state().unanswered.push_back(format!("CONNECT {url}"));
            Err(OperationError::Connect(format!("nothing answers CONNECT {url} in this test")))
        })
    }
}

/// A body that arrives at once.
struct OnePiece(Option<Bytes>);

impl Pieces for OnePiece {
    fn poll_piece(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, String>>> {
        Poll::Ready(self.0.take().map(Ok))
    }
}

/// A URL as it is asked for: `https://a.test` is `https://a.test/`.
fn plain(url: &str) -> String {
    Url::parse(url).map_or_else(|_| url.to_owned(), String::from)
}

/// What a URL outside answers; made by [`World::outbound`]. Nothing is laid down before its last word: [`respond`](Stubbing::respond),
/// [`fail`](Stubbing::fail) or [`hang`](Stubbing::hang).
#[must_use = "nothing answers before it is said how"]
pub struct Stubbing<'w> {
    world: &'w World,
    method: String,
    url: String,
    after: Duration,
    headers: Vec<(String, String)>,
}

impl World {
    /// Says what this URL outside answers to rooms that fetch it: `world.outbound("https://api.test/price").respond(200, "12")`. Of
    /// several answers of one URL and method each answers one request, in order, and the last all that follow. A URL that is
    /// fetched and has no answer is a failure of the test.
    pub fn outbound(&self, url: &str) -> Stubbing<'_> {
        Stubbing {
            world: self,
            method: ANY.into(),
            url: url.into(),
            after: Duration::ZERO,
            headers: Vec::new(),
        }
    }

    /// What rooms have fetched since this was last asked, redirects among it, oldest first.
    pub fn fetched(&self) -> Vec<Requested> {
        self.outside().take_requested()
    }
}

impl Stubbing<'_> {
    /// Only to requests with this method; one that names it comes before one for any.
    pub fn method(mut self, method: &str) -> Self {
        self.method = method.into();
        self
    }

    /// Only after so much time of the world's clock, in whole milliseconds.
    pub fn after(mut self, duration: Duration) -> Self {
        self.after = duration;
        self
    }

    /// With this header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.to_owned()));
        self
    }

    /// With this status and body.
    pub fn respond(self, status: u16, body: impl AsRef<[u8]>) {
        let body = Bytes::copy_from_slice(body.as_ref());
        let header =
            |(name, value): &(String, String)| Header { name: name.clone(), value: value.clone().into() };
        let headers = self.headers.iter().map(header).collect();
        let written = match body.is_empty() {
            true => status.to_string(),
            false => format!("{status} {}", Content::of(&body).written()),
        };
        self.lay_down(Reaction::Answer(Response { status, headers, body }), &written);
    }

    /// It cannot be had: a name that does not resolve, say, or a connection that breaks.
    pub fn fail(self, error: OperationError) {
        let written = written_failure(&error);
        self.lay_down(Reaction::Failure(error), &written);
    }

    /// It never answers.
    pub fn hang(self) {
        self.lay_down(Reaction::Hang, "hangs");
    }

    fn lay_down(self, reaction: Reaction, written: &str) {
        let Stubbing { world, method, url, after, headers } = self;
        let after_ms = after.as_millis();
        let after_told = if after_ms == 0 { String::new() } else { format!("after {after_ms}ms ") };
        let mut told = format!("outbound {method} {} -> {after_told}{written}", escaped(&url));
        for (name, value) in &headers {
            told += &format!("\n  < {name}: {}", escaped(value));
        }
        world.story().tell(told);
        world.outside().lay_down(&method, &url, after, reaction);
    }
}

/// The failures that a transcript has words for.
const FAILURES: [(&str, fn(String) -> OperationError); 4] = [
    ("dns", OperationError::Dns),
    ("connect", OperationError::Connect),
    ("tls", OperationError::Tls),
    ("refused", OperationError::RefusedByPolicy),
];

/// `fails dns "no such name"`; what has no word is said as what is nearest.
pub(crate) fn written_failure(error: &OperationError) -> String {
    let (word, text) = match error {
        OperationError::Dns(text) => ("dns", text.clone()),
        OperationError::Connect(text) => ("connect", text.clone()),
        OperationError::Tls(text) => ("tls", text.clone()),
        OperationError::RefusedByPolicy(text) => ("refused", text.clone()),
        OperationError::TooLarge(bytes_max) => ("too-large", bytes_max.to_string()),
        OperationError::Overloaded(max) => ("overloaded", max.to_string()),
        OperationError::Timeout | OperationError::NoSuchParty(_) => return "hangs".into(),
    };
    format!("fails {word} {}", Content::Text(text).written())
}

/// The reverse.
pub(crate) fn failure(word: &str, text: String) -> Result<OperationError, String> {
    if let Some((_, make)) = FAILURES.iter().find(|(name, _)| *name == word) {
        return Ok(make(text));
    }
    let number = |what| text.parse::<u32>().map_err(|_| format!("{text:?} is not {what}: a number"));
    match word {
        "too-large" => Ok(OperationError::TooLarge(number("a number of bytes")?.into())),
        "overloaded" => Ok(OperationError::Overloaded(number("how many there may be")?)),
        _ => Err(format!("{word:?} is no failure: dns, connect, tls, refused, too-large or overloaded")),
    }
}
