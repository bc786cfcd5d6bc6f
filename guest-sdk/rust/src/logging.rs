//! Lines for the host's log, labelled there with party and room.

use std::fmt;

use crate::bindings::party::server::logging;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Every step.
    Trace,
    /// What helps to find a fault.
    Debug,
    /// What an operator likes to know.
    Info,
    /// What may become a fault.
    Warn,
    /// What went wrong.
    Error,
}

/// Write to the host's log; the macros [`trace!`](crate::trace!) to [`error!`](crate::error!) are shorter.
///
/// The host bounds the lines of a turn; those beyond are counted and left out.
pub fn log(level: Level, text: fmt::Arguments<'_>) {
    match text.as_str() {
        Some(text) => log_bytes(level, text.as_bytes()),
        None => log_bytes(level, text.to_string().as_bytes()),
    }
}

/// Write bytes to the host's log, which replaces those that are not UTF-8.
pub fn log_bytes(level: Level, text: &[u8]) {
    let level = match level {
        Level::Trace => logging::Level::Trace,
        Level::Debug => logging::Level::Debug,
        Level::Info => logging::Level::Info,
        Level::Warn => logging::Level::Warn,
        Level::Error => logging::Level::Error,
    };
    logging::log(level, text);
}

/// Log every step; takes what `println!` takes.
#[macro_export]
macro_rules! trace {
    ($($text:tt)*) => { $crate::log($crate::Level::Trace, ::core::format_args!($($text)*)) };
}

/// Log what helps to find a fault; takes what `println!` takes.
#[macro_export]
macro_rules! debug {
    ($($text:tt)*) => { $crate::log($crate::Level::Debug, ::core::format_args!($($text)*)) };
}

/// Log what an operator likes to know; takes what `println!` takes.
#[macro_export]
macro_rules! info {
    ($($text:tt)*) => { $crate::log($crate::Level::Info, ::core::format_args!($($text)*)) };
}

/// Log what may become a fault; takes what `println!` takes.
#[macro_export]
macro_rules! warn {
    ($($text:tt)*) => { $crate::log($crate::Level::Warn, ::core::format_args!($($text)*)) };
}

/// Log what went wrong; takes what `println!` takes.
#[macro_export]
macro_rules! error {
    ($($text:tt)*) => { $crate::log($crate::Level::Error, ::core::format_args!($($text)*)) };
}
