//! Bytes from outside are hostile: requests, handshakes and frames that someone has damaged, in pieces and cut off.
//!
//! Each seed is a life of one host with some rounds; in a round several clients at once throw their bytes at it. Then:
//! nothing has panicked, what has come back is HTTP and frames by the standards' letter, a client that nothing is
//! wrong with gets its echo, and once all deadlines have passed nobody's connection is left.
//!
//! `PARTY_SEED=42` lives only that seed. The first seeds are the same in every run, so that what was found once is found again;
//! then others are lived until 20 s have passed, or two minutes with `PARTY_LONG=1`. A seed gives the same bytes in the same
//! pieces; only at which instruction a guest yields is the machine's affair.

use std::cell::Cell;
use std::env;
use std::panic;
use std::sync::Once;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::FutureExt;
use party_core::limits::Limits;
use party_server::edge::limits::EdgeLimits;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::answers::{Answer, parse};
use crate::damage::{Chance, damage, samples};
use crate::wire::{Frame, text};
use crate::world::{SOCKET_BYTES, World, with_limits};

/// Lives that are the same in every run.
const SEEDS: u64 = 8;
/// How long a run takes.
const SHORT: Duration = Duration::from_secs(20);
/// How long a long one takes.
const LONG: Duration = Duration::from_secs(120);
/// Rounds of one life, and clients of one round.
const ROUNDS: u64 = 24;
const CLIENTS: u64 = 8;
/// After so long without a client's doing, every connection is gone: several requests that were sent at once may
/// each wait for their deadline.
const ALL_BOUNDS_MS: u64 = 1_200_000;
/// In steps of so much, between which clients read.
const STEP_MS: u64 = 15_000;
/// All bodies at once: little, so that a share that was not given back is missed.
const BODIES_BYTES_MAX: usize = 1 << 20;

/// How a client ends once it has sent what it means to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// It waits for what comes.
    Wait,
    /// It waits, and reads nothing from the beginning.
    ReadNothing,
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
    /// The largest piece that it sends at once.
    piece_max: usize,
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
            piece_max: SOCKET_BYTES,
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
        let mut sample = samples[number].clone();
        let times = chance.below(5);
        for _ in 0..times {
            damage(chance, &mut sample, &samples);
        }
        let mut client = Client::new(world, sample.concat());
        // In small pieces, what is long would take for ever.
        client.piece_max =
            [SOCKET_BYTES, 400, 64, 4][chance.below(if client.bytes.len() > 5_000 { 2 } else { 4 })];
        let half_way = chance.below(client.bytes.len() + 1);
        match chance.below(8) {
            0 | 1 => (client.end, client.ends_at) = (End::Leave, half_way),
            2 | 3 => (client.end, client.ends_at) = (End::SayNoMore, half_way),
            4 => client.end = End::ReadNothing,
            _ if times == 0 => client.expected = Some(clean[number].clone()),
            _ => {}
        }
        client
    }

    /// Sends one more piece, of at most so many bytes, or ends. `false` if there is nothing more to do.
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
            End::Wait | End::ReadNothing => {}
            // The server may have gone already.
            End::SayNoMore => drop(stream.shutdown().now_or_never()),
            End::Leave => self.stream = None,
        }
        false
    }

    fn read(&mut self) {
        let mut buffer = [0; 16 << 10];
        let Some(stream) = self.stream.as_mut().filter(|_| self.end != End::ReadNothing) else { return };
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
    while !busy.is_empty() {
        let at = chance.below(busy.len());
        let client = &mut clients[busy[at]];
        let bytes_max = 1 + chance.below(client.piece_max);
        if !client.act(world, bytes_max).await {
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
    for sample in samples("clean") {
        let mut client = [Client::new(world, sample.concat())];
        while client[0].act(world, SOCKET_BYTES).await {
            world.settle().await;
            client[0].read();
        }
        outlast(world, &mut client).await;
        let mut answers = client[0].answers();
        assert!(!answers.is_empty(), "no answer to {}", show(&client[0].bytes));
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
    let head =
        format!("POST /party/healthy HTTP/1.1\r\nhost: edge\r\ncontent-length: {}\r\n\r\n", body.len());
    wire.send(head + &body).await;
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
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set").as_secs();
    let others = (now << 20)..;
    let mut tally = [0; 2];
    for seed in chosen.into_iter().chain((0..SEEDS).chain(others).take_while(|_| chosen.is_none())) {
        if seed >= SEEDS && chosen.is_none() && began.elapsed() >= if is_long { LONG } else { SHORT } {
            break;
        }
        let edge = EdgeLimits { bodies_bytes_max: BODIES_BYTES_MAX, ..EdgeLimits::default() };
        with_limits(Limits::default(), edge, async |world| live(world, seed, &mut tally).await);
    }
    let [inputs, answers] = tally;
    println!("{inputs} inputs, {answers} answers");
    assert!(answers >= inputs, "most of what is damaged is still answered");
}
