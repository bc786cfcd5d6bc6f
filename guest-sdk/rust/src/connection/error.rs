//! Why a command about a connection was refused, with what was to be sent or kept: the host tells only the bound that
//! was crossed, and what was asked for is known here.

use std::fmt;

use crate::bindings::party::server::connections as host;
use crate::codec::ValueError;
use crate::message::Frame;
use crate::shown::shown;

/// Why a command about a connection was refused. Tags are shown in quotes, cut at 64 characters.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
    /// It has gone.
    #[error("there is no such connection any more")]
    Unknown,
    /// It was accepted or rejected before.
    #[error("the connection is not connecting")]
    NotConnecting,
    /// It is closing or closed.
    #[error("the connection is closed")]
    Closed,
    /// Too many tags.
    #[error("{tags} tags; the limit for one connection is {tags_max} (limits.tags_max)")]
    TooManyTags {
        /// How many there were.
        tags: usize,
        /// The bound.
        tags_max: u32,
    },
    /// An empty tag, or one that is too long.
    #[error("the tag {tag} has {chars} characters; it must have 1 to {chars_max} (limits.tag_chars_max)")]
    BadTag {
        /// The tag.
        tag: String,
        /// Its length.
        chars: usize,
        /// The bound.
        chars_max: u32,
    },
    /// A message is too large.
    #[error(
        "the message is {bytes} bytes; the limit is {bytes_max} (limits.message_out_bytes_max): send it in parts"
    )]
    MessageTooLarge {
        /// Its size.
        bytes: usize,
        /// The bound.
        bytes_max: u32,
    },
    /// What is to be kept with the connection is too large.
    #[error(
        "the state of the connection is {bytes} bytes; the limit is {bytes_max} (limits.attachment_bytes_max): put it \
         into storage, and keep its key"
    )]
    StateTooLarge {
        /// Its size, encoded.
        bytes: usize,
        /// The bound.
        bytes_max: u32,
    },
    /// A text of an auto-response is too long.
    #[error(
        "a text of the auto-response has {chars} characters; the limit is {chars_max} \
         (limits.auto_response_chars_max): let on_message answer it"
    )]
    AutoResponseTooLong {
        /// The length of the longer of its texts.
        chars: usize,
        /// The bound.
        chars_max: u32,
    },
    /// This turn has sent too much.
    #[error("{}", turn_full(*bytes, *bound))]
    TurnFull {
        /// The size of the message that was to be sent as well.
        bytes: usize,
        /// The bound that would have been crossed: on messages or on bytes.
        bound: u64,
    },
    /// This close code may not be sent.
    #[error("the close code {0} may not be sent; 1000, 1001, 1003, 1007 to 1014 and 3000 to 4999 may")]
    BadCloseCode(u16),
    /// The response cannot be sent; the text says why.
    #[error("the response cannot be sent: {0}")]
    BadResponse(String),
    /// There are no connections outside a room.
    #[error("not in a room")]
    NotInARoom,
    /// The state has no form, or what is kept is of another type.
    #[error("the state of the connection: {0}")]
    Value(#[from] ValueError),
}

/// As [`Display`](fmt::Display): what `unwrap` shows is for people, too, and the names of fields would be a tenth of a
/// small component.
impl fmt::Debug for ConnectionError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// The turn has sent too much; the host does not tell of what.
pub(crate) fn turn_full(bytes: usize, bound: u64) -> String {
    format!(
        "the turn cannot send these {bytes} bytes as well; the limit is {bound} (limits.turn_sends_max counts messages, \
         limits.turn_output_bytes_max bytes): send the rest in a later turn, in a task after room.sleep"
    )
}

/// What a command was about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asked<'a> {
    Message(Frame<'a>),
    /// The body of a response, in bytes.
    Response(usize),
    /// What is to be kept with the connection, in bytes.
    State(usize),
    Tags(&'a [&'a str]),
    /// The texts of an auto-response.
    AutoResponse(&'a str, &'a str),
    /// Something without a size.
    Other,
}

