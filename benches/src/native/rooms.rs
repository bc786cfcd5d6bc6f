//! Rooms, and the outbox through which a room reaches each of its connections.
//!
//! A room never writes to a socket: it appends encoded frames to outboxes. An outbox that was empty wakes its
//! connection, which runs after everything that is ready already, finds all that was appended meanwhile, and writes
//! it at once. That is the whole of the coalescing.
//!
//! What must hold: frames enter all outboxes of a room in one order; an outbox that is not empty has woken its
//! connection; an outbox never grows past `OUTBOX_BYTES_MAX`.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use bytes::Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

/// Most rooms at once; the yardstick never forgets one.
const ROOMS_MAX: usize = 1_000_000;

/// Most bytes that wait for a connection that does not read; past it the connection is dropped.
const OUTBOX_BYTES_MAX: usize = 1024 * 1024;

/// Who gets a message.
#[derive(Clone, Copy, Debug)]
pub(super) enum Delivery {
    /// Only who sent it.
    Sender,
    /// Everyone in the room.
    Room,
}

/// All rooms that were ever entered, by party and room.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    rooms: Mutex<HashMap<Box<str>, Arc<Room>>>,
}

impl Rooms {
    /// The room, made if it is new; `None` if there are too many.
    pub(super) fn enter(&self, party: &str, room: &str) -> Option<Arc<Room>> {
        let address = format!("{party}/{room}");
        let mut rooms = lock(&self.rooms);
        if let Some(room) = rooms.get(address.as_str()) {
            return Some(Arc::clone(room));
        }
        if rooms.len() >= ROOMS_MAX {
            return None;
        }
        let room = Arc::new(Room::default());
        rooms.insert(address.into_boxed_str(), Arc::clone(&room));
        Some(room)
    }
}

/// One room: whoever is in it.
#[derive(Debug, Default)]
pub(super) struct Room {
    members: Mutex<Vec<Arc<Outbox>>>,
}

impl Room {
    /// Adds a connection; it gets every broadcast from now on.
    pub(super) fn join(&self, outbox: Arc<Outbox>) {
        lock(&self.members).push(outbox);
    }

    /// Removes a connection.
    pub(super) fn leave(&self, outbox: &Arc<Outbox>) {
        lock(&self.members).retain(|member| !Arc::ptr_eq(member, outbox));
    }

    /// How many connections are in it.
    #[cfg(test)]
    pub(super) fn members(&self) -> usize {
        lock(&self.members).len()
    }

    /// Encodes a message once and appends it to every outbox.
    pub(super) fn broadcast(&self, kind: Data, payload: Bytes) {
        let frame = encode(kind, payload);
        for member in lock(&self.members).iter() {
            member.push(&frame);
        }
    }
}

/// The frame of a message, unmasked as a server sends it.
pub(super) fn encode(kind: Data, payload: Bytes) -> Vec<u8> {
    let frame = Frame::message(payload, OpCode::Data(kind), true);
    let mut encoded = Vec::with_capacity(frame.len());
    frame.format(&mut encoded).expect("a vector takes every byte");
    encoded
}

/// Frames that wait for one connection's next turn.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pending: Mutex<Pending>,
}

#[derive(Debug, Default)]
struct Pending {
    frames: Vec<u8>,
    waker: Option<Waker>,
    overflowed: bool,
}

/// The connection reads too slowly.
#[derive(Debug)]
pub(super) struct Overflowed;

impl Outbox {
    fn push(&self, frame: &[u8]) {
        let mut pending = lock(&self.pending);
        if pending.overflowed {
            return;
        }
        let was_empty = pending.frames.is_empty();
        if pending.frames.len() + frame.len() > OUTBOX_BYTES_MAX {
            pending.frames = Vec::new();
            pending.overflowed = true;
        } else {
            pending.frames.extend_from_slice(frame);
        }
        if (was_empty || pending.overflowed)
            && let Some(waker) = &pending.waker
        {
            waker.wake_by_ref();
        }
    }

    /// Whether more waited than may; nothing more is appended then.
    pub(super) fn is_overflowed(&self) -> bool {
        lock(&self.pending).overflowed
    }

    /// Moves all that waits into `output`, which must be empty, and wakes `waker` at the next push.
    pub(super) fn take_into(&self, output: &mut Vec<u8>, waker: &Waker) -> Result<(), Overflowed> {
        debug_assert!(output.is_empty(), "what was taken before has been written");
        let mut pending = lock(&self.pending);
        if pending.overflowed {
            return Err(Overflowed);
        }
        if !pending.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            pending.waker = Some(waker.clone());
        }
        mem::swap(&mut pending.frames, output);
        Ok(())
    }
}

/// No code panics while it holds one of these locks halfway through a change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
