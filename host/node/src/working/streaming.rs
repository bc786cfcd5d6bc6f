//! Streams that a room has opened: what arrives is put in while the room has credit for it, and what it sends goes out.
//!
//! Whoever works holds nothing of the room but its number, and asks for it anew each time.

use std::collections::VecDeque;
use std::rc::Rc;

use party_core::address::RoomAddress;
use party_core::event::{NewConnection, Outcome};
use party_core::http::Request;
use party_core::ids::{OperationId, StreamId};
use party_core::limits::FETCH_MS_MAX;
use party_core::message::{CloseFrame, Message};
use party_core::operation::{ConnectTarget, OperationError};
use party_core::profile;
use party_core::room::Refusal;
use party_core::stream::StreamEvent;
use tokio::sync::mpsc;

use crate::connection::{Connect, Connection};
use crate::node::{Node, Unavailable};
use crate::outbound::{Fetch, FromSocket, Socket, SocketDriver, ToSocket, next_piece};
use crate::outbox::Outbound;
use crate::project::Project;
use crate::registry::RoomEntry;
use crate::request_body::{CLIENT_GONE, Upload};
use crate::timers::RoomNumber;
use crate::worker::Worker;

/// The room that waits for what a stream brings.
#[derive(Clone, Copy)]
pub(super) struct Reader {
    pub(super) room: RoomNumber,
    pub(super) operation: OperationId,
}

impl Reader {
    fn stream(self) -> StreamId {
        self.operation.stream()
    }

    fn entry(self) -> Option<Rc<RoomEntry>> {
        Worker::current()?.rooms().by_number(self.room)
    }

    fn put_in(self, what: StreamEvent) {
        if let Some(entry) = self.entry() {
            entry.put_in(|core| core.stream_event(self.stream(), what));
        }
    }

    /// Waits until the room takes more of the stream. Whether there still is a room.
    async fn credit(self) -> bool {
        loop {
            let Some(entry) = self.entry() else { return false };
            if entry.core.borrow().stream_has_credit(self.stream()) {
                return true;
            }
            let fed = entry.streams_fed();
            drop(entry);
            fed.await;
        }
    }
}

/// Fetches, and brings the body of the answer piece by piece. `answer` is told the outcome.
pub(super) async fn fetch(
    node: &Node,
    project: &Project,
    fetch: Fetch,
    reader: Reader,
    answer: impl FnOnce(Outcome),
) {
    let mut pieces = match project.outbound.fetch_streamed(fetch).await {
        Ok((head, pieces)) => {
            answer(Outcome::Streamed(Box::new(head)));
            pieces
        }
        Err(error) => return answer(Outcome::Failed(error)),
    };
    loop {
        if !reader.credit().await {
            return;
        }
        let clock = node.clock();
        let late = clock.sleep_until_ticks(clock.ticks().after_ms(FETCH_MS_MAX));
        let piece = tokio::select! {
            biased;
            piece = next_piece(&mut *pieces) => piece,
            () = late => Some(Err(format!("nothing has come within {FETCH_MS_MAX} ms"))),
        };
        match piece {
            Some(Ok(bytes)) => reader.put_in(StreamEvent::Chunk(bytes)),
            Some(Err(why)) => return reader.put_in(StreamEvent::Error(why)),
            None => return reader.put_in(StreamEvent::End),
        }
    }
}

/// Brings the body of a request piece by piece.
pub(super) async fn upload(upload: Upload, reader: Reader) {
    let mut body = match upload {
        Upload::Waiting(body) => body,
        Upload::CameAlong => return reader.put_in(StreamEvent::End),
        Upload::Read => return reader.put_in(StreamEvent::Error("the body was read before".into())),
        Upload::Gone => return reader.put_in(StreamEvent::Error(CLIENT_GONE.into())),
    };
    while reader.credit().await {
        match body.next().await {
            Some(Ok(bytes)) => reader.put_in(StreamEvent::Chunk(bytes)),
            Some(Err(why)) => return reader.put_in(StreamEvent::Error(why)),
            None => return reader.put_in(StreamEvent::End),
        }
    }
}

/// Opens a socket, and brings what comes through it. `answer` is told the outcome, and how the room sends.
pub(super) async fn connect(
    node: &Node,
    project: &Project,
    target: &ConnectTarget,
    message_bytes_max: u32,
    reader: Reader,
    answer: impl FnOnce(Outcome, Option<mpsc::UnboundedSender<ToSocket>>),
) {
    let opened = match target {
        ConnectTarget::Url(url) => project.outbound.connect(url.clone(), message_bytes_max).await,
        ConnectTarget::Room { party, room, request } => {
            to_room(node, &project.name, party, room, request).await
        }
    };
    let Socket { to, mut from, mut taken } = match opened {
        Ok(socket) => socket,
        Err(error) => return answer(Outcome::Failed(error), None),
    };
    answer(Outcome::Connected, Some(to));
    let mut has_credit = true;
    loop {
        let event = tokio::select! {
            biased;
            Some(bytes) = taken.recv() => {
                if let Some(entry) = reader.entry() {
                    entry.put_in(|core| core.stream_taken(reader.stream(), bytes));
                }
                continue;
            }
            is_there = reader.credit(), if !has_credit => {
                if !is_there {
                    return;
                }
                has_credit = true;
                continue;
            }
            event = from.recv(), if has_credit => event,
        };
        reader.put_in(match event {
            Some(FromSocket::Message(message)) => StreamEvent::Message(message),
            Some(FromSocket::Closed(frame)) => return reader.put_in(StreamEvent::Closed(frame)),
            Some(FromSocket::Broke(why)) => return reader.put_in(StreamEvent::Error(why)),
            None => return reader.put_in(StreamEvent::Error("the connection was lost".into())),
        });
        has_credit = false;
    }
}

