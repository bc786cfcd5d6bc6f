//! The PartyKit profile as data: the statuses, bodies and close codes that a client sees when the host answers
//! for a guest. Measured on npm `partykit` 0.0.115; the words are part of the protocol, so they are kept exactly.

use crate::event::Failure;
use crate::http::Response;
use crate::message::CloseFrame;
use crate::query;

/// A request to a party that has no `on-request`.
pub const NO_ON_REQUEST: &str = "No onRequest handler";
/// The same, where only the room itself can say it: another room asks.
pub const INVALID_ON_REQUEST: &str = "Invalid onRequest handler";
/// A request whose event ended without a response.
pub const NO_RESPONSE: &str = "Incorrect type for Promise: the Promise did not resolve to 'Response'.";
/// A request whose handler failed without a message, or whose turn was dropped.
pub const REQUEST_FAILED: &str = "Uncaught exception when making a request";
/// A connection whose handler failed without a message, or whose turn was dropped.
pub const CONNECT_FAILED: &str = "Uncaught exception when connecting";
/// A request of which the lobby has said nothing.
pub const NO_DECISION: &str = "Invalid URL: undefined";
/// A client of which the lobby could not decide.
pub const UNAUTHORISED: &str = "Unauthorised";
/// A URL that has a room and no party.
pub const NO_PARTY: &str = "No party found in request url";
/// A URL that is nothing.
pub const NOT_FOUND: &str = "Not found";

/// Close code: the host or the room ends, the client should reconnect.
pub const CLOSE_GOING_AWAY: u16 = 1001;
/// Close code: the frame breaks the protocol.
pub const CLOSE_PROTOCOL: u16 = 1002;
/// Close code: a text message that is not UTF-8.
pub const CLOSE_BAD_TEXT: u16 = 1007;
/// Close code: the connection was turned away.
pub const CLOSE_POLICY: u16 = 1008;
/// Close code: the message is larger than `message_in_bytes_max`.
pub const CLOSE_TOO_LARGE: u16 = 1009;
/// Close code: a handler, a commit or a send failed.
pub const CLOSE_ERROR: u16 = 1011;
/// Close code: the client reads too slowly, the room is suspended, or it finds no place to run in.
pub const CLOSE_TRY_LATER: u16 = 1013;

/// What is said of a name that another client has.
const KEY_TAKEN: &str = "another client of this name is connected";

/// What everybody hears of a room whose memory cannot be believed: 503, or 1011.
pub const ROOM_DAMAGED: &str = "room-damaged";

/// What a client calls itself: the first `_pk` of its query, if it is not empty.
pub fn client_key(query: Option<&str>) -> Option<String> {
    query::value(query, "_pk").filter(|value| !value.is_empty())
}

/// The answer when there is no such party.
pub fn party_not_found(party: &str) -> Response {
    Response::text(404, format!("Party {party} not found"))
}

/// The answer when a failure was caught: its message, or `fallback` if it has none.
pub fn failed(message: &str, status: Option<u16>, fallback: &str) -> Response {
    let status = status.filter(|status| (200..=599).contains(status)).unwrap_or(500);
    Response::text(status, if message.is_empty() { fallback } else { message })
}

/// The answer to a client before whom the lobby failed: its message, whatever that is.
pub fn unauthorised(failure: &Failure) -> Response {
    let status = failure.status.filter(|status| (200..=599).contains(status)).unwrap_or(401);
    Response::text(status, failure.message.as_str())
}

/// The close of a connection whose handler failed.
pub fn connect_failed(message: &str) -> CloseFrame {
    CloseFrame::new(CLOSE_ERROR, if message.is_empty() { CONNECT_FAILED } else { message })
}

/// The answer to a client outside of rooms whose handler has failed: its message, whatever that is.
pub fn socket_failed(failure: &Failure) -> Response {
    let status = failure.status.filter(|status| (200..=599).contains(status)).unwrap_or(500);
    Response::text(status, failure.message.as_str())
}

/// The close of a client outside of rooms whose instance is no more.
pub fn socket_lost() -> CloseFrame {
    CloseFrame::new(CLOSE_ERROR, "the handler of this socket was lost")
}

/// The close of a client that the guest turned away after its handshake had been answered at the deadline.
pub fn refused_late() -> CloseFrame {
    CloseFrame::new(CLOSE_POLICY, "the connection was refused")
}

/// The answer to a client whose name another one has, where only one may (`[duplicate-key]`).
pub fn key_taken() -> Response {
    Response::text(409, KEY_TAKEN)
}

/// The same for one whose handshake had been answered.
pub fn key_taken_late() -> CloseFrame {
    CloseFrame::new(CLOSE_POLICY, KEY_TAKEN)
}

/// The close of a client whose place a newer one of its name takes (`[duplicate-key]`).
pub fn replaced() -> CloseFrame {
    CloseFrame::new(CLOSE_POLICY, "replaced by a newer client of this name")
}

/// The close of a client whose message was too large.
pub fn too_large(bytes: u64, bytes_max: u64) -> CloseFrame {
    CloseFrame::new(CLOSE_TOO_LARGE, format!("Message is too large: {bytes} > {bytes_max}"))
}

#[cfg(test)]
mod tests {
    use super::client_key;

    #[test]
    fn the_key_of_the_client_is_the_first_one_and_decoded() {
        assert_eq!(client_key(Some("_pk=abc")).as_deref(), Some("abc"));
        assert_eq!(client_key(Some("a=1&_pk=x%20y+z&_pk=2")).as_deref(), Some("x y z"));
        assert_eq!(client_key(Some("%5Fpk=%C3%A9")).as_deref(), Some("é"));
        for query in [None, Some(""), Some("_pk="), Some("_pk"), Some("pk=1"), Some("_pk=&_pk=2")] {
            assert_eq!(client_key(query), None, "{query:?}");
        }
    }
}
