//! What travels over a WebSocket: messages and close frames.

use bytes::Bytes;

/// The longest close reason, in bytes (RFC 6455, 5.5: 125 bytes less the code).
pub const CLOSE_REASON_BYTES_MAX: usize = 123;

/// Bytes that are known to be UTF-8.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Text(Bytes);

impl Text {
    /// Takes bytes if they are UTF-8, else gives them back.
    pub fn from_utf8(bytes: Bytes) -> Result<Text, Bytes> {
        if std::str::from_utf8(&bytes).is_ok() { Ok(Text(bytes)) } else { Err(bytes) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a Text is UTF-8 from its making on")
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }
}

impl From<String> for Text {
    fn from(text: String) -> Text {
        Text(text.into())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Text {
        Text(Bytes::copy_from_slice(text.as_bytes()))
    }
}

/// One WebSocket message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message {
    /// A text message.
    Text(Text),
    /// A binary message.
    Binary(Bytes),
}

impl Message {
    /// A text message.
    pub fn text(text: impl Into<Text>) -> Message {
        Message::Text(text.into())
    }

    /// Its payload.
    pub fn payload(&self) -> &Bytes {
        match self {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(bytes) => bytes,
        }
    }

    /// The length of its payload, in bytes.
    pub fn len(&self) -> usize {
        self.payload().len()
    }

    /// Whether the payload is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Why a connection ends. 1005 stands for "no code" and 1006 for "lost"; neither is ever sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CloseFrame {
    /// The code.
    pub code: u16,
    /// The reason, at most [`CLOSE_REASON_BYTES_MAX`] bytes.
    pub reason: String,
}

impl CloseFrame {
    /// A frame whose reason is cut, on a character boundary, at what fits.
    pub fn new(code: u16, reason: impl Into<String>) -> CloseFrame {
        let mut reason = reason.into();
        if reason.len() > CLOSE_REASON_BYTES_MAX {
            let mut end = CLOSE_REASON_BYTES_MAX;
            while !reason.is_char_boundary(end) {
                end -= 1;
            }
            reason.truncate(end);
        }
        CloseFrame { code, reason }
    }

    /// What is reported when a close frame came without a code.
    pub fn no_code() -> CloseFrame {
        CloseFrame::new(1005, "")
    }

    /// What is reported when the connection was lost.
    pub fn lost() -> CloseFrame {
        CloseFrame::new(1006, "")
    }

    /// Whether the code may stand in a frame that is sent: 1000 to 1003, 1007 to 1014, 3000 to 4999.
    pub fn may_be_sent(code: u16) -> bool {
        matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }

    /// Whether a guest may close with the code: as [`CloseFrame::may_be_sent`], but for 1002. That a client has broken the
    /// protocol is for the host to say, which alone sees the protocol.
    pub fn may_be_given(code: u16) -> bool {
        code != 1002 && CloseFrame::may_be_sent(code)
    }
}

#[cfg(test)]
mod tests {
    use super::CloseFrame;

    #[test]
    fn a_long_reason_is_cut_on_a_character_boundary() {
        let frame = CloseFrame::new(1011, "é".repeat(100));
        assert_eq!(frame.reason, "é".repeat(61));
        assert_eq!(CloseFrame::new(1000, "x".repeat(123)).reason.len(), 123);
    }

    #[test]
    fn codes_that_only_report_are_never_sent() {
        for code in [0, 999, 1004, 1005, 1006, 1015, 2999, 5000] {
            assert!(!CloseFrame::may_be_sent(code), "{code}");
        }
        for code in [1000, 1001, 1003, 1007, 1011, 1014, 3000, 4999] {
            assert!(CloseFrame::may_be_sent(code), "{code}");
            assert!(CloseFrame::may_be_given(code), "{code}");
        }
        assert!(CloseFrame::may_be_sent(1002) && !CloseFrame::may_be_given(1002));
    }
}
