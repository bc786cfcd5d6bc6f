//! Auto-responses: a text that the host answers by itself, so that a room can sleep through its clients' heartbeats.
//!
//! A room has at most one. It is of the life that set it: it is set by a turn that is kept, lasts while that life sleeps
//! and over restarts of the host, and ends with that life. At the edge it changes by an
//! [`crate::event::Output`], so that it is in force no sooner than whatever it depends on is durable.

use crate::message::{Message, Text};

/// Which text is answered, and with what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AutoResponse {
    /// A text message of a client that equals this, whole and byte by byte, is answered and goes nowhere else.
    pub request: Text,
    /// The text message that it is answered with.
    pub response: Text,
}

impl AutoResponse {
    /// Whether this is what a client has said.
    pub fn answers(&self, message: &Message) -> bool {
        match message {
            Message::Text(text) => *text == self.request,
            Message::Binary(_) => false,
        }
    }

    /// Bytes of both texts.
    pub fn bytes(&self) -> usize {
        self.request.as_bytes().len() + self.response.as_bytes().len()
    }
}

#[cfg(test)]
mod tests {
    use super::AutoResponse;
    use crate::message::Message;

    #[test]
    fn only_the_same_text_is_answered() {
        let pair = AutoResponse { request: "ping".into(), response: "pong".into() };
        assert!(pair.answers(&Message::text("ping")));
        for other in ["", "pin", "ping ", "Ping", "pong"] {
            assert!(!pair.answers(&Message::text(other)), "{other:?}");
        }
        assert!(!pair.answers(&Message::Binary("ping".into())), "bytes are no text");
    }

    #[test]
    fn the_empty_text_can_be_answered() {
        let pair = AutoResponse { request: "".into(), response: "".into() };
        assert!(pair.answers(&Message::text("")));
        assert!(!pair.answers(&Message::Binary(Default::default())));
    }
}
