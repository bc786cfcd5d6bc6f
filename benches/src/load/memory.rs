//! What a room that is awake and a connection that is idle hold in memory.
//!
//! Resident memory of the server is read before and after; the difference is divided. Each room is entered by a
//! WebSocket that sends one message, gets its echo and leaves, so that the room has run and holds no connection.
//! Each idle connection has had one echo too, in one of few rooms, so that every buffer that a connection uses has
//! been used and hardly any room is counted.
//!
//! What must hold: some rooms and connections come before the first reading, so that what a server allocates only
//! once is not charged to either; and readings are taken when the memory has stopped changing.

use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::cold::{ColdError, echo, first_echo};
use super::http::RESPONSE_BYTES_MAX;
use super::process::{ProcessError, ServerProcess};
use super::target::Target;
use super::websocket::WebSocket;

/// Rooms entered before the first reading.
const ROOMS_BEFORE: u32 = 100;

/// Idle connections per room.
const CONNECTIONS_PER_ROOM: u32 = 1_000;

/// Two readings this far apart must agree.
const SETTLE_STEP: Duration = Duration::from_millis(250);

/// How long memory may go on changing before it is read all the same.
const SETTLE_MAX: Duration = Duration::from_secs(10);

/// By how much two readings that agree may differ.
const SETTLE_BYTES: u64 = 64 * 1024;

/// What to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemorySettings {
    /// The party that echoes.
    pub party: String,
    /// Rooms to wake; 0 leaves rooms out.
    pub rooms: u32,
    /// Idle connections to open; 0 leaves them out.
    pub connections: u32,
    /// Names the rooms, so that none was awake before.
    pub run: u32,
}

/// What was seen. All figures are resident bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemoryReport {
    /// What was done.
    pub settings: MemorySettings,
    /// Before anything was asked of the server.
    pub at_start: u64,
    /// After the first few rooms, before those that count.
    pub before_rooms: u64,
    /// After the rooms.
    pub after_rooms: u64,
    /// With the idle connections open.
    pub with_connections: u64,
    /// Per room, or absent if there were none.
    pub per_room: Option<f64>,
    /// Per idle connection, or absent if there were none.
    pub per_connection: Option<f64>,
}

/// Why a run could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// A room could not be entered.
    #[error("room {index} could not be entered")]
    Room {
        /// Which one, from 0.
        index: u32,
        /// Why.
        source: ColdError,
    },
    /// A connection could not be made.
    #[error("connection {index} could not be made")]
    Connection {
        /// Which one, from 0.
        index: u32,
        /// Why.
        source: ColdError,
    },
    /// The server's process cannot be measured.
    #[error("cannot measure the server's process")]
    Process(#[from] ProcessError),
}

/// Measures rooms, then connections, in the one process `server`.
pub fn run(
    target: &Target,
    settings: &MemorySettings,
    server: ServerProcess,
) -> Result<MemoryReport, MemoryError> {
    let mut scratch = vec![0; 2 * RESPONSE_BYTES_MAX];
    let at_start = settled_bytes(server)?;
    enter_rooms(target, settings, "early", ROOMS_BEFORE, &mut scratch)?;
    let before_rooms = settled_bytes(server)?;
    enter_rooms(target, settings, "room", settings.rooms, &mut scratch)?;
    let after_rooms = settled_bytes(server)?;
    let sockets = connect(target, settings, &mut scratch)?;
    let with_connections = settled_bytes(server)?;
    drop(sockets);
    let each = |before: u64, after: u64, count: u32| {
        (count > 0).then(|| (after as f64 - before as f64) / f64::from(count))
    };
    Ok(MemoryReport {
        settings: settings.clone(),
        at_start,
        before_rooms,
        after_rooms,
        with_connections,
        per_room: each(before_rooms, after_rooms, settings.rooms),
        per_connection: each(after_rooms, with_connections, settings.connections),
    })
}

fn enter_rooms(
    target: &Target,
    settings: &MemorySettings,
    prefix: &str,
    rooms: u32,
    scratch: &mut [u8],
) -> Result<(), MemoryError> {
    for index in 0..rooms {
        let room = format!("{prefix}-{:08x}-{index}", settings.run);
        first_echo(target, &settings.party, &room, settings.run, scratch)
            .map_err(|source| MemoryError::Room { index, source })?;
    }
    Ok(())
}

fn connect(
    target: &Target,
    settings: &MemorySettings,
    scratch: &mut [u8],
) -> Result<Vec<WebSocket>, MemoryError> {
    (0..settings.connections)
        .map(|index| {
            let room = format!("idle-{:08x}-{}", settings.run, index / CONNECTIONS_PER_ROOM);
            let mut socket = WebSocket::connect(target, &settings.party, &room, &format!("idle-{index}"))
                .map_err(|error| MemoryError::Connection { index, source: error.into() })?;
            echo(&mut socket, &room, settings.run, scratch)
                .map_err(|source| MemoryError::Connection { index, source })?;
            Ok(socket)
        })
        .collect()
}

/// Reads the memory until it no longer changes, or for `SETTLE_MAX`.
pub(super) fn settled_bytes(server: ServerProcess) -> Result<u64, ProcessError> {
    let began = Instant::now();
    let mut last = server.resident_bytes()?;
    loop {
        thread::sleep(SETTLE_STEP);
        let now = server.resident_bytes()?;
        if now.abs_diff(last) <= SETTLE_BYTES || began.elapsed() > SETTLE_MAX {
            return Ok(now);
        }
        last = now;
    }
}
