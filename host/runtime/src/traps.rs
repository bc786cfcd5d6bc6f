//! Why a guest did not return, as a type.
//!
//! wasmtime tells by one error for everything. Decisions are made on types inside it; its text is only shown.

use std::fmt::Write;

use party_core::event::DropCause;
use party_core::limits::Limits;
use party_core::storage::StorageReadError;
use rustc_demangle::demangle;
use thiserror::Error;
use wasmtime::{Error, PoolConcurrencyLimitError, Trap, WasmBacktrace};

/// The longest text of a trap, in bytes.
const TRAP_TEXT_BYTES_MAX: usize = 2_048;
/// The longest function name in it, in bytes.
const FRAME_NAME_BYTES_MAX: usize = 160;

/// A fault that the host finds in what a guest does. It ends the turn.
#[derive(Debug, Error)]
pub(crate) enum GuestFault {
    /// The CPU time is used up.
    #[error("the deadline has passed")]
    Deadline,
    /// The store could not be read.
    #[error("{0}")]
    Storage(StorageReadError),
    /// A command without a turn.
    #[error("{import} was called while the instance starts; only logging, random and room.vars can be")]
    OutsideOfATurn {
        /// The import's name.
        import: &'static str,
    },
    /// WASI's exit.
    #[error("the guest called exit({code}); a room ends with room.destroy, a turn by returning")]
    Exit {
        /// The exit status.
        code: u8,
    },
    /// A wait that would block the host.
    #[error(
        "the guest waited for a clock inside a turn; use operations.sleep, which ends in a turn of its own"
    )]
    Blocked,
    /// Too many random bytes in one call.
    #[error("{asked} random bytes were asked for in one call; the limit is {bytes_max}")]
    TooMuchChance {
        /// How many were asked for.
        asked: u64,
        /// The bound.
        bytes_max: u64,
    },
}

/// What an error means for the start of an instance that it ended: if no guest had a part in it, no instance could
/// be made.
pub(crate) fn start_cause(error: &Error, limits: &Limits) -> DropCause {
    let of_guest = error.is::<GuestFault>() || error.is::<Trap>() || error.is::<WasmBacktrace>();
    if of_guest {
        return drop_cause(error, limits);
    }
    let mut text = if error.is::<PoolConcurrencyLimitError>() {
        format!("all places are taken: {error}")
    } else {
        format!("{error:#}")
    };
    cut(&mut text, TRAP_TEXT_BYTES_MAX);
    DropCause::Instantiation(text)
}

/// What an error means for the turn that it ended.
pub(crate) fn drop_cause(error: &Error, limits: &Limits) -> DropCause {
    match error.downcast_ref::<GuestFault>() {
        Some(GuestFault::Deadline) => {
            return DropCause::Deadline { deadline_ms: limits.turn_deadline_ms };
        }
        Some(GuestFault::Storage(fault)) => return DropCause::Storage(fault.to_string()),
        Some(
            GuestFault::OutsideOfATurn { .. }
            | GuestFault::Exit { .. }
            | GuestFault::Blocked
            | GuestFault::TooMuchChance { .. },
        )
        | None => {}
    }
    if let Some(Trap::OutOfFuel) = error.downcast_ref::<Trap>() {
        return DropCause::Fuel { fuel_max: limits.turn_fuel_max };
    }
    DropCause::Trap(text(error))
}

/// The innermost cause, then where it happened.
fn text(error: &Error) -> String {
    let mut text = match error.downcast_ref::<GuestFault>() {
        Some(fault) => fault.to_string(),
        None => error.downcast_ref::<Trap>().map_or_else(|| error.root_cause().to_string(), Trap::to_string),
    };
    cut(&mut text, TRAP_TEXT_BYTES_MAX / 2);
    if let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() {
        append_frames(&mut text, backtrace);
    }
    cut(&mut text, TRAP_TEXT_BYTES_MAX);
    text
}

fn append_frames(text: &mut String, backtrace: &WasmBacktrace) {
    for (index, frame) in backtrace.frames().iter().enumerate() {
        let mut name = match frame.func_name() {
            Some(name) => format!("{:#}", demangle(name)),
            None => format!("function {}", frame.func_index()),
        };
        cut(&mut name, FRAME_NAME_BYTES_MAX);
        let before = if index == 0 { " (in " } else { " < " };
        write!(text, "{before}{name}").expect("a String takes everything");
    }
    if !backtrace.frames().is_empty() {
        text.push(')');
    }
}

/// Cuts on a character boundary.
fn cut(text: &mut String, bytes_max: usize) {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max.saturating_sub('…'.len_utf8())));
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn a_long_text_is_cut_on_a_character_boundary() {
        let mut text = "é".repeat(100);
        cut(&mut text, 20);
        assert_eq!(text, format!("{}…", "é".repeat(8)));
    }
}
