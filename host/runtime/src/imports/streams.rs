//! `streams`: what arrives or leaves in pieces, and sockets that the room has opened.

use party_core::ids::{RequestId, StreamId};
use party_core::turn::streams::StreamError as CoreError;
use wasmtime::Result;

use crate::bindings::party::server::streams::{Host, StreamError};
use crate::bindings::party::server::types::{CloseFrameResult, HeaderResult, MessageResult};
use crate::imports::values::{close_frame, header, message};
use crate::state::InstanceState;

type Answer<T> = Result<std::result::Result<T, StreamError>>;

fn stream_error(error: CoreError) -> StreamError {
    match error {
        CoreError::Unknown => StreamError::Unknown,
        CoreError::NoCredit => StreamError::NoCredit,
        CoreError::TooLarge(bytes_max) => StreamError::TooLarge(bytes_max),
        CoreError::Overloaded(open_max) => StreamError::Overloaded(open_max),
        CoreError::TurnFull(bytes_max) => StreamError::TurnFull(bytes_max),
        CoreError::BadCloseCode(code) => StreamError::BadCloseCode(code),
        CoreError::Invalid(text) => StreamError::Invalid(text),
    }
}

impl Host for InstanceState {
    fn open_response(&mut self, request: u64, status: u16, headers: Vec<HeaderResult>) -> Answer<u64> {
        let Some(turn) = self.room("streams.open-response")? else { return Ok(Err(StreamError::NotInARoom)) };
        let headers = headers.into_iter().map(header).collect();
        let opened = turn.open_response(RequestId(request), status, headers);
        Ok(opened.map(|stream| stream.0).map_err(stream_error))
    }

    fn read_body(&mut self, request: u64) -> Answer<u64> {
        let Some(turn) = self.room("streams.read-body")? else { return Ok(Err(StreamError::NotInARoom)) };
        Ok(turn.read_body(RequestId(request)).map(|stream| stream.0).map_err(stream_error))
    }

    fn write(&mut self, stream: u64, bytes: Vec<u8>) -> Answer<()> {
        let Some(turn) = self.room("streams.write")? else { return Ok(Err(StreamError::NotInARoom)) };
        Ok(turn.write(StreamId(stream), bytes.into()).map_err(stream_error))
    }

    fn send(&mut self, stream: u64, frame: MessageResult) -> Answer<()> {
        let Some(turn) = self.room("streams.send")? else { return Ok(Err(StreamError::NotInARoom)) };
        Ok(turn.send_on(StreamId(stream), message(frame)).map_err(stream_error))
    }

    fn credit(&mut self, stream: u64) -> Answer<u64> {
        let Some(turn) = self.room("streams.credit")? else { return Ok(Err(StreamError::NotInARoom)) };
        Ok(turn.stream_credit(StreamId(stream)).map_err(stream_error))
    }

    fn finish(&mut self, stream: u64) -> Answer<()> {
        let Some(turn) = self.room("streams.finish")? else { return Ok(Err(StreamError::NotInARoom)) };
        Ok(turn.finish(StreamId(stream)).map_err(stream_error))
    }

    fn break_off(&mut self, stream: u64) -> Answer<()> {
        let Some(turn) = self.room("streams.break-off")? else { return Ok(Err(StreamError::NotInARoom)) };
        Ok(turn.break_off(StreamId(stream)).map_err(stream_error))
    }

    fn close(&mut self, stream: u64, frame: Option<CloseFrameResult>) -> Answer<()> {
        let Some(turn) = self.room("streams.close")? else { return Ok(Err(StreamError::NotInARoom)) };
        Ok(turn.close_on(StreamId(stream), frame.map(close_frame)).map_err(stream_error))
    }
}
