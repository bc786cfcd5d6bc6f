//! One client's connection, byte by byte: what a library would put right or refuse is what the table is about.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// The largest head or frame that a server may send here.
const BYTES_MAX: usize = 64 << 20;
/// The key that all clients send; what it proves is tested elsewhere.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// All frames are masked with this.
const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

/// What is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    /// A header without a value is left out of those that every request has.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<String>,
    pub(crate) upgrades: bool,
}

impl Asked {
    /// What anybody may ask.
    pub(crate) fn get(path: &str) -> Asked {
        Asked { method: "GET".into(), path: path.into(), headers: Vec::new(), body: None, upgrades: false }
    }
}

/// What is answered, with the body unless a WebSocket follows.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answered {
    /// The value of a header, if it is there.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// A frame of a server.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) first: u8,
    pub(crate) payload: Vec<u8>,
}

/// What came instead of what was waited for.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Absent {
    /// Nothing, in all the time.
    Nothing,
    /// The end of the connection.
    End,
}

/// One connection.
pub(crate) struct Wire {
    stream: TcpStream,
    port: u16,
    unread: Vec<u8>,
}

impl Wire {
    pub(crate) fn connect(port: u16) -> Result<Wire> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(Duration::from_secs(20)))?;
        Ok(Wire { stream, port, unread: Vec::new() })
    }

    pub(crate) fn ask(&mut self, asked: &Asked) -> Result<()> {
        let mut headers = vec![("host".to_owned(), format!("127.0.0.1:{}", self.port))];
        if asked.upgrades {
            for (name, value) in [
                ("connection", "Upgrade"),
                ("upgrade", "websocket"),
                ("sec-websocket-version", "13"),
                ("sec-websocket-key", KEY),
            ] {
                headers.push((name.into(), value.into()));
            }
        }
        if let Some(body) = &asked.body {
            headers.push(("content-length".into(), body.len().to_string()));
        }
        headers.retain(|(name, _)| !asked.headers.iter().any(|(other, _)| other == name));
        headers.extend(asked.headers.iter().filter(|(_, value)| !value.is_empty()).cloned());
        let mut head = format!("{} {} HTTP/1.1\r\n", asked.method, asked.path);
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += "\r\n";
        head += asked.body.as_deref().unwrap_or_default();
        match self.stream.write_all(head.as_bytes()) {
            // A server that has refused a large request need not take the rest of it.
            Err(error) if is_gone(&error) => Ok(()),
            written => Ok(written?),
        }
    }

    /// The answer to what was asked last.
    pub(crate) fn answer(
        &mut self,
        method: &str,
        patience: Duration,
    ) -> Result<std::result::Result<Answered, Absent>> {
        let end = loop {
            if let Some(at) = self.unread.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if let Err(absent) = self.more(patience)? {
                return Ok(Err(absent));
            }
        };
        let head: Vec<u8> = self.unread.drain(..end).collect();
        let head = String::from_utf8(head).context("a head is text")?;
        let mut lines = head.split("\r\n").filter(|line| !line.is_empty());
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).context("a status line")?;
        let mut headers = Vec::new();
        for line in lines {
            let (name, value) = line.split_once(':').with_context(|| format!("no header: {line:?}"))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        headers.sort();
        let mut answered = Answered { status: status.parse()?, headers, body: Vec::new() };
        if answered.status != 101 && method != "HEAD" && ![204, 304].contains(&answered.status) {
            answered.body = self.body(&answered, patience)?;
        }
        Ok(Ok(answered))
    }

    fn body(&mut self, answered: &Answered, patience: Duration) -> Result<Vec<u8>> {
        let need = |wire: &mut Wire| -> Result<bool> {
            match wire.more(patience)? {
                Ok(()) => Ok(true),
                Err(Absent::End) => Ok(false),
                Err(Absent::Nothing) => bail!("a body does not come to its end"),
            }
        };
        if let Some(length) = answered.header("content-length") {
            let length: usize = length.parse()?;
            while self.unread.len() < length {
                ensure!(need(self)?, "a body ends early");
            }
            return Ok(self.unread.drain(..length).collect());
        }
        if answered.header("transfer-encoding") != Some("chunked") {
            while need(self)? {}
            return Ok(std::mem::take(&mut self.unread));
        }
        let mut body = Vec::new();
        loop {
            let line = loop {
                if let Some(at) = self.unread.windows(2).position(|window| window == b"\r\n") {
                    break self.unread.drain(..at + 2).collect::<Vec<u8>>();
                }
                ensure!(need(self)?, "a body ends early");
            };
            let length = usize::from_str_radix(String::from_utf8(line)?.trim(), 16)?;
            ensure!(length < BYTES_MAX, "a chunk of {length} bytes");
            while self.unread.len() < length + 2 {
                ensure!(need(self)?, "a body ends early");
            }
            body.extend(self.unread.drain(..length));
            self.unread.drain(..2);
            if length == 0 {
                return Ok(body);
            }
        }
    }

    /// Whether anything has come that was not read.
    pub(crate) fn has_more(&mut self) -> Result<bool> {
        if self.unread.is_empty() {
            self.stream.set_nonblocking(true)?;
            let mut bytes = [0; 1 << 10];
            match self.stream.read(&mut bytes) {
                Ok(read) => self.unread.extend(&bytes[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => bail!(error),
            }
            self.stream.set_nonblocking(false)?;
        }
        Ok(!self.unread.is_empty())
    }

    /// Sends one frame.
    pub(crate) fn send(&mut self, first: u8, payload: &[u8]) -> Result<()> {
        let mut frame = vec![first];
        match payload.len() {
            length @ 0..=125 => frame.push(0x80 | length as u8),
            length @ 126..=0xffff => {
                frame.push(0x80 | 126);
                frame.extend((length as u16).to_be_bytes());
            }
            length => {
                frame.push(0x80 | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend(MASK);
        frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        match self.stream.write_all(&frame) {
            // A server that has refused a large message need not take the rest of it.
            Err(error) if is_gone(&error) => Ok(()),
            written => Ok(written?),
        }
    }

    /// The next frame.
    pub(crate) fn frame(&mut self, patience: Duration) -> Result<std::result::Result<Frame, Absent>> {
        loop {
            if let Some((head, length)) = frame_length(&self.unread)?
                && self.unread.len() >= head + length
            {
                let frame: Vec<u8> = self.unread.drain(..head + length).collect();
                return Ok(Ok(Frame { first: frame[0], payload: frame[head..].to_vec() }));
            }
            if let Err(absent) = self.more(patience)? {
                return Ok(Err(absent));
            }
        }
    }

    fn more(&mut self, patience: Duration) -> Result<std::result::Result<(), Absent>> {
        ensure!(self.unread.len() < BYTES_MAX, "a server sends too much");
        let (mut bytes, end) = ([0; 64 << 10], Instant::now() + patience);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            self.stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
            match self.stream.read(&mut bytes) {
                Ok(0) => return Ok(Err(Absent::End)),
                Ok(read) => {
                    self.unread.extend(&bytes[..read]);
                    return Ok(Ok(()));
                }
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => return Ok(Err(Absent::Nothing)),
                    ErrorKind::ConnectionReset => return Ok(Err(Absent::End)),
                    _ => bail!(error),
                },
            }
        }
    }

    /// Goes without a word: the server is told that the connection is broken.
    pub(crate) fn cut(self) -> Result<()> {
        Ok(socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))?)
    }
}

fn is_gone(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
}

/// How long the head and the payload of the first frame are, if that can be told yet.
fn frame_length(bytes: &[u8]) -> Result<Option<(usize, usize)>> {
    let [_, second, rest @ ..] = bytes else { return Ok(None) };
    ensure!(second & 0x80 == 0, "a server masks its frames");
    let (more, short) = match second {
        126 => (2, None),
        127 => (8, None),
        short => (0, Some(usize::from(*short))),
    };
    let Some(long) = rest.get(..more) else { return Ok(None) };
    let long = long.iter().fold(0_usize, |length, byte| (length << 8) | usize::from(*byte));
    let length = short.unwrap_or(long);
    ensure!(length < BYTES_MAX, "a frame of {length} bytes");
    Ok(Some((2 + more, length)))
}
