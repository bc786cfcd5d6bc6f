//! Requests and responses between the wire and the room.

use bytes::Bytes;
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE,
};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{Method, StatusCode, Version};
use party_core::http::{Header, Response};

use super::body::EdgeBody;

/// What stands in a URL when an old client names no host.
const NO_HOST: &str = "localhost";

/// The URL that a guest sees: `http://`, the host that the client named, path and query as they came.
pub(crate) fn guest_uri(parts: &Parts) -> Result<String, Response> {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    Ok(format!("http://{}{path}", host(parts)?))
}

/// The host that a client names. RFC 9112, 3.2: an absolute target wins; otherwise one host header, which HTTP/1.1 must have.
pub(crate) fn host(parts: &Parts) -> Result<String, Response> {
    let refused = |text: &str| Err(Response::text(400, text));
    if let Some(authority) = parts.uri.authority() {
        return plain(authority).ok_or_else(|| Response::text(400, "the target names a user"));
    }
    let mut values = parts.headers.get_all(HOST).iter();
    match (values.next(), values.next()) {
        (None, _) if parts.version >= Version::HTTP_11 => refused("the host header is missing"),
        (None, _) => Ok(NO_HOST.into()),
        (Some(_), Some(_)) => refused("there is more than one host header"),
        (Some(value), None) if value.is_empty() => Ok(NO_HOST.into()),
        (Some(value), None) => match Authority::try_from(value.as_bytes()).ok().as_ref().and_then(plain) {
            Some(host) => Ok(host),
            None => refused("the host header is no host"),
        },
    }
}

/// A host and port without a user.
fn plain(authority: &Authority) -> Option<String> {
    (!authority.as_str().contains('@')).then(|| authority.as_str().to_owned())
}

/// Headers as a guest sees them. Their values share one allocation, because those of a WebSocket are kept as long
/// as it lives.
pub(crate) fn guest_headers(headers: &HeaderMap) -> Vec<Header> {
    let block: Vec<u8> = headers.values().flat_map(|value| value.as_bytes()).copied().collect();
    let mut block = Bytes::from(block);
    headers
        .iter()
        .map(|(name, value)| Header { name: name.as_str().into(), value: block.split_to(value.len()) })
        .collect()
}

/// A response as it goes to the client. How it is framed is the host's affair alone: headers about that are left
/// out, except for the length that answers HEAD.
pub(crate) fn to_wire(response: Response, method: &Method) -> hyper::Response<EdgeBody> {
    let announced = announced_length(&response, method);
    let body = response.body.clone();
    let mut wire = head_to_wire(response);
    *wire.body_mut() = match announced {
        Some(length) => EdgeBody::Announced(length),
        None => EdgeBody::Whole(body),
    };
    wire
}

/// The head of a response as it goes to the client, before its body is known.
pub(crate) fn head_to_wire(response: Response) -> hyper::Response<EdgeBody> {
    let mut wire = hyper::Response::new(EdgeBody::Whole(Bytes::new()));
    *wire.status_mut() = StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let upgrading = matches!(wire.status(), StatusCode::SWITCHING_PROTOCOLS | StatusCode::UPGRADE_REQUIRED);
    for Header { name, value } in response.headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        let (Ok(name), Ok(value)) = (name, HeaderValue::from_maybe_shared(value)) else {
            tracing::warn!("a header of a response is left out: it cannot be sent");
            continue;
        };
        if !is_framing(&name) || (upgrading && is_upgrade(&name)) {
            wire.headers_mut().append(name, value);
        }
    }
    wire
}

/// Headers that name what a connection becomes, which is said with 101 and 426 only.
fn is_upgrade(name: &HeaderName) -> bool {
    [CONNECTION, UPGRADE].contains(name)
}

/// Headers that say how a message is framed or what becomes of the connection (RFC 9110, 7.6.1).
pub(crate) fn is_framing(name: &HeaderName) -> bool {
    [CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, TE, TRAILER, UPGRADE].contains(name)
        || name == "keep-alive"
        || name == "proxy-connection"
}

