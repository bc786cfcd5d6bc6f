//! `logging`: the host's log. Outside of a turn, lines are thrown away.

use party_core::event::LogLevel;
use wasmtime::Result;

use crate::bindings::party::server::logging::{Host, Level};
use crate::state::InstanceState;

impl Host for InstanceState {
    fn log(&mut self, level: Level, text: Vec<u8>) -> Result<()> {
        InstanceState::log(self, log_level(level), text);
        Ok(())
    }
}

fn log_level(level: Level) -> LogLevel {
    match level {
        Level::Trace => LogLevel::Trace,
        Level::Debug => LogLevel::Debug,
        Level::Info => LogLevel::Info,
        Level::Warn => LogLevel::Warn,
        Level::Error => LogLevel::Error,
    }
}
