//! An HTTP/1.1 client over one `Wire`, with keep-alive and one request at a time.
//!
//! What must hold: a response's end is found as RFC 9112 says (content length or chunks), so that the next request
//! on the connection is never answered by the rest of the last.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::target::Target;
use super::wire::{Received, Wire};

/// Longest response that is read, head and body.
pub const RESPONSE_BYTES_MAX: usize = 64 * 1024;

/// How a server broke HTTP, or went beyond what this client reads.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// The first line is no status line.
    #[error("the response does not begin with an HTTP/1.x status line")]
    StatusLine,
    /// A header has no colon, or is no text.
    #[error("a header of the response cannot be read")]
    Header,
    /// The length is no number, or a chunk's size is none.
    #[error("the length of the response's body cannot be read")]
    Length,
    /// Neither a length nor chunks: the body would end with the connection, which cannot be kept then.
    #[error("the response has neither a content length nor chunks, so that the connection cannot be kept")]
    Unbounded,
}

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The connection broke.
    #[error("the connection broke")]
    Io(#[from] io::Error),
    /// The server broke HTTP.
    #[error(transparent)]
    Response(#[from] ResponseError),
    /// The answer is longer than this client reads.
    #[error("the response is longer than {RESPONSE_BYTES_MAX} bytes")]
    TooLong,
    /// The server closed the connection instead of answering.
    #[error("the server closed the connection without an answer")]
    Closed,
}

/// Status and headers of a response.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    /// The status code.
    pub status: u16,
    headers: Vec<(String, String)>,
}

impl Head {
    /// The value of a header, whose name is given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }
}

/// A whole answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// What one read brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// All of the answer.
    Whole(Response),
    /// More of it, but not all.
    Partly,
    /// No bytes.
    Nothing,
}

/// One kept-alive connection.
#[derive(Debug)]
pub struct HttpClient {
    wire: Wire,
    authority: String,
}

impl HttpClient {
    /// Connects; reads wait (a bounded time) until `set_blocking(false)`.
    pub fn connect(target: &Target) -> io::Result<HttpClient> {
        let wire = Wire::connect(target.address())?;
        Ok(HttpClient { wire, authority: target.authority().to_owned() })
    }

    /// Chooses between waiting for an answer and returning at once.
    pub fn set_blocking(&self, blocking: bool) -> io::Result<()> {
        self.wire.set_blocking(blocking)
    }

    /// Sends a request without a body. The last one must have been answered.
    pub fn send(&mut self, method: &str, path: &str) -> io::Result<()> {
        let length = if method == "POST" { "Content-Length: 0\r\n" } else { "" };
        let request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n{length}\r\n", self.authority);
        self.wire.outgoing().extend_from_slice(request.as_bytes());
        self.wire.flush()?;
        Ok(())
    }

    /// Reads once.
    pub fn receive(&mut self, scratch: &mut [u8]) -> Result<Answer, RequestError> {
        let bytes = match self.wire.read(scratch)? {
            Received::Bytes(bytes) => bytes,
            Received::Nothing => return Ok(Answer::Nothing),
            Received::End => return Err(RequestError::Closed),
        };
        match parse_response(bytes)? {
            Some((response, length)) => {
                self.wire.keep(&bytes[length..]);
                Ok(Answer::Whole(response))
            }
            None if bytes.len() >= RESPONSE_BYTES_MAX => Err(RequestError::TooLong),
            None => {
                self.wire.keep(bytes);
                Ok(Answer::Partly)
            }
        }
    }

    /// Asks and waits for the answer; for a connection that blocks.
    pub fn request(
        &mut self,
        method: &str,
        path: &str,
        scratch: &mut [u8],
    ) -> Result<Response, RequestError> {
        self.send(method, path)?;
        loop {
            match self.receive(scratch)? {
                Answer::Whole(response) => return Ok(response),
                Answer::Partly => {}
                Answer::Nothing => return Err(io::Error::from(io::ErrorKind::TimedOut).into()),
            }
        }
    }
}

impl AsFd for HttpClient {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wire.as_fd()
    }
}

