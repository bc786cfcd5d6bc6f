//! The target of a request as a URL parser writes it (WHATWG URL, 4.4), so that one room has one id.
//!
//! Browsers percent-encode what no URL holds before they ask; others send the bytes as they are, and mean the same. PartyKit
//! encodes them, as measured on npm `partykit` 0.0.115. What is encoded already stays as it is: `%c3` is not `%C3`.

use hyper::Uri;
use hyper::http::uri::PathAndQuery;
use party_core::http::Response;

/// What a path holds only encoded, beside controls and what is not ASCII.
const PATH: &[u8] = b" \"<>`{}";
/// What a query holds only encoded, beside the same.
const QUERY: &[u8] = b" \"'<>";

/// The target with all that no URL holds percent-encoded. An error is the refusal of one that becomes too long by it.
pub(crate) fn written_as_url(uri: Uri) -> Result<Uri, Response> {
    let Some(target) = uri.path_and_query() else { return Ok(uri) };
    let (path, query) = (target.path(), target.query());
    if !path.bytes().any(|byte| is_encoded(byte, PATH))
        && !query.is_some_and(|query| query.bytes().any(|byte| is_encoded(byte, QUERY)))
    {
        return Ok(uri);
    }
    let mut encoded = String::new();
    encode(path, PATH, &mut encoded);
    if let Some(query) = query {
        encoded.push('?');
        encode(query, QUERY, &mut encoded);
    }
    let too_long = |_| Response::text(414, "the target is too long when it is percent-encoded");
    let mut parts = uri.into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(encoded).map_err(too_long)?);
    Uri::from_parts(parts).map_err(|_| Response::text(400, "the target is no URL"))
}

fn is_encoded(byte: u8, set: &[u8]) -> bool {
    !(b' '..=b'~').contains(&byte) || set.contains(&byte)
}

fn encode(text: &str, set: &[u8], encoded: &mut String) {
    for byte in text.bytes() {
        if is_encoded(byte, set) {
            const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
            let digit = |half: u8| char::from(DIGITS[usize::from(half)]);
            encoded.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        } else {
            encoded.push(char::from(byte));
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::Uri;

    use super::written_as_url;

    #[track_caller]
    fn check(target: &[u8], expected: &str) {
        let uri = Uri::try_from(&target[..]).expect("it is a target");
        assert_eq!(written_as_url(uri).expect("it is short").to_string(), expected);
    }

    #[test]
    fn what_no_url_holds_is_encoded_and_all_else_stays() {
        check("/party/é/\u{10ffff}".as_bytes(), "/party/%C3%A9/%F4%8F%BF%BF");
        check(b"/party/\"{a|b}\"", "/party/%22%7Ba|b%7D%22");
        check("/party/a?é='{}".as_bytes(), "/party/a?%C3%A9=%27{}");
        check(b"http://host:1/party/'?a", "http://host:1/party/'?a");
        check("http://host/é".as_bytes(), "http://host/%C3%A9");
        for same in ["/party/%zz%c3%A9?%", "/", "*", "/party/a;b=c,d:e@f!$&()*+~[]|?/?{}^`|"] {
            check(same.as_bytes(), same);
        }
    }

    #[test]
    fn a_target_that_becomes_too_long_is_refused() {
        let uri = Uri::from_maybe_shared(format!("/{}", "é".repeat(15_000))).expect("it is a target");
        assert_eq!(written_as_url(uri).expect_err("90,001 bytes").status, 414);
    }
}
