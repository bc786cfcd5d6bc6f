//! What lies between a simulated client and the host: a socket in memory, as good or as bad as a test wants it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use party_core::ids::Timestamp;
use party_node::clock::{Clock, Sleep};
use tokio::io::{self, AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use crate::clock::VirtualClock;

/// How often a slow line delivers what it may, in milliseconds.
const PORTION_MS: u64 = 100;

/// How good the line is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Quality {
    /// All comes at once.
    Good,
    /// So many bytes a second come from the host, counted since then.
    Slow { bytes_per_second: u64, since: Timestamp, delivered: u64 },
    /// Nothing comes any more, and what is sent is never heard of; neither end is told.
    HalfOpen,
}

/// A client's end.
pub(crate) struct Line {
    socket: DuplexStream,
    clock: VirtualClock,
    quality: Quality,
    portion: Option<Sleep>,
}

impl Line {
    pub(crate) fn new(socket: DuplexStream, clock: VirtualClock) -> Line {
        Line { socket, clock, quality: Quality::Good, portion: None }
    }

    /// From now on so many bytes a second come from the host; at least one.
    pub(crate) fn slow_down(&mut self, bytes_per_second: u64) {
        let since = self.clock.now();
        self.quality = Quality::Slow { bytes_per_second: bytes_per_second.max(1), since, delivered: 0 };
        self.portion = None;
    }

    /// From now on nothing passes in either direction.
    pub(crate) fn go_dead(&mut self) {
        self.quality = Quality::HalfOpen;
        self.portion = None;
    }

    /// How many bytes may come now; waits until there are some.
    fn poll_allowed(&mut self, cx: &mut Context<'_>) -> Poll<u64> {
        loop {
            if let Some(portion) = &mut self.portion {
                ready!(portion.as_mut().poll(cx));
                self.portion = None;
            }
            let Quality::Slow { bytes_per_second, since, delivered } = self.quality else {
                return if self.quality == Quality::Good { Poll::Ready(u64::MAX) } else { Poll::Pending };
            };
            let passed_ms = self.clock.now().since_ms(since);
            let allowed = passed_ms.saturating_mul(bytes_per_second) / 1_000;
            if allowed > delivered {
                return Poll::Ready(allowed - delivered);
            }
            let next_ms = ((delivered + 1) * 1_000).div_ceil(bytes_per_second);
            self.portion = Some(self.clock.sleep_until(since.after_ms(next_ms.max(passed_ms + PORTION_MS))));
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let allowed = usize::try_from(ready!(self.poll_allowed(cx))).unwrap_or(usize::MAX);
        let Quality::Slow { delivered, .. } = self.quality else {
            return Pin::new(&mut self.socket).poll_read(cx, out);
        };
        let free = out.remaining();
        let mut part = ReadBuf::new(out.initialize_unfilled_to(free.min(allowed)));
        ready!(Pin::new(&mut self.socket).poll_read(cx, &mut part))?;
        let count = part.filled().len();
        out.advance(count);
        if let Quality::Slow { delivered: counted, .. } = &mut self.quality {
            *counted = delivered + count as u64;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.quality {
            Quality::HalfOpen => Poll::Ready(Ok(bytes.len())),
            Quality::Good | Quality::Slow { .. } => Pin::new(&mut self.socket).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.quality {
            Quality::HalfOpen => Poll::Ready(Ok(())),
            Quality::Good | Quality::Slow { .. } => Pin::new(&mut self.socket).poll_shutdown(cx),
        }
    }
}
