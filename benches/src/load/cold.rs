//! What the first contact with a room costs.
//!
//! - GET of a known room and of a never-seen one, one after another on a kept-alive connection;
//! - so many never-seen rooms at once, each over a connection of its own, from its connect to its answer;
//! - a WebSocket to a never-seen room, from connect to the first echo.
//!
//! What must hold: a room counts as never seen because its name holds this run's number; every answer must be a
//! success, and every echo what was sent.

use std::io;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::http::{Answer, HttpClient, RESPONSE_BYTES_MAX, RequestError, Response};
use super::latency::{Latencies, LatencySummary};
use super::payload::Stamp;
use super::poller::Poller;
use super::process::{ProcessError, ServerProcess};
use super::sample::Sample;
use super::target::{Target, room_path};
use super::websocket::{ConnectError, SocketError, WebSocket};

/// What to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColdSettings {
    /// The party that answers a GET.
    pub request_party: String,
    /// The party that echoes.
    pub echo_party: String,
    /// Requests for a known room, and for as many never-seen ones.
    pub requests: u32,
    /// Rooms asked for at once, at least 1.
    pub burst: u32,
    /// How many such bursts.
    pub bursts: u32,
    /// WebSockets opened one after another.
    pub sockets: u32,
    /// Names the rooms, so that none was seen before.
    pub run: u32,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColdReport {
    /// What was done.
    pub settings: ColdSettings,
    /// GET of a room that is awake.
    pub known_room: LatencySummary,
    /// GET of a room never seen before.
    pub new_room: LatencySummary,
    /// GET of a room never seen before, with the rest of its burst at once.
    pub new_rooms_at_once: LatencySummary,
    /// WebSocket connect to first echo, in a room never seen before.
    pub connect_to_echo: LatencySummary,
    /// What all other processes used meanwhile, in percent of one core; absent without the server's process.
    pub others_cpu_percent: Option<f64>,
}

