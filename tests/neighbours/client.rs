//! A client down to its bytes: it costs next to nothing beside the host that it measures, and can do what no proper
//! client does.
//!
//! Frames are masked with a mask of zeros, so that a frame to send is made once and a payload is written as it is.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use party_tests::program::BOUND;
use socket2::SockRef;

/// The longest answer to a handshake that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 4_096;
/// The first byte of a whole text.
pub(crate) const TEXT: u8 = 0x81;
/// The first byte of a whole binary message.
pub(crate) const BINARY: u8 = 0x82;
/// A ping, as the host sends it to whoever it has not heard for a while.
pub(crate) const PING: [u8; 2] = [0x89, 0];
/// The first byte of a close.
pub(crate) const CLOSE: u8 = 0x88;

/// A connection to the host, of which it has heard nothing yet.
pub(crate) fn dial(port: u16) -> Result<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_nodelay(true)?;
    // Else a closed connection keeps its port for a minute, and the kernel soon spends all its time looking for another.
    SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    stream.set_read_timeout(Some(BOUND))?;
    stream.set_write_timeout(Some(BOUND))?;
    Ok(stream)
}

/// A WebSocket to a room of the party `main`.
pub(crate) fn connect(port: u16, room: &str) -> Result<TcpStream> {
    let mut stream = dial(port)?;
    let request = format!(
        "GET /parties/main/{room} HTTP/1.1\r\nhost: 127.0.0.1\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    // A byte at a time, because a frame may follow at once.
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while !answer.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).context("the host answers the handshake")?;
        answer.push(byte[0]);
        ensure!(answer.len() <= ANSWER_BYTES_MAX, "the answer to the handshake is short");
    }
    let answer = String::from_utf8_lossy(&answer);
    ensure!(answer.starts_with("HTTP/1.1 101 "), "the handshake was answered with {answer}");
    Ok(stream)
}

/// A frame as a client sends it.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

/// A text as a client sends it.
pub(crate) fn text(text: &str) -> Vec<u8> {
    frame(TEXT, text.as_bytes())
}

/// What the host has sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Received {
    /// A message.
    Message(Vec<u8>),
    /// A close with this code.
    Close(u16),
}

/// Reads a frame of the host's.
pub(crate) fn receive(stream: &mut impl Read) -> Result<Received> {
    let mut head = PING;
    while head == PING {
        // Whatever is sent next is answer enough.
        stream.read_exact(&mut head)?;
    }
    let length = match head[1] {
        126 => {
            let mut length = [0; 2];
            stream.read_exact(&mut length)?;
            u64::from(u16::from_be_bytes(length))
        }
        127 => {
            let mut length = [0; 8];
            stream.read_exact(&mut length)?;
            u64::from_be_bytes(length)
        }
        length => length.into(),
    };
    let mut payload = Vec::new();
    stream.take(length).read_to_end(&mut payload)?;
    ensure!(payload.len() as u64 == length, "a frame of {length} bytes ends after {}", payload.len());
    match head[0] {
        TEXT | BINARY => Ok(Received::Message(payload)),
        CLOSE => match payload[..] {
            [high, low, ..] => Ok(Received::Close(u16::from_be_bytes([high, low]))),
            _ => anyhow::bail!("a close without a code"),
        },
        other => anyhow::bail!("the host sent a frame that begins with {other:#x}"),
    }
}

/// Reads on until the host closes; the code of its close.
pub(crate) fn closed(stream: &mut impl Read) -> Result<u16> {
    loop {
        if let Received::Close(code) = receive(stream)? {
            return Ok(code);
        }
    }
}
