//! Requests and responses as values. Only the server knows how they stand on a wire.

use bytes::Bytes;

/// One header: a lower-case name and the bytes of its value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    /// Lower case.
    pub name: String,
    /// As it came.
    pub value: Bytes,
}

/// A request to a room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// Upper case.
    pub method: String,
    /// The full URL with `http://`, path and query as the client sent them; or as its lobby says.
    pub uri: String,
    /// In the order in which they came.
    pub headers: Vec<Header>,
    /// The whole body, unless it waits.
    pub body: Bytes,
    /// The body has not come along: the room reads it if it wants it ([`Turn::read_body`](crate::turn::Turn::read_body)).
    pub body_waits: bool,
}

impl Request {
    /// What stands behind the question mark of its URL.
    pub fn query(&self) -> Option<&str> {
        self.uri.split_once('?').map(|(_, query)| query)
    }

    /// Bytes that it holds, about.
    pub fn bytes(&self) -> u64 {
        let headers: usize = self.headers.iter().map(Header::bytes).sum();
        (self.method.len() + self.uri.len() + headers + self.body.len()) as u64
    }

    /// Why this request cannot be sent, if so.
    pub fn fault(&self) -> Option<String> {
        self.method_fault()
            .or_else(|| self.uri_fault())
            .or_else(|| self.headers.iter().find_map(header_fault))
    }

    /// Why its method cannot be sent, if so.
    pub(crate) fn method_fault(&self) -> Option<String> {
        let is_one = !self.method.is_empty() && self.method.bytes().all(|c| c.is_ascii_uppercase());
        (!is_one).then(|| format!("method {:?} is not of upper-case letters", self.method))
    }

    /// Why its URL cannot be sent, if so.
    pub(crate) fn uri_fault(&self) -> Option<String> {
        let is_one = self.uri.bytes().all(|c| c.is_ascii_graphic());
        (!is_one).then(|| format!("the URL {:?} holds what must be percent-encoded", self.uri))
    }
}

impl Header {
    /// Why it cannot be sent, if so.
    pub(crate) fn fault(&self) -> Option<String> {
        header_fault(self)
    }

    /// Whether it says how long a body is.
    pub(crate) fn frames(&self) -> bool {
        ["content-length", "transfer-encoding"].iter().any(|one| self.name.eq_ignore_ascii_case(one))
    }

    /// Bytes of its name and its value.
    pub(crate) fn bytes(&self) -> usize {
        self.name.len() + self.value.len()
    }
}

/// The answer to a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Response {
    /// 200 to 599.
    pub status: u16,
    /// In the order in which they are sent.
    pub headers: Vec<Header>,
    /// The whole body.
    pub body: Bytes,
}

impl Response {
    /// A plain text response.
    pub fn text(status: u16, body: impl Into<String>) -> Response {
        let header =
            Header { name: "content-type".into(), value: Bytes::from_static(b"text/plain;charset=UTF-8") };
        Response { status, headers: vec![header], body: body.into().into() }
    }

    /// Bytes that it holds, about.
    pub fn bytes(&self) -> u64 {
        let headers: usize = self.headers.iter().map(Header::bytes).sum();
        (headers + self.body.len()) as u64
    }

    /// Why this response cannot be sent, if so.
    pub fn fault(&self, status_min: u16) -> Option<String> {
        if self.status < status_min || self.status > 599 {
            return Some(format!("status {} is not between {status_min} and 599", self.status));
        }
        self.headers.iter().find_map(header_fault)
    }
}

fn header_fault(header: &Header) -> Option<String> {
    let token = |c: u8| c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c);
    if header.name.is_empty() || !header.name.bytes().all(token) {
        return Some(format!("header name {:?} is not a token", header.name));
    }
    if header.value.iter().any(|&c| (c < 0x20 && c != b'\t') || c == 0x7f) {
        return Some(format!("the value of header {:?} holds a control character", header.name));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Header, Response};

    #[test]
    fn a_response_that_would_split_is_found() {
        let mut response = Response::text(200, "ok");
        assert_eq!(response.fault(200), None);
        response.headers.push(Header { name: "x".into(), value: "a\r\nset-cookie: b".into() });
        assert_eq!(response.fault(200).unwrap(), "the value of header \"x\" holds a control character");
        assert_eq!(Response::text(101, "").fault(200).unwrap(), "status 101 is not between 200 and 599");
    }
}
