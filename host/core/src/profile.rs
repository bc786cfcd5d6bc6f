//! Profiles as data: the statuses, bodies and close codes that a client sees when the host answers for a guest.
//!
//! PartyKit has two generations, and they differ on the wire. [`Profile::PartyKit`] is the classic one, measured on npm
//! `partykit` 0.0.115, [`Profile::PartyServer`] the later, measured on npm `partyserver` 0.5.10. The words are part of the
//! protocol, so they are kept exactly. Which one a room speaks is configuration: it changes what clients are told and never
//! what a room is, so what was recorded under one is taken again under it.

mod words;

use crate::event::{Failure, Output};
use crate::http::{Header, Response};
use crate::ids::{ConnectionId, Incarnation};
use crate::limits::Limits;
use crate::message::{CloseFrame, Message};
use crate::query;
use words::{PARTYKIT, PARTYSERVER, Words};

/// What is answered of a request whose turn was dropped.
pub const REQUEST_FAILED: &str = "Uncaught exception when making a request";
/// A URL that has a room and no party, where the profile says so.
pub const NO_PARTY: &str = "No party found in request url";

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

/// The request header that names the party, where the profile has it.
pub const NAMESPACE_HEADER: &str = "x-partykit-namespace";
/// The characters of an id that the host makes for a client of partyserver, and how many it has: those of nanoid.
const NANOID_LETTERS: &[u8; 64] = b"useandom-26T198340PX75pxJACKVERYMINDBUSHWOLF_GQZbfghjklqvwyzrict";
const NANOID_CHARS: usize = 21;

/// What a client calls itself: the first `_pk` of its query, if it is not empty.
pub fn client_key(query: Option<&str>) -> Option<String> {
    query::value(query, "_pk").filter(|value| !value.is_empty())
}

/// Which generation of PartyKit a host speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Profile {
    /// The classic one, of npm `partykit`.
    #[default]
    PartyKit,
    /// The later one, of npm `partyserver`.
    PartyServer,
}

impl Profile {
    /// All of them.
    pub const ALL: [Profile; 2] = [Profile::PartyKit, Profile::PartyServer];

