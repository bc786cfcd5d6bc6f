//! What is logged of a room: what its guest says in a turn, and what the room reports of itself.

use bytes::Bytes;
use party_core::event::LogLevel;
use party_core::room::Report;
use party_core::turn::Turn;
use party_runtime::aside::step_aside;

use crate::registry::RoomEntry;
use crate::worker::Worker;

/// How many lines a room logs before the others of its thread have their turns: each is a system call.
const LINES_IN_A_ROW_MAX: usize = 32;

/// How what is logged of a dropped turn begins, for harnesses that listen.
pub const DROPPED: &str = "the turn was dropped: ";

/// Logs what the guest has said in a turn.
pub(crate) async fn log_turn(entry: &RoomEntry, turn: &mut Turn) {
    let (lines, left_out) = turn.take_logs();
    for (number, line) in lines.into_iter().enumerate() {
        if number > 0 && number.is_multiple_of(LINES_IN_A_ROW_MAX) {
            step_aside().await;
        }
        log_guest(entry, line.level, &line.text);
    }
    if left_out > 0 {
        log_guest(entry, LogLevel::Warn, format!("{left_out} more lines in one turn left out").as_bytes());
    }
}

fn log_guest(entry: &RoomEntry, level: LogLevel, text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let (party, room) = (entry.address().party(), entry.address().room());
    match level {
        LogLevel::Trace => tracing::trace!(target: "guest", party, room, "{text}"),
        LogLevel::Debug => tracing::debug!(target: "guest", party, room, "{text}"),
        LogLevel::Info => tracing::info!(target: "guest", party, room, "{text}"),
        LogLevel::Warn => tracing::warn!(target: "guest", party, room, "{text}"),
        LogLevel::Error => tracing::error!(target: "guest", party, room, "{text}"),
    }
}

/// Logs what a room says of itself, and counts what is counted.
pub(crate) fn log_report(worker: &Worker, entry: &RoomEntry, report: Report) {
    let (party, room) = (entry.address().party(), entry.address().room());
    match report {
        Report::Failed { event, failure } => {
            let stack = failure.stack.map_or_else(Bytes::new, Bytes::from);
            let stack = String::from_utf8_lossy(&stack);
            tracing::warn!(party, room, event, "the handler failed: {} {stack}", failure.message);
        }
        Report::Dropped { event, cause } => {
            worker.tallies().dropped();
            tracing::error!(party, room, event, "{DROPPED}{cause}");
        }
        Report::Suspended { drops, until } => {
            let for_s = until.since_ms(worker.now()).div_ceil(1_000);
            tracing::error!(
                party,
                room,
                "suspended for {for_s} s after {drops} dropped turns within a minute (limits.drops_per_minute_max)"
            );
        }
        Report::Overdue { event, deadline_ms } => {
            tracing::warn!(party, room, event, "it did not settle within {deadline_ms} ms");
        }
        Report::AlarmGivenUp => {
            tracing::error!(party, room, "the alarm has failed too often and is given up")
        }
        Report::Damaged { reason } => {
            tracing::error!(
                party,
                room,
                "room-damaged: {reason}. It refuses everyone, and nothing of it is deleted\nhint: stop the host and run `party-host room recover {party}/{room}`"
            );
        }
        Report::Destroyed => tracing::info!(party, room, "destroyed, as its guest said"),
        Report::CommitFailed => {
            tracing::error!(party, room, "a commit failed: the room starts from what is durable");
        }
    }
}
