//! Fetches: requests of rooms to addresses outside of the host, as far as they can be judged before they are sent.
//!
//! A fetch is sent when the turn that asked for it is durable, and not before. Who goes on in another process does not know
//! whether it was heard: then its outcome is that it was interrupted, or, if the guest has asked for that, it is sent again,
//! with the `idempotency-key` that it was begun with. That is why the key is part of the request which is kept with the
//! operation, and made of what the turn was given.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::address::RoomAddress;
use crate::http::{Header, Request};
use crate::ids::{OperationId, Seed};
use crate::limits::{FETCH_HEADERS_MAX, FETCH_MS_MAX, FETCH_REDIRECTS_MAX, REQUEST_HEAD_BYTES_MAX};

/// The header by which a server knows a request that comes once more.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Headers that say how a message travels, or where to: they are the host's.
const OWN_HEADERS: [&str; 10] = [
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "upgrade",
    "te",
    "trailer",
    "keep-alive",
    "expect",
    "proxy-connection",
];
/// Methods that are no requests for an answer (RFC 9110, 9.3.6 and 9.3.8), and what the Fetch standard forbids with them.
const OTHER_METHODS: [&str; 3] = ["CONNECT", "TRACE", "TRACK"];
/// The longest name of a host, in bytes (RFC 1035, 2.3.4, as it is written).
const HOST_BYTES_MAX: usize = 253;

/// How a fetch is carried out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FetchOptions {
    /// The room waits so long, in milliseconds; 0 stands for [`FETCH_MS_MAX`].
    pub timeout_ms: u64,
    /// How many redirects to follow. One that is not followed is the answer.
    pub redirects_max: u32,
    /// Whether it is sent again when the host was restarted in the middle.
    pub resend: bool,
    /// Whether the body of the answer is to come as a stream.
    pub streams: bool,
}

impl FetchOptions {
    /// Why there is no such fetch, if so.
    pub(crate) fn fault(&self) -> Option<String> {
        let FetchOptions { timeout_ms, redirects_max, .. } = self;
        if *timeout_ms > FETCH_MS_MAX {
            return Some(format!("the timeout is {timeout_ms} ms; the limit is {FETCH_MS_MAX}"));
        }
        if *redirects_max > FETCH_REDIRECTS_MAX {
            return Some(format!(
                "{redirects_max} redirects are to be followed; the limit is {FETCH_REDIRECTS_MAX}"
            ));
        }
        None
    }
}

/// Why this request cannot be fetched, if so; beside what is wrong with any request.
pub(crate) fn fault(request: &Request) -> Option<String> {
    if OTHER_METHODS.contains(&request.method.as_str()) {
        return Some(format!("method {} cannot be fetched", request.method));
    }
    let headers = request.headers.len();
    if headers > FETCH_HEADERS_MAX {
        return Some(format!("the request has {headers} headers; the limit is {FETCH_HEADERS_MAX}"));
    }
    let is_own = |header: &&Header| OWN_HEADERS.iter().any(|own| header.name.eq_ignore_ascii_case(own));
    if let Some(own) = request.headers.iter().find(is_own) {
        return Some(format!("header {:?} is the host's own", own.name));
    }
    url_fault(&request.uri, ["https", "http"])
}

/// Why no WebSocket can be opened to this URL, if so.
pub(crate) fn socket_fault(url: &str) -> Option<String> {
    if url.len() > REQUEST_HEAD_BYTES_MAX {
        return Some(format!("the URL has {} bytes; the limit is {REQUEST_HEAD_BYTES_MAX}", url.len()));
    }
    if !url.bytes().all(|c| c.is_ascii_graphic()) {
        return Some(format!("{url:?} holds something else than visible ASCII; percent-encode it"));
    }
    url_fault(url, ["wss", "ws"])
}

