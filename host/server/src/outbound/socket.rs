//! A WebSocket that a room has opened, on a real connection.

use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use party_core::message::{CloseFrame, Message, Text};
use party_node::clock::Clock;
use party_node::outbound::{FromSocket, SocketDriver, ToSocket};
use tokio::sync::{Notify, mpsc};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame as WireFrame, Message as WireMessage};
use tokio_tungstenite::tungstenite::{Error as WireError, Utf8Bytes};

use crate::edge::count::Share;
use crate::outbound::dial::Stream;
use crate::outbound::told;

/// After so long without a word of the other side it is asked whether it is there, and after as long again it is taken for lost.
const SILENCE: Duration = Duration::from_secs(30);
/// How long the other side is given to answer a close.
const CLOSE: Duration = Duration::from_secs(10);

type Wire = WebSocketStream<Stream>;

/// Carries it until either side ends it or the room gives it up.
pub(super) async fn carry(wire: Wire, driver: SocketDriver, clock: &dyn Clock, _place: Share) {
    let SocketDriver { to, from, taken } = driver;
    let (sink, stream) = wire.split();
    let (asks, closes) = (Notify::new(), Notify::new());
    let last_word = tokio::select! {
        biased;
        // The room has given it up, or there is no room any more.
        () = from.closed() => return,
        broke = write(sink, to, taken, &asks, &closes) => broke,
        word = read(stream, &from, clock, &asks, &closes) => word,
    };
    // Whoever waited may have gone by now.
    let _ = from.send(last_word).await;
}

/// Writes what the room says. It ends when the connection breaks.
async fn write(
    mut sink: SplitSink<Wire, WireMessage>,
    mut to: mpsc::UnboundedReceiver<ToSocket>,
    taken: mpsc::UnboundedSender<u64>,
    asks: &Notify,
    closes: &Notify,
) -> FromSocket {
    loop {
        let (message, bytes) = tokio::select! {
            biased;
            () = asks.notified() => (WireMessage::Ping(Default::default()), 0),
            Some(said) = to.recv() => match said {
                ToSocket::Send(message) => (wire_message(&message), message.len().max(1)),
                ToSocket::Close(frame) => {
                    let frame = frame.map(|CloseFrame { code, reason }| WireFrame {
                        code: CloseCode::from(code),
                        reason: reason.into(),
                    });
                    closes.notify_one();
                    (WireMessage::Close(frame), 0)
                }
            },
        };
        match sink.send(message).await {
            Ok(()) if bytes > 0 => {
                // The room may have gone; who reads sees that.
                let _ = taken.send(bytes as u64);
            }
            Ok(()) => {}
            // The answer to a close may have come just now: who reads knows.
            Err(WireError::ConnectionClosed | WireError::AlreadyClosed | WireError::Protocol(_)) => {
                std::future::pending::<()>().await;
            }
            Err(error) => return FromSocket::Broke(format!("the connection broke: {}", told(&error))),
        }
    }
}

/// Reads what comes, as fast as the room takes it. Gives the last word.
async fn read(
    mut stream: SplitStream<Wire>,
    from: &mpsc::Sender<FromSocket>,
    clock: &dyn Clock,
    asks: &Notify,
    closes: &Notify,
) -> FromSocket {
    let (mut closing, mut asked) = (false, false);
    loop {
        let Ok(place) = from.reserve().await else { std::future::pending().await };
        let wait = if closing { CLOSE } else { SILENCE };
        let late = clock.sleep_until_ticks(clock.ticks().after_ms(wait.as_millis() as u64));
        let came = tokio::select! {
            biased;
            came = stream.next() => came,
            () = closes.notified(), if !closing => {
                closing = true;
                continue;
            }
            () = late => {
                if closing {
                    return FromSocket::Closed(CloseFrame::lost());
                }
                if asked {
                    let seconds = 2 * SILENCE.as_secs();
                    return FromSocket::Broke(format!("nothing has come for {seconds} s, and no answer to a ping"));
                }
                asked = true;
                asks.notify_one();
                continue;
            }
        };
        asked = false;
        match came {
            Some(Ok(WireMessage::Text(text))) => {
                // It was checked when it was read.
                match Text::from_utf8(text.into()) {
                    Ok(text) => place.send(FromSocket::Message(Message::Text(text))),
                    Err(_) => return FromSocket::Broke("a text is not UTF-8".into()),
                }
            }
            Some(Ok(WireMessage::Binary(bytes))) => place.send(FromSocket::Message(Message::Binary(bytes))),
            Some(Ok(WireMessage::Close(frame))) => {
                let frame =
                    frame.map(|WireFrame { code, reason }| CloseFrame::new(code.into(), reason.as_str()));
                return FromSocket::Closed(frame.unwrap_or_else(CloseFrame::no_code));
            }
            Some(Ok(WireMessage::Ping(_) | WireMessage::Pong(_) | WireMessage::Frame(_))) => {}
            Some(Err(error)) => return FromSocket::Broke(format!("the connection broke: {}", told(&error))),
            None => return FromSocket::Closed(CloseFrame::lost()),
        }
    }
}

fn wire_message(message: &Message) -> WireMessage {
    match message {
        Message::Text(text) => WireMessage::Text(
            Utf8Bytes::try_from(text.as_bytes().clone()).expect("a text of a guest is UTF-8"),
        ),
        Message::Binary(bytes) => WireMessage::Binary(bytes.clone()),
    }
}
