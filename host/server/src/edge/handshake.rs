//! The opening handshake of a WebSocket (RFC 6455, 4.2): what is asked, and what is answered.

use bytes::Bytes;
use hyper::Version;
use hyper::header::{
    CONNECTION, HeaderMap, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::http::request::Parts;
use party_core::http::{Header, Response};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// The only version there is.
const VERSION: &str = "13";

/// Whether a request asks for a WebSocket, well or badly.
pub(crate) fn asks_for_websocket(headers: &HeaderMap) -> bool {
    has_token(headers, &UPGRADE, "websocket")
}

/// Checks what is asked. Gives the answer that completes the handshake, or the one that refuses it.
pub(crate) fn check(parts: &Parts) -> Result<Response, Response> {
    let refused = |text: &str| Err(Response::text(400, text));
    if parts.method != hyper::Method::GET || parts.version != Version::HTTP_11 {
        return refused("a WebSocket is opened with GET and HTTP/1.1");
    }
    if !has_token(&parts.headers, &CONNECTION, "upgrade") {
        return refused("the connection header lacks \"upgrade\"");
    }
    if single(&parts.headers, &SEC_WEBSOCKET_VERSION) != Some(VERSION) {
        let mut response = Response::text(426, "the WebSocket version must be 13");
        response.headers.push(header("sec-websocket-version", VERSION));
        response.headers.push(header("upgrade", "websocket"));
        response.headers.push(header("connection", "Upgrade"));
        return Err(response);
    }
    let Some(key) = single(&parts.headers, &SEC_WEBSOCKET_KEY) else {
        return refused("the sec-websocket-key header is missing, doubled or not text");
    };
    if !is_key(key) {
        return refused("the sec-websocket-key header must be 16 bytes in base64");
    }
    let mut headers = vec![
        header("upgrade", "websocket"),
        header("connection", "Upgrade"),
        header(SEC_WEBSOCKET_ACCEPT.as_str(), derive_accept_key(key.as_bytes())),
    ];
    if let Some(protocol) = first_protocol(&parts.headers) {
        headers.push(header(SEC_WEBSOCKET_PROTOCOL.as_str(), protocol.to_owned()));
    }
    Ok(Response { status: 101, headers, body: Bytes::new() })
}

fn header(name: &str, value: impl Into<Bytes>) -> Header {
    Header { name: name.into(), value: value.into() }
}

/// The value of a header that stands there exactly once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?.trim();
    values.next().is_none().then_some(value)
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|candidate| candidate.eq_ignore_ascii_case(token))
}

/// The protocol that the client offers first. A client that offers some fails unless one is chosen.
fn first_protocol(headers: &HeaderMap) -> Option<&str> {
    let token = |c: u8| c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c);
    tokens(headers, &SEC_WEBSOCKET_PROTOCOL)
        .find(|protocol| !protocol.is_empty())
        .filter(|protocol| protocol.bytes().all(token))
}

/// 16 bytes in base64: 22 digits and two signs of equality.
fn is_key(key: &str) -> bool {
    let digit = |c: u8| c.is_ascii_alphanumeric() || c == b'+' || c == b'/';
    key.strip_suffix("==").is_some_and(|digits| digits.len() == 22 && digits.bytes().all(digit))
}

#[cfg(test)]
mod tests {
    use hyper::Request;
    use hyper::http::request::Parts;
    use party_core::http::Response;

    use super::{asks_for_websocket, check};

    /// The example of RFC 6455, with some headers replaced, added or (by an empty value) left out.
    fn request(changes: &[(&str, &str)]) -> Parts {
        let mut headers = vec![
            ("upgrade", "websocket"),
            ("connection", "Upgrade"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        headers.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        headers.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
        let mut request = Request::builder().uri("/party/room");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn value(response: &Response, name: &str) -> Option<String> {
        let header = response.headers.iter().find(|header| header.name == name)?;
        Some(String::from_utf8(header.value.to_vec()).unwrap())
    }

    #[test]
    fn the_example_of_the_standard_is_answered() {
        let parts = request(&[]);
        assert!(asks_for_websocket(&parts.headers));
        let response = check(&parts).unwrap();
        assert_eq!(response.status, 101);
        assert_eq!(value(&response, "sec-websocket-accept").unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(value(&response, "sec-websocket-protocol"), None);
    }

    #[test]
    fn tokens_are_compared_without_case_and_found_in_lists() {
        let parts = request(&[("upgrade", "h2c, WebSocket"), ("connection", "keep-alive, UPGRADE")]);
        assert!(asks_for_websocket(&parts.headers));
        assert_eq!(check(&parts).unwrap().status, 101);
        assert!(!asks_for_websocket(&request(&[("upgrade", "websockets")]).headers));
    }

    #[test]
    fn the_first_offered_protocol_is_chosen() {
        let parts = request(&[("sec-websocket-protocol", " , graphql-ws, other")]);
        assert_eq!(value(&check(&parts).unwrap(), "sec-websocket-protocol").unwrap(), "graphql-ws");
        let parts = request(&[("sec-websocket-protocol", "a b")]);
        assert_eq!(value(&check(&parts).unwrap(), "sec-websocket-protocol"), None);
    }

    #[test]
    fn a_wrong_version_is_told_the_right_one() {
        for version in ["8", "", "13, 8"] {
            let response = check(&request(&[("sec-websocket-version", version)])).unwrap_err();
            assert_eq!(response.status, 426);
            assert_eq!(value(&response, "sec-websocket-version").unwrap(), "13");
        }
    }

    #[test]
    fn a_bad_handshake_is_refused() {
        let cases: [&[(&str, &str)]; 6] = [
            &[("connection", "")],
            &[("connection", "keep-alive")],
            &[("sec-websocket-key", "")],
            &[("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=")],
            &[("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZ!==")],
            &[
                ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
                ("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA=="),
            ],
        ];
        for changes in cases {
            assert_eq!(check(&request(changes)).unwrap_err().status, 400, "{changes:?}");
        }
        let mut parts = request(&[]);
        parts.method = hyper::Method::POST;
        assert_eq!(check(&parts).unwrap_err().status, 400);
        let mut parts = request(&[]);
        parts.version = hyper::Version::HTTP_10;
        assert_eq!(check(&parts).unwrap_err().status, 400);
    }
}
