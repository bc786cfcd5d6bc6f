//! Connections: where a room and a socket meet.
//!
//! A client is first a [`Link`]: a queue and a decision to come. When the room has accepted it, the edge gets a
//! [`Ticket`], answers the handshake, takes the socket to the room's worker and attaches it: then it is a
//! [`Connection`]. Whatever way it ends, the room is told exactly once.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll};

use party_core::event::NewConnection;
use party_core::http::Response;
use party_core::ids::ConnectionId;
use party_core::limits::Limits;
use party_core::message::{CloseFrame, Message};
use tokio::sync::oneshot;

use crate::node::Node;
use crate::outbox::{Outbound, Outbox, Outgoing};
use crate::registry::{RoomEntry, Seat};
use crate::signal::Signal;
use crate::timers::RoomNumber;
use crate::worker::{Worker, WorkerIndex};

/// What became of a client that wanted to connect.
pub enum Connect {
    /// Answer with 101, then attach the socket.
    Accepted(Ticket),
    /// Answer with this.
    Rejected(Response),
}

pub(crate) enum Decision {
    Accepted,
    Rejected(Response),
}

/// One client, as its room's worker knows it.
pub(crate) struct Link {
    pub(crate) id: ConnectionId,
    pub(crate) outbox: Outbox,
    decision: RefCell<Option<oneshot::Sender<Decision>>>,
    reading: Cell<bool>,
    waits_for_credit: Cell<bool>,
    change: Signal,
    reported: Cell<bool>,
}

impl Link {
    pub(crate) fn new(id: ConnectionId, limits: &Limits, decision: oneshot::Sender<Decision>) -> Link {
        let bytes_max = limits.outbound_queue_bytes_max as usize;
        Link {
            id,
            outbox: Outbox::new(bytes_max),
            decision: RefCell::new(Some(decision)),
            reading: Cell::new(false),
            waits_for_credit: Cell::new(false),
            change: Signal::default(),
            reported: Cell::new(false),
        }
    }

    /// Tells the edge. Whether it still listens.
    pub(crate) fn decide(&self, decision: Decision) -> bool {
        match self.decision.borrow_mut().take() {
            Some(sender) => sender.send(decision).is_ok(),
            None => true,
        }
    }

    /// Queues a message. Whether there was room for it; if not, the connection is closed.
    pub(crate) fn send(&self, outgoing: &Rc<Outgoing>) -> bool {
        let has_room = self.outbox.push(outgoing);
        self.change.set();
        has_room
    }

    pub(crate) fn close(&self, frame: Option<CloseFrame>) {
        self.outbox.close(frame);
        self.change.set();
    }

    pub(crate) fn read(&self) {
        self.reading.set(true);
        self.change.set();
    }

    pub(crate) fn has_credit_again(&self) {
        self.waits_for_credit.set(false);
        self.change.set();
    }
}

/// The right to attach a socket to a room. Dropped unused, the room is told that the connection was lost.
pub struct Ticket {
    node: Node,
    worker: WorkerIndex,
    room: RoomNumber,
    connection: ConnectionId,
    used: bool,
}

impl Ticket {
    pub(crate) fn new(node: Node, worker: WorkerIndex, room: RoomNumber, connection: ConnectionId) -> Ticket {
        Ticket { node, worker, room, connection, used: false }
    }

    /// The worker on which the socket must live.
    pub fn worker(&self) -> usize {
        self.worker.0
    }

    /// Attaches a socket; only on the thread of [`Ticket::worker`]. `None` if the room has gone meanwhile.
    pub fn attach(mut self) -> Option<Connection> {
        self.used = true;
        let worker = Worker::current()?;
        assert!(worker.index() == self.worker, "a socket lives on its room's worker");
        let room = worker.rooms().by_number(self.room)?;
        let link = room.link(self.connection)?;
        Some(Connection { room, link })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.used {
            let (room, connection) = (self.room, self.connection);
            self.node.run_on(self.worker, move |worker| {
                if let Some(room) = worker.rooms().by_number(room) {
                    room.connection_closed(connection, CloseFrame::lost(), false);
                }
            });
        }
    }
}

/// One open connection, on the side of its socket.
pub struct Connection {
    room: Rc<RoomEntry>,
    link: Rc<Link>,
}

impl Connection {
    /// Its id in its room.
    pub fn id(&self) -> ConnectionId {
        self.link.id
    }

    /// The bounds of its room.
    pub fn limits(&self) -> &Limits {
        self.room.limits()
    }

    /// Whether the socket should be read now: `on-connect` has settled and there is credit. If not,
    /// [`Connection::poll_change`] tells when it may have become true.
    pub fn may_read(&self) -> bool {
        if !self.link.reading.get() {
            return false;
        }
        if self.room.has_credit(self.link.id) {
            return true;
        }
        if !self.link.waits_for_credit.replace(true) {
            self.room.wait_for_credit(&self.link);
        }
        false
    }

    /// Whether the host answers this message by itself: then the room does not hear of it, and what
    /// [`Connection::next_outbound`] has now holds the answer, behind all that the room has said before.
    pub fn answers(&self, message: &Message) -> bool {
        self.room.answer(&self.link, message)
    }

    /// A message came that [`Connection::answers`] leaves to the room.
    pub fn message(&self, message: Message) {
        self.room.put_in(|core| core.message(self.link.id, message));
    }

    /// The client broke the protocol or a limit.
    pub fn broken(&self, error: String) {
        self.room.put_in(|core| core.broken(self.link.id, error));
    }

    /// The socket has gone. Only the first report counts.
    pub fn closed(&self, frame: CloseFrame, was_clean: bool) {
        if !self.link.reported.replace(true) {
            self.room.connection_closed(self.link.id, frame, was_clean);
        }
    }

    /// Ready when there may be something outbound, or reading may have become possible, since the last time.
    pub fn poll_change(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.link.change.poll(cx)
    }

    /// Whether [`Connection::next_outbound`] has something.
    pub fn has_outbound(&self) -> bool {
        !self.link.outbox.is_empty()
    }

    /// What is to be written next.
    pub fn next_outbound(&self) -> Option<Outbound> {
        self.link.outbox.pop()
    }

    /// So many payload bytes of messages have reached the socket.
    pub fn written(&self, bytes: usize) {
        self.link.outbox.written(bytes);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.closed(CloseFrame::lost(), false);
    }
}

/// On the room's worker: lets a client knock. Gives back what will be decided.
pub(crate) fn knock(
    room: &Rc<RoomEntry>,
    new: NewConnection,
) -> Result<(ConnectionId, oneshot::Receiver<Decision>), party_core::room::Refusal> {
    let (sender, receiver) = oneshot::channel();
    let Some(Seat { id, is_upgraded, is_read }) = room.take_seat() else {
        let id = room.put_in(|core| core.connect(new))?;
        room.add_link(Rc::new(Link::new(id, room.limits(), sender)));
        return Ok((id, receiver));
    };
    let link = Rc::new(Link::new(id, room.limits(), sender));
    if is_upgraded {
        link.decide(Decision::Accepted);
    }
    if is_read {
        link.read();
    }
    room.add_link(link);
    Ok((id, receiver))
}
