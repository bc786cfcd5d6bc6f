//! Bytes from outside are hostile: requests, handshakes and frames that someone has damaged, in pieces and cut off.
//!
//! Each seed is a life of one host with some rounds; in a round several clients at once throw their bytes at it. Then:
//! nothing has panicked, what has come back is HTTP and frames by the standards' letter, a client that nothing is
//! wrong with gets its echo, and once all deadlines have passed nobody's connection is left.
//!
//! `PARTY_SEED=42` lives only that seed; `PARTY_LONG=1` lives others for a minute.

use std::cell::Cell;
use std::env;
use std::panic;
use std::sync::Once;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use party_core::limits::Limits;
use party_server::edge::limits::EdgeLimits;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::answers::{Answer, parse};
use crate::wire::{Frame, close, masked, text};
use crate::world::{SOCKET_BYTES, World, upgrade, with_limits};

/// Lives of a short run.
const SEEDS: u64 = 32;
/// How long a long run takes.
const LONG: Duration = Duration::from_secs(60);
/// Rounds of one life, and clients of one round.
const ROUNDS: u64 = 12;
const CLIENTS: u64 = 8;
/// After so long without a client's doing, every connection is gone: several requests that were sent at once may
/// each wait for their deadline.
const ALL_BOUNDS_MS: u64 = 1_200_000;
/// In steps of so much, between which clients read.
const STEP_MS: u64 = 15_000;
/// All bodies at once: little, so that a share that was not given back is missed.
const BODIES_BYTES_MAX: usize = 1 << 20;

/// SplitMix64 (Steele, Lea, Flood, 2014).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }

    fn percent(&mut self, likelihood: usize) -> bool {
        self.below(100) < likelihood
    }

    /// A part of so many bytes: often a short one.
    fn part(&mut self, bytes: usize) -> std::ops::Range<usize> {
        let from = self.below(bytes + 1);
        let left = bytes - from;
        let bytes = if self.percent(70) { self.below(left.min(16) + 1) } else { self.below(left + 1) };
        from..from + bytes
    }
}

fn request(method: &str, path: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("{method} {path} HTTP/1.1\r\nhost: edge\r\n{headers}\r\n{body}").into()
}

/// What well-meaning clients send to a room.
fn samples(room: &str) -> Vec<Vec<u8>> {
    let path = format!("/party/{room}");
    let chunks = "5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nx-trailer: 1\r\n\r\n";
    let hello = request("POST", &path, "content-length: 5\r\n", "hello");
    let head = upgrade(&format!("{path}?_pk=a%20b"));
    let socket = |frames: &[Vec<u8>]| [head.as_bytes(), &frames.concat()].concat();
    let (go_away, fragment) = (close(1000, "bye"), masked(0x01, "zwölf".as_bytes()));
    vec![
        request("GET", &format!("{path}/and/more?a=b&c=%zz"), "accept: */*\r\nx-empty:\r\n", ""),
        request("HEAD", &path, "", ""),
        request("POST", &path, "transfer-encoding: chunked\r\n", chunks),
        request("PUT", &path, "content-length: 5\r\nexpect: 100-continue\r\n", "hello"),
        request("POST", &path, "content-length: 40000\r\n", &"x".repeat(40_000)),
        request("GET", &format!("http://other:80{path}"), &"x-more: 1\r\n".repeat(60), ""),
        request("OPTIONS", "/parties/nope/room", "connection: close\r\n", ""),
        format!("GET {path} HTTP/1.0\r\nconnection: keep-alive\r\n\r\n").into(),
        [hello.clone(), hello.clone(), hello.clone()].concat(),
        request("POST", &format!("{path}/wait"), "content-length: 5\r\n", "hello"),
        [&hello, head.as_bytes(), &text("after a request")].concat(),
        socket(&[text("hi"), masked(0x82, &[7; 300]), go_away.clone()]),
        socket(&[fragment, masked(0x89, b"ping"), masked(0x80, " Boxkämpfer".as_bytes()), text("b all")]),
        socket(&[text(&"x".repeat(70_000)), masked(0x8a, b""), text("")]),
        socket(&[text("cgo away"), close(4001, "go away")]),
        socket(&[masked(0x02, b"a"), masked(0x00, b""), masked(0x80, b"c"), masked(0x88, b"")]),
        socket(&[text("one").repeat(100)]),
        [upgrade(&format!("/parties/hesitant/{room}")).as_bytes(), &text("in time?")].concat(),
        [upgrade(&format!("/parties/deaf/{room}")).as_bytes(), &text("hi"), &go_away].concat(),
    ]
}

