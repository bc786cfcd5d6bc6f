//! `events`: the end of events that outlive their turn, and a way to hold back the others.

use party_core::ids::EventId;
use party_core::turn::events::EventError as CoreError;
use wasmtime::Result;

use crate::bindings::party::server::events::{EventError, Host};
use crate::bindings::party::server::types::Failure;
use crate::imports::failure;
use crate::state::InstanceState;

impl Host for InstanceState {
    fn settle(&mut self, event: u64, outcome: Result<(), Failure>) -> Result<Result<(), EventError>> {
        let settled = self.turn("events.settle")?.settle(EventId(event), outcome.map_err(failure));
        Ok(settled.map_err(event_error))
    }

    fn hold(&mut self) -> Result<Result<(), EventError>> {
        let Some(turn) = self.room("events.hold")? else { return Ok(Err(EventError::NotInARoom)) };
        Ok(turn.hold().map_err(event_error))
    }

    fn release(&mut self) -> Result<Result<(), EventError>> {
        let Some(turn) = self.room("events.release")? else { return Ok(Err(EventError::NotInARoom)) };
        Ok(turn.release().map_err(event_error))
    }
}

fn event_error(error: CoreError) -> EventError {
    match error {
        CoreError::NotPending => EventError::NotPending,
        CoreError::TooDeep(holds_max) => EventError::TooDeep(holds_max),
        CoreError::NotHeld => EventError::NotHeld,
    }
}
