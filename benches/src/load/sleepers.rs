//! What a socket holds in memory whose room sleeps.
//!
//! ```text
//! connect, one echo each ─► all rooms sleep ─► read memory ─► leave them for a while, answer pings ─► read memory
//!                                                                              ─► one more echo of some of them
//! ```
//!
//! What must hold: as in `memory`, some rooms come before the first reading; when the last reading is taken every room
//! still sleeps, which the host is asked at its admin socket, and every socket is still open; and afterwards one
//! socket in a hundred is echoed, so that what is measured is not a room that has forgotten its clients.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::admin::{AdminError, AdminSocket};
use super::cold::{ColdError, echo};
use super::http::RESPONSE_BYTES_MAX;
use super::memory::settled_bytes;
use super::poller::Poller;
use super::process::{ProcessError, ServerProcess};
use super::target::Target;
use super::wake::{WakeError, all_asleep};
use super::websocket::{SocketError, WebSocket};

/// Sockets before the first reading, in rooms of their own.
const SOCKETS_BEFORE: u32 = 100;

/// One in so many sockets says something at the end.
const ECHO_EVERY: usize = 97;

/// How long the sockets are waited for at once.
const WAIT: Duration = Duration::from_millis(100);

/// What to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SleepersSettings {
    /// The party that echoes.
    pub party: String,
    /// Sockets, at least 1.
    pub sockets: u32,
    /// How many of them share a room, at least 1.
    pub per_room: u32,
    /// How long they are left alone, beyond which the server's pings come.
    pub left_alone: Duration,
    /// Names the rooms.
    pub run: u32,
}

/// What was seen. Memory is resident bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SleepersReport {
    /// What was done.
    pub settings: SleepersSettings,
    /// Before anything was asked of the server.
    pub at_start: u64,
    /// After the first few sockets, before those that count.
    pub before: u64,
    /// When all rooms slept.
    pub asleep: u64,
    /// After they were left alone.
    pub left_alone: u64,
    /// Per socket, of the last reading.
    pub per_socket: f64,
    /// Pings that came while they were left alone.
    pub pings: u64,
    /// Rooms that were woken while they were left alone.
    pub woken: u64,
    /// Sockets that were echoed afterwards.
    pub echoed: u64,
}

/// Why a run could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum SleepersError {
    /// A socket could not be opened, or was not echoed.
    #[error("socket {index} could not be opened or was not echoed")]
    Echo {
        /// Which one, from 0.
        index: usize,
        /// Why.
        source: ColdError,
    },
    /// A socket ended while it was left alone.
    #[error("socket {index} ended while it was left alone")]
    Ended {
        /// Which one, from 0.
        index: usize,
        /// Why.
        source: SocketError,
    },
    /// The rooms do not sleep.
    #[error(transparent)]
    Asleep(#[from] WakeError),
    /// The host's figures cannot be read.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The system failed.
    #[error("cannot wait for sockets")]
    Io(#[from] std::io::Error),
    /// The server's process cannot be measured.
    #[error("cannot measure the server's process")]
    Process(#[from] ProcessError),
}

/// Measures sockets in the one process `server`.
pub fn run(
    target: &Target,
    settings: &SleepersSettings,
    server: ServerProcess,
    admin: &AdminSocket,
) -> Result<SleepersReport, SleepersError> {
    let mut scratch = vec![0; 2 * RESPONSE_BYTES_MAX];
    let at_start = settled_bytes(server)?;
    let early = SleepersSettings { sockets: SOCKETS_BEFORE, per_room: 1, ..settings.clone() };
    let mut sockets = connect(target, &early, "early", &mut scratch)?;
    all_asleep(Some(admin), Duration::ZERO)?;
    let before = settled_bytes(server)?;
    sockets.extend(connect(target, settings, "sleeper", &mut scratch)?);
    all_asleep(Some(admin), Duration::ZERO)?;
    let wakes = admin.figures()?.wakes;
    let asleep = settled_bytes(server)?;
    let pings = leave_alone(&mut sockets, settings.left_alone, &mut scratch)?;
    let left_alone = server.resident_bytes()?;
    let woken = admin.figures()?.wakes - wakes;
    let mut echoed = 0;
    for (index, (socket, room)) in sockets.iter_mut().enumerate().step_by(ECHO_EVERY) {
        echo(socket, room, settings.run, &mut scratch)
            .map_err(|source| SleepersError::Echo { index, source })?;
        echoed += 1;
    }
    Ok(SleepersReport {
        settings: settings.clone(),
        at_start,
        before,
        asleep,
        left_alone,
        per_socket: (left_alone as f64 - before as f64) / f64::from(settings.sockets),
        pings,
        woken,
        echoed,
    })
}

fn connect(
    target: &Target,
    settings: &SleepersSettings,
    prefix: &str,
    scratch: &mut [u8],
) -> Result<Vec<(WebSocket, String)>, SleepersError> {
    (0..settings.sockets)
        .map(|number| {
            let index = number as usize;
            let room = format!("{prefix}-{:08x}-{}", settings.run, number / settings.per_room);
            let mut socket = WebSocket::connect(target, &settings.party, &room, &format!("key-{number}"))
                .map_err(|error| SleepersError::Echo { index, source: error.into() })?;
            echo(&mut socket, &room, settings.run, scratch)
                .map_err(|source| SleepersError::Echo { index, source })?;
            Ok((socket, room))
        })
        .collect()
}

/// Answers pings for so long, and says how many came: nothing else does.
fn leave_alone(
    sockets: &mut [(WebSocket, String)],
    time: Duration,
    scratch: &mut [u8],
) -> Result<u64, SleepersError> {
    let mut poller = Poller::new()?;
    for (index, (socket, _)) in sockets.iter().enumerate() {
        poller.watch(socket, index)?;
    }
    let began = Instant::now();
    let mut pings = 0;
    while began.elapsed() < time {
        for ready in 0..poller.wait(WAIT)? {
            let index = poller.ready(ready).token;
            let mut messages = 0;
            let came = sockets[index]
                .0
                .read(scratch, |_, _| messages += 1)
                .map_err(|source| SleepersError::Ended { index, source })?;
            pings += u64::from(came && messages == 0);
        }
    }
    Ok(pings)
}
