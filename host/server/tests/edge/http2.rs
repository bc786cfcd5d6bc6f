//! HTTP/2 over TLS, with a client that is not ours, and byte by byte where that is too well-behaved.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::future::join_all;
use http_body_util::{BodyExt, Empty, Full, combinators::BoxBody};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::rt::Executor;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use party_core::limits::Limits;
use party_server::edge::limits::EdgeLimits;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;
use tokio_rustls::client::TlsStream;

use crate::tls::{Certificate, with_tls};
use crate::world::World;

const HTTP_2: &[u8] = b"h2";

#[derive(Clone)]
struct Local;

impl<F: Future<Output = ()> + 'static> Executor<F> for Local {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

type Client = SendRequest<BoxBody<Bytes, Infallible>>;

/// A client, and its connection, which ends with an error or without one.
async fn connect(world: &World, certificate: &Certificate) -> (Client, JoinHandle<hyper::Result<()>>) {
    let stream = certificate.dial(world, &[HTTP_2, b"http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(HTTP_2), "it is chosen where it is offered");
    let (client, connection) = handshake(Local, TokioIo::new(stream)).await.unwrap();
    (client, tokio::task::spawn_local(connection))
}

fn request(
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &'static [u8],
) -> Request<BoxBody<Bytes, Infallible>> {
    let mut request = Request::builder().method(method).uri(format!("https://edge{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = match body.is_empty() {
        true => Empty::new().boxed(),
        false => Full::new(Bytes::from_static(body)).boxed(),
    };
    request.body(body).unwrap()
}

/// The status of an answer, one of its headers, and its body.
async fn ask(
    client: &mut Client,
    request: Request<BoxBody<Bytes, Infallible>>,
    header: &str,
) -> (StatusCode, String, String) {
    let answer = client.send_request(request).await.unwrap();
    let (head, body) = answer.into_parts();
    let value = head.headers.get(header).map_or("", |value| value.to_str().unwrap()).to_owned();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status, value, String::from_utf8(body.to_vec()).unwrap())
}

#[test]
fn requests_of_one_connection_are_answered_beside_each_other() {
    let certificate = Certificate::new();
    with_tls(&certificate, EdgeLimits::default(), async |world| {
        let (client, _connection) = connect(world, &certificate).await;
        // One that is never answered holds up no other.
        let mut waiting = client.clone();
        let waits = tokio::task::spawn_local(async move {
            waiting.send_request(request(Method::GET, "/party/room?wait", &[], b"")).await.map(drop)
        });
        let asking = (0..50).map(|number| {
            let mut client = client.clone();
            async move {
                let path = format!("/party/room-{}", number % 7);
                ask(&mut client, request(Method::POST, &path, &[], b"hello"), "content-length").await
            }
        });
        for answer in join_all(asking).await {
            assert_eq!(answer, (StatusCode::OK, "5".into(), "hello".into()));
        }
        assert!(!waits.is_finished());
        // The room's own bound ends it.
        world.advance(Limits::default().request_deadline_ms).await;
        assert!(waits.is_finished());
    });
}

#[test]
fn a_room_sees_the_headers_that_it_would_see_with_http_1() {
    let certificate = Certificate::new();
    with_tls(&certificate, EdgeLimits::default(), async |world| {
        let (mut client, _connection) = connect(world, &certificate).await;
        let headers = [("cookie", "a=1"), ("x-mine", "2"), ("cookie", "b=2"), ("x-forwarded-for", "1.1.1.1")];
        let (status, _, body) =
            ask(&mut client, request(Method::GET, "/parties/teller/room", &headers, b""), "").await;
        assert_eq!(status, 200);
        let mut lines: Vec<_> = body.lines().collect();
        lines.sort_unstable();
        let expected = [
            "cookie:a=1; b=2",
            "host:edge",
            "x-forwarded-for:127.0.0.1",
            "x-forwarded-proto:https",
            "x-mine:2",
        ];
        assert_eq!(lines, expected);
    });
}

#[test]
fn what_is_refused_says_why_and_the_connection_goes_on() {
    let certificate = Certificate::new();
    with_tls(&certificate, EdgeLimits { bodies_bytes_max: 100, ..EdgeLimits::default() }, async |world| {
        let (mut client, _connection) = connect(world, &certificate).await;
        for (request, status, body) in [
            (request(Method::GET, "/nothing", &[], b""), 404, "Not found"),
            (request(Method::GET, "/parties/nope/room", &[], b""), 404, "Party nope not found"),
            (
                request(Method::POST, "/party/room", &[], &[b'x'; 101]),
                503,
                "the host holds as many request bodies as it may",
            ),
            (request(Method::POST, "/party/room", &[], b"hi"), 200, "hi"),
        ] {
            let shown = request.uri().to_string();
            let answer = ask(&mut client, request, "").await;
            assert_eq!((answer.0.as_u16(), answer.2.as_str()), (status, body), "{shown}");
        }
        let many: Vec<_> = (0..101).map(|number| (format!("x-{number}"), "1".to_owned())).collect();
        let many: Vec<_> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let answer = ask(&mut client, request(Method::GET, "/party/room", &many, b""), "").await;
        assert_eq!((answer.0.as_u16(), answer.2.as_str()), (431, "there are 102 headers; the limit is 100"));
        let large = "x".repeat(33_000);
        let answer = ask(&mut client, request(Method::GET, "/party/room", &[("x", &large)], b""), "").await;
        assert_eq!(answer.0, 431);
        // HEAD has a length, and no body.
        let answer = ask(&mut client, request(Method::HEAD, "/nothing", &[], b""), "content-length").await;
        assert_eq!(answer, (StatusCode::NOT_FOUND, "9".into(), String::new()));
        let answer = ask(&mut client, request(Method::POST, "/party/room", &[], b"hi"), "").await;
        assert_eq!(answer.2, "hi");
    });
}

#[test]
fn an_idle_connection_is_told_to_go_and_pings_do_not_keep_it() {
    let (certificate, limits) = (Certificate::new(), EdgeLimits::default());
    let ms_max = limits.head_ms_max;
    with_tls(&certificate, limits, async |world| {
        let (mut client, connection) = connect(world, &certificate).await;
        world.advance(ms_max - 1).await;
        assert_eq!(ask(&mut client, request(Method::POST, "/party/room", &[], b"hi"), "").await.2, "hi");
        world.advance(ms_max - 1).await;
        assert!(!connection.is_finished());
        world.advance(1).await;
        assert!(connection.is_finished());
        assert!(connection.await.unwrap().is_ok(), "it is no error");
        let mut raw = Raw::connect(world, &certificate).await;
        for _ in 0..ms_max / 1_000 {
            world.advance(1_000).await;
            raw.send(&frame(PING, 0, 0, &[7; 8])).await;
        }
        world.advance(EdgeLimits::default().close_ms_max).await;
        raw.until_end().await;
        assert_eq!(world.server.connections(), 0);
    });
}

#[test]
fn a_client_that_does_not_take_its_answer_is_cut() {
    let (certificate, limits) = (Certificate::new(), EdgeLimits::default());
    let ms_max = limits.head_ms_max + limits.close_ms_max;
    with_tls(&certificate, limits, async |world| {
        let mut raw = Raw::connect(world, &certificate).await;
        // No stream may be sent anything.
        raw.send(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0])).await;
        raw.send(&get(1, "/parties/teller/a")).await;
        world.advance(ms_max - 1).await;
        assert_eq!(world.server.connections(), 1);
        world.advance(1).await;
        assert_eq!(world.server.connections(), 0);
    });
}