/// Why nothing can be asked at this URL, if so. It is of visible ASCII.
pub(crate) fn url_fault(url: &str, [secret, plain]: [&str; 2]) -> Option<String> {
    let fault = |what: &str| Some(format!("{url:?} {what}"));
    let Some((scheme, rest)) = url.split_once("://") else {
        return fault(&format!("is no full URL: it begins with {secret}:// or {plain}://"));
    };
    if !scheme.eq_ignore_ascii_case(secret) && !scheme.eq_ignore_ascii_case(plain) {
        return fault(&format!("begins with another scheme than {secret}:// or {plain}://"));
    }
    if url.contains('#') {
        return fault("has a fragment (#), which is never sent");
    }
    let authority = rest.find(['/', '?']).map_or(rest, |end| &rest[..end]);
    if authority.contains('@') {
        return fault("has a user name in it: say an authorization header");
    }
    // What follows the last bracket, or all of it.
    let (host, port) = match authority.rfind(':').filter(|colon| !authority[*colon..].contains(']')) {
        Some(colon) => (&authority[..colon], Some(&authority[colon + 1..])),
        None => (authority, None),
    };
    let is_port =
        |port: &str| port.bytes().all(|c| c.is_ascii_digit()) && port.parse().is_ok_and(|port: u16| port > 0);
    if port.is_some_and(|port| !is_port(port)) {
        return fault("has no port behind its colon, from 1 to 65535");
    }
    let is_address = |host: &str| host.bytes().all(|c| c.is_ascii_hexdigit() || c == b':' || c == b'.');
    let is_name = |host: &str| host.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c));
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => !address.is_empty() && is_address(address),
        None => !host.is_empty() && is_name(host),
    };
    if !is_host || host.len() > HOST_BYTES_MAX {
        return fault("names no host");
    }
    None
}

/// The key of a fetch that may be sent again: the same each time, and of no other fetch. It looks as a UUID of version 8 (RFC
/// 9562), which every server takes that has a form for it.
pub(crate) fn idempotency_key(address: &RoomAddress, operation: OperationId, seed: Seed) -> String {
    let mut digest = Sha256::new();
    for part in [address.project(), address.party(), address.room()] {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part.as_bytes());
    }
    digest.update(operation.0.to_le_bytes());
    digest.update(seed.0);
    let mut bytes: [u8; 16] = std::array::from_fn({
        let digest = digest.finalize();
        move |index| digest[index]
    });
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut key = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if [4, 6, 8, 10].contains(&index) {
            key.push('-');
        }
        let _ = write!(key, "{byte:02x}");
    }
    key
}

