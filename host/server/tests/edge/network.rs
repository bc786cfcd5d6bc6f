//! Over the loopback network, with workers on threads of their own.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use party_core::limits::Limits;
use party_node::clock::SystemClock;
use party_node::node::{Node, Threads};
use party_node::party::Memory;
use party_server::assets::{AssetReads, Assets};
use party_server::config::ServeConfig;
use party_server::edge::limits::EdgeLimits;
use party_server::edge::listener::listen;
use party_server::edge::projects::ProjectOptions;
use party_server::server::{Server, ServerOptions};
use party_store::memory::MemoryStore;
use party_store::testing::faulty_store::{Fault, FaultyStore};
use tokio_rustls::rustls::{ClientConnection, StreamOwned};

use crate::tls::Certificate;
use crate::wire::text;
use crate::world::{node_parts, upgrade};

/// A host on a port of its own. A client that waits longer than this for a byte has waited in vain.
const PATIENCE: Duration = Duration::from_secs(30);

struct Host {
    address: SocketAddr,
    _server: Server,
    threads: Option<Threads>,
}

fn host(workers: usize, limits: EdgeLimits, assets: Option<&ServeConfig>) -> Host {
    let assets = assets.map(|config| Arc::new(Assets::open(config, &AssetReads::default()).unwrap()));
    let of_project = ProjectOptions { assets, ..ProjectOptions::default() };
    let projects = [("edge".to_owned(), of_project)].into();
    host_with(workers, ServerOptions { limits, projects, ..ServerOptions::default() })
}

fn host_with(workers: usize, options: ServerOptions) -> Host {
    let parts = node_parts(Arc::new(SystemClock), Limits::default(), workers);
    let (node, threads) = Node::start(parts).unwrap();
    let listeners = vec![listen("127.0.0.1:0".parse().unwrap()).unwrap()];
    let server = Server::start(&node, ServerOptions { listeners, ..options }).unwrap();
    Host { address: server.addresses()[0], _server: server, threads: Some(threads) }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.threads.take().unwrap().stop();
    }
}

