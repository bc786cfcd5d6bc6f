//! A simulated WebSocket client, over an in-memory socket.

use std::collections::VecDeque;
use std::rc::Rc;

use anyhow::{Context, Result, bail};
use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::io::DuplexStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::host::Host;

/// What a client has received.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Received {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
    /// The connection was closed, with this code (1005: none) and reason.
    Closed(u16, String),
    /// The connection ended without a close.
    Lost,
}

/// One client. Dropping it cuts its connection.
pub struct Client {
    host: Rc<Host>,
    name: String,
    socket: WebSocketStream<DuplexStream>,
    waiting: VecDeque<Received>,
    ended: bool,
}

impl Client {
    pub(crate) fn new(host: Rc<Host>, name: String, socket: WebSocketStream<DuplexStream>) -> Client {
        Client { host, name, socket, waiting: VecDeque::new(), ended: false }
    }

    /// Sends a text message.
    pub async fn send(&mut self, text: &str) -> Result<()> {
        self.send_message(Message::text(text)).await
    }

    /// Sends a binary message.
    pub async fn send_binary(&mut self, bytes: &[u8]) -> Result<()> {
        self.send_message(Message::binary(bytes.to_vec())).await
    }

    async fn send_message(&mut self, message: Message) -> Result<()> {
        let host = Rc::clone(&self.host);
        let sent = host.during(self.socket.send(message)).await;
        sent.with_context(|| format!("{} cannot send", self.name))?;
        host.settle().await;
        Ok(())
    }

    /// Closes the connection, with a code and a reason.
    pub async fn close(&mut self, code: u16, reason: &str) -> Result<()> {
        let frame = CloseFrame { code: CloseCode::from(code), reason: reason.to_owned().into() };
        let host = Rc::clone(&self.host);
        host.during(self.socket.close(Some(frame))).await?;
        host.settle().await;
        Ok(())
    }

    /// Takes what has arrived until everything is quiet.
    async fn take_arrived(&mut self) {
        self.host.settle().await;
        while !self.ended {
            let Some(arrived) = self.socket.next().now_or_never() else { break };
            let received = match arrived {
                Some(Ok(Message::Text(text))) => Received::Text(text.as_str().to_owned()),
                Some(Ok(Message::Binary(bytes))) => Received::Binary(bytes.to_vec()),
                Some(Ok(Message::Close(frame))) => {
                    self.ended = true;
                    let frame = frame.map(|frame| (u16::from(frame.code), frame.reason.as_str().to_owned()));
                    let (code, reason) = frame.unwrap_or((1005, String::new()));
                    Received::Closed(code, reason)
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                Some(Err(_)) | None => {
                    self.ended = true;
                    Received::Lost
                }
            };
            self.waiting.push_back(received);
        }
        // A pong or the answer to a close may wait to leave.
        let _ = self.socket.flush().now_or_never();
        self.host.settle().await;
    }

    /// The next thing received, if anything has arrived when everything is quiet.
    pub async fn next(&mut self) -> Option<Received> {
        if self.waiting.is_empty() {
            self.take_arrived().await;
        }
        self.waiting.pop_front()
    }

    /// Everything received since the last look, when everything is quiet.
    pub async fn all(&mut self) -> Vec<Received> {
        self.take_arrived().await;
        self.waiting.drain(..).collect()
    }

    async fn expect(&mut self, expected: Received) -> Result<()> {
        match self.next().await {
            Some(received) if received == expected => Ok(()),
            Some(received) => bail!("{} expected {expected:?}, received {received:?}", self.name),
            None => bail!("{} expected {expected:?}, received nothing", self.name),
        }
    }

    /// Expects this text next.
    pub async fn expect_text(&mut self, text: &str) -> Result<()> {
        self.expect(Received::Text(text.into())).await
    }

    /// Expects these bytes next.
    pub async fn expect_binary(&mut self, bytes: &[u8]) -> Result<()> {
        self.expect(Received::Binary(bytes.into())).await
    }

    /// Expects a close with this code next; gives back its reason.
    pub async fn expect_close(&mut self, code: u16) -> Result<String> {
        match self.next().await {
            Some(Received::Closed(received, reason)) if received == code => Ok(reason),
            other => bail!("{} expected a close with {code}, received {other:?}", self.name),
        }
    }

    /// Expects that nothing has arrived when everything is quiet.
    pub async fn expect_nothing(&mut self) -> Result<()> {
        match self.next().await {
            None => Ok(()),
            Some(received) => bail!("{} expected nothing, received {received:?}", self.name),
        }
    }
}
