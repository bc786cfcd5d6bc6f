//! What is sent, and what is sent after a redirect (RFC 9110, 15.4, and the Fetch standard where that is stricter).

use bytes::Bytes;
use party_core::http::{Header, Request, Response};
use party_core::operation::OperationError;
use url::{Host, Url};

/// Headers about a body, which go with it.
const OF_THE_BODY: [&str; 4] = ["content-encoding", "content-language", "content-location", "content-type"];
/// Headers that are meant for one server, and that another must not see.
const FOR_ONE_SERVER: [&str; 4] = ["authorization", "cookie", "cookie2", "proxy-authorization"];

/// A request on its way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sending {
    url: Url,
    method: String,
    headers: Vec<Header>,
    body: Bytes,
}

/// Where an answer leads, if it is a redirect. One that does not say where is none.
pub(super) fn next(response: &Response) -> Option<Bytes> {
    let leads = matches!(response.status, 301 | 302 | 303 | 307 | 308);
    let mut headers = response.headers.iter().filter(|_| leads);
    headers.find(|header| header.name.eq_ignore_ascii_case("location")).map(|header| header.value.clone())
}

impl Sending {
    /// A request as its room has it.
    pub(super) fn new(request: Request) -> Result<Sending, OperationError> {
        let Request { method, uri, headers, body, body_waits: _ } = request;
        let refused = |error| OperationError::Connect(format!("{uri:?} cannot be reached: {error}"));
        let url = Url::parse(&uri).map_err(refused)?;
        Ok(Sending { url: checked(url)?, method, headers, body })
    }

    /// What is sent to where a redirect leads.
    pub(super) fn redirected(self, status: u16, location: &[u8]) -> Result<Sending, OperationError> {
        let Sending { url: from, mut method, mut headers, mut body } = self;
        let shown = String::from_utf8_lossy(location);
        let no_url = |error| OperationError::Connect(format!("a redirect leads to {shown:?}: {error}"));
        let text = std::str::from_utf8(location).map_err(|error| no_url(error.to_string()))?;
        let mut url = from.join(text).map_err(|error| no_url(error.to_string()))?;
        url.set_fragment(None);
        let url = checked(url)?;
        let becomes_get = match status {
            301 | 302 => method == "POST",
            303 => method != "GET" && method != "HEAD",
            _ => false,
        };
        if becomes_get {
            method = "GET".into();
            body = Bytes::new();
            headers.retain(|header| !is_one_of(header, &OF_THE_BODY));
        }
        if url.origin() != from.origin() {
            headers.retain(|header| !is_one_of(header, &FOR_ONE_SERVER));
        }
        Ok(Sending { url, method, headers, body })
    }

    /// Where it goes, in full.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// `GET`.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Those of the room that are sent there.
    pub fn headers(&self) -> &[Header] {
        &self.headers
    }

    /// The whole body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    pub(super) fn is_secret(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The host, as it is to be resolved or dialled.
    pub(super) fn host(&self) -> Host<&str> {
        self.url.host().expect("a checked URL has a host")
    }

    pub(super) fn port(&self) -> u16 {
        self.url.port_or_known_default().expect("a checked URL is of a scheme with a port")
    }

    /// For the `host` header: the port is said only if it is not the scheme's own.
    pub(super) fn authority(&self) -> String {
        match self.url.port() {
            Some(port) => format!("{}:{port}", self.host()),
            None => self.host().to_string(),
        }
    }

    /// Path and query.
    pub(super) fn target(&self) -> &str {
        &self.url[url::Position::BeforePath..url::Position::AfterQuery]
    }
}

fn is_one_of(header: &Header, names: &[&str]) -> bool {
    names.iter().any(|name| header.name.eq_ignore_ascii_case(name))
}

