//! What waits to be written to one connection.
//!
//! A message is encoded once, by the first connection that writes it, and its bytes are shared by all others. The
//! queue is bounded in bytes, counted until they have reached the socket; a reader that is too slow for it is
//! closed with 1013 and never waited for.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use bytes::Bytes;
use party_core::message::{CloseFrame, Message};
use party_core::profile::CLOSE_TRY_LATER;

/// A message on its way out, to one connection or to many.
#[derive(Debug)]
pub struct Outgoing {
    message: Message,
    wire: OnceCell<Bytes>,
}

impl Outgoing {
    /// A message that nobody has encoded yet.
    pub fn new(message: Message) -> Rc<Outgoing> {
        Rc::new(Outgoing { message, wire: OnceCell::new() })
    }

    /// The message.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// Its bytes on the wire; `encode` is called once. The last of its receivers, which is the only one of most
    /// messages, takes them along; the others share them.
    pub fn wire(self: Rc<Outgoing>, encode: impl FnOnce(&Message) -> Bytes) -> Bytes {
        match Rc::try_unwrap(self) {
            Ok(last) => last.wire.into_inner().unwrap_or_else(|| encode(&last.message)),
            Err(shared) => shared.wire.get_or_init(|| encode(&shared.message)).clone(),
        }
    }
}

/// What a connection's socket is to do next.
#[derive(Clone, Debug)]
pub enum Outbound {
    /// Write this message.
    Frame(Rc<Outgoing>),
    /// Write this message, with which the host itself has answered one of the client's.
    Answer(Rc<Outgoing>),
    /// Write a close frame, without a code if there is none, and end.
    Close(Option<CloseFrame>),
}

/// The queue of one connection.
#[derive(Default)]
pub(crate) struct Outbox {
    queue: RefCell<VecDeque<Outbound>>,
    bytes: Cell<usize>,
    bytes_max: usize,
    closing: Cell<bool>,
}

impl Outbox {
    pub(crate) fn new(bytes_max: usize) -> Outbox {
        Outbox { bytes_max, ..Outbox::default() }
    }

    /// Gives back what an empty queue keeps.
    pub(crate) fn give_back(&self) {
        let mut queue = self.queue.borrow_mut();
        if queue.is_empty() {
            *queue = VecDeque::new();
        }
    }

    /// Puts a message in. One message always fits. Whether there was room: if not, the connection is closed.
    pub(crate) fn push(&self, outgoing: &Rc<Outgoing>) -> bool {
        self.put(outgoing, Outbound::Frame)
    }

    /// Puts in what the host itself answers. It counts as any message does.
    pub(crate) fn answer(&self, outgoing: &Rc<Outgoing>) -> bool {
        self.put(outgoing, Outbound::Answer)
    }

    fn put(&self, outgoing: &Rc<Outgoing>, as_what: fn(Rc<Outgoing>) -> Outbound) -> bool {
        if self.closing.get() {
            return true;
        }
        let (waiting, bytes) = (self.bytes.get(), outgoing.message.len());
        if waiting > 0 && waiting + bytes > self.bytes_max {
            let text = format!("{waiting} bytes wait to be read; the limit is {}", self.bytes_max);
            self.queue.borrow_mut().clear();
            self.close(Some(CloseFrame::new(CLOSE_TRY_LATER, text)));
            return false;
        }
        self.bytes.set(waiting + bytes);
        self.queue.borrow_mut().push_back(as_what(Rc::clone(outgoing)));
        true
    }

    /// Puts a close in; nothing follows it.
    pub(crate) fn close(&self, frame: Option<CloseFrame>) {
        if !self.closing.replace(true) {
            self.queue.borrow_mut().push_back(Outbound::Close(frame));
        }
    }

    pub(crate) fn pop(&self) -> Option<Outbound> {
        self.queue.borrow_mut().pop_front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.borrow().is_empty()
    }

    /// So many payload bytes have reached the socket.
    pub(crate) fn written(&self, bytes: usize) {
        self.bytes.set(self.bytes.get().saturating_sub(bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::{Outbound, Outbox, Outgoing};
    use party_core::message::Message;

    fn message(bytes: usize) -> std::rc::Rc<Outgoing> {
        Outgoing::new(Message::Binary(vec![0; bytes].into()))
    }

    #[test]
    fn one_message_always_fits_and_the_next_closes_a_slow_reader() {
        let outbox = Outbox::new(10);
        assert!(outbox.push(&message(100)));
        assert!(!outbox.push(&message(1)));
        let Some(Outbound::Close(Some(frame))) = outbox.pop() else { panic!("the queue is cut") };
        assert_eq!((frame.code, frame.reason.as_str()), (1013, "100 bytes wait to be read; the limit is 10"));
        assert!(outbox.pop().is_none());
    }

    #[test]
    fn bytes_that_were_written_make_room() {
        let outbox = Outbox::new(10);
        assert!(outbox.push(&message(6)));
        outbox.written(6);
        assert!(outbox.push(&message(10)));
    }

    #[test]
    fn what_the_host_answers_counts_and_stands_in_line() {
        let outbox = Outbox::new(10);
        assert!(outbox.push(&message(1)) && outbox.answer(&message(9)));
        assert!(matches!(outbox.pop(), Some(Outbound::Frame(_))));
        assert!(matches!(outbox.pop(), Some(Outbound::Answer(_))));
        assert!(!outbox.answer(&message(1)), "ten bytes have not reached the socket");
        assert!(matches!(outbox.pop(), Some(Outbound::Close(Some(_)))));
    }

    #[test]
    fn a_message_to_many_is_encoded_once() {
        let outgoing = message(3);
        let first = std::rc::Rc::clone(&outgoing).wire(|message| message.payload().clone());
        let last = outgoing.wire(|_| panic!("encoded before"));
        assert_eq!(first, last);
    }
}
