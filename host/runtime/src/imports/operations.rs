//! `operations`: things that take time.

use bytes::Bytes;
use party_core::fetch::FetchOptions as Options;
use party_core::http::Request;
use party_core::ids::OperationId;
use party_core::operation::ConnectTarget as Target;
use party_core::turn::operations::StartError;

use crate::bindings::party::server::operations::{ConnectTarget, FetchOptions, Host, RoomTarget};
use crate::bindings::party::server::types::{OperationErrorResult as OperationError, RequestResult};
use crate::imports::values;
use crate::state::InstanceState;

type Answer<T> = wasmtime::Result<Result<T, OperationError>>;

fn started(id: Result<OperationId, StartError>) -> Result<u64, OperationError> {
    id.map(|id| id.0).map_err(|error| match error {
        StartError::Overloaded(open_max) => OperationError::Overloaded(open_max),
        StartError::TooManyStreams(open_max) => OperationError::TooManyStreams(open_max),
        StartError::TooLarge(bytes_max) => OperationError::TooLarge(bytes_max),
        StartError::Invalid(text) => OperationError::Invalid(text),
    })
}

impl Host for InstanceState {
    fn sleep(&mut self, ms: u64) -> Answer<u64> {
        Ok(started(self.turn("operations.sleep")?.sleep(ms)))
    }

    fn fetch(&mut self, request: RequestResult, options: FetchOptions) -> Answer<u64> {
        let turn = self.turn("operations.fetch")?;
        let FetchOptions { timeout_ms, redirects_max, stream_response, resend } = options;
        let options = Options { timeout_ms, redirects_max, resend, streams: stream_response };
        Ok(match values::request(request) {
            Ok(request) => started(turn.fetch(request, options)),
            Err(fault) => Err(OperationError::Invalid(fault)),
        })
    }

    fn call(&mut self, party: String, room: String, request: RequestResult) -> Answer<u64> {
        let turn = self.turn("operations.call")?;
        Ok(match values::request(request) {
            Ok(request) => started(turn.call(party, room, request)),
            Err(fault) => Err(OperationError::Invalid(fault)),
        })
    }

    fn connect(&mut self, target: ConnectTarget) -> Answer<u64> {
        let Some(turn) = self.room("operations.connect")? else { return Ok(Err(OperationError::NotInARoom)) };
        Ok(started(turn.connect(match target {
            ConnectTarget::Url(url) => Target::Url(url),
            ConnectTarget::Room(RoomTarget { party, room, uri, headers }) => {
                let headers = headers.into_iter().map(values::header).collect();
                let (method, body) = ("GET".into(), Bytes::new());
                let request = Request { method, uri, headers, body, body_waits: false };
                Target::Room { party, room, request: Box::new(request) }
            }
        })))
    }

    fn rooms(&mut self, party: String, prefix: String, after: Option<String>, limit: u32) -> Answer<u64> {
        Ok(started(self.turn("operations.rooms")?.rooms(party, prefix, after, limit)))
    }

    fn asset(&mut self, path: String) -> Answer<u64> {
        Ok(started(self.turn("operations.asset")?.asset(path)))
    }

    fn cancel(&mut self, operation: u64) -> wasmtime::Result<bool> {
        Ok(self.turn("operations.cancel")?.cancel(OperationId(operation)))
    }
}
