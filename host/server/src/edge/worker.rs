//! The edge on one worker: the connections that this thread serves, and the mail that brings it more.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use hyper::header::HeaderMap;
use party_core::http::{Header, Response};
use party_node::clock::Clock;
use party_node::connection::Ticket;
use party_node::node::Node;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;

use super::addresses::Addresses;
use super::count::{Count, Share};
use super::greeting::greet;
use super::limits::EdgeLimits;
use super::listener;
use super::proxies::Peer;
use super::socket::{Detached, Socket};
use super::transport::{Moving, Transport};
use super::watch::{Stage, Watch};
use super::websocket::WebSocket;
use super::{http, http2};
use crate::assets::Assets;
use crate::config::EdgeConfig;
use crate::config::routing::Routing;
use crate::tls::Tls;

/// What a client is told that connects too often.
const TOO_OFTEN: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\ncontent-type: text/plain;charset=UTF-8\r\n\
    content-length: 51\r\nretry-after: 1\r\nconnection: close\r\n\r\nyour address connects too often; wait and try again";

/// Mail for a worker's edge. Never more than there are connections, which are bounded, and stages.
pub(crate) enum ToEdge {
    /// Serve a new client, which comes from there.
    Serve(Moving, IpAddr, Share),
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
    pub(crate) config: Arc<EdgeConfig>,
    pub(crate) routing: Arc<Routing>,
    /// It was said that somebody is not believed who says for whom they ask.
    pub(crate) is_told: Arc<AtomicBool>,
    /// How fast each client asks, if that is bounded.
    pub(crate) requests: Option<Arc<Addresses>>,
    /// How fast each address connects, if that is bounded.
    pub(crate) connects: Option<Arc<Addresses>>,
    pub(crate) assets: Option<Arc<Assets>>,
    /// Whether scheduled runs are begun by whoever asks.
    pub(crate) runs_by_hand: bool,
    /// All connections of the host.
    pub(crate) places: Arc<Count>,
    /// Bytes of all request bodies.
    pub(crate) bodies: Arc<Count>,
    /// TLS handshakes under way.
    pub(crate) handshakes: Arc<Count>,
    pub(crate) tls: Option<Arc<Tls>>,
    /// The mail of every worker's edge, by its number.
    pub(crate) edges: Arc<[mpsc::UnboundedSender<ToEdge>]>,
}

/// The edge on one worker.
pub(crate) struct EdgeWorker {
    shared: Shared,
    index: usize,
    pub(crate) limits: Arc<EdgeLimits>,
    pub(crate) watch: Rc<Watch>,
    pub(crate) http: http::Protocol,
    pub(crate) http2: http2::Protocol,
}

impl EdgeWorker {
    /// On the worker's own thread.
    pub(crate) fn new(shared: Shared, index: usize) -> Rc<EdgeWorker> {
        let limits = Arc::clone(&shared.limits);
        let (http, http2) = (http::Protocol::new(&limits), http2::Protocol::new(&limits));
        Rc::new(EdgeWorker { shared, index, limits, watch: Watch::new(), http, http2 })
    }

    pub(crate) fn node(&self) -> &Node {
        &self.shared.node
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        self.shared.node.clock()
    }

    pub(crate) fn config(&self) -> &EdgeConfig {
        &self.shared.config
    }

    /// How rooms are addressed.
    pub(crate) fn routing(&self) -> &Routing {
        &self.shared.routing
    }

    /// Whether the page that asks may speak to rooms and lobbies. An error is the refusal.
    pub(crate) fn allow_page(&self, headers: &HeaderMap) -> Result<(), Response> {
        self.config().allowed_origins.as_ref().map_or(Ok(()), |origins| origins.check(headers))
    }

    /// Says once that headers which a proxy sets came from somebody who is not believed: who has just put a proxy in front
    /// would look for them in vain.
    pub(crate) fn tell_of_disbelief(&self, peer: Peer) {
        if !self.shared.is_told.swap(true, Ordering::Relaxed) {
            tracing::info!(
                "{} sends headers that only a proxy is believed, and is none that edge.trusted_proxies lists: rooms do not see them",
                peer.address
            );
        }
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

    pub(crate) fn handshakes(&self) -> &Arc<Count> {
        &self.shared.handshakes
    }

    pub(crate) fn tls(&self) -> Option<&Tls> {
        self.shared.tls.as_deref()
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
                ToEdge::Serve(transport, address, place) => match transport.attach() {
                    Ok(transport) => self.serve(transport, address, place),
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

    /// Whether a client may ask for something more. An error is the refusal.
    pub(crate) fn take_request(&self, client: Peer) -> Result<(), Response> {
        let Some(requests) = &self.shared.requests else { return Ok(()) };
        let now = self.clock().ticks();
        requests.take(client.address, now).map_err(|wait_ms| {
            let text = format!(
                "{} asks too often: {} requests in a second are the limit",
                client.address,
                requests.per_second()
            );
            let mut refusal = Response::text(429, text);
            let seconds = wait_ms.div_ceil(1_000).max(1).to_string();
            refusal.headers.push(Header { name: "retry-after".into(), value: seconds.into() });
            refusal
        })
    }

    /// Whether somebody may connect once more. A proxy's clients are told apart by what they ask.
    fn may_connect(&self, address: IpAddr) -> bool {
        let Some(connects) = &self.shared.connects else { return true };
        self.config().proxies.has(address) || connects.take(address, self.clock().ticks()).is_ok()
    }

    /// Serves a new client.
    pub(crate) fn serve(self: &Rc<EdgeWorker>, mut transport: Transport, address: IpAddr, place: Share) {
        let peer = Peer { address: address.to_canonical(), is_secure: false };
        if !self.may_connect(peer.address) {
            // Over TLS nobody could read it.
            if self.tls().is_some() {
                return;
            }
            tokio::task::spawn_local(async move {
                // A fresh socket takes these few bytes at once; a client that has gone misses nothing.
                let _ = transport.write_all(TOO_OFTEN).await;
                drop(place);
            });
            return;
        }
        tokio::task::spawn_local(greet(Rc::clone(self), transport, peer, place));
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