/// The length that a response to HEAD without a body claims that GET would have.
fn announced_length(response: &Response, method: &Method) -> Option<u64> {
    if method != Method::HEAD || !response.body.is_empty() {
        return None;
    }
    let header = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"))?;
    std::str::from_utf8(&header.value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{guest_headers, guest_uri, to_wire};
    use hyper::body::Body;
    use hyper::{Method, Request, Version};
    use party_core::http::{Header, Response};

    #[track_caller]
    fn check_uri(target: &str, version: Version, hosts: &[&str], expected: Result<&str, &str>) {
        let mut request = Request::builder().uri(target).version(version);
        for host in hosts {
            request = request.header("host", *host);
        }
        let found = guest_uri(&request.body(()).unwrap().into_parts().0);
        let found = found.map_err(|response| String::from_utf8(response.body.to_vec()).unwrap());
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{target} {hosts:?}");
    }

    #[test]
    fn the_uri_is_put_together_from_host_and_target() {
        let (new, old) = (Version::HTTP_11, Version::HTTP_10);
        check_uri("/party/a?b=c", new, &["h:1999"], Ok("http://h:1999/party/a?b=c"));
        check_uri("/party/%zz//", new, &["[::1]:80"], Ok("http://[::1]:80/party/%zz//"));
        check_uri("http://other/x", new, &["h"], Ok("http://other/x"));
        check_uri("/x", old, &[], Ok("http://localhost/x"));
        check_uri("/x", new, &[""], Ok("http://localhost/x"));
        check_uri("/x", new, &[], Err("the host header is missing"));
        check_uri("/x", new, &["a", "b"], Err("there is more than one host header"));
        for host in ["a b", "a/b", "me@a", "a?b", "http://a", "a#b"] {
            check_uri("/x", new, &[host], Err("the host header is no host"));
        }
        check_uri("http://me@other/x", new, &["h"], Err("the target names a user"));
    }

    #[test]
    fn headers_keep_their_order_and_values() {
        let request = Request::builder().header("b", "1").header("A", "2").header("b", "3").body(()).unwrap();
        let headers = guest_headers(request.headers());
        let pairs: Vec<_> =
            headers.iter().map(|header| (header.name.as_str(), header.value.as_ref())).collect();
        assert_eq!(pairs, [("b", &b"1"[..]), ("b", b"3"), ("a", b"2")]);
    }

    fn response(headers: &[(&'static str, &'static str)], body: &'static str) -> Response {
        let header = |(name, value): &(&'static str, &'static str)| Header {
            name: (*name).into(),
            value: (*value).into(),
        };
        Response { status: 200, headers: headers.iter().map(header).collect(), body: body.into() }
    }

    #[test]
    fn a_guest_cannot_frame_its_response() {
        let headers = [
            ("content-length", "5"),
            ("transfer-encoding", "chunked"),
            ("connection", "close"),
            ("upgrade", "h2c"),
            ("x-kept", "1"),
            ("set-cookie", "a"),
            ("set-cookie", "b"),
        ];
        let wire = to_wire(response(&headers, "hi"), &Method::GET);
        let kept: Vec<_> =
            wire.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(kept, [("x-kept", &b"1"[..]), ("set-cookie", b"a"), ("set-cookie", b"b")]);
        assert_eq!(wire.body().size_hint().exact(), Some(2));
    }

    #[test]
    fn the_length_that_answers_head_is_kept() {
        let length = [("content-length", "123")];
        let exact = |response, method| to_wire(response, &method).body().size_hint().exact();
        assert_eq!(exact(response(&length, ""), Method::HEAD), Some(123));
        assert_eq!(exact(response(&length, ""), Method::GET), Some(0));
        assert_eq!(exact(response(&length, "body"), Method::HEAD), Some(4));
    }
}