/// What parsers stumble over.
const STUMBLING_BLOCKS: [&[u8]; 20] = [
    b"\r\n",
    b"\r\n\r\n",
    b"\n\n",
    b"\r\n ",
    b"\0",
    b":",
    b" HTTP/1.1\r\n",
    b" HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"content-length: 5\r\n",
    b"content-length: 18446744073709551616\r\n",
    b"content-length: -1\r\n",
    b"transfer-encoding: chunked\r\n",
    b"transfer-encoding: gzip, chunked\r\n",
    b"connection: close, upgrade\r\nupgrade: websocket\r\n",
    b"ffffffffffffffff\r\n",
    b"/../%2e%2e/\\",
    b"\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x81\xff\x00\x00\x00\x00\x00\x10\x00\x00",
    b"\x88\x82\x00\x00\x00\x00\x03\xed",
    b"\x09\x80\x00\x00\x00\x00",
];

/// Damages some bytes in one place.
fn mutate(chance: &mut Chance, bytes: &mut Vec<u8>, other: &[u8]) {
    let part = chance.part(bytes.len());
    match chance.below(8) {
        0 | 1 if !bytes.is_empty() => {
            let at = chance.below(bytes.len());
            bytes[at] ^= 1 << chance.below(8);
        }
        0..=2 => part.for_each(|at| bytes[at] = chance.below(256) as u8),
        3 => bytes.truncate(part.start),
        4 => drop(bytes.drain(part)),
        5 => {
            let again = bytes[part.clone()].to_vec();
            bytes.splice(part.end..part.end, again);
        }
        6 => {
            let block = STUMBLING_BLOCKS[chance.below(STUMBLING_BLOCKS.len())];
            bytes.splice(part.start..part.start, block.iter().copied());
        }
        _ => {
            let from_other = other[chance.part(other.len())].to_vec();
            bytes.splice(part, from_other);
        }
    }
}

/// How a client ends once it has sent what it means to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// It waits for what comes.
    Wait,
    /// It sends no more and says so.
    SayNoMore,
    /// It goes.
    Leave,
}

struct Client {
    /// `None` once it has gone.
    stream: Option<DuplexStream>,
    bytes: Vec<u8>,
    sent: usize,
    /// What it would have got for its bytes, if it has damaged nothing and waits.
    expected: Option<Vec<Answer>>,
    end: End,
    /// Whatever remains is left unsent from here on.
    ends_at: usize,
    arrived: Vec<u8>,
}

impl Client {
    fn new(world: &World, bytes: Vec<u8>) -> Client {
        let (near, far) = tokio::io::duplex(SOCKET_BYTES);
        world.server.inject(far).expect("there is a place");
        let ends_at = bytes.len();
        Client {
            stream: Some(near),
            bytes,
            sent: 0,
            expected: None,
            end: End::Wait,
            ends_at,
            arrived: vec![],
        }
    }

    /// One that throws some sample at a room of its own, damaged or not.
    fn hostile(world: &World, chance: &mut Chance, room: &str, clean: &[Vec<Answer>]) -> Client {
        let samples = samples(room);
        let number = chance.below(samples.len());
        let mut bytes = samples[number].clone();
        let mutations = chance.below(5);
        for _ in 0..mutations {
            let other = chance.below(samples.len());
            mutate(chance, &mut bytes, &samples[other]);
        }
        let mut client = Client::new(world, bytes);
        match chance.below(4) {
            0 => (client.end, client.ends_at) = (End::Leave, chance.below(client.bytes.len() + 1)),
            1 => (client.end, client.ends_at) = (End::SayNoMore, chance.below(client.bytes.len() + 1)),
            _ if mutations == 0 => client.expected = Some(clean[number].clone()),
            _ => {}
        }
        client
    }

