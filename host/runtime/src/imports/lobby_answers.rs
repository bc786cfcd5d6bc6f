//! `lobby-answers`: only for lobby events, of which there are none yet.

use wasmtime::Result;

use crate::bindings::party::server::lobby_answers::{DecideError, Decision, Host};
use crate::state::InstanceState;

impl Host for InstanceState {
    fn decide(&mut self, _event: u64, _decision: Decision) -> Result<Result<(), DecideError>> {
        self.turn("lobby-answers.decide")?;
        Ok(Err(DecideError::NotInTheLobby))
    }
}
