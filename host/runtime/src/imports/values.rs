//! Values of the contract, turned into the room's own and back.

use bytes::Bytes;
use party_core::event::Failure;
use party_core::http::{Header, Request, Response};
use party_core::message::{CloseFrame, Message};
use party_core::operation::OperationError;

use crate::bindings::party::server::types::{
    BodyParam, BodyResult, CloseFrameResult, Failure as GuestFailure, HeaderParam, HeaderResult,
    MessageResult, OperationErrorParam, RequestParam, RequestResult, ResponseResult,
};

/// A message out of a guest. Its bytes are not copied again.
pub(crate) fn message(message: MessageResult) -> Message {
    match message {
        MessageResult::Text(text) => Message::text(text),
        MessageResult::Binary(bytes) => Message::Binary(bytes.into()),
    }
}

/// A failure out of a guest. A status that is none counts as absent.
pub(crate) fn failure(failure: GuestFailure) -> Failure {
    let GuestFailure { message, stack, status } = failure;
    Failure { message, stack, status: status.filter(|status| (200..=599).contains(status)) }
}

/// A close frame out of a guest.
pub(crate) fn close_frame(frame: CloseFrameResult) -> CloseFrame {
    CloseFrame::new(frame.code, frame.reason)
}

/// A response out of a guest, unless its body is to follow: then why it cannot be taken.
pub(crate) fn response(response: ResponseResult) -> Result<Response, String> {
    let ResponseResult { status, headers, body } = response;
    let body = match body {
        BodyResult::Bytes(bytes) => Bytes::from(bytes),
        BodyResult::Streamed(_) | BodyResult::Waiting => {
            return Err("its body must be whole: streams.open-response answers in pieces".into());
        }
    };
    Ok(Response { status, headers: headers.into_iter().map(header).collect(), body })
}

/// A request out of a guest, unless its body is to follow: then why it cannot be taken.
pub(crate) fn request(request: RequestResult) -> Result<Request, String> {
    match stand_in(request)? {
        request if request.body_waits => Err(WHOLE.into()),
        request => Ok(request),
    }
}

/// The same, of a request in the place of one whose body may still be with its client.
pub(crate) fn stand_in(request: RequestResult) -> Result<Request, String> {
    let RequestResult { method, uri, headers, body } = request;
    let (body, body_waits) = match body {
        BodyResult::Bytes(bytes) => (Bytes::from(bytes), false),
        BodyResult::Waiting => (Bytes::new(), true),
        BodyResult::Streamed(_) => return Err(WHOLE.into()),
    };
    Ok(Request { method, uri, headers: headers.into_iter().map(header).collect(), body, body_waits })
}

/// Why a request is not sent whose body would follow.
const WHOLE: &str = "the body of a request that a guest sends is given whole";

/// A request on its way into a guest. Its headers are lent apart.
pub(crate) fn lent_request<'a>(request: &'a Request, headers: &'a [HeaderParam<'a>]) -> RequestParam<'a> {
    let body = match request.body_waits {
        true => BodyParam::Waiting,
        false => BodyParam::Bytes(&request.body),
    };
    RequestParam { method: &request.method, uri: &request.uri, headers, body }
}

/// A header out of a guest.
pub(crate) fn header(header: HeaderResult) -> Header {
    Header { name: header.name, value: header.value.into() }
}

/// Headers on their way into a guest, as arguments.
pub(crate) fn headers(headers: &[Header]) -> Vec<HeaderParam<'_>> {
    headers.iter().map(|header| HeaderParam { name: &header.name, value: &header.value }).collect()
}

/// Headers on their way into a guest, as a result.
pub(crate) fn owned_headers(headers: &[Header]) -> Vec<HeaderResult> {
    let headers = headers.iter();
    headers.map(|header| HeaderResult { name: header.name.clone(), value: header.value.to_vec() }).collect()
}

/// Why an operation failed, on its way into a guest.
pub(crate) fn operation_error(error: &OperationError) -> OperationErrorParam<'_> {
    match error {
        OperationError::Timeout => OperationErrorParam::Timeout,
        OperationError::NoSuchParty(party) => OperationErrorParam::NoSuchParty(party),
        OperationError::Connect(why) => OperationErrorParam::Connect(why),
        OperationError::Dns(why) => OperationErrorParam::Dns(why),
        OperationError::Tls(why) => OperationErrorParam::Tls(why),
        OperationError::RefusedByPolicy(why) => OperationErrorParam::RefusedByPolicy(why),
        OperationError::TooLarge(bytes_max) => OperationErrorParam::TooLarge(*bytes_max),
        OperationError::Overloaded(max) => OperationErrorParam::Overloaded(*max),
    }
}