/// Reads a response's head and its length in bytes; `None` when it is not all there yet.
pub fn parse_head(bytes: &[u8]) -> Result<Option<(Head, usize)>, ResponseError> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&bytes[..end]).map_err(|_| ResponseError::Header)?;
    let mut lines = text.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.strip_prefix("HTTP/1."))
        .and_then(|line| line.split(' ').nth(1)?.parse::<u16>().ok())
        .ok_or(ResponseError::StatusLine)?;
    let headers = lines
        .map(|line| {
            let (name, value) = line.split_once(':').ok_or(ResponseError::Header)?;
            Ok((name.to_ascii_lowercase(), value.trim().to_owned()))
        })
        .collect::<Result<Vec<_>, ResponseError>>()?;
    Ok(Some((Head { status, headers }, end + 4)))
}

/// Reads a whole response and its length in bytes; `None` when it is not all there yet.
fn parse_response(bytes: &[u8]) -> Result<Option<(Response, usize)>, ResponseError> {
    let Some((head, head_bytes)) = parse_head(bytes)? else {
        return Ok(None);
    };
    let rest = &bytes[head_bytes..];
    let chunked = head.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
    let body = if chunked {
        parse_chunks(rest)?
    } else {
        let length = match head.header("content-length") {
            Some(length) => length.parse::<usize>().map_err(|_| ResponseError::Length)?,
            None if head.status == 204 || head.status == 304 => 0,
            None => return Err(ResponseError::Unbounded),
        };
        rest.get(..length).map(|body| (body.to_vec(), length))
    };
    Ok(body.map(|(body, length)| (Response { status: head.status, body }, head_bytes + length)))
}

/// Reads a chunked body without trailers and its length in bytes as sent.
fn parse_chunks(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, ResponseError> {
    let mut body = Vec::new();
    let mut place = 0;
    loop {
        let Some(line) = bytes[place..].windows(2).position(|window| window == b"\r\n") else {
            return Ok(None);
        };
        let size = std::str::from_utf8(&bytes[place..place + line])
            .ok()
            .and_then(|text| usize::from_str_radix(text.split(';').next()?.trim(), 16).ok())
            .filter(|size| *size <= RESPONSE_BYTES_MAX)
            .ok_or(ResponseError::Length)?;
        let start = place + line + 2;
        let Some(chunk) = bytes.get(start..start + size + 2) else {
            return Ok(None);
        };
        if chunk[size..] != *b"\r\n" {
            return Err(ResponseError::Length);
        }
        body.extend_from_slice(&chunk[..size]);
        place = start + size + 2;
        if size == 0 {
            return Ok(Some((body, place)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Response, ResponseError, parse_response};

    /// Every beginning of `text` is unfinished; all of it is `body`, with the next response left alone.
    fn check(text: &str, body: &str) {
        for cut in 0..text.len() {
            assert_eq!(parse_response(&text.as_bytes()[..cut]), Ok(None), "{cut} bytes of {text:?}");
        }
        let two = format!("{text}HTTP/1.1 500 No\r\n");
        let expected = Response { status: 200, body: body.as_bytes().to_vec() };
        assert_eq!(parse_response(two.as_bytes()), Ok(Some((expected, text.len()))));
    }

    #[test]
    fn a_response_ends_where_its_length_or_its_chunks_say() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello");
        check("HTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n", "");
        check(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhell\r\n1;x=y\r\no\r\n0\r\n\r\n",
            "hello",
        );
    }

    #[test]
    fn what_cannot_be_understood_is_an_error() {
        for (text, error) in [
            ("ICY 200 OK\r\n\r\n", ResponseError::StatusLine),
            ("HTTP/1.1 abc OK\r\n\r\n", ResponseError::StatusLine),
            ("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", ResponseError::Header),
            ("HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n", ResponseError::Length),
            ("HTTP/1.1 200 OK\r\n\r\nhello", ResponseError::Unbounded),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", ResponseError::Length),
        ] {
            assert_eq!(parse_response(text.as_bytes()), Err(error), "{text:?}");
        }
    }
}
