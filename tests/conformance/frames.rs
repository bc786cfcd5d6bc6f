//! Random conversations with the real binary, which serves a party that sends back what it gets, each held against what the RFC
//! demands (`reference.rs`): the echoes, the pongs, and the close code, the close in kind or the plain end. Meanwhile a client
//! that nothing is wrong with is served.
//!
//! It goes on for 20 s; `PARTY_LONG=1` makes it five minutes, `PARTY_SEED=42` has only that conversation. A seed gives the same
//! bytes in the same pieces.

use std::env;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use party_tests::chance::Chance;
use party_tests::host::temporary;
use party_tests::program::BOUND;
use rustix::process::Signal;

use crate::echo::echo;
use crate::generate::conversation;
use crate::reference::{End, Verdict, decide};

/// How long it goes on.
const SHORT: Duration = Duration::from_secs(20);
/// How long with `PARTY_LONG=1`.
const LONG: Duration = Duration::from_secs(300);
/// The largest message that is taken: above 65,535, so that all three forms of a length are.
const BYTES_MAX: u64 = 70_000;
/// Clients at once.
const CLIENTS: u64 = 4;
/// How often the client is asked that nothing is wrong with, in conversations.
const HEALTHY_EVERY: u64 = 50;

/// A frame of a server: its first byte and its payload.
type Frame = (u8, Vec<u8>);

/// One WebSocket, down to its bytes.
struct Wire {
    stream: TcpStream,
    arrived: Vec<u8>,
    /// Whether the host may reset the connection: who sends something behind a close may find it gone already.
    may_be_reset: bool,
}

impl Wire {
    fn open(port: u16, room: u64) -> Result<Wire> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(BOUND))?;
        stream.set_write_timeout(Some(BOUND))?;
        stream.set_nodelay(true)?;
        let mut wire = Wire { stream, arrived: vec![], may_be_reset: false };
        let head = format!(
            "GET /parties/echo/frames-{room} HTTP/1.1\r\nhost: host\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        wire.stream.write_all(head.as_bytes())?;
        let end = loop {
            match wire.arrived.windows(4).position(|four| four == b"\r\n\r\n") {
                Some(at) => break at + 4,
                None => ensure!(wire.read()?, "the host ends at the handshake"),
            }
        };
        ensure!(wire.arrived.starts_with(b"HTTP/1.1 101 "), "{:?}", String::from_utf8_lossy(&wire.arrived));
        wire.arrived.drain(..end);
        Ok(wire)
    }

    /// Sends bytes in pieces. A host that has failed the connection may take no more.
    fn send(&mut self, chance: &mut Chance, mut bytes: &[u8]) -> Result<()> {
        let piece_max = chance.one_of(&[u64::MAX, 5_000, 100, 3]).max(bytes.len() as u64 / 50 + 1);
        while !bytes.is_empty() {
            let (now, rest) = bytes.split_at((1 + chance.below(piece_max)).min(bytes.len() as u64) as usize);
            match self.stream.write_all(now) {
                Err(error) if [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset].contains(&error.kind()) => {
                    break;
                }
                sent => sent?,
            }
            bytes = rest;
        }
        Ok(())
    }

    /// Reads some bytes; `false` at the end.
    fn read(&mut self) -> Result<bool> {
        let mut buffer = [0; 16 << 10];
        let bytes = match self.stream.read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::ConnectionReset && self.may_be_reset => 0,
            read => read.context("the host neither answers nor ends")?,
        };
        self.arrived.extend(&buffer[..bytes]);
        Ok(bytes > 0)
    }

    /// The next frame, unmasked and whole as a server's must be; `None` at the end.
    fn frame(&mut self) -> Result<Option<Frame>> {
        loop {
            if let Some((frame, bytes)) = split(&self.arrived)? {
                self.arrived.drain(..bytes);
                return Ok(Some(frame));
            }
            if !self.read()? {
                ensure!(self.arrived.is_empty(), "the host ends within a frame: {:?}", self.arrived);
                return Ok(None);
            }
        }
    }
}

