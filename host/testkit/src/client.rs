//! A simulated WebSocket client, over an in-memory socket.
//!
//! Its socket is served by a task beside the host's, as a browser's is by the browser: pings are answered and messages
//! taken in while the test does something else.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use anyhow::{Result, bail};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::host::Host;
use crate::line::Line;
use crate::transcript::payload::{Content, written_close};

/// What stands for a close without a code (RFC 6455, 7.1.5).
pub(crate) const NO_CODE: u16 = 1005;

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

impl Received {
    /// As a transcript writes it.
    pub(crate) fn written(&self) -> String {
        match self {
            Received::Text(text) => Content::Text(text.clone()).written(),
            Received::Binary(bytes) => Content::Binary(bytes.clone()).written(),
            Received::Closed(code, reason) => written_close(*code, reason),
            Received::Lost => "lost".into(),
        }
    }
}

enum Order {
    Send(Message),
    StopReading,
    ReadSlowly(u64),
    GoDead,
}

/// What has arrived. Says that the connection was lost when the task that fills it is dropped.
#[derive(Default)]
struct Inbox {
    received: VecDeque<Received>,
    ended: bool,
}

impl Inbox {
    fn end(&mut self, how: Received) {
        if !self.ended {
            self.ended = true;
            self.received.push_back(how);
        }
    }
}

struct Filling(Rc<RefCell<Inbox>>);

impl Drop for Filling {
    fn drop(&mut self) {
        self.0.borrow_mut().end(Received::Lost);
    }
}

/// One client. Dropping it cuts its connection.
pub struct Client {
    host: Rc<Host>,
    /// In the story so far.
    name: String,
    path: String,
    orders: mpsc::UnboundedSender<Order>,
    inbox: Rc<RefCell<Inbox>>,
}

async fn serve(
    mut socket: WebSocketStream<Line>,
    mut orders: mpsc::UnboundedReceiver<Order>,
    inbox: Filling,
) {
    let mut reads = true;
    loop {
        tokio::select! {
            biased;
            arrived = socket.next(), if reads => match arrived {
                Some(Ok(message)) => take(message, &mut inbox.0.borrow_mut()),
                Some(Err(_)) | None => return,
            },
            order = orders.recv() => match order {
                Some(Order::Send(message)) if reads => {
                    // Sending may wait until the host reads; meanwhile what the host sends must be taken in.
                    let (mut sink, mut stream) = socket.split();
                    let mut sending = std::pin::pin!(sink.send(message));
                    loop {
                        tokio::select! {
                            biased;
                            // A send that fails is seen as the end of the stream, next.
                            _ = &mut sending => break,
                            arrived = stream.next() => match arrived {
                                Some(Ok(message)) => take(message, &mut inbox.0.borrow_mut()),
                                Some(Err(_)) | None => return,
                            },
                        }
                    }
                    let Ok(whole) = sink.reunite(stream) else { return };
                    socket = whole;
                }
                Some(Order::Send(message)) => {
                    if socket.send(message).await.is_err() {
                        return;
                    }
                }
                Some(Order::StopReading) => reads = false,
                Some(Order::ReadSlowly(bytes_per_second)) => socket.get_mut().slow_down(bytes_per_second),
                Some(Order::GoDead) => socket.get_mut().go_dead(),
                None => return,
            },
        }
    }
}

fn take(message: Message, inbox: &mut Inbox) {
    match message {
        Message::Text(text) => inbox.received.push_back(Received::Text(text.as_str().to_owned())),
        Message::Binary(bytes) => inbox.received.push_back(Received::Binary(bytes.to_vec())),
        Message::Close(frame) => {
            let frame = frame.map(|frame| (u16::from(frame.code), frame.reason.as_str().to_owned()));
            let (code, reason) = frame.unwrap_or((NO_CODE, String::new()));
            inbox.end(Received::Closed(code, reason));
        }
        Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
    }
}

impl Client {
    /// Only while the host's tasks run.
    pub(crate) fn new(host: Rc<Host>, name: String, path: String, socket: WebSocketStream<Line>) -> Client {
        let inbox = Rc::new(RefCell::new(Inbox::default()));
        let (orders, receiver) = mpsc::unbounded_channel();
        tokio::task::spawn_local(serve(socket, receiver, Filling(Rc::clone(&inbox))));
        Client { host, name, path, orders, inbox }
    }

