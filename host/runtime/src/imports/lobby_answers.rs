//! `lobby-answers`: how lobby events are decided.

use party_core::ids::EventId;
use party_core::lobby::Decision as CoreDecision;
use party_core::turn::lobby::DecideError as CoreError;
use wasmtime::Result;

use crate::bindings::party::server::lobby_answers::{DecideError, Decision, Host};
use crate::imports::values::{header, response, stand_in};
use crate::state::InstanceState;

impl Host for InstanceState {
    fn decide(&mut self, event: u64, decision: Decision) -> Result<Result<(), DecideError>> {
        let turn = self.turn("lobby-answers.decide")?;
        let decision = match decision {
            Decision::Proceed(headers) => CoreDecision::Proceed(headers.into_iter().map(header).collect()),
            Decision::ProceedAs(request) => match stand_in(request) {
                Ok(request) => CoreDecision::ProceedAs(Box::new(request)),
                Err(fault) => return Ok(Err(DecideError::BadDecision(fault))),
            },
            Decision::Respond(answer) => match response(answer) {
                Ok(response) => CoreDecision::Respond(response),
                Err(fault) => return Ok(Err(DecideError::BadDecision(fault))),
            },
        };
        Ok(turn.decide(EventId(event), decision).map_err(decide_error))
    }
}

fn decide_error(error: CoreError) -> DecideError {
    match error {
        CoreError::NotPending => DecideError::NotPending,
        CoreError::TooLarge(bytes_max) => DecideError::TooLarge(bytes_max),
        CoreError::BadDecision(fault) => DecideError::BadDecision(fault),
        CoreError::NotInTheLobby => DecideError::NotInTheLobby,
    }
}