    fn words(self) -> &'static Words {
        match self {
            Profile::PartyKit => &PARTYKIT,
            Profile::PartyServer => &PARTYSERVER,
        }
    }

    /// As `party.toml` calls it.
    pub fn name(self) -> &'static str {
        self.words().name
    }

    /// The profile that `party.toml` calls so.
    pub fn of_name(name: &str) -> Option<Profile> {
        Profile::ALL.into_iter().find(|profile| profile.name() == name)
    }

    /// The bounds of rooms, where nothing else is said.
    pub fn limits(self) -> Limits {
        let words = self.words();
        Limits {
            message_in_bytes_max: words.message_in_bytes_max,
            value_bytes_max: words.value_bytes_max,
            ..Limits::default()
        }
    }

    /// Whether `/party/ROOM` is a room of the party `main`.
    pub fn has_short_form(self) -> bool {
        self.words().has_short_form
    }

    /// Whether a path is divided into what is between slashes and not empty.
    pub fn skips_empty_segments(self) -> bool {
        self.words().skips_empty_segments
    }

    /// Whether the lobby is asked before a request to a party without `on-request` is refused.
    pub fn asks_the_lobby_first(self) -> bool {
        self.words().asks_the_lobby_first
    }

    /// The answer when there is no such party.
    pub fn party_not_found(self, party: &str) -> Response {
        let answer = &self.words().unknown_party;
        Response::text(answer.status, answer.text.replace("{}", party))
    }

    /// The answer to a URL that is nothing.
    pub fn not_found(self) -> Response {
        self.words().not_found.with(None)
    }

    /// The answer to a request to a party that has no `on-request`.
    pub fn no_on_request(self) -> Response {
        self.words().no_on_request.with(None)
    }

    /// The same, where only the room itself can say it: another room asks.
    pub fn no_on_request_for_a_room(self) -> Response {
        self.words().no_on_request_for_a_room.with(None)
    }

    /// The answer to a request whose event ended without one.
    pub fn no_response(self) -> Response {
        self.words().no_response.with(None)
    }

    /// The answer to a request whose failure was caught.
    pub fn request_failed(self, failure: &Failure) -> Response {
        Response::text(status_of(failure).unwrap_or(500), self.told(failure, REQUEST_FAILED))
    }

    /// What stands before a room sees whoever asks for it: the party's name, where the profile says it.
    pub fn namespace(self, party: &str) -> Option<Header> {
        self.words()
            .has_namespace
            .then(|| Header { name: NAMESPACE_HEADER.into(), value: party.to_owned().into() })
    }

    /// The answer to a request of which the lobby has said nothing. None: it goes on.
    pub fn no_decision(self) -> Option<Response> {
        self.words().no_decision.as_ref().map(|answer| answer.with(None))
    }

    /// The answer to somebody whom the lobby was to let into a room, and failed.
    pub fn lobby_failed(self, failure: &Failure) -> Response {
        match (&self.words().lobby_failed, status_of(failure)) {
            (Some(answer), None) => answer.with(None),
            (_, status) => Response::text(status.unwrap_or(401), failure.message.as_str()),
        }
    }

    /// The answer to a URL that is no room, where the lobby failed.
    pub fn fetch_failed(self, failure: &Failure) -> Response {
        match (&self.words().lobby_failed, status_of(failure)) {
            (Some(answer), None) => answer.with(None),
            (Some(_), Some(status)) => Response::text(status, failure.message.as_str()),
            (None, _) => self.request_failed(failure),
        }
    }

    /// The answer to a client outside of rooms whose handler has failed: its message, whatever that is, where the profile tells it.
    pub fn socket_failed(self, failure: &Failure) -> Response {
        match &self.words().lobby_failed {
            Some(_) => self.fetch_failed(failure),
            None => Response::text(status_of(failure).unwrap_or(500), failure.message.as_str()),
        }
    }

    /// The answer to somebody before whom the lobby did not return.
    pub fn lobby_dropped(self) -> Response {
        self.words().lobby_dropped.with(None)
    }

    /// The answer to a URL that is no room, or to who begins a scheduled run, where the lobby did not return.
    pub fn fetch_dropped(self) -> Response {
        match &self.words().lobby_failed {
            Some(answer) => answer.with(None),
            None => failed(""),
        }
    }

    /// What is said and done to a connecting client whose handler failed, after its 101.
    pub fn connect_failed(self, connection: ConnectionId, failure: &Failure) -> Vec<Output> {
        let words = self.words();
        let told = self.told(failure, words.connect_failed);
        let close = |reason: &str| Output::Close(connection, Some(CloseFrame::new(CLOSE_ERROR, reason)));
        match words.setup_failed {
            None => vec![close(&told)],
            Some(reason) => {
                let frame = format!("{{\"error\":{}}}", json(&told));
                vec![Output::Send(connection, Message::text(frame)), close(reason)]
            }
        }
    }

    /// The answer to a client that wanted to connect, where no 101 comes before it.
    pub fn connect_refused(self, failure: &Failure) -> Response {
        let status = status_of(failure).unwrap_or(500);
        Response::text(status, self.told(failure, self.words().connect_failed))
    }

    /// What is said and done to a client whose room did not start for it. `upgraded`: its 101 has been sent.
    pub fn start_failed(self, connection: ConnectionId, upgraded: bool, failure: &Failure) -> Vec<Output> {
        let words = self.words();
        if !upgraded && words.setup_failed.is_none() {
            return vec![Output::Reject(connection, self.connect_refused(failure))];
        }
        let accept = (!upgraded).then_some(Output::Accept(connection));
        accept.into_iter().chain(self.connect_failed(connection, failure)).collect()
    }

    /// What a client is called that does not say it, made of a random number of 128 bits.
    pub fn client_id(self, chance: Incarnation) -> String {
        match self {
            Profile::PartyKit => uuid(chance),
            Profile::PartyServer => nanoid(chance),
        }
    }

    /// What a client is told of a failure.
    fn told(self, failure: &Failure, otherwise: &str) -> String {
        if failure.message.is_empty() {
            // One of the host's own: its stack is for the log.
            return otherwise.into();
        }
        // Whoever names a status has an answer in mind, and no error.
        if !self.words().tells_stacks || status_of(failure).is_some() {
            return failure.message.clone();
        }
        // A stack begins like this.
        failure.stack.clone().unwrap_or_else(|| format!("Error: {}", failure.message))
    }
}

/// The status that a failure wants to be answered with, if it is one.
fn status_of(failure: &Failure) -> Option<u16> {
    failure.status.filter(|status| (200..=599).contains(status))
}

/// A UUID of version 4.
fn uuid(Incarnation(bits): Incarnation) -> String {
    let bits = (bits & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// 21 letters of 6 bits: 126 of the 128.
fn nanoid(Incarnation(bits): Incarnation) -> String {
    let letter = |at: usize| char::from(NANOID_LETTERS[(bits >> (6 * at) & 0x3f) as usize]);
    (0..NANOID_CHARS).map(letter).collect()
}

/// A text as a string of JSON, as `JSON.stringify` writes it.
fn json(text: &str) -> String {
    let mut json = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            '\u{8}' => json.push_str("\\b"),
            '\u{c}' => json.push_str("\\f"),
            c if c < ' ' => json.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => json.push(c),
        }
    }
    json.push('"');
    json
}

/// The answer to a request that the host could not have answered, with why.
pub fn failed(message: &str) -> Response {
    Response::text(500, if message.is_empty() { REQUEST_FAILED } else { message })
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

/// The close of a client whose message was too large: both generations say it so.
pub fn too_large(bytes: u64, bytes_max: u64) -> CloseFrame {
    CloseFrame::new(CLOSE_TOO_LARGE, format!("Message is too large: {bytes} > {bytes_max}"))
}

/// The close of a client whose place a newer one of its name takes (`[duplicate-key]`).
pub fn replaced() -> CloseFrame {
    CloseFrame::new(CLOSE_POLICY, "replaced by a newer client of this name")
}

#[cfg(test)]
mod tests;