/// Only what can be asked by HTTP, and nothing with a password in it: that would be seen by whoever sees the URL.
fn checked(url: Url) -> Result<Url, OperationError> {
    if !matches!(url.scheme(), "https" | "http") || url.host().is_none() {
        let scheme = url.scheme();
        return Err(OperationError::RefusedByPolicy(format!("{scheme}: is neither https nor http")));
    }
    if !url.username().is_empty() || url.password().is_some() {
        let host = url.host_str().unwrap_or_default();
        return Err(OperationError::RefusedByPolicy(format!("the URL of {host} has a user name in it")));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use party_core::http::{Header, Request, Response};
    use party_core::operation::OperationError;

    use super::{Sending, next};

    fn sending(method: &str, uri: &str) -> Sending {
        let names = ["content-type", "Authorization", "cookie", "x-key", "idempotency-key"];
        let headers = names.map(|name| Header { name: name.into(), value: Bytes::from_static(b"v") });
        let (method, uri) = (method.into(), uri.into());
        let request = Request {
            method,
            uri,
            headers: headers.into(),
            body: Bytes::from_static(b"body"),
            body_waits: false,
        };
        Sending::new(request).unwrap()
    }

    /// `METHOD URL headers body` after a redirect.
    fn after(method: &str, status: u16, location: &str) -> String {
        let next = sending(method, "https://a.test/b/c?d").redirected(status, location.as_bytes()).unwrap();
        let names: Vec<&str> = next.headers.iter().map(|header| header.name.as_str()).collect();
        format!("{} {} {} {}", next.method, next.url, names.join(","), next.body.len())
    }

    #[test]
    fn a_redirect_keeps_method_and_body_or_makes_a_get_of_it() {
        let (all, get) = (
            "content-type,Authorization,cookie,x-key,idempotency-key 4",
            "Authorization,cookie,x-key,idempotency-key 0",
        );
        for (method, status, becomes, rest) in [
            ("POST", 301, "GET", get),
            ("POST", 302, "GET", get),
            ("POST", 303, "GET", get),
            ("POST", 307, "POST", all),
            ("POST", 308, "POST", all),
            ("PUT", 301, "PUT", all),
            ("PUT", 302, "PUT", all),
            ("PUT", 303, "GET", get),
            ("GET", 303, "GET", all),
            ("HEAD", 303, "HEAD", all),
            ("HEAD", 301, "HEAD", all),
        ] {
            assert_eq!(
                after(method, status, "/e"),
                format!("{becomes} https://a.test/e {rest}"),
                "{method} {status}"
            );
        }
    }

    #[test]
    fn what_is_meant_for_one_server_is_not_shown_to_another() {
        let all = "content-type,Authorization,cookie,x-key,idempotency-key 4";
        let some = "content-type,x-key,idempotency-key 4";
        for (location, url, rest) in [
            ("e", "https://a.test/b/e", all),
            ("?e", "https://a.test/b/c?e", all),
            ("//a.test:443/#f", "https://a.test/", all),
            ("http://a.test/", "http://a.test/", some),
            ("https://a.test:444/", "https://a.test:444/", some),
            ("https://b.a.test/", "https://b.a.test/", some),
            ("//0x7f.1/", "https://127.0.0.1/", some),
        ] {
            assert_eq!(after("PUT", 307, location), format!("PUT {url} {rest}"), "{location}");
        }
    }

    #[test]
    fn a_redirect_to_what_is_no_url_of_http_is_no_answer() {
        for location in ["file:///etc/passwd", "ftp://a.test/", "data:text/plain,a", "https://me@a.test/"] {
            let refused = sending("GET", "https://a.test/").redirected(302, location.as_bytes());
            assert!(matches!(refused, Err(OperationError::RefusedByPolicy(_))), "{location}: {refused:?}");
        }
        for location in [&b"https://"[..], b"https://a b/", b"https://[::1", b"\xff\xfe", b"//%00/"] {
            let refused = sending("GET", "https://a.test/").redirected(302, location);
            assert!(matches!(refused, Err(OperationError::Connect(_))), "{location:?}: {refused:?}");
        }
    }

    #[test]
    fn an_answer_leads_on_only_if_it_says_where() {
        let location = Header { name: "location".into(), value: Bytes::from_static(b"/e") };
        let response = |status, headers| Response { status, headers, body: Bytes::new() };
        assert_eq!(next(&response(302, Vec::new())), None);
        for status in [301, 302, 303, 307, 308] {
            let led = next(&response(status, vec![location.clone()]));
            assert_eq!(led.as_deref(), Some(&b"/e"[..]), "{status}");
        }
        for status in [200, 201, 300, 304, 305, 306, 400] {
            assert_eq!(next(&response(status, vec![location.clone()])), None, "{status}");
        }
    }

    #[test]
    fn the_host_is_named_as_servers_expect_it() {
        for (url, authority, target) in [
            ("https://A.test", "a.test", "/"),
            ("https://a.test:443/b?c=d", "a.test", "/b?c=d"),
            ("http://a.test:443", "a.test:443", "/"),
            ("https://[2001:DB8::1]:8443/%20", "[2001:db8::1]:8443", "/%20"),
        ] {
            let sending = sending("GET", url);
            assert_eq!((sending.authority().as_str(), sending.target()), (authority, target), "{url}");
        }
    }
}