fn dial(host: &Host) -> TcpStream {
    let stream = TcpStream::connect(host.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Reads until what was read ends with `end`.
fn read_until(stream: &mut impl Read, end: &[u8]) -> Vec<u8> {
    let (mut read, mut byte) = (Vec::new(), [0]);
    while !read.ends_with(end) {
        let count = stream.read(&mut byte).unwrap();
        assert!(count == 1, "the connection ended after {:?}", String::from_utf8_lossy(&read));
        read.push(byte[0]);
    }
    read
}

#[test]
fn rooms_on_every_worker_are_reached_from_every_worker() {
    let host = host(3, EdgeLimits::default(), None);
    check_rooms_on_every_worker(|| dial(&host));
}

/// TLS goes on on the thread that it is brought to.
#[test]
fn rooms_on_every_worker_are_reached_over_tls() {
    let certificate = Certificate::new();
    let host = host_with(3, ServerOptions { tls: certificate.tls(), ..ServerOptions::default() });
    check_rooms_on_every_worker(|| {
        let connection = ClientConnection::new(certificate.client(&[]), "edge".try_into().unwrap()).unwrap();
        StreamOwned::new(connection, dial(&host))
    });
}

fn check_rooms_on_every_worker<S: Read + Write>(dial: impl Fn() -> S) {
    // Clients are accepted by whoever is free, rooms live where their address says: with 48 rooms, many sockets
    // change threads after their handshake.
    let mut sockets: Vec<S> = (0..48)
        .map(|number| {
            let mut stream = dial();
            stream.write_all(upgrade(&format!("/party/room-{number}")).as_bytes()).unwrap();
            read_until(&mut stream, b"\r\n\r\n");
            stream
        })
        .collect();
    for round in 0..3 {
        for (number, stream) in sockets.iter_mut().enumerate() {
            stream.write_all(&text(&format!("{number}/{round}"))).unwrap();
        }
        for (number, stream) in sockets.iter_mut().enumerate() {
            let read = read_until(stream, format!("{number}/{round}").as_bytes());
            assert_eq!(read.len(), format!("{number}/{round}").len() + 2);
        }
    }
}

/// What nobody reads stands before the end of a client that has gone. It is given up long before the request is.
#[test]
fn a_client_that_has_gone_is_noticed_behind_what_nobody_reads() {
    let host = host(1, EdgeLimits { head_ms_max: 200, ..EdgeLimits::default() }, None);
    let get = "GET /party/wait HTTP/1.1\r\nhost: edge\r\n\r\n";
    let post = "POST /parties/forgoer/wait HTTP/1.1\r\nhost: edge\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = format!("{:x}\r\n{}\r\n", 100_000, "x".repeat(100_000));
    for (request, behind) in [(get, "GET /party/room HT"), (post, &chunk)] {
        let mut stream = dial(&host);
        stream.write_all(request.as_bytes()).unwrap();
        stream.write_all(behind.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        // Cut with unread bytes, it may be reset; it was not waited for in vain.
        let ended = stream.read_to_end(&mut answer).map_err(|error| error.kind());
        assert!(matches!(ended, Ok(_) | Err(ErrorKind::ConnectionReset)), "{ended:?}");
        assert_eq!(answer, b"", "nobody has answered it");
    }
}

#[test]
fn a_client_without_a_place_is_told_so() {
    let host = host(1, EdgeLimits { connections_max: 1, ..EdgeLimits::default() }, None);
    let mut first = dial(&host);
    first.write_all(upgrade("/party/room").as_bytes()).unwrap();
    read_until(&mut first, b"\r\n\r\n");
    let mut second = dial(&host);
    let mut answer = String::new();
    second.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.ends_with("the host has no place for a new client"), "{answer}");
}

#[test]
fn assets_are_served_beside_rooms() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("index.html"), "<h1>hi").unwrap();
    std::fs::write(directory.path().join("large.bin"), vec![b'x'; 300_000]).unwrap();
    let config = ServeConfig { path: directory.path().into(), single_page_app: false };
    let host = host(1, EdgeLimits::default(), Some(&config));
    let mut stream = dial(&host);
    let mut ask = |method: &str, path: &str, end: &[u8]| {
        stream.write_all(format!("{method} {path} HTTP/1.1\r\nhost: edge\r\n\r\n").as_bytes()).unwrap();
        String::from_utf8(read_until(&mut stream, end)).unwrap()
    };
    let index = ask("GET", "/", b"<h1>hi");
    assert!(
        index.starts_with("HTTP/1.1 200 OK\r\n") && index.contains("\r\ncontent-length: 6\r\n"),
        "{index}"
    );
    let head = ask("HEAD", "/large.bin", b"\r\n\r\n");
    assert!(head.contains("\r\ncontent-length: 300000\r\n"), "{head}");
    let large = ask("GET", "/large.bin", &[b'x'; 300_000]);
    assert!(large.contains("\r\ncontent-type: application/octet-stream\r\n"));
    let etag = index.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap().to_owned();
    let fresh = ask("GET", &format!("/ HTTP/1.1\r\nif-none-match: {etag}\r\nx: "), b"\r\n\r\n");
    assert!(fresh.starts_with("HTTP/1.1 304 ") && !fresh.contains("content-length: 6"), "{fresh}");
    let room = ask("POST", "/party/room", b"\r\n\r\n");
    assert!(room.starts_with("HTTP/1.1 200 "), "{room}");
    let nothing = ask("GET", "/nothing", b"Not found");
    assert!(nothing.starts_with("HTTP/1.1 404 "), "{nothing}");
}

/// Whoever has started the node hears of it, and ends it.
#[test]
fn a_node_whose_writer_panics_says_that_it_cannot_go_on() {
    let mut parts = node_parts(Arc::new(SystemClock), Limits::default(), 2);
    parts.store = Arc::new(FaultyStore::scripted(Arc::new(MemoryStore::default()), [Fault::Panics]));
    parts.parties.iter_mut().for_each(|party| party.memory = Memory::Hibernate);
    let (node, threads) = Node::start(parts).unwrap();
    let listeners = vec![listen("127.0.0.1:0".parse().unwrap()).unwrap()];
    let server = Server::start(&node, ServerOptions { listeners, ..ServerOptions::default() }).unwrap();
    let mut stream = TcpStream::connect(server.addresses()[0]).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(upgrade("/party/room").as_bytes()).unwrap();
    read_until(&mut stream, b"\r\n\r\n");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let told = runtime.block_on(async {
        // The room's memory is to be written, which nobody can.
        tokio::select! {
            told = node.broken() => told,
            () = node.end() => panic!("ended as if nothing had happened"),
            () = tokio::time::sleep(PATIENCE) => panic!("not told"),
        }
    });
    assert_eq!(told, "writing: a panic was injected");
    drop(server);
    threads.stop();
}
