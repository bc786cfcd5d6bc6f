//! Requests and responses as checkpoints and records have them.

use bytes::Bytes;

use crate::codec::{Malformed, Reader, Writer};
use crate::http::{Header, Request, Response};

type Read<T> = Result<T, Malformed>;

pub(crate) fn request(writer: &mut Writer, request: &Request) {
    writer.bytes(request.method.as_bytes());
    writer.bytes(request.uri.as_bytes());
    headers(writer, &request.headers);
    writer.bytes(&request.body);
}

pub(crate) fn headers(writer: &mut Writer, headers: &[Header]) {
    writer.number(headers.len() as u64);
    for header in headers {
        writer.bytes(header.name.as_bytes());
        writer.bytes(&header.value);
    }
}

pub(crate) fn response(writer: &mut Writer, response: &Response) {
    writer.number(response.status.into());
    headers(writer, &response.headers);
    writer.bytes(&response.body);
}

pub(crate) fn read_request(reader: &mut Reader) -> Read<Request> {
    Ok(Request {
        method: reader.text("method")?,
        uri: reader.text("uri")?,
        headers: read_headers(reader)?,
        body: reader.bytes("body")?,
        body_waits: false,
    })
}

pub(crate) fn read_headers(reader: &mut Reader) -> Read<Vec<Header>> {
    reader.list("headers", |reader| {
        let name = reader.text("header's name")?;
        // Copied, or it would keep the whole record in memory.
        Ok(Header { name, value: Bytes::copy_from_slice(&reader.bytes("header's value")?) })
    })
}

pub(crate) fn read_response(reader: &mut Reader) -> Read<Response> {
    let status = u16::try_from(reader.number("status")?).map_err(|_| Malformed::Field { field: "status" })?;
    let headers = read_headers(reader)?;
    // Copied, or it would keep the whole record in memory.
    Ok(Response { status, headers, body: Bytes::copy_from_slice(&reader.bytes("body")?) })
}
