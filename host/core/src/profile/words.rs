//! What each profile says, word for word.

use crate::http::Response;

/// An answer.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) text: &'static str,
    /// Whether it says that it is plain text.
    says_type: bool,
}

impl Answer {
    const fn new(status: u16, text: &'static str) -> Answer {
        Answer { status, text, says_type: true }
    }

    /// One of the engine's own.
    const fn bare(status: u16, text: &'static str) -> Answer {
        Answer { status, text, says_type: false }
    }

    /// With a status of its own, if it has one.
    pub(super) fn with(&self, status: Option<u16>) -> Response {
        let mut response = Response::text(status.unwrap_or(self.status), self.text);
        if !self.says_type {
            response.headers.clear();
        }
        response
    }
}

/// One profile.
pub(super) struct Words {
    pub(super) name: &'static str,
    /// Whether `/party/ROOM` is a room of the party `main`.
    pub(super) has_short_form: bool,
    /// Whether `//` in a path is as good as `/`.
    pub(super) skips_empty_segments: bool,
    /// Whether a request says in a header which party it is for.
    pub(super) has_namespace: bool,
    /// Whether the lobby hears of requests that the party does not answer.
    pub(super) asks_the_lobby_first: bool,
    /// Whether clients are told the stack of a failure, or what it would begin with, instead of its message.
    pub(super) tells_stacks: bool,
    /// `{}` stands for the name.
    pub(super) unknown_party: Answer,
    /// Of a URL that is nothing.
    pub(super) not_found: Answer,
    pub(super) no_on_request: Answer,
    /// The same, said by the room to another one.
    pub(super) no_on_request_for_a_room: Answer,
    pub(super) no_response: Answer,
    /// What the close says of a client whose handler failed without a message, or whose turn was dropped.
    pub(super) connect_failed: &'static str,
    /// If that is said in a message before the close: the reason of the close.
    pub(super) setup_failed: Option<&'static str>,
    /// The lobby has said nothing of a request. None: it goes on.
    pub(super) no_decision: Option<Answer>,
    /// The lobby failed. None: the answer is the failure's message, before a room with 401.
    pub(super) lobby_failed: Option<Answer>,
    /// The lobby did not return, before a room.
    pub(super) lobby_dropped: Answer,
    /// Bytes of a message, unless configured.
    pub(super) message_in_bytes_max: u32,
    /// Bytes of a value, unless configured.
    pub(super) value_bytes_max: u32,
}

pub(super) const PARTYKIT: Words = Words {
    name: "partykit",
    has_short_form: true,
    skips_empty_segments: false,
    has_namespace: false,
    asks_the_lobby_first: false,
    tells_stacks: false,
    unknown_party: Answer::new(404, "Party {} not found"),
    not_found: Answer::new(404, "Not found"),
    no_on_request: Answer::new(500, "No onRequest handler"),
    no_on_request_for_a_room: Answer::new(500, "Invalid onRequest handler"),
    no_response: Answer::new(500, "Incorrect type for Promise: the Promise did not resolve to 'Response'."),
    connect_failed: "Uncaught exception when connecting",
    setup_failed: None,
    no_decision: Some(Answer::new(500, "Invalid URL: undefined")),
    lobby_failed: None,
    lobby_dropped: Answer::new(401, "Unauthorised"),
    message_in_bytes_max: 1 << 20,
    // 128 KiB and the 34 bytes of grace that Durable Objects of that generation give.
    value_bytes_max: 131_072 + 34,
};

pub(super) const PARTYSERVER: Words = Words {
    name: "partyserver",
    has_short_form: false,
    skips_empty_segments: true,
    has_namespace: true,
    asks_the_lobby_first: true,
    tells_stacks: true,
    unknown_party: Answer::new(400, "Invalid request"),
    not_found: Answer::new(404, "Not Found"),
    no_on_request: Answer::new(404, "Not implemented"),
    no_on_request_for_a_room: Answer::new(404, "Not implemented"),
    no_response: Answer::bare(500, "Internal Server Error"),
    connect_failed: "Uncaught exception when connecting",
    setup_failed: Some("Uncaught exception during session setup"),
    no_decision: None,
    lobby_failed: Some(Answer::bare(500, "Internal Server Error")),
    lobby_dropped: Answer::bare(500, "Internal Server Error"),
    message_in_bytes_max: 32 << 20,
    // What Cloudflare documents of SQLite-backed Durable Objects.
    value_bytes_max: 2 << 20,
};
