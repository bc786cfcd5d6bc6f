//! Over TLS: what is said is the same, and the certificate can be renewed.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use party_core::limits::Limits;
use party_server::config::EdgeConfig;
use party_server::edge::limits::EdgeLimits;
use party_server::server::ServerOptions;
use party_server::tls::Tls;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::world::{SOCKET_BYTES, World, with_options};

/// A certificate of the host `edge`, in files.
pub(crate) struct Certificate {
    directory: tempfile::TempDir,
    der: CertificateDer<'static>,
}

impl Certificate {
    pub(crate) fn new() -> Certificate {
        let mut certificate =
            Certificate { directory: tempfile::tempdir().unwrap(), der: CertificateDer::from(vec![]) };
        certificate.renew();
        certificate
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Puts another in its place.
    fn renew(&mut self) {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["edge".into()]).unwrap();
        fs::write(self.file("cert.pem"), cert.pem()).unwrap();
        fs::write(self.file("key.pem"), signing_key.serialize_pem()).unwrap();
        self.der = cert.der().clone();
    }

    /// For the host.
    pub(crate) fn tls(&self) -> Option<Arc<Tls>> {
        Some(Arc::new(Tls::load(&self.file("cert.pem"), &self.file("key.pem")).unwrap()))
    }

    /// For a client that trusts this certificate and nothing else, and offers these protocols.
    pub(crate) fn client(&self, protocols: &[&[u8]]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Arc::new(config)
    }

    /// A client that has shaken hands.
    pub(crate) async fn dial(
        &self,
        world: &World,
        protocols: &[&[u8]],
    ) -> std::io::Result<TlsStream<DuplexStream>> {
        let connector = TlsConnector::from(self.client(protocols));
        connector.connect("edge".try_into().unwrap(), dial_plain(world)).await
    }
}

fn dial_plain(world: &World) -> DuplexStream {
    let (near, far) = tokio::io::duplex(SOCKET_BYTES);
    world.server.inject(far).expect("there is a place");
    near
}

/// A world that speaks TLS.
pub(crate) fn with_tls(certificate: &Certificate, limits: EdgeLimits, test: impl AsyncFnOnce(&World)) {
    let mut edge = EdgeConfig::default();
    edge.proxies.tell_rooms();
    let options = ServerOptions { tls: certificate.tls(), limits, edge, ..ServerOptions::default() };
    with_options(Limits::default(), options, test);
}

/// Reads until what was read ends so.
async fn read_until(stream: &mut TlsStream<DuplexStream>, end: &str) -> String {
    let mut read = Vec::new();
    while !read.ends_with(end.as_bytes()) {
        let byte = stream.read_u8().await;
        read.push(byte.unwrap_or_else(|error| panic!("{error} after {:?}", String::from_utf8_lossy(&read))));
    }
    String::from_utf8(read).expect("it is text")
}

const GET: &str = "GET /parties/teller/room HTTP/1.1\r\nhost: edge\r\n\r\n";

#[test]
fn a_request_over_tls_is_one_over_https() {
    let certificate = Certificate::new();
    with_tls(&certificate, EdgeLimits::default(), async |world| {
        let offers: [&[&[u8]]; 3] = [&[], &[b"http/1.1"], &[b"spdy/9", b"http/1.1"]];
        for protocols in offers {
            let mut client = certificate.dial(world, protocols).await.unwrap();
            for _ in 0..2 {
                client.write_all(GET.as_bytes()).await.unwrap();
                let answer = read_until(&mut client, "x-forwarded-proto:https\n").await;
                assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
                assert!(answer.contains("x-forwarded-for:127.0.0.1\n"), "{answer}");
            }
        }
        assert!(certificate.dial(world, &[b"spdy/9"]).await.is_err(), "nothing that both speak");
    });
}

#[test]
fn who_speaks_no_tls_is_told_so() {
    let certificate = Certificate::new();
    with_tls(&certificate, EdgeLimits::default(), async |world| {
        let mut client = dial_plain(world);
        client.write_all(GET.as_bytes()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.ends_with("this port speaks TLS: use https:// and wss:// here"), "{answer}");
        drop(client);
        world.settle().await;
        assert_eq!(world.server.connections(), 0);
    });
}

#[test]
fn a_handshake_that_does_not_come_forward_is_cut() {
    let (certificate, limits) = (Certificate::new(), EdgeLimits::default());
    let ms_max = limits.handshake_ms_max;
    with_tls(&certificate, limits, async |world| {
        let mut silent = dial_plain(world);
        let mut slow = dial_plain(world);
        // The head of a record, and nothing in it.
        slow.write_all(&[22, 3, 1, 2, 0]).await.unwrap();
        world.advance(ms_max - 1).await;
        assert_eq!(world.server.connections(), 2);
        world.advance(1).await;
        assert_eq!(world.server.connections(), 0);
        let mut rest = Vec::new();
        silent.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty());
    });
}

#[test]
fn no_more_handshakes_are_under_way_than_may_be() {
    let certificate = Certificate::new();
    let limits = EdgeLimits { handshakes_max: 2, ..EdgeLimits::default() };
    with_tls(&certificate, limits, async |world| {
        // Those that are done do not count.
        let mut done = Vec::new();
        for _ in 0..5 {
            done.push(certificate.dial(world, &[]).await.unwrap());
        }
        let first = dial_plain(world);
        let _second = dial_plain(world);
        world.settle().await;
        assert!(certificate.dial(world, &[]).await.is_err());
        drop(first);
        world.settle().await;
        let mut client = certificate.dial(world, &[]).await.unwrap();
        client.write_all(GET.as_bytes()).await.unwrap();
        read_until(&mut client, "x-forwarded-proto:https\n").await;
    });
}

#[test]
fn who_comes_after_a_renewal_gets_the_new_certificate_and_who_is_here_goes_on() {
    let mut certificate = Certificate::new();
    let options = ServerOptions { tls: certificate.tls(), ..ServerOptions::default() };
    with_options(Limits::default(), options, async |world| {
        let mut before = certificate.dial(world, &[]).await.unwrap();
        // Something that is none is not taken.
        let good = fs::read(certificate.file("cert.pem")).unwrap();
        fs::write(certificate.file("cert.pem"), "nonsense").unwrap();
        world.advance(10_000).await;
        assert!(certificate.dial(world, &[]).await.is_ok());
        fs::write(certificate.file("cert.pem"), good).unwrap();
        world.advance(10_000).await;
        assert!(certificate.dial(world, &[]).await.is_ok());
        still_answers(&mut before).await;
        let old = certificate.client(&[]);
        certificate.renew();
        world.advance(10_000).await;
        assert!(certificate.dial(world, &[]).await.is_ok());
        let connector = TlsConnector::from(old);
        assert!(connector.connect("edge".try_into().unwrap(), dial_plain(world)).await.is_err());
        still_answers(&mut before).await;
    });
}

async fn still_answers(client: &mut TlsStream<DuplexStream>) {
    let request = b"POST /party/room HTTP/1.1\r\nhost: edge\r\ncontent-length: 2\r\n\r\nhi";
    client.write_all(request).await.unwrap();
    read_until(client, "\r\n\r\nhi").await;
}
