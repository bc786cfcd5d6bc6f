//! Why a guest did not return, as a type.
//!
//! wasmtime tells by one error for everything. Decisions are made on types inside it; its text is only shown.

use std::fmt::Write;

use party_core::event::DropCause;
use party_core::limits::Limits;
use party_core::storage::StorageReadError;
use thiserror::Error;
use wasmtime::{Error, PoolConcurrencyLimitError, Trap, WasmBacktrace};

use crate::names::{cut, readable};

/// The longest text of a trap, in bytes.
const TRAP_TEXT_BYTES_MAX: usize = 2_048;
/// Functions that it names at most, innermost first.
const FUNCTIONS_MAX: usize = 8;
/// How functions begin that stand between a panic, or an exit, and its trap: a dozen for each panic.
const MACHINERY: [&str; 8] =
    ["std::", "core::", "alloc::", "__rustc::", "abort", "exit", "_Exit", "exit_exit"];

/// A fault that the host finds in what a guest does. It ends the turn.
#[derive(Debug, Error)]
pub(crate) enum GuestFault {
    /// The CPU time is used up.
    #[error("the deadline has passed")]
    Deadline,
    /// The store could not be read.
    #[error("{0}")]
    Storage(StorageReadError),
    /// The guest has given this life of the room up.
    #[error("the room aborted: {0}")]
    Aborted(String),
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
    /// The system did not give memory that the room may have. A guest that saw `memory.grow` fail there would see chance that
    /// no replay has.
    #[error("the system has no memory left for the room to grow: {0}")]
    NoMemory(String),
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
    if let Some(fault @ GuestFault::NoMemory(_)) = error.downcast_ref::<GuestFault>() {
        return DropCause::Instantiation(fault.to_string());
    }
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
        Some(GuestFault::Aborted(reason)) => return DropCause::Aborted(reason.clone()),
        Some(GuestFault::Storage(fault)) => return DropCause::Storage(fault.to_string()),
        Some(fault @ GuestFault::NoMemory(_)) => return DropCause::NoMemory(fault.to_string()),
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
    let name_of = |frame: &wasmtime::FrameInfo| match frame.func_name() {
        Some(name) => readable(name),
        None => format!("function {}", frame.func_index()),
    };
    let names: Vec<String> = backtrace.frames().iter().map(name_of).collect();
    append_names(text, &names);
}

/// Innermost first. What a panic runs through before it traps is told by its outermost function, the one that the
/// party has called; a function that calls itself is told once.
fn append_names(text: &mut String, names: &[String]) {
    let of_party = names.iter().position(|name| !is_machinery(name));
    let first = of_party.unwrap_or_default().saturating_sub(1);
    let told: Vec<_> = names[first..].chunk_by(|one, next| one == next).collect();
    for (index, same) in told.iter().take(FUNCTIONS_MAX).enumerate() {
        let before = if index == 0 { " (in " } else { " < " };
        write!(text, "{before}{}", same[0]).expect("a String takes everything");
        if same.len() > 1 {
            write!(text, " x {}", same.len()).expect("a String takes everything");
        }
    }
    match told.len() {
        0 => {}
        1..=FUNCTIONS_MAX => text.push(')'),
        _ => text.push_str(" < …)"),
    }
}

fn is_machinery(name: &str) -> bool {
    MACHINERY.iter().any(|start| if start.ends_with(':') { name.starts_with(start) } else { name == *start })
}

#[cfg(test)]
mod tests {
    use super::append_names;

    #[track_caller]
    fn check(names: &[&str], expected: &str) {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut text = "trap".into();
        append_names(&mut text, &names);
        assert_eq!(text, format!("trap{expected}"));
    }

    #[test]
    fn functions_are_told_innermost_first() {
        check(&[], "");
        check(&["inner", "outer"], " (in inner < outer)");
        check(&["a", "b", "c", "d", "e", "f", "g", "h", "i"], " (in a < b < c < d < e < f < g < h < …)");
    }

    #[test]
    fn of_a_panic_only_what_the_party_called_is_told() {
        let names = [
            "abort",
            "std::process::abort",
            "core::option::unwrap_failed",
            "chat::greet",
            "core::fmt::write",
        ];
        check(&names, " (in core::option::unwrap_failed < chat::greet < core::fmt::write)");
        check(&["abort", "std::process::abort"], " (in abort < std::process::abort)");
        check(&["abortive", "go"], " (in abortive < go)");
    }

    #[test]
    fn a_function_that_calls_itself_is_told_once() {
        check(&["deep", "deep", "deep", "start"], " (in deep x 3 < start)");
    }
}