    /// Sends at most so many more bytes, or ends. `false` if there is nothing more to do.
    async fn act(&mut self, world: &World, bytes_max: usize) -> bool {
        let Some(stream) = &mut self.stream else { return false };
        let piece = &self.bytes[self.sent..self.ends_at.min(self.sent + bytes_max)];
        let mut written = stream.write(piece).now_or_never();
        if written.is_none() {
            world.settle().await;
            written = stream.write(piece).now_or_never();
        }
        // Else the server takes no more now, or ever, or there is no more.
        if let Some(Ok(bytes @ 1..)) = written {
            self.sent += bytes;
            return true;
        }
        match self.end {
            End::Wait => {}
            // The server may have gone already.
            End::SayNoMore => drop(stream.shutdown().now_or_never()),
            End::Leave => self.stream = None,
        }
        false
    }

    fn read(&mut self) {
        let mut buffer = [0; 16 << 10];
        let Some(stream) = &mut self.stream else { return };
        while let Some(Ok(bytes @ 1..)) = stream.read(&mut buffer).now_or_never() {
            self.arrived.extend(&buffer[..bytes]);
        }
    }

    /// What has come, if it is what a server may say. Whoever says no more or goes may be told half of something.
    #[track_caller]
    fn answers(&self) -> Vec<Answer> {
        let may_be_head = self.bytes.windows(4).any(|four| four == b"HEAD");
        match parse(&self.arrived, may_be_head, self.end != End::Wait) {
            Ok(answers) => answers,
            Err(error) => {
                let [sent, arrived] = [&self.bytes[..self.sent], &self.arrived].map(show);
                panic!("{error}\nsent, then {:?}:\n{sent}\narrived:\n{arrived}", self.end)
            }
        }
    }
}

/// As much of some bytes as is worth reading.
fn show(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(2_000)].escape_ascii().to_string()
}

/// Lets clients send what they have in pieces, in any order.
async fn throw(world: &World, chance: &mut Chance, clients: &mut [Client]) {
    let mut busy: Vec<usize> = (0..clients.len()).collect();
    let whole = chance.percent(30);
    while !busy.is_empty() {
        let at = chance.below(busy.len());
        let bytes_max = match chance.below(10) {
            _ if whole => SOCKET_BYTES,
            0..=3 => SOCKET_BYTES,
            4..=6 => 1 + chance.below(4),
            _ => 1 + chance.below(400),
        };
        if !clients[busy[at]].act(world, bytes_max).await {
            busy.swap_remove(at);
        }
        match chance.below(100) {
            0..=39 => world.settle().await,
            40 => world.advance(chance.below(2_000) as u64).await,
            _ => {}
        }
        clients.iter_mut().for_each(Client::read);
    }
    world.settle().await;
    clients.iter_mut().for_each(Client::read);
}

/// Lets time pass until all bounds have passed, and rooms that nobody is in have ended.
async fn outlast(world: &World, clients: &mut [Client]) {
    let mut left_ms = ALL_BOUNDS_MS;
    while left_ms > 0 && world.server.connections() > 0 {
        world.advance(STEP_MS).await;
        clients.iter_mut().for_each(Client::read);
        left_ms -= STEP_MS;
    }
    world.advance(left_ms).await;
    clients.iter_mut().for_each(Client::read);
}

