//! What a WebSocket frame carries.
//!
//! A received message is owned: its bytes were put where they are by the host and are moved, never copied. A sent
//! one is borrowed from whatever holds it, so that sending allocates nothing.

use crate::bindings::party::server::types::{MessageParam, MessageResult};

/// One WebSocket message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Message {
    /// A text frame.
    Text(String),
    /// A binary frame.
    Binary(Vec<u8>),
}

impl Message {
    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }

    /// The bytes of a binary message, or of a text in UTF-8.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// A text message that is `value` in JSON. Fails if `value` has no JSON form (a map whose keys are no text).
    #[cfg(feature = "json")]
    pub fn from_json<T: serde::Serialize + ?Sized>(value: &T) -> Result<Self, crate::JsonError> {
        Ok(Self::Text(crate::json::to_text(value)?))
    }

    /// The value that the message is in JSON. An error says what was read, the wanted type and serde's words.
    #[cfg(feature = "json")]
    pub fn json<'a, T: serde::Deserialize<'a>>(&'a self) -> Result<T, crate::JsonError> {
        crate::json::from_bytes("the message", self.as_bytes())
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(bytes)
    }
}

impl From<MessageResult> for Message {
    fn from(message: MessageResult) -> Self {
        match message {
            MessageResult::Text(text) => Self::Text(text),
            MessageResult::Binary(bytes) => Self::Binary(bytes),
        }
    }
}

/// A message that something else holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A text frame.
    Text(&'a str),
    /// A binary frame.
    Binary(&'a [u8]),
}

impl<'a> From<Frame<'a>> for MessageParam<'a> {
    fn from(frame: Frame<'a>) -> Self {
        match frame {
            Frame::Text(text) => Self::Text(text),
            Frame::Binary(bytes) => Self::Binary(bytes),
        }
    }
}

/// What can be sent: texts as text frames, bytes as binary ones, and messages.
pub trait AsFrame {
    /// The frame to send.
    fn as_frame(&self) -> Frame<'_>;
}

impl AsFrame for Message {
    fn as_frame(&self) -> Frame<'_> {
        match self {
            Self::Text(text) => Frame::Text(text),
            Self::Binary(bytes) => Frame::Binary(bytes),
        }
    }
}

impl AsFrame for Frame<'_> {
    fn as_frame(&self) -> Frame<'_> {
        *self
    }
}

impl AsFrame for str {
    fn as_frame(&self) -> Frame<'_> {
        Frame::Text(self)
    }
}

impl AsFrame for String {
    fn as_frame(&self) -> Frame<'_> {
        Frame::Text(self)
    }
}

impl AsFrame for [u8] {
    fn as_frame(&self) -> Frame<'_> {
        Frame::Binary(self)
    }
}

impl<const LENGTH: usize> AsFrame for [u8; LENGTH] {
    fn as_frame(&self) -> Frame<'_> {
        Frame::Binary(self)
    }
}

impl AsFrame for Vec<u8> {
    fn as_frame(&self) -> Frame<'_> {
        Frame::Binary(self)
    }
}

impl<T: AsFrame + ?Sized> AsFrame for &T {
    fn as_frame(&self) -> Frame<'_> {
        (**self).as_frame()
    }
}

#[cfg(test)]
mod tests {
    use super::{AsFrame, Frame, Message};

    #[test]
    fn texts_are_text_frames_and_bytes_binary_ones() {
        assert_eq!("hi".as_frame(), Frame::Text("hi"));
        assert_eq!(String::from("hi").as_frame(), Frame::Text("hi"));
        assert_eq!(b"hi".as_frame(), Frame::Binary(b"hi"));
        assert_eq!(Message::from(vec![1, 2]).as_frame(), Frame::Binary(&[1, 2]));
        assert_eq!(AsFrame::as_frame(&&Message::from("hi")), Frame::Text("hi"));
    }

    #[cfg(feature = "json")]
    #[test]
    fn json_goes_there_and_back() {
        let message = Message::from_json(&("x", 7)).expect("a tuple has a JSON form");
        assert_eq!(message, Message::from(r#"["x",7]"#));
        assert_eq!(message.json::<(&str, u8)>().expect("it was just written"), ("x", 7));
        assert!(message.json::<bool>().is_err());
    }
}