    async fn order(&self, told: String, order: Order) -> Result<()> {
        self.host.story.tell(format!("> {} {told}", self.name));
        if self.orders.send(order).is_err() {
            bail!("{} has no connection any more", self.path);
        }
        self.host.settle().await;
        Ok(())
    }

    /// Sends a text message.
    pub async fn send(&mut self, text: &str) -> Result<()> {
        self.order(format!("send {}", Content::Text(text.into()).written()), Order::Send(Message::text(text)))
            .await
    }

    /// Sends a binary message.
    pub async fn send_binary(&mut self, bytes: &[u8]) -> Result<()> {
        let told = format!("send {}", Content::Binary(bytes.to_vec()).written());
        self.order(told, Order::Send(Message::binary(bytes.to_vec()))).await
    }

    /// Closes the connection, with a code and a reason; with 1005, without a code.
    pub async fn close(&mut self, code: u16, reason: &str) -> Result<()> {
        let frame = CloseFrame { code: CloseCode::from(code), reason: reason.to_owned().into() };
        let frame = (code != NO_CODE).then_some(frame);
        self.order(written_close(code, reason), Order::Send(Message::Close(frame))).await
    }

    /// Reads nothing from now on, so that pings are not answered either: a client that has stalled, or died.
    pub async fn stop_reading(&mut self) -> Result<()> {
        self.order("stall".into(), Order::StopReading).await
    }

    /// From now on so many bytes a second reach the client, at least one, of the time that passes in the world: a message
    /// arrives when its last byte has. What it sends is not slowed down.
    pub async fn read_slowly(&mut self, bytes_per_second: u64) -> Result<()> {
        self.order(format!("slow {bytes_per_second}"), Order::ReadSlowly(bytes_per_second)).await
    }

    /// The connection is half open from now on: nothing reaches either end, and neither is told. A cut cable, a phone that
    /// has changed its network. What is sent now is lost.
    pub async fn go_dead(&mut self) -> Result<()> {
        self.order("dead".into(), Order::GoDead).await
    }

    /// The next thing received, if anything has arrived when everything is quiet.
    pub async fn next(&mut self) -> Option<Received> {
        self.host.settle().await;
        let received = self.inbox.borrow_mut().received.pop_front();
        received.iter().for_each(|received| self.tell(received));
        received
    }

    /// How much has arrived and was not looked at.
    pub(crate) fn waiting(&self) -> usize {
        self.inbox.borrow().received.len()
    }

    /// Everything received since the last look, when everything is quiet.
    pub async fn all(&mut self) -> Vec<Received> {
        self.host.settle().await;
        let all: Vec<Received> = self.inbox.borrow_mut().received.drain(..).collect();
        all.iter().for_each(|received| self.tell(received));
        all
    }

    fn tell(&self, received: &Received) {
        self.host.story.tell(format!("< {} {}", self.name, received.written()));
    }

    /// Cuts the connection without a word, as a train in a tunnel does.
    pub async fn cut(self) {
        let host = Rc::clone(&self.host);
        host.story.tell(format!("> {} cut", self.name));
        drop(self);
        host.settle().await;
    }

    async fn expect(&mut self, expected: Received) -> Result<()> {
        match self.next().await {
            Some(received) if received == expected => Ok(()),
            Some(received) => {
                bail!("{} expected {}, received {}", self.path, short(&expected), short(&received))
            }
            None => bail!("{} expected {}, received nothing", self.path, short(&expected)),
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
            Some(other) => bail!("{} expected a close with {code}, received {}", self.path, short(&other)),
            None => bail!("{} expected a close with {code}, received nothing", self.path),
        }
    }

    /// Expects that nothing has arrived when everything is quiet.
    pub async fn expect_nothing(&mut self) -> Result<()> {
        match self.next().await {
            None => Ok(()),
            Some(received) => bail!("{} expected nothing, received {}", self.path, short(&received)),
        }
    }
}

/// The longest message that is shown whole.
const SHOWN_CHARS_MAX: usize = 300;

fn short(received: &Received) -> String {
    let text = format!("{received:?}");
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}… ({} characters)", &text[..end], text.chars().count()),
        None => text,
    }
}