impl<'a> Asked<'a> {
    fn bytes(self) -> usize {
        match self {
            Self::Message(Frame::Text(text)) => text.len(),
            Self::Message(Frame::Binary(bytes)) => bytes.len(),
            Self::Response(bytes) | Self::State(bytes) => bytes,
            Self::Tags(_) | Self::AutoResponse(..) | Self::Other => 0,
        }
    }

    fn tags(self) -> &'a [&'a str] {
        match self {
            Self::Tags(tags) => tags,
            Self::Message(_) | Self::Response(_) | Self::State(_) | Self::AutoResponse(..) | Self::Other => {
                &[]
            }
        }
    }

    /// Why the host has refused it.
    #[cold]
    pub(super) fn refused(self, error: host::ConnectionError) -> ConnectionError {
        match error {
            host::ConnectionError::Unknown => ConnectionError::Unknown,
            host::ConnectionError::NotConnecting => ConnectionError::NotConnecting,
            host::ConnectionError::Closed => ConnectionError::Closed,
            host::ConnectionError::TooManyTags(tags_max) => {
                ConnectionError::TooManyTags { tags: self.tags().len(), tags_max }
            }
            host::ConnectionError::BadTag(chars_max) => {
                let is_bad = |tag: &&&str| tag.is_empty() || tag.chars().count() > chars_max as usize;
                let tag = self.tags().iter().find(is_bad).copied().unwrap_or_default();
                ConnectionError::BadTag { tag: shown(tag.as_bytes()), chars: tag.chars().count(), chars_max }
            }
            host::ConnectionError::TooLarge(bytes_max) => match self {
                Self::State(bytes) => ConnectionError::StateTooLarge { bytes, bytes_max },
                Self::AutoResponse(request, response) => {
                    let chars = request.chars().count().max(response.chars().count());
                    ConnectionError::AutoResponseTooLong { chars, chars_max: bytes_max }
                }
                Self::Message(_) | Self::Response(_) | Self::Tags(_) | Self::Other => {
                    ConnectionError::MessageTooLarge { bytes: self.bytes(), bytes_max }
                }
            },
            host::ConnectionError::TurnFull(bound) => {
                ConnectionError::TurnFull { bytes: self.bytes(), bound }
            }
            host::ConnectionError::BadCloseCode(code) => ConnectionError::BadCloseCode(code),
            host::ConnectionError::BadResponse(why) => ConnectionError::BadResponse(why),
            host::ConnectionError::NotInARoom => ConnectionError::NotInARoom,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Asked, host};
    use crate::message::Frame;

    #[test]
    fn a_refusal_says_what_was_asked_and_the_bound() {
        let told = |asked: Asked<'_>, error| asked.refused(error).to_string();
        let message = Asked::Message(Frame::Text("héllo"));
        assert_eq!(
            told(message, host::ConnectionError::TooLarge(5)),
            "the message is 6 bytes; the limit is 5 (limits.message_out_bytes_max): send it in parts"
        );
        assert!(told(message, host::ConnectionError::TurnFull(9)).starts_with(
            "the turn cannot send these 6 bytes as well; the limit is 9 (limits.turn_sends_max counts messages, "
        ));
        assert_eq!(
            told(Asked::State(7), host::ConnectionError::TooLarge(5)),
            "the state of the connection is 7 bytes; the limit is 5 (limits.attachment_bytes_max): put it into \
             storage, and keep its key"
        );
        assert_eq!(
            told(Asked::AutoResponse("ping", "größer"), host::ConnectionError::TooLarge(5)),
            "a text of the auto-response has 6 characters; the limit is 5 (limits.auto_response_chars_max): let \
             on_message answer it"
        );
        let tags = Asked::Tags(&["a", "éé", ""]);
        assert_eq!(
            told(tags, host::ConnectionError::TooManyTags(2)),
            "3 tags; the limit for one connection is 2 (limits.tags_max)"
        );
        let bad = |chars_max| told(tags, host::ConnectionError::BadTag(chars_max));
        assert_eq!(bad(1), "the tag \"éé\" has 2 characters; it must have 1 to 1 (limits.tag_chars_max)");
        assert!(bad(2).starts_with("the tag \"\" has 0 characters"), "{}", bad(2));
    }
}
