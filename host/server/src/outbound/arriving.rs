//! The answer to a fetch while its body arrives.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{Connection, SendRequest};
use hyper_util::rt::TokioIo;
use party_node::outbound::Pieces;

use crate::edge::count::Share;
use crate::outbound::dial::Stream;
use crate::outbound::told;

/// The connection is driven here and nowhere else, so that it ends with this.
pub(super) struct Arriving {
    pub(super) body: Incoming,
    pub(super) link: Link,
    pub(super) place: Option<Share>,
}

/// A connection that carries one request.
pub(super) struct Link {
    connection: Option<Connection<TokioIo<Stream>, Full<Bytes>>>,
    /// Kept, or the connection would take the exchange for given up.
    _sender: SendRequest<Full<Bytes>>,
}

impl Link {
    pub(super) fn new(
        connection: Connection<TokioIo<Stream>, Full<Bytes>>,
        sender: SendRequest<Full<Bytes>>,
    ) -> Link {
        Link { connection: Some(connection), _sender: sender }
    }

    /// Drives it. An error says why it broke.
    fn drive(&mut self, cx: &mut Context<'_>) -> Result<(), hyper::Error> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        match Pin::new(connection).poll(cx) {
            Poll::Pending => Ok(()),
            Poll::Ready(ended) => {
                self.connection = None;
                ended
            }
        }
    }
}

/// Waits for something that needs the connection to be driven meanwhile.
pub(super) async fn driven<T>(
    link: &mut Link,
    what: impl Future<Output = Result<T, hyper::Error>>,
) -> Result<T, hyper::Error> {
    let mut what = std::pin::pin!(what);
    poll_fn(|cx| {
        if let Poll::Ready(done) = what.as_mut().poll(cx) {
            return Poll::Ready(done);
        }
        let had_connection = link.connection.is_some();
        if let Err(error) = link.drive(cx) {
            return Poll::Ready(Err(error));
        }
        // What came before its end is still to be read.
        match had_connection {
            true => what.as_mut().poll(cx),
            false => Poll::Pending,
        }
    })
    .await
}

impl Arriving {
    /// Bytes that are at least to come.
    pub(super) fn bytes_min(&self) -> u64 {
        self.body.size_hint().lower()
    }

    pub(super) fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, hyper::Error>>> {
        let mut is_driven = false;
        loop {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => return Poll::Ready(Some(Ok(data))),
                    Ok(_) | Err(_) => {}
                },
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending if is_driven => return Poll::Pending,
                Poll::Pending => {
                    if let Err(error) = self.link.drive(cx) {
                        return Poll::Ready(Some(Err(error)));
                    }
                    is_driven = true;
                }
            }
        }
    }
}

impl Pieces for Arriving {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, String>>> {
        self.poll_bytes(cx).map(|piece| {
            piece.map(|piece| match piece {
                // Copied, or a few bytes would keep the whole buffer that they were read into.
                Ok(bytes) => Ok(Bytes::copy_from_slice(&bytes)),
                Err(error) => Err(format!("the connection broke: {}", told(&error))),
            })
        })
    }
}