/// A frame of a server, and how many bytes it takes; `None` if it is not whole.
fn split(bytes: &[u8]) -> Result<Option<(Frame, usize)>> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    let length_bytes = match second {
        126 => 2,
        127 => 8,
        128.. => bail!("the host masks a frame"),
        _ => 0,
    };
    let Some((length, rest)) = rest.split_at_checked(length_bytes) else { return Ok(None) };
    let length = match length {
        [] => u64::from(*second),
        length => length.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
    };
    let is_shortest = length > 125 && length_bytes == 2 || length > 0xffff || length_bytes == 0;
    ensure!(is_shortest, "the host writes {length} in {length_bytes} bytes");
    let length = usize::try_from(length)?;
    let frame = rest.get(..length).map(|payload| ((*first, payload.to_vec()), 2 + length_bytes + length));
    Ok(frame)
}

/// What has come of a conversation so far, against what must.
struct Told<'a> {
    verdict: &'a Verdict,
    messages: usize,
    pongs: usize,
}

impl Told<'_> {
    /// Takes a frame that is no close.
    fn take(&mut self, first: u8, payload: &[u8]) -> Result<()> {
        let (messages, pongs) = (&self.verdict.messages, &self.verdict.pongs);
        let (is_right, count) = match first {
            0x81 | 0x82 => {
                let said = messages.get(self.messages);
                (
                    said.is_some_and(|(is_text, said)| *is_text == (first == 0x81) && said == payload),
                    &mut self.messages,
                )
            }
            0x8a => (pongs.get(self.pongs).is_some_and(|pong| pong == payload), &mut self.pongs),
            _ => bail!("the host sends a frame {first:#x}"),
        };
        ensure!(is_right, "number {count} of the frames {first:#x} is another: {}", payload.escape_ascii());
        *count += 1;
        Ok(())
    }

    fn is_all(&self) -> bool {
        self.messages == self.verdict.messages.len() && self.pongs == self.verdict.pongs.len()
    }
}

/// One conversation. What is said right before an end is answered only by a room that does so at once, so those echoes may be
/// missing; pongs may not.
fn converse(port: u16, seed: u64) -> Result<End> {
    let mut chance = Chance::new(seed);
    let bytes = conversation(&mut chance, BYTES_MAX);
    let verdict = decide(&bytes, BYTES_MAX);
    let shown = bytes[..bytes.len().min(300)].escape_ascii().to_string();
    let context = || format!("{} bytes: {shown}\n{:?}", bytes.len(), verdict.end);
    let mut wire = Wire::open(port, seed % 16)?;
    hold_against(&mut wire, &mut chance, &bytes, &verdict).with_context(context)?;
    Ok(verdict.end)
}

fn hold_against(wire: &mut Wire, chance: &mut Chance, bytes: &[u8], verdict: &Verdict) -> Result<()> {
    wire.may_be_reset = verdict.has_more;
    wire.send(chance, bytes)?;
    let mut told = Told { verdict, messages: 0, pongs: 0 };
    let mut end = verdict.end.clone();
    if let End::Open { between } = end {
        while !told.is_all() {
            let (first, payload) = wire.frame()?.context("the host ends, and nothing is wrong")?;
            told.take(first, &payload)?;
        }
        if between && chance.one_in(2) {
            wire.stream.write_all(b"\x88\x82\0\0\0\0\x0f\xa0")?;
            end = End::Closed(4000u16.to_be_bytes().into());
        } else {
            wire.stream.shutdown(Shutdown::Write)?;
        }
    }
    let mut closed = None;
    while let Some((first, payload)) = wire.frame()? {
        ensure!(closed.is_none(), "something follows the close: {first:#x}");
        match first {
            0x88 => closed = Some(payload),
            _ => told.take(first, &payload)?,
        }
    }
    ensure!(
        told.pongs == verdict.pongs.len(),
        "{} pongs, and there were {}",
        told.pongs,
        verdict.pongs.len()
    );
    match (end, closed) {
        (End::Open { .. }, None) => Ok(()),
        (End::Closed(expected), Some(found)) => {
            ensure!(found == expected, "the close is answered with {}", found.escape_ascii());
            Ok(())
        }
        (End::Failed(codes), Some(found)) => {
            let code = found.first_chunk().map(|code| u16::from_be_bytes(*code));
            ensure!(code.is_some_and(|code| codes.contains(&code)), "closed with {}", found.escape_ascii());
            Ok(())
        }
        (end, closed) => bail!("{end:?} is demanded, and the host closes with {closed:?}"),
    }
}

