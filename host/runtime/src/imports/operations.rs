//! `operations`: things that take time. So far a room can sleep.

use party_core::ids::OperationId;
use party_core::turn::operations::StartError;
use wasmtime::Result;

use crate::bindings::party::server::operations::{ConnectTarget, FetchOptions, Host};
use crate::bindings::party::server::types::{OperationErrorResult as OperationError, RequestResult};
use crate::imports::not_yet;
use crate::state::InstanceState;

type Answer<T> = Result<Result<T, OperationError>>;

impl InstanceState {
    fn not_yet_an_operation(&mut self, function: &'static str) -> Answer<u64> {
        self.turn(function)?;
        Ok(Err(OperationError::NotYet(not_yet(function))))
    }
}

impl Host for InstanceState {
    fn sleep(&mut self, ms: u64) -> Answer<u64> {
        let started = self.turn("operations.sleep")?.sleep(ms);
        Ok(started.map(|id| id.0).map_err(|error| match error {
            StartError::Overloaded(open_max) => OperationError::Overloaded(open_max),
        }))
    }

    fn fetch(&mut self, _request: RequestResult, _options: FetchOptions) -> Answer<u64> {
        self.not_yet_an_operation("operations.fetch")
    }

    fn call(&mut self, _party: String, _room: String, _request: RequestResult) -> Answer<u64> {
        self.not_yet_an_operation("operations.call")
    }

    fn connect(&mut self, _target: ConnectTarget) -> Answer<u64> {
        self.not_yet_an_operation("operations.connect")
    }

    fn rooms(&mut self, _: String, _prefix: String, _after: Option<String>, _limit: u32) -> Answer<u64> {
        self.not_yet_an_operation("operations.rooms")
    }

    fn asset(&mut self, _path: String) -> Answer<u64> {
        self.not_yet_an_operation("operations.asset")
    }

    fn cancel(&mut self, operation: u64) -> Result<bool> {
        Ok(self.turn("operations.cancel")?.cancel(OperationId(operation)))
    }
}
