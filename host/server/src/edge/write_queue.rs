//! Bytes on their way to one socket, in the order in which they leave.
//!
//! Chunks are shared: a broadcast is one allocation for all its receivers. What waits goes out in as few writes as
//! can be: small chunks are gathered into one buffer, because the kernel takes one piece much more cheaply than many
//! small ones; large ones go out in one vectored write, uncopied.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite as _;

use super::socket::Socket;

/// Small frames are gathered in a buffer of so many bytes, one for each worker.
const WRITE_BYTES: usize = 16 << 10;

thread_local! {
    static WRITE_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; WRITE_BYTES].into_boxed_slice());
}

/// The most chunks that one write takes: enough to make the system call cheap for each, little enough to stand on
/// the stack.
pub(crate) const SLICES_MAX: usize = 64;

struct Chunk {
    wire: Bytes,
    /// Bytes of a message's payload in it.
    payload: usize,
    /// Whether the host itself answers with it.
    is_answer: bool,
}

/// What waits to be written.
#[derive(Default)]
pub(crate) struct WriteQueue {
    chunks: VecDeque<Chunk>,
    /// Bytes of the first chunk that have been written.
    written: usize,
    /// Control frames and auto-responses among the chunks.
    answers: usize,
}

impl WriteQueue {
    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// How many control frames and auto-responses wait.
    pub(crate) fn answers(&self) -> usize {
        self.answers
    }

    /// Adds the frame of a message with a payload of so many bytes.
    pub(crate) fn push_message(&mut self, wire: Bytes, payload: usize) {
        self.chunks.push_back(Chunk { wire, payload, is_answer: false });
    }

    /// Adds the frame of an auto-response with a payload of so many bytes.
    pub(crate) fn push_answer(&mut self, wire: Bytes, payload: usize) {
        self.chunks.push_back(Chunk { wire, payload, is_answer: true });
        self.answers += 1;
    }

    /// Adds control frames.
    pub(crate) fn push_control(&mut self, wire: Bytes) {
        self.push_answer(wire, 0);
    }

    /// One write of what waits, which is something. How much of it was taken is for [`WriteQueue::advance`].
    pub(crate) fn poll_write(&self, socket: &mut Socket, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let socket = Pin::new(socket);
        match self.single() {
            Some(bytes) => socket.poll_write(cx, bytes),
            None => WRITE_BUFFER.with_borrow_mut(|buffer| match self.gather(buffer) {
                0 => {
                    let (slices, count) = self.slices();
                    socket.poll_write_vectored(cx, &slices[..count])
                }
                gathered => socket.poll_write(cx, &buffer[..gathered]),
            }),
        }
    }

    /// The bytes to write next.
    pub(crate) fn slices(&self) -> ([IoSlice<'_>; SLICES_MAX], usize) {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let mut count = 0;
        for (slice, chunk) in slices.iter_mut().zip(&self.chunks) {
            let from = if count == 0 { self.written } else { 0 };
            *slice = IoSlice::new(&chunk.wire[from..]);
            count += 1;
        }
        (slices, count)
    }

    /// Copies whole chunks from the front into `buffer`, as many as fit. Gives back how many bytes they are, or 0 if
    /// fewer than two fit: then there is nothing to gain by copying.
    pub(crate) fn gather(&self, buffer: &mut [u8]) -> usize {
        let (mut filled, mut count) = (0, 0);
        for chunk in &self.chunks {
            let from = if count == 0 { self.written } else { 0 };
            let wire = &chunk.wire[from..];
            let Some(place) = buffer.get_mut(filled..filled + wire.len()) else { break };
            place.copy_from_slice(wire);
            filled += wire.len();
            count += 1;
        }
        if count < 2 { 0 } else { filled }
    }

    /// If there is only one chunk, what is left of it: then a plain write does.
    pub(crate) fn single(&self) -> Option<&[u8]> {
        match self.chunks.len() {
            1 => Some(&self.chunks[0].wire[self.written..]),
            _ => None,
        }
    }

    /// So many bytes have been written. Gives back the payload bytes of the messages that are now wholly out.
    pub(crate) fn advance(&mut self, bytes: usize) -> usize {
        let mut payload = 0;
        self.written += bytes;
        while let Some(first) = self.chunks.front() {
            if self.written < first.wire.len() {
                break;
            }
            self.written -= first.wire.len();
            payload += first.payload;
            self.answers -= usize::from(first.is_answer);
            self.chunks.pop_front();
        }
        if self.chunks.is_empty() {
            assert!(self.written == 0, "no more is written than was there");
            if self.chunks.capacity() > SLICES_MAX {
                // A burst is over; thousands of idle connections should not each keep room for one.
                self.chunks = VecDeque::new();
            }
        }
        payload
    }
}

#[cfg(test)]
mod tests {
    use super::{SLICES_MAX, WriteQueue};
    use bytes::Bytes;

    fn waiting(queue: &WriteQueue) -> Vec<u8> {
        let (slices, count) = queue.slices();
        slices[..count].iter().flat_map(|slice| slice.to_vec()).collect()
    }

    #[test]
    fn bytes_leave_in_order_and_count_when_their_frame_is_whole() {
        let mut queue = WriteQueue::default();
        queue.push_message(Bytes::from_static(b"abc"), 1);
        queue.push_control(Bytes::from_static(b"de"));
        queue.push_message(Bytes::from_static(b"fghi"), 2);
        assert_eq!(waiting(&queue), b"abcdefghi");
        assert_eq!(queue.advance(2), 0);
        assert_eq!(waiting(&queue), b"cdefghi");
        assert_eq!(queue.advance(4), 1);
        assert_eq!((waiting(&queue), queue.answers()), (b"ghi".to_vec(), 0));
        assert_eq!(queue.single(), Some(&b"ghi"[..]));
        assert_eq!(queue.advance(3), 2);
        assert!(queue.is_empty() && queue.single().is_none());
    }

    #[test]
    fn small_chunks_are_gathered_and_large_ones_are_not() {
        let mut queue = WriteQueue::default();
        queue.push_message(Bytes::from_static(b"abc"), 1);
        let mut buffer = [0; 8];
        assert_eq!(queue.gather(&mut buffer), 0, "one chunk needs no copy");
        queue.push_message(Bytes::from_static(b"defg"), 1);
        queue.push_message(Bytes::from_static(b"hi"), 1);
        queue.advance(1);
        assert_eq!(queue.gather(&mut buffer), 8);
        assert_eq!(&buffer, b"bcdefghi");
        assert_eq!(queue.gather(&mut buffer[..7]), 6);
        assert_eq!(queue.gather(&mut buffer[..5]), 0, "only one chunk fits");
    }

    #[test]
    fn one_write_takes_a_bounded_number_of_chunks() {
        let mut queue = WriteQueue::default();
        for _ in 0..SLICES_MAX + 1 {
            queue.push_message(Bytes::from_static(b"x"), 1);
        }
        assert_eq!(waiting(&queue).len(), SLICES_MAX);
        assert_eq!(queue.advance(SLICES_MAX), SLICES_MAX);
        assert_eq!(waiting(&queue), b"x");
    }
}