/// Why a run could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum ColdError {
    /// The system failed.
    #[error("cannot connect or wait")]
    Io(#[from] io::Error),
    /// A request got no answer.
    #[error("a request at {path} got no answer")]
    Request {
        /// What was asked for.
        path: String,
        /// Why.
        source: RequestError,
    },
    /// The answer is no success.
    #[error("the answer at {path} has status {status}")]
    Status {
        /// What was asked for.
        path: String,
        /// The status.
        status: u16,
    },
    /// A WebSocket could not be opened.
    #[error("a websocket could not be opened")]
    Connect(#[from] ConnectError),
    /// A WebSocket failed.
    #[error("a websocket failed")]
    Socket(#[from] SocketError),
    /// A WebSocket did not echo what was sent.
    #[error("room {room} answered something else than an echo")]
    NoEcho {
        /// The room.
        room: String,
    },
    /// Requests of a burst were not answered.
    #[error("{unanswered} requests of a burst of {burst} were not answered in {waited_s} s")]
    Unanswered {
        /// How many.
        unanswered: usize,
        /// Of how many.
        burst: u32,
        /// For how long.
        waited_s: u64,
    },
    /// The server's process cannot be measured.
    #[error("cannot measure the server's process")]
    Process(#[from] ProcessError),
}

/// How long a burst may take.
const BURST_WAIT: Duration = Duration::from_secs(30);

/// Measures all four. `server` is only asked how busy the rest of the machine was.
pub fn run(
    target: &Target,
    settings: &ColdSettings,
    server: Option<ServerProcess>,
) -> Result<ColdReport, ColdError> {
    let began = Sample::take(server)?;
    let mut scratch = vec![0; 2 * RESPONSE_BYTES_MAX];
    let known = room_path(&settings.request_party, &format!("known-{:08x}", settings.run));
    let mut http = HttpClient::connect(target)?;
    // The first request pays for the connection, the second for nothing.
    for _ in 0..2 {
        get(&mut http, &known, &mut scratch)?;
    }
    let (mut known_room, mut new_room) = (Latencies::new(), Latencies::new());
    for index in 0..settings.requests {
        known_room.record(get(&mut http, &known, &mut scratch)?);
        let new = room_path(&settings.request_party, &format!("new-{:08x}-{index}", settings.run));
        new_room.record(get(&mut http, &new, &mut scratch)?);
    }
    let mut new_rooms_at_once = Latencies::new();
    for index in 0..settings.bursts {
        burst(target, settings, index, &mut new_rooms_at_once, &mut scratch)?;
    }
    let mut connect_to_echo = Latencies::new();
    for index in 0..settings.sockets {
        let room = format!("socket-{:08x}-{index}", settings.run);
        connect_to_echo.record(first_echo(target, &settings.echo_party, &room, settings.run, &mut scratch)?);
    }
    Ok(ColdReport {
        settings: settings.clone(),
        known_room: known_room.summary(),
        new_room: new_room.summary(),
        new_rooms_at_once: new_rooms_at_once.summary(),
        connect_to_echo: connect_to_echo.summary(),
        others_cpu_percent: began.until(&Sample::take(server)?).others_cpu_percent(),
    })
}

fn get(http: &mut HttpClient, path: &str, scratch: &mut [u8]) -> Result<Duration, ColdError> {
    let asked = Instant::now();
    let response = http
        .request("GET", path, scratch)
        .map_err(|source| ColdError::Request { path: path.to_owned(), source })?;
    let took = asked.elapsed();
    accept(&response, path)?;
    Ok(took)
}

fn accept(response: &Response, path: &str) -> Result<(), ColdError> {
    match response.status {
        200..=299 => Ok(()),
        status => Err(ColdError::Status { path: path.to_owned(), status }),
    }
}

/// Asks for `settings.burst` new rooms as fast as one thread can, then takes the answers as they come.
fn burst(
    target: &Target,
    settings: &ColdSettings,
    index: u32,
    latencies: &mut Latencies,
    scratch: &mut [u8],
) -> Result<(), ColdError> {
    let mut poller = Poller::new()?;
    let mut asked = Vec::with_capacity(settings.burst as usize);
    for place in 0..settings.burst {
        let room = format!("burst-{:08x}-{index}-{place}", settings.run);
        let path = room_path(&settings.request_party, &room);
        let at = Instant::now();
        let mut http = HttpClient::connect(target)?;
        http.send("GET", &path)?;
        http.set_blocking(false)?;
        poller.watch(&http, place as usize)?;
        asked.push((http, path, at));
    }
    let deadline = Instant::now() + BURST_WAIT;
    let mut unanswered = asked.len();
    while unanswered > 0 {
        if Instant::now() > deadline {
            let waited_s = BURST_WAIT.as_secs();
            return Err(ColdError::Unanswered { unanswered, burst: settings.burst, waited_s });
        }
        for index in 0..poller.wait(Duration::from_millis(50))? {
            let (http, path, at) = &mut asked[poller.ready(index).token];
            let answer =
                http.receive(scratch).map_err(|source| ColdError::Request { path: path.clone(), source })?;
            if let Answer::Whole(response) = answer {
                latencies.record(at.elapsed());
                accept(&response, path)?;
                poller.forget(&*http)?;
                unanswered -= 1;
            }
        }
    }
    Ok(())
}

/// Opens a WebSocket, sends one message and waits for its echo; then closes without counting that.
pub fn first_echo(
    target: &Target,
    party: &str,
    room: &str,
    run: u32,
    scratch: &mut [u8],
) -> Result<Duration, ColdError> {
    let began = Instant::now();
    let mut socket = WebSocket::connect(target, party, room, "first")?;
    echo(&mut socket, room, run, scratch)?;
    let took = began.elapsed();
    socket.close(scratch, |_, _| {})?;
    Ok(took)
}

/// Sends one message on an open socket and waits for its echo.
pub fn echo(socket: &mut WebSocket, room: &str, run: u32, scratch: &mut [u8]) -> Result<(), ColdError> {
    let message = Stamp { run, sender: 0, sequence: 0, intended_ns: 0 }.encode();
    socket.set_blocking(true)?;
    socket.queue_text(&message);
    socket.flush()?;
    let mut echoed = None;
    while echoed.is_none() {
        let came = socket.read(scratch, |is_text, payload| echoed = Some(is_text && payload == message))?;
        if !came {
            return Err(io::Error::from(io::ErrorKind::TimedOut).into());
        }
    }
    socket.set_blocking(false)?;
    match echoed {
        Some(true) => Ok(()),
        _ => Err(ColdError::NoEcho { room: room.to_owned() }),
    }
}
