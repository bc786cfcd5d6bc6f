//! A running edge: where clients come in, and how it ends.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use party_node::clock::Ticks;
use party_node::node::Node;
use thiserror::Error;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;

use crate::assets::Assets;
use crate::config::EdgeConfig;
use crate::config::routing::Routing;
use crate::edge::addresses::Addresses;
use crate::edge::count::Count;
use crate::edge::limits::EdgeLimits;
use crate::edge::transport::Moving;
use crate::edge::watch::Stage;
use crate::edge::worker::{EdgeWorker, Shared, ToEdge};
use crate::tls::{Tls, keep_fresh};

/// How a server is set up.
#[derive(Debug, Default)]
pub struct ServerOptions {
    /// Sockets that listen already, see [`crate::edge::listener::listen`]. None is needed for
    /// [`Server::inject`].
    pub listeners: Vec<TcpListener>,
    /// Static assets.
    pub assets: Option<Arc<Assets>>,
    /// The bounds of the host's edge.
    pub limits: EdgeLimits,
    /// Who may come, and who is believed.
    pub edge: EdgeConfig,
    /// How rooms are addressed. Parties have the same profile.
    pub routing: Routing,
    /// The certificate, if TLS is spoken, and nothing else.
    pub tls: Option<Arc<Tls>>,
    /// Whether whoever asks for `/__scheduled__?cron=NAME` begins that scheduled run: for development.
    pub runs_by_hand: bool,
}

/// How long it may take until clients that are cut off have gone, in milliseconds: less than nothing, unless a thread of the
/// host does not come to it.
const CUT_MS_MAX: u64 = 5_000;

/// Why a server did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A listening socket cannot be shared among the workers.
    #[error("a listening socket cannot be used")]
    Listener(#[from] io::Error),
}

/// The host has no place for another client.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("{connections_max} clients are connected, which is the limit")]
pub struct NoPlace {
    /// The bound.
    pub connections_max: usize,
}

/// A running edge. Dropped, it accepts and reads no more mail; what it serves goes on until the node's workers end.
pub struct Server {
    shared: Shared,
    addresses: Vec<SocketAddr>,
    next: AtomicUsize,
}

impl Server {
    /// Starts serving the rooms of a node, on the node's own workers.
    pub fn start(node: &Node, options: ServerOptions) -> Result<Server, StartError> {
        let workers = node.workers();
        let addresses = options.listeners.iter().map(TcpListener::local_addr).collect::<io::Result<_>>()?;
        // Every worker accepts from all of them: whoever is free takes the next client.
        let mut listeners = Vec::with_capacity(workers);
        for _ in 0..workers {
            let clones = options.listeners.iter().map(TcpListener::try_clone);
            listeners.push(clones.collect::<io::Result<Vec<_>>>()?);
        }
        let (edges, mails): (Vec<_>, Vec<_>) = (0..workers).map(|_| mpsc::unbounded_channel()).unzip();
        let shared = Shared {
            node: node.clone(),
            assets: options.assets,
            runs_by_hand: options.runs_by_hand,
            places: Count::new(options.limits.connections_max),
            bodies: Count::new(options.limits.bodies_bytes_max),
            handshakes: Count::new(options.limits.handshakes_max),
            tls: options.tls,
            limits: Arc::new(options.limits),
            is_told: Arc::default(),
            requests: Addresses::new(options.edge.rates.requests_per_second_max).map(Arc::new),
            connects: Addresses::new(options.edge.rates.connects_per_second_max).map(Arc::new),
            edges: edges.into(),
            config: Arc::new(options.edge),
            routing: Arc::new(options.routing),
        };
        if let Some(tls) = shared.tls.clone() {
            let clock = Arc::clone(node.clock());
            node.spawn_on(0, move || keep_fresh(tls, clock));
        }
        for (index, (listeners, mail)) in listeners.into_iter().zip(mails).enumerate() {
            let shared = shared.clone();
            node.spawn_on(index, move || EdgeWorker::new(shared, index).run(listeners, mail));
        }
        Ok(Server { shared, addresses, next: AtomicUsize::new(0) })
    }

    /// Where it listens, in the order of the options.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// How many clients are connected.
    pub fn connections(&self) -> usize {
        self.shared.places.held()
    }

    /// Serves a client that comes over memory instead of the network, as if from this machine.
    pub fn inject(&self, stream: DuplexStream) -> Result<(), NoPlace> {
        self.inject_from(stream, Ipv4Addr::LOCALHOST.into())
    }

    /// Serves a client that comes over memory as if from this address.
    pub fn inject_from(&self, stream: DuplexStream, address: IpAddr) -> Result<(), NoPlace> {
        let no_place = NoPlace { connections_max: self.shared.limits.connections_max };
        let place = self.shared.places.take(1).ok_or(no_place)?;
        let edge = self.next.fetch_add(1, Ordering::Relaxed) % self.shared.edges.len();
        // A worker that has ended drops the stream, which is what its client would see of a host that is gone.
        let _ = self.shared.edges[edge].send(ToEdge::Serve(Moving::Memory(stream), address, place));
        Ok(())
    }

    /// Ends with grace: accepts nobody, answers the requests that are under way, closes WebSockets with 1001 and
    /// idle connections at once. What is not done by the deadline is cut, whatever the clock is set to meanwhile. Gives back
    /// how many were cut.
    pub async fn drain(&self, deadline: Ticks) -> usize {
        self.advance(Stage::Draining);
        tokio::select! {
            biased;
            () = self.shared.places.until_empty() => return 0,
            () = self.shared.node.clock().sleep_until_ticks(deadline) => {}
        }
        let cut = self.shared.places.held();
        self.advance(Stage::Cut);
        let clock = self.shared.node.clock();
        tokio::select! {
            biased;
            () = self.shared.places.until_empty() => {}
            () = clock.sleep_until_ticks(clock.ticks().after_ms(CUT_MS_MAX)) => {}
        }
        cut
    }

    fn advance(&self, stage: Stage) {
        for edge in self.shared.edges.iter() {
            // A worker that has ended serves nobody.
            let _ = edge.send(ToEdge::Advance(stage));
        }
    }
}
