//! `alarms`: the room's one durable alarm.

use party_core::ids::Timestamp;
use wasmtime::Result;

use crate::bindings::party::server::alarms::{AlarmError, Host};
use crate::state::InstanceState;

impl Host for InstanceState {
    fn set(&mut self, at: u64) -> Result<Result<(), AlarmError>> {
        let Some(turn) = self.named_room("alarms.set")? else { return Ok(Err(AlarmError::NotInARoom)) };
        if at == 0 {
            return Ok(Err(AlarmError::BadTime));
        }
        turn.set_alarm(Some(Timestamp(at)));
        Ok(Ok(()))
    }

    fn get(&mut self) -> Result<Result<Option<u64>, AlarmError>> {
        let Some(turn) = self.named_room("alarms.get")? else { return Ok(Err(AlarmError::NotInARoom)) };
        Ok(Ok(turn.alarm().map(|at| at.0)))
    }

    fn clear(&mut self) -> Result<Result<(), AlarmError>> {
        let Some(turn) = self.named_room("alarms.clear")? else { return Ok(Err(AlarmError::NotInARoom)) };
        turn.set_alarm(None);
        Ok(Ok(()))
    }
}
