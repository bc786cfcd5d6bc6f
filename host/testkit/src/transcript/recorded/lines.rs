//! How what is recorded is written: one line each, which is read as the same again.

use std::fmt::Write as _;

use party_core::http::{Header, Request, Response};
use party_core::message::{CloseFrame, Message};

use crate::client::NO_CODE;
use crate::transcript::payload::{Content, escaped, written_close};

/// Headers that every client and every request of a transcript has by itself, and those that say how a message is cut
/// into pieces on its way.
const OWN_HEADERS: [&str; 11] = [
    "host",
    "connection",
    "upgrade",
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-extensions",
    "content-length",
    "transfer-encoding",
    "te",
    "trailer",
    "keep-alive",
];
/// How headers begin that browsers add by themselves, and that few parties look at.
const BROWSER_HEADERS: [&str; 11] = [
    "accept",
    "user-agent",
    "sec-fetch-",
    "sec-ch-",
    "sec-gpc",
    "cache-control",
    "pragma",
    "dnt",
    "priority",
    "referer",
    "upgrade-insecure-requests",
];
/// The query that says what a client calls itself.
const KEY: &str = "_pk";
const MS_PER_UNIT: [(u64, &str); 5] =
    [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];

/// `30s`
pub(super) fn time(ms: u64) -> String {
    let (unit_ms, unit) = MS_PER_UNIT.iter().find(|(unit, _)| ms.is_multiple_of(*unit)).unwrap_or(&(1, "ms"));
    format!("{}{unit}", ms / unit_ms)
}

/// `connect [ROOM] ?QUERY`, behind the name of a client that has connected to this address. What it called itself is in
/// its query, also if the host gave it its name.
pub(super) fn connect(room: &str, uri: &str, key: &str) -> String {
    let target = target(uri);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut line = String::from("connect");
    // The room of the transcript goes without saying; what stands behind it in the path does not.
    let asked = path.find(&format!("/{room}")).map(|at| &path[at + 1..]);
    if let Some(asked) = asked.filter(|asked| *asked != room) {
        let _ = write!(line, " {asked}");
    }
    let is_named = query.split('&').any(|pair| pair.split('=').next() == Some(KEY));
    let mut query = query.to_owned();
    if !is_named && !key.is_empty() {
        let _ = write!(query, "{}{KEY}={}", if query.is_empty() { "" } else { "&" }, encoded(key));
    }
    if !query.is_empty() {
        let _ = write!(line, " ?{}", escaped(&query));
    }
    line
}

/// `POST /orders "a bicycle"`, without an answer.
pub(super) fn request(room: &str, request: &Request) -> String {
    let target = target(&request.uri);
    let own = format!("/parties/{room}");
    let path = match target.strip_prefix(&own) {
        Some("") => "/",
        // Written as the path of the room itself, it would be another.
        Some("/") | None => target,
        Some(rest) if rest.starts_with('/') => rest,
        Some(_) => target,
    };
    let of_host =
        if path.starts_with("/party") || path.len() != target.len() || path == "/" { "" } else { "host:" };
    let mut line = format!("{} {of_host}{}", request.method, escaped(path));
    if !request.body.is_empty() {
        let _ = write!(line, " {}", Content::of(&request.body).written());
    }
    line
}

/// The headers that a transcript must name, and the names of those that it cannot write.
pub(super) fn headers(headers: &[Header]) -> (Vec<String>, Vec<&str>) {
    let (mut lines, mut unwritten) = (Vec::new(), Vec::new());
    for Header { name, value } in headers {
        if OWN_HEADERS.contains(&name.as_str()) {
            continue;
        }
        let value = std::str::from_utf8(value).ok();
        match value.filter(|value| value.trim() == *value && !value.chars().any(char::is_control)) {
            Some(value) => lines.push(format!("  > {name}: {}", escaped(value))),
            None => unwritten.push(name.as_str()),
        }
    }
    (lines, unwritten)
}

/// Whether a line below a step is a header that browsers add.
pub(super) fn is_of_browser(line: &str) -> bool {
    let header = line.strip_prefix("  > ").and_then(|header| header.split_once(": "));
    header.is_some_and(|(name, _)| BROWSER_HEADERS.iter().any(|begin| name.starts_with(begin)))
}

/// What a client sends or receives.
pub(super) fn message(message: &Message) -> String {
    match message {
        Message::Text(text) => Content::Text(text.as_str().to_owned()).written(),
        Message::Binary(bytes) => Content::Binary(bytes.to_vec()).written(),
    }
}

/// `200 "done"`, or `200` if the body is empty or is not to be written.
pub(super) fn response(response: &Response, has_body: bool) -> String {
    if has_body && !response.body.is_empty() {
        return format!("{} {}", response.status, Content::of(&response.body).written());
    }
    response.status.to_string()
}

/// `close 1003 text only`
pub(super) fn close(frame: Option<&CloseFrame>) -> String {
    frame.map_or_else(|| written_close(NO_CODE, ""), |frame| written_close(frame.code, &frame.reason))
}

/// Path and query of a URL.
fn target(uri: &str) -> &str {
    let behind = uri.split_once("://").map_or(uri, |(_, behind)| behind);
    behind.find('/').map_or("/", |at| &behind[at..])
}

/// Percent-encoded, but for what is never special in a query.
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            true => encoded.push(char::from(byte)),
            false => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::is_of_browser;

    #[test]
    fn headers_of_browsers_are_told_from_those_that_say_something() {
        for line in ["  > accept-language: de", "  > sec-fetch-mode: websocket", "  > user-agent: x: y"] {
            assert!(is_of_browser(line), "{line}");
        }
        for line in
            ["  > cookie: accept", "  > origin: https://here", "  > next 1 2 3 4", "> accept: connect"]
        {
            assert!(!is_of_browser(line), "{line}");
        }
    }
}
