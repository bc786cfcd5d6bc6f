//! The native server does what the parties of the yardstick promise, so that it is fast at the right thing.

mod native_process;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use native_process::Native;
use party_benches::load::cold::{self, ColdSettings};
use party_benches::load::counter::{self, CounterSettings};
use party_benches::load::http::{HttpClient, RESPONSE_BYTES_MAX, Response};
use party_benches::load::memory::{self, MemorySettings};
use party_benches::load::process::ServerProcess;
use party_benches::load::target::Target;
use party_benches::load::traffic::engine;
use party_benches::load::traffic::{FanOut, Pace, TrafficSettings};
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

fn socket(target: &Target, path: &str) -> WebSocket<TcpStream> {
    let stream = TcpStream::connect(target.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let (socket, response) =
        tungstenite::client(format!("ws://{}{path}", target.authority()), stream).unwrap();
    assert_eq!(response.status(), 101);
    socket
}

fn request(target: &Target, method: &str, path: &str) -> Response {
    let mut scratch = vec![0; 2 * RESPONSE_BYTES_MAX];
    HttpClient::connect(target).unwrap().request(method, path, &mut scratch).unwrap()
}

#[test]
fn all_scenarios_of_the_load_tool_pass() {
    let data = tempfile::tempdir().unwrap();
    let native = Native::start(data.path());
    let (target, process) = (native.target(), ServerProcess::new(native.pid()));
    for (fan_out, party, rooms, clients, senders) in [
        (FanOut::Echo, "echo", 8, 8, 8),
        (FanOut::Echo, "hello", 1, 1, 1),
        (FanOut::Broadcast, "broadcast", 2, 16, 4),
    ] {
        for pace in [Pace::Closed { in_flight: 4 }, Pace::Open { deliveries_per_s: 20_000.0 }] {
            let settings = TrafficSettings {
                fan_out,
                party: party.to_owned(),
                rooms,
                clients,
                senders,
                pace,
                warm_up: Duration::ZERO,
                window: Duration::from_secs(20),
                messages_max: Some(2_000),
                run: 1,
            };
            let report = engine::run(&target, &settings, Some(process)).unwrap();
            assert!(report.integrity.is_whole(), "{report:?}");
            assert_eq!(report.integrity.sent, 2_000);
            assert_eq!(report.closes_unanswered, 0);
            assert!(report.server_cpu_us_per_message.is_some());
        }
    }
    let settings = CounterSettings {
        party: "counter".to_owned(),
        clients: 16,
        warm_up: Duration::ZERO,
        window: Duration::from_secs(20),
        increments_max: Some(500),
        run: 2,
    };
    let report = counter::run(&target, &settings, Some(process)).unwrap();
    assert!(report.is_whole(), "{report:?}");
    let settings = ColdSettings {
        request_party: "hello".to_owned(),
        echo_party: "echo".to_owned(),
        requests: 50,
        burst: 100,
        bursts: 2,
        sockets: 20,
        run: 3,
    };
    let report = cold::run(&target, &settings, Some(process)).unwrap();
    assert_eq!(report.new_rooms_at_once.count, 200);
    let settings = MemorySettings { party: "echo".to_owned(), rooms: 500, connections: 500, run: 4 };
    let report = memory::run(&target, &settings, process).unwrap();
    let per_connection = report.per_connection.unwrap();
    assert!((1_024.0..32_768.0).contains(&per_connection), "{per_connection} bytes per connection");
}

#[test]
fn acknowledged_increments_survive_a_kill() {
    let data = tempfile::tempdir().unwrap();
    let path = "/parties/counter/kept";
    for life in 0..3_u64 {
        let native = Native::start(data.path());
        assert_eq!(request(&native.target(), "GET", path).body, (life * 20).to_string().into_bytes());
        for step in 1..=20 {
            let answer = request(&native.target(), "POST", path);
            assert_eq!(answer.body, (life * 20 + step).to_string().into_bytes());
        }
        native.kill();
    }
}

#[test]
fn requests_that_make_no_sense_get_a_status() {
    let data = tempfile::tempdir().unwrap();
    let native = Native::start(data.path());
    let target = native.target();
    let check = |method: &str, path: &str, status: u16| {
        assert_eq!(request(&target, method, path).status, status, "{method} {path}");
    };
    check("GET", "/parties/hello/room", 200);
    check("GET", "/parties/nobody/room", 404);
    check("GET", "/", 404);
    check("PUT", "/parties/counter/room", 405);
    for (party, version, status) in [("echo", 12, "400"), ("counter", 13, "404")] {
        let mut stream = TcpStream::connect(target.address()).unwrap();
        write!(
            stream,
            "GET /parties/{party}/room HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: {version}\r\n\r\n"
        )
        .unwrap();
        let mut line = [0; 12];
        stream.read_exact(&mut line).unwrap();
        assert_eq!(String::from_utf8_lossy(&line), format!("HTTP/1.1 {status}"));
    }
}

#[test]
fn the_protocol_is_kept() {
    let data = tempfile::tempdir().unwrap();
    let native = Native::start(data.path());
    let mut socket = socket(&native.target(), "/parties/echo/room?_pk=me");
    for message in
        [Message::text("häh?"), Message::binary(vec![0, 255, 1]), Message::text("x".repeat(200_000))]
    {
        socket.send(message.clone()).unwrap();
        assert_eq!(socket.read().unwrap(), message);
    }
    socket.send(Message::Ping(vec![1, 2].into())).unwrap();
    assert_eq!(socket.read().unwrap(), Message::Pong(vec![1, 2].into()));
    for (opcode, part, last) in [(Data::Text, "one ", false), (Data::Continue, "message", true)] {
        let frame = Frame::message(part, OpCode::Data(opcode), last);
        socket.send(Message::Frame(frame)).unwrap();
    }
    assert_eq!(socket.read().unwrap(), Message::text("one message"));
    let close = CloseFrame { code: CloseCode::Library(4_001), reason: "done".into() };
    socket.close(Some(close)).unwrap();
    let Message::Close(Some(answer)) = socket.read().unwrap() else { panic!("the close is not answered") };
    assert_eq!(answer.code, CloseCode::Library(4_001));
    assert!(matches!(socket.read(), Err(tungstenite::Error::ConnectionClosed)));
}

#[test]
fn a_message_too_long_ends_only_its_own_connection() {
    let data = tempfile::tempdir().unwrap();
    let native = Native::start(data.path());
    let mut other = socket(&native.target(), "/parties/broadcast/room");
    let mut greedy = socket(&native.target(), "/parties/broadcast/room");
    // The server may end the connection while the message is still being written.
    let _ = greedy.send(Message::binary(vec![0; 2 * 1_024 * 1_024]));
    while greedy.read().is_ok() {}
    other.send(Message::text("still here")).unwrap();
    assert_eq!(other.read().unwrap(), Message::text("still here"));
}

#[test]
fn who_does_not_read_is_dropped_and_holds_nobody_up() {
    let data = tempfile::tempdir().unwrap();
    let native = Native::start(data.path());
    let mut stalled = socket(&native.target(), "/parties/broadcast/room");
    let mut reader = socket(&native.target(), "/parties/broadcast/room");
    // Far more than the socket's buffers and the outbox's bound together hold.
    let message = Message::binary(vec![7; 60_000]);
    for _ in 0..600 {
        reader.send(message.clone()).unwrap();
        assert_eq!(reader.read().unwrap(), message);
    }
    let mut received = 0;
    let end = loop {
        match stalled.read() {
            Ok(_) => received += 1,
            Err(error) => break error,
        }
    };
    assert!(received < 600, "the stalled connection got everything");
    // The server ended it; nobody waited for a time-out.
    let waited = |error: &std::io::Error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
    assert!(!matches!(&end, tungstenite::Error::Io(error) if waited(error)), "{end}");
}