/// What each sample gets when it comes whole, from one client at a time. What is said right before a close is answered
/// only by a room that does so at once, so those answers are not counted on.
async fn clean_answers(world: &World) -> Vec<Vec<Answer>> {
    let mut all = Vec::new();
    for bytes in samples("clean") {
        let mut client = [Client::new(world, bytes)];
        while client[0].act(world, SOCKET_BYTES).await {
            world.settle().await;
            client[0].read();
        }
        outlast(world, &mut client).await;
        let mut answers = client[0].answers();
        if answers.iter().any(Answer::is_close) {
            answers.retain(|answer| answer.is_close() || matches!(answer, Answer::Response(..)));
        }
        all.push(answers);
    }
    all
}

/// A client that nothing is wrong with gets its echo.
async fn check_healthy(world: &World) {
    let mut socket = world.connect("/party/healthy").await;
    socket.send(text("are you well")).await;
    assert_eq!(socket.frames().await, [Frame::text("are you well")]);
}

/// Nothing is left of anybody: neither a connection nor a part of the place for bodies.
async fn check_nothing_left(world: &World) {
    assert_eq!(world.server.connections(), 0, "all bounds have passed");
    let body = "x".repeat(BODIES_BYTES_MAX);
    let mut wire = world.dial().await;
    wire.send(request("POST", "/party/healthy", &format!("content-length: {}\r\n", body.len()), &body)).await;
    let (head, echo) = wire.response().await;
    assert!(head.starts_with("HTTP/1.1 200 ") && echo == body, "{head}");
}

thread_local! {
    static PANICS: Cell<u32> = const { Cell::new(0) };
}

/// A panic in a task ends only the task: it is counted where it happens.
fn count_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            PANICS.set(PANICS.get() + 1);
            before(panic);
        }));
    });
}

/// Says which seed it was if the test ends while this is there.
struct Living(u64);

impl Drop for Living {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("with PARTY_SEED={}", self.0);
        }
    }
}

/// One life; how many inputs it has seen, and how many answers.
async fn live(world: &World, seed: u64, tally: &mut [usize; 2]) {
    let _living = Living(seed);
    let mut chance = Chance(seed);
    let clean = clean_answers(world).await;
    for round in 0..ROUNDS {
        let mut clients: Vec<Client> = (0..CLIENTS)
            .map(|number| Client::hostile(world, &mut chance, &format!("r{round}-{number}"), &clean))
            .collect();
        throw(world, &mut chance, &mut clients).await;
        check_healthy(world).await;
        outlast(world, &mut clients).await;
        check_nothing_left(world).await;
        for client in &clients {
            let mut answers = client.answers();
            tally[0] += 1;
            tally[1] += answers.len();
            for expected in client.expected.iter().flatten() {
                let found = answers.iter().position(|answer| answer == expected);
                let [sent, arrived] = [&client.bytes, &client.arrived].map(|bytes| show(bytes));
                let missing = || panic!("{expected:?} is missing\nsent:\n{sent}\narrived:\n{arrived}");
                let found = found.unwrap_or_else(missing);
                answers.remove(found);
            }
        }
        assert_eq!(PANICS.get(), 0, "the host must not panic");
    }
}

#[test]
fn hostile_bytes_harm_nobody() {
    count_panics();
    let chosen = env::var("PARTY_SEED").ok().map(|seed| seed.parse().expect("PARTY_SEED is a number"));
    let (is_long, began) = (env::var_os("PARTY_LONG").is_some(), Instant::now());
    let first = chosen.unwrap_or(if is_long { u64::from(std::process::id()) << 32 } else { 0 });
    let mut tally = [0; 2];
    for seed in first.. {
        let edge = EdgeLimits { bodies_bytes_max: BODIES_BYTES_MAX, ..EdgeLimits::default() };
        with_limits(Limits::default(), edge, async |world| live(world, seed, &mut tally).await);
        let is_over = if is_long { began.elapsed() >= LONG } else { seed - first + 1 >= SEEDS };
        if is_over || chosen.is_some() {
            break;
        }
    }
    let [inputs, answers] = tally;
    println!("{inputs} inputs, {answers} answers");
    assert!(answers >= inputs, "most of what is damaged is still answered");
}