#[test]
fn a_flood_of_resets_ends_the_connection() {
    let certificate = Certificate::new();
    with_tls(&certificate, EdgeLimits::default(), async |world| {
        let mut raw = Raw::connect(world, &certificate).await;
        let flood: Vec<u8> = (0..500)
            .flat_map(|number| [get(2 * number + 1, "/party/a"), reset(2 * number + 1)].concat())
            .collect();
        raw.send(&flood).await;
        let received = raw.until_end().await;
        let goaway = received.iter().find(|frame| frame.kind == GOAWAY).expect("it says why");
        assert_eq!(goaway.payload[4..8], [0, 0, 0, 11], "ENHANCE_YOUR_CALM");
        world.settle().await;
        assert_eq!(world.server.connections(), 0);
    });
}

#[test]
fn the_bounds_of_a_connection_are_announced() {
    let certificate = Certificate::new();
    with_tls(&certificate, EdgeLimits::default(), async |world| {
        let mut raw = Raw::connect(world, &certificate).await;
        let settings = raw.next().await;
        assert_eq!(settings.kind, SETTINGS);
        let told: Vec<(u16, u32)> = settings
            .payload
            .chunks(6)
            .map(|entry| {
                let (name, value) = entry.split_at(2);
                (u16::from_be_bytes(name.try_into().unwrap()), u32::from_be_bytes(value.try_into().unwrap()))
            })
            .collect();
        for (name, value) in [(3, 100), (4, 64 << 10), (6, 32 << 10)] {
            assert!(told.contains(&(name, value)), "{name}: {value} is not in {told:?}");
        }
    });
}

#[test]
fn a_host_that_ends_lets_a_connection_finish_and_takes_nothing_new() {
    let certificate = Certificate::new();
    with_tls(&certificate, EdgeLimits::default(), async |world| {
        let (mut client, connection) = connect(world, &certificate).await;
        assert_eq!(ask(&mut client, request(Method::POST, "/party/room", &[], b"hi"), "").await.2, "hi");
        assert_eq!(world.server.drain(world.after_ms(1_000)).await, 0, "nobody is cut");
        assert!(connection.await.unwrap().is_ok());
        assert!(client.send_request(request(Method::GET, "/party/room", &[], b"")).await.is_err());
    });
}

const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

struct RawFrame {
    kind: u8,
    payload: Vec<u8>,
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// GET https://edge/PATH: the names are in the static table (RFC 7541, appendix A).
fn get(stream: u32, path: &str) -> Vec<u8> {
    let head = [b"\x82\x87\x41\x04edge\x44", &[path.len() as u8][..], path.as_bytes()].concat();
    frame(1, 0x5, stream, &head)
}

fn reset(stream: u32) -> Vec<u8> {
    frame(3, 0, stream, &[0, 0, 0, 8])
}

/// A client that sends frames as it likes.
struct Raw {
    stream: TlsStream<DuplexStream>,
}

impl Raw {
    async fn connect(world: &World, certificate: &Certificate) -> Raw {
        let mut raw = Raw { stream: certificate.dial(world, &[HTTP_2]).await.unwrap() };
        raw.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        raw.send(&frame(SETTINGS, 0, 0, &[])).await;
        raw
    }

    /// Sends what the host still takes.
    async fn send(&mut self, bytes: &[u8]) {
        // A host that has gone is found when the rest is read.
        let _ = self.stream.write_all(bytes).await;
        let _ = self.stream.flush().await;
    }

    async fn next(&mut self) -> RawFrame {
        self.try_next().await.expect("there is a frame")
    }

    async fn try_next(&mut self) -> Option<RawFrame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).await.ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.stream.read_exact(&mut payload).await.ok()?;
        Some(RawFrame { kind: head[3], payload })
    }

    async fn until_end(&mut self) -> Vec<RawFrame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.try_next().await {
            frames.push(frame);
        }
        frames
    }
}
