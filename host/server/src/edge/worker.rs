//! The edge on one worker: the connections that this thread serves, and the mail that brings it more.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use party_node::clock::Clock;
use party_node::connection::Ticket;
use party_node::node::Node;
use tokio::sync::mpsc;

use super::count::{Count, Share};
use super::http::{self, Protocol};
use super::limits::EdgeLimits;
use super::listener;
use super::socket::{Detached, Socket};
use super::watch::{Stage, Watch};
use super::websocket::WebSocket;
use crate::assets::Assets;

/// Mail for a worker's edge. Never more than there are connections, which are bounded, and stages.
pub(crate) enum ToEdge {
    /// Serve a new client.
    Serve(Detached, Share),
    /// Go on with a client that has been accepted to a room of this worker.
    Adopt(Adopted),
    /// Go on to a later stage.
    Advance(Stage),
}

/// A client that has been accepted to a room, its handshake answered.
pub(crate) struct Adopted {
    pub(crate) socket: Detached,
    pub(crate) ticket: Ticket,
    pub(crate) arrival: Arrival,
}

/// What a client brings from its handshake.
pub(crate) struct Arrival {
    /// What came behind the handshake.
    pub(crate) unread: Bytes,
    /// What has yet to be written of the answer to it.
    pub(crate) owed: Bytes,
    /// Its place among the host's connections.
    pub(crate) place: Share,
}

/// What all workers' edges have in common.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) node: Node,
    pub(crate) limits: Arc<EdgeLimits>,
    pub(crate) assets: Option<Arc<Assets>>,
    /// Whether scheduled runs are begun by whoever asks.
    pub(crate) runs_by_hand: bool,
    /// All connections of the host.
    pub(crate) places: Arc<Count>,
    /// Bytes of all request bodies.
    pub(crate) bodies: Arc<Count>,
    /// The mail of every worker's edge, by its number.
    pub(crate) edges: Arc<[mpsc::UnboundedSender<ToEdge>]>,
}

/// The edge on one worker.
pub(crate) struct EdgeWorker {
    shared: Shared,
    index: usize,
    pub(crate) limits: Arc<EdgeLimits>,
    pub(crate) watch: Rc<Watch>,
    pub(crate) http: Protocol,
}

impl EdgeWorker {
    /// On the worker's own thread.
    pub(crate) fn new(shared: Shared, index: usize) -> Rc<EdgeWorker> {
        let limits = Arc::clone(&shared.limits);
        let http = Protocol::new(&limits);
        Rc::new(EdgeWorker { shared, index, limits, watch: Watch::new(), http })
    }

    pub(crate) fn node(&self) -> &Node {
        &self.shared.node
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        self.shared.node.clock()
    }

    pub(crate) fn assets(&self) -> Option<&Assets> {
        self.shared.assets.as_deref()
    }

    /// Whether scheduled runs are begun by whoever asks.
    pub(crate) fn runs_by_hand(&self) -> bool {
        self.shared.runs_by_hand
    }

    pub(crate) fn places(&self) -> &Arc<Count> {
        &self.shared.places
    }

    pub(crate) fn bodies(&self) -> &Arc<Count> {
        &self.shared.bodies
    }

    /// Accepts clients and reads mail until the server is gone.
    pub(crate) async fn run(
        self: Rc<EdgeWorker>,
        listeners: Vec<std::net::TcpListener>,
        mut mail: mpsc::UnboundedReceiver<ToEdge>,
    ) {
        tokio::task::spawn_local(Rc::clone(&self.watch).keep_time(Arc::clone(self.clock())));
        let mut accepting = tokio::task::JoinSet::new();
        for listener in listeners {
            accepting.spawn_local(listener::accept(Rc::clone(&self), listener));
        }
        while let Some(message) = mail.recv().await {
            match message {
                ToEdge::Serve(socket, place) => match socket.attach() {
                    Ok(socket) => self.serve(socket, place),
                    Err(error) => tracing::warn!("a client is lost on its way to its worker: {error}"),
                },
                ToEdge::Adopt(adopted) => self.adopt(adopted),
                ToEdge::Advance(stage) => {
                    accepting.abort_all();
                    self.watch.advance(stage);
                }
            }
        }
    }

    /// Serves a new client.
    pub(crate) fn serve(self: &Rc<EdgeWorker>, socket: Socket, place: Share) {
        tokio::task::spawn_local(http::serve(Rc::clone(self), socket, place));
    }

    /// Takes a client to its room, on whatever worker that is.
    pub(crate) fn bring(self: &Rc<EdgeWorker>, socket: Socket, ticket: Ticket, arrival: Arrival) {
        if ticket.worker() == self.index {
            self.attach(socket, ticket, arrival);
            return;
        }
        let to = ticket.worker();
        match socket.detach() {
            Ok(socket) => {
                // A worker that has ended has no rooms left; the ticket that is dropped says so.
                let _ = self.shared.edges[to].send(ToEdge::Adopt(Adopted { socket, ticket, arrival }));
            }
            Err(error) => tracing::warn!("a client is lost on its way to its room: {error}"),
        }
    }

    fn adopt(self: &Rc<EdgeWorker>, Adopted { socket, ticket, arrival }: Adopted) {
        match socket.attach() {
            Ok(socket) => self.attach(socket, ticket, arrival),
            Err(error) => tracing::warn!("a client is lost on its way to its room: {error}"),
        }
    }

    fn attach(self: &Rc<EdgeWorker>, socket: Socket, ticket: Ticket, arrival: Arrival) {
        // Without a room there is nobody to speak for it; the client sees the connection end and may come back.
        if let Some(connection) = ticket.attach() {
            tokio::task::spawn_local(WebSocket::new(Rc::clone(self), socket, connection, arrival));
        }
    }
}
