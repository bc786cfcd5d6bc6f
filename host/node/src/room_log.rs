//! What is logged of a room: what its guest says in a turn, and what the room reports of itself.

use bytes::Bytes;
use party_core::address::RoomAddress;
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
    log_lines(entry.address(), turn).await;
}

/// Logs what the guest has said in a turn of this room, or before its door.
pub(crate) async fn log_lines(address: &RoomAddress, turn: &mut Turn) {
    let (lines, left_out) = turn.take_logs();
    for (number, line) in lines.into_iter().enumerate() {
        if number > 0 && number.is_multiple_of(LINES_IN_A_ROW_MAX) {
            step_aside().await;
        }
        log_guest(address, line.level, &line.text);
    }
    if left_out > 0 {
        log_guest(address, LogLevel::Warn, format!("{left_out} more lines in one turn left out").as_bytes());
    }
}

fn log_guest(address: &RoomAddress, level: LogLevel, text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let (project, party, room) = address.names();
    match level {
        LogLevel::Trace => tracing::trace!(target: "guest", project, party, room, "{text}"),
        LogLevel::Debug => tracing::debug!(target: "guest", project, party, room, "{text}"),
        LogLevel::Info => tracing::info!(target: "guest", project, party, room, "{text}"),
        LogLevel::Warn => tracing::warn!(target: "guest", project, party, room, "{text}"),
        LogLevel::Error => tracing::error!(target: "guest", project, party, room, "{text}"),
    }
}

/// Logs what became of a lobby event, and counts what is counted.
pub(crate) fn log_lobby_report(worker: &Worker, address: &RoomAddress, lobby: &'static str, report: Report) {
    let (project, party, room) = address.names();
    match report {
        Report::Failed { event, failure } => {
            let stack = failure.stack.unwrap_or_default();
            tracing::warn!(
                project,
                party,
                room,
                lobby,
                event,
                "the handler failed: {} {stack}",
                failure.message
            );
        }
        Report::Dropped { event, cause } => {
            worker.tallies().dropped();
            tracing::error!(project, party, room, lobby, event, "{DROPPED}{cause}");
        }
        Report::Overdue { event, deadline_ms } => {
            tracing::warn!(project, party, room, lobby, event, "it did not settle within {deadline_ms} ms");
        }
        // Of what is kept of a room, and of its alarm; a lobby has neither.
        Report::Suspended { .. }
        | Report::AlarmGivenUp
        | Report::CommitFailed
        | Report::Destroyed
        | Report::Damaged { .. } => {}
    }
}

/// Logs what a room says of itself, and counts what is counted.
pub(crate) fn log_report(worker: &Worker, entry: &RoomEntry, report: Report) {
    let (project, party, room) = entry.address().names();
    match report {
        Report::Failed { event, failure } => {
            let stack = failure.stack.map_or_else(Bytes::new, Bytes::from);
            let stack = String::from_utf8_lossy(&stack);
            tracing::warn!(project, party, room, event, "the handler failed: {} {stack}", failure.message);
        }
        Report::Dropped { event, cause } => {
            worker.tallies().dropped();
            tracing::error!(project, party, room, event, "{DROPPED}{cause}");
        }
        Report::Suspended { drops, until } => {
            let for_s = until.since_ms(worker.now()).div_ceil(1_000);
            tracing::error!(
                project,
                party,
                room,
                "suspended for {for_s} s after {drops} dropped turns within a minute (limits.drops_per_minute_max)"
            );
        }
        Report::Overdue { event, deadline_ms } => {
            tracing::warn!(project, party, room, event, "it did not settle within {deadline_ms} ms");
        }
        Report::AlarmGivenUp => {
            tracing::error!(project, party, room, "the alarm has failed too often and is given up")
        }
        Report::Damaged { reason } => {
            tracing::error!(
                project,
                party,
                room,
                "room-damaged: {reason}. It refuses everyone, and nothing of it is deleted\nhint: stop the host and run `party-host room recover {}`",
                entry.address()
            );
        }
        Report::Destroyed => tracing::info!(project, party, room, "destroyed, as its guest said"),
        Report::CommitFailed => {
            tracing::error!(project, party, room, "a commit failed: the room starts from what is durable");
        }
    }
}
