//! The contract's imports: one file per interface. Each converts, reads the turn or appends to it, nothing else.

mod alarms;
mod connections;
mod events;
mod lobby_answers;
mod logging;
mod operations;
mod random;
mod responses;
mod room;
mod storage;
mod streams;
mod values;

use wasmtime::Result;
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::{RoomOnly, party::server::types};
use crate::state::InstanceState;

pub(crate) use values::{failure, headers, lent_request, operation_error};

/// Links all of them.
pub(crate) fn add_to_linker(linker: &mut Linker<InstanceState>) -> Result<()> {
    RoomOnly::add_to_linker::<_, HasSelf<InstanceState>>(linker, |state| state)
}

impl types::Host for InstanceState {}
