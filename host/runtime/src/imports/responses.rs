//! `responses`: answers to HTTP requests.

use party_core::ids::RequestId;
use party_core::turn::responses::RespondError as CoreError;
use wasmtime::Result;

use crate::bindings::party::server::responses::{Host, RespondError};
use crate::bindings::party::server::types::ResponseResult;
use crate::imports::values::response;
use crate::state::InstanceState;

impl Host for InstanceState {
    fn respond(&mut self, request: u64, answer: ResponseResult) -> Result<Result<(), RespondError>> {
        let Some(turn) = self.room("responses.respond")? else { return Ok(Err(RespondError::NotInARoom)) };
        Ok(match response(answer) {
            Ok(response) => turn.respond(RequestId(request), response).map_err(respond_error),
            Err(fault) => Err(RespondError::BadResponse(fault)),
        })
    }
}

fn respond_error(error: CoreError) -> RespondError {
    match error {
        CoreError::Unknown => RespondError::Unknown,
        CoreError::TooLarge(bytes_max) => RespondError::TooLarge(bytes_max),
        CoreError::BadResponse(fault) => RespondError::BadResponse(fault),
        CoreError::TurnFull(bytes_max) => RespondError::TurnFull(bytes_max),
    }
}