/// Opens a socket to another room of the project, which sees a client.
async fn to_room(
    node: &Node,
    project: &str,
    party: &str,
    room: &str,
    request: &Request,
) -> Result<Socket, OperationError> {
    let failed = |error: &dyn std::fmt::Display| OperationError::Connect(error.to_string());
    let address = RoomAddress::new(project, party, room).map_err(|error| failed(&error))?;
    let words = node.party(project, party).map(|party| party.profile).unwrap_or_default();
    let new = NewConnection {
        key: profile::client_key(request.query()).unwrap_or_else(|| node.client_id(words)),
        uri: request.uri.clone(),
        headers: request.headers.clone(),
        opened_at: node.clock().now(),
    };
    let ticket = match node.connect(address, new).await {
        Ok(Connect::Accepted(ticket)) => ticket,
        Ok(Connect::Rejected(response)) => {
            let text = String::from_utf8_lossy(&response.body).into_owned();
            return Err(OperationError::Connect(format!("the room answered {}: {text}", response.status)));
        }
        Err(Unavailable::NoSuchParty) => return Err(OperationError::NoSuchParty(party.to_owned())),
        Err(Unavailable::Refused(Refusal::TooManyConnections { connections_max })) => {
            return Err(OperationError::Overloaded(connections_max));
        }
        Err(error) => return Err(failed(&error)),
    };
    let (socket, driver) = Socket::pair();
    node.spawn_on(ticket.worker(), move || async move {
        // A ticket whose room has gone brings nobody: whoever waits sees that the socket was lost.
        if let Some(connection) = ticket.attach() {
            between_rooms(connection, driver).await;
        }
    });
    Ok(socket)
}

/// Carries a socket between two rooms, on the worker of the one that has been called.
async fn between_rooms(connection: Connection, driver: SocketDriver) {
    let SocketDriver { mut to, from, taken } = driver;
    let bytes_max = connection.limits().message_in_bytes_max;
    // What the other room has not taken. It counts for the connection until it has, so it is bounded as that is.
    let mut leaving: VecDeque<Message> = VecDeque::new();
    loop {
        while let Some(outbound) = connection.next_outbound() {
            match outbound {
                Outbound::Frame(outgoing) | Outbound::Answer(outgoing) => {
                    leaving.push_back(outgoing.message().clone());
                }
                Outbound::Close(frame) => {
                    let frame = frame.unwrap_or_else(CloseFrame::no_code);
                    last_words(from, leaving, frame.clone());
                    return connection.closed(frame, true);
                }
            }
        }
        let may_read = connection.may_read();
        let came = tokio::select! {
            biased;
            () = std::future::poll_fn(|cx| connection.poll_change(cx)) => continue,
            place = from.reserve(), if !leaving.is_empty() => {
                let (Ok(place), Some(message)) = (place, leaving.pop_front()) else {
                    return connection.closed(CloseFrame::lost(), false);
                };
                let bytes = message.len();
                place.send(FromSocket::Message(message));
                connection.written(bytes);
                continue;
            }
            came = to.recv(), if may_read => came,
        };
        match came {
            Some(ToSocket::Send(message)) if message.len() > bytes_max as usize => {
                let (bytes, bytes_max) = (message.len() as u64, u64::from(bytes_max));
                let frame = profile::too_large(bytes, bytes_max);
                connection.broken(frame.reason.clone());
                last_words(from, leaving, frame.clone());
                return connection.closed(frame, true);
            }
            Some(ToSocket::Send(message)) => {
                let bytes = message.len().max(1) as u64;
                if !connection.answers(&message) {
                    connection.message(message);
                }
                // The room that sends may have gone; its end comes next.
                let _ = taken.send(bytes);
            }
            Some(ToSocket::Close(frame)) => {
                let frame = frame.unwrap_or_else(CloseFrame::no_code);
                last_words(from, leaving, frame.clone());
                return connection.closed(frame, true);
            }
            None => return connection.closed(CloseFrame::lost(), false),
        }
    }
}

/// What has left before a socket between two rooms was closed, and its close: as fast as the room that has opened it takes them,
/// however long that is. The other one has heard of the close by then.
fn last_words(from: mpsc::Sender<FromSocket>, leaving: VecDeque<Message>, frame: CloseFrame) {
    tokio::task::spawn_local(async move {
        for message in leaving {
            if from.send(FromSocket::Message(message)).await.is_err() {
                return;
            }
        }
        // Whoever has opened it may have gone.
        let _ = from.send(FromSocket::Closed(frame)).await;
    });
}
