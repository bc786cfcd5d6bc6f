//! A client, down to its bytes.

use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::world::World;

/// A connection in memory.
pub(crate) struct Wire<'a> {
    world: &'a World,
    stream: DuplexStream,
    arrived: Vec<u8>,
    ended: bool,
}

/// One frame that the server sent.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Frame {
    /// Fin, reserved bits and opcode.
    pub(crate) first: u8,
    /// The payload.
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// A text message.
    pub(crate) fn text(text: &str) -> Frame {
        Frame { first: 0x81, payload: text.into() }
    }

    /// A binary message.
    pub(crate) fn binary(payload: &[u8]) -> Frame {
        Frame { first: 0x82, payload: payload.into() }
    }

    /// A close; code 1005 stands for none.
    pub(crate) fn close(code: u16, reason: &str) -> Frame {
        let code = if code == 1005 { vec![] } else { code.to_be_bytes().to_vec() };
        Frame { first: 0x88, payload: [&code, reason.as_bytes()].concat() }
    }
}

impl<'a> Wire<'a> {
    pub(crate) fn new(world: &'a World, stream: DuplexStream) -> Wire<'a> {
        Wire { world, stream, arrived: Vec::new(), ended: false }
    }

    /// Sends bytes that the server must take.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = tokio::join!(self.stream.write_all(bytes.as_ref()), self.world.settle()).0;
        sent.expect("the server takes it");
    }

    /// Sends bytes for as long as the server takes them at once; says how many it took.
    pub(crate) async fn push(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while taken < bytes.len() {
            match self.stream.write(&bytes[taken..]).now_or_never() {
                Some(Ok(count)) => taken += count,
                Some(Err(_)) => break,
                None => {
                    self.world.settle().await;
                    match self.stream.write(&bytes[taken..]).now_or_never() {
                        Some(Ok(count)) => taken += count,
                        _ => break,
                    }
                }
            }
        }
        self.world.settle().await;
        taken
    }

    /// Sends no more, and says so.
    pub(crate) async fn end_sending(&mut self) {
        self.stream.shutdown().await.expect("it was not ended before");
        self.world.settle().await;
    }

    /// Sends bytes and no more, so that the server finds both at once.
    pub(crate) async fn write_and_end(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.expect("the server takes it");
        self.end_sending().await;
    }

    async fn receive(&mut self) {
        let mut buffer = [0; 4_096];
        loop {
            self.world.settle().await;
            match self.stream.read(&mut buffer).now_or_never() {
                Some(Ok(count)) if count > 0 => self.arrived.extend(&buffer[..count]),
                Some(_) => {
                    self.ended = true;
                    return;
                }
                None => return,
            }
        }
    }

    /// Everything that has arrived when all is quiet.
    pub(crate) async fn take(&mut self) -> Vec<u8> {
        self.receive().await;
        std::mem::take(&mut self.arrived)
    }

    /// Everything that has arrived when all is quiet, as text.
    pub(crate) async fn take_text(&mut self) -> String {
        String::from_utf8(self.take().await).expect("it is text")
    }

    /// Takes at most so many bytes, and leaves the rest to wait; says how many there were.
    pub(crate) async fn take_some(&mut self, bytes: usize) -> usize {
        let (mut buffer, mut taken) = (vec![0; bytes], 0);
        loop {
            self.world.settle().await;
            match self.stream.read(&mut buffer[taken..]).now_or_never() {
                Some(Ok(count)) if count > 0 => taken += count,
                _ => return taken,
            }
        }
    }

    /// The next response: its head and its body.
    pub(crate) async fn response(&mut self) -> (String, String) {
        self.receive().await;
        let bytes = std::mem::take(&mut self.arrived);
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("there is a response");
        let head = String::from_utf8(bytes[..end].to_vec()).expect("a head is text");
        let length = head.to_lowercase().lines().find_map(|line| {
            line.strip_prefix("content-length: ").map(|value| value.parse::<usize>().expect("it is a number"))
        });
        let (body, next) = bytes[end + 4..].split_at(length.unwrap_or(0));
        self.arrived = next.into();
        (head, String::from_utf8(body.to_vec()).expect("the body is text"))
    }

    /// Everything that has arrived when all is quiet, as frames.
    pub(crate) async fn frames(&mut self) -> Vec<Frame> {
        let bytes = self.take().await;
        let mut rest = &bytes[..];
        let mut frames = Vec::new();
        while let [first, length, after @ ..] = rest {
            assert!(length & 0x80 == 0, "a server does not mask");
            let (length, after) = match length {
                126 => (u16::from_be_bytes([after[0], after[1]]) as usize, &after[2..]),
                127 => (u64::from_be_bytes(after[..8].try_into().unwrap()) as usize, &after[8..]),
                length => (usize::from(*length), after),
            };
            frames.push(Frame { first: *first, payload: after[..length].into() });
            rest = &after[length..];
        }
        frames
    }

    /// Whether the server has closed the connection, and nothing more will arrive.
    pub(crate) async fn has_ended(&mut self) -> bool {
        self.receive().await;
        self.ended && self.arrived.is_empty()
    }
}

/// A frame as a client sends it: any first byte, masked.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0xa1, 0x5b, 0x0c, 0x77];
    let mut wire = vec![first];
    match payload.len() {
        length @ 0..=125 => wire.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            wire.push(0x80 | 126);
            wire.extend((length as u16).to_be_bytes());
        }
        length => {
            wire.push(0x80 | 127);
            wire.extend((length as u64).to_be_bytes());
        }
    }
    wire.extend(mask);
    wire.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    wire
}

/// A text message as a client sends it.
pub(crate) fn text(text: &str) -> Vec<u8> {
    masked(0x81, text.as_bytes())
}

/// A close as a client sends it.
pub(crate) fn close(code: u16, reason: &str) -> Vec<u8> {
    masked(0x88, &[&code.to_be_bytes(), reason.as_bytes()].concat())
}
