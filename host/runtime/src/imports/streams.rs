//! `streams`: not built yet.

use wasmtime::Result;

use crate::bindings::party::server::streams::{Host, StreamError};
use crate::bindings::party::server::types::HeaderResult;
use crate::imports::not_yet;
use crate::state::InstanceState;

type Answer<T> = Result<Result<T, StreamError>>;

impl InstanceState {
    fn not_yet_a_stream<T>(&mut self, function: &'static str) -> Answer<T> {
        Ok(Err(match self.room(function)? {
            Some(_) => StreamError::NotYet(not_yet(function)),
            None => StreamError::NotInARoom,
        }))
    }
}

impl Host for InstanceState {
    fn open_response(&mut self, _request: u64, _status: u16, _headers: Vec<HeaderResult>) -> Answer<u64> {
        self.not_yet_a_stream("streams.open-response")
    }

    fn write(&mut self, _stream: u64, _bytes: Vec<u8>) -> Answer<()> {
        self.not_yet_a_stream("streams.write")
    }

    fn finish(&mut self, _stream: u64) -> Answer<()> {
        self.not_yet_a_stream("streams.finish")
    }
}
