//! `room`: who and when am I. Outside of a turn there is no room: only `vars` answers there, with none.

use wasmtime::Result;

use crate::bindings::party::server::room::{Host, RoomError, RoomUsage};
use crate::names::cut;
use crate::state::InstanceState;
use crate::traps::GuestFault;

/// Bytes of the reason that a guest gives for giving up: it is answered to a client, and logged.
const ABORT_REASON_BYTES_MAX: usize = 4 << 10;

impl Host for InstanceState {
    fn project(&mut self) -> Result<String> {
        Ok(self.turn("room.project")?.address().project().into())
    }

    fn party(&mut self) -> Result<String> {
        Ok(self.turn("room.party")?.address().party().into())
    }

    fn id(&mut self) -> Result<String> {
        Ok(self.named_room("room.id")?.map(|turn| turn.address().room().into()).unwrap_or_default())
    }

    fn incarnation(&mut self) -> Result<String> {
        Ok(self
            .named_room("room.incarnation")?
            .map(|turn| turn.incarnation().to_string())
            .unwrap_or_default())
    }

    fn now(&mut self) -> Result<u64> {
        Ok(self.turn("room.now")?.now().0)
    }

    fn var(&mut self, name: String) -> Result<Option<String>> {
        Ok(self.turn("room.var")?.vars().get(&name).cloned())
    }

    fn vars(&mut self) -> Result<Vec<(String, String)>> {
        let vars = InstanceState::vars(self).into_iter().flatten();
        Ok(vars.map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    fn usage(&mut self) -> Result<RoomUsage> {
        let memory_bytes = self.limiter.memory_bytes();
        let memory_bytes_max = self.limiter.memory_bytes_max();
        let turn = self.turn("room.usage")?;
        Ok(RoomUsage {
            memory_bytes,
            memory_bytes_max,
            storage_bytes: turn.storage_bytes(),
            storage_bytes_max: turn.limits().storage_bytes_max,
            connections: turn.connections(None).len() as u32,
            operations: turn.open_operations(),
        })
    }

    fn abort(&mut self, mut reason: String) -> Result<Result<(), RoomError>> {
        if self.named_room("room.abort")?.is_none() {
            return Ok(Err(RoomError::NotInARoom));
        }
        cut(&mut reason, ABORT_REASON_BYTES_MAX);
        // It does not return to the guest.
        Err(GuestFault::Aborted(reason).into())
    }

    fn destroy(&mut self) -> Result<Result<(), RoomError>> {
        let Some(turn) = self.named_room("room.destroy")? else { return Ok(Err(RoomError::NotInARoom)) };
        turn.destroy();
        Ok(Ok(()))
    }
}
