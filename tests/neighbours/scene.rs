//! What guests and clients do that they should not, again and again until they are told to stop.
//!
//! Each returns only when all that it began is over, so that the next window begins with a host at rest, and fails if
//! the host has not answered as it must.

use std::collections::VecDeque;
use std::io::{BufReader, Read, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use party_tests::http::Http;
use party_tests::program::BOUND;

use crate::client::{CLOSE, Received, closed, connect, dial, frame, receive, text};

/// The room that misbehaves, or is misused.
pub(crate) const HOSTILE: &str = "hostile";
/// What a client reads at once, in bytes.
const READ_BYTES: usize = 64 << 10;
/// Requests, and halves of requests, that are open at once.
const OPEN: usize = 200;
/// Messages that one burst has.
const BURST: usize = 2_000;

/// Where misdeeds are done, and how many were.
pub(crate) struct Scene {
    port: u16,
    name: String,
    over: AtomicBool,
    done: AtomicU64,
    /// Whether one was done, or none will be.
    has_begun: Mutex<bool>,
    begins: Condvar,
    waits: Mutex<Vec<Duration>>,
}

impl Scene {
    /// One that has a name which no other has.
    pub(crate) fn new(port: u16) -> Scene {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let name = format!("scene-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let (over, done) = (AtomicBool::default(), AtomicU64::default());
        let (has_begun, begins, waits) = (Mutex::default(), Condvar::default(), Mutex::default());
        Scene { port, name, over, done, has_begun, begins, waits }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Nothing more is to be done.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    /// How many misdeeds were done.
    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::SeqCst)
    }

    /// How long those who flooded in bursts waited for the end of each, shortest first.
    pub(crate) fn waits(self) -> Vec<Duration> {
        let mut waits = self.waits.into_inner().expect("no client panics");
        waits.sort_unstable();
        waits
    }

    /// Waits until the first was done, or whoever was to do it gave up.
    pub(crate) fn wait_for_the_first(&self) {
        let has_begun = self.has_begun.lock().expect("no client panics");
        let waited = self.begins.wait_timeout_while(has_begun, BOUND, |has_begun| !*has_begun);
        drop(waited.expect("no client panics"));
    }

    /// Whoever waits for the first need not wait any longer.
    pub(crate) fn begin(&self) {
        *self.has_begun.lock().expect("no client panics") = true;
        self.begins.notify_all();
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    fn count(&self, deeds: u64) {
        if self.done.fetch_add(deeds, Ordering::SeqCst) == 0 {
            self.begin();
        }
    }
}

/// Reads on until a message comes. The room tells of clients that have gone.
fn hear(socket: &mut impl Read, message: &str) -> Result<()> {
    loop {
        match receive(socket)? {
            Received::Message(found) if found == message.as_bytes() => return Ok(()),
            Received::Message(found) => {
                let found = String::from_utf8_lossy(&found);
                ensure!(found.contains(" closed "), "{found:?} came, not {message:?}");
            }
            Received::Close(code) => anyhow::bail!("closed with {code}"),
        }
    }
}

/// A guest that does as a word says. Two such messages are always with the host, so that the room never rests.
pub(crate) fn told(scene: &Scene, word: &str) -> Result<()> {
    let mut socket = BufReader::new(connect(scene.port, HOSTILE)?);
    let order = [text(word), text("echo done")].concat();
    let answer = Received::Message(b"done".to_vec());
    socket.get_mut().write_all(&order.repeat(2))?;
    let mut waiting = 2;
    while waiting > 0 {
        if receive(&mut socket)? != answer {
            continue;
        }
        waiting -= 1;
        scene.count(1);
        if !scene.is_over() {
            socket.get_mut().write_all(&order)?;
            waiting += 1;
        }
    }
    Ok(())
}

/// A guest that floods whoever asked, who is closed at the bound of the queue if it does not read as fast.
pub(crate) fn told_to_flood(scene: &Scene, word: &str) -> Result<()> {
    let order = [text(word), text("echo done")].concat();
    while !scene.is_over() {
        let mut socket = BufReader::with_capacity(READ_BYTES, connect(scene.port, HOSTILE)?);
        socket.get_mut().write_all(&order)?;
        loop {
            match receive(&mut socket)? {
                Received::Message(message) if message == b"done" => break,
                Received::Message(_) => {}
                Received::Close(code) => {
                    ensure!(code == 1013, "closed with {code}");
                    break;
                }
            }
        }
        scene.count(1);
    }
    Ok(())
}

/// Requests that the guest never answers, from clients that go at last.
pub(crate) fn never_answered(scene: &Scene) -> Result<()> {
    let mut open = VecDeque::new();
    let mut asks = Http::connect(scene.port)?;
    while !scene.is_over() {
        let mut http = Http::connect(scene.port)?;
        http.send("GET", &format!("/parties/main/{HOSTILE}/never"))?;
        open.push_back(http);
        if open.len() > OPEN {
            open.pop_front();
        }
        let answer = asks.request("GET", &format!("/parties/main/{HOSTILE}/said"))?;
        ensure!(answer.status == 200, "{answer:?}");
        scene.count(1);
    }
    Ok(())
}

/// Messages as fast as the host takes them. What they echo is read as fast as it comes.
pub(crate) fn pour(scene: &Scene, messages: &[u8], echo: &str) -> Result<()> {
    let socket = connect(scene.port, HOSTILE)?;
    thread::scope(|scope| {
        let read = scope.spawn(|| -> Result<()> {
            let mut stream = BufReader::with_capacity(READ_BYTES, &socket);
            loop {
                match receive(&mut stream)? {
                    Received::Message(found) => ensure!(found == echo.as_bytes(), "{found:?} is no echo"),
                    Received::Close(1000) => return Ok(()),
                    Received::Close(code) => anyhow::bail!("closed with {code}"),
                }
                scene.count(1);
            }
        });
        while !scene.is_over() && !read.is_finished() {
            (&socket).write_all(messages)?;
        }
        (&socket).write_all(&frame(CLOSE, &1000u16.to_be_bytes()))?;
        read.join().expect("the reader does not panic")
    })
}

/// Messages in bursts, each sent at once and waited for to the last echo.
pub(crate) fn burst(scene: &Scene) -> Result<()> {
    let mut socket = BufReader::with_capacity(READ_BYTES, connect(scene.port, HOSTILE)?);
    let messages = text("echo this").repeat(BURST);
    while !scene.is_over() {
        let begun = Instant::now();
        socket.get_mut().write_all(&messages)?;
        for _ in 0..BURST {
            hear(&mut socket, "this")?;
        }
        scene.waits.lock().expect("no client panics").push(begun.elapsed());
        scene.count(BURST as u64);
    }
    Ok(())
}

/// Asks for more and more, and reads nothing until the host has long closed.
pub(crate) fn never_read(scene: &Scene) -> Result<()> {
    /// So many bytes that no buffer of the kernel takes all of them: 16 MiB.
    const ASKED: usize = 1_600;
    let order = text(&format!("echo {}", "x".repeat(10_000)));
    while !scene.is_over() {
        let mut socket = connect(scene.port, HOSTILE)?;
        for _ in 0..ASKED {
            socket.write_all(&order)?;
        }
        let code = closed(&mut BufReader::with_capacity(READ_BYTES, socket))?;
        ensure!(code == 1013, "closed with {code}");
        scene.count(1);
    }
    Ok(())
}

/// Sends what the protocol or a limit does not allow, and is closed with this code.
pub(crate) fn broken(scene: &Scene, sent: &[u8], code: u16) -> Result<()> {
    while !scene.is_over() {
        let mut socket = connect(scene.port, HOSTILE)?;
        socket.write_all(sent)?;
        let found = closed(&mut socket)?;
        ensure!(found == code, "closed with {found}, not {code}");
        scene.count(1);
    }
    Ok(())
}

/// Sockets that come, say a word and go.
pub(crate) fn come_and_go(scene: &Scene, room: impl Fn(u64) -> String) -> Result<()> {
    let word = text("echo done");
    while !scene.is_over() {
        let mut socket = connect(scene.port, &room(scene.done()))?;
        socket.write_all(&word)?;
        hear(&mut socket, "done")?;
        scene.count(1);
    }
    Ok(())
}

/// Sockets that stay, and never end what they begin to say.
pub(crate) fn half_open(scene: &Scene) -> Result<()> {
    let mut open: VecDeque<TcpStream> = VecDeque::new();
    while !scene.is_over() {
        let mut socket = dial(scene.port)?;
        socket.write_all(b"GET /parties/main/hostile HTTP/1.1\r\nhost: 127")?;
        open.push_back(socket);
        if open.len() > OPEN {
            open.pop_front();
        }
        scene.count(1);
    }
    Ok(())
}
