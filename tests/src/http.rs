//! Plain blocking clients for a host on this machine: one HTTP connection, one WebSocket.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use anyhow::{Context, Result, bail};
use tokio_tungstenite::tungstenite;
use tungstenite::{Message, WebSocket};

use crate::program::BOUND;

fn dial(port: u16) -> Result<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(BOUND))?;
    stream.set_write_timeout(Some(BOUND))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// An answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: String,
}

/// One HTTP/1.1 connection.
pub struct Http {
    stream: BufReader<TcpStream>,
}

impl Http {
    /// Connects.
    pub fn connect(port: u16) -> Result<Http> {
        Ok(Http { stream: BufReader::new(dial(port)?) })
    }

    /// Sends a request without a body.
    pub fn send(&mut self, method: &str, path: &str) -> Result<()> {
        self.send_with(method, path, &[("host", "127.0.0.1")])
    }

    /// Sends a request with these headers and without a body.
    pub fn send_with(&mut self, method: &str, path: &str, headers: &[(&str, &str)]) -> Result<()> {
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!("{method} {path} HTTP/1.1\r\n{headers}content-length: 0\r\n\r\n");
        Ok(self.stream.get_mut().write_all(head.as_bytes())?)
    }

    /// Reads the next answer.
    pub fn receive(&mut self) -> Result<Answer> {
        let status = self.line()?;
        let status = status.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.context("a status line")?;
        let mut length = None;
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').with_context(|| format!("header {line:?}"))?;
            if name.eq_ignore_ascii_case("content-length") {
                length = Some(value.trim().parse::<usize>()?);
            }
        }
        let mut body = vec![0; length.context("answers to these requests have a length")?];
        self.stream.read_exact(&mut body)?;
        Ok(Answer { status, body: String::from_utf8(body)? })
    }

    /// Sends a request and reads its answer.
    pub fn request(&mut self, method: &str, path: &str) -> Result<Answer> {
        self.send(method, path)?;
        self.receive()
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            bail!("the connection has ended");
        }
        Ok(line.trim_end().to_owned())
    }
}

/// Sends one request on a connection of its own.
pub fn request(port: u16, method: &str, path: &str) -> Result<Answer> {
    Http::connect(port)?.request(method, path).with_context(|| format!("{method} {path}"))
}

/// The same, with these headers, of which one is the host.
pub fn request_with(port: u16, method: &str, path: &str, headers: &[(&str, &str)]) -> Result<Answer> {
    let mut http = Http::connect(port)?;
    http.send_with(method, path, headers)?;
    http.receive().with_context(|| format!("{method} {path} with {headers:?}"))
}

/// A WebSocket client.
pub struct Socket {
    socket: WebSocket<TcpStream>,
}

impl Socket {
    /// Connects to a room of the party `main`.
    pub fn connect(port: u16, room: &str) -> Result<Socket> {
        Socket::connect_as(port, "127.0.0.1", room)
    }

    /// The same, asking for this host.
    pub fn connect_as(port: u16, host: &str, room: &str) -> Result<Socket> {
        let url = format!("ws://{host}:{port}/parties/main/{room}");
        let (socket, _) = tungstenite::client(url, dial(port)?).context("the handshake failed")?;
        Ok(Socket { socket })
    }

    /// Sends a text.
    pub fn send(&mut self, text: &str) -> Result<()> {
        Ok(self.socket.send(Message::text(text))?)
    }

    /// The next text.
    pub fn text(&mut self) -> Result<String> {
        match self.socket.read()? {
            Message::Text(text) => Ok(text.to_string()),
            other => bail!("a text should come, not {other:?}"),
        }
    }

    /// Reads on until the host closes the connection; gives the code and the reason of its close frame.
    pub fn closed(&mut self) -> Result<(u16, String)> {
        loop {
            if let Message::Close(frame) = self.socket.read()? {
                let frame = frame.context("the close has a code")?;
                // Answered, so that the host need not wait for it. The host may have gone meanwhile.
                let _ = self.socket.flush();
                return Ok((frame.code.into(), frame.reason.to_string()));
            }
        }
    }
}