/// A client that nothing is wrong with, and that stays.
fn ask_healthy(wire: &mut Wire, number: u64) -> Result<()> {
    let digit = b'0' + (number % 10) as u8;
    wire.stream.write_all(&[0x81, 0x81, 0, 0, 0, 0, digit])?;
    loop {
        match wire.frame()?.context("it is cut")? {
            // The host asks whether it is still there.
            (0x89, _) => wire.stream.write_all(b"\x8a\x80\0\0\0\0")?,
            (first, payload) => {
                ensure!((first, &payload[..]) == (0x81, &[digit]), "it gets {first:#x} {payload:?}");
                return Ok(());
            }
        }
    }
}

#[test]
fn every_conversation_goes_as_the_rfc_demands() -> Result<()> {
    let project = temporary()?;
    let mut host = echo(project.path(), BYTES_MAX)?;
    let chosen = env::var("PARTY_SEED").ok().map(|seed| seed.parse::<u64>()).transpose()?;
    let fresh = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() << 20;
    let first = chosen.unwrap_or(fresh);
    println!("from PARTY_SEED={first}");
    let (next, port) = (AtomicU64::new(first), host.port);
    let until = Instant::now() + if env::var_os("PARTY_LONG").is_some() { LONG } else { SHORT };
    // How often each end was demanded: open, closed, 1002, 1007, 1009.
    let tally: [AtomicU64; 5] = Default::default();
    let play = || -> Result<()> {
        let mut healthy = Wire::open(port, 100)?;
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if Instant::now() >= until || chosen.is_some_and(|chosen| chosen != seed) {
                return Ok(());
            }
            let end = converse(port, seed).with_context(|| format!("with PARTY_SEED={seed}"))?;
            let kind = match end {
                End::Open { .. } => 0,
                End::Closed(_) => 1,
                End::Failed(codes) if codes.contains(&1009) => 4,
                End::Failed([1007]) => 3,
                End::Failed(_) => 2,
            };
            tally[kind].fetch_add(1, Ordering::Relaxed);
            if seed % HEALTHY_EVERY == 0 {
                ask_healthy(&mut healthy, seed).context("a client that nothing is wrong with")?;
            }
        }
    };
    thread::scope(|scope| -> Result<()> {
        let players: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(play)).collect();
        let played: Vec<_> =
            players.into_iter().map(|player| player.join().expect("no player panics")).collect();
        let failed: Vec<_> = played.into_iter().filter_map(Result::err).collect();
        let text: String = failed.iter().map(|error| format!("{error:#}\n\n")).collect();
        ensure!(failed.is_empty(), "{text}");
        Ok(())
    })
    .with_context(|| host.program.said())?;
    let tally = tally.map(AtomicU64::into_inner);
    println!("open, closed, 1002, 1007, 1009: {tally:?}");
    ensure!(chosen.is_some() || tally.iter().all(|times| *times > 0), "some end never came: {tally:?}");
    let ended = host.stop(Signal::TERM)?;
    ensure!(ended.code == Some(0), "the host ends with {:?}\n{}", ended.code, ended.err);
    ensure!(!ended.err.contains("panicked"), "the host has panicked\n{}", ended.err);
    Ok(())
}
