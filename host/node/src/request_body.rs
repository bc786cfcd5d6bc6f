//! The body of a request that has not come along with it: it waits with its client until the room reads it, perhaps on another
//! thread, and then arrives piece by piece, as fast as the room takes it.

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

/// What is said of a body whose client has gone.
pub(crate) const CLIENT_GONE: &str = "its client has gone";

enum Piece {
    Bytes(Bytes),
    End,
    Broke(String),
}

/// A body that waits, for the room. To drop it is to want nothing of it.
pub struct WaitingBody {
    begin: Option<oneshot::Sender<()>>,
    pieces: mpsc::Receiver<Piece>,
}

/// What there is of the body of a request, for a room that begins to read it.
pub(crate) enum Upload {
    /// It waits with its client.
    Waiting(WaitingBody),
    /// The room has it.
    CameAlong,
    /// It was read before.
    Read,
    /// Its client is not there any more.
    Gone,
}

/// The other end, for who has the client. Dropped before its end, the body breaks off.
pub struct BodySender {
    begun: oneshot::Receiver<()>,
    pieces: mpsc::Sender<Piece>,
}

/// Whoever was to read the body wants nothing more of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unwanted;

impl WaitingBody {
    /// Both ends.
    pub fn pair() -> (BodySender, WaitingBody) {
        let ((begin, begun), (sender, pieces)) = (oneshot::channel(), mpsc::channel(1));
        (BodySender { begun, pieces: sender }, WaitingBody { begin: Some(begin), pieces })
    }

    /// The next piece; `None` behind the last; an error where it breaks off, which is the last, too.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, String>> {
        if let Some(begin) = self.begin.take() {
            // Whoever has the client may have gone; then nothing comes.
            let _ = begin.send(());
        }
        match self.pieces.recv().await {
            Some(Piece::Bytes(bytes)) => Some(Ok(bytes)),
            Some(Piece::End) => None,
            Some(Piece::Broke(why)) => Some(Err(why)),
            None => Some(Err(CLIENT_GONE.into())),
        }
    }
}

impl BodySender {
    /// Waits until the room begins to read.
    pub async fn begun(&mut self) -> Result<(), Unwanted> {
        (&mut self.begun).await.map_err(|_| Unwanted)
    }

    /// Waits until there is a place for another piece.
    pub async fn ready(&self) -> Result<(), Unwanted> {
        self.pieces.reserve().await.map(drop).map_err(|_| Unwanted)
    }

    /// Ready again only when nobody wants more.
    pub async fn unwanted(&self) {
        self.pieces.closed().await;
    }

    /// Sends a piece.
    pub async fn send(&self, bytes: Bytes) -> Result<(), Unwanted> {
        self.pieces.send(Piece::Bytes(bytes)).await.map_err(|_| Unwanted)
    }

    /// That was all. Nobody may want to know.
    pub async fn finish(self) {
        let _ = self.pieces.send(Piece::End).await;
    }

    /// It breaks off, and why. Nobody may want to know.
    pub async fn break_off(self, why: String) {
        let _ = self.pieces.send(Piece::Broke(why)).await;
    }
}