/// A request that may be sent again has a key: the guest's own, or this.
pub(crate) fn give_key(request: &mut Request, key: impl FnOnce() -> String) {
    let has_one = request.headers.iter().any(|header| header.name.eq_ignore_ascii_case(IDEMPOTENCY_KEY));
    if !has_one {
        request.headers.push(Header { name: IDEMPOTENCY_KEY.into(), value: key().into() });
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{FetchOptions, fault, give_key, idempotency_key, socket_fault, url_fault};
    use crate::address::RoomAddress;
    use crate::http::{Header, Request};
    use crate::ids::{OperationId, Seed};
    use crate::limits::{FETCH_HEADERS_MAX, FETCH_MS_MAX, FETCH_REDIRECTS_MAX, REQUEST_HEAD_BYTES_MAX};

    fn request(method: &str, headers: &[&str]) -> Request {
        let headers =
            headers.iter().map(|name| Header { name: (*name).into(), value: Bytes::from_static(b"v") });
        Request {
            method: method.into(),
            uri: "https://example.com/".into(),
            headers: headers.collect(),
            body: Bytes::new(),
            body_waits: false,
        }
    }

    fn request_url_fault(url: &str) -> Option<String> {
        url_fault(url, ["https", "http"])
    }

    #[test]
    fn a_socket_has_a_url_of_its_own_schemes() {
        for url in ["wss://example.com", "WS://127.0.0.1:1/a?b", "wss://[::1]:443/"] {
            assert_eq!(socket_fault(url), None, "{url}");
        }
        let long = format!("wss://a/{}", "a".repeat(REQUEST_HEAD_BYTES_MAX));
        for (url, why) in [
            ("", "is no full URL: it begins with wss:// or ws://"),
            ("https://example.com/", "another scheme than wss:// or ws://"),
            ("wss://example.com/#a", "fragment"),
            ("wss://me@example.com/", "user name"),
            ("wss:///path", "names no host"),
            ("wss://a/ b", "something else than visible ASCII"),
            ("wss://a/ß", "something else than visible ASCII"),
            ("wss://a/\r\nx: y", "something else than visible ASCII"),
            (&long, "the limit is"),
        ] {
            assert!(
                socket_fault(url).is_some_and(|fault| fault.contains(why)),
                "{url}: {:?}",
                socket_fault(url)
            );
        }
    }

    #[test]
    fn a_url_is_full_and_names_a_host() {
        for url in [
            "https://example.com",
            "HTTP://example.com:8080/a?b=http://c",
            "https://a_b.example.com.:65535?x",
            "http://127.0.0.1:1/",
            "https://[2001:db8::1]/",
            "https://[::ffff:1.2.3.4]:443/a@b",
        ] {
            assert_eq!(request_url_fault(url), None, "{url}");
        }
        for (url, why) in [
            ("", "is no full URL"),
            ("/path", "is no full URL"),
            ("example.com/", "is no full URL"),
            ("ftp://example.com/", "another scheme"),
            ("file:///etc/passwd", "another scheme"),
            ("https://example.com/#top", "fragment"),
            ("https://me:secret@example.com/", "user name"),
            ("https://", "names no host"),
            ("https:///path", "names no host"),
            ("https://:443/", "names no host"),
            ("https://[]/", "names no host"),
            ("https://[::1/", "names no host"),
            ("https://[fe80::1%25eth0]/", "names no host"),
            ("https://exa%6dple.com/", "names no host"),
            ("https://example.com\\@other.com/", "user name"),
            ("https://example.com\\other/", "names no host"),
            ("https://example.com:/", "no port"),
            ("https://example.com:0/", "no port"),
            ("https://example.com:65536/", "no port"),
            ("https://example.com:+80/", "no port"),
        ] {
            assert!(
                request_url_fault(url).is_some_and(|fault| fault.contains(why)),
                "{url}: {:?}",
                request_url_fault(url)
            );
        }
        assert!(request_url_fault(&format!("https://{}/", "a".repeat(254))).is_some());
    }

    #[test]
    fn what_is_the_hosts_own_cannot_be_said() {
        assert_eq!(fault(&request("POST", &["accept", "authorization", "idempotency-key"])), None);
        for name in ["host", "Host", "content-length", "transfer-encoding", "connection", "upgrade", "expect"]
        {
            let why = fault(&request("POST", &["accept", name]));
            assert_eq!(why, Some(format!("header {name:?} is the host's own")));
        }
        for method in ["CONNECT", "TRACE", "TRACK"] {
            assert_eq!(fault(&request(method, &[])), Some(format!("method {method} cannot be fetched")));
        }
        let many = vec!["a"; FETCH_HEADERS_MAX];
        assert_eq!(fault(&request("GET", &many)), None);
        let why = fault(&request("GET", &[&many[..], &["b"]].concat()));
        assert_eq!(why.as_deref(), Some("the request has 101 headers; the limit is 100"));
    }

    #[test]
    fn what_is_asked_for_is_bounded() {
        let most = FetchOptions {
            timeout_ms: FETCH_MS_MAX,
            redirects_max: FETCH_REDIRECTS_MAX,
            resend: true,
            streams: true,
        };
        assert_eq!(most.fault(), None);
        let late = FetchOptions { timeout_ms: FETCH_MS_MAX + 1, ..most };
        assert_eq!(late.fault().as_deref(), Some("the timeout is 300001 ms; the limit is 300000"));
        let far = FetchOptions { redirects_max: FETCH_REDIRECTS_MAX + 1, ..most };
        assert_eq!(far.fault().as_deref(), Some("21 redirects are to be followed; the limit is 20"));
    }

    #[test]
    fn a_key_is_of_one_fetch_of_one_turn_of_one_room() {
        let room = |party: &str, room: &str| RoomAddress::new("project", party, room).unwrap();
        let key = |address: &RoomAddress, operation, seed| {
            idempotency_key(address, OperationId(operation), Seed([seed; 32]))
        };
        let (here, there) = (room("a", "bc"), room("ab", "c"));
        let keys = [key(&here, 1, 1), key(&there, 1, 1), key(&here, 2, 1), key(&here, 1, 2)];
        assert_eq!(key(&here, 1, 1), keys[0], "the same each time");
        for (index, key) in keys.iter().enumerate() {
            assert!(!keys[..index].contains(key));
            assert_eq!((key.len(), &key[14..15], &key[8..9]), (36, "8", "-"), "{key}");
            assert!(matches!(&key[19..20], "8" | "9" | "a" | "b"), "{key}");
        }
    }

    #[test]
    fn a_key_of_the_guests_own_stays() {
        let mut own = request("POST", &["Idempotency-Key"]);
        give_key(&mut own, || unreachable!("it has one"));
        assert_eq!(own, request("POST", &["Idempotency-Key"]));
        let mut none = request("POST", &["accept"]);
        give_key(&mut none, || "k".into());
        assert_eq!(none.headers[1], Header { name: "idempotency-key".into(), value: "k".into() });
    }
}
